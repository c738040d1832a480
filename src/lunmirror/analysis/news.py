"""What is new since the last pass that reported: findings that appeared or are gone, and failures that were not reported yet. Pure."""

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from lunmirror.engine.model import Finding, Outcome

Known = Mapping[str, str]  # ident -> what was reported


class News(NamedTuple):
    """`new`: findings that nobody was informed of; `over`: sentences that were reported, and hold no more."""

    new: tuple[Finding, ...]
    over: tuple[str, ...]


def ident(finding: Finding) -> str:
    """The same for the same thing said of the same resource, by which an administrator acknowledges a note: eight
    hexadecimal digits. What moves from pass to pass (a percentage) stands in `why`, which does not count."""
    return _digest(f"{finding.ref} {finding.what}")


def ident_of_failure(outcome: Outcome) -> str:
    return _digest(f"{outcome.step.ref} {outcome.step.title} {outcome.error}")


def _digest(words: str) -> str:
    from zlib import crc32  # a pass with nothing amiss has none to make

    return f"{crc32(words.encode('utf-8', 'backslashreplace')):08x}"


def news(known: Known, findings: Iterable[Finding]) -> News:
    found = {_reported_as(f): f for f in findings}
    new = tuple(f for key, f in found.items() if key not in known)
    changed = {str(f.ref) for f in new}
    over = tuple(
        what for key, what in known.items() if key not in found and _resource(what) not in changed and "!" not in key
    )
    return News(new, over)


def after(findings: Iterable[Finding], outcomes: Iterable[Outcome]) -> dict[str, str]:
    """What has been reported when this pass has reported."""
    said = {_reported_as(f): f"{f.ref}: {f.what}" for f in findings}
    return said | {f"!{ident_of_failure(o)}": o.error for o in outcomes if o.status == "failed"}


def _reported_as(finding: Finding) -> str:
    return f"{ident(finding)} {finding.kind.value}"


def _resource(what: str) -> str:
    return what.partition(": ")[0]


def unacknowledged(findings: Iterable[Finding], acknowledged: Collection[str]) -> tuple[Finding, ...]:
    """Without the notes that the configuration acknowledges. Nothing but a note can be."""
    if not acknowledged:
        return tuple(findings)
    return tuple(f for f in findings if f.kind.value != "note" or ident(f) not in acknowledged)
