"""A leg whose content is not to be believed, whatever the kernel's letters say."""

import json

import pytest
from kit import MOUNT, Lab
from test_outages import RAID1, given_up, served_again, whole

LEGS = {"left": "filer1", "right": "filer2"}


def journal(lab: Lab) -> tuple[str, dict]:
    path = lab.run("ls /var/lib/lunmirror/volumes/*.json").stdout.strip()
    return path, json.loads(lab.get(path))


def pv(lab: Lab, disk: str) -> str:
    return lab.run(["pvs", "--noheadings", "-o", "pv_uuid", f"/dev/{lab.device(disk)}"]).stdout.strip()


@pytest.mark.parametrize("which", LEGS)
def test_a_distrusted_leg_in_service_is_copied_again_in_full(converged, which):
    lab = converged("raid1-5s", RAID1)
    witness = lab.write_file()
    path, entry = journal(lab)
    bad = pv(lab, which)
    entry |= {"running": [one for one in entry["running"] if one != bad], "rebuild": [bad], "why": {bad: "older"}}
    lab.put(path, json.dumps(entry), 0o600)
    lab.slow_copy()
    (other,) = LEGS.keys() - {which}
    assert lab.lunmirror("can-lose", LEGS[other]).rc != 0

    with lab.writing():
        first = lab.apply(expect=3)

        assert [t for t in first.titles() if "again in full" in t], str(first)
        letters = "aA" if which == "left" else "Aa"
        assert f" {letters} " in lab.dm(), lab.dm()
        assert lab.lunmirror("can-lose", LEGS[other]).rc != 0
        lab.slow_copy(False)
        lab.settle()

    whole(lab)
    assert journal(lab)[1]["rebuild"] == []
    assert lab.apply(expect=0).titles() == []
    assert set(lab.on_each_leg().values()) == {witness}


# -- a server puts its disk back to an earlier state -------------------------------------------------------------------


def stop(lab: Lab) -> None:
    lab.run(f"umount {MOUNT}; sleep 2; lvchange -an vg0/testlv; sync", timeout=120)


def log_out(lab: Lab) -> None:
    lab.run("iscsiadm -m node -u; sleep 1", check=False, timeout=60)


def put_back(lab: Lab, which: str) -> None:
    lun = f"$(filer path {LEGS[which]} 1)"
    lab.run(f"filer stop {LEGS[which]}; cp --sparse=always {lun}.old {lun}; filer start {LEGS[which]}", timeout=180)


def with_a_snapshot(converged, which: str) -> tuple[Lab, str]:
    """The volume in service, and beside it a copy of one LUN from before it was last started; what was written since."""
    lab = converged("raid1-5s", RAID1)
    lab.write_file("old")
    stop(lab)
    lun = f"$(filer path {LEGS[which]} 1)"
    lab.run(f"cp --sparse=always {lun} {lun}.old && sync {lun}.old", timeout=180)  # it has to outlive a power cut
    lab.settle()
    return lab, lab.write_file("witness")


def all_is_there(lab: Lab, witness: str) -> None:
    """The newest content is in service, and on each leg alone."""
    assert lab.checksum(f"{MOUNT}/witness") == witness
    lab.settle()
    lab.run("sync; echo 3 > /proc/sys/vm/drop_caches")
    assert lab.checksum(f"{MOUNT}/witness") == witness
    whole(lab)
    assert journal(lab)[1]["rebuild"] == []
    assert set(lab.on_each_leg().values()) == {witness}


@pytest.mark.parametrize("which", LEGS)
def test_a_leg_is_put_back_while_the_volume_is_stopped(converged, which):
    lab, witness = with_a_snapshot(converged, which)
    stop(lab)
    log_out(lab)
    put_back(lab, which)
    lab.slow_copy()

    first = lab.apply(expect=3)

    (other,) = LEGS.keys() - {which}
    assert f"activate volume vg0/testlv on server {LEGS[other]} alone" in first.titles(), str(first)
    assert lab.lunmirror("can-lose", LEGS[other]).rc != 0
    lab.slow_copy(False)
    all_is_there(lab, witness)


@pytest.mark.parametrize("which", LEGS)
def test_a_leg_is_put_back_after_a_power_cut(converged, which):
    lab, witness = with_a_snapshot(converged, which)
    lab.spawn(f"writer {MOUNT}/blocks --log /root/blocks.log --interval-ms 10 --direct")
    lab.run("sleep 5")
    lab.machine.power_cut()
    lab.machine.boot()
    log_out(lab)
    put_back(lab, which)
    lab.slow_copy()

    lab.apply(expect=3)

    lab.slow_copy(False)
    all_is_there(lab, witness)


@pytest.mark.parametrize("which", LEGS)
def test_a_leg_is_put_back_during_an_outage(converged, which):
    lab, witness = with_a_snapshot(converged, which)
    lab.run(f"filer stop {LEGS[which]}")
    with lab.writing("during"):
        given_up(lab, letters="DA" if which == "left" else "AD")
        lab.apply(expect=3)
        put_back(lab, which)
        served_again(lab, which)
        lab.settle()

    all_is_there(lab, witness)
