"""Worlds in trouble, by name: where scenarios, crash and fault tests and contracts start from."""

from collections.abc import Callable
from dataclasses import replace

from lunmirror.engine import journal
from lunmirror.engine.model import Kind, Present
from lunmirror.host import paths
from sim import byhand, hosts
from sim.disks import Impossible
from sim.iscsi import login
from sim.lvm import Lvm
from sim.machine import Call, Died
from sim.stage import DISKS, SERVERS, Stage, converged, text
from sim.world import MACHINE, make_world
from sim.world import blank as blank_lun


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


def repair() -> Stage:
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


def logged_in_again(kind: str, disk: str) -> Stage:
    """The session of this disk was ended and begun again while nobody wrote to the volume."""
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


def moved(kind: str) -> Stage:
    """Disk third takes the place of right, which works."""
    stage = converged(text(type=kind))
    stage.world.servers |= {"filer3": make_world(servers=3).servers["filer3"]}
    stage.world.given_up = {stage.desired.disks["right"].pv_uuid}
    return Stage(text(disks=("left", "third"), type=kind, replaces=("third", "right")), stage.world)


def replaced(kind: str) -> Stage:
    """filer2 was away, and is back with a new, blank LUN in the place of disk right, declared as right2."""
    stage = outage(converged(text(type=kind)), "filer2")
    stage.apply()
    stage.world.logout("filer2")
    stage.world.servers["filer2"].targets[SERVERS["filer2"][1]][1] = blank_lun()
    stage.world.given_up = {stage.desired.disks["right"].pv_uuid}
    back(stage, "filer2")
    return Stage(text(disks=("left", "right2"), type=kind, replaces=("right2", "right")), stage.world)


def start_by_hand(stage: Stage) -> None:
    """An administrator, or another program, starts the volume on what is in view."""
    lvm = Lvm(stage.world, None)
    lvm.start(lvm.group("vg0"), "testlv", by_hand=False)


def other_leg_by_hand(words: str) -> Stage:
    """filer1 ran alone, which lunmirror saw; then filer2 alone is there, and somebody started it by hand."""
    stage = outage(converged(words), "filer2")
    if not stage.world.mounts:  # nobody writes: one write, which the dead leg fails
        stage.world._write(stage.world.active("testlv"))
        stage.world.active("testlv").legs[1].letter = "D"
    stage.apply()
    stage.world.event_activation = False
    stage.world.cut("filer1")
    stage.world.restore("filer2")
    stage.world.reboot()
    start_by_hand(stage)
    return stage


def split_brain() -> Stage:
    """Each leg ran without the other, which a pass has seen; now both are there."""
    stage = other_leg_by_hand(text().replace('mount = "/mnt/test"\n', ""))
    stage.apply()
    return back(stage, "filer1")


def chosen(keep: str) -> Stage:
    """An administrator says which of a split brain is kept; what only the other one holds is given up."""
    stage = split_brain()
    for uuid in stage.world.acknowledged:
        part = stage.desired.disks[next(d for d, s in DISKS.items() if s == keep)].pv_uuid
        stage.world.acknowledged[uuid] = set(stage.world.area_of(part).legs[uuid].writes)
    stage.desired = stage.desired._replace(choice=("vg0/testlv", keep))
    return stage


def blank_but_for_a_file_system(partition: bool = True) -> Stage:
    """The left LUN holds a file system that nobody declared."""
    stage = blank(partition=partition)
    lun = stage.lun("left")
    lun.body.signature = {"UUID": "0b2d1a4e-1c52-4f0e-8f7a-6f0d1d4a9b11", "TYPE": "ext4"}
    lun.body.marks = {8 << 20: 4096}
    stage.world.version += 1
    return stage


def overwritten(partition: bool) -> Stage:
    """The left LUN holds a file system; the configuration names it, as the refusal asked for, and gives it up."""
    stage = blank_but_for_a_file_system(partition)
    lun = stage.lun("left")
    asked = stage.apply().finding(Kind.REFUSED)
    consent = asked.partition("overwrite = ")[2].splitlines()[0]
    words = text(partition=partition).replace("[disks.right]", f"overwrite = {consent}\n[disks.right]")
    lun.given_up = True
    return Stage(words, stage.world)


def foreign_host() -> Stage:
    """The group is another host's."""
    return tagged("lunmirror.host=0123456789abcdef0123456789abcdef")


def tagged(*tags: str) -> Stage:
    """Converged, and then somebody gave the group these tags, and no others."""
    stage = converged(text())
    for area in stage.world.areas():
        if area.meta and area.meta.name == "vg0":
            area.meta = replace(area.meta, tags=tags)
    stage.world.version += 1
    return stage


def taken_over() -> Stage:
    """Another host made everything and is off for good; this one has the consent to take it over, and no state."""
    stage = converged(text())
    stage.world.event_activation = False
    hosts.new_host(stage.world, "a", "0123456789abcdef0123456789abcdef", "iqn.1993-08.org.debian:01:000000000002")
    hosts.die(stage.world, "a")
    stage.world.event_activation = False
    stage.apply()  # refused, and the sessions are there
    return stage.configure(text().replace("[groups.vg0]\n", f'[groups.vg0]\ntake_from = "{MACHINE}"\n'))


def restarted(stage: Stage, server: str) -> Stage:
    """Its server was away for longer than the budget, listened before its targets were defined, and is whole again: its
    session is stuck."""
    stage.world.refuse(server)
    stage.world.advance(60.0)
    stage.world.servers[server].become("listening")
    stage.world.advance(3.0)
    stage.world.restore(server)
    return stage


def enlarged_luns() -> Stage:
    """Both LUNs were enlarged on their servers, and the volume is to have what is there now."""
    stage = converged(text(size="256MiB", partition=False))
    byhand.enlarge(stage.world, 2 << 30)
    return stage.configure(text(size="1GiB", partition=False))


def renamed_disk() -> Stage:
    """A disk has another name in the configuration than when its physical volume was made."""
    return converged(text()).configure(
        text().replace("[disks.right]", "[disks.rechts]").replace('"right"', '"rechts"')
    )


def under_a_snapshot() -> Stage:
    """A leg died while the volume had a snapshot on the other; the server is back."""
    stage = converged(text())
    byhand.snapshot(stage.world, "testlv", stage.desired.disks["left"].pv_uuid)
    return back(outage(stage, "filer2"), "filer2")


def interrupted(stage: Stage, verb: str) -> Stage:
    """Passes until an LVM command with this verb is killed half-way."""

    def fault(call: Call) -> str:
        return "during" if call.changes and f" {verb} " in f" {call.what} " else ""

    try:
        stage.apply(fault)
    except Died:
        return stage
    raise Impossible(f"no {verb} in this story")


def believed_no_more(stage: Stage, disk: str, reason: str = journal.OLDER) -> Stage:
    """The journal says since just now that the leg on this disk is not to be believed."""
    (path,) = (p for p in stage.world.files if p.startswith(paths.JOURNAL_DIR))
    entry = journal.parse(Present(stage.world.files[path])).facts
    entry = journal.distrust(entry, (stage.desired.disks[disk].pv_uuid,), reason, "2026-01-05T00:00:00Z")
    stage.world.files[path] = journal.render(entry)
    return stage


def distrusted(kind: str, disk: str, at_rest: bool = False) -> Stage:
    """A leg is not to be believed, in service; or on a volume that is stopped."""
    stage = converged(text(type=kind))
    believed_no_more(stage, disk)
    if at_rest:
        stage.world.event_activation = False
        stage.world.unmount("/mnt/test")
        stage.world.deactivate("testlv")
    return stage


def forgetful(*disks: str, kind: str = "raid1", away: float = 5.0, crash: bool = False) -> Stage:
    """These disks' servers lost their power, and with it what they had acknowledged last; where all did, nothing was lost."""
    stage = converged(text(type=kind))
    stage.world.event_activation = not crash
    for disk in disks:
        stage.world.restart(DISKS[disk], away, lose=2 if len(disks) == 1 else 0)
    if crash:
        stage.world.reboot()
    return stage


def repair_to_be_ended(disk: str = "left") -> Stage:
    """The client lost its power; while a repair goes over the legs, far from its end, a server is restarted."""
    stage = crashed()
    stage.world.copying = False
    stage.apply()
    stage.world.advance(5.0)
    stage.world.restart(DISKS[disk])
    return stage


STORIES: dict[str, Callable[[], Stage]] = {
    "blank raid1 ext4 on partitions": blank,
    "blank mirror on disks": lambda: blank(type="mirror", partition=False),
    "blank mirror with a disk log": lambda: blank(type="mirror", more='log = "disk"'),
    "blank linear ext3": lambda: blank(disks=("left",), type="linear", filesystem="ext3"),
    "blank xfs with a label": lambda: blank(size="304MiB", filesystem="xfs"),
    "blank three legs": lambda: blank(disks=("left", "right", "third")),
    "repair": repair,
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
    "another region size": lambda: converged(text()).configure(text(more='region_size = "8MiB"')),
    "inactive": inactive,
    "crashed": crashed,
    "drifted": drifted,
    "flags": flags,
    "a volume half-made": lambda: interrupted(blank(), "lvcreate"),
    "a leg half-added": lambda: interrupted(second_server(), "lvconvert"),
    "a third leg half-added": lambda: interrupted(third_leg(), "lvconvert"),
    "overwritten disks": lambda: overwritten(partition=False),
    "overwritten partitions": lambda: overwritten(partition=True),
    "taken over from another host": taken_over,
    "adopted without a mark": tagged,
    "marked by an older version": lambda: tagged(f"lunmirror.host={MACHINE}"),
    "a leg moves": lambda: moved("raid1"),
    "a leg of a mirror moves": lambda: moved("mirror"),
    "enlarged LUNs": enlarged_luns,
    "a disk renamed": renamed_disk,
    "a leg dead under a snapshot": under_a_snapshot,
    "a dead leg is replaced": lambda: replaced("raid1"),
    "a lost leg of a mirror is replaced": lambda: replaced("mirror"),
    "the first leg is distrusted": lambda: distrusted("raid1", "left"),
    "the second leg is distrusted": lambda: distrusted("raid1", "right"),
    "a leg is distrusted at rest": lambda: distrusted("raid1", "left", at_rest=True),
    "a leg of a mirror is distrusted": lambda: distrusted("mirror", "right"),
    "the first leg of a mirror is distrusted at rest": lambda: distrusted("mirror", "left", at_rest=True),
    "the first leg's server is restarted": lambda: forgetful("left"),
    "the second leg's server is restarted": lambda: forgetful("right"),
    "a server is restarted beyond its timeout": lambda: forgetful("left", away=60.0),
    "a mirror's server is restarted": lambda: forgetful("left", kind="mirror"),
    "a server is restarted before a crash": lambda: forgetful("right", crash=True),
    "every server is restarted": lambda: forgetful("left", "right"),
}
