"""Where each key of a TOML text stands: tomli gives values without positions, and an administrator wants the line.

A small scanner, not a parser: it knows tables, dotted and quoted keys, strings and brackets, and steps over
values. It reads each character once, never fails, and stops at the first thing that it does not understand; what
stands after that is unknown to it. Keys inside inline tables and nested arrays get the line of the key around
them; items of a list their own.
"""

import re
from typing import NamedTuple

from lunmirror.config.problems import Key

DEEPEST = 16  # parts of one key; the configuration itself needs 7

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_REST = re.compile(r"[ \t\r]*(?:#[^\n]*)?")
_SPACE = re.compile(r"[ \t]*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_BASIC = re.compile(r'"(?:[^"\\\n]|\\.)*"')
_LITERAL = re.compile(r"'[^'\n]*'")
_PLAIN = re.compile(r"[^\[\]{}\"'#,\n]+")
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)")
_ESCAPED = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r"}


class Lines(NamedTuple):
    """Line numbers, from 1, by key path. `too_deep` is the line of a key with too many parts, or 0."""

    by_key: dict[Key, int]
    too_deep: int = 0

    def find(self, key: Key) -> tuple[int, int]:
        """How many parts of the key this file knows, and the line of the last of them (0, 0 if none)."""
        for known in range(len(key), 0, -1):
            if key[:known] in self.by_key:
                return known, self.by_key[key[:known]]
        return 0, 0


def scan(text: str) -> Lines:
    """The lines of all keys, as far as the text can be understood."""
    scanner = _Scanner(text)
    try:
        scanner.run()
    except _Lost:
        pass
    except _TooDeep:
        return Lines(scanner.found, scanner.line())
    return Lines(scanner.found)


class _Lost(Exception):
    """The text is not what the scanner expected; tomli will say what is wrong with it."""


class _TooDeep(Exception):
    """A key has more parts than any configuration needs."""


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.found: dict[Key, int] = {}
        self._arrays: dict[Key, int] = {}
        self._counted = 0
        self._line = 1

    def line(self) -> int:
        """The line of the current position; counts on from the last call, so that a file is counted once."""
        self._line += self.text.count("\n", self._counted, self.at)
        self._counted = self.at
        return self._line

    def run(self) -> None:
        table: Key = ()
        self._skip(_BLANK)
        while self.at < len(self.text):
            if self.text[self.at] == "[":
                table = self._header()
            else:
                self._pair(table)
            self._skip(_BLANK)

    def _header(self) -> Key:
        line = self.line()
        brackets = 2 if self.text.startswith("[[", self.at) else 1
        self.at += brackets
        key = self._resolve(self._key())
        if brackets == 2:
            self._note(key, line)
            self._arrays[key] = self._arrays.get(key, -1) + 1
            key = (*key, self._arrays[key])
        if not self.text.startswith("]" * brackets, self.at):
            raise _Lost
        self.at += brackets
        self._note(key, line)
        return key

    def _resolve(self, key: Key) -> Key:
        """The same key with the index of each array of tables that it passes through."""
        resolved: Key = ()
        for part in key[:-1]:
            resolved = (*resolved, part)
            if resolved in self._arrays:
                resolved = (*resolved, self._arrays[resolved])
        return resolved + key[-1:]

    def _pair(self, table: Key) -> None:
        line = self.line()
        key = table + self._key()
        if not self.text.startswith("=", self.at):
            raise _Lost
        self.at += 1
        self._note(key, line)
        self._value(key)

    def _note(self, key: Key, line: int) -> None:
        for end in range(1, len(key) + 1):
            self.found.setdefault(key[:end], line)

    def _key(self) -> Key:
        parts = [self._part()]
        while self.text.startswith(".", self.at):
            self.at += 1
            parts.append(self._part())
            if len(parts) > DEEPEST:
                raise _TooDeep
        return tuple(parts)

    def _part(self) -> str:
        self._skip(_SPACE)
        if match := _BARE.match(self.text, self.at):
            part = match[0]
        elif match := _LITERAL.match(self.text, self.at):
            part = match[0][1:-1]
        elif match := _BASIC.match(self.text, self.at):
            part = _ESCAPE.sub(_unescape, match[0][1:-1])
        else:
            raise _Lost
        self.at = match.end()
        self._skip(_SPACE)
        return part

    def _value(self, key: Key) -> None:
        """Step over one value, to the end of its line or of its last bracket's line."""
        brackets = ""
        items = 0
        fresh = False  # an item of the outermost list may begin here
        while self.at < len(self.text):
            char = self.text[self.at]
            if char == "\n" and not brackets:
                return
            if char in " \t\r\n#":
                self._skip(_BLANK if brackets else _REST)
                continue
            if fresh and char != "]":
                self.found.setdefault((*key, items), self.line())
                items += 1
                fresh = False
            if char in "[{":
                brackets += char
                fresh = brackets == "["
                self.at += 1
            elif char in "]}":
                brackets = brackets[:-1]
                self.at += 1
            elif char == ",":
                fresh = brackets == "["
                self.at += 1
            elif char in "\"'":
                self._string(char)
            else:
                self._skip(_PLAIN)

    def _string(self, quote: str) -> None:
        if not self.text.startswith(quote * 3, self.at):
            match = (_BASIC if quote == '"' else _LITERAL).match(self.text, self.at)
            if match is None:
                raise _Lost
            self.at = match.end()
            return
        end = self._end_of_long_string(quote)
        while self.text.startswith(quote, end):  # up to two more quotes belong to the string
            end += 1
        self.at = end

    def _end_of_long_string(self, quote: str) -> int:
        start = self.at + 3
        while True:
            end = self.text.find(quote * 3, start)
            if end < 0:
                raise _Lost
            before = end
            while quote == '"' and before > self.at + 3 and self.text[before - 1] == "\\":
                before -= 1
            if (end - before) % 2 == 0:
                return end + 3
            start = end + 1

    def _skip(self, pattern: re.Pattern[str]) -> None:
        if match := pattern.match(self.text, self.at):
            self.at = match.end()


def _unescape(match: re.Match[str]) -> str:
    code = match[1]
    if code[0] in "uU":
        number = int(code[1:] or "0", 16)
        return chr(number) if number < 0x110000 else "?"
    return _ESCAPED.get(code, code)
