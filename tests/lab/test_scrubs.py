"""A comparison of the legs that does not come to its end: the kernel ends it, and its status line does not say so."""

import pytest
from kit import Lab, config
from test_outages import back, given_up, served_again, whole
from test_restart import journal, start

# Longer than a server's restart takes here, so that no leg fails of it; an outage is waited out.
MIDDLE = config(policy='stall_budget = "30s"\nboot_wait = "5s"')


def comparing(lab: Lab) -> None:
    """Every server was restarted, with its volatile cache; the comparison has begun, and is held back."""
    for which, server in (("left", "filer1"), ("right", "filer2")):
        lab.run(f"filer stop {server}")
        start(lab, server)
        back(lab, which)
    lab.slow_copy()
    lab.apply(expect=3)
    lab.apply(expect=3)
    assert " check " in lab.dm()
    assert journal(lab)["scrub"] == "comparing"


def snapshot(lab: Lab) -> None:
    lab.run("lvcreate -s -L 8M -n nightly vg0/testlv && lvremove -y vg0/nightly", timeout=120)


def outage(lab: Lab) -> None:
    lab.run("filer cut filer2")
    with lab.writing():
        given_up(lab, letters="AD")
        lab.run("sleep 10")
    lab.run("filer restore filer2")
    served_again(lab, "right")


@pytest.mark.parametrize("end", [snapshot])
def test_a_comparison_that_was_interrupted_is_begun_again(converged, end) -> None:
    lab = converged("scrubs-30s", MIDDLE)
    comparing(lab)

    end(lab)
    assert " check " not in lab.dm()
    assert lab.lunmirror("can-lose", "filer1").rc != 0

    for _ in range(8):
        lab.apply(expect=3)
        if " check " in lab.dm():
            break
        lab.run("sleep 10")
    assert " check " in lab.dm()
    lab.slow_copy(False)
    lab.settle()
    whole(lab)
    assert journal(lab)["scrub"] == ""


def test_a_leg_that_fails_before_it_is_compared_stays_out(converged) -> None:
    """Each may have what the other lacks, and a refresh copies whole regions."""
    lab = converged("scrubs-30s", MIDDLE)
    comparing(lab)

    outage(lab)
    lab.apply(expect=4)

    assert " AD " in lab.dm()
    assert journal(lab)["diverged"]
    assert lab.lunmirror("can-lose", "filer1").rc != 0
