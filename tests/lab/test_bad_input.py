"""Section 'Bad input': a clear message, the right exit code, nothing changed, and an end in bounded time.

What is wrong here is the machine or the configuration; two states are tried where it matters: blank LUNs (would
anything be created?) and a converged machine (would anything be re-created?).
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import world
from kit import CONFIG, Lab, Ran, config

VOLUME = 'size = "48MiB"\nfilesystem = "ext4"\nmount = "/mnt/test"'
TOML = config(volume=VOLUME)
STACK = ("content /etc", "session", "device", "group", "pv", "mount", "directory /mnt")
ADDRESS = re.compile(r"Traceback|internal error|object at 0x")


@pytest.fixture
def mirror(converged: Callable[..., Lab]) -> Lab:
    return converged("mirror", TOML)


@pytest.fixture
def blank(machine) -> Lab:
    """Logged in to both servers, LUNs blank, configured: the next thing to do would be pvcreate."""
    lab = Lab(machine)
    if "blank" in machine.converged:
        machine.restore("blank")
        return lab
    machine.restore("ready")
    lab.configure(TOML)
    # So that records and sessions are all that a pass can make. Not away: without lvm2 no pass begins.
    lab.run("mv /usr/sbin/lvm /usr/sbin/lvm.gone; ln -s /bin/false /usr/sbin/lvm")
    lab.apply()
    lab.run("mv -f /usr/sbin/lvm.gone /usr/sbin/lvm; udevadm settle")
    assert len(lab.sessions()) == 2
    machine.snapshot("blank")
    machine.converged.add("blank")
    return lab


def says(ran: Ran, *words: str) -> None:
    """A message an administrator can act on, with these words, and no traceback."""
    text = world.told(ran, *words)
    assert not ADDRESS.search(text), text
    assert "next" in text, f"it does not say what to do: {ran}"


def unchanged(lab: Lab, before: world.World, *, but: tuple[str, ...] = ()) -> None:
    differ = world.changed(before, world.take(lab))
    assert {name for name in differ if not name.startswith(but)} == set()


@contextmanager
def still(lab: Lab, *, but: tuple[str, ...] = (), bytes_too: bool = False) -> Iterator[None]:
    """Nothing changes in here, but for what begins with `but`."""
    before = world.take(lab)
    hashes = [lab.backing(s) for s in ("filer1", "filer2")] if bytes_too else []
    yield
    unchanged(lab, before, but=but)
    assert hashes == ([lab.backing(s) for s in ("filer1", "filer2")] if bytes_too else [])


# -- the configuration --------------------------------------------------------------------------------------------------

# name -> (script that spoils it, exit code, words of the message)
SPOILT = {
    "no configuration": (f"rm {CONFIG}", 78, ("no configuration", CONFIG)),
    "no directory either": ("rm -r /etc/lunmirror", 78, ("no configuration", CONFIG)),
    "not TOML": (f"echo 'this is = = not' >> {CONFIG}", 78, (f"{CONFIG}:",)),
    "not text at all": (f"head -c 4096 /dev/urandom > {CONFIG}", 78, (CONFIG,)),
    "empty": (f": > {CONFIG}", 78, (CONFIG, "version")),
    "wrong types": (f"sed -i 's/^portals = .*/portals = 7/; s/^size = .*/size = [1]/; s/^lun = .*/lun = \"x\"/' {CONFIG}", 78, ("portals", "size", "lun")),
    "unknown version": (f"sed -i 's/^version = 1/version = 99/' {CONFIG}", 78, ("version", "99")),
    "a directory in its place": (f"rm {CONFIG}; mkdir {CONFIG}", 78, (CONFIG, "directory")),
    "a pipe in its place": (f"rm {CONFIG}; mkfifo {CONFIG}", 78, (CONFIG, "regular file")),
    "a file in the place of conf.d": ("touch /etc/lunmirror/conf.d", 78, ("conf.d",)),
    "writable by everybody": (f"chmod 666 {CONFIG}", 78, (CONFIG, "not trusted")),
    "an open password file": (
        "mkdir -m 700 /etc/lunmirror/secrets; echo s3cret > /etc/lunmirror/secrets/one; chmod 644 /etc/lunmirror/secrets/one;"
        f" printf '[servers.filer1.chap]\\nusername = \"u\"\\npassword_file = \"secrets/one\"\\n' >> {CONFIG}",
        78, ("/etc/lunmirror/secrets/one", "0644"),
    ),
    "a password file that is a directory": (
        f"mkdir -m 700 -p /etc/lunmirror/secrets/one; printf '[servers.filer1.chap]\\nusername = \"u\"\\npassword_file = \"secrets/one\"\\n' >> {CONFIG}",
        78, ("/etc/lunmirror/secrets/one", "regular file"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.core) if n == "not TOML" else n for n in SPOILT])
def test_configuration(blank: Lab, name: str) -> None:
    script, code, words = SPOILT[name]
    blank.run(script)
    with still(blank):
        for verb in ("apply", "plan"):
            ran = blank.lunmirror(verb, expect=code)
            says(ran, *words)
            assert "s3cret" not in str(ran)
            assert ran.report["exit"] == code
            assert ran.log[-1]["exit"] == code, "the closing line says it too"


# -- the user, the machine ----------------------------------------------------------------------------------------------


def test_not_root(blank: Lab) -> None:
    with still(blank):
        for verb in ("apply", "plan", "status"):
            done = blank.run(
                ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "lunmirror", verb], check=False
            )
            assert done.rc == 1, done
            assert "root" in done.stderr
            assert "next" in done.stderr
    assert blank.run("setpriv --reuid=65534 --regid=65534 --clear-groups lunmirror --version").rc == 0


def test_without_sys(blank: Lab) -> None:
    with still(blank):
        for how in ("umount -l /sys", "mount -t tmpfs none /sys"):
            done = blank.run(["unshare", "-m", "sh", "-c", f"{how} && lunmirror apply"], check=False)
            assert done.rc == 1, done
            assert "/sys" in done.stderr
            assert "next" in done.stderr


def test_iscsid_that_cannot_be_started(lab: Lab) -> None:
    lab.configure(TOML)
    lab.run("systemctl mask --runtime --now iscsid.socket iscsid.service open-iscsi.service", timeout=120)
    with still(lab, but=(f"directory {lab.database}", f"file {lab.database}", "file /etc/udev"), bytes_too=True):
        says(lab.apply(expect=1), "iscsid", "systemctl")


def test_iscsid_that_only_sleeps(lab: Lab) -> None:
    """Stopped, but to be had: it is started through its socket, as every iscsiadm does."""
    lab.configure(TOML)
    lab.run("systemctl stop iscsid.socket iscsid.service", timeout=120)
    lab.settle()
    assert len(lab.sessions()) == 2


# package -> programs that vanish with it
PACKAGES = {"open-iscsi": ("iscsiadm",), "lvm2": ("lvm",), "dmsetup": ("dmsetup",)}


@pytest.mark.parametrize("package", PACKAGES)
def test_not_installed(request: pytest.FixtureRequest, machine: object, package: str) -> None:
    # With a record and a session there is nothing to ask iscsiadm for: then only a machine without them can tell.
    lab: Lab = request.getfixturevalue("lab" if package == "open-iscsi" else "blank")
    lab.configure(TOML)
    with still(lab, bytes_too=True):
        for program in PACKAGES[package]:
            lab.run(
                f"cd /usr; for p in bin/{program} sbin/{program}; do [ ! -L $p ] && [ ! -e $p ] || mv -T $p $p.gone; done"
            )
        try:
            says(lab.apply(expect=1), package, "installed")
            assert lab.plan().rc in (1, 2)
        finally:
            for program in PACKAGES[package]:
                lab.run(f"cd /usr; for p in bin/{program} sbin/{program}; do mv -T $p.gone $p || true; done")


def test_not_installed_on_a_converged_machine(mirror: Lab) -> None:
    with still(mirror):  # not the bytes: its file system is mounted, and writes of its own accord
        mirror.run("mv /usr/sbin/lvm /usr/sbin/lvm.gone")
        try:
            says(mirror.apply(expect=1), "lvm2", "installed")
        finally:
            mirror.run("mv /usr/sbin/lvm.gone /usr/sbin/lvm")


# -- files --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "instead", ["mkdir {}", "ln -s /nowhere {}", "mkfifo {}"], ids=["directory", "dangling link", "pipe"]
)
def test_a_node_record_that_cannot_be_read(mirror: Lab, instead: str) -> None:
    """It is not taken for one that is missing, nor removed as torn: nobody knows what it is."""
    path = mirror.record("right")
    mirror.run(f"mv {path} /root/kept; " + instead.format(path))
    with still(mirror):
        ran = mirror.apply(expect=3)
        says(ran, path, "filer2")
        assert ran.titles() == []
    mirror.run(f"rm -rf {path} && mv /root/kept {path}")
    assert mirror.apply(expect=0).titles() == []


def drift(lab: Lab) -> None:
    """A record and fstab want writing."""
    lab.run(f"sed -i 's/^node.startup = .*/node.startup = manual/' {lab.record('left')}")
    lab.run("sed -i '/mnt.test/d' /etc/fstab")


@pytest.mark.parametrize("way", ["read-only", "full"])
def test_etc(mirror: Lab, way: str) -> None:
    drift(mirror)
    if way == "read-only":
        mirror.run("mount --bind /etc /etc && mount -o remount,ro,bind /etc")
    else:
        mirror.run(
            "mkdir /root/etc && mount -t tmpfs -o size=24m full /root/etc && cp -a /etc/. /root/etc && sync &&"
            " mount --bind /root/etc /etc && umount /root/etc; cat /dev/zero > /etc/filler; df /etc; true"
        )
        assert mirror.run("df --output=avail /etc | tail -1").stdout.split() == ["0"]
    with still(mirror):
        ran = mirror.apply(expect=1)
        says(ran, way, "/etc/fstab", "node")
        assert {o["status"] for o in ran.report["outcomes"]} <= {"failed", "skipped"}
    mirror.run("rm -f /etc/filler || umount /etc" if way == "full" else "umount /etc")
    mirror.apply(expect=0)
    assert "node.startup = automatic" in mirror.get(mirror.record("left")).decode()
    assert "/mnt/test" in mirror.get("/etc/fstab").decode()


def test_run_that_is_read_only(mirror: Lab) -> None:
    mirror.run(
        "rm -rf /run/lunmirror && mkdir -m 700 /run/lunmirror && mount -t tmpfs -o ro,mode=700 none /run/lunmirror"
    )
    with still(mirror):
        says(mirror.apply(expect=1), "/run/lunmirror", "read-only")
    mirror.run("umount /run/lunmirror")


# -- a locale -----------------------------------------------------------------------------------------------------------

# The machine has no locale but C's, and no tool to make one: a copy of that, with the other decimal point.
COMMAS = """
import pathlib, shutil
shutil.copytree("/usr/lib/locale/C.utf8", "/usr/lib/locale/de_DE.UTF-8")
numeric = pathlib.Path("/usr/lib/locale/de_DE.UTF-8/LC_NUMERIC")
numeric.write_bytes(numeric.read_bytes().replace(b".", b","))
"""


def test_a_locale_with_decimal_commas(blank: Lab) -> None:
    """The whole way, numbers of LVM and device-mapper included."""
    blank.run(["python3", "-c", COMMAS])
    env = {"LC_ALL": "de_DE.UTF-8", "LANG": "de_DE.UTF-8", "LANGUAGE": "de"}
    said = blank.run(["/usr/bin/printf", "%.1f", "1,5"], env=env, check=False).stdout
    assert said == "1,5", "the locale works"
    commas = blank.run("lvs --units m -o lv_size; /usr/bin/printf '%.2f' 1,5", env=env, check=False).stdout
    assert "," in commas
    done = blank.run(["lunmirror", "apply"], env=env, check=False, timeout=300)
    assert done.rc in (0, 3), done
    blank.settle()
    assert blank.run(["lunmirror", "apply", "--json"], env=env).stdout.count('"title"') == 0
    assert "in sync" in blank.run(["lunmirror", "status"], env=env).stdout


# -- tools that lie -----------------------------------------------------------------------------------------------------

FAKES = {
    "garbage": "#!/bin/sh\nhead -c 5000 /dev/urandom; echo ' }{ : 7 = = ]'\n",
    "nothing": "#!/bin/sh\nexit 0\n",
    "an empty object": "#!/bin/sh\necho '{}'\n",
    "an empty report": "#!/bin/sh\necho '{\"report\": []}'\n",
    "failure": "#!/bin/sh\nexit 2\n",
    "half": '#!/bin/sh\n/root/real-TOOL "$@" | head -c SOME\n',  # of each tool, less than it says of a mirror
    "hang": "#!/bin/sh\ntrap '' TERM INT\nwhile :; do sleep 1; done\n",
}


@contextmanager
def fake(lab: Lab, tool: str, kind: str) -> Iterator[None]:
    """The tool is another program meanwhile."""
    path = lab.run(f'readlink -f "$(command -v {tool})"').stdout.strip()
    lab.run(f"cp {path} /root/real-{tool}")
    lab.put(
        f"/root/fake-{tool}",
        FAKES[kind].replace("TOOL", tool).replace("SOME", "70" if tool == "dmsetup" else "700"),
        0o755,
    )
    lab.run(f"mount --bind /root/fake-{tool} {path}")
    try:
        yield
    finally:
        lab.run(f"umount {path}")


LIES = [
    (tool, kind)
    for tool in ("lvm", "dmsetup", "blkid")
    for kind in FAKES
    if tool == "lvm" or not kind.startswith("an ")
]
BOUND = 150.0  # seconds; one deadline of 30 s for each of the questions that a lying tool is asked


# True answers on blank disks, so no lies.
TRUE = {("blkid", "nothing"), ("blkid", "failure"), ("dmsetup", "nothing"), ("dmsetup", "half")}


@pytest.mark.parametrize(("tool", "kind"), [lie for lie in LIES if lie not in TRUE])
def test_a_tool_that_lies_about_blank_disks(blank: Lab, tool: str, kind: str) -> None:
    with still(blank, bytes_too=True, but=(f"file {blank.database}", f"content {blank.database}")):
        with fake(blank, tool, kind):
            ran = blank.apply(expect=1, timeout=BOUND + 30)
        assert ran.seconds < BOUND
        says(ran, {"lvm": "lvm", "dmsetup": "device-mapper", "blkid": "blkid"}[tool])


@pytest.mark.parametrize(("tool", "kind"), [lie for lie in LIES if lie[0] != "blkid"])
def test_a_tool_that_lies_about_a_working_mirror(mirror: Lab, tool: str, kind: str) -> None:
    """It has made both for ever if it is believed: nothing there, so make it again."""
    with still(mirror):
        with fake(mirror, tool, kind):
            ran = mirror.apply(timeout=BOUND + 30)
        assert ran.rc in (1, 3, 4), str(ran)
        assert ran.titles() == [], "nothing was even begun"
        assert ran.seconds < BOUND
        # An empty report is what LVM truly says of blank disks: that these are none, sysfs tells.
        says(ran, "in use" if kind == "an empty report" else "lvm" if tool == "lvm" else "device-mapper")


@pytest.mark.parametrize("kind", ["garbage", "nothing", "failure", "hang"])
def test_an_iscsiadm_that_lies(lab: Lab, kind: str) -> None:
    lab.configure(TOML)
    with still(lab, bytes_too=True):
        with fake(lab, "iscsiadm", kind):
            ran = lab.apply(expect=1, timeout=BOUND + 30)
        assert ran.seconds < BOUND
        says(ran, "filer1", "filer2")


def test_a_blkid_that_lies_about_a_disk_with_data(mirror: Lab) -> None:
    """blkid finds nothing where an ext4 lies: the bytes are looked at all the same."""
    mirror.run("umount /mnt/test && lvchange -an vg0/testlv && vgchange -an vg0", check=False)
    with still(mirror, but=("device",)):  # the volume is started, which needs no blkid
        with fake(mirror, "blkid", "failure"):
            ran = mirror.apply(timeout=BOUND)
        assert not any("mkfs" in str(step) for step in ran.report["outcomes"])
    assert "ext4" in mirror.run("blkid -p /dev/vg0/testlv", check=False).stdout or mirror.apply().rc in (0, 3)
