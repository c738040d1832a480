"""The plugin for Nagios and its kin, as the program that is installed."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lunmirror.engine.exits import Exit
from lunmirror.engine.model import Finding, Kind, Ref
from lunmirror.watch import check, document
from unit.analysis.worlds import ONLY_LEFT, lv, world
from unit.watch.test_document import NOW, made

# The format of the guidelines: 'label'=value[UOM];[warn];[crit];[min];[max]
FIGURE = re.compile(r"'[^'=]+'=-?[\d.]+(s|%)?(;[\d.:@~]*){0,4}")


def run(tmp_path: Path, capsys, status, *words: str, now: float = NOW + 20) -> tuple[int, str, list[str]]:
    """(exit code, text, figures)."""
    file = tmp_path / "status.json"
    file.write_text(status if isinstance(status, str) else json.dumps(status))
    code = check.main(["--file", str(file), *words], now=lambda: now)
    line = capsys.readouterr().out
    assert line.count("\n") == 1
    text, _, figures = line.strip().partition(" | ")
    split = re.findall(r"'[^']*'=\S+", figures)
    assert all(FIGURE.fullmatch(one) for one in split), figures
    return code, text, split


def test_whole(tmp_path, capsys) -> None:
    code, text, figures = run(tmp_path, capsys, made(world(lv())))

    assert (code, text) == (0, "LUNMIRROR OK - 1 of 1 volumes in service, with full redundancy")
    assert figures[:3] == ["'age'=20s;;300;0", "'redundant'=1;;1:;0;1", "'vg0/lv_legs'=2;;2:;0;2"]


def resting(status: dict) -> dict:
    """The same, of a pass under a maintenance that explains it."""
    status["maintenance"] = {"server": "filer2", "begun": 1, "until": 2, "by": "alice"}
    status["pass"]["exit"] = 0
    for volume in status["volumes"]:
        volume["maintenance"] = volume["state"] != "full"
    return status


def test_what_a_server_in_maintenance_leaves_is_no_alarm(tmp_path, capsys) -> None:
    seen = world(lv("AD", past=ONLY_LEFT), failed=("right",))
    assert run(tmp_path, capsys, made(seen))[0] == 2

    code, text, _ = run(tmp_path, capsys, resting(made(seen)))

    assert code == 0
    assert "vg0/lv in service, in maintenance" in text
    assert "full redundancy; vg0/lv" in text


def test_what_else_is_amiss_meanwhile_is_one(tmp_path, capsys) -> None:
    seen = world(lv("AD", past=ONLY_LEFT), failed=("right",))
    found = (Finding(Ref("session", "filer1"), Kind.REFUSED, "what is wrong"),)

    code, text, _ = run(tmp_path, capsys, resting(made(seen, findings=found)))

    assert code == 2
    assert "an administrator must decide: what is wrong" in text


@pytest.mark.parametrize(
    ("seen", "findings", "code", "words"),
    [
        (
            world(lv("AD", past=ONLY_LEFT), failed=("right",)),
            (),
            2,
            "vg0/lv is degraded: data is safe on filer1; no redundancy",
        ),
        (world(lv("Aa", past=ONLY_LEFT, ratio=(3, 10), action="recover")), (), 1, "vg0/lv is rebuilding"),
        (world(lv(active=False)), (), 2, "vg0/lv is out of service: not in service"),
        (world(lv()), (Kind.REFUSED,), 2, "an administrator must decide: what is wrong"),
        (world(lv()), (Kind.DEGRADED,), 1, "what is wrong"),
        (world(lv()), (Kind.BLOCKED,), 1, "what is wrong"),
        (world(lv()), (Kind.NOTE,), 0, "full redundancy"),
    ],
)
def test_states(tmp_path, capsys, seen, findings, code, words) -> None:
    found = tuple(Finding(Ref("session", "filer1"), kind, "what is wrong") for kind in findings)
    got, text, _ = run(tmp_path, capsys, made(seen, findings=found))
    assert got == code, text
    assert words in text


def test_a_pass_that_could_not_begin(tmp_path, capsys) -> None:
    error = {"what": "the file is not valid", "where": "", "why": "", "next": ""}
    status = document.failed("apply", "r", Exit.CONFIG, 0.1, error, made(world(lv())), NOW)
    code, text, _ = run(tmp_path, capsys, status)
    assert (code, "the file is not valid" in text) == (2, True)
    status = document.failed("apply", "r", Exit.FAILED, 0.1, error, made(world(lv())), NOW)
    assert run(tmp_path, capsys, status)[0] == 1


@pytest.mark.parametrize(("age", "code"), [(299, 0), (301, 3), (-299, 0), (-301, 3)])
def test_old(tmp_path, capsys, age, code) -> None:
    got, text, _ = run(tmp_path, capsys, made(world(lv())), now=NOW + age)
    assert got == code, text
    assert ("the last pass ended" in text) == (code == 3)


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "{}", '{"schema": 1}', '{"schema": 2}', '"' * 100_000])
def test_what_is_no_status_is_unknown(tmp_path, capsys, content) -> None:
    assert run(tmp_path, capsys, content)[0] == 3


def test_what_is_missing_or_closed_is_unknown(tmp_path, capsys) -> None:
    assert check.main(["--file", str(tmp_path / "none")]) == 3
    assert "no pass of lunmirror has ended since boot" in capsys.readouterr().out
    assert check.main(["--file", str(tmp_path)]) == 3
    with pytest.raises(SystemExit) as ended:
        check.main(["--nonsense"])
    assert ended.value.code == 3


def test_text_from_elsewhere_does_not_break_the_line(tmp_path, capsys) -> None:
    status = made(world(lv("AD", past=ONLY_LEFT), failed=("right",)))
    status["volumes"][0]["advice"]["means"] = "a|b\nc\x1b[31m\udcff"
    code, text, _ = run(tmp_path, capsys, status)
    assert code == 2
    assert "a b c [31m " in text


def test_checkmk(tmp_path, capsys) -> None:
    file = tmp_path / "status.json"
    file.write_text(json.dumps(made(world(lv()))))
    assert check.main(["--file", str(file), "--checkmk"], now=lambda: NOW + 20) == 0
    line = capsys.readouterr().out
    assert re.fullmatch(r'0 "lunmirror" age=20s\|redundant=1\|\S+ 1 of 1 volumes .*\n', line)


@pytest.mark.real
def test_it_is_a_program_that_imports_nothing_of_ours(tmp_path) -> None:
    """As installed: without lunmirror on the path."""
    program = tmp_path / "lunmirror-check"
    program.write_text(Path(check.__file__).read_text())
    file = tmp_path / "status.json"
    file.write_text(json.dumps(made(world(lv()))))
    line = [sys.executable, "-IS", str(program), "--file", str(file)]
    done = subprocess.run(line, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (3, "")  # NOW is long ago, or far ahead
    assert "LUNMIRROR UNKNOWN - the last pass ended" in done.stdout


def test_what_it_knows_of_lunmirror_is_so() -> None:
    from lunmirror.host import paths

    assert (f"{paths.RUN_DIR}/{paths.STATUS}", document.SCHEMA, document.OLD) == (check.FILE, check.SCHEMA, check.OLD)
