"""From the paths to a disk to one map over them, where `multipath` is declared of its server. multipathd makes the map and keeps
it; here is written what it goes by, and it is asked to read that.

| what is found                                              | what is done                                              |
|------------------------------------------------------------|-----------------------------------------------------------|
| the file is not as declared, or none                       | written whole; removed if no server has multipath any more |
| the file is somebody else's                                | refused                                                   |
| multipathd does not run, or does not answer                | blocked; degraded while every map is there                |
| a WWID that multipath does not take yet                    | `multipath -a`                                            |
| multipathd has read another file than this                 | `multipathd reconfigure`                                  |
| it has read it, and goes by something else                 | degraded: another file of its configuration has the last word |
| two disks with one WWID, or one disk with two              | refused: such a WWID is not written                       |
| no map, and a path is used by something else               | degraded: renewed with the session (`--relogin`)          |
| no map                                                     | waited for                                                |
| a live path that is not in the map, or that failed there   | degraded                                                  |
| fewer paths than declared                                  | the session's finding                                     |
"""

from lunmirror.engine.desired import Desired, Disk
from lunmirror.engine.model import (
    AwaitPath,
    Drift,
    Guard,
    Kind,
    MakeDirectory,
    Plan,
    Present,
    Ref,
    RemoveFile,
    Run,
    Step,
    Unknown,
    World,
    WriteFile,
    facts_of,
)
from lunmirror.engine.plain import named
from lunmirror.host import paths
from lunmirror.layers.context import Context, joined, reason_of
from lunmirror.layers.multipath import fragment
from lunmirror.layers.multipath.facts import NAME, Link, Paths, Settings

LAYER = "multipath"
APPEAR = 30.0  # seconds for a disk, or for a map over it: 5 and more in the lab
READ = 60.0  # seconds for multipathd to read its configuration again
RECONFIGURE = Run((paths.MULTIPATHD, "reconfigure"), READ)


class PathsContext(Context):
    """One declared disk, whose server has `multipath`."""

    def __init__(self, disk: Disk, desired: Desired, seen: World, pending: frozenset[Ref]) -> None:
        super().__init__(Ref(LAYER, disk.name), f"servers.{disk.server}", desired, seen, pending)
        self.disk = disk
        self.sessions = [Ref("session", path.name) for path in desired.paths_to(disk)]


def plan(desired: Desired, seen: World, pending: frozenset[Ref]) -> Plan:
    if NAME not in seen[LAYER]:
        return Plan()
    ctx = Context(Ref(LAYER, NAME), "servers", desired, seen, pending)
    mine = [
        PathsContext(d, desired, seen, pending) for d in desired.disks.values() if desired.servers[d.server].multipath
    ]
    if not isinstance(ctx.state, Present):
        why = reason_of(ctx.state)
        return ctx.blocked("what multipath goes by is not known", why, "remove the cause; the next pass looks again")
    settings: Settings = ctx.state.facts
    refused = {one.disk.name: fault for one in mine if (fault := _unfit(one))}
    known = {one.disk.name: _wwid(one) for one in mine if one.disk.name not in refused}
    before = fragment.remembered(settings.raw)
    wwids = {disk: wwid or before.get(disk, "") for disk, wwid in known.items()}
    wwids = {disk: wwid for disk, wwid in wwids.items() if wwid}
    coming = [one for one in mine if (facts := facts_of(one.state, Paths)) and facts.awaited]
    whole = Plan() if coming else _settle(ctx, settings, mine, wwids)
    if after := ctx.waits_for(*(session for one in mine for session in one.sessions)):
        # Which WWIDs there are shows after the logins alone.
        whole = whole._replace(steps=tuple(step._replace(after=after) for step in whole.steps))
    ready = not whole.steps and not settings.why and not coming
    disks = (refused.get(one.disk.name) or _plan(one, ready) for one in mine)
    return joined((whole, *disks))


# What multipathd goes by


def _settle(ctx: Context, settings: Settings, mine: list[PathsContext], wwids: dict[str, str]) -> Plan:
    if settings.raw and settings.raw.strip() and not fragment.is_ours(settings.raw):
        return ctx.refused(
            f"will not write {paths.MULTIPATH_CONF}",
            "it is not lunmirror's: its first line does not say so",
            "if nobody needs it, remove it or give it another name; the next pass writes its own",
        )
    if not mine:
        assert settings.raw is not None
        remove = RemoveFile(paths.MULTIPATH_CONF, settings.raw)
        drift = Drift("servers", "no server with multipath", "the file is there")
        step = ctx.step(f"remove {paths.MULTIPATH_CONF}: no server has multipath", remove, drift)
        return Plan((step, *(() if settings.why else (_reconfigure(ctx, drift),))))
    seconds = ctx.desired.servers[mine[0].disk.server].timeouts.replacement_timeout
    write = _write(ctx, settings, fragment.written(wwids, seconds))
    if settings.why:
        return joined((Plan(write), _not_running(ctx, settings, mine)))
    steps = (*write, *_take(ctx, settings, mine, wwids))
    mark = fragment.mark_of(wwids, seconds)
    if settings.mark != mark or steps:
        drift = Drift(
            "servers", "multipathd goes by the file", "it has not read it" if not settings.mark else "another"
        )
        return Plan((*steps, _reconfigure(ctx, drift)))
    return _overruled(ctx, settings, wwids, seconds)


def _write(ctx: Context, settings: Settings, content: bytes) -> tuple[Step, ...]:
    if content == settings.raw:
        return ()
    drift = Drift("servers", "the declared disks", "no file" if settings.raw is None else "the file has others")
    write = ctx.step(
        "write which disks multipathd joins, and that nothing of them queues for ever",
        WriteFile(paths.MULTIPATH_CONF, content, settings.raw, 0o644),
        drift,
    )
    directory = paths.MULTIPATH_CONF.rpartition("/")[0]
    if settings.directory:
        return (write,)
    return (ctx.step(f"make the directory {directory}", MakeDirectory(directory), drift), write)


def _take(ctx: Context, settings: Settings, mine: list[PathsContext], wwids: dict[str, str]) -> tuple[Step, ...]:
    """multipath's own list, which it keeps itself. Debian's default (find_multipaths strict) takes what is in it, and no more."""
    links = [
        (one.disk.name, link)
        for one in mine
        if (facts := facts_of(one.state, Paths)) and one.disk.name in wwids
        for link in facts.links[:1]
    ]
    links += [
        (one.disk.name, Link("", f"<disk {one.disk.name}>", "a WWID")) for one in mine if one.waits_for(*one.sessions)
    ]
    return tuple(
        ctx.step(
            f"have multipath take disk {disk}",
            Run((paths.MULTIPATH, "-a", f"/dev/{link.kernel}"), makes=paths.MULTIPATH_WWIDS),
            Drift(f"disks.{disk}", f"{link.wwid} in {paths.MULTIPATH_WWIDS}", "it is not there"),
            guards=(Guard(f"{paths.SYS_BLOCK}/{link.kernel}/diskseq", link.diskseq),) if link.diskseq else (),
        )
        for disk, link in links
        if link.wwid not in settings.taken
    )


def _reconfigure(ctx: Context, drift: Drift) -> Step:
    return ctx.step("have multipathd read its configuration again", RECONFIGURE, drift)


def _not_running(ctx: Context, settings: Settings, mine: list[PathsContext]) -> Plan:
    bare = [one.disk.name for one in mine if (facts := facts_of(one.state, Paths)) and not facts.map]
    instead = (
        f"no map holds {named('disk', bare)}"
        if bare
        else "a path that fails is not taken back, and nothing watches them"
    )
    return Plan(
        findings=(
            ctx.finding(
                Kind.BLOCKED if bare else Kind.DEGRADED,
                f"multipathd does not answer, and {instead}",
                settings.why,
                "install multipath-tools, and `systemctl enable --now multipathd`; or take multipath out of the configuration",
            ),
        )
    )


def _overruled(ctx: Context, settings: Settings, wwids: dict[str, str], seconds: int) -> Plan:
    live = dict(settings.retries)
    wrong = (
        [f"fast_io_fail_tmo of iSCSI is {settings.tmo or 'not set'}, not {seconds}"]
        if settings.tmo != str(seconds)
        else []
    )
    wrong += [
        f"no_path_retry of disk {disk} is {live.get(wwid) or 'not set'}, not fail"
        for disk, wwid in wwids.items()
        if live.get(wwid) != "fail"
    ]
    if not wrong:
        return Plan()
    return ctx.degraded(
        "multipathd goes by something else than lunmirror wrote",
        f"{'; '.join(wrong)}: with its last path a disk may wait for longer than stall_budget, or for ever",
        "see `multipathd show config local`; another file in /etc/multipath/conf.d has the last word: take it out there,"
        " then `multipathd reconfigure`",
    )


# One disk


def _wwid(ctx: PathsContext) -> str:
    facts = facts_of(ctx.state, Paths)
    return facts.links[0].wwid if facts and facts.links else ""


def _unfit(ctx: PathsContext) -> Plan | None:
    """What keeps its WWID out of the file."""
    facts, disk = facts_of(ctx.state, Paths), ctx.disk
    if not facts or not facts.links:
        return None
    found = dict.fromkeys(link.wwid for link in facts.links)
    if len(found) > 1:
        return ctx.refused(
            f"the portals of server {disk.server} show different disks as LUN {disk.lun} of {disk.target}",
            "; ".join(f"{link.wwid or 'no WWID'} at {link.portal}" for link in facts.links),
            "declare portals of one server alone",
            "portals",
        )
    (wwid,) = found
    if not wwid or not fragment.PLAIN.issuperset(wwid):
        return ctx.refused(
            f"disk {disk.name} has no WWID that multipath could join its paths by",
            f"udev calls it {wwid!r} (ID_SERIAL)",
            f"give LUN {disk.lun} of {disk.target} a serial number of its own on server {disk.server} (docs/servers.md)",
            "multipath",
        )
    twins = [
        name
        for name, state in ctx.seen[LAYER].items()
        if name != disk.name and (other := facts_of(state, Paths)) and wwid in {link.wwid for link in other.links}
    ]
    if not twins:
        return None
    return ctx.refused(
        f"disk {disk.name} and {named('disk', twins)} have one WWID, {wwid}: multipath would take them for one disk",
        "what is written to one would land on either",
        f"give LUN {disk.lun} of {disk.target} a serial number of its own on server {disk.server} (docs/servers.md)",
        "multipath",
    )


def _plan(ctx: PathsContext, ready: bool) -> Plan:
    match ctx.state:
        case Present(Paths(awaited=awaited)) if awaited:
            drift = Drift(f"{ctx.key}.portals", f"every path to disk {ctx.disk.name}", "one is not there yet")
            return Plan((ctx.step(f"wait for a path to disk {ctx.disk.name}", AwaitPath(awaited, APPEAR), drift),))
        case Present(Paths(map="", links=links)):
            return _join(ctx, links, ready)
        case Present(Paths(links=links)):
            return _count(ctx, links)
        case Unknown(reason):
            return ctx.blocked(
                f"the paths to disk {ctx.disk.name} are not known", reason, "the next pass looks again"
            )
    if waits := ctx.waits_for(*ctx.sessions):
        return Plan((_joining(ctx, waits),))
    return Plan()


def _joining(ctx: PathsContext, after: tuple[Ref, ...] = (), wwid: str = "*") -> Step:
    """The link is udev's, and there once it knows the map."""
    drift = Drift(f"{ctx.key}.multipath", "one map over all paths", "no map")
    wait = AwaitPath((f"{paths.DEV_DISK}/by-id/dm-uuid-mpath-{wwid}",), APPEAR)
    return ctx.step(f"wait for multipathd to join the paths to disk {ctx.disk.name}", wait, drift, after=after)


def _join(ctx: PathsContext, links: tuple[Link, ...], ready: bool) -> Plan:
    used = [link.kernel for link in links if link.used]
    if used:
        return ctx.degraded(
            f"disk {ctx.disk.name} is in use without multipath, on {', '.join(used)}",
            "multipath is declared, and the disk was in use before: no map can be made under it",
            f"`lunmirror apply --relogin`: server {ctx.disk.server} is logged in to again while every other leg is in sync",
            "multipath",
        )
    return Plan((_joining(ctx, wwid=links[0].wwid),) if ready else ())


def _count(ctx: PathsContext, links: tuple[Link, ...]) -> Plan:
    lost = [
        f"{link.kernel} at {link.portal} {'failed' if link.letter else 'is not in it'}"
        for link in links
        if link.letter != "A"
    ]
    if not lost:
        return Plan()
    return ctx.degraded(
        f"the map of disk {ctx.disk.name} does not use every path: {'; '.join(lost)}",
        "its session is there: multipathd takes a path back within seconds once it answers",
        "the next pass looks again; `multipathd show paths` says what multipathd has against it",
        "multipath",
    )
