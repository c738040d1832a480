import pytest

from lunmirror.engine.gate import enforce
from lunmirror.engine.model import ABSENT, Kind, MakeDirectory, Present, Ref, Run, Unknown, WriteFile
from lunmirror.layers.filesystem.facts import Bare, FileSystem, Other
from lunmirror.layers.mount.facts import Mounted, MountState
from lunmirror.layers.mount.plan import plan
from lunmirror.layers.volume.facts import GROW, UNFORMATTED
from unit.layers.filesystem.world import desired, volume, world

ID = "vg0/testlv"
REF = Ref("mount", ID)
LINE = b"/dev/vg0/testlv /mnt/test ext4 defaults,_netdev,nofail,x-systemd.device-timeout=120s 0 2\n"
BY_UUID = LINE.replace(b"/dev/vg0/testlv", b"UUID=u")
ROOT = b"UUID=1 / ext4 errors=remount-ro 0 1\n"
READY = Present(FileSystem("ext4", "u", "", mounted=False))
LIVE = ("rw", "relatime")


def mounted(number="253:5", flags=LIVE, options=(), type="ext4"):
    options = (*flags, *options)
    return Mounted("/mnt/test", number, type, "/dev/x", options, "ro" in options, flags)


def state(fstab=ROOT + LINE, mounted=None, directory="", **fields):
    return Present(MountState(fstab, "", mounted, fields.pop("elsewhere", ()), directory, **fields))


def ask(seen, filesystem=READY, pending=(), tags=(), **declared):
    there = world(filesystem=filesystem, mount=seen, tags=tags)
    planned = plan(desired(volume(**declared)), there, frozenset(pending))
    assert enforce(planned, frozenset()) == planned
    assert all(
        s.ref == REF and s.drift and s.drift[0].key == "groups.vg0.volumes.testlv.mount" for s in planned.steps
    )
    return planned


def actions(planned):
    return [s.action for s in planned.steps]


MOUNT = Run(("mount", "-t", "ext4", "-o", "_netdev", "/dev/vg0/testlv", "/mnt/test"), 90.0)
RELOAD = Run(("systemctl", "daemon-reload"), 90.0)
WRITE = WriteFile("/etc/fstab", ROOT + LINE, ROOT)


@pytest.mark.parametrize(
    ("seen", "wanted"),
    [
        (state(mounted=mounted()), []),
        (state(), [MOUNT]),
        (state(directory="missing"), [MakeDirectory("/mnt/test"), MOUNT]),
        (state(ROOT, mounted=mounted()), [WRITE]),
        (state(ROOT, mounted=mounted(), systemd=True), [WRITE, RELOAD]),
        (state(ROOT, directory="missing", systemd=True), [WRITE, RELOAD, MakeDirectory("/mnt/test"), MOUNT]),
        (state(b"", absent=True, mounted=mounted()), [WriteFile("/etc/fstab", LINE, None)]),
        (state(systemd=True), [MOUNT]),
        (state(systemd=True, stale=True), [RELOAD, MOUNT]),
        (state(systemd=True, stale=True, mounted=mounted()), []),
        (
            state(ROOT + b"/dev/vg0/testlv /mnt/old ext4\n# x", mounted=mounted()),
            [WriteFile("/etc/fstab", ROOT + LINE + b"# x", ROOT + b"/dev/vg0/testlv /mnt/old ext4\n# x")],
        ),
        (
            state(b"UUID=u /mnt/test ext4 defaults 0 2\n", mounted=mounted(), aliases=(1,)),
            [WriteFile("/etc/fstab", BY_UUID, b"UUID=u /mnt/test ext4 defaults 0 2\n")],
        ),
        (state(BY_UUID, mounted=mounted(), aliases=(1,)), []),
        (state(BY_UUID, aliases=(1,)), [MOUNT]),
        (
            state(b"/dev/dm-5 /mnt/test ext4 defaults 0 2\n", mounted=mounted(), aliases=(1,)),
            [
                WriteFile("/etc/fstab", LINE, b"/dev/dm-5 /mnt/test ext4 defaults 0 2\n")
            ],  # another number after a boot
        ),
    ],
)
def test_what_is_done(seen, wanted):
    planned = ask(seen)
    assert actions(planned) == wanted
    assert planned.findings == ()


def test_mount_is_told_its_options_but_none_of_fstabs_own():
    options = ("noatime", "nofail", "noauto", "x-gvfs-show", "x-systemd.device-timeout=5s", "commit=30")
    (_, mount) = ask(state(ROOT), options=options).steps
    assert mount.action.argv[3:5] == ("-o", "noatime,commit=30,_netdev")


@pytest.mark.parametrize(
    ("seen", "word"),
    [
        (state(b"/dev/sdz /mnt/test ext4\n"), "line 1: /dev/sdz /mnt/test ext4"),
        (
            state(b"UUID=u /mnt/test ext4\n", leads={1: "it leads to /dev/sdz"}),
            "another device there (it leads to /dev/sdz)",
        ),
        (
            state(b"LABEL=u /mnt/test ext4\n", doubts={1: "which one is chance"}),
            "is not known: which one is chance",
        ),
        (state(LINE + b"\n/dev/sdz /mnt/test/ ext4\n"), "line 3: /dev/sdz"),
        (state(LINE + b"/dev/mapper/vg0-testlv /srv ext4\n"), "line 2: /dev/mapper/vg0-testlv"),
        (state(LINE + LINE), "line 2: "),
        (state(b"/dev/vg0/testlv none swap sw\n"), "line 1: "),
        (state(mounted=mounted("8:1")), "device 8:1"),
        (state(mounted=mounted("0:40", type="autofs")), "autofs"),
        (state(directory="/mnt is a symbolic link that leads to /data"), "symbolic link"),
    ],
)
def test_what_an_administrator_must_decide(seen, word):
    planned = ask(seen)
    assert planned.steps == ()
    (finding,) = planned.findings
    assert finding.kind is Kind.REFUSED
    assert word in finding.why
    assert finding.next


@pytest.mark.parametrize(
    ("flags", "options", "word"), [(("ro", "relatime"), ("rw",), "someone"), (("rw",), ("ro",), "errors")]
)
def test_a_read_only_file_system_is_an_administrators(flags, options, word):
    planned = ask(state(mounted=mounted(flags=flags, options=options)))
    assert planned.steps == ()
    assert [f.kind for f in planned.findings] == [Kind.BLOCKED]
    assert word in planned.findings[0].why
    (line,) = (s for s in ask(state(mounted=mounted(flags=flags, options=options)), options=("ro",)).steps)
    assert isinstance(line.action, WriteFile)


@pytest.mark.parametrize(
    "filesystem",
    [
        Unknown("blkid hung"),
        ABSENT,
        None,
        Present(Bare()),
        Present(Other("swap")),
        Present(FileSystem("xfs", "u", "", mounted=False)),
        Present(FileSystem("ext4", "u", "", mounted=False, complete=False)),
        Present(FileSystem("ext4", "u", "", mounted=False, tags=(UNFORMATTED,))),
    ],
)
def test_nothing_is_mounted_before_the_file_system_is_ready(filesystem):
    planned = ask(state(ROOT), filesystem)
    assert planned.steps == ()
    assert [f.kind for f in planned.findings] == [Kind.BLOCKED]
    for pending in (Ref("filesystem", ID), Ref("volume", ID)):
        predicted = ask(state(ROOT, directory="missing", systemd=True), filesystem, pending={pending})
        assert {s.after for s in predicted.steps} == {(pending,)}
        assert [type(a) for a in actions(predicted)] == [WriteFile, Run, MakeDirectory, Run]


def test_the_file_systems_own_tags_count():
    assert actions(ask(state(), tags=(UNFORMATTED,))) == [MOUNT]
    assert actions(ask(state(), Present(FileSystem("ext4", "u", "", False, tags=(GROW,))))) == [MOUNT]


@pytest.mark.parametrize("seen", [Unknown("fstab cannot be read"), None])
def test_without_an_observation_nothing_is_done(seen):
    planned = ask(seen)
    assert planned.steps == ()
    assert [f.kind for f in planned.findings] == [Kind.BLOCKED]


@pytest.mark.parametrize(
    ("live", "declared", "options"),
    [
        (LIVE, ("noatime",), "remount,bind,rw,noatime"),
        (("rw", "noatime"), ("noatime", "nodev"), "remount,bind,rw,noatime,nodev"),
        (("rw", "nosuid", "relatime"), ("nodev",), "remount,bind,rw,nosuid,relatime,nodev"),
        (("rw", "noatime"), ("relatime",), "remount,bind,rw,relatime"),
        (("rw", "noatime", "nodev"), ("relatime", "noatime", "nodev"), ""),
        (LIVE, ("discard",), ""),
    ],
)
def test_flags_of_the_mount_are_repaired_live(live, declared, options):
    line = b"/dev/vg0/testlv /mnt/test ext4 " + ",".join(declared).encode()
    fstab = line + b",_netdev,nofail,x-systemd.device-timeout=120s 0 2\n"
    planned = ask(state(fstab, mounted=mounted(flags=live)), options=declared)
    assert [a.argv for a in actions(planned)] == (
        [("mount", "-o", options, "/dev/vg0/testlv", "/mnt/test")] if options else []
    )


@pytest.mark.parametrize(
    ("seen", "options", "word"),
    [
        (state(elsewhere=("/srv",)), (), "/srv"),
        (state(files=True), (), "not empty"),
        (state(mounted=mounted(options=("commit=5",))), ("commit=30",), "commit=5"),
    ],
)
def test_what_is_only_noted(seen, options, word):
    planned = ask(seen, options=options)
    assert [f.kind for f in planned.findings] == [Kind.NOTE]
    assert word in planned.findings[0].what
    assert any(a.argv[0] == "mount" for a in actions(planned) if isinstance(a, Run)) == (seen.facts.mounted is None)


def test_a_mount_on_demand_is_left_to_systemd():
    planned = ask(state(ROOT, mounted=mounted("0:40", type="autofs")), options=("x-systemd.automount",))
    assert [type(a) for a in actions(planned)] == [WriteFile]


def test_several_lines_and_one_reload():
    names = ("one", "two", "three")
    volumes = [volume(name=name, path=f"/mnt/{name}") for name in names]
    seen = {
        "filesystem": {v.id: READY for v in volumes},
        "mount": {v.id: state(ROOT + b"# no newline", systemd=True) for v in volumes},
    }
    planned = plan(desired(*volumes), seen, frozenset())
    writes = [s.action for s in planned.steps if isinstance(s.action, WriteFile)]
    assert writes[0].before == ROOT + b"# no newline"
    assert [w.before for w in writes[1:]] == [w.content for w in writes[:-1]]
    assert writes[-1].content.startswith(ROOT + b"# no newline\n/dev/vg0/one ")
    assert writes[-1].content.count(b"\n") == 5
    assert [s.action for s in planned.steps].count(RELOAD) == 1
    assert [s.action for s in planned.steps].index(RELOAD) == 3


def test_one_volume_in_trouble_does_not_stop_another():
    volumes = [volume(name=name, path=f"/mnt/{name}") for name in ("bad", "good")]
    seen = {
        "filesystem": {"vg0/bad": Unknown("it hangs"), "vg0/good": READY},
        "mount": {v.id: state(ROOT) for v in volumes},
    }
    planned = plan(desired(*volumes), seen, frozenset())
    assert {s.ref.name for s in planned.steps} == {"vg0/good"}
    assert [f.ref.name for f in planned.findings] == ["vg0/bad"]
