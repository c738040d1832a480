"""A setting that another program keeps setting back: repaired twice, then left and told, until it reads as declared."""

import pytest
from kit import LAYOUTS, Lab

BACK = {
    "live timeout": "for s in /sys/class/iscsi_session/*; do echo 99 > $s/recovery_tmo; done",
    "record": "sed -i 's/^node.startup = .*/node.startup = manual/' $NODES/*/*/default",
}
REPAIRED = {
    "live timeout": "for s in /sys/class/iscsi_session/*; do echo {tmo} > $s/recovery_tmo; done",
    "record": "sed -i 's/^node.startup = .*/node.startup = automatic/' $NODES/*/*/default",
}


@pytest.mark.parametrize("what", BACK)
def test_it_is_not_fought_for_ever(converged, what: str) -> None:
    lab: Lab = converged("core", LAYOUTS["core"])
    tmo = next(iter(lab.sessions().values()))["recovery_tmo"]
    for _ in range(2):
        lab.run(BACK[what])
        assert len(lab.apply(expect=0).titles()) == 2  # one on each server
    lab.run(BACK[what])
    before = lab.footprint()
    for _ in range(2):
        ran = lab.apply(expect=4)
        assert ran.titles() == []
        assert "flapping" in str(ran.findings("refused")), str(ran)
    assert lab.footprint() == before
    lab.run(REPAIRED[what].format(tmo=tmo))
    assert lab.apply(expect=0).titles() == []
    lab.run(BACK[what])
    assert len(lab.apply(expect=0).titles()) == 2  # taken up again
