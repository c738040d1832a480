#!@python@ -IS
"""lunmirror-check: whether the mirrors are whole, for Nagios, Icinga, Naemon, Zabbix and Checkmk.

Reads one file that each pass of lunmirror leaves in /run. Needs no root, asks no disk and no server, imports nothing of
lunmirror's and nothing but the standard library: it is installed as a program of its own. One line, performance data after
`|` (https://www.monitoring-plugins.org/doc/guidelines.html), and an exit code:

  0 OK        every declared volume is in service, with full redundancy, or lacks only a server that is in maintenance
  1 WARNING   a leg is being rebuilt; or redundancy is full, and something else is not as declared
  2 CRITICAL  redundancy is missing, a volume is out of service, or an administrator must decide
  3 UNKNOWN   no pass for too long, or the file cannot be read
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from typing import Any, NoReturn

FILE = "/run/lunmirror/status.json"
SCHEMA = 1
MOST_BYTES = 8 << 20
OLD = 300  # seconds; a pass is due each minute
WORDS = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
OK, WARNING, CRITICAL, UNKNOWN = range(4)

Figure = tuple[str, str, str]  # name, value with its unit, limits


class Parser(argparse.ArgumentParser):
    """A wrong command line is UNKNOWN: argparse's own 2 would be CRITICAL."""

    def error(self, message: str) -> NoReturn:
        print(f"LUNMIRROR UNKNOWN - {message}; lunmirror-check --help shows what it takes")
        sys.exit(UNKNOWN)


def main(argv: list[str] | None = None, now: Callable[[], float] = time.time) -> int:
    """Prints one line; the exit code."""
    parser = Parser("lunmirror-check", description="Whether the mirrors that lunmirror keeps are whole.")
    parser.add_argument("--file", metavar="PATH", default=FILE, help=f"the status file (default {FILE})")
    parser.add_argument(
        "--old",
        metavar="SECONDS",
        type=int,
        default=OLD,
        help=f"UNKNOWN if the last pass ended longer ago (default {OLD})",
    )
    parser.add_argument("--checkmk", action="store_true", help="the line of a Checkmk local check, with exit code 0")
    options = parser.parse_args(argv)
    code, text, figures = judge(options.file, options.old, now())
    if options.checkmk:
        values = "|".join(f"{name.replace(' ', '_')}={value}" for name, value, _ in figures) or "-"
        print(f'{code} "lunmirror" {values} {text}')
        return OK
    said = " ".join(f"'{name}'={value}{limits}" for name, value, limits in figures)
    print(f"LUNMIRROR {WORDS[code]} - {text}" + (f" | {said}" if said else ""))
    return code


def judge(path: str, old: int, now: float) -> tuple[int, str, list[Figure]]:
    """(code, text without `|`, figures: name, value, limits) of the status file at `path`. Raises nothing."""
    try:
        with open(path, "rb") as file:
            status = json.loads(file.read(MOST_BYTES))
        if status["schema"] != SCHEMA:
            return UNKNOWN, f"{path} is of schema {status['schema']}, and this plugin knows {SCHEMA}", []
        age = int(now - status["written_at"])
        code, text = _state(status)
        figures = _figures(status, age, old)
    except FileNotFoundError:
        return UNKNOWN, f"{path} is not there: no pass of lunmirror has ended since boot", []
    except OSError as error:
        return UNKNOWN, f"{path} cannot be read: {error.strerror}", []
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return UNKNOWN, f"{path} is not as lunmirror writes it", []
    if age > old:
        return UNKNOWN, f"the last pass ended {_span(age)} ago; then: {_plain(text)}", figures
    if age < -old:
        return UNKNOWN, f"the last pass ended {_span(-age)} in the future: the clock was set", figures
    return code, _plain(text), figures


def _state(status: dict[str, Any]) -> tuple[int, str]:
    last, volumes, counts = status["pass"], status["volumes"], status["counts"]
    resting = [v for v in volumes if v["state"] != "full" and v.get("maintenance")]
    poor = [v for v in volumes if v["state"] != "full" and v not in resting]
    away = [s["server"] for s in status["servers"] if not any(one["state"] == "LOGGED_IN" for one in s["sessions"])]
    said = [f"{v['volume']} is {v['state']}: {_words(v)}" for v in poor]
    if last["error"]:
        said.insert(0, f"the last pass could not begin or go on ({last['error']['what']})")
    refused = [f["what"] for f in status["findings"] if f["kind"] == "refused"]
    said += [f"an administrator must decide: {what}" for what in refused[:1]]
    if any(v["state"] in ("degraded", "out of service") for v in poor) or refused or last["exit"] in (4, 78):
        code = CRITICAL
    elif poor or last["exit"] not in (0, 2) or counts["degraded"] or counts["blocked"]:
        code = WARNING
        said += (
            [f["what"] for f in status["findings"] if f["kind"] in ("degraded", "blocked")][:1] if not poor else []
        )
        said = said or [f"the last pass ended with {last['exit']}: {last['meaning']}"]
    else:
        code = OK
        full = len(volumes) - len(resting)
        said = [f"{full} of {len(volumes)} volumes in service, with full redundancy"]
    if resting:
        said.append(f"{', '.join(v['volume'] for v in resting)} in service, in maintenance: {_words(resting[0])}")
    if away and code != OK:
        said.append(f"no session to {', '.join(away)}")
    return code, "; ".join(said)


def _words(volume: dict[str, Any]) -> str:
    advice = volume["advice"]
    if not advice:
        return str(volume["words"])
    return "; ".join(filter(None, (advice["means"], advice["cause"], advice["action"] and f"do: {advice['action']}")))


def _figures(status: dict[str, Any], age: int, old: int) -> list[Figure]:
    volumes = status["volumes"]
    full = sum(v["state"] == "full" for v in volumes)
    found = [("age", f"{age}s", f";;{old};0"), ("redundant", str(full), f";;{len(volumes)}:;0;{len(volumes)}")]
    for volume in volumes:
        legs = volume["legs"]
        name = volume["volume"].replace("'", "").replace("=", "")
        found.append((f"{name}_legs", str(legs["good"]), f";;{legs['declared']}:;0;{legs['declared']}"))
        if volume["copying"]:
            found.append((f"{name}_sync", f"{100 * volume['copying']['ratio']:.1f}%", ";;;0;100"))
    return found + [(f"{one['server']}_can_lose", str(int(one["can_lose"])), ";1:;;0;1") for one in status["servers"]]


def _span(seconds: int) -> str:
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"


def _plain(text: str) -> str:
    """One line, without what the format or a terminal would take for more than text."""
    return "".join(c if c.isprintable() and c != "|" else " " for c in text)[:1000]


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BrokenPipeError:
        sys.exit(UNKNOWN)
