"""status followed over time, and can-lose, on a scene that is made up."""

import json

import pytest

from lunmirror.cli import look, passes
from lunmirror.cli.commands import status
from lunmirror.cli.look import Scene
from lunmirror.cli.parser import parse
from lunmirror.engine.errors import UsageError
from lunmirror.engine.model import ABSENT, Finding, Kind, Ref
from lunmirror.engine.reconcile import run_pass
from lunmirror.host.protocol import Ran
from lunmirror.host.waiting import Interrupted
from sim.machine import SimHost
from sim.stage import converged, text
from unit.analysis.worlds import ONLY_LEFT, desired, lv, world
from unit.analysis.worlds import report as report_of

LINE = "vg0-lv: 0 131072 raid raid1 2 {} {}/10 {} 0 0 -\n"


class Machine:
    """A volume that goes through `states` (letters, done, action), one each second; the last one stays. Time goes by
    only in pauses."""

    def __init__(self, *states: tuple[str, int, str], refused_at: int = -1, interrupted_at: int = -1) -> None:
        self.states, self.time, self.looks, self.shown = states, 0.0, 0, []
        self.refused_at, self.interrupted_at = refused_at, interrupted_at
        self.width, self.heard = 0, True

    @property
    def state(self) -> tuple[str, int, str]:
        return self.states[min(int(self.time), len(self.states) - 1)]

    def look(self):
        self.looks += 1
        letters, done, action = self.state
        past = ONLY_LEFT if "D" in letters or "a" in letters else lv().past.facts
        seen = world(lv(letters, ratio=(done, 10), action=action, past=past))
        refused = (Finding(Ref("volume", "vg0/lv"), Kind.REFUSED, "no"),) if 0 <= self.refused_at <= self.time else ()
        return report_of(seen, refused)

    def pause(self, seconds: float) -> None:
        assert seconds >= 0
        self.time += seconds
        if 0 <= self.interrupted_at <= self.time:
            raise Interrupted

    def show(self, text: str) -> bool:
        self.shown.append(text)
        return self.heard

    # as a host

    def forget(self) -> None: ...

    def now(self) -> float:
        return self.time

    def date(self) -> str:
        return f"T{int(self.time)}"

    def memoize(self, name, look):
        return look()

    def query(self, argv, deadline) -> Ran:
        return Ran(argv, 0, LINE.format(*self.state), "", 0.0)

    def link(self, path):
        return ABSENT

    def read(self, path):
        return ABSENT

    def reach(self, endpoints, deadline):
        return dict.fromkeys(endpoints, "")

    def scene(self, *line: str) -> Scene:
        return Scene(parse(list(line)), desired(), self, self.look, self.pause, self.show, lambda: self.width, False)

    def status(self, *line: str) -> passes.Reported:
        scene = self.scene("status", *line)
        status.check(scene.args)
        return look.status(scene)


COPY = [("Aa", n, "recover") for n in range(10)]
WHOLE = ("AA", 10, "idle")
DEAD = ("AD", 10, "idle")


def test_a_whole_mirror_is_looked_at_once() -> None:
    machine = Machine(WHOLE)
    result, _, text = machine.status()
    assert (result, machine.looks, machine.time) == (0, 1, 0.0)
    assert "full redundancy" in text


def test_a_copy_is_looked_at_for_one_second_more() -> None:
    machine = Machine(*COPY)
    result, _, text = machine.status()
    assert (result, machine.looks, machine.time) == (3, 1, 1.0)
    assert "at most" in text


def test_a_dead_leg_is_not_waited_for() -> None:
    machine = Machine(DEAD)
    assert machine.status()[0] == 3
    assert machine.time == 0.0


# --wait


def test_waiting_ends_when_all_is_whole() -> None:
    machine = Machine(*COPY, WHOLE)
    result, _, text = machine.status("--wait", "synced")
    assert (result, machine.time) == (0, 10.0)
    assert machine.looks <= 3
    assert machine.shown == []
    assert text.startswith("OK: ")


def test_waiting_ends_in_time() -> None:
    machine = Machine(DEAD)
    result, *_ = machine.status("--wait", "synced", "--timeout", "7s")
    assert (result, machine.time) == (3, 7.0)


def test_no_time_at_all_is_one_look() -> None:
    machine = Machine(DEAD)
    assert machine.status("--wait", "synced", "--timeout", "0s")[0] == 3
    assert (machine.looks, machine.time) == (1, 0.0)


def test_waiting_ends_at_once_when_an_administrator_is_needed() -> None:
    machine = Machine(DEAD, refused_at=0)
    assert machine.status("--wait", "synced")[0] == 4
    assert machine.time == 0.0


def test_a_refusal_is_noticed_while_waiting() -> None:
    machine = Machine(DEAD, refused_at=3)
    assert machine.status("--wait", "synced")[0] == 4
    assert machine.time <= 11.0


def test_full_sync_is_what_is_waited_for_not_more() -> None:
    machine = Machine(WHOLE)
    look = machine.look
    machine.look = lambda: look()._replace(findings=(Finding(Ref("session", "filer3"), Kind.DEGRADED, "away"),))
    assert machine.status("--wait", "synced")[0] == 0
    assert machine.status()[0] == 3


def test_waiting_with_json_is_one_document() -> None:
    result, _, text = Machine(*COPY, WHOLE).status("--wait", "synced", "--json")
    assert json.loads(text)["exit"] == result == 0


def test_who_interrupts_a_wait_is_reported_so() -> None:
    with pytest.raises(Interrupted):
        Machine(DEAD, interrupted_at=2).status("--wait", "synced")


# --watch


def test_watching_on_a_terminal_redraws() -> None:
    machine = Machine(*COPY, WHOLE)
    machine.width = 60
    result, _, text = machine.status("--watch")
    assert result == 0
    assert text == "every declared volume is in service, with full redundancy (exit 0)\n"
    assert len(machine.shown) == 11
    assert "\x1b" not in machine.shown[0]
    assert all(frame.startswith("\x1b[3A\r\x1b[J") for frame in machine.shown[1:])
    assert all(len(line) <= 60 for frame in machine.shown for line in frame.partition("J")[2].splitlines())
    assert "must stay up now: filer1" in machine.shown[0]
    assert "vg0/lv  full" in machine.shown[-1]


def test_watching_without_a_terminal_is_a_line_for_each_change() -> None:
    machine = Machine(*[state for state in COPY for _ in range(3)], WHOLE)
    machine.status("--watch")
    said = "".join(machine.shown).splitlines()
    assert len(said) == 11
    assert said[0].startswith("T0 vg0/lv: rebuilding (0 %): the leg on server filer2 is being rebuilt")
    assert said[-1].startswith("T30 vg0/lv: full")


def test_quiet_reports_only_what_is_amiss() -> None:
    assert Machine(WHOLE).status("-q")[2] == ""
    assert Machine(DEAD).status("-q")[2].startswith("DEGRADED: ")


@pytest.mark.parametrize("name", ["lv", "vg0/lv"])
def test_one_volume_in_detail(name: str) -> None:
    text = Machine(DEAD).status(name)[2]
    assert text.startswith("! vg0/lv  degraded")
    assert "on disk right: dead" in text
    assert "server filer1  must stay up" not in text


def test_a_volume_that_is_not_declared_is_a_wrong_command_line() -> None:
    with pytest.raises(UsageError, match="there is no volume 'vl'"):
        Machine(DEAD).status("vl")


@pytest.mark.parametrize("more", [("lv",), ("-q",), ("-v",), ("--json",)])
def test_what_does_not_go_with_watch(more: tuple[str, ...]) -> None:
    with pytest.raises(UsageError):
        Machine(WHOLE).status("--watch", *more)


def test_who_interrupts_a_watch_gets_the_state_it_was_in() -> None:
    result, _, text = Machine(DEAD, interrupted_at=5).status("--watch")
    assert result == 3
    assert "redundancy is not full (exit 3)" in text


def test_a_watch_ends_with_its_reader() -> None:
    machine = Machine(DEAD)
    machine.heard = False
    assert machine.status("--watch")[0] == 3
    assert machine.time == 0.0


def test_a_watch_goes_on_while_an_administrator_decides() -> None:
    assert Machine(DEAD, refused_at=0, interrupted_at=30).status("--watch")[0] == 4


# can-lose


@pytest.mark.parametrize(
    ("server", "state", "expected"), [("filer1", WHOLE, 0), ("filer1", DEAD, 4), ("filer2", DEAD, 0)]
)
def test_can_lose(server: str, state: tuple[str, int, str], expected: int) -> None:
    machine = Machine(state)
    for more in ((), ("--json",)):
        result, report, text = look.can_lose(machine.scene("can-lose", server, *more))
        assert (result, report.findings) == (expected, ())
        assert json.loads(text)["can_lose"] is not bool(expected) if more else text


def test_a_server_that_is_not_declared() -> None:
    with pytest.raises(UsageError) as caught:
        look.can_lose(Machine(WHOLE).scene("can-lose", "filer"))
    assert "did you mean filer" in caught.value.next


def test_verbose_status_shows_how_each_server_is_reached():
    stage = converged(text())
    host = SimHost(stage.world)
    args = parse(["status", "-v"])
    scene = Scene(
        args,
        stage.desired,
        host,
        lambda: run_pass("status", "run", stage.desired, host),
        None,
        None,
        lambda: 0,
        False,
    )
    shown = look.status(scene)[2]
    assert "network" in shown
    assert "filer1  192.168.1.115:3260 through eth0, 1000 Mbit/s, MTU 1500" in shown
    stage.world.interfaces["eth0"].state = "down"
    stage.world.version += 1
    host.forget()
    assert "interface eth0 to server filer1 is down" in look.status(scene)[2]
    document = json.loads(look.status(scene._replace(args=parse(["status", "--json"])))[2])
    assert [(r["server"], r["interface"]) for r in document["network"]] == [("filer1", "eth0"), ("filer2", "eth1")]
    assert "network" not in look.status(scene._replace(args=parse(["status"])))[2]
