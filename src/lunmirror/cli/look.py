"""The verbs that only look: `status`, once or followed until all is whole, and `can-lose`.

They change nothing and take no lock. What they need of the process (terminal, clock, host) comes in a Scene, so that
tests can put on any.
"""

import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from typing import NamedTuple

from lunmirror.analysis import copying
from lunmirror.analysis.health import WORDS, is_full, status_exit
from lunmirror.analysis.resting import words
from lunmirror.analysis.risk import losses
from lunmirror.analysis.servers import servers, silent_servers
from lunmirror.analysis.verdict import Machine, judge
from lunmirror.cli import output, passes
from lunmirror.cli.options import check_server, declared, nearest
from lunmirror.engine.desired import Desired
from lunmirror.engine.errors import UsageError
from lunmirror.engine.exits import Exit
from lunmirror.engine.log import Log
from lunmirror.engine.model import Report
from lunmirror.host.protocol import Reader
from lunmirror.host.waiting import Interrupted
from lunmirror.layers.session import since
from lunmirror.layers.volume import undeclared
from lunmirror.report import brief, verdict, watch
from lunmirror.report import status as tree
from lunmirror.report.style import BOLD, Style, block
from lunmirror.report.table import Paint
from lunmirror.speed import wire

SAMPLE = 1.0  # seconds between the two readings that give a speed


class Scene(NamedTuple):
    """look:    walk all layers, asking again.
    pause:   so many seconds; raises Interrupted.
    show:    write to stdout at once; false if nobody reads it any more.
    columns: of the terminal that stdout is, 0 if it is none."""

    args: Namespace
    desired: Desired
    host: Reader
    look: Callable[[], Report]
    pause: Callable[[float], None]
    show: Callable[[str], bool]
    columns: Callable[[], int]
    color: bool
    ascii: bool = False

    def style(self) -> Style:
        return Style(self.color, self.columns(), self.ascii, self.host.date())


def scene(args: Namespace, log: Log) -> Scene:
    """This machine and this terminal. Raises ConfigError, HostError."""
    from lunmirror.engine.reconcile import run_pass
    from lunmirror.host.live import LiveHost

    host = LiveHost(log.note)
    desired = passes.load(args, remember=False)

    def look() -> Report:
        host.forget()
        return run_pass(args.verb, log.run, desired, host)

    return Scene(
        args,
        desired,
        host,
        look,
        passes.pause,
        output.show,
        output.columns,
        output.colored(sys.stdout),
        output.ascii_only(sys.stdout),
    )


def status(scene: Scene) -> passes.Reported:
    """With --watch or --wait until all is whole, or for as long as --timeout says."""
    if scene.args.watch:
        return _watched(scene)
    report = _waited(scene, scene.args.timeout) if scene.args.wait else scene.look()
    result = status_exit(report, scene.desired)
    if scene.args.wait and result == Exit.DEGRADED and is_full(report, scene.desired):
        result = Exit.CONVERGED  # what is degraded besides is not what was waited for
    routes: tuple[wire.Route, ...] = ()
    if scene.args.json or scene.args.verbose:
        routes = wire.routes(scene.desired, report.seen, scene.host, probe=False)
    network = tuple(r._asdict() | {"cards": list(r.cards), "faults": list(r.faults)} for r in routes)
    beside = tree.Beside(_sampled(scene, report), since.of_blocked(report, scene.host), network)
    if scene.args.json:
        return result, report, tree.render_json(report, scene.desired, beside, result)
    machine = judge(report, scene.desired, beside.errors)
    if scene.args.quiet and result == Exit.CONVERGED and machine.calm:
        return result, report, ""
    return result, report, _rendered(scene, machine, report, beside) + _network(scene, routes)


def _network(scene: Scene, routes: tuple[wire.Route, ...]) -> str:
    """How each portal is reached, and what is wrong with the way; '' where nothing was looked at."""
    style = scene.style()
    lines = [line for r in routes for line in style.lines(f"  {r.server}  ", wire.words(r))]
    lines += [line for note in wire.notes(routes) for line in style.lines("  note: ", note)]
    return block(["", style.paint("network", BOLD), *lines], style) if lines else ""


def _rendered(scene: Scene, machine: Machine, report: Report, beside: tree.Beside) -> str:
    style = scene.style()
    name = scene.args.volume and volume_named(scene.args.volume, scene.desired)
    if not name and not scene.args.verbose:
        return brief.render(machine, report, scene.desired, style, beside.speeds)
    detail = block(["", *tree.tree(report, scene.desired, beside, scene.color, name)], style)
    if name:
        (verdict_,) = (v for v in machine.volumes if v.volume == name)
        last = brief.findings(verdict_.findings, style)
        return brief.one_volume(machine, name, report, scene.desired, style, beside.speeds) + detail + last
    whole = brief.render(machine, report, scene.desired, style, beside.speeds, verbose=True)
    return whole + detail + brief.findings(report.findings, style)


def volume_named(asked: str, desired: Desired) -> str:
    """The id of the volume that is asked for, by its id or its name alone. Raises UsageError."""
    found = [v.id for v in desired.volumes.values() if asked in (v.id, v.name)]
    if len(found) == 1:
        return found[0]
    several = f"it stands for {' and '.join(found)}" if found else ""
    raise UsageError(
        f"there is no volume {asked!r}" if not found else f"which volume {asked!r}?",
        why=several,
        next=nearest(asked, desired.volumes, declared(desired.volumes)),
    )


def can_lose(scene: Scene) -> passes.Reported:
    server = scene.args.server
    check_server(server, scene.desired.servers)
    report = scene.look()
    silent = silent_servers(server, report, scene.desired, scene.host)
    result, found = verdict.verdict(server, report, scene.desired, silent)
    (standing,) = (s for s in servers(report.seen, scene.desired, {}) if s.name == server)
    if scene.args.json:
        return result, report, verdict.render_json(server, report, found, result, standing.away)
    return result, report, verdict.render(server, found, scene.style(), standing, _undeclared(report, scene.desired))


def _undeclared(report: Report, desired: Desired) -> tuple[str, ...]:
    return tuple(v.id for v in undeclared.volumes(desired, report.seen))


def _read(scene: Scene, report: Report) -> dict[str, copying.Reading]:
    scene.host.forget()
    return copying.read(report, scene.desired, scene.host)


def _sampled(scene: Scene, report: Report) -> dict[str, copying.Speed]:
    """Two readings, if something is being copied."""
    if not copying.any_copying(report, scene.desired):
        return {}
    first = _read(scene, report)
    scene.pause(SAMPLE)
    return copying.speeds(first, _read(scene, report), report, scene.desired)


def _frames(scene: Scene) -> Iterator[watch.Frame]:
    return watch.follow(scene.look, lambda report: _read(scene, report), scene.host.now, scene.desired)


def _waited(scene: Scene, timeout: int | None) -> Report:
    """The look at which all was whole, or an administrator is needed, or the time was over."""
    end = None if timeout is None else scene.host.now() + timeout
    for frame in _frames(scene):
        refused = status_exit(frame.report, scene.desired) == Exit.REFUSED
        over = end is not None and scene.host.now() >= end
        if refused or over or is_full(frame.report, scene.desired):
            return frame.report
        scene.pause(watch.PAUSE if end is None else max(0.0, min(watch.PAUSE, end - scene.host.now())))
    raise AssertionError("frames do not end")


def _watched(scene: Scene) -> passes.Reported:
    """Shown until all is whole, somebody interrupts, or nobody reads it any more."""
    report = None
    height, last = 0, ""
    try:
        for frame in _frames(scene):
            report = frame.report
            if scene.columns():
                lines = _screen(scene, frame)
                heard = scene.show(f"\x1b[{height}A\r\x1b[J" * bool(height) + "\n".join(lines) + "\n")
                height = len(lines)
            else:
                text = "\n".join(watch.changes(frame, scene.desired))
                news = [line for line in text.splitlines() if line not in last.splitlines()]
                heard = scene.show("".join(f"{scene.host.date()} {line}\n" for line in news)) if news else True
                last = text
            if not heard or status_exit(report, scene.desired) == Exit.CONVERGED:
                break
            scene.pause(watch.PAUSE)
    except Interrupted:
        if report is None:
            raise
    assert report is not None
    result = status_exit(report, scene.desired)
    said = f"in service; {words(one)}" if (one := scene.desired.maintenance) and result == Exit.CONVERGED else ""
    return result, report, f"{said or WORDS[result]} (exit {int(result)})\n"


def _screen(scene: Scene, frame: watch.Frame) -> list[str]:
    paint = Paint(scene.color)
    head = paint(f"lunmirror status at {scene.host.date()}; Ctrl-C ends it", "2")
    needed = [s for s in scene.desired.servers if losses(s, frame.report.seen, scene.desired)]
    tail = [f"must stay up now: {', '.join(needed)}"] if needed else []
    lines = (head, *watch.lines(frame, scene.desired, paint, scene.columns()), *tail)
    return [scene.style().fit(watch.fitted(line, scene.columns())) for line in lines]
