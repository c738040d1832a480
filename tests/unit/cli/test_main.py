"""The command line: what each verb needs, says and ends with, without a machine behind it."""

import contextlib
import fcntl
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from apart import move
from lunmirror import config
from lunmirror.analysis.news import ident
from lunmirror.cli import needs
from lunmirror.cli.main import main
from lunmirror.cli.parser import VERBS, of_verb, parse
from lunmirror.engine import reconcile
from lunmirror.engine.errors import HostError
from lunmirror.engine.exits import Exit
from lunmirror.engine.model import ABSENT, Drift, Finding, Kind, Outcome, Ref, Report, Run, Step
from lunmirror.host import live, manager, paths, waiting

ROOT = Path(__file__).parents[3]
STEP = Step(
    Ref("session", "filer1"), "log in", Run(("iscsiadm", "-m", "node")), (Drift("servers.filer1", "in", "out"),)
)


class Nothing:
    """A host of which nothing is asked but the time, and which has no files."""

    def __init__(self, note: object = None) -> None:
        self.time = 0.0

    def forget(self) -> None: ...

    def read(self, path: str) -> object:
        return ABSENT

    def date(self) -> str:
        return "2026-01-01T00:00:00Z"

    def now(self) -> float:
        self.time += 1.0
        return self.time


@pytest.fixture(autouse=True)
def _machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A root's machine with a right configuration, where nothing is real."""
    (tmp_path / "sys").mkdir()
    monkeypatch.setattr(paths, "SYS_BLOCK", str(tmp_path / "sys"))
    move(monkeypatch, paths.RUN_DIR, tmp_path / "run")
    move(monkeypatch, paths.STATE_DIR, tmp_path / "state")
    monkeypatch.setattr(paths, "DM_CONTROL", str(tmp_path / "control"))
    monkeypatch.setattr(paths, "CONFIG", str(ROOT / "etc" / "lunmirror" / "lunmirror.toml"))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(needs.child, "find", lambda program: f"/usr/sbin/{program}")
    monkeypatch.setattr(needs.modules, "fault", lambda name: None)
    monkeypatch.setattr(live, "LiveHost", Nothing)
    monkeypatch.setattr(waiting, "heed_signals", lambda: None)
    monkeypatch.setattr(config, "load", lambda path, **_: _desired())


def _desired() -> object:
    return config.compile_texts([("lunmirror.toml", (ROOT / "etc/lunmirror/lunmirror.toml").read_text())])


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Lets the next pass come to what is given."""

    def come_to(*, steps=(), outcomes=(), findings=(), raises: BaseException | None = None) -> None:
        def run_pass(verb, run, desired, reader, executor=None, detailed=False, flapping=None, attended=True):
            if raises:
                raise raises
            for outcome in outcomes:
                executor.report(outcome)
            return Report(verb, run, tuple(steps), tuple(outcomes), tuple(findings), {}, 0.1, detailed)

        monkeypatch.setattr(reconcile, "run_pass", run_pass)

    return come_to


def logged(capsys: pytest.CaptureFixture[str]) -> list[dict]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]


# The command line itself


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ([], "a verb is missing"),
        (["aply"], "did you mean apply?"),
        (["--confg", "x", "plan"], "did you mean --config?"),
        (["plan", "--confg", "x"], "did you mean --config?"),
        (["plan", "--config"], "--config needs its PATH"),
        (["plan", "--json=yes"], "--json takes no value"),
        (["plan", "--detailed-exitcode"], "plan has no option --detailed-exitcode"),
        (["plan", "now"], "'now' is too much"),
        (["plan", "--log-level", "loud"], "--log-level: invalid choice: 'loud'"),
        (["apply", "--lock-wait", "soon"], "--lock-wait: "),
        (["status", "--wait", "forever"], "--wait: invalid choice: 'forever'"),
        (["status", "--timeout", "3s"], "--timeout is only for --wait"),
        (["status", "--wait", "synced", "--timeout", "soon"], "--timeout: "),
        (["status", "--watch", "--json"], "--watch and --json do not go together"),
        (["status", "--watch", "--wait", "synced"], "--watch and --wait do not go together"),
        (["apply", "--watch"], "apply has no option --watch"),
        (["can-lose"], "can-lose needs SERVER"),
        (["can-lose", "filer9"], "did you mean filer"),
        (["choose", "vg0/testlv"], "choose needs --keep SERVER"),
        (["choose", "--keep", "filer1"], "choose needs VOLUME"),
        (["choose", "testlv", "--keep", "filer1"], "did you mean vg0/testlv?"),
        (["choose", "vg0/testlv", "--keep", "filler1"], "did you mean filer1?"),
        (["--", "--json"], "there is no verb '--json'"),
        (["schema", "-v"], "-v is an option of plan, apply, status"),
        (["plan", "--debug"], "--log-level debug"),
        (["apply", "--quiet", "--json"], "do not go with --json"),
        (["apply", "--dry-run"], "`lunmirror plan` shows what apply would do"),
        (["apply", "--force"], "nothing is forced"),
        (["status", "--wach"], "did you mean --watch?"),
        (["plan", "--plan", "x"], "--plan is an option of apply"),
        (["plan", "--relogin"], "--relogin is an option of apply"),
        (["--nonsense"], "there is no option --nonsense"),
        (["diff"], "`lunmirror plan`"),
        (["import"], "`lunmirror adopt`"),
        (["adopt", "vg0"], "'vg0' is too much"),
        (["delete", "vg0/testlv"], "`lunmirror remove NAME`"),
        (["remove"], "remove needs NAME"),
        (["remove", "vg0/old", "--wipe-data", "vg0/other"], "name the volume whose data are to be lost both times"),
        (["verify"], "`lunmirror check` checks the configuration"),
        (["start"], "`lunmirror apply` brings the machine to the declared state"),
        (["stop"], "nothing is taken out of service"),
        (["watch"], "`lunmirror status --watch`"),
        (["help", "doctor"], "`lunmirror status` shows the mirrors"),
        (["explain", "--list"], "without a key lists all keys"),
        (["apply", "--auto-approve"], "--yes does not ask"),
        (["plan", "--no-color"], "NO_COLOR=1"),
        (["plan", "--diff"], "`lunmirror plan -v`"),
        (["drain", "filer1"], "`lunmirror maintenance SERVER --for 2h`"),
        (["maintenance", "--for", "2h"], "maintenance --for needs SERVER"),
        (["maintenance", "filer1", "--for", "2h", "--end"], "do not go together"),
        (["maintenance", "filer1", "--for", "10s"], "cannot be less than 60 s"),
        (["maintenance", "filer1", "--for", "2"], '--for: "2"'),
        (["help", "aply"], "did you mean apply?"),
        (["completion", "tcsh"], "'tcsh'"),
        (["drill", "filer1", "--seconds", "301"], "--seconds cannot be 301"),
    ],
)
def test_a_wrong_command_line_ends_with_64_and_reports_how(
    capsys: pytest.CaptureFixture[str], line: list[str], said: str
) -> None:
    assert main(line) == 64
    out, err = capsys.readouterr()
    assert out == "" or "--json" in line
    assert said in err
    assert "Traceback" not in err


def test_options_may_stand_anywhere(passes: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(config, "load", lambda path, **_: (asked.append(path), _desired())[1])
    passes()
    for line in (
        ["--config", "/a", "plan"],
        ["plan", "--config=/a"],
        ["--config=/a", "--log-level=error", "plan", "--json"],
    ):
        assert main(line) == 0
    assert asked == ["/a"] * 3


def test_with_json_an_error_is_an_object_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--json", "now"]) == 64
    said = json.loads(capsys.readouterr().out)
    assert (said["exit"], said["result"], len(said["errors"])) == (64, "usage", 1)
    assert set(said["errors"][0]) == {"what", "where", "why", "next"}


@pytest.mark.parametrize("line", [["--help"], ["-h"], ["help"]])
def test_help_names_every_verb(capsys: pytest.CaptureFixture[str], line: list[str]) -> None:
    assert main(line) == 0
    said = capsys.readouterr().out
    assert all(f"  {verb} " in said for verb in VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_has_help_with_an_example_that_is_right(capsys: pytest.CaptureFixture[str], verb: str) -> None:
    texts = []
    for line in (["help", verb], [verb, "--help"], ["-h", verb]):
        assert main(line) == 0
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1] == texts[2]
    assert all(name in texts[0] for name in of_verb(verb).options)
    example = texts[0].split("example:\n")[1].splitlines()[0]
    words = shlex.split(re.search(r"lunmirror ([^<>()&|]*)", example)[1])
    assert parse(words).verb == verb


@pytest.mark.parametrize("line", [["--version"], ["-V"], ["version"], ["plan", "-V"]])
def test_version(capsys: pytest.CaptureFixture[str], line: list[str]) -> None:
    assert main(line) == 0
    assert capsys.readouterr().out == "lunmirror 0.1.0\n"


# What a pass needs


@pytest.mark.parametrize(
    "line", [["plan"], ["apply"], ["status"], ["can-lose", "filer1"], ["choose", "vg0/testlv", "--keep", "filer1"]]
)
def test_only_root_looks_at_storage(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, line: list[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert main(line) == 1
    assert "only root may look at and change storage" in capsys.readouterr().err


def test_check_needs_no_root(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert main(["check"]) == 0
    assert "lunmirror.toml is valid: 2 servers, 2 disks, 1 group, 1 volume" in capsys.readouterr().out
    assert main(["check", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["valid"] is True


def test_check_remarks_on_a_secret_that_can_be_guessed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "one").write_text("12 bytes of.")
    (tmp_path / "two").write_text("fewer bytes")
    text = Path(paths.CONFIG).read_text()
    table = f'[servers.filer1.chap]\nusername = "x"\npassword_file = "{tmp_path}/one"\n'
    table += f'mutual = {{ username = "y", password_file = "{tmp_path}/two" }}\n'
    path = tmp_path / "with-secrets.toml"
    path.write_text(text + table)
    for one in (tmp_path / "one", tmp_path / "two"):
        one.chmod(0o600)
    assert main(["check", str(path)]) == 0
    *_, note = capsys.readouterr().out.splitlines()
    assert note == f"note: the secret in {tmp_path}/two has fewer than 12 bytes: it can be guessed"
    assert main(["check", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["short_secrets"] == [f"{tmp_path}/two"]


def test_explain_lists_what_a_word_may_mean(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "size"]) == 0
    said = capsys.readouterr().out
    assert {"disks.*.size", "groups.*.volumes.*.size"} <= {line.split()[0] for line in said.splitlines()}
    assert main(["explain"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(config.search(""))
    assert main(["explain", "command_timeout"]) == 0
    assert "takes effect" in capsys.readouterr().out


def test_a_host_without_sysfs(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "SYS_BLOCK", "/nowhere")
    assert main(["plan"]) == 1
    assert "there is no /nowhere" in capsys.readouterr().err


@pytest.mark.parametrize("content", [None, "not = [toml", "version = 2", "version = 1\nspeed = 3"])
def test_a_wrong_configuration_is_78_and_changes_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    monkeypatch.undo()
    move(monkeypatch, paths.RUN_DIR, tmp_path / "run")
    move(monkeypatch, paths.STATE_DIR, tmp_path / "state")
    monkeypatch.setattr(needs, "check_machine", lambda: None)
    monkeypatch.setattr(waiting, "heed_signals", lambda: None)
    if content is not None:
        (tmp_path / "c.toml").write_text(content)
    for verb in ("check", "plan", "apply", "status"):
        assert main([verb, "--config", str(tmp_path / "c.toml")]) == 78
        said = capsys.readouterr()
        assert "c.toml" in said.err
        assert "Traceback" not in said.err
        assert said.out == ""
    left = {path.name for path in (tmp_path / "run").iterdir()} if (tmp_path / "run").exists() else set()
    assert left <= {"lock", "status.json"}  # watchers are told


# What a pass ends with


def test_nothing_to_do_is_no_line_in_the_log(passes: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
    passes(findings=[Finding(Ref("disk", "left"), Kind.NOTE, "both LUNs say the same WWN")])
    assert main(["apply", "--detailed-exitcode"]) == 0
    assert capsys.readouterr().err == ""
    assert main(["apply", "--log-level", "debug"]) == 0
    *_, line = logged(capsys)
    assert list(line)[:7] == ["timestamp", "level", "event", "run", "verb", "result", "exit"]
    assert (line["result"], line["exit"], line["done"], line["note"]) == ("converged", 0, 0, 1)


def test_changes_are_0_or_2(passes: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
    passes(outcomes=[Outcome(STEP, "done", 0.5)])
    assert main(["apply"]) == 0
    assert main(["apply", "--detailed-exitcode"]) == 2
    step, closing, *_ = logged(capsys)
    assert (step["layer"], step["resource"], step["outcome"], step["duration"]) == ("session", "filer1", "done", 0.5)
    assert step["command"] == "iscsiadm -m node"
    assert step["drift"] == [{"key": "servers.filer1", "desired": "in", "observed": "out"}]
    assert (closing["event"], closing["run"], closing["done"]) == ("run ended", step["run"], 1)


def test_a_plan_with_steps_is_2(passes: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
    passes(steps=[STEP])
    assert main(["plan", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["steps"][0]["title"] == "log in"
    assert main(["plan", "--log-level", "debug"]) == 2
    assert [line["outcome"] for line in logged(capsys)[:1]] == ["planned"]


def test_a_failed_step_is_1_and_a_refusal_4(passes: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
    passes(outcomes=[Outcome(STEP, "failed", 1.0, "iscsiadm ended with exit code 8")])
    assert main(["apply"]) == 1
    passes(findings=[Finding(Ref("disk", "left"), Kind.REFUSED, "holds ext4", next="name it in overwrite")])
    assert main(["apply"]) == 4
    lines = logged(capsys)
    assert [line["level"] for line in lines] == ["error"] * 4
    assert lines[0]["error"] == "iscsiadm ended with exit code 8"
    assert lines[2]["next"] == "name it in overwrite"


def test_the_log_level_holds(passes: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
    passes(outcomes=[Outcome(STEP, "done")])
    assert main(["apply", "--log-level", "warning"]) == 0
    assert logged(capsys) == []


def test_plan_and_status_leave_nothing_behind(passes: Callable[..., None], tmp_path: Path) -> None:
    passes()
    assert main(["plan"]) == 0
    assert main(["status"]) == 1  # nothing was seen, so nothing is in service
    assert main(["status", "--json"]) == 1
    assert main(["can-lose", "filer1"]) == 4
    assert [p.name for p in tmp_path.iterdir()] == ["sys"]


# A quiet pass: what is new, once


AWAY = Finding(Ref("session", "filer2"), Kind.DEGRADED, "filer2 is away", "no answer", "bring it back")
FAILED = Outcome(STEP, "failed", 1.0, "iscsiadm ended with exit code 8")


def test_a_quiet_pass_says_what_is_new(passes: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
    for findings, said in (
        ([AWAY], "! degraded session filer2: filer2 is away"),
        ([AWAY], ""),
        ([AWAY._replace(why="another percentage")], ""),
        ([AWAY._replace(what="filer2 refuses")], "! degraded session filer2: filer2 refuses"),
        ([], "✓ over: session filer2: filer2 refuses"),
        ([], ""),
    ):
        passes(findings=findings)
        assert main(["apply", "-q"]) == (3 if findings else 0)
        out, err = capsys.readouterr()
        assert err == ""
        assert out.startswith(said)
        assert bool(out) == bool(said)


def test_a_step_that_fails_each_minute_is_said_once(
    passes: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    passes(outcomes=[FAILED])
    assert main(["apply", "-q"]) == 1
    assert "exit code 8" in capsys.readouterr().out
    assert main(["apply", "-q"]) == 1
    assert capsys.readouterr() == ("", "")
    passes(outcomes=[FAILED._replace(error="iscsiadm ended with exit code 21")])
    assert main(["apply", "-q"]) == 1
    assert "exit code 21" in capsys.readouterr().out


def test_news_in_the_journal_are_entries_with_a_priority(
    passes: Callable[..., None], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manager, "is_journal", lambda stream: True)
    monkeypatch.setattr(paths, "JOURNAL_SOCKET", "/nonexistent")
    said: list[str] = []
    monkeypatch.setattr(manager, "status", said.append)
    passes(findings=[AWAY, Finding(Ref("volume", "vg0/testlv"), Kind.REFUSED, "split brain")])
    assert main(["apply", "--unit"]) == 104
    out, err = capsys.readouterr()
    assert out == ""
    lines = [(line[:3], json.loads(line[3:])["event"]) for line in err.splitlines()]
    assert lines == [("<4>", "filer2 is away"), ("<3>", "split brain"), ("<3>", "run ended")]
    assert said == ["refused: split brain"]
    assert main(["apply", "--unit"]) == 104
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(("findings", "code"), [([], 0), ([AWAY], 103)])
def test_no_exit_code_of_a_unit_has_a_name_that_misleads(
    passes: Callable[..., None], findings: list[Finding], code: int
) -> None:
    passes(findings=findings)
    assert main(["apply", "--unit"]) == code


def test_an_error_in_the_journal_has_its_priority(
    passes: Callable[..., None], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manager, "is_journal", lambda stream: True)
    passes(raises=HostError("no way", next="go back"))
    assert main(["apply", "--unit"]) == 1
    assert capsys.readouterr().err == "<3>lunmirror: no way\n<3>  next: go back\n"


def test_a_quiet_pass_is_one_that_nobody_attends(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def run_pass(verb, run, desired, reader, executor=None, detailed=False, flapping=None, attended=True):
        seen.append(attended)
        return Report(verb, run, (), (), (), {}, 0.1, detailed)

    monkeypatch.setattr(reconcile, "run_pass", run_pass)
    for line in (["apply"], ["apply", "-q"], ["apply", "--unit"], ["plan"]):
        assert main(line) == 0
    assert seen == [True, False, False, True]


def test_an_acknowledged_note_is_left_out_unless_asked_for(
    passes: Callable[..., None], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    note = Finding(Ref("disk", "left"), Kind.NOTE, "both LUNs say the same WWN")
    monkeypatch.setattr(config, "load", lambda path, **_: _desired()._replace(acknowledged=(ident(note),)))
    passes(findings=[note])
    assert main(["plan"]) == 0
    assert "WWN" not in capsys.readouterr().out
    assert main(["plan", "-v"]) == 0
    assert f"{ident(note)}, for policy.acknowledged" in capsys.readouterr().out
    passes(findings=[note._replace(what="both LUNs say another WWN")])
    assert main(["plan"]) == 0
    assert "another WWN" in capsys.readouterr().out


def test_what_a_pass_changed_is_kept_and_shown(
    passes: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["history"]) == 0
    assert "nothing was changed yet" in capsys.readouterr().out
    passes(outcomes=[Outcome(STEP, "done", 0.5), FAILED])
    assert main(["apply"]) == 1
    capsys.readouterr()
    assert main(["history"]) == 0
    out = capsys.readouterr().out
    assert "✓ session filer1: log in (0.5 s)" in out
    assert "iscsiadm ended with exit code 8" in out
    assert main(["plan"]) in (0, 1)
    capsys.readouterr()
    assert main(["history", "--json", "--last", "1"]) == 0
    (kept,) = json.loads(capsys.readouterr().out)["history"]
    assert (kept["verb"], kept["exit"], len(kept["steps"])) == ("apply", 1, 2)


@pytest.mark.parametrize("error", [HostError("no way"), waiting.Interrupted()])
def test_an_error_is_sentences_and_a_closing_line(
    passes: Callable[..., None], capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    passes(raises=error)
    assert main(["apply"]) == 1
    err = capsys.readouterr().err
    assert f"lunmirror: {error}" in err
    closing = json.loads(next(line for line in err.splitlines() if line.startswith("{")))
    assert (closing["result"], closing["error"]) == ("failed", str(error).splitlines()[0])


def test_a_bug_is_one_sentence_unless_asked(
    passes: Callable[..., None], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    passes(raises=KeyError("hunter2"))
    assert main(["apply", "--json"]) == 1
    said = capsys.readouterr()
    assert "internal error: KeyError at test_main.py:" in said.err
    assert "Traceback" not in said.err
    assert "hunter2" not in said.err + said.out  # what a bug holds may be a secret
    assert json.loads(said.out)["errors"][0]["why"] == "this is a mistake in lunmirror"
    monkeypatch.setenv("LUNMIRROR_DEBUG", "1")
    assert main(["apply"]) == 1
    assert "Traceback" in capsys.readouterr().err


# An administrator's choice


def test_a_choice_reaches_the_pass_and_no_other(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = []

    def run_pass(verb, run, desired, reader, executor=None, detailed=False, flapping=None, attended=True):
        seen.append((verb, desired.choice, executor is not None))
        return Report(verb, run, (), (), (), {}, 0.1)

    monkeypatch.setattr(reconcile, "run_pass", run_pass)
    assert main(["choose", "vg0/testlv", "--keep=filer2"]) == 0
    assert main(["apply"]) == 0
    assert seen == [("choose", ("vg0/testlv", "filer2"), True), ("apply", None, True)]


def test_a_choice_needs_a_leg_on_that_server(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one = _desired()
    volume = one.volumes["vg0/testlv"]
    smaller = one._replace(volumes={volume.id: volume._replace(legs=volume.legs[:1])})
    monkeypatch.setattr(config, "load", lambda path, **_: smaller)
    assert main(["choose", "vg0/testlv", "--keep", "filer2"]) == 64
    assert "has no leg on server filer2, but on filer1" in capsys.readouterr().err


# Real processes

DRIVER = """
import sys
sys.path[:0] = [{src!r}]
from lunmirror.engine import reconcile
from lunmirror.cli import needs
from lunmirror.cli.main import main
from lunmirror.host import paths
from lunmirror.engine.model import Report
for name, value in list(vars(paths).items()):
    if isinstance(value, str) and value.startswith(("/run/lunmirror", "/var/lib/lunmirror")):
        setattr(paths, name, value.replace("/run/lunmirror", {run!r}).replace("/var/lib/lunmirror", {run!r} + ".state"))
paths.DM_CONTROL = {run!r} + ".control"
needs.check_machine = needs.check_modules = lambda *_: None
def run_pass(verb, run, desired, reader, executor=None, detailed=False, flapping=None, attended=True):
    {body}
    return Report(verb, run, (), (), (), {{}}, 0.0)
reconcile.run_pass = run_pass
main()
"""


@pytest.fixture
def driver(tmp_path: Path) -> Callable[..., subprocess.Popen]:
    """The whole program, but for the pass, whose body is given."""
    processes = []
    (tmp_path / "run.control").touch(0o600)

    def start(body: str, *line: str, **more) -> subprocess.Popen:
        source = DRIVER.format(src=str(ROOT / "src"), run=str(tmp_path / "run"), body=body)
        argv = [sys.executable, "-c", source, "--config", str(ROOT / "etc/lunmirror/lunmirror.toml"), *line]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | more
        processes.append(subprocess.Popen(argv, text=True, **pipes))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.wait()
        for stream in filter(None, (process.stdin, process.stdout, process.stderr)):
            stream.close()


@pytest.mark.real
def test_one_pass_at_a_time(driver: Callable[..., subprocess.Popen], tmp_path: Path) -> None:
    first = driver("print('in', flush=True); sys.stdin.read()", "apply", stdin=subprocess.PIPE)
    assert first.stdout.readline() == "in\n"
    busy = driver("pass", "apply")
    patient = driver("pass", "apply", "--lock-wait", "20s")
    looking = driver("pass", "plan")
    assert looking.wait() == 0
    _, err = busy.communicate()
    assert busy.returncode == 75
    assert re.search(rf"another pass is running: pid {first.pid}, apply, since 20\d\d-", err)
    assert '"result": "busy"' in err
    assert patient.poll() is None
    first.stdin.close()
    assert patient.wait() == 0
    assert first.wait() == 0
    assert (tmp_path / "run/lock").read_text() == ""
    assert (tmp_path / "run").stat().st_mode & 0o777 == 0o755


@pytest.mark.real
def test_a_lock_that_is_removed_lets_nobody_in(driver: Callable[..., subprocess.Popen], tmp_path: Path) -> None:
    first = driver("print('in', flush=True); sys.stdin.read()", "apply", stdin=subprocess.PIPE)
    assert first.stdout.readline() == "in\n"
    shutil.rmtree(tmp_path / "run")
    busy = driver("pass", "apply")
    patient = driver("pass", "apply", "--lock-wait", "20s")
    _, err = busy.communicate()
    assert busy.returncode == 75
    assert "its lock in" in err
    assert patient.poll() is None
    first.stdin.close()
    assert (patient.wait(), first.wait()) == (0, 0)


@pytest.mark.real
@pytest.mark.parametrize("node", [None, 0o644])
def test_a_node_that_others_can_lock_is_not_waited_for(
    driver: Callable[..., subprocess.Popen], tmp_path: Path, node: int | None
) -> None:
    """It is missing before device-mapper is loaded. One that others may open they could hold for ever."""
    control = tmp_path / "run.control"
    control.unlink()
    if node is not None:
        control.touch(node)
        control.chmod(node)
        other = os.open(control, os.O_RDONLY)
        fcntl.flock(other, fcntl.LOCK_EX)
    result = driver("pass", "apply").wait()
    if node is not None:
        os.close(other)
    assert result == 0


@pytest.mark.real
def test_a_lock_dies_with_its_holder(driver: Callable[..., subprocess.Popen], tmp_path: Path) -> None:
    first = driver("import time; print('in', flush=True); time.sleep(60)", "apply")
    assert first.stdout.readline() == "in\n"
    first.kill()
    first.wait()
    assert driver("pass", "apply").wait() == 0


@pytest.mark.real
def test_a_signal_ends_a_run_between_two_steps(driver: Callable[..., subprocess.Popen], tmp_path: Path) -> None:
    whole, other = tmp_path / "whole", tmp_path / "other"
    run = driver(
        f"print('in', flush=True); reader.run(('sh', '-c', 'sleep 0.7; touch {whole}'), 9);"
        f" reader.run(('touch', {str(other)!r}), 9)",
        "apply",
    )
    assert run.stdout.readline() == "in\n"
    time.sleep(0.2)
    run.terminate()
    _, err = run.communicate()
    assert run.returncode == 1
    assert (whole.exists(), other.exists()) == (True, False)
    assert "stopped by a signal between two steps" in err
    assert [line for line in err.splitlines() if '"run ended"' in line]


@pytest.mark.real
def test_a_run_with_nothing_to_do_imports_nothing_heavy(driver: Callable[..., subprocess.Popen]) -> None:
    assert driver("pass", "apply").wait() == 0  # compiles the configuration
    body = "import sys; print(*sorted(sys.modules), flush=True)"
    out, err = driver(body, "apply").communicate()
    heavy = {
        "structlog",
        "pydantic",
        "jinja2",
        "tomli",
        "subprocess",
        "asyncio",
        "logging",
        "inspect",
    }
    assert heavy.isdisjoint(out.split())
    assert err == ""


@pytest.mark.real
@pytest.mark.parametrize(
    ("more", "colored"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)],
)
def test_no_color_holds_for_the_report_and_for_the_log(
    driver: Callable[..., subprocess.Popen], more: dict[str, str], colored: bool
) -> None:
    ours, terminal = os.openpty()
    environment = {"PATH": "/usr/bin:/bin", "TERM": "xterm"} | more
    body = "from lunmirror.engine.errors import HostError; raise HostError('no way')"
    run = driver(body, "--log-level", "info", "apply", env=environment, stdout=terminal, stderr=terminal)
    assert run.wait() == 1
    os.close(terminal)
    said = b""
    with contextlib.suppress(OSError):  # EIO: nobody has it open any more
        while chunk := os.read(ours, 65536):
            said += chunk
    os.close(ours)
    assert b"run ended" in said
    assert (b"\x1b" in said) is colored


@pytest.mark.real
def test_a_reader_who_leaves_is_no_error(driver: Callable[..., subprocess.Popen]) -> None:
    run = driver("pass", "schema")
    run.stdout.close()
    assert run.wait() == 0
    assert run.stderr.read() == ""


@pytest.mark.real
def test_a_report_that_cannot_be_written_is_an_error(driver: Callable[..., subprocess.Popen]) -> None:
    with open("/dev/full", "w") as full:
        run = driver("pass", "schema", stdout=full)
        assert run.wait() == 1
    assert "cannot be written to standard output: the file system is full" in run.stderr.read()


@pytest.mark.real
@pytest.mark.parametrize("locale", ["C", "POSIX", "de_DE.ISO-8859-1", "tr_TR.UTF-8"])
def test_no_locale_breaks_it(driver: Callable[..., subprocess.Popen], locale: str) -> None:
    environment = {"LC_ALL": locale, "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "PATH": "/usr/bin:/bin"}
    out, err = driver("pass", "status", env=environment, encoding="utf-8").communicate()
    assert "Traceback" not in err
    assert "vg0" in out
    assert out.isascii() == (locale in {"C", "POSIX"})  # a pipe has UTF-8 else


@pytest.mark.real
@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)])
def test_closed_standard_descriptors_hurt_nobody(
    driver: Callable[..., subprocess.Popen], tmp_path: Path, closed: tuple[int, ...]
) -> None:
    run = driver(
        f"assert reader.run(('sh', '-c', 'echo x; echo y >&2; cat'), 5, b'z')[1:4] == (0, 'xz', 'y\\n') or 1;"
        f" open({str(tmp_path / 'said')!r}, 'w').write(reader.run(('sh', '-c', 'echo x; cat'), 5, b'z').out)",
        "apply",
        preexec_fn=lambda: [os.close(number) for number in closed],
    )
    assert run.wait() == 0
    assert (tmp_path / "said").read_text() == "x\nz"


def test_every_exit_code_has_a_meaning() -> None:
    assert [int(code) for code in Exit] == [0, 1, 2, 3, 4, 64, 75, 78]
    assert all(code.meaning for code in Exit)
