"""The status file for Prometheus: the text format, version 0.0.4. Pure; standard library only.

Names and labels are a contract (docs/watch.md, held by tests): prefix, base units, one series for each state with 0 or 1.
There are as many series as the configuration declares volumes, servers and sessions. A value that is not known has no
series: better none than a wrong one. No timestamps: the collector does not take them.
"""

from collections.abc import Iterator
from typing import Any

VOLUME_STATES = ("full", "rebuilding", "degraded", "out of service")
SESSION_STATES = ("LOGGED_IN", "FAILED", "FREE", "SILENT", "NONE", "UNKNOWN")

# Name -> type, help.
METRICS = {
    "lunmirror_build_info": ("gauge", "The version of lunmirror that made the last pass."),
    "lunmirror_pass_timestamp_seconds": ("gauge", "When the last pass ended, in seconds since 1970."),
    "lunmirror_pass_duration_seconds": ("gauge", "How long the last pass took."),
    "lunmirror_pass_exit_code": ("gauge", "What the last pass ended with (docs/exit-codes.md)."),
    "lunmirror_passes_total": ("counter", "Passes since boot, by result."),
    "lunmirror_steps_total": ("counter", "Steps since boot: done, failed, skipped."),
    "lunmirror_observation_timestamp_seconds": (
        "gauge",
        "When what follows was seen; before the last pass if that could not begin.",
    ),
    "lunmirror_findings": ("gauge", "What no step repairs, by kind; refused: an administrator must decide."),
    "lunmirror_volume_state": ("gauge", "1 for the state that the volume is in, 0 for the others."),
    "lunmirror_volume_redundant": ("gauge", "1 if every declared leg is in sync and can be reached."),
    "lunmirror_volume_maintenance": (
        "gauge",
        "1 if all that it lacks is its leg on a server in maintenance: no alarm.",
    ),
    "lunmirror_volume_size_bytes": ("gauge", "Size of the volume."),
    "lunmirror_volume_legs_declared": ("gauge", "Legs that the configuration declares."),
    "lunmirror_volume_legs_good": ("gauge", "Legs that hold all that was written, and can be reached."),
    "lunmirror_volume_degraded_since_timestamp_seconds": (
        "gauge",
        "Since when redundancy is missing; only while it is.",
    ),
    "lunmirror_volume_sync_ratio": ("gauge", "How much of a copy is done; only while one runs, and 1 while in sync."),
    "lunmirror_volume_sync_bytes_per_second": ("gauge", "Pace of the copy, between the last two passes."),
    "lunmirror_volume_sync_eta_seconds": ("gauge", "How long the copy takes at most, at that pace."),
    "lunmirror_volume_scrub_due": ("gauge", "1 while legs are to be compared or made equal, or that goes on."),
    "lunmirror_volume_scrub_active": ("gauge", "1 while the kernel goes over the legs, by action."),
    "lunmirror_volume_mismatched_sectors": ("gauge", "Sectors that differ, as the last comparison counted them."),
    "lunmirror_server_can_lose": ("gauge", "1 if no volume would lose access or data with this server."),
    "lunmirror_maintenance_end_timestamp_seconds": (
        "gauge",
        "When the maintenance of the server ends; only while it is in maintenance.",
    ),
    "lunmirror_session_state": ("gauge", "1 for the state that the session is in, 0 for the others."),
    "lunmirror_stall_budget_seconds": (
        "gauge",
        "Longest pause when the server dies silently: declared, and as the sessions really have it.",
    ),
}

Sample = tuple[str, dict[str, str], float | int]


def render(status: dict[str, Any]) -> str:
    """The whole text, ending in a newline."""
    found: dict[str, list[str]] = {name: [] for name in METRICS}
    for name, labels, value in samples(status):
        said = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        found[name].append(f"{name}{{{said}}} {value}" if said else f"{name} {value}")
    lines = []
    for name, series in found.items():
        if series:
            kind, about = METRICS[name]
            lines += [f"# HELP {name} {about}", f"# TYPE {name} {kind}", *series]
    return "\n".join(lines) + "\n"


def samples(status: dict[str, Any]) -> Iterator[Sample]:
    """(name, labels, value)."""
    last = status["pass"]
    yield "lunmirror_build_info", {"version": status["version"]}, 1
    yield "lunmirror_pass_timestamp_seconds", {}, status["written_at"]
    yield "lunmirror_pass_duration_seconds", {}, last["seconds"]
    yield "lunmirror_pass_exit_code", {}, last["exit"]
    for result, count in status["totals"]["passes"].items():
        yield "lunmirror_passes_total", {"result": result}, count
    for outcome, count in status["totals"]["steps"].items():
        yield "lunmirror_steps_total", {"status": outcome}, count
    if not status["observed_at"]:
        return
    yield "lunmirror_observation_timestamp_seconds", {}, status["observed_at"]
    for kind, count in status["counts"].items():
        yield "lunmirror_findings", {"kind": kind}, count
    if resting := status.get("maintenance"):
        yield "lunmirror_maintenance_end_timestamp_seconds", {"server": resting["server"]}, resting["until"]
    for volume in status["volumes"]:
        yield from _volume(volume)
    for server in status["servers"]:
        yield from _server(server)


def _volume(volume: dict[str, Any]) -> Iterator[Sample]:
    labels, state = {"volume": volume["volume"]}, volume["state"]
    prefix = "lunmirror_volume"
    for one in VOLUME_STATES:
        yield f"{prefix}_state", {**labels, "state": one}, int(one == state)
    yield f"{prefix}_redundant", labels, int(state == "full")
    yield f"{prefix}_maintenance", labels, int(volume.get("maintenance", False))
    yield f"{prefix}_legs_declared", labels, volume["legs"]["declared"]
    yield f"{prefix}_legs_good", labels, volume["legs"]["good"]
    if volume["size"] is not None:
        yield f"{prefix}_size_bytes", labels, volume["size"]
    if state != "full":
        yield f"{prefix}_degraded_since_timestamp_seconds", labels, volume["since"]
    else:
        yield f"{prefix}_sync_ratio", labels, 1
    copying = volume["copying"]
    if copying:
        yield f"{prefix}_sync_ratio", labels, copying["ratio"]
        if copying["bytes_per_second"] is not None:
            yield f"{prefix}_sync_bytes_per_second", labels, copying["bytes_per_second"]
            yield f"{prefix}_sync_eta_seconds", labels, copying["seconds_left_at_most"]
    scrub = volume["scrub"]
    yield f"{prefix}_scrub_due", labels, int(bool(scrub["due"]))
    for action in ("check", "repair"):
        yield f"{prefix}_scrub_active", {**labels, "action": action}, int(scrub["action"] == action)
    yield f"{prefix}_mismatched_sectors", labels, scrub["mismatches"]


def _server(server: dict[str, Any]) -> Iterator[Sample]:
    labels = {"server": server["server"]}
    yield "lunmirror_server_can_lose", labels, int(server["can_lose"])
    for session in server["sessions"]:
        place = {**labels, "portal": session["portal"], "target": session["target"]}
        for state in SESSION_STATES:
            yield "lunmirror_session_state", {**place, "state": state}, int(session["state"] == state)
    for kind, seconds in server["stall_budget"].items():
        if seconds is not None:
            yield "lunmirror_stall_budget_seconds", {**labels, "kind": kind}, seconds


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
