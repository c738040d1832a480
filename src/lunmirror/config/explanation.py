"""What a key means, for `lunmirror explain` and the reference: the schema's table, looked up by key path."""

import re
from collections.abc import Iterator
from inspect import get_annotations
from typing import Any, NamedTuple

from lunmirror.config import budget
from lunmirror.config.drafts import toml
from lunmirror.config.problems import nearest, quoted
from lunmirror.config.schema import Document, Table, table_of
from lunmirror.engine.desired import Desired, Timeouts
from lunmirror.engine.errors import UsageError

_PART = re.compile(r'"([^"]*)"|([^."\[\]]+)')
_ROWS = (
    ("unit", "unit"),
    ("default", "default"),
    ("written", "written to"),
    ("effect", "takes effect"),
)


class Explanation(NamedTuple):
    """One key. `key` is its pattern, with * for the names that the user chooses.

    default:  what holds without it; "" if it is required.
    examples: lines of TOML.
    also:     other keys of the same last word.
    derived:  how its value follows from others: one line of arithmetic for each server.
    """

    key: str
    title: str
    meaning: str
    unit: str
    default: str
    written: str
    effect: str
    examples: tuple[str, ...]
    also: tuple[str, ...] = ()
    derived: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [f"{self.key}: {self.title}", "", f"  {self.meaning}", ""]
        for field, heading in _ROWS:
            text = getattr(self, field) or ("required" if field == "default" else "")
            lines += [f"  {heading + ':':<14}{text}"] if text else []
        lines += [f"  {'example:':<14}{example}" for example in self.examples[:3]]
        lines += [f"  {'derived:':<14}{line}" for line in self.derived]
        lines += [f"  {'see also:':<14}{', '.join(self.also)}"] if self.also else []
        return "\n".join(lines) + "\n"


def explain(key: str, desired: Desired | None = None) -> Explanation:
    """The explanation of a key path (`servers.filer1.startup`), a pattern, or a last word (`startup`).

    Raises UsageError with the nearest known key.
    """
    parts = tuple(quotes or bare for quotes, bare in _PART.findall(re.sub(r"\[[0-9]+\]", "", key)))
    table = explanations()
    found = [row for row in table if _matches(tuple(row.key.split(".")), parts)]
    found = found or [row for row in table if parts and tuple(row.key.split("."))[-len(parts) :] == parts]
    if not found:
        raise _unknown(key, [row.key for row in table])
    server = parts[1] if parts[0] == "servers" and len(parts) > 2 else ""
    also = tuple(row.key for row in found[1:])
    return found[0]._replace(also=also, derived=_derived(found[0].key, server, desired))


def search(words: str) -> list[Explanation]:
    """Keys in whose name this stands, else keys that speak of it; none for nonsense, all for ""."""
    wanted, table = words.strip().lower(), explanations()
    if not words:
        return table
    if len(wanted) < 2:
        return []
    named = [row for row in table if wanted in row.key.rpartition(".")[2]]
    spoken = [
        row for row in table if wanted in f"{row.title} {row.meaning} {row.unit} {' '.join(row.examples)}".lower()
    ]
    return named or spoken


def explanations() -> list[Explanation]:
    """Every key, in the order of the reference."""
    return [_explanation(pattern, field) for pattern, field in keys()]


def keys() -> Iterator[tuple[str, Any]]:
    """(pattern, pydantic's field) of every key of the schema."""
    waiting: list[tuple[str, type[Table]]] = [("", Document)]
    while waiting:
        prefix, model = waiting.pop(0)
        for name, field in _own_first(model):
            yield prefix + name, field
            table, names = table_of(field)
            if table is not None:
                waiting.append((f"{prefix}{name}." + ("*." if names else ""), table))


def _own_first(model: type[Table]) -> list[tuple[str, Any]]:
    """A table's fields: those of its own before those that it shares."""
    own = get_annotations(model)
    return sorted(model.model_fields.items(), key=lambda item: item[0] not in own)


def _explanation(pattern: str, field: Any) -> Explanation:
    extra = field.json_schema_extra
    name = pattern.rpartition(".")[2]
    return Explanation(
        key=pattern,
        title=field.title,
        meaning=field.description,
        unit=extra["x-unit"],
        default=extra["x-default"],
        written=extra["x-written"],
        effect=extra["x-effect"],
        examples=tuple(f"{name} = {toml(value)}" for value in field.examples),
    )


def _matches(pattern: tuple[str, ...], parts: tuple[str, ...]) -> bool:
    """Whether a key path is this key, one of its named tables, or one of the free settings below it."""
    below = len(parts) - len(pattern)
    if below < 0 or (below > 1 and pattern[-1] != "settings"):
        return False
    if below and pattern[-1] not in ("servers", "disks", "groups", "volumes", "settings"):
        return False
    if below and pattern == ("groups", "*", "disks"):
        return False
    return all(wanted in ("*", part) for wanted, part in zip(pattern, parts, strict=False))


def _derived(key: str, server: str, desired: Desired | None) -> tuple[str, ...]:
    if key.rpartition(".")[2] not in ("stall_budget", *budget.STALL_PARTS, "command_timeout"):
        return ()
    if desired is None or not desired.servers:
        return _sums("by default", budget.resolve(None, {}).timeouts)
    chosen = {name: one for name, one in desired.servers.items() if name == server} or desired.servers
    return tuple(line for name, one in chosen.items() for line in _sums(f"{name}:", one.timeouts))


def _sums(head: str, times: Timeouts) -> tuple[str, ...]:
    """What holds for one server, with the arithmetic."""
    return (
        f"{head} {budget.arithmetic(times)}",
        f"{head} each try of a command: {budget.patience_arithmetic(times)}",
        f"{head} eh_timeout {times.eh_timeout} s, abort_timeout {times.abort_timeout} s,"
        f" lu_reset_timeout {times.lu_reset_timeout} s, tgt_reset_timeout {times.tgt_reset_timeout} s",
        f"{head} I/O that hangs behind live pings is not within the budget; raid1: about"
        f" {budget.hung_arithmetic(times)} at most",
    )


def _unknown(key: str, known: list[str]) -> UsageError:
    last = re.split(r"[.]", key)[-1]
    words = {pattern.rpartition(".")[2]: pattern for pattern in reversed(known)}
    near = nearest(key, known) or words.get(nearest(last, words), "")
    next = f"did you mean {near}?" if near else "`lunmirror schema` and docs/configuration.md list all keys"
    return UsageError(f"there is no key {quoted(key)}", next=next)
