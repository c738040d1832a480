import pytest

from lunmirror.engine.model import ABSENT, Present, Unknown
from lunmirror.layers.filesystem.facts import FileSystem
from lunmirror.layers.mount.observe import observe, unit_name
from unit.layers.filesystem.world import Machine, desired, mountline, volume, world

ID = "vg0/testlv"
LINE = b"/dev/vg0/testlv /mnt/test ext4 defaults 0 2"
SYSTEMD = {"/run/systemd/system": ()}
UNIT = "/run/systemd/generator/mnt-test.mount"


def look(machine, seen=None, **declared):
    found = observe(desired(volume(**declared)), machine, seen or world())[ID]
    assert machine.asked == []
    return found if isinstance(found, Unknown) else found.facts


def test_mounted_as_declared():
    state = look(
        Machine(mounts=mountline(flags="rw,noatime", options="rw,data=ordered"), fstab=b"# x\n" + LINE + b"\n")
    )
    assert state.fstab == b"# x\n" + LINE + b"\n"
    assert state.line == LINE.decode()
    assert state.mounted.number == "253:5"
    assert state.mounted.flags == ("rw", "noatime")
    assert state.mounted.options == ("rw", "noatime", "data=ordered")
    assert (state.mounted.readonly, state.elsewhere, state.directory) == (False, (), "")


def test_a_path_with_something_mounted_on_it_is_never_touched():
    machine = Machine(mounts=mountline())
    machine.directory = lambda path: (
        pytest.fail(path) if path.startswith("/mnt") else Machine.directory(machine, path)
    )
    machine.link = lambda path: pytest.fail(path)
    look(machine)


@pytest.mark.parametrize(
    ("flags", "options", "readonly"),
    [("ro", "rw", True), ("rw", "ro", True), ("rw", "rw", False), ("rw", "errors=remount-ro", False)],
)
def test_read_only(flags, options, readonly):
    assert look(Machine(mounts=mountline(flags=flags, options=options))).mounted.readonly is readonly


def test_elsewhere():
    state = look(Machine(mounts=mountline("/srv")))
    assert (state.mounted, state.elsewhere) == (None, ("/srv",))
    assert look(Machine(mounts=mountline("/srv")), world(active=False)).elsewhere == ()


@pytest.mark.parametrize(
    ("machine", "directory", "files"),
    [
        (Machine(), "missing", False),
        (Machine(directories={"/mnt": (), "/mnt/test": ()}), "", False),
        (Machine(directories={"/mnt": (), "/mnt/test": ("a",)}), "", True),
        (Machine(directories={"/mnt/test": Unknown("a file")}), "a file", False),
        (Machine(links={"/mnt/test": "/data"}), "/mnt/test is a symbolic link that leads to /data", False),
        (Machine(links={"/mnt": "/data"}), "/mnt is a symbolic link that leads to /data", False),
    ],
)
def test_the_mount_point(machine, directory, files):
    state = look(machine)
    assert (state.directory, state.files) == (directory, files)


def test_an_absent_fstab_is_not_an_unreadable_one():
    state = look(Machine(fstab=None))
    assert (state.absent, state.fstab) == (True, b"")
    machine = Machine()
    machine.files["/etc/fstab"] = Unknown("input/output error")
    assert "input/output error" in look(machine).reason


def test_an_unreadable_mount_table_is_unknown():
    assert isinstance(look(Machine(mounts=b"x\n")), Unknown)


LINKS = "/run/udev/links/disk\\x2f"


@pytest.mark.parametrize(
    ("spec", "links", "aliases"),
    [
        (b"UUID=aa-bb", {"/dev/disk/by-uuid/aa-bb": "/dev/dm-5"}, (1,)),
        (b'UUID="aa-bb"', {"/dev/disk/by-uuid/aa-bb": "/dev/dm-5"}, (1,)),
        (b"UUID=aa-bb", {"/dev/disk/by-uuid/aa-bb": "/dev/dm-6"}, ()),
        (b"UUID=aa-bb", {}, ()),
        (b"UUID=../../dm-5", {"/dev/disk/by-uuid/../../dm-5": "/dev/dm-5"}, ()),
        (b"/dev/disk/by-id/dm-name", {"/dev/disk/by-id/dm-name": "/dev/dm-5"}, (1,)),
        (b"server:/export", {}, ()),
        (b"/dev/vg0/testlv", {}, ()),
    ],
)
def test_our_device_under_another_name(spec, links, aliases):
    claims = {
        LINKS + name.removeprefix("/dev/disk/").replace("/", "\\x2f"): (f"b253:{device[-1]}", ".lock")
        for name, device in links.items()
    }
    state = look(Machine(fstab=spec + b" /mnt/test ext4 defaults 0 2\n", links=links, directories=claims))
    assert state.aliases == aliases


HERE = {"/dev/disk/by-label/mail": "/dev/dm-5"}
READ = Present(FileSystem("ext4", "aa-bb", "my mail", mounted=False))


@pytest.mark.parametrize(
    ("spec", "links", "directories", "filesystem", "ours", "doubt"),
    [
        (b"LABEL=mail", HERE, {}, None, False, "does not list it"),
        (
            b"LABEL=mail",
            {"/dev/disk/by-label/mail": "/dev/loop6"},  # udev's link leads to one of them only
            {f"{LINKS}by-label\\x2fmail": ("b253:5", "b7:6")},
            None,
            False,
            "7:6",
        ),
        (b"LABEL=mail", HERE, {f"{LINKS}by-label\\x2fmail": ("b253:5",)}, None, True, ""),
        (b"LABEL=mail", HERE, {f"{LINKS}by-label\\x2fmail": ("b253:5", "b8:16")}, None, False, "8:16"),
        (
            b"LABEL=mail",
            HERE,
            {f"{LINKS}by-label\\x2fmail": Unknown("too many open files")},
            None,
            False,
            "open files",
        ),
        (b"LABEL=my\\040mail", {}, {}, READ, True, ""),  # blkid has read it, udev has not yet
        (b"LABEL=my\\040mail", {}, {f"{LINKS}by-label\\x2fmy\\x5cx20mail": ("b8:16",)}, READ, False, "8:16"),
        (b"UUID=AA-BB", {}, {}, READ, True, ""),
        (b"UUID=aa-bc", {}, {}, READ, False, ""),
        (
            b"UUID=aa-bb",
            {"/dev/disk/by-uuid/aa-bb": "/dev/dm-5"},
            {f"{LINKS}by-uuid\\x2faa-bb": ("b8:0",)},
            None,
            False,
            "8:0",
        ),
        (b"PARTUUID=aa", {"/dev/disk/by-partuuid/aa": "/dev/sda1"}, {}, READ, False, ""),
        (b"PARTLABEL=x", {}, {}, READ, False, ""),
        (b"/dev/disk/by-label/mail", HERE, {f"{LINKS}by-label\\x2fmail": ("b253:5", "b7:0")}, None, False, "7:0"),
        (b"LABEL=", {}, {}, READ, False, ""),
        (b"LABEL=../dm-5", {"/dev/dm-5": "/dev/dm-5"}, {}, READ, False, ""),
    ],
)
def test_a_name_that_anybody_may_carry(spec, links, directories, filesystem, ours, doubt):
    """The label or UUID of our file system, and of nobody else: a copy of the volume has both."""
    machine = Machine(fstab=spec + b" /mnt/test ext4 defaults 0 2\n", links=links, directories=directories)
    state = look(machine, world(filesystem=filesystem))
    assert state.aliases == ((1,) if ours else ())
    assert doubt in state.doubts.get(1, "")
    assert bool(doubt) == bool(state.doubts)


@pytest.mark.parametrize(
    ("spec", "links", "made", "ours"),
    [
        (b"UUID=aa-bb", {}, True, True),
        (b"LABEL=mail", {}, True, True),
        (b"/dev/disk/by-id/dm-name-vg0-testlv", {}, True, True),
        (b"/dev/disk/by-id/dm-name-vg0-other", {}, True, False),
        (b"UUID=aa-bb", {"/dev/disk/by-uuid/aa-bb": "/dev/sdz"}, True, False),  # a copy, or another file system
        (b"PARTUUID=aa", {}, True, False),
        (b"/dev/dm-5", {}, True, False),
        (b"UUID=aa-bb", {}, False, False),  # the file system to be made will have another
        (b"LABEL=declared", {}, False, True),
        (b"LABEL=mail", {}, False, False),
    ],
)
def test_while_the_volume_is_stopped_a_name_may_be_ours(spec, links, made, ours):
    """`plan` then says what `apply` does, which looks again once the volume is active."""
    seen = world(active=False) if made else {"volume": {ID: ABSENT}}
    machine = Machine(fstab=spec + b" /mnt/test ext4 defaults 0 2\n", links=links)
    assert look(machine, seen, label="declared").aliases == ((1,) if ours else ())


@pytest.mark.parametrize(
    ("directories", "files", "systemd", "stale"),
    [
        ({}, {}, False, False),
        (SYSTEMD, {}, True, True),
        (SYSTEMD, {UNIT: b"[Mount]\nWhat=/dev/sdx\nWhere=/mnt/test\n"}, True, True),
        (SYSTEMD, {UNIT: b"[Mount]\nWhat=/dev/vg0/testlv\nWhere=/mnt/test\n"}, True, False),
        (SYSTEMD, {UNIT: b"[Mount]\nWhat=/dev/vg0/testlv2\n"}, True, True),
    ],
)
def test_what_systemd_made_of_fstab(directories, files, systemd, stale):
    state = look(Machine(directories=directories, files=files))
    assert (state.systemd, state.stale) == (systemd, stale)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/mnt/test", "mnt-test.mount"),
        ("/mnt/my-data/.x", "mnt-my\\x2ddata-.x.mount"),
        ("/.hidden", "\\x2ehidden.mount"),
        ("/srv/a b/é", "srv-a\\x20b-\\xc3\\xa9.mount"),
        ("/", "-.mount"),
    ],
)
def test_unit_names(path, name):
    assert unit_name(path) == name


def test_volumes_without_a_mount_cost_nothing():
    assert observe(desired(volume(path="")), None, {}) == {}
