"""Durations and sizes as an administrator writes them. Every number carries its unit; nothing is guessed.

Durations: a whole number and s, m or h ("90s", "2m", "1h"); the result is whole seconds.
Sizes: a number and an IEC unit ("512MiB", "1.5 TiB"), exact in bytes; or "128 extents".
"""

import re
from typing import Any

from lunmirror.config.problems import InvalidValue, quoted, shown
from lunmirror.engine.desired import Size

SECONDS = {"s": 1, "m": 60, "h": 3600}
BYTES = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40, "PiB": 2**50, "EiB": 2**60}
LARGEST = 2**63 - 1  # bytes: the largest file offset that Linux knows
LONGEST = 24 * 3600  # seconds
SMALLEST_REGION, LARGEST_REGION = 2**19, 2**30  # bytes
MOST_EXTENTS = 2**32 - 1  # lvm2 keeps extent counts in 32 bits

DURATION_PATTERN = r"^[0-9]{1,5}[smh]$"
SIZE_PATTERN = r"^([0-9]{1,19}(\.[0-9]{1,9})? ?([KMGTPE]i)?B|[0-9]{1,10} extents?)$"

_NUMBER = re.compile(r"([0-9]{1,19})(?:\.([0-9]{1,9}))?\s?([A-Za-z]*)", re.ASCII)
_DECIMAL = {"KB": "KiB", "MB": "MiB", "GB": "GiB", "TB": "TiB", "PB": "PiB", "EB": "EiB"}
_SHORT = {unit[0]: unit for unit in BYTES if unit != "B"}


def duration(value: Any, least: int = 0, most: int = LONGEST) -> int:
    """Seconds, between `least` and `most`. Raises InvalidValue."""
    number, fraction, unit = _split(value, "a duration in quotes", '"15s" or "2m"')
    if unit not in SECONDS or fraction:
        hint = {"": "s", "sec": "s", "secs": "s", "seconds": "s", "min": "m", "minutes": "m"}.get(unit.lower())
        raise InvalidValue(
            f"{quoted(value)} is not a duration",
            why="durations are whole numbers of seconds, minutes or hours, with the unit s, m or h",
            next=f'write "{number}{hint}"' if hint and not fraction else 'write for example "15s", "2m" or "1h"',
        )
    seconds = number * SECONDS[unit]
    if not least <= seconds <= most:
        raise InvalidValue(f"{quoted(value)} is out of range: it must be {in_words(least)} to {in_words(most)}")
    return seconds


def in_words(seconds: int) -> str:
    """A duration as the configuration writes it, in the largest unit that divides it."""
    unit = next(unit for unit in ("h", "m", "s") if seconds % SECONDS[unit] == 0 and (seconds or unit == "s"))
    return f"{seconds // SECONDS[unit]}{unit}"


def size(value: Any) -> Size:
    """Bytes, or a number of extents; always more than nothing. Raises InvalidValue."""
    if isinstance(value, str) and "%" in value:
        raise InvalidValue(
            f"{quoted(value)} is not a size",
            why="a share of what is free would be another size on each machine and each day",
            next='write the size itself, for example "512MiB"; `vgs -o vg_free` shows what is free',
        )
    number, fraction, unit = _split(value, "a size in quotes", '"512MiB" or "128 extents"')
    if unit in ("extent", "extents") and not fraction:
        if not 0 < number <= MOST_EXTENTS:
            raise InvalidValue(f"{quoted(value)} is not possible: a volume has 1 to {MOST_EXTENTS} extents")
        return Size(extents=number)
    return Size(bytes=_bytes(value, number, fraction, unit))


def size_in_bytes(value: Any) -> int:
    """Bytes; for what is measured before there are extents. Raises InvalidValue."""
    found = size(value)
    if found.bytes is None:
        raise InvalidValue(
            f"{quoted(value)} counts extents, and a disk has none before it is in a group",
            next='write the size in bytes, for example "2GiB"',
        )
    return found.bytes


def region(value: Any) -> int:
    """Bytes: a power of two that md can have as a region. Raises InvalidValue."""
    found = size_in_bytes(value)
    if found & (found - 1) or not SMALLEST_REGION <= found <= LARGEST_REGION:
        raise InvalidValue(
            f"{quoted(value)} is no size of a region",
            why="a region is a power of two, from 512KiB to 1GiB",
            next='write for example "2MiB", "16MiB" or "64MiB"',
        )
    return found


def _bytes(value: str, number: int, fraction: str, unit: str) -> int:
    if unit not in BYTES:
        raise _wrong_unit(value, unit)
    scaled = int(f"{number}{fraction}") * BYTES[unit]
    count, rest = divmod(scaled, int("1" + "0" * len(fraction)))
    if rest:
        raise InvalidValue(f"{quoted(value)} is not a whole number of bytes", next="write it in a smaller unit")
    if count <= 0:
        raise InvalidValue(f"{quoted(value)} is nothing", next='write a size above zero, for example "512MiB"')
    if count > LARGEST:
        raise InvalidValue(f"{quoted(value)} is larger than Linux can address", next="choose a size below 8EiB")
    return count


def _wrong_unit(value: str, unit: str) -> InvalidValue:
    meant = _DECIMAL.get(unit.upper()) or _SHORT.get(unit.upper())
    meant = meant or next((known for known in BYTES if known.lower() == unit.lower()), "")
    why = "sizes are in IEC units (MiB = 1,048,576 bytes), because MB and M mean different things to different tools"
    if not meant:
        known = ", ".join(BYTES)
        return InvalidValue(f"{quoted(value)} is not a size", why=why, next=f"use one of {known}, or extents")
    return InvalidValue(
        f"{quoted(value)} has a unit that lunmirror does not take",
        why=why,
        next=f'write "{value[: len(value) - len(unit)].strip()}{meant}"',
    )


def _split(value: Any, what: str, example: str) -> tuple[int, str, str]:
    if not isinstance(value, str):
        raise InvalidValue(f"must be {what}, not {shown(value)}", next=f"write for example {example}")
    match = _NUMBER.fullmatch(value)
    if match is None:
        why = "the decimal sign is a point" if "," in value else ""
        what = what.removesuffix(" in quotes")  # it is
        raise InvalidValue(f"{quoted(value)} is not {what}", why=why, next=f"write for example {example}")
    return int(match[1]), match[2] or "", match[3]
