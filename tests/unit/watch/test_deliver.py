"""Events reach who wants them: once, across failures, hangs and crashes."""

import email
import json
import os
import stat
from pathlib import Path

import pytest

from lunmirror.engine.desired import Notify
from lunmirror.host import notes as kept
from lunmirror.host import paths
from lunmirror.host.live import LiveHost
from lunmirror.host.protocol import Ran
from lunmirror.watch import deliver, events
from unit.watch.test_document import NOW
from unit.watch.test_events import DEAD, WHOLE, Told

COMMAND = Notify(command=("/usr/local/bin/tell", "--storage"))


class Died(BaseException):
    pass


class Book:
    def __init__(self, notes: events.Notes) -> None:
        self.raw: bytes | None = events.render(notes)

    def read(self) -> bytes | None:
        return self.raw

    def change(self, edit) -> None:
        self.raw = edit(self.raw) or self.raw

    @property
    def pending(self):
        return events.parse(self.raw).pending


class Hooks:
    """A program that answers as told, for each call."""

    def __init__(self, *answers: object) -> None:
        self.answers, self.got = list(answers), []

    def __call__(self, argv, deadline, stdin) -> Ran:
        self.got.append((argv, stdin))
        answer = self.answers.pop(0) if self.answers else 0
        if isinstance(answer, BaseException):
            raise answer
        return Ran(argv, answer, "", "no such host", 0.1, "" if answer is not None else "it did not end within 10 s")


@pytest.fixture
def book() -> Book:
    told = Told()
    told.see(WHOLE)
    told.see(DEAD)
    told.see(WHOLE)
    return Book(told.notes)


def go(book: Book, hooks: Hooks, now: int = NOW + 1000, notify: Notify = COMMAND) -> tuple[int, list[str]]:
    said: list[str] = []
    return deliver.deliver(book, notify, now, hooks, said.append), said


def test_events_arrive_in_their_order_and_once(book: Book, valid) -> None:
    hooks = Hooks()
    assert go(book, hooks) == (0, [])
    told = [valid(json.loads(stdin), "event") for _, stdin in hooks.got]
    assert [e["event"] for e in told] == ["degraded", "whole"]
    assert hooks.got[0][0] == COMMAND.command
    assert go(book, hooks) == (0, [])
    assert len(hooks.got) == 2


@pytest.mark.parametrize("answer", [1, None, -9])
def test_what_fails_is_tried_again_after_pauses_and_given_up(book: Book, answer) -> None:
    hooks = Hooks(*[answer] * 100)
    now, tries = NOW + 1000, []
    for _ in range(20_000):
        waiting, said = go(book, hooks, now)
        if said:
            tries.append(now)
        if not waiting:
            break
        now += 60
    assert waiting == 0
    first = [json.loads(stdin)["serial"] for _, stdin in hooks.got]
    assert first.count(first[0]) == 1 + len(deliver.PAUSES)
    assert "given up" in said[-1]


def test_a_failure_holds_up_no_other_pass_for_longer_than_once(book: Book) -> None:
    hooks = Hooks(1)
    go(book, hooks)
    assert len(hooks.got) == 1


def test_killed_at_any_instant_it_is_told_once_or_twice(book: Book) -> None:
    hooks = Hooks(Died())
    with pytest.raises(Died):
        go(book, hooks)
    assert book.pending[0]["tries"] == 1
    waiting, _ = go(book, hooks, NOW + 1000 + deliver.PAUSES[0])
    assert waiting == 0
    told = [json.loads(stdin)["serial"] for _, stdin in hooks.got]
    assert sorted(told) == [1, 1, 2]


def test_a_mail(book: Book) -> None:
    hooks = Hooks()
    go(book, hooks, notify=Notify(mail="storage@example.org"))
    argv, raw = hooks.got[0]
    assert argv == ("sendmail", "-i", "-t")
    mail = email.message_from_bytes(raw)
    assert (mail["To"], mail["Auto-Submitted"]) == ("storage@example.org", "auto-generated")
    assert mail["Subject"] == "[lunmirror client1] volume vg0/lv lacks redundancy"
    assert "Why: data is safe on filer1" in mail.get_payload(decode=True).decode()


def test_no_text_breaks_out_of_a_mail() -> None:
    event = events.trial(NOW, "h\nBcc: x@y")
    event = {**event, "what": "a\r\nBcc: evil@example.org\r\n\r\nbody", "why": "b\n.\nc\x1b[31m"}
    mail = email.message_from_bytes(deliver.mail(event, "root"))
    assert mail["Bcc"] is None
    assert "\x1b" not in str(mail)


def test_both_are_told_and_one_failure_is_one(book: Book) -> None:
    hooks = Hooks(0, 1)
    waiting, said = go(book, hooks, notify=Notify(command=("/x",), mail="root"))
    assert (waiting, len(said), len(hooks.got)) == (2, 1, 2)


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(paths, "RUN_DIR", str(tmp_path / "run"))
    monkeypatch.setattr(paths, "NOTES", str(tmp_path / "lib" / "notify.json"))
    return tmp_path


def test_the_file_is_replaced_whole_and_is_roots_alone(state: Path) -> None:
    kept.change(lambda raw: b"one" if raw is None else b"wrong")
    kept.change(lambda raw: b"two" if raw == b"one" else b"wrong")
    kept.change(lambda raw: None)
    assert kept.read() == b"two"
    assert stat.S_IMODE(os.stat(paths.NOTES).st_mode) == 0o600
    with kept.held(kept.DELIVERING, 0.0) as mine, kept.held(kept.DELIVERING, 0.0) as second:
        assert (mine, second) == (True, False)


@pytest.mark.real
def test_a_real_program_gets_the_event_and_nothing_else(state: Path) -> None:
    hook = state / "hook"
    hook.write_text(f'#!/bin/sh\n{{ cat; env; echo "$@"; ls /proc/self/fd; }} > {state}/got\n')
    hook.chmod(0o755)
    os.environ["LUNMIRROR_TEST_SECRET"] = "s3cret"
    directory = os.getcwd()
    try:
        why = deliver.send(events.trial(NOW, "client1"), Notify(command=(str(hook), "a b")), LiveHost().run)
    finally:
        os.chdir(directory)
        del os.environ["LUNMIRROR_TEST_SECRET"]
    assert why == ""
    got = (state / "got").read_text()
    assert json.loads(got.splitlines()[0])["event"] == "test"
    assert "s3cret" not in got
    assert "\na b\n" in got


@pytest.mark.real
def test_a_real_program_that_hangs_is_ended(state: Path) -> None:
    hook = state / "hook"
    hook.write_text("#!/bin/sh\nsleep 60\n")
    hook.chmod(0o755)
    directory = os.getcwd()
    try:
        host = LiveHost()
        why = deliver.send(events.trial(NOW, ""), Notify(command=(str(hook),), deadline=1), host.run)
        gone = deliver.send(events.trial(NOW, ""), Notify(command=(str(state / "none"),)), host.run)
    finally:
        os.chdir(directory)
    assert "did not end within 1 s" in why
    assert "not installed" in gone
