"""Targets that lunmirror managed and that no server declares any more, with their node records: reported, and nothing is
done to them. A record has no place for a mark of ours, so what is declared is noted in a file beside the journal, by target.
A note that is lost costs only that report.
"""

import json
from collections.abc import Mapping

from lunmirror.engine.desired import Desired
from lunmirror.engine.model import Finding, Kind, Observed, Plan, Present, Ref, Seen, Unknown, World, facts_of
from lunmirror.engine.plain import named
from lunmirror.host import paths
from lunmirror.host.protocol import Reader
from lunmirror.layers.node.database import recorded
from lunmirror.layers.node.facts import Leftover, Record

KEY = "servers"


def noted(raw: Seen[bytes]) -> dict[str, str]:
    """Target -> the server that declared it. Nothing where the note cannot be read, or is not as we write it."""
    try:
        held = json.loads(raw.facts) if isinstance(raw, Present) else {}
        pairs = held["targets"].items()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}
    return {target: server for target, server in pairs if isinstance(server, str)}


def render(targets: Mapping[str, str]) -> bytes:
    """The file's bytes: the same targets always give the same bytes."""
    return json.dumps({"targets": dict(sorted(targets.items()))}, indent=1).encode() + b"\n"


def now(before: Mapping[str, str], desired: Desired, seen: World) -> dict[str, str]:
    """What is to be noted after a pass: what is declared and has a record, and what is left over, or may be."""
    states = seen.get("node", {})
    kept = {t: server for t, server in before.items() if isinstance(states.get(t), Present | Unknown)}
    mine = ((path, states.get(path.name)) for path in desired.paths())
    return kept | {path.target: path.server.name for path, state in mine if facts_of(state, Record)}


def observe(desired: Desired, reader: Reader) -> Observed:
    """Present(Leftover) or Unknown, by target; only of those with a record."""
    found: dict[str, Seen[Leftover]] = {}
    declared = {path.target.lower() for path in desired.paths()}
    for target, server in noted(reader.read(paths.TARGETS)).items():
        if target.lower() not in declared:
            portals = recorded(target, reader)
            if isinstance(portals, Unknown):
                found[target] = portals
            elif portals:
                found[target] = Present(Leftover(target, server, portals))
    return found


def plan(seen: World) -> Plan:
    found = (left for state in seen["node"].values() if (left := facts_of(state, Leftover)))
    return Plan(findings=tuple(map(_finding, found)))


def _finding(left: Leftover) -> Finding:
    return Finding(
        Ref("node", left.target),
        Kind.NOTE,
        f"target {left.target} of server {left.server} is not declared any more, and has a node record for"
        f" {named('portal', [str(portal) for portal in left.portals])}",
        "lunmirror managed it before it was taken out of the configuration; open-iscsi logs in there at every boot, if it is"
        " automatic",
        f"declare it again, or `lunmirror remove {left.server}`: it is logged out of, and its records are deleted",
        KEY,
    )
