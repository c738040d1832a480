"""A command line without a contract fails the suite; so does a contract that no story issues any more."""

from pathlib import Path

import pytest

from contract.shapes import CONTRACTS, shape
from lunmirror.engine.execute import Executor
from scenarios.test_relogin import changed_budget, changed_mirror, relogin
from scenarios.test_remove import undeclared, wanted
from scenarios.test_speed import speed
from sim.machine import SimHost
from sim.programs import Unheard
from sim.stage import converged, text
from sim.stories import (
    STORIES,
    blocked,
    chosen,
    degraded_start,
    mirror_without_a_leg,
    repair_to_be_ended,
    restarted,
)
from sim.world import make_world

ROOT = Path(__file__).parents[2]


def issued() -> dict[str, str]:
    """Every shape that the stories come to, and the first story that did."""
    found: dict[str, str] = {}
    for name, story in {
        **STORIES,
        "degraded start": degraded_start,
        "mirror": mirror_without_a_leg,
        "blocked": blocked,
        "chosen": lambda: chosen("filer1"),
        "a repair that has to end": repair_to_be_ended,
        "stuck": lambda: restarted(converged(text(disks=("left",), type="linear")), "filer1"),
    }.items():
        stage = story()
        for _ in range(3):
            for line in stage.apply().host.lines:
                found.setdefault(shape(line), name)
            stage.world.advance(60.0)
    for renewed in (changed_budget(), changed_mirror()):
        for line in relogin(renewed)[1].lines:
            found.setdefault(shape(line), "relogin")
    gone = undeclared()
    Executor(host := SimHost(gone.world)).take(wanted(gone).steps)
    for line in host.lines:
        found.setdefault(shape(line), "remove")
    for line in speed(converged(text()))[2].host.lines:
        found.setdefault(shape(line), "speed")
    return found


def test_command_lines_and_contracts_are_the_same() -> None:
    found = issued()

    assert {line: story for line, story in found.items() if line not in CONTRACTS} == {}
    assert sorted(set(CONTRACTS) - set(found)) == []


def test_contracts_name_tests_that_exist() -> None:
    assert [place for place in set(CONTRACTS.values()) if not (ROOT / place).is_file()] == []


@pytest.mark.parametrize("line", ["lvm vgreduce --removemissing --force vg0", "lvm lvs", "mkfs.ext4 -F /dev/sda"])
def test_the_simulator_knows_nothing_else(line: str) -> None:
    with pytest.raises(Unheard):
        SimHost(make_world()).run(tuple(line.replace("DISKS", "/dev/sda").split()), 1.0)


def test_no_program_but_these_is_started_for_a_change() -> None:
    """What the planners can name at all is in paths.py; those that change something are in the contracts."""
    programs = {line.split()[0] for line in CONTRACTS}
    text = (ROOT / "src/lunmirror/host/paths.py").read_text()
    assert all(f'"{program}"' in text for program in programs)
