"""Text from elsewhere (kernel attributes, programs, servers), taken for no more than it is; and names, sizes and times in
a sentence. Imports nothing of ours."""

from collections.abc import Iterable

DEFAULT_IFACE = "default"  # the interface record that open-iscsi has built in: bound to nothing
MOST_DIGITS = 20  # of an unsigned 64-bit number; Python refuses to convert thousands of them


def count(text: str) -> int | None:
    """The decimal number without a sign that the text is, or None. Not by `isdigit` alone, which is true of '²' too."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS else None


def number(text: str) -> int | None:
    """As `count`; a minus may stand before it."""
    size = count(text.removeprefix("-"))
    return -size if size is not None and text.startswith("-") else size


def shown(text: str) -> str:
    """For a terminal: without what would move its cursor, colour it, turn its direction or end its encoding; line
    breaks and tabs stay."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    r"""As Python writes it: \x1b, \u202e, \udcff."""
    return character.encode("unicode_escape", "backslashreplace").decode()


def is_interface(name: object) -> bool:
    """Whether it can name a network interface (net/core/dev.c, dev_valid_name), without white space or a colon in it."""
    fits = isinstance(name, str) and 0 < len(name.encode("utf-8", "replace")) < 16 and name not in (".", "..")
    return fits and isinstance(name, str) and name.isprintable() and not set(name) & set("/: ")


def same_address(one: str, other: str) -> bool:
    """Whether two spellings name one IP address (or host name, without resolving it)."""
    if one == other:
        return True
    if ":" not in one or ":" not in other:
        return one.lower() == other.lower()
    from ipaddress import ip_address  # only IPv6 has many spellings; not worth importing for less

    try:
        return ip_address(one) == ip_address(other)
    except ValueError:
        return False


def iso(seconds: float) -> str:
    """Seconds since 1970 as UTC, ISO 8601."""
    from time import gmtime, strftime

    return strftime("%Y-%m-%dT%H:%M:%SZ", gmtime(seconds))


def listed(names: Iterable[str], last: str = "and") -> str:
    """ "a", "a and b", "a, b and c"."""
    known = list(names)
    return known[0] if len(known) == 1 else f"{', '.join(known[:-1])} {last} {known[-1]}" if known else ""


def named(kind: str, names: Iterable[str]) -> str:
    """ "disk left", "disks left and right"."""
    known = list(names)
    return f"{kind}{'s' * (len(known) > 1)} {listed(known)}"


def exactly(amount: int) -> str:
    """Bytes in the largest IEC unit of which they are a whole number: "512 MiB", "1536 MiB", "4097 bytes"."""
    units = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"]
    while amount and amount % 1024 == 0 and len(units) > 1:
        amount, units = amount // 1024, units[1:]
    return f"{amount} {units[0]}"
