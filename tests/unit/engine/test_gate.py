"""The gate: no step that breaks a rule passes, and nothing else of that resource follows it."""

import pytest

from lunmirror.engine import gate
from lunmirror.engine.gate import enforce
from lunmirror.engine.model import Drift, Guard, Kind, Plan, Ref, Risk, Run, Step

REF = Ref("disk", "left")
DRIFT = (Drift("disks.left", "a", "b"),)
GUARD = (Guard("/sys/class/block/sdb/diskseq", "9"),)


def step(*argv, ref=REF, risk=Risk.NONE, proof="", guards=GUARD, after=(), server="") -> Step:
    return Step(ref, "do it", Run(argv), DRIFT, risk, proof, guards, after, server=server)


REFUSED = [
    step("lvm", "pvcreate", "/dev/sdb", risk=Risk.CONSUMES, guards=GUARD),  # no proof
    step("lvm", "pvcreate", "/dev/sdb", risk=Risk.CONSUMES, proof="blank", guards=()),  # no guard
    step("lvm", "vgcreate", "vg0", "/dev/sdb", guards=()),  # whatever it costs: another disk may have the name by now
    step("lvm", "lvchange", "--refresh", "vg0/lv", guards=()),
    step("lvm", "pvcreate", "-y", "/dev/sdb", risk=Risk.CONSUMES, proof="blank", guards=GUARD),
    step("lvm", "pvcreate", "-ff", "/dev/sdb", risk=Risk.CONSUMES, proof="consent: x", guards=GUARD),
    step("lvm", "vgreduce", "--removemissing", "vg0"),
    step("lvm", "lvconvert", "-y", "--repair", "vg0/lv", proof="journal: it says so"),
    step("lvm", "lvconvert", "-y", "--repair", "--use-policies", "vg0/lv", proof="it looks well"),
    step("lvm", "vgreduce", "--removemissing", "vg0", proof="journal: it says so"),
    step("lvm", "vgreduce", "--removemissing", "--force", "vg0", proof="consent: disks.new.replaces names left"),
    step("lvm", "lvconvert", "-y", "--repair", "vg0/lv"),
    step("lvm", "lvchange", "--resync", "vg0/lv", proof="consent: x"),
    step("lvm", "lvcreate", "--nosync", "vg0"),
    step("mkfs.ext4", "-F", "/dev/vg0/lv", risk=Risk.CONSUMES, proof="tag", guards=GUARD),
    step("sfdisk", "--force", "/dev/sdb", risk=Risk.CONSUMES, proof="blank", guards=GUARD),
    step("sfdisk", "--wipe", "always", "/dev/sdb", risk=Risk.CONSUMES, proof="blank", guards=GUARD),
    step("iscsiadm", "-m", "node", "-o", "delete"),
    step("lvm", "lvremove", "-y", "vg0/lv", risk=Risk.CONSUMES, proof="unmade: tagged", guards=GUARD),  # no selection
    step("lvm", "lvremove", "-y", "--select", "x", "vg0/lv", risk=Risk.CONSUMES, proof="blank", guards=GUARD),
    step(
        "lvm", "lvremove", "-y", "--select", "x", "vg0/lv", risk=Risk.CONSUMES, proof="unmade: tagged", guards=()
    ),  # no guard
    step("lvm", "lvremove", "-y", "vg0/lv", proof="consent: x"),
    step("lvm", "vgremove", "--select", "x", "vg0", proof="unmade: x"),
    step("lvm", "lvremove", "-y", "vg0/lv", risk=Risk.CONSUMES, proof="asked: named", guards=GUARD),  # no selection
    step("lvm", "vgremove", "vg0", proof="asked: named"),
    step("lvm", "pvremove", "/dev/sdb"),
]


@pytest.mark.parametrize("bad", REFUSED, ids=lambda s: " ".join(s.action.argv))
def test_what_breaks_a_rule_comes_back_as_a_refusal(bad):
    follower = step("true")
    other = step("true", ref=Ref("disk", "right"))
    passed = enforce(Plan((bad, follower, other)), frozenset())
    assert passed.steps == (other,)
    (finding,) = passed.findings
    assert (finding.kind, finding.ref) == (Kind.REFUSED, REF)
    assert finding.why


ALLOWED = [
    step("lvm", "lvremove", "-y", "--select", "x", "vg0/lv", risk=Risk.CONSUMES, proof="asked: named", guards=GUARD),
    step(
        "lvm", "lvremove", "-y", "--select", "x", "vg0/lv", risk=Risk.CONSUMES, proof="unmade: tagged", guards=GUARD
    ),
    step("lvm", "pvcreate", "/dev/sdb", risk=Risk.CONSUMES, proof="blank", guards=GUARD),
    step(
        "lvm", "pvcreate", "-y", "/dev/sdb", risk=Risk.CONSUMES, proof="consent: disks.left.overwrite", guards=GUARD
    ),
    step("lvm", "lvconvert", "-y", "--repair", "--use-policies", "vg0/lv", proof="journal: it says so"),
    step("lvm", "lvconvert", "-y", "--repair", "vg0/lv", "/dev/sdc", proof="consent: disks.new.replaces names left"),
    step("lvm", "vgreduce", "--removemissing", "vg0", proof="consent: disks.new.replaces names left"),
    step("sfdisk", "--wipe", "always", "/dev/sdb", risk=Risk.CONSUMES, proof="consent: x", guards=GUARD),
    # a prediction has no device to guard yet, and is never carried out
    step(
        "lvm",
        "pvcreate",
        "<disk left>",
        risk=Risk.CONSUMES,
        proof="if blank",
        guards=(),
        after=(Ref("session", "filer1"),),
    ),
]


@pytest.mark.parametrize("good", ALLOWED, ids=lambda s: " ".join(s.action.argv))
def test_what_breaks_none_passes(good):
    assert enforce(Plan((good,)), frozenset()) == Plan((good,))


def test_two_servers_are_never_disturbed_in_one_pass():
    first, second = step("a", server="filer1"), step("b", ref=Ref("session", "filer2"), server="filer2")
    assert enforce(Plan((first, second)), frozenset()).steps == (first,)
    assert enforce(Plan((second,)), frozenset({"filer1"})).steps == ()
    assert enforce(Plan((first,)), frozenset({"filer1"})).steps == (first,)


@pytest.mark.parametrize("allowed", [frozenset(), frozenset({Risk.FEWER}), frozenset({Risk.CONSUMES, Risk.FEWER})])
def test_what_no_pass_may_do_alone_waits(allowed: frozenset[Risk]) -> None:
    steps = tuple(
        Step(Ref("volume", f"vg0/{risk.value}"), "do it", Run(("lvm",)), (), risk, "it is proven")
        for risk in Risk
        for _ in range(2)
    )
    left = gate.left_to_somebody(Plan(steps), allowed)
    kept = {step.risk for step in left.steps}
    assert kept == {Risk.NONE, Risk.ONLINE} | allowed
    assert len(left.steps) == 2 * len(kept)
    assert {f.kind for f in left.findings} <= {Kind.REFUSED}
    assert len(left.findings) == len(Risk) - len(kept)
