"""The log: the same keys always, nothing where there is nothing to log, and never a secret."""

import io
import json
from pathlib import Path

import pytest

from lunmirror.engine import log
from lunmirror.engine.exits import Exit
from lunmirror.engine.log import Log
from lunmirror.engine.model import Drift, Finding, Kind, Outcome, Ref, Report, Run, Step, WriteFile


def make(level: str = "info", stream: io.StringIO | None = None) -> Log:
    return Log("apply", "0a1b2c3d", level, stream or io.StringIO(), clock=lambda: 1700000000.25)


def report(findings: tuple[Finding, ...] = ()) -> Report:
    return Report("apply", "0a1b2c3d", (), (), findings, {}, 0.25)


OUTCOME = Outcome(Step(Ref("a", "b"), "t", Run(("true",)), ()), "done")


@pytest.mark.parametrize("result", list(Exit))
@pytest.mark.parametrize("error", ["", 'a "quoted" thing\n→ \udcff'])
def test_the_closing_line(result: Exit, error: str) -> None:
    one = make()
    one.keep_secret("quoted")
    seen = report((Finding(Ref("disk", "left"), Kind.NOTE, "x"),))._replace(outcomes=(OUTCOME,))
    one.close(result, 1.23456, seen, error)
    line = json.loads(one.stream.getvalue())
    assert list(line) == [
        *("timestamp", "level", "event", "run", "verb", "result", "exit", "planned", "done", "failed", "skipped"),
        *("refused", "blocked", "degraded", "note", "duration"),
        *(("error",) if error else ()),
    ]
    assert line["timestamp"] == "2023-11-14T22:13:20.250000Z"
    assert line["result"] == result.name.lower()
    assert "quoted" not in line.get("error", "")


def test_a_pass_with_nothing_to_do_has_nothing_to_log() -> None:
    for level, lines in (("info", 0), ("debug", 1)):
        one = make(level)
        one.close(Exit.CONVERGED, 0.1, report((Finding(Ref("disk", "left"), Kind.NOTE, "x"),)))
        assert len(one.stream.getvalue().splitlines()) == lines, level
    for result in (Exit.DEGRADED, Exit.REFUSED, Exit.FAILED):
        one = make()
        one.close(result, 0.1, report())
        assert one.stream.getvalue(), result


def test_times_are_utc_and_whole() -> None:
    assert log.timestamp(0) == "1970-01-01T00:00:00.000000Z"
    assert log.timestamp(1.9999999) == "1970-01-01T00:00:02.000000Z"


def test_no_secret_gets_out() -> None:
    secret = "s3cr3t-öf-filer1"
    file = WriteFile("/etc/iscsi/nodes/x", f"password = {secret}".encode(), b"", secrets=(secret,))
    drift = (
        Drift("servers.filer1.chap.password_file", "plain one", "plain two"),
        Drift("x", f"has {secret} in it", secret),
    )
    step = Step(Ref("node", "filer1"), f"write {secret}", file, drift)
    one = make("debug")
    one.planned(step)
    one.outcome(Outcome(step, "failed", 0.1, f"cannot: {secret!r} {secret}"))
    one.finding(Finding(Ref("node", secret), Kind.BLOCKED, secret, why=secret, next=secret, key=secret))
    one.note(f"{secret}{secret}")
    one.close(Exit.FAILED, 1.0, None, secret)
    said = one.stream.getvalue()
    assert len(said.splitlines()) == 5
    assert "s3cr3t" not in said
    assert "plain" not in said


def test_a_value_under_the_name_of_a_password_is_masked() -> None:
    one = make()
    one._say("info", "x", {"node.session.auth.password": "p1", "deep": [{"Password_in": "p2"}], "n": 3})
    assert "p1" not in one.stream.getvalue()
    assert "p2" not in one.stream.getvalue()


def test_commands_are_one_line() -> None:
    one = make()
    one.outcome(Outcome(Step(Ref("a", "b"), "t", Run(("lvm", "x y", "'"), stdin=b"1\n2\n"), ()), "done"))
    one.outcome(Outcome(Step(Ref("a", "b"), "t", WriteFile("/f", b"1\n2\n", None), ()), "skipped"))
    first, second = map(json.loads, one.stream.getvalue().splitlines())
    assert first["command"] == "lvm 'x y' ''\"'\"''"
    assert second["command"] == "replace /f"
    assert (first["level"], second["level"]) == ("info", "warning")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_what_no_report_shows_and_nothing_else() -> None:
    one = Log("apply", "0a1b2c3d", stream=Terminal())
    one.finding(Finding(Ref("volume", "vg0/lv"), Kind.REFUSED, "no"))
    one.close(Exit.FAILED, 0.1, report())
    one.note("the clock \x1b[31mjumped")
    assert one.stream.getvalue() == "lunmirror: the clock \\x1b[31mjumped\n"


@pytest.mark.parametrize("color", [False, True])
def test_a_terminal_that_asks_gets_it_rendered_for_people(color: bool) -> None:
    one = Log("apply", "0a1b2c3d", "info", stream=Terminal(), color=color)
    one.close(Exit.FAILED, 0.1, report())
    assert "run ended" in one.stream.getvalue()
    assert not one.stream.getvalue().startswith("{")
    assert ("\x1b" in one.stream.getvalue()) is color


def test_a_log_that_cannot_be_written_stops_nobody(tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:
        make(stream=full).close(Exit.FAILED, 0.1, report())
        make(stream=full).note("x")
        with pytest.raises(OSError, match="No space"):
            full.close()
    closed = (tmp_path / "x").open("w")
    one = make(stream=closed)
    one._logger = one._make_logger()
    closed.close()
    one.note("x")
