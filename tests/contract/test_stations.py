"""What the simulator says at every station is reported here whole, so that a change of it is seen; that the real machine says
the same is shown by tests/lab/test_contract.py."""

from contract.stations import Simulated, stations


def test_stations_of_the_simulator() -> None:
    found = dict(stations(Simulated()))

    legs = [leg[2] for leg in found["in sync"]["facts"]["volume vg0/testlv"][1]["legs"]]
    assert legs == ["A", "A"]
    assert found["nothing to do"]["steps"] == []
    assert [leg[2] for leg in found["one server gone"]["facts"]["volume vg0/testlv"][1]["legs"]] == ["A", "D"]
    assert (
        found["back, flagged"]["facts"]["group vg0"][1]["members"]
        != found["in sync"]["facts"]["group vg0"][1]["members"]
    )
    assert found["at the end"]["facts"] == found["nothing to do"]["facts"]
