"""The verb: what was asked on the command line, and what it ends with."""

import os
import stat
from collections.abc import Callable
from typing import NamedTuple

from lunmirror.analysis.servers import silent_servers
from lunmirror.drill import plan, result
from lunmirror.drill.course import Course, Stage, play
from lunmirror.drill.cut import Cut
from lunmirror.engine.desired import Desired
from lunmirror.engine.errors import HostError, UsageError
from lunmirror.engine.execute import Executor
from lunmirror.engine.exits import Exit
from lunmirror.engine.model import Absent, Present, Report
from lunmirror.engine.reconcile import run_pass
from lunmirror.host import paths
from lunmirror.host.protocol import ActionFailed, Host

REPAIR = 900  # seconds


class Asked(NamedTuple):
    """A drill as it was asked for. `seconds` is how long the traffic is dropped, `repair` the longest wait for full
    redundancy afterwards; `picture` is an absolute path."""

    server: str
    seconds: int
    repair: int
    picture: str
    json: bool


def wish(server: str, desired: Desired, seconds: int | None, repair: int, picture: str | None, json: bool) -> Asked:
    """What was asked, with the defaults filled in (`repair` 0 is one). Raises UsageError."""
    asked = Asked(
        server,
        plan.default_seconds(desired) if seconds is None else seconds,
        repair or REPAIR,
        os.path.abspath(picture or f"lunmirror-drill-{server}.svg"),
        json,
    )
    _check_place(asked.picture)
    return asked


def rehearse(
    wish: Asked,
    desired: Desired,
    host: Host,
    executor: Executor,
    run: str,
    say: Callable[[str], None],
    note: Callable[[str], None],
    color: bool,
) -> tuple[Exit, Report, str]:
    """The drill; how it ends, the last report of a pass, and what to print. The caller holds the run lock. Raises
    HostError, Interrupted."""
    ran = host.query((paths.NFT, "--version"), 10.0)
    if ran.rc != 0:
        raise HostError(
            "the traffic of a server can only be dropped with nftables",
            why=ran.why,
            next="install it, then drill again",
        )
    host.forget()
    report = run_pass("drill", run, desired, host)
    silent = silent_servers(wish.server, report, desired, host)
    rehearsal, reasons = plan.rehearsal(wish.server, wish.seconds, report, desired, host, silent)
    if rehearsal is None:
        document = result.refusal_json(wish.server, run, reasons) if wish.json else ""
        return Exit.REFUSED, report, document or result.render_refusal(wish.server, reasons, color)

    def walk() -> Report:
        host.forget()
        return run_pass("drill", run, desired, host, executor)

    stage = Stage(desired, host, Cut(host, note), walk, say)
    course, last = play(rehearsal, stage, wish.repair)
    found = result.judge(course)
    trouble = _keep_picture(wish.picture, course, found, host)
    if trouble:
        found = found._replace(faults=(*found.faults, trouble))
    place = "" if trouble else wish.picture
    text = result.render_json(found, run, place) if wish.json else result.render(found, place or "none", color)
    return found.exit, last or report, text


def seconds(words: str) -> int:
    """Plain seconds, or a duration. Raises UsageError."""
    from lunmirror.config.problems import InvalidValue
    from lunmirror.config.units import duration

    try:
        number = int(words) if words.isascii() and words.isdigit() else duration(words)
    except InvalidValue as wrong:
        raise UsageError(f"--seconds: {wrong.what}", why=wrong.why, next=wrong.next) from wrong
    if not 1 <= number <= plan.LONGEST:
        raise UsageError(f"--seconds cannot be {words}", next=f"use 1 to {plan.LONGEST}")
    return number


def unconfirmed(wish: Asked, desired: Desired) -> UsageError:
    """What would happen, for who did not confirm it."""
    portals = ", ".join(map(str, desired.servers[wish.server].portals))
    volumes = ", ".join(plan.volumes_on(wish.server, desired)) or "no volume"
    return UsageError(
        f"a drill of server {wish.server} must be confirmed",
        why=f"it drops all iSCSI traffic between this machine and {portals} for {wish.seconds} s, as if the server had "
        f"died: writes to {volumes} pause for up to the stall budget of {desired.stall_budget} s, and run on one leg "
        "until it is repaired. It begins only if nothing would lose access or data, and the kernel itself ends it, "
        "whatever becomes of lunmirror",
        next=f"lunmirror can-lose {wish.server}; then the same command with --confirm",
    )


def _check_place(path: str) -> None:
    """The picture may replace a plain file, and nothing else. Raises UsageError."""
    try:
        kind = os.lstat(path).st_mode
    except FileNotFoundError:
        if os.path.isdir(os.path.dirname(path)):
            return
        raise UsageError(
            f"--picture: the directory {os.path.dirname(path)} is not there", next="make it first"
        ) from None
    except OSError as error:
        raise UsageError(f"--picture: {path} cannot be looked at: {error.strerror}") from None
    if not stat.S_ISREG(kind):
        what = "a directory" if stat.S_ISDIR(kind) else "a symbolic link" if stat.S_ISLNK(kind) else "no plain file"
        raise UsageError(f"--picture: {path} is {what}", next="name a plain file, or one that is not there yet")


def _keep_picture(path: str, course: Course, found: result.Result, host: Host) -> str:
    """'' or why there is none."""
    from lunmirror.drill import picture

    before = host.read(path)
    if not isinstance(before, Present | Absent):
        return f"the picture is not written: {before.reason}"
    try:
        drawn = picture.draw(course, found).encode()
    except Exception as bug:  # what was measured for minutes is reported all the same
        return f"the picture is not drawn: internal error: {type(bug).__name__}: {bug}"
    try:
        host.write(path, drawn, before.facts if isinstance(before, Present) else None, 0o644)
    except ActionFailed as failure:
        return f"the picture is not written: {failure}"
    return ""
