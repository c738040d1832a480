"""apply in front of somebody: the line at the bottom, and the one question."""

import pytest

from lunmirror.cli.live import ERASE, Consent, Live
from lunmirror.engine.errors import LunmirrorError
from lunmirror.engine.execute import Executor
from lunmirror.engine.model import AwaitPortals, Outcome, Ref, Risk, Run, Step, WriteFile
from lunmirror.report.style import Style

STYLE = Style(columns=60)
LOGIN = Step(Ref("session", "filer1"), "log in to filer1", Run(("iscsiadm",)), ())
WAIT = Step(Ref("session", "filer2"), "wait for filer2", AwaitPortals((("192.0.2.2", 3260),), 30.0), ())
NOTE = Step(Ref("volume", "vg0/a"), "note", WriteFile("/var/lib/lunmirror/volumes/x.json", b"", b"", 0o600), ())
MKFS = Step(Ref("filesystem", "vg0/a"), "make", Run(("mkfs.ext4",)), (), Risk.CONSUMES, "it is blank")
ALONE = Step(Ref("volume", "vg0/a"), "activate on filer1 alone", Run(("lvm",)), (), Risk.FEWER, "filer1 held all")


class Screen:
    def __init__(self, *answers: str) -> None:
        self.shown: list[str] = []
        self.answers = list(answers)
        self.time = 0.0

    def show(self, text: str) -> None:
        self.shown.append(text)

    def answer(self, seconds: float) -> str:
        return self.answers.pop(0)

    def clock(self) -> float:
        return self.time


def test_a_step_is_shown_while_it_runs_and_then_stays() -> None:
    screen = Screen()
    live = Live(STYLE, screen.show, screen.clock)
    live.begin(LOGIN)
    assert screen.shown == [f"{ERASE}… 0 s  session filer1: log in to filer1"]
    screen.time = 7.0
    live.draw()
    assert screen.shown[-1] == f"{ERASE}… 7 s  session filer1: log in to filer1"
    live.end(Outcome(LOGIN, "done", 7.1))
    assert screen.shown[-1] == f"{ERASE}✓ session filer1: log in to filer1 (7.1 s)\n"
    live.draw()
    assert len(screen.shown) == 3
    live.close()


def test_a_wait_says_how_long_it_may_take() -> None:
    assert Live(STYLE, print).line(WAIT, 12.3) == "… 12 of 30 s  session filer2: wait for filer2"


def test_what_is_noted_down_leaves_no_line() -> None:
    screen = Screen()
    live = Live(STYLE, screen.show, screen.clock)
    live.end(Outcome(NOTE, "done", 0.1))
    assert screen.shown == [ERASE]
    live.end(Outcome(NOTE, "failed", 0.1, "no space"))
    assert "no space" in screen.shown[-1]


@pytest.mark.parametrize("columns", [20, 60])
def test_no_frame_wraps(columns: int) -> None:
    screen = Screen()
    live = Live(Style(columns=columns), screen.show, screen.clock)
    live.begin(LOGIN._replace(title="x" * 200))
    assert len(screen.shown[0].removeprefix(ERASE)) < columns
    live.close()


def test_nobody_is_asked_about_steps_without_a_risk() -> None:
    screen = Screen()
    Consent(STYLE, screen.show, screen.answer).to_plan([LOGIN, NOTE, WAIT], "the plan")
    assert screen.shown == []


@pytest.mark.parametrize("answer", ["y\n", "YES\n", " yes "])
def test_who_agrees_is_asked_once(answer: str) -> None:
    screen = Screen(answer)
    consent = Consent(STYLE, screen.show, screen.answer)
    consent.to_plan([LOGIN, MKFS, ALONE], "the plan\n")
    assert screen.shown == ["the plan\n", "\nThere are 2 steps with a risk. Go on? [y/N] "]
    assert all(consent(step) for step in (LOGIN, MKFS, ALONE))


@pytest.mark.parametrize("answer", ["", "\n", "n\n", "yesterday\n"])
def test_without_a_yes_nothing_is_done(answer: str) -> None:
    screen = Screen(answer)
    with pytest.raises(LunmirrorError, match="nothing was done"):
        Consent(STYLE, screen.show, screen.answer).to_plan([MKFS], "the plan\n")


def test_a_risk_that_was_not_predicted_is_asked_about() -> None:
    screen = Screen("n")
    consent = Consent(STYLE, screen.show, screen.answer)
    consent.to_plan([LOGIN], "the plan\n")

    class Host:
        ran: list[str] = []  # noqa: RUF012

        def now(self) -> float:
            return 0.0

        def run(self, argv, deadline, stdin):
            self.ran.append(argv[0])
            raise AssertionError("nobody agreed")

    host = Host()
    outcomes = Executor(host, allow=consent).take((MKFS, MKFS._replace(title="another")))
    assert [(o.status, o.error) for o in outcomes] == [
        ("skipped", "it was not agreed to"),
        ("skipped", "an earlier step of this resource failed"),
    ]
    assert host.ran == []
    assert "it is blank" in "".join(screen.shown)
