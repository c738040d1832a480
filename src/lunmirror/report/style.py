"""How text is laid out: colours, marks, width, times. One place knows what a terminal can show."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from lunmirror.engine.plain import shown

CELLS = 24  # of a bar
LABEL = 8  # columns of a field's name: "cause   "
INDENT = 4
LEAST = 24  # columns below which text does not stand beside its head, but under it: it would be a single column

GREEN, YELLOW, RED, CYAN, BOLD, DIM = "32", "33", "31", "36", "1", "2"
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)")
# What is not torn apart at a line's end: a number and its unit, a short command.
_BOUND = "\u00a0"
_UNIT = re.compile(r"(?<=\d) (?=(?:s|%|min|h|[KMGT]?i?B)\b|%)")
_COMMAND = re.compile(r"`[^`]+`")
# For terminals whose character set has no more than ASCII.
_ASCII = str.maketrans(
    {"✓": "+", "✗": "x", "✋": "!", "·": "-", "–": "-", "→": ">", "…": "~", "├": "|", "└": "`", "│": "|", "─": "-"}
    | {"█": "#", "░": "."}
)


class Style(NamedTuple):
    """`columns`: where lines are wrapped, 0 for nowhere (a pipe: one field, one line). `ascii`: show no other
    characters. `now`: the wall clock (ISO 8601), by which times are shortened; "" shows them whole."""

    color: bool = False
    columns: int = 0
    ascii: bool = False
    now: str = ""

    def paint(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.color and text else text

    def fit(self, text: str) -> str:
        """The text in the characters that the terminal has."""
        if not self.ascii:
            return text
        return text.translate(_ASCII).encode("ascii", "backslashreplace").decode()

    def lines(self, head: str, text: str, code: str = "", indent: int | None = None) -> list[str]:
        """`head`, painted, and the text after it; further lines stand under the text's beginning. Text from elsewhere
        is made harmless here."""
        hang = len(head) if indent is None else indent
        if self.columns and self.columns - hang < LEAST:
            hang = INDENT
        parts = self._wrapped(self.times(shown(text)), len(head), hang)
        return [self.paint(head, code) + parts[0], *(" " * hang + part for part in parts[1:])]

    def field(self, name: str, text: str, code: str = "") -> list[str]:
        """One field of a block; none if it is empty."""
        return self.lines(" " * INDENT + name.ljust(LABEL), text, code or DIM) if text else []

    def _wrapped(self, text: str, first: int, hang: int) -> list[str]:
        """The text's lines, without their indentation: the first begins in column `first`, the others in `hang`."""
        lines = text.splitlines() or [""]
        if not self.columns:
            return lines
        lines = [_UNIT.sub(_BOUND, _COMMAND.sub(self._bound, line)) for line in lines]
        import textwrap  # only where lines are wrapped

        found: list[str] = []
        for line in lines:
            room = " " * (hang if found else first)
            if not found and first + len(line.partition(" ")[0]) > self.columns and first > hang:
                found.append("")
                room = " " * hang
            wrapped = textwrap.wrap(
                line,
                self.columns,
                initial_indent=room,
                subsequent_indent=" " * hang,
                break_on_hyphens=False,
                break_long_words=False,
            )
            found += [one.strip(" ").replace(_BOUND, " ") for one in wrapped] or [""]
        return found

    def _bound(self, command: re.Match[str]) -> str:
        return command[0].replace(" ", _BOUND) if len(command[0]) <= self.columns // 2 else command[0]

    def since(self, text: str, when: str) -> str:
        """ "TEXT since 03:12"."""
        return f"{text} since {self.clock(when)}" if when else text

    def times(self, text: str) -> str:
        """The text with every time in it as `clock` has it."""
        return _TIME.sub(lambda found: self.clock(found[0]), text) if self.now else text

    def clock(self, when: str) -> str:
        """The time as somebody on this machine would say it: "03:12", "Thu 03:12", "2026-11-26 03:12"."""
        if not self.now:
            return when
        from datetime import datetime  # only where there is a time to show

        try:
            then, now = (datetime.fromisoformat(w.replace(",", ".")).astimezone() for w in (when, self.now))
        except ValueError:
            return when
        days = (now.date() - then.date()).days
        if days == 0:
            return f"{then:%H:%M}"
        return f"{then:%a %H:%M}" if 0 < days < 7 else f"{then:%Y-%m-%d %H:%M}"


PLAIN = Style()


def cells(style: Style) -> int:
    """How wide a bar may be, beside some words."""
    return CELLS if not style.columns else max(4, min(CELLS, style.columns - 50))


def block(lines: Iterable[str], style: Style) -> str:
    """The text of so many lines, ending in a newline."""
    return style.fit("\n".join(line.rstrip() for line in lines) + "\n")
