"""`can-lose`: may this server be rebooted now? Asks each server that would have to carry on whether it answers."""

import json
from collections.abc import Mapping

from lunmirror.analysis.risk import Loss, losses
from lunmirror.analysis.servers import RESTING, Server
from lunmirror.engine.desired import Desired
from lunmirror.engine.exits import Exit
from lunmirror.engine.model import Report
from lunmirror.report.as_json import SCHEMA
from lunmirror.report.style import GREEN, PLAIN, RED, Style, block


def verdict(
    server: str, report: Report, desired: Desired, silent: Mapping[str, str]
) -> tuple[Exit, tuple[Loss, ...]]:
    found = losses(server, report.seen, desired, silent)
    return (Exit.REFUSED if found else Exit.CONVERGED), found


def render(
    server: str,
    found: tuple[Loss, ...],
    style: Style = PLAIN,
    standing: Server | None = None,
    undeclared: tuple[str, ...] = (),
) -> str:
    """The answer to "can it be lost?", ending in a newline. `standing`: how the server is now; `undeclared`: volumes that
    lunmirror made and the configuration does not name."""
    if standing and standing.away and not found:
        said = style.since("it has not answered", standing.since) if standing.since else standing.why
        what = f"server {server} is lost already: {said}. No declared volume loses more with it"
        return block(style.lines("yes: ", what, GREEN), style)
    if standing and standing.state == RESTING and not found:
        return block(style.lines("yes: ", f"{standing.why}; no declared volume loses more with it", GREEN), style)
    if not found:
        what = f"server {server} can be lost now; no declared volume loses access or data"
        lines = style.lines("yes: ", what, GREEN)
        for name in undeclared:
            lines += style.lines("  ", f"{name} is not declared: nobody repairs it afterwards", indent=4)
        return block(lines, style)
    what = (
        f"server {server} is lost already, and is needed"
        if standing and standing.away
        else f"server {server} must stay up now"
    )
    lines = style.lines("no: ", what, RED)
    for loss in found:
        lines += style.lines("  ", str(loss), indent=4)
    return block(lines, style)


def render_json(server: str, report: Report, found: tuple[Loss, ...], result: Exit, away: bool = False) -> str:
    document = {
        "schema": SCHEMA,
        "verb": report.verb,
        "run": report.run,
        "server": server,
        "can_lose": not found,
        "away": away,
        "result": result.name.lower(),
        "exit": int(result),
        "reasons": [{"volume": one.volume, "loses": one.loses, "why": one.why} for one in found],
    }
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"
