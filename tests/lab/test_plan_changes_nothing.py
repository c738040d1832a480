"""`plan` changes nothing at all, and foretells what `apply` then does (issue 2, what must be shown, 7)."""

import re
import time

import pytest
from kit import LAYOUTS, Lab, Ran

OWN = ("/run/lunmirror", "/var/lib/lunmirror", "/etc/iscsi/nodes", "/run/lock/iscsi")


def planned(lab: Lab, expect: int) -> Ran:
    """A plan, proven to have left no trace."""
    before = world(lab)
    with lab.stopwatch() as changed:
        ran = lab.plan(expect=expect)
    assert changed == []
    assert world(lab) == before
    return ran


def world(lab: Lab) -> dict[str, object]:
    own = lab.run(f"find {' '.join(OWN)} -printf '%p %i %T@\\n' 2>/dev/null", check=False).stdout
    return lab.footprint() | {"sessions": lab.sessions(), "own": own, "seqno": lab.seqno()}


@pytest.mark.core
def test_on_a_blank_machine(lab: Lab) -> None:
    lab.configure(LAYOUTS["core"])
    luns = lab.backing("filer1"), lab.backing("filer2")
    ran = planned(lab, expect=2)
    for path in ("/run/lunmirror", "/var/lib/lunmirror", "/etc/iscsi/nodes"):
        assert lab.run(["test", "-e", path], check=False).rc == 1, f"{path} appeared"
    assert not lab.sessions()
    assert (lab.backing("filer1"), lab.backing("filer2")) == luns
    layers = list(dict.fromkeys(s["resource"]["layer"] for s in ran.report["steps"]))
    assert layers == ["node", "session", "disk", "group", "volume", "filesystem", "mount"]  # the whole way


@pytest.mark.parametrize("layout", ["core", "xfs", "mirror", "single"])
def test_foretells_the_whole_way(lab: Lab, layout: str) -> None:
    lab.configure(LAYOUTS[layout])
    plan = planned(lab, expect=2)
    assert_foretold(lab, plan, lab.apply())
    lab.settle()
    lab.keep(layout)


def test_on_a_half_built_machine(lab: Lab) -> None:
    """Killed when the group was made and the volume was not."""
    lab.configure(LAYOUTS["core"])
    killed = lab.spawn(["lunmirror", "apply"])
    deadline = time.monotonic() + 240
    while "make volume group" not in "".join(killed.output()):
        assert time.monotonic() < deadline, killed.output()
        assert killed.poll() is None, killed.output()
        time.sleep(0.05)
    killed.kill(9)
    killed.wait(30)
    assert lab.seqno() == 1, "killed too late"
    assert lab.run("lvs --noheadings -o lv_name vg0").stdout.split() == []

    plan = planned(lab, expect=2)

    assert {s["resource"]["layer"] for s in plan.report["steps"]} == {"volume", "filesystem", "mount"}
    assert_foretold(lab, plan, lab.apply())
    assert lab.mounted()


@pytest.mark.core
def test_on_a_converged_machine(converged) -> None:
    lab = converged("core", LAYOUTS["core"])
    assert planned(lab, expect=0).report["steps"] == []


def assert_foretold(lab: Lab, plan: Ran, apply: Ran) -> None:
    """What was done is what was planned, step for step and in that order, down to the command lines: where the plan
    has a placeholder, anything may stand."""
    assert apply.rc in (0, 3), str(apply)
    foretold = [(s["resource"], s["title"], s["how"]) for s in plan.report["steps"]]
    done = [o["step"] for o in apply.report["outcomes"]]
    assert [t for _, t, _ in foretold] == [named(lab, s["title"]) for s in done]
    assert [r for r, _, _ in foretold] == [s["resource"] for s in done]
    for (_, title, how), step in zip(foretold, done, strict=True):
        if not how.startswith("---"):  # the diff of a file that is not there yet cannot be whole
            pattern = ".+".join(re.escape(part) for part in re.split(r"<[^>]+>", how))
            assert re.fullmatch(pattern, step["how"]), f"{title}: {how!r} was foretold, {step['how']!r} was done"


def named(lab: Lab, title: str) -> str:
    """Devices under the names that a plan gives them as long as it cannot see them."""
    for disk in ("left", "right", "third"):
        try:
            device = lab.device(disk)
        except (StopIteration, AssertionError):
            continue
        title = re.sub(rf"/dev/{device}\b(?!\d)", f"<disk {disk}>", title)
        title = re.sub(rf"/dev/{device}1\b", f"<partition 1 of disk {disk}>", title)
    return title
