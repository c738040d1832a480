"""The simulator is kept honest: the same sequence on it and on the real machine comes to the same facts, findings and
steps at every station (tests/contract/stations.py)."""

import json

from kit import Lab

from contract.stations import Real, Simulated, stations


def test_the_real_machine_says_what_the_simulator_says(lab: Lab) -> None:
    real = stations(Real(lab))

    simulated = stations(Simulated())

    both = json.dumps({"real": real, "simulated": simulated}, indent=1)
    (lab.machine.workdir / "contract-stations.json").write_text(both)
    for (station, here), (_, there) in zip(simulated, real, strict=True):
        assert here == there, station
