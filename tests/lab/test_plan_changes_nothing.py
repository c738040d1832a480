"""`plan` changes nothing at all, and foretells what `apply` then does (issue 2, what must be shown, 7)."""

import time

import pytest
from kit import LAYOUTS, Lab, Ran
from predicted import assert_predicted

OWN = ("/run/lunmirror", "/var/lib/lunmirror", "/etc/iscsi/nodes", "/var/lib/iscsi/nodes", "/run/lock/iscsi")


# The servers are asked for their portal group by iscsiadm, and systemd starts iscsid for it, through its socket, as
# for every iscsiadm: where a machine has never used open-iscsi, this is what a plan leaves behind.
ISCSID_STARTED = {
    "/run",
    "/run/iscsid.pid",
    "/run/udev",
    "/run/systemd/journal/streams",
    "/run/systemd/units",
    "/run/systemd/units/invocation:iscsid.service",
}


def planned(lab: Lab, expect: int, allowed: set[str] = frozenset()) -> Ran:
    """A plan, proven to have left no trace."""
    before = world(lab)
    with lab.stopwatch() as changed:
        ran = lab.plan(expect=expect)
    assert set(changed) <= allowed, changed
    assert world(lab) == before
    return ran


def world(lab: Lab) -> dict[str, object]:
    own = lab.run(f"find {' '.join(OWN)} -printf '%p %i %T@\\n' 2>/dev/null", check=False).stdout
    return lab.footprint() | {"sessions": lab.sessions(), "own": own, "seqno": lab.seqno()}


@pytest.mark.core
def test_on_a_blank_machine(lab: Lab) -> None:
    lab.configure(LAYOUTS["core"])
    luns = lab.last_written("filer1"), lab.last_written("filer2")
    ran = planned(lab, expect=2, allowed=ISCSID_STARTED)
    for path in ("/run/lunmirror", "/var/lib/lunmirror", lab.nodes):
        assert lab.run(["test", "-e", path], check=False).rc == 1, f"{path} appeared"
    assert not lab.sessions()
    assert (lab.last_written("filer1"), lab.last_written("filer2")) == luns
    layers = list(dict.fromkeys(s["resource"]["layer"] for s in ran.report["steps"]))
    assert layers == ["node", "udev", "session", "disk", "group", "volume", "filesystem", "mount"]  # the whole way


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
    assert lab.seqno() > 0, "killed too early"
    assert lab.run("lvs --noheadings -o lv_name vg0").stdout.split() == [], "killed too late"
    lab.run("udevadm settle")  # vgcreate's own events: not what the plan below does
    lab.slow_copy()  # what is noted once all is copied is not part of this pass

    plan = planned(lab, expect=2)

    assert {s["resource"]["layer"] for s in plan.report["steps"]} == {"volume", "filesystem", "mount"}
    assert_predicted(lab, plan, lab.apply())
    assert lab.mounted()


@pytest.mark.core
def test_on_a_converged_machine(converged) -> None:
    lab = converged("core", LAYOUTS["core"])
    assert planned(lab, expect=0).report["steps"] == []
