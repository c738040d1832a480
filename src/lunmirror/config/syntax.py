"""What is not TOML, shown where it is wrong: the line, a caret, and a guess at what was meant."""

import re

from lunmirror.config.lines import scan

LONGEST = 76  # columns of a line that is shown
_PLACE = re.compile(r" \(at line (\d+), column (\d+)\)$")
_CURLY = "“”„‟‘’‚‛«»"
_SPACES = "\u00a0\u2002\u2003\u2009\u202f\u3000\ufeff"
_WORDS = {
    **dict.fromkeys(("True", "TRUE", "yes", "Yes", "on", "On"), "true"),
    **dict.fromkeys(("False", "FALSE", "no", "No", "off", "Off"), "false"),
    **dict.fromkeys(("None", "null", "Null", "nil", "NULL"), ""),
}
_ASSIGNED = re.compile(r"^\s*[\w.\"'-]+\s*=\s*(.*?)\s*(?:#.*)?$")
_KEY = re.compile(r"^\s*([\w.\"'-]+)\s*=")


def fault(path: str, text: str, message: str) -> tuple[str, str, str]:
    """(place, why, next) of a fault that tomli reports; `why` ends with the line and a caret under the fault."""
    match = _PLACE.search(message)
    why = _PLACE.sub("", message).removesuffix(" (at end of document)")[:120]
    why = "".join(c if c.isprintable() else "?" for c in why)
    why = why[:1].lower() + why[1:]
    lines = text.split("\n")
    number, column = (int(match[1]), int(match[2])) if match else (len(lines), 0)
    line = lines[number - 1] if number <= len(lines) else ""
    place = f"{path}:{number}"
    if "twice" in why or "overwrite" in why or "mutate" in why or "already" in why:
        return place, *_twice(lines, number, line)
    next_ = _guess(line) or "correct this place first"
    if match is None:
        return place, f"{why} at the end of the file", _unclosed(lines) or next_
    return place, f"{why}, at column {column}{_excerpt(line, _at(line, column))}", next_


def _at(line: str, column: int) -> int:
    """Where the fault is: at the character that is at fault, where it stands further on (tomli names the value's end)."""
    odd = next((n for n, c in enumerate(line, 1) if c in _CURLY + _SPACES), 0)
    value = _ASSIGNED.match(line)
    if odd:
        return odd
    if value and value[1] in _WORDS:
        return value.start(1) + 1
    return column


def _excerpt(line: str, column: int) -> str:
    shown = "".join("␣" if c in _SPACES else c if c.isprintable() else " " for c in line.rstrip())
    begin = max(0, column - LONGEST + 10) if len(shown) > LONGEST else 0
    cut = shown[begin : begin + LONGEST]
    return f"\n    {cut}\n    {' ' * (max(1, column) - 1 - begin)}^"


def _guess(line: str) -> str:
    value = _ASSIGNED.match(line)
    given = value[1] if value else ""
    if any(c in _CURLY for c in line):
        return "these are typographic quotes: TOML takes only the straight ones, \" and '"
    if any(c in _SPACES for c in line):
        return "there is a space that is not a plain one (it came with copied text): type it again"
    if given in _WORDS:
        return (
            f"TOML writes {_WORDS[given]}, without quotes" if _WORDS[given] else "leave the key out: TOML has no null"
        )
    if re.match(r"^\s*[\w.-]+\s*:\s", line) or re.match(r"^\s*[\w.-]+\s*:\s*$", line):
        return "TOML writes key = value, not key: value"
    if re.match(r"^\s*\[[^\]]*$", line):
        return "the header of a table ends with a bracket: [servers.filer1]"
    if re.fullmatch(r"[A-Za-z/][^\"'\[\]{}#]*", given) or re.fullmatch(r"\d+(\.\d+)? ?[A-Za-z%]+[^\"']*", given):
        key = _KEY.match(line)
        return f'write text in quotes: {key[1] if key else "key"} = "{given}"'
    if given.count('"') % 2 or given.count("'") % 2:
        return "a text ends with the quote that it began with, on the same line"
    if given == "" and _KEY.match(line):
        return "a value is missing after ="
    if "=" not in line and not line.lstrip().startswith("["):
        return "each line is key = value, [a table] or # a comment"
    return ""


def _unclosed(lines: list[str]) -> str:
    """The last line that opens a list or table of several lines, for a text that ends too early."""
    for number in range(len(lines), 0, -1):
        given = _ASSIGNED.match(lines[number - 1])
        if given and (given[1].count("[") > given[1].count("]") or given[1].count("{") > given[1].count("}")):
            return f"what line {number} opens is never closed"
    return ""


def _twice(lines: list[str], number: int, line: str) -> tuple[str, str]:
    """A table or key that stands twice: where it stood first."""
    head = line.strip()
    header = head.startswith("[")
    before = lines[: number - 1]
    if header:
        name = head.partition("]")[0].lstrip("[").strip()
        found = [
            n
            for n, one in enumerate(before, 1)
            if one.strip().partition("]")[0].lstrip("[").strip() == name and one.strip().startswith("[")
        ]
        what = f"[{name}]"
    else:
        key = _KEY.match(line)
        name = key[1] if key else head
        table = max((n for n, one in enumerate(before, 1) if one.strip().startswith("[")), default=0)
        found = [n for n, one in enumerate(before, 1) if n > table and (k := _KEY.match(one)) and k[1] == name]
        what = name
    first = f"first on line {found[0]}" if found else _implied(lines, what)
    return (
        f"{what} stands here a second time{f', {first}' if first else ''}{_excerpt(line, 1)}",
        "join the two, or remove one",
    )


def _implied(lines: list[str], what: str) -> str:
    """A table that another line has made already (`filesystem = { … }` above [… .filesystem])."""
    parts = tuple(what.strip("[]").split("."))
    known, at = scan("\n".join(lines)).find(parts)
    return f"and line {at} has made it already" if known == len(parts) and at else ""
