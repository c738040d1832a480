"""`adopt` on hosts that were set up by hand: it changes nothing, what it prints loads, and its plan changes settings alone."""

import copy
import re
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any, NamedTuple

import pytest
import tomli

from lunmirror import config
from lunmirror.cli.commands.adopt import answer
from lunmirror.engine.desired import Desired
from lunmirror.engine.errors import HostError
from lunmirror.engine.execute import Executor
from lunmirror.engine.model import MakeDirectory, Report, Risk, Run, WriteFile, WriteValue
from lunmirror.engine.reconcile import run_pass
from lunmirror.setup.adopt import Answer, adopt
from sim import byhand, iscsi
from sim.handmade import Hand, article, blank, pair
from sim.machine import SimHost
from sim.world import World

PLACE = "/etc/lunmirror/lunmirror.toml"
PVS = ("hand01-aaaa-bbbb-cccc-dddd-eeee-ffff01", "hand02-aaaa-bbbb-cccc-dddd-eeee-ffff02")


class Host(NamedTuple):
    """`says`: what stands in the configuration (no comments); `refused`: what its first comments say is not expressed."""

    make: Callable[[], Hand]
    says: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()


def mounted(
    *lines: str, kind: str = "raid1", fs: str = "ext4", label: str = "", at: str = "/srv/mail"
) -> Callable[[], Hand]:
    def make() -> Hand:
        hand = pair(kind, fs, label)
        uuid = hand.active("data", "mail").legs[0].data.fs.uuid
        flags = [option for option in ("noatime", "nodev") if any(option in line for line in lines)]
        hand.mount("data", "mail", at, *(("rw", *flags) if flags else ()))
        hand.fstab(*(line.format(uuid=uuid) for line in lines))
        return hand

    return make


def unmounted() -> Hand:
    hand = pair()
    hand.fstab("/dev/data/mail /srv/mail ext4 defaults 0 2")
    return hand


def elsewhere() -> Hand:
    hand = pair()
    hand.fstab("/dev/data/mail /srv/mail ext4 defaults 0 2")
    hand.mount("data", "mail", "/mnt/rescue")
    return hand


def twice() -> Hand:
    hand = mounted("/dev/data/mail /srv/mail ext4 defaults 0 2")()
    hand.mount("data", "mail", "/mnt/second")
    return hand


def two_volumes() -> Hand:
    hand = pair(fs="xfs", extents=80)  # mkfs.xfs makes none below 300 MiB
    hand.mount("data", "mail", "/srv/mail")
    hand.lv("data", "home", "mirror", 8, *PVS)
    hand.mkfs("data", "home", "ext4")
    hand.mount("data", "home", "/srv/home", "rw", "nosuid", "noatime")
    return hand


def disk_log() -> Hand:
    hand = pair(fs="")
    hand.lv("data", "logged", "mirror", 8, *PVS, log="disk")
    hand.mkfs("data", "logged", "ext4")
    hand.mount("data", "logged", "/srv/logged")
    return hand


def three_servers() -> Hand:
    hand = Hand(3).logged_in()
    pvs = [hand.pv(name, partition=name == "filer2") for name in hand.world.servers]
    hand.vg("vg3", *pvs)
    hand.lv("vg3", "db", "raid1", 8, *pvs, region=1 << 20)
    hand.mkfs("vg3", "db", "ext4")
    hand.mount("vg3", "db", "/srv/db")
    return hand


def capitals() -> Hand:
    hand = Hand()
    for name, server in hand.world.servers.items():
        server.targets = {f"iqn.2006-01.com.OpenFiler:Store-{name}": next(iter(server.targets.values()))}
    hand.logged_in()
    hand.vg("Data-Store", hand.pv("filer1"), hand.pv("filer2"))
    hand.lv("Data-Store", "Mail.2024+x", "raid1", 8, *PVS)
    hand.mkfs("Data-Store", "Mail.2024+x", "ext4")
    hand.mount("Data-Store", "Mail.2024+x", "/srv/Mail", "rw", "nodev", "relatime")
    hand.fstab("/dev/mapper/Data--Store-Mail.2024+x /srv/Mail ext4 defaults,nodev 0 0")
    return hand


def ipv6() -> Hand:
    hand = Hand()
    for number, server in enumerate(hand.world.servers.values(), 5):
        server.addresses = (f"fd00::1{number}",)
    hand.logged_in()
    hand.vg("data", hand.pv("filer1"), hand.pv("filer2"))
    hand.lv("data", "mail", "raid1", 8, *PVS)
    return hand


def two_groups() -> Hand:
    luns = {name: {1: blank(), 2: blank()} for name in ("filer1", "filer2")}
    hand = Hand(luns=luns).logged_in()
    hand.vg("one", hand.pv("filer1"), hand.pv("filer2"))
    hand.vg("two", hand.pv("filer1", 2, partition=False), hand.pv("filer2", 2, partition=False))
    hand.lv("one", "a", "raid1", 8, *PVS)
    hand.lv(
        "two", "b", "mirror", 8, "hand04-aaaa-bbbb-cccc-dddd-eeee-ffff04", "hand05-aaaa-bbbb-cccc-dddd-eeee-ffff05"
    )
    return hand


def linear_and_mirror() -> Hand:
    hand = pair("linear")
    hand.mount("data", "mail", "/srv/mail")
    return hand


def snapshot() -> Hand:
    hand = mounted("/dev/data/mail /srv/mail ext4 defaults 0 2")()
    lvm = byhand.Lvm(hand.world, None)
    meta = lvm.group("data")
    lv = meta.lv("mail")
    lvm.commit(meta.with_lv("mail", replace(lv, snapshots=(("nightly0", PVS[1], 4),))))
    active = hand.active("data", "mail")
    active.diskseq = hand.world.number()
    lvm._numbers(active)
    return hand


def bystanders() -> Hand:
    hand = Hand(bystanders=True).logged_in()
    hand.vg("data", hand.pv("filer1"), hand.pv("filer2"))
    hand.lv("data", "mail", "raid1", 8, *PVS)
    return hand


def chosen_timeouts() -> Hand:
    hand = pair(**{"node.startup": "onboot", "node.session.timeo.replacement_timeout": "25"})
    hand.mount("data", "mail", "/srv/mail")
    return hand


def copying() -> Hand:
    hand = pair()
    hand.active("data", "mail").legs[1].letter = "a"
    hand.active("data", "mail").legs[1].copied = 4 << 20
    hand.world.copying = False
    return hand


def local_disk() -> Hand:
    hand = pair()
    for area in hand.world.areas():
        if area.meta:
            area.meta = replace(area.meta, pvs=(*area.meta.pvs, ("local0-vvvv", 1 << 29)))
    hand.world.files["/sys/class/block/vda2/dev"] = b"254:2\n"
    hand.world.files["/run/udev/data/b254:2"] = b"E:ID_FS_UUID=local0-vvvv\nE:ID_FS_TYPE=LVM2_member\n"
    hand.world.version += 1
    return hand


def server_away() -> Hand:
    hand = pair()
    hand.mount("data", "mail", "/srv/mail")
    hand.world.cut("filer2")
    hand.world.advance(60.0)
    return hand


def one_server() -> Hand:
    hand = Hand(1, luns={"filer1": {1: blank(), 2: blank()}}).logged_in()
    hand.vg("data", hand.pv("filer1"), hand.pv("filer1", 2))
    hand.lv("data", "mail", "raid1", 8, *PVS)
    return hand


def two_paths() -> Hand:
    hand = pair()
    hand.world.servers["filer2"].addresses += ("192.168.2.120",)
    hand.login("filer2", address="192.168.2.120")
    return hand


def stopped() -> Hand:
    hand = two_volumes()
    hand.world.unmount("/srv/home")
    hand.world.deactivate("home")
    return hand


def all_stopped() -> Hand:
    hand = pair()
    hand.world.deactivate("mail")
    return hand


def read_only() -> Hand:
    hand = mounted()()
    lvm = byhand.Lvm(hand.world, None)
    meta = lvm.group("data")
    lvm.commit(meta.with_lv("mail", replace(meta.lv("mail"), permissions="read-only")))
    return hand


def of(**values: Any) -> Callable[[], Hand]:
    """With a group that is another machine's."""

    def make() -> Hand:
        hand = mounted()()
        byhand.own(hand.world, "data", **values)
        return hand

    return make


def cloned_disk() -> Hand:
    hand = Hand(luns={"filer1": {1: blank(), 3: blank()}, "filer2": {1: blank()}}).logged_in()
    hand.vg("data", hand.pv("filer1"), hand.pv("filer2"))
    hand.lv("data", "mail", "raid1", 8, *PVS)
    copied = hand.lun("filer1", 3)
    original = copy.deepcopy(hand.lun("filer1"))
    copied.table, copied.body, copied.part = original.table, original.body, original.part
    hand.world.disks()[1].partition = True
    hand.world.version += 1
    return hand


def through_an_interface() -> Hand:
    hand = pair()
    iscsi.login_through(hand.world, "nic1", "iqn.2006-01.com.openfiler:linuxtest1lv", "192.168.1.115:3260")
    hand.world.sessions[-1].target = "iqn.2006-01.com.openfiler:other"
    hand.world.sessions[-1].disks.clear()
    hand.world.version += 1
    return hand


def bound_to_an_interface() -> Hand:
    """Every session of filer1 through an interface record with the name of its network interface."""
    hand = pair()
    path = iscsi.record_path(hand.world, "iqn.2006-01.com.openfiler:linuxtest1lv", "192.168.1.115:3260")
    record = hand.world.files.pop(path)
    bound = record.replace(b"ifacename = default\n", b"ifacename = eth0\niface.net_ifacename = eth0\n")
    hand.world.files[path.replace("/default", "/eth0")] = bound
    hand.world.sessions[0].iface = "eth0"
    hand.world.version += 1
    return hand


def names_alike() -> Hand:
    hand = mounted("/dev/data/mail /srv/mail ext4 defaults 0 2")()
    hand.lv("data", "mail2", "raid1", 8, *PVS)
    hand.mkfs("data", "mail2", "xfs")  # smaller than any that mkfs.xfs makes
    return hand


def nothing() -> Hand:
    return Hand()


FSTAB = "{} /srv/mail ext4 noatime,_netdev 0 2"
DECLARED = ('mount = { path = "/srv/mail", options = ["noatime"] }', 'filesystem = "ext4"')
HOSTS = {
    "the article": Host(article, ('type = "mirror"', 'log = "core"', 'filesystem = "ext3"', 'mount = "/mnt/test"')),
    "the article, whole disks, no automatic login": Host(
        lambda: article(partition=False, **{"node.startup": "manual"}), ('startup = "manual"',)
    ),
    "fstab by /dev/VG/LV": Host(mounted(FSTAB.format("/dev/data/mail")), DECLARED),
    "fstab by /dev/mapper": Host(mounted(FSTAB.format("/dev/mapper/data-mail")), DECLARED),
    "fstab by UUID": Host(mounted(FSTAB.format("UUID={uuid}")), DECLARED),
    "fstab by LABEL": Host(
        mounted(FSTAB.format("LABEL=post"), label="post"),
        ('filesystem = { type = "ext4", label = "post" }', DECLARED[0]),
    ),
    "fstab by /dev/disk/by-uuid": Host(mounted(FSTAB.format("/dev/disk/by-uuid/{uuid}")), DECLARED),
    "mounted, no fstab": Host(mounted(), ('mount = "/srv/mail"', 'region_size = "2MiB"')),
    "raw": Host(lambda: pair(fs=""), ('type = "raid1"',)),
    "linear": Host(linear_and_mirror, ('type = "linear"', 'legs = ["filer1-lun1"]')),
    "two volumes, xfs, flags": Host(
        two_volumes,
        (
            'filesystem = "xfs"',
            'mount = { path = "/srv/home", options = ["noatime", "nosuid"] }',
            'mount = "/srv/mail"',
        ),
    ),
    "a mirror with a disk log": Host(disk_log, ('log = "disk"', 'mount = "/srv/logged"')),
    "three servers": Host(
        three_servers, ('legs = ["filer1-lun1", "filer2-lun1", "filer3-lun1"]', 'region_size = "1MiB"')
    ),
    "capitals": Host(
        capitals,
        (
            "[groups.Data-Store]",
            '[groups.Data-Store.volumes."Mail.2024+x"]',
            'target = "iqn.2006-01.com.OpenFiler:Store-filer1"',
            'mount = { path = "/srv/Mail", options = ["nodev"] }',
        ),
    ),
    "IPv6": Host(ipv6, ('portals = ["[fd00::15]:3260"]', 'portals = ["[fd00::16]:3260"]')),
    "two groups": Host(two_groups, ("[groups.one]", "[groups.two]", 'disks = ["filer1-lun2", "filer2-lun2"]')),
    "a snapshot": Host(snapshot, ('mount = "/srv/mail"',)),
    "groups of others": Host(bystanders, ("[groups.data]",)),
    "chosen timeouts": Host(chosen_timeouts, ('startup = "onboot"', 'replacement_timeout = "25s"')),
    "a leg is being copied": Host(copying, (), ("volume data/mail",)),
    "unmounted": Host(unmounted, ('filesystem = "ext4"',), ("not mounted now", "take the # away")),
    "noauto": Host(mounted("/dev/data/mail /srv/mail ext4 noauto 0 2"), (), ("'noauto'", "leave out `mount`")),
    "writes that get lost": Host(
        mounted("/dev/data/mail /srv/mail ext4 nobarrier 0 2"), (), ('"nobarrier"', "gives up")
    ),
    "two lines in fstab": Host(
        mounted("/dev/data/mail /srv/mail ext4 defaults 0 2", "UUID={uuid} /srv/old ext4 noauto 0 2"),
        ('filesystem = "ext4"',),
        ("2 lines for it", "/srv/old"),
    ),
    "mounted elsewhere": Host(elsewhere, (), ("mounted at /mnt/rescue, and /etc/fstab says /srv/mail",)),
    "mounted twice": Host(twice, ('mount = "/srv/mail"',)),
    "mounted over the system": Host(mounted(at="/usr/bin"), (), ("belongs to the system",)),
    "swap": Host(mounted(fs="swap", at="/srv/x"), (), ("it holds swap",)),
    "ext2": Host(mounted(fs="ext2"), (), ("it holds ext2", "nothing is declared")),
    "a volume is stopped": Host(
        stopped, ('mount = "/srv/mail"',), ("volume data/home: it is not active", "lvchange -ay")
    ),
    "all is stopped": Host(all_stopped, (), ("nothing to adopt",)),
    "read-only": Host(read_only, (), ("is read-only",)),
    "a local disk in the group": Host(local_disk, (), ("vda2", "no iSCSI disk")),
    "a server is away": Host(server_away, (), ("out of sight",)),
    "both legs on one server": Host(one_server, (), ("both lie on server filer1",)),
    "two paths, no multipath": Host(two_paths, (), ("group data",)),
    "another machine's": Host(of(tags=("lunmirror.host=0123456789abcdef0123456789abcdef",)), (), ("take_from",)),
    "exported": Host(of(exported=True), (), ("vgexport",)),
    "LVM's system ID": Host(of(system_id="elsewhere"), (), ("system ID",)),
    "shared": Host(of(lock_type="sanlock"), (), ("lock type sanlock",)),
    "a copy of a disk": Host(cloned_disk, (), ("2 times",)),
    "an interface of its own": Host(through_an_interface, ("[groups.data]",)),
    "bound to an interface": Host(bound_to_an_interface, ('interface = "eth0"',)),
    "an invalid one beside a name alike": Host(
        names_alike, ('mount = "/srv/mail"', "[groups.data.volumes.mail]"), ("volume data/mail2: too small for xfs",)
    ),
    "nothing at all": Host(nothing, (), ("nothing to adopt",)),
}


def content(world: World, metadata: bool = True) -> object:
    """What is stored, and what is in use: without what the applications themselves write in the meantime, and the registered
    keys. `metadata`: with LVM's own."""
    seen = copy.deepcopy(world)
    luns = []
    for server, target, number, lun in seen.luns():
        lun.keys = ()
        for area in (lun.body, lun.part):
            area.meta = area.meta if metadata else None
            for leg in area.legs.values():
                leg.writes, leg.events, leg.cleared = frozenset(), 0, 0
        luns.append((server, target, number, lun.fingerprint()))
    actives = [(a.group, a.name, a.type, [leg.letter for leg in a.legs], a.diskseq) for a in seen.actives]
    mounts = [(m.id, m.path, m.active.name, m.flags) for m in seen.mounts]
    return luns, actives, mounts, [(s.sid, s.target, s.state) for s in seen.sessions]


def adopted(world: World) -> Answer:
    host = SimHost(world)
    before, files = content(world), dict(world.files)
    found = adopt(host, PLACE)
    assert host.changed == []
    assert (content(world), world.files) == (before, files)
    world.assert_safe()
    return found


def planned(desired: Desired, world: World) -> Report:
    return run_pass("plan", "run", desired, SimHost(world))


def touches(step: Any) -> bool:
    """Whether a step does more than change a setting; said here once more, in other words than the program's."""
    if step.risk is not Risk.NONE or step.ref.layer == "filesystem":
        return True
    if isinstance(step.action, WriteFile | WriteValue | MakeDirectory):
        return False
    assert isinstance(step.action, Run), step
    line = " ".join(step.action.argv)
    tags = r"lvm (vgchange|pvchange|lvchange) --devices \S+( --(add|del)tag \S+)+ \S+"
    events = r"lvm vgchange --devices \S+ --setautoactivation n \S+"
    beside = r"systemctl daemon-reload|sg_persist --out .*|iscsiadm -m node -o new .*|mount -o remount,bind,.*"
    return not re.fullmatch(f"{tags}|{events}|{beside}", line)


@pytest.mark.parametrize("name", HOSTS)
def test_what_is_proposed_changes_settings_only(name: str) -> None:
    host = HOSTS[name]
    world = host.make().world
    found = adopted(world)
    plain = [line for line in found.text.splitlines() if not line.startswith("#")]
    for line in host.says:
        assert line in plain, found.text
    said = re.sub(r"\n#\s+", " ", found.text)
    for words in host.refused:
        assert words.replace('"', "'") in said.replace('"', "'"), found.text
    assert (int(found.exit), bool(found.refused)) == ((4, True) if host.refused else (0, False)), found.text
    assert max(map(len, found.text.splitlines())) <= 100
    desired = config.compile_texts([(PLACE, found.text)])
    plan = planned(desired, world)
    assert [step.title for step in plan.steps if touches(step)] == []


@pytest.mark.parametrize("name", [name for name, host in HOSTS.items() if host.says])
def test_applied_it_leaves_all_that_is_stored(name: str) -> None:
    world = HOSTS[name].make().world
    first = config.compile_texts([(PLACE, adopted(world).text)])
    before = content(world, metadata=False)
    for _ in range(4):
        host = SimHost(world)
        run_pass("apply", "run", first, host, Executor(host))
        world.assert_safe()
        assert content(world, metadata=False) == before
        if not host.changed:
            break
        world.advance(60.0)
    else:
        raise AssertionError("it does not come to an end")
    assert config.compile_texts([(PLACE, adopted(world).text)]) == first


def test_a_configuration_that_is_there_already_is_spoken_of() -> None:
    world = pair().world
    assert "There is a configuration" not in adopted(world).text
    world.files[PLACE] = b"version = 1\n"
    world.version += 1
    assert "There is a configuration at /etc/lunmirror/lunmirror.toml already" in re.sub(
        r"\n#\s+", " ", adopted(world).text
    )


def test_what_is_proposed_is_the_same_each_time() -> None:
    world = two_groups().world
    assert adopted(world).text == adopted(world).text


def test_the_verb_prints_the_configuration_and_what_is_missing(capsys: Any) -> None:
    assert int(answer(SimHost(pair().world), PLACE)) == 0
    out, err = capsys.readouterr()
    assert (tomli.loads(out)["version"], err) == (1, "")
    assert int(answer(SimHost(local_disk().world), PLACE)) == 4
    out, err = capsys.readouterr()
    assert tomli.loads(out) == {"version": 1}
    assert err.startswith("lunmirror: not all is expressed (2)")


SECRETS = {"node.session.auth.password": "correct horse", "node.session.auth.password_in": "battery staple"}
CHAP = {
    "node.session.auth.authmethod": "CHAP",
    "node.session.auth.username": "client1",
    "node.session.auth.username_in": "filer",
    **SECRETS,
}


@pytest.mark.real
def test_a_secret_is_never_printed(tmp_path: Any) -> None:
    world = pair(**CHAP).world
    found = adopted(world)
    assert int(found.exit) == 0
    assert not any(secret in found.text for secret in SECRETS.values())
    for path, raw in world.files.items():
        if path.startswith("/etc/iscsi/nodes/"):
            record = tmp_path / path.lstrip("/")
            record.parent.mkdir(parents=True)
            record.write_bytes(raw)
    tmp_path.chmod(0o755)
    home = tmp_path / "etc/lunmirror"
    home.mkdir()
    lines = [line[1:] for line in found.text.splitlines() if line.startswith("#   ")]
    script = "\n".join(lines).replace("/etc/", f"{tmp_path}/etc/")
    subprocess.run(["sh", "-euc", script], check=True)
    place = home / "lunmirror.toml"
    place.write_text(found.text)
    desired = config.load(str(place), compiled="")
    assert config.read_secret(desired.servers["filer1"].chap.outgoing.password_file) == "correct horse"
    assert config.read_secret(desired.servers["filer2"].chap.mutual.password_file) == "battery staple"
    for file in home.glob("secrets/*"):
        world.files[str(file)] = file.read_bytes()
    assert [step.title for step in planned(desired, world).steps if touches(step)] == []


def test_differing_names_of_chap_are_refused() -> None:
    hand = pair(**CHAP)
    hand.world.servers["filer1"].addresses += ("192.168.2.115",)
    target = "iqn.2006-01.com.openfiler:linuxtest1lv"
    iscsi.new_record(hand.world, target, "192.168.2.115:3260,1")
    said = adopted(hand.world)
    assert int(said.exit) == 0  # a record that nobody is logged in by declares nothing
    half = pair(**{key: value for key, value in CHAP.items() if not key.endswith("password")})
    said = adopted(half.world)
    assert int(said.exit) == 4
    assert "half of a CHAP name" in re.sub(r"\n#\s+", " ", said.text)


@pytest.mark.parametrize("manner", ["fails", "empty", "garbage"])
def test_what_cannot_be_read_is_not_taken_for_absent(manner: str) -> None:
    """Each read in turn goes wrong: an error, or what depends on it is left out; never a plan that touches what is stored,
    never a traceback."""
    world = mounted("UUID={uuid} /srv/mail ext4 defaults 0 2")().world
    whole = SimHost(world)
    adopt(whole, PLACE)
    for number in range(1, whole.reads + 1, 43 if manner == "garbage" else 29):
        host = SimHost(
            world, lambda call, number=number: manner if call.number == number and not call.changes else ""
        )
        with suppress(HostError):
            found = adopt(host, PLACE)
            desired = config.compile_texts([(PLACE, found.text)])
            touching = [step.title for step in planned(desired, world).steps if touches(step)]
            assert touching == [], f"read {number}: {found.text}"
    assert world.files["/etc/fstab"].endswith(b"defaults 0 2\n")


@pytest.mark.parametrize(
    "source", ["/sys/class/iscsi_session", "fullreport", "dmsetup", "mountinfo", "fstab", "blkid", "/nodes"]
)
def test_a_source_that_fails_leads_to_less_only(source: str) -> None:
    world = mounted("UUID={uuid} /srv/mail ext4 defaults 0 2")().world
    host = SimHost(world, lambda call: "fails" if source in call.what else "")
    with suppress(HostError):
        found = adopt(host, PLACE)
        desired = config.compile_texts([(PLACE, found.text)])
        assert [step.title for step in planned(desired, world).steps if touches(step)] == []
        assert int(found.exit) == 4, found.text
