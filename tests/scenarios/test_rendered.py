"""What an administrator reads, word for word, kept under tests/rendered for reviewers: each state, and each kind of terminal.

`LUNMIRROR_RENDER=1 pytest tests/scenarios/test_rendered.py` writes the files again; git shows what changed.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from lunmirror.analysis.verdict import judge
from lunmirror.layers.volume.undeclared import volumes as undeclared_volumes
from lunmirror.report import brief, picture, table, verdict
from lunmirror.report.style import Style
from lunmirror.report.watch import Frame, lines
from sim import stories
from sim.machine import SimHost
from sim.resting import Resting
from sim.stage import Stage, converged, text

HERE = Path(__file__).parents[1] / "rendered"
NOW = "2026-11-01T03:40:00Z"
MANY = "".join(
    f'[groups.vg0.volumes.mail{n}]\nsize = "16MiB"\ntype = "raid1"\nfilesystem = "ext4"\nmount = "/srv/mail{n}"\n'
    for n in range(1, 4)
)


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


def held(name: str, said: str) -> None:
    """The text is what the file says."""
    file = HERE / name
    if os.environ.get("LUNMIRROR_RENDER"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(said)
    assert said == file.read_text(), f"{file} says otherwise; if that is meant, write it again (see above)"


def noted(stage: Stage) -> Stage:
    stage.apply()
    return stage


def away() -> Stage:
    return noted(stories.blocked())


def many_away() -> Stage:
    return noted(stories.outage(converged(text(more=MANY)), "filer2"))


def copying() -> Stage:
    return noted(stories.dead_leg())


def split_brain() -> Stage:
    return noted(stories.split_brain())


def older_leg() -> Stage:
    stage = away()
    stage.world.event_activation = False
    stage.world.cut("filer1")
    stage.world.restore("filer2")
    stage.world.reboot()
    return noted(stage)


def in_maintenance() -> Stage:
    one = Resting(converged(text()))
    begun = one.begin("filer2")
    assert not isinstance(begun, list)
    one.stage.world.cut("filer2")
    one.stage.world.advance(60.0)
    one.apply()
    return one.stage


def both_away() -> Stage:
    stage = converged(text())
    stage.world.cut("filer1")
    return noted(stories.outage(stage, "filer2"))


def undeclared() -> Stage:
    return converged(text()).configure(text().partition("[groups.vg0.volumes")[0])


def just_made() -> Stage:
    return noted(stories.blank())


def just_synced() -> Stage:
    """No pass has seen the end of the first copy."""
    stage = just_made()
    while judge(stage.plan().report, stage.desired).state == "copying":
        stage.world.advance(1.0)
    return stage


def out_of_its_group() -> Stage:
    """Declared still, and listed by no group."""
    listed = text().replace('disks = ["left", "right"]', 'disks = ["left"]')
    return converged(text()).configure(listed.replace('type = "raid1"', 'type = "linear"'))


STATES: dict[str, Callable[[], Stage]] = {
    "whole": lambda: converged(text()),
    "whole-many": lambda: converged(text(more=MANY)),
    "one-copy-as-declared": lambda: converged(text(disks=("left",), type="linear")),
    "copying": copying,
    "just-made": just_made,
    "just-synced": just_synced,
    "disk-out-of-its-group": out_of_its_group,
    "one-server-away": away,
    "one-server-away-many": many_away,
    "both-servers-away": both_away,
    "in-maintenance": in_maintenance,
    "split-brain": split_brain,
    "refused-older-leg": older_leg,
    "refused-not-blank": lambda: noted(stories.blank_but_for_a_file_system()),
    "refused-another-host": stories.foreign_host,
    "not-declared-any-more": undeclared,
    "at-rest": stories.inactive,
    "started-without-one": stories.degraded_start,
    "servers-restarted": lambda: stories.forgetful("left", "right"),
    "blank": stories.blank,
}
TERMINALS = {
    "80": Style(columns=80, now=NOW),
    "40": Style(columns=40, now=NOW),
    "160": Style(columns=160, now=NOW),
    "pipe": Style(now=NOW),
    "80-no-utf8": Style(columns=80, ascii=True, now=NOW),
    "80-color": Style(True, 80, now=NOW),
}
MAIN = ("whole", "copying", "one-server-away", "split-brain", "refused-older-leg")


def status(stage: Stage, style: Style, verbose: bool = False) -> str:
    report = stage.plan().report
    return brief.render(judge(report, stage.desired), report, stage.desired, style, verbose=verbose)


@pytest.mark.parametrize("name", STATES)
def test_status_on_80_columns(name: str) -> None:
    held(f"status/80/{name}.txt", status(STATES[name](), TERMINALS["80"]))


@pytest.mark.parametrize("name", MAIN)
@pytest.mark.parametrize("terminal", [t for t in TERMINALS if t != "80"])
def test_status_on_other_terminals(name: str, terminal: str) -> None:
    held(f"status/{terminal}/{name}.txt", status(STATES[name](), TERMINALS[terminal]))


@pytest.mark.parametrize("columns", [40, 60, 80, 132])
@pytest.mark.parametrize("name", STATES)
def test_no_line_is_wider_than_the_terminal(name: str, columns: int) -> None:
    said = status(STATES[name](), Style(columns=columns, now=NOW))
    for line in said.splitlines():
        longest = max(map(len, line.split()), default=0)
        assert len(line) <= columns or longest > columns - 14, line


@pytest.mark.parametrize("name", STATES)
def test_every_state_is_reported_in_one_line_and_one_cause(name: str) -> None:
    stage = STATES[name]()
    machine = judge(stage.plan().report, stage.desired)
    for found in machine.volumes:
        assert bool(found.cause.text) == bool(found.action) == (not found.calm)
    assert machine.calm == (name in ("whole", "whole-many", "one-copy-as-declared", "just-synced", "in-maintenance"))
    assert machine.headline.text


@pytest.mark.parametrize("name", STATES)
def test_no_leg_that_is_out_of_reach_is_reported_to_be_in_sync(name: str) -> None:
    from lunmirror.report.status import document

    stage = STATES[name]()
    report = stage.plan().report
    away_now = {s.name for s in judge(report, stage.desired).servers if s.away}
    for group in document(report, stage.desired)["groups"]:
        for volume in group["volumes"]:
            assert not [leg for leg in volume["legs"] if leg.get("server") in away_now and leg["state"] == "in sync"]


@pytest.mark.parametrize(
    "name",
    [
        *("whole", "just-synced", "one-server-away", "in-maintenance", "refused-older-leg", "split-brain"),
        "not-declared-any-more",
    ],
)
def test_can_lose(name: str) -> None:
    stage = STATES[name]()
    report = stage.plan().report
    standing = {s.name: s for s in judge(report, stage.desired).servers}
    said = "".join(
        f"$ lunmirror can-lose {server}\n"
        + verdict.render(
            server,
            standing[server].losses,
            TERMINALS["80"],
            standing[server],
            tuple(v.id for v in undeclared_volumes(stage.desired, report.seen)),
        )
        for server in stage.desired.servers
    )
    held(f"can-lose/{name}.txt", said)


@pytest.mark.parametrize("name", ["one-server-away", "copying", "whole"])
@pytest.mark.parametrize("columns", [40, 80, 132])
def test_a_frame_of_watch(name: str, columns: int) -> None:
    from lunmirror.analysis import copying as copies

    stage = STATES[name]()
    report = stage.plan().report
    readings = copies.read(report, stage.desired, SimHost(stage.world))
    frame = Frame(
        report, readings, {v: copies.Speed(12.5 * (1 << 20), 130.0) for v in readings if name == "copying"}, 0.0
    )
    said = lines(frame, stage.desired, columns=columns)
    assert all(len(line) <= columns for line in said)
    held(f"watch/{columns}/{name}.txt", "\n".join(said) + "\n")


# plan and apply

PLANS: dict[str, Callable[[], Stage]] = {
    "blank": stories.blank,
    "whole": STATES["whole"],
    "one-server-away": away,
    "split-brain": split_brain,
    "started-without-one": stories.degraded_start,
    "overwritten-by-consent": lambda: stories.overwritten(partition=True),
    "growth": stories.growth,
    "not-declared-any-more": undeclared,
    "refused-not-blank": STATES["refused-not-blank"],
    "just-synced": just_synced,
}


@pytest.mark.parametrize("name", PLANS)
def test_plan(name: str) -> None:
    stage = PLANS[name]()
    report = stage.plan().report
    held(f"plan/80/{name}.txt", table.render(report, stage.desired, TERMINALS["80"]))


def test_plan_in_full_and_in_colour() -> None:
    stage = stories.growth()
    report = stage.plan().report
    held("plan/80-v/growth.txt", table.render(report, stage.desired, TERMINALS["80"], verbose=True))
    held("plan/80-color/growth.txt", table.render(report, stage.desired, TERMINALS["80-color"]))


@pytest.mark.parametrize("name", ["blank", "whole", "one-server-away"])
def test_apply(name: str) -> None:
    stage = PLANS[name]()
    report = stage.apply().report._replace(seconds=1.0)
    report = report._replace(outcomes=tuple(o._replace(seconds=0.1) for o in report.outcomes))
    held(f"apply/80/{name}.txt", table.render(report, stage.desired, TERMINALS["80"]))


# The pictures of the docs


@pytest.mark.parametrize("name", MAIN)
def test_the_pictures_are_drawn_by_the_program(name: str) -> None:
    said = picture.draw("lunmirror status", status(STATES[name](), TERMINALS["80-color"]))
    file = Path(__file__).parents[2] / "docs" / "status" / f"{name}.svg"
    if os.environ.get("LUNMIRROR_RENDER"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(said)
    assert said == file.read_text()
    ElementTree.fromstring(said)
