"""A plan names every step that apply will take, in the order in which it will take them."""

from types import SimpleNamespace

import pytest

from lunmirror import config
from lunmirror.engine import reconcile
from lunmirror.engine.model import ABSENT, MakeDirectory, Plan, Present, Ref, Step
from lunmirror.layers import Layer, disk
from lunmirror.layers.disk.facts import Blank, Device, Lun

TEXT = """
version = 1
[servers.filer1]
portals = ["192.168.1.115"]
[disks.left]
server = "filer1"
target = "iqn.2006-01.com.openfiler:linuxtest1lv"
lun = 1
partition = true
[groups.vg0]
disks = ["left"]
[groups.vg0.volumes.testlv]
type = "linear"
size = "64MiB"
"""


def test_what_waits_for_itself_comes_in_the_next_round(monkeypatch: pytest.MonkeyPatch) -> None:
    def step(name: str, title: str, *after: str) -> Step:
        return Step(Ref("node", name), title, MakeDirectory("/x"), (), after=tuple(Ref("node", a) for a in after))

    steps = (step("a", "make a"), step("a", "set a", "a"), step("b", "make b"), step("b", "set b", "b"))
    monkeypatch.setattr(reconcile, "LAYERS", (Layer("node", lambda *_: {}, lambda *_: Plan(steps)),))

    desired = config.compile_texts([("/etc/lunmirror/lunmirror.toml", TEXT)])
    report = reconcile.run_pass("plan", "r", desired, SimpleNamespace(now=lambda: 0.0))

    assert [s.title for s in report.steps] == ["make a", "make b", "set a", "set b"]


@pytest.mark.parametrize("visible", [True, False], ids=["visible", "not yet visible"])
def test_a_label_on_a_future_partition_is_predicted(visible: bool) -> None:
    desired = config.compile_texts([("/etc/lunmirror/lunmirror.toml", TEXT)])
    whole = Device("sda", "/dev/sda", 2 << 30, "8:0", "9", ())
    blank = Lun(whole, (whole,), None, False, None, Blank("nothing found"), "")
    seen = {"disk": {"left": Present(blank) if visible else ABSENT}, "session": {}}
    pending = frozenset() if visible else frozenset({Ref("session", "filer1")})

    planned = disk.plan(desired, seen, pending).steps

    assert [s.action.argv[0] if hasattr(s.action, "argv") else "wait" for s in planned] == [
        "sfdisk",
        "partx",
        "wait",
        "lvm",
    ]
    assert Ref("disk", "left") in planned[-1].after, "apply leaves it to the round in which the partition is seen"
    assert all(Ref("disk", "left") not in s.after for s in planned[:-1])
    assert "<partition 1 of disk left>" in planned[-1].action.argv
