"""Phrases that every rendering shares."""

from lunmirror.engine.model import (
    AwaitPath,
    AwaitPortals,
    AwaitSessions,
    Drift,
    MakeDirectory,
    RemoveFile,
    Run,
    Step,
    WriteFile,
    WriteValue,
)
from lunmirror.engine.secret import masked

_SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./-_<>")


def command_line(argv: tuple[str, ...]) -> str:
    """As one would type it: words quoted where a shell needs it."""
    return " ".join(a if a and set(a) <= _SAFE else "'" + a.replace("'", "'\"'\"'") + "'" for a in argv)


def why(drift: Drift) -> str:
    return f"{drift.key}: {drift.observed} → {drift.desired}"


def how(step: Step) -> str:
    """The exact command or change, over as many lines as it takes; secrets masked."""
    match step.action:
        case Run(argv, _, stdin):
            fed = "".join(f"\n  < {line}" for line in stdin.decode(errors="replace").splitlines())
            return command_line(argv) + fed
        case WriteFile() as file:
            return unified_diff(file)
        case RemoveFile(path, before):
            return f"remove {path} ({len(before)} bytes)"
        case WriteValue(path, value):
            return f"write {value!r} to {path}"
        case MakeDirectory(path, mode):
            return f"make directory {path} with mode {mode:04o}"
        case AwaitPath(patterns, deadline):
            return f"wait up to {deadline:g} s for {' or '.join(patterns)}"
        case AwaitPortals(endpoints, deadline):
            return f"wait up to {deadline:g} s for {', '.join(f'{a} port {p}' for a, p in endpoints)} to answer"
        case AwaitSessions(wanted, deadline):
            return f"wait up to {deadline:g} s for {', '.join(f'{t} at {a} port {p}' for t, a, p in wanted)}"
    raise AssertionError(step.action)


def unified_diff(file: WriteFile) -> str:
    """What changes in the file; whole files are never shown, secrets nowhere."""
    import difflib  # only a plan that changes a file needs it

    old = (file.before or b"").decode(errors="replace").splitlines()
    new = file.content.decode(errors="replace").splitlines()
    source = "/dev/null" if file.before is None else file.path
    lines = difflib.unified_diff(old, new, source, file.path, lineterm="", n=1)
    return masked("\n".join(lines), file.secrets)


def size(amount: int) -> str:
    """Bytes in the largest IEC unit that leaves at most two decimals."""
    value, units = float(amount), ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]
    while value >= 1024 and len(units) > 1:
        value, units = value / 1024, units[1:]
    return f"{value:.2f}".rstrip("0").rstrip(".") + f" {units[0]}"


def bar(share: float, cells: int) -> str:
    """Filled as far as is done; full only when all is done."""
    filled = cells if share >= 1 else min(cells - 1, int(share * cells))
    return "█" * filled + "░" * (cells - filled)


def rate(amount: float) -> str:
    """Bytes a second, to a tenth of the unit."""
    value, units = amount, ["B", "KiB", "MiB", "GiB"]
    while value >= 1024 and len(units) > 1:
        value, units = value / 1024, units[1:]
    return f"{value:.1f} {units[0]}/s"


def span(seconds: float) -> str:
    """A time to wait, in its two largest units, rounded up: an estimate has no more to say."""
    left = max(1, -int(-seconds // 1))
    if left < 60:
        return f"{left} s"
    if left < 3600:
        return f"{left // 60} min {left % 60} s"
    return f"{left // 3600} h {left % 3600 // 60} min"
