"""Events to those who want them: a program with the event on its standard input, or a mail through sendmail.

Each try is noted before it is made. So an event arrives once; twice at most, if the machine dies between the program's end
and the note of it. One that does not arrive is tried again after longer and longer pauses, and given up after the last.
"""

import json
from collections.abc import Callable
from typing import Any, Protocol

from lunmirror.engine.desired import Notify
from lunmirror.host import paths
from lunmirror.host.protocol import Ran
from lunmirror.watch import events

PAUSES = (60, 300, 1800, 7200)  # seconds between tries; then it is given up
INTERNAL = ("tries", "after")  # of an event: not part of what is reported
Run = Callable[[tuple[str, ...], float, bytes], Ran]


class Book(Protocol):
    """Where the notes are kept."""

    def read(self) -> bytes | None: ...

    def change(self, edit: Callable[[bytes | None], bytes | None]) -> None: ...


def deliver(book: Book, notify: Notify, now: int, run: Run, say: Callable[[str], None]) -> int:
    """Try every event that is due, the oldest first; how many still wait. Whoever calls holds the lock of deliveries."""
    while event := _next(events.parse(book.read()), now):
        _noted(book, event, now)
        why = send(event, notify, run)
        if not why:
            _gone(book, event["serial"])
        elif event["tries"] >= len(PAUSES):
            _gone(book, event["serial"])
            say(f"nobody could be notified, and it is given up: {event['what']}: {why}")
        else:
            say(f"nobody could be notified yet: {event['what']}: {why}")
            break  # the next one would fare no better
    return len(events.parse(book.read()).pending)


def send(event: events.Json, notify: Notify, run: Run) -> str:
    """Send one event to all who want it; '' or why somebody could not be notified."""
    reported = {key: value for key, value in event.items() if key not in INTERNAL}
    jobs = []
    if notify.command:
        jobs.append((notify.command, (json.dumps(reported, ensure_ascii=True) + "\n").encode()))
    if notify.mail:
        jobs.append(((paths.SENDMAIL, "-i", "-t"), mail(reported, notify.mail)))
    ended = [run(argv, float(notify.deadline), stdin) for argv, stdin in jobs]
    return "; ".join(ran.why for ran in ended if ran.rc != 0)


def mail(event: events.Json, to: str) -> bytes:
    """The mail, as sendmail takes it: headers in ASCII, the text in UTF-8."""
    host = event["host"] or "this machine"
    subject = "".join(c if c.isprintable() and c.isascii() else "?" for c in f"[lunmirror {host}] {event['what']}")
    lines = [event["what"], ""]
    lines += [f"{name}: {event[key]}" for name, key in (("Why", "why"), ("Next", "next")) if event[key]]
    lines += [
        "",
        f"Event: {event['event']}, number {event['serial']}, on {host}.",
        "`lunmirror status` reports all of it.",
    ]
    text = "\n".join("".join(c for c in line if c.isprintable()) for line in lines)
    head = (
        f"To: {to}\nSubject: {subject[:200]}\nAuto-Submitted: auto-generated\nMIME-Version: 1.0\n"
        f"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\nX-Lunmirror-Event: {event['event']}\n"
    )
    return f"{head}\n{text}\n".encode("utf-8", "replace")


def _next(notes: events.Notes, now: int) -> events.Json | None:
    """The oldest that is due. A clock that was set back does not hold it up for longer than the longest pause."""
    due = (e for e in notes.pending if e["after"] <= now or e["after"] > now + PAUSES[-1])
    return next(due, None)


def _noted(book: Book, event: events.Json, now: int) -> None:
    tries = event["tries"]
    pause = PAUSES[min(tries, len(PAUSES) - 1)]
    _edit(book, lambda e: {**e, "tries": tries + 1, "after": now + pause} if e["serial"] == event["serial"] else e)


def _gone(book: Book, serial: int) -> None:
    _edit(book, lambda e: None if e["serial"] == serial else e)


def _edit(book: Book, change: Callable[[events.Json], events.Json | None]) -> None:
    def edit(raw: bytes | None) -> bytes | None:
        notes = events.parse(raw)
        pending: list[Any] = [change(event) for event in notes.pending]
        return events.render(notes._replace(pending=tuple(event for event in pending if event is not None)))

    book.change(edit)
