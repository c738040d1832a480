"""Worlds in trouble, by name: where scenarios, crash and fault tests and contracts start from."""

from collections.abc import Callable
from dataclasses import replace

from sim.iscsi import login
from sim.lvm import Lvm
from sim.stage import DISKS, SERVERS, Stage, converged, text
from sim.world import make_world


def flag(stage: Stage) -> None:
    """Somebody writes the group's metadata now: what is out of view is flagged as missing."""
    lvm = Lvm(stage.world, None)
    lvm.commit(lvm.group("vg0"), by_hand=False)


def outage(stage: Stage, server: str, seconds: float = 60.0) -> Stage:
    """The server is gone long enough for its leg to be dead, and stays away."""
    stage.world.cut(server)
    stage.world.advance(seconds)
    return stage


def back(stage: Stage, *servers: str) -> Stage:
    for server in servers:
        stage.world.restore(server)
    stage.world.advance(10.0)
    return stage


def blank(**shape: str | bool | tuple[str, ...]) -> Stage:
    words = text(**shape)
    return Stage(words, make_world(servers=3 if "filer3" in words else 2))


def blocked() -> Stage:
    """A leg is away, and the kernel knows it."""
    return outage(converged(text()), "filer2")


def healing() -> Stage:
    """A leg died, metadata was written meanwhile, the server is back."""
    stage = outage(converged(text()), "filer2")
    flag(stage)
    return back(stage, "filer2")


def dead_leg() -> Stage:
    """A leg died; no metadata was written; the server is back."""
    return back(outage(converged(text()), "filer2"), "filer2")


def new_name() -> Stage:
    """The session was ended under the volume; the disk will come back under another name."""
    stage = converged(text())
    stage.world.logout("filer2")
    stage.world.advance(5.0)
    return stage


def logged_in_anew(kind: str, disk: str) -> Stage:
    """The session of this disk was ended and begun anew while nobody wrote to the volume."""
    stage = converged(text(type=kind).replace('mount = "/mnt/test"\n', ""))
    stage.world.event_activation = False
    address, target = SERVERS[DISKS[disk]]
    stage.world.logout(DISKS[disk])
    stage.world.advance(5.0)
    login(stage.world, target, f"{address}:3260")
    stage.world.advance(5.0)
    return stage


def mirror_made_linear() -> Stage:
    return back(outage(converged(text(type="mirror")), "filer2"), "filer2")


def growth() -> Stage:
    return converged(text()).configure(text(size="128MiB"))


def xfs_growth() -> Stage:
    return converged(text(size="304MiB", filesystem="xfs")).configure(text(size="320MiB", filesystem="xfs"))


def second_server() -> Stage:
    """Bought the second server: linear becomes raid1."""
    one = converged(text(disks=("left",), type="linear"))
    two = Stage(text(), one.world)
    two.world.servers |= make_world().servers | one.world.servers
    two.foreign = Stage(text(), two.world).foreign
    return two


def third_leg() -> Stage:
    stage = converged(text())
    stage.world.servers |= {"filer3": make_world(servers=3).servers["filer3"]}
    return Stage(text(disks=("left", "right", "third")), stage.world)


def takeover() -> Stage:
    return converged(text(type="mirror")).configure(text())


def second_leg_of_mirror() -> Stage:
    one = converged(text(disks=("left",), type="linear"))
    one.world.servers |= {"filer2": make_world().servers["filer2"]}
    return Stage(text(type="mirror"), one.world)


def disk_log() -> Stage:
    return converged(text(type="mirror")).configure(text(type="mirror", more='log = "disk"'))


def degraded_start() -> Stage:
    """The client booted with one server away; the volume was in sync on both before."""
    stage = converged(text())
    stage.world.cut("filer2")
    stage.world.reboot()
    return stage


def mirror_without_a_leg() -> Stage:
    """The client booted with one server away; the mirror was in sync on both before."""
    stage = converged(text(type="mirror"))
    stage.world.cut("filer2")
    stage.world.reboot()
    return stage


def crashed() -> Stage:
    """The client's power failed while the volume was written to; nobody else starts it at the next boot."""
    stage = converged(text())
    stage.world.event_activation = False
    stage.world.reboot()
    return stage


def inactive() -> Stage:
    stage = converged(text())
    stage.world.event_activation = False
    stage.world.unmount("/mnt/test")
    stage.world.reboot()
    return stage


def events() -> Stage:
    """A group from before lunmirror kept LVM's event activation off."""
    stage = converged(text())
    for area in stage.world.areas():
        if area.meta and area.meta.name == "vg0":
            area.meta = replace(area.meta, autoactivation=True)
    stage.world.version += 1
    return stage


def drifted() -> Stage:
    """Everything at once that a hand can turn."""
    stage = converged(
        text(more='mount = { path = "/mnt/test", options = ["noatime"] }').replace('mount = "/mnt/test"\n', "")
    )
    world = stage.world
    left, right = stage.record("left"), stage.record("right")
    world.files[left] = world.files[left].replace(b"startup = automatic", b"startup = manual")
    world.files[right] = world.files[right][:400]
    world.unmount("/mnt/test")
    world.deactivate("testlv")
    world.logout("filer2")
    world.sessions[0].recovery_tmo = 120
    world.files["/etc/fstab"] = world.files["/etc/fstab"].replace(b"nofail,", b"")
    world.reload_units()
    return stage


def flags() -> Stage:
    """A mount option declared later."""
    noatime = text(more='mount = { path = "/mnt/test", options = ["noatime"] }').replace('mount = "/mnt/test"\n', "")
    return converged(text()).configure(noatime)


def foreign_host() -> Stage:
    """The group is another host's."""
    stage = converged(text())
    for area in stage.world.areas():
        if area.meta and area.meta.name == "vg0":
            area.meta = replace(area.meta, tags=("lunmirror.host=0123456789abcdef0123456789abcdef",))
    return stage


STORIES: dict[str, Callable[[], Stage]] = {
    "blank raid1 ext4 on partitions": blank,
    "blank mirror on disks": lambda: blank(type="mirror", partition=False),
    "blank mirror with a disk log": lambda: blank(type="mirror", more='log = "disk"'),
    "blank linear ext3": lambda: blank(disks=("left",), type="linear", filesystem="ext3"),
    "blank xfs with a label": lambda: blank(size="304MiB", filesystem="xfs"),
    "blank three legs": lambda: blank(disks=("left", "right", "third")),
    "healing": healing,
    "event activation": events,
    "dead leg": dead_leg,
    "new name": new_name,
    "mirror made linear": mirror_made_linear,
    "growth": growth,
    "xfs growth": xfs_growth,
    "second server": second_server,
    "second leg of a mirror": second_leg_of_mirror,
    "third leg": third_leg,
    "takeover": takeover,
    "disk log": disk_log,
    "inactive": inactive,
    "crashed": crashed,
    "drifted": drifted,
    "flags": flags,
}
