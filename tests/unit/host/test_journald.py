"""What journald gets of the log, and the catalog that explains it."""

import re
import socket
from pathlib import Path

import pytest

from lunmirror.engine.log import Log
from lunmirror.engine.model import Finding, Kind, Outcome, Ref, Run, Step
from lunmirror.host import journald, paths

CATALOG = Path(__file__).parents[3] / "contrib/systemd/lunmirror.catalog"
LEG = Ref("volume", "vg0/lv")


@pytest.fixture
def journal(tmp_path, monkeypatch):
    """A socket in journald's place."""
    monkeypatch.setattr(paths, "JOURNAL_SOCKET", str(tmp_path / "socket"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
        door.bind(paths.JOURNAL_SOCKET)
        door.settimeout(5)
        yield door


def received(journal) -> dict[str, str]:
    return dict(line.split("=", 1) for line in journal.recv(100_000).decode().splitlines())


def finding(kind: Kind, what: str) -> Finding:
    return Finding(LEG, kind, what, "why", "next")


@pytest.mark.parametrize(
    ("kind", "what", "named", "priority"),
    [
        (Kind.DEGRADED, "filer2 is away", "degraded", "4"),
        (Kind.BLOCKED, "filer2 is away", "blocked", "3"),
        (Kind.REFUSED, "split brain", "refused", "3"),
        (Kind.REFUSED, "flapping: another program keeps undoing this", "flapping", "3"),
    ],
)
def test_a_finding_is_an_entry_with_its_id(journal, capsys, kind, what, named, priority) -> None:
    log = Log("apply", "run", journal=journald.send)
    log.keep_secret("s3cr3t")
    log.finding(finding(kind, f"{what}\nMESSAGE_ID=s3cr3t"))
    entry = received(journal)
    assert (entry["MESSAGE_ID"], entry["LUNMIRROR_KIND"], entry["PRIORITY"]) == (journald.IDS[named], named, priority)
    assert (entry["LUNMIRROR_RESOURCE"], entry["OBJECT_SYSTEMD_UNIT"]) == ("vg0/lv", "lunmirror.service")
    assert entry["LUNMIRROR_WHAT"].startswith(f"{what} MESSAGE_ID=")
    assert "s3cr3t" not in str(entry)
    assert capsys.readouterr().err == ""


def test_a_step_and_what_is_over(journal) -> None:
    log = Log("apply", "run", journal=journald.send)
    step = Step(LEG, "repair vg0/lv", Run(("true",)), ())
    log.outcome(Outcome(step, "done"))
    log.outcome(Outcome(step, "failed", error="no"))
    log.over("filer2 is away")
    found = [received(journal)["LUNMIRROR_KIND"] for _ in range(3)]
    assert found == ["done", "failed", "over"]


def test_what_journald_does_not_take_is_written(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(paths, "JOURNAL_SOCKET", str(tmp_path / "none"))
    log = Log("apply", "run", journal=journald.send)
    log.finding(finding(Kind.DEGRADED, "filer2 is away"))
    log.note("of no kind")
    lines = capsys.readouterr().err.splitlines()
    assert [line[:3] for line in lines] == ["<4>", "<4>"]


def test_each_id_is_explained_and_each_explained_is_one() -> None:
    heads = re.findall(
        r"^-- ([0-9a-f]{32})\nSubject: lunmirror: .+\nDefined-By: lunmirror\n", CATALOG.read_text(), re.M
    )
    assert sorted(heads) == sorted(journald.IDS.values())
    assert len(set(heads)) == len(heads)
