"""The simulator is kept honest: the same sequence on it and on the real machine comes to the same facts, findings and
steps at every station (tests/contract/stations.py)."""

import json

from kit import LAYOUTS, MOUNT, Lab

from contract.stations import Real, Simulated, stations


def test_the_real_machine_reports_what_the_simulator_reports(lab: Lab) -> None:
    real = stations(Real(lab))

    simulated = stations(Simulated())

    both = json.dumps({"real": real, "simulated": simulated}, indent=1)
    (lab.machine.workdir / "contract-stations.json").write_text(both)
    for (station, here), (_, there) in zip(simulated, real, strict=True):
        assert here == there, station


def test_the_kernel_refuses_the_same_file_system_twice_at_one_place(converged) -> None:
    """As the simulator does; so a mount that was overlooked in mountinfo is not covered by itself."""
    lab = converged("core", LAYOUTS["core"])
    again = lab.run(f"mount -t ext4 -o _netdev /dev/vg0/testlv {MOUNT}", check=False)
    assert again.rc == 32
    assert "already mounted" in again.stderr
    assert lab.run(f"grep -c ' {MOUNT} ' /proc/self/mountinfo").stdout.strip() == "1"
