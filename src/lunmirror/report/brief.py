"""`status` for an administrator at 3 a.m.: one line for the machine, one block for each volume, one line for each server."""

from collections.abc import Iterator, Mapping

from lunmirror.analysis import servers as standing
from lunmirror.analysis.copying import Speed
from lunmirror.analysis.folding import Trouble
from lunmirror.analysis.risk import UNSURE, facts_of
from lunmirror.analysis.servers import AWAY, SPARE, Server
from lunmirror.analysis.verdict import COPYING, DEGRADED, DOWN, OK, RESTING, Clause, Machine, Verdict
from lunmirror.engine.desired import Desired, Volume
from lunmirror.engine.model import Finding, Kind, Report
from lunmirror.engine.plain import listed, named
from lunmirror.report.style import BOLD, CYAN, GREEN, INDENT, RED, YELLOW, Style, block, cells
from lunmirror.report.words import bar, rate, size, span

WORDS = {
    OK: ("OK", GREEN),
    RESTING: ("MAINTENANCE", CYAN),
    COPYING: ("COPYING", YELLOW),
    DEGRADED: ("DEGRADED", YELLOW),
    DOWN: ("DOWN", RED),
}
DECIDE, NOTE = ("DECIDE", RED), ("NOTE", YELLOW)
MARKS = {OK: ("✓", GREEN), RESTING: ("·", CYAN), COPYING: ("!", YELLOW), DEGRADED: ("!", YELLOW), DOWN: ("✗", RED)}


def render(
    machine: Machine,
    report: Report,
    desired: Desired,
    style: Style,
    speeds: Mapping[str, Speed] | None = None,
    verbose: bool = False,
) -> str:
    """Ends in a newline. `verbose`: the exit code, too."""
    word, code = DECIDE if machine.decision else WORDS[machine.state]
    if machine.state == OK and machine.undeclared and not machine.decision:
        word, code = NOTE
    headline = style.since(machine.headline.text, machine.headline.since)
    ending = f" (exit {int(machine.exit)})" if verbose else ""
    lines = [*style.lines(f"{word}: ", headline + ending, f"{BOLD};{code}")]
    for group in _alike(machine.volumes):
        lines += ["", *_volumes(group, report, desired, style, speeds or {})]
    lines += ["", *_servers(machine.servers, style)] if machine.servers else []
    for trouble in machine.troubles:
        lines += ["", *_trouble(trouble, style)]
    if machine.undeclared:
        lines += ["", *_undeclared(machine.undeclared, style)]
    for note in machine.notes:
        lines += ["", *_note(note, style)]
    if machine.steps:
        count = "1 step" if machine.steps == 1 else f"{machine.steps} steps"
        lines += ["", *style.lines("", f"The next pass has {count} to take: `lunmirror plan` shows what.")]
    return block(lines, style)


def _alike(volumes: tuple[Verdict, ...]) -> Iterator[list[Verdict]]:
    """Volumes whose fields say the same, in one block: a dead server is reported once, not for each of its volumes."""
    found: dict[object, list[Verdict]] = {}
    for one in volumes:
        key = (one.state, one.decision, one.means, one.cause, one.action, one.share is None or one.volume)
        found.setdefault(key, []).append(one)
    yield from sorted(found.values(), key=lambda group: (group[0].calm, -list(WORDS).index(group[0].state)))


def _volumes(
    group: list[Verdict], report: Report, desired: Desired, style: Style, speeds: Mapping[str, Speed]
) -> list[str]:
    wide = max(len(v.volume) for v in group)
    lines = []
    for one in group:
        mark, code = ("!", RED) if one.decision else MARKS[one.state]
        head = f"{mark} {one.volume:{wide}}  {one.word}  "
        shape = _shape(desired.volumes[one.volume], report)
        lines += style.lines(head, shape, code)
    first = group[0]
    for name, clause in (("means", first.means), ("cause", first.cause)):
        lines += style.field(name, _said(clause, style))
    if first.share is not None:
        lines += style.field("copy", _progress(first, speeds.get(first.volume), style))
    return lines + style.field("action", first.action, CYAN)


def _said(clause: Clause, style: Style) -> str:
    return style.since(clause.text, clause.since)


def _shape(volume: Volume, report: Report) -> str:
    """ "raid1, 512 MiB, ext4 on /mnt/test": what it is as far as it is there, else as declared."""
    facts = facts_of(volume, report.seen)
    words = [facts.type if facts else volume.type]
    words += [size(facts.size)] if facts else []
    users = [volume.filesystem.type] if volume.filesystem else []
    users += [f"on {volume.mount.path}"] if volume.mount else []
    return ", ".join([*words, *([" ".join(users)] if users else [])])


def _progress(one: Verdict, pace: Speed | None, style: Style) -> str:
    share = one.share or 0.0
    words = f"{bar(share, cells(style))} {int(1000 * share) / 10:g} %"
    return words + (f", {rate(pace.rate)}, at most {span(pace.left)} left" if pace else "")


def _servers(found: tuple[Server, ...], style: Style) -> list[str]:
    if all(s.state == SPARE for s in found):
        names = listed([s.name for s in found], "or")
        return style.lines("✓ ", f"{names} may be lost now: nothing would be lost with it", GREEN)
    alike: dict[tuple[str, str, str], list[str]] = {}
    for one in found:
        alike.setdefault(_server(one, style), []).append(one.name)
    heads = {said: named("server", mine) for said, mine in alike.items()}
    wide = max(map(len, heads.values()))
    lines = []
    for (mark, code, words), name in heads.items():
        lines += style.lines(f"{mark} {name:{wide}}  ", words, code)
    return lines


def _server(one: Server, style: Style) -> tuple[str, str, str]:
    if one.state == SPARE:
        return "✓", GREEN, "may be lost now"
    if one.state == standing.RESTING:
        return "·", CYAN, f"{one.why.partition(' is ')[2]}: nothing more would be lost with it"
    if one.state == AWAY:
        said = style.since("it has not answered", one.since) if one.since else one.why
        return "✗", RED, f"lost already: {said}"
    if all(loss.loses == UNSURE for loss in one.losses):
        why = one.losses[0].why.partition(": ")[0]
        return "!", YELLOW, f"not known to be spare: {why}"
    sure = [loss.volume for loss in one.losses if loss.loses != UNSURE]
    costs = {loss.loses for loss in one.losses if loss.loses != UNSURE}
    cost = next(iter(costs)) if len(costs) == 1 else "access or data"
    unsure = [loss.volume for loss in one.losses if loss.loses == UNSURE]
    words = [f"{listed(sure)} would lose {cost} with it"] if sure else []
    words += [f"{listed(unsure)} might lose access or data with it"] if unsure else []
    return "!", YELLOW, f"must stay up: {'; '.join(words)}"


def _trouble(trouble: Trouble, style: Style) -> list[str]:
    mark, code = ("!", RED) if trouble.kind is Kind.REFUSED else ("!", YELLOW)
    lines = style.lines(f"{mark} ", trouble.what, code)
    return [*lines, *style.field("cause", trouble.why), *style.field("action", trouble.action, CYAN)]


def _undeclared(found: tuple[Finding, ...], style: Style) -> list[str]:
    lines = []
    for finding in found:
        lines += style.lines("! ", finding.what, YELLOW)
        if finding.ref.layer != "mount" or len(found) == 1:  # that of a mount repeats its volume's
            lines += style.field("action", finding.next, CYAN)
    return lines


def _note(note: Finding, style: Style) -> list[str]:
    return [
        *style.lines("· ", note.what, CYAN),
        *style.field("cause", note.why),
        *style.field("action", note.next, CYAN),
    ]


def one_volume(
    machine: Machine, name: str, report: Report, desired: Desired, style: Style, speeds: Mapping[str, Speed]
) -> str:
    """The block of one volume alone."""
    found = [v for v in machine.volumes if v.volume == name]
    return block(_volumes(found, report, desired, style, speeds), style)


def findings(found: tuple[Finding, ...], style: Style) -> str:
    """Every finding in full, the gravest first, for -v."""
    lines: list[str] = []
    order = (Kind.REFUSED, Kind.BLOCKED, Kind.DEGRADED, Kind.NOTE)
    for finding in sorted(found, key=lambda f: order.index(f.kind)):
        code = {Kind.REFUSED: RED, Kind.BLOCKED: RED, Kind.DEGRADED: YELLOW, Kind.NOTE: CYAN}[finding.kind]
        lines += ["", *style.lines(f"{finding.kind.value} {finding.ref}: ", finding.what, code, INDENT)]
        for name, text in (("why", finding.why), ("next", finding.next), ("key", finding.key)):
            lines += style.field(name, text)
    return block(lines, style) if lines else ""
