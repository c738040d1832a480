"""Which steps only change settings."""

import pytest

from lunmirror.engine.model import AwaitPath, MakeDirectory, Ref, Risk, Run, Step, WriteFile, WriteValue
from lunmirror.setup.verdict import is_setting

D = ("--devices", "/dev/sda,/dev/sdb")


def step(*argv: str) -> Step:
    return Step(Ref("volume", "vg0/x"), "do it", Run(argv), ())


@pytest.mark.parametrize(
    "argv",
    [
        ("lvm", "vgchange", *D, "--setautoactivation", "n", "vg0"),
        ("lvm", "vgchange", *D, "--addtag", "lunmirror.host=x", "vg0"),
        ("lvm", "pvchange", *D, "--addtag", "a", "--deltag", "b", "/dev/sda"),
        ("lvm", "lvchange", *D, "--deltag", "lunmirror.unformatted", "vg0/x"),
        ("iscsiadm", "-m", "node", "-o", "new", "-T", "t", "-p", "p", "-I", "default"),
        ("sg_persist", "--out", "--no-inquiry", "--register-ignore", "--param-sark=1", "/dev/sda"),
        ("mount", "-o", "remount,bind,noatime", "/dev/vg0/x", "/srv"),
        ("systemctl", "daemon-reload"),
    ],
)
def test_a_setting(argv: tuple[str, ...]) -> None:
    assert is_setting(step(*argv))
    assert not is_setting(step(*argv)._replace(risk=Risk.ONLINE))
    assert not is_setting(step(*argv)._replace(server="filer1"))


@pytest.mark.parametrize(
    "argv",
    [
        ("lvm", "lvchange", *D, "-a", "y", "vg0/x"),
        ("lvm", "lvchange", *D, "-a", "n", "vg0/x"),
        ("lvm", "lvchange", *D, "--refresh", "vg0/x"),
        ("lvm", "lvchange", *D, "--syncaction", "repair", "vg0/x"),
        ("lvm", "lvchange", *D, "--addtag", "a", "--rebuild", "/dev/sda", "vg0/x"),
        ("lvm", "lvconvert", *D, "-y", "--regionsize", "16384k", "vg0/x"),
        ("lvm", "lvcreate", *D, "--addtag", "a", "vg0"),
        ("lvm", "lvextend", *D, "-l", "9", "vg0/x"),
        ("lvm", "pvcreate", *D, "--uuid", "x", "/dev/sda"),
        ("lvm", "vgextend", *D, "vg0", "/dev/sda"),
        ("lvm", "vgchange", *D, "vg0"),
        ("mkfs.ext4", "-q", "/dev/vg0/x"),
        ("sfdisk", "/dev/sda"),
        ("mount", "-t", "ext4", "-o", "_netdev", "/dev/vg0/x", "/srv"),
        ("iscsiadm", "-m", "node", "-T", "t", "-p", "p", "-I", "default", "--login"),
        ("iscsiadm", "-m", "node", "-T", "t", "-p", "p", "-I", "default", "--logout"),
        ("systemctl", "restart", "iscsid.service"),
        ("sg_persist", "--out", "--clear", "/dev/sda"),
    ],
)
def test_no_setting(argv: tuple[str, ...]) -> None:
    assert not is_setting(step(*argv))


def test_kernel_attributes_are_settings_and_waits_are_not() -> None:
    ref = Ref("mount", "vg0/x")
    for action in (WriteFile("/etc/fstab", b"", b""), WriteValue("/sys/x", "1"), MakeDirectory("/mnt/x")):
        assert is_setting(Step(ref, "do it", action, ()))
    assert not is_setting(Step(ref, "wait", AwaitPath(("/dev/sda",), 1.0), ()))
