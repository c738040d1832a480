"""Which legs each volume ran on last: the one thing that the storage itself does not show.

Measured (docs/facts/lvm.md#split-brain): after each leg of a raid1 ran alone, LVM reports recovery and full sync
while a scrub finds tens of thousands of sectors that differ. So a leg that the journal knows to be stale never starts
a volume, and legs that each ran without the other are an administrator's to decide.

It also knows in which boot a raid1 was last seen, and whether its legs have to be compared: after a power cut the
kernel does not do that by itself (docs/facts/lab.md#power-cut), and the trace on the disks is gone once it is active.

It notes which legs are being copied, too: one that caught up while no pass looked is not a stale one.

The journal is small, written only when something of this changes, and always *before* a volume is started on fewer legs:
a crash in between leaves it cautious, never wrong. It is a memory of our own: without it degraded starts are
refused, a leg that caught up unseen is not distinguished from a stale one, nor a volume that was removed from one that never was.
"""

import json
from typing import NamedTuple

from lunmirror.engine.model import WAITS, AwaitPath, Present, Seen, Step, Unknown
from lunmirror.host import paths

SCHEMA = 1


class Entry(NamedTuple):
    """One volume, one file. Times are UTC, ISO 8601.

    running:  PV UUIDs of the legs in sync when it was last looked at.
    since:    when that set came about.
    seqno:    the group's metadata sequence number then.
    last:     PV UUID -> when that leg was last known to be in sync, for legs that dropped out.
    diverged: PV UUIDs that ran without those in `running` knowing: an administrator must choose.
    rebuild:  PV UUIDs of legs that are distrusted: their content is believed by nobody, whatever the kernel's letters say.
              Such a leg starts nothing, is the source of nothing, is never refreshed, and is made equal by a copy in
              full of exactly that leg. Never in `running`.
    counters: UUID of a leg's metadata volume -> what its event counter can no more be below (docs/facts/md-events.md).
    rest:     the same -> what it was when the volume was last started, read at rest.
    counted:  the boot and the activation in which `counters` were last read in service; "" for none.
    why:      PV UUID -> a word of REASONS, for those in `rebuild`; one without a word was given up by a choice.
    scrub:    what is still to be done sector by sector once it is whole: "" for nothing. After a choice its legs are
              compared: "wanted", "running". After an unclean end they are made equal, then compared: "repair",
              "repairing", "checking". After servers were restarted of which none can be the source they are compared: "compare", "comparing".
    going:    the activation and the version of LVM's metadata in which that was last seen going on, every leg in service; "" for
              none. The kernel ends it when a leg fails and at every suspend, begins it no more, and does not say so.
    boot:     the boot (its id) in which it was last seen or started; "" if that was not noted.
    copying:  PV UUIDs that were seen being brought up to date from those in `running`, of a raid1.
    instance: the activation (the kernel's diskseq of the device) in which that was seen, in `boot`; "" for none.
    layout:   LVM's word for a layout whose legs are not known, in which it was seen since: what is noted above may be old
              by now, and no leg is started alone on it. "" for none.
    doubted:  when it was seen that the servers of all legs in service had been restarted with a volatile write cache, of what
              cannot be compared (a segtype mirror, or what is left of one); "" for never.
    term:     how often the group had changed hands when the volume was seen in service here. A host that has it back knows less
              than the one that had it meanwhile.
    servers:  PV UUID -> by what it was proven last that the server of this leg had not been restarted (layers/volume/
              standing.py), of legs with a volatile write cache.
    """

    volume: str
    running: tuple[str, ...]
    since: str
    seqno: int
    last: dict[str, str]
    diverged: tuple[str, ...] = ()
    rebuild: tuple[str, ...] = ()
    scrub: str = ""
    boot: str = ""
    copying: tuple[str, ...] = ()
    instance: str = ""
    layout: str = ""
    why: dict[str, str] = {}  # noqa: RUF012, nobody changes it
    counters: dict[str, int] = {}  # noqa: RUF012
    rest: dict[str, int] = {}  # noqa: RUF012
    counted: str = ""
    servers: dict[str, str] = {}  # noqa: RUF012
    going: str = ""
    doubted: str = ""
    term: int = 0


# Why a leg is distrusted, in words for an administrator.
GIVEN_UP, OLDER, RUBBISH, MISLED, CACHE = "given up", "older", "rubbish", "misled", "cache"
REASONS = {
    GIVEN_UP: "its content was given up",
    OLDER: "its content is older than what the volume held",
    RUBBISH: "its own metadata is invalid",
    MISLED: "it ran on a device that is not the declared disk",
    CACHE: "its server was restarted, and may have lost writes that it had acknowledged",
}


def path_of(lv_uuid: str) -> str:
    """The file of the volume with this UUID."""
    return f"{paths.JOURNAL_DIR}/{lv_uuid}.json"


def is_note(step: Step) -> bool:
    """What lunmirror only writes down for itself."""
    place = getattr(step.action, "path", "")
    return bool(place) and f"{place}/".startswith(f"{paths.JOURNAL_DIR}/")


def is_bookkeeping(step: Step) -> bool:
    """A wait, or a note: nothing that anybody has to review, or to be shown."""
    return isinstance(step.action, (*WAITS, AwaitPath)) or is_note(step)


def parse(raw: Seen[bytes]) -> Seen[Entry]:
    """Present(Entry), Absent if nothing was ever noted of the volume, or Unknown if it cannot be trusted."""
    if not isinstance(raw, Present):
        return raw
    try:
        document = json.loads(raw.facts)
        if document.pop("schema") != SCHEMA:
            return Unknown("its journal is of a version that this lunmirror does not know")
        document.setdefault("copying", [])  # older ones lack it
        lists = ("running", "diverged", "rebuild", "copying")
        entry = Entry(**document | {k: tuple(document[k]) for k in lists})
        words = (
            entry.volume,
            entry.since,
            *entry.running,
            *entry.diverged,
            *entry.rebuild,
            entry.scrub,
            entry.boot,
            *entry.copying,
            entry.instance,
            entry.layout,
            *entry.last,
            *entry.last.values(),
            *entry.why,
            *entry.why.values(),
            *entry.counters,
            *entry.rest,
            entry.counted,
            *entry.servers,
            *entry.servers.values(),
            entry.going,
            entry.doubted,
        )
        numbers = (entry.seqno, entry.term, *entry.counters.values(), *entry.rest.values())
        counted = all(isinstance(number, int) for number in numbers)
        if not (all(isinstance(word, str) for word in words) and counted and entry.running):
            return Unknown("its journal is not in lunmirror's format")
        if entry.scrub and entry.scrub not in SCRUBS:
            return Unknown("its journal is not in lunmirror's format")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as fault:
        return Unknown(f"its journal cannot be read ({type(fault).__name__})")
    return Present(entry)


def render(entry: Entry) -> bytes:
    """The file's bytes: the same entry always gives the same bytes."""
    return (json.dumps({"schema": SCHEMA, **entry._asdict()}, indent=1, sort_keys=True) + "\n").encode()


class KernelState(NamedTuple):
    """What the kernel shows of an active raid1 beside the legs that it runs on: in which boot, in which activation
    (diskseq), which legs (PV UUIDs) it is bringing up to date, and all the legs that it has. Empty where that does not
    matter or cannot be read."""

    boot: str = ""
    instance: str = ""
    copying: tuple[str, ...] = ()
    legs: tuple[str, ...] = ()


NO_STATE = KernelState()


def advance(
    entry: Entry, volume: str, running: tuple[str, ...], seqno: int, now: str, state: KernelState = NO_STATE
) -> Entry:
    """The entry after the volume was seen (or is about to be started) on `running`; the same object if that is no news.
    `running` must not be empty."""
    running = tuple(sorted(running))
    copying = tuple(sorted(state.copying)) if state.instance else ()
    instance = state.instance if copying else ""
    followed = _followed(entry, running, state)
    # What was distrusted is gone with the leg: another one on the same physical volume is a copy in full.
    kept = tuple(pv for pv in entry.rebuild if pv not in running and (not state.legs or pv in state.legs))
    moved = trusting(entry, kept)._replace(
        layout="", volume=volume, boot=state.boot or entry.boot, copying=copying, instance=instance
    )
    if entry.running == running:
        return entry if moved == entry else moved
    gone = {pv: now for pv in entry.running if pv not in running}
    moved = moved._replace(
        running=running,
        since=now,
        seqno=seqno,
        last={pv: when for pv, when in {**entry.last, **gone}.items() if pv not in running},
    )
    if followed or set(entry.running) & set(running):
        # What drops out while it is not known which leg lacks what may have what the others lack.
        return moved._replace(diverged=tuple(sorted({*entry.diverged, *gone}))) if entry.scrub in UNSURE else moved
    # It runs on none of the legs that were good: what was written to those is not in it.
    return moved._replace(diverged=tuple(sorted({*entry.diverged, *entry.running})))


def _followed(entry: Entry, running: tuple[str, ...], state: KernelState) -> bool:
    """Whether `running` are legs that were being copied from the good ones, in this very activation: the kernel then
    calls such a leg in sync only when its copy is whole, and everything written since went to it too. A leg whose copy
    is not whole says so in its own superblock (its recovery offset), so that no other table starts from it either
    (drivers/md/dm-raid.c, super_init_validation)."""
    same = bool(state.boot and state.instance) and (state.boot, state.instance) == (entry.boot, entry.instance)
    return same and set(running) <= {*entry.running, *entry.copying}


def choose(
    entry: Entry | None,
    volume: str,
    keep: tuple[str, ...],
    lose: tuple[str, ...],
    seqno: int,
    now: str,
    scrub: str = "wanted",
) -> Entry:
    """The entry after an administrator chose which legs hold what is to be kept: no split brain any more, the others to be copied
    again in full, and a scrub at the end, where the volume's type knows one."""
    last = {pv: when for pv, when in (entry.last if entry else {}).items() if pv in lose}
    boot = entry.boot if entry else ""
    why = dict.fromkeys(lose, GIVEN_UP)  # what was noted of the counters was noted of another content, maybe
    entry_ = Entry(volume, tuple(sorted(keep)), now, seqno, last, (), tuple(sorted(lose)), scrub, boot, why=why)
    return entry_._replace(servers=entry.servers if entry else {})


def distrust(entry: Entry, legs: tuple[str, ...], reason: str, now: str) -> Entry:
    """The entry after these legs (PV UUIDs) turned out to be not worth believing, for a reason of REASONS. It has to be on
    the disk before anything acts on it. At least one leg must be left in `running`: of legs none of which is believed,
    none can be the source, and an administrator decides.

    Whoever finds that a leg must be distrusted plans this note; the pass's next round plans what follows from it."""
    left = tuple(pv for pv in entry.running if pv not in legs)
    if not left:
        raise ValueError("every leg in sync would be distrusted")
    fell = {pv: now for pv in entry.running if pv in legs}
    return entry._replace(
        running=left,
        since=now if fell else entry.since,
        last={**entry.last, **fell},
        rebuild=tuple(sorted({*entry.rebuild, *legs})),
        why={**entry.why, **dict.fromkeys(legs, reason)},
        copying=tuple(pv for pv in entry.copying if pv not in legs),
    )


def trusting(entry: Entry, rebuild: tuple[str, ...]) -> Entry:
    """The entry with these legs distrusted and no others of those that were: the rest is being copied in full, or gone."""
    return entry._replace(rebuild=rebuild, why={pv: word for pv, word in entry.why.items() if pv in rebuild})


def reason(entry: Entry, pv: str) -> str:
    """Why this leg is distrusted, as a clause; '' if it is not."""
    word = entry.why.get(pv, GIVEN_UP)
    return REASONS.get(word, word) if pv in entry.rebuild else ""


# The legs may each lack what another has: none of them is the source of anything until they are compared, or one was chosen.
UNSURE = ("compare", "comparing")

# In words, for an administrator who reads a plan.
SCRUBS = {
    "wanted": "its legs are to be compared",
    "running": "its legs are being compared",
    "repair": "its legs are to be made equal after an unclean end",
    "repairing": "its legs are being made equal after an unclean end",
    "checking": "its legs are being compared after an unclean end",
    "compare": "its legs are to be compared after servers were restarted",
    "comparing": "its legs are being compared after servers were restarted",
}

# What has to be begun again when a volume is started again, or where it was interrupted: the kernel forgets how far it was,
# and what it counted.
AFTER_RESTART = {"running": "wanted", "repairing": "repair", "checking": "repair", "comparing": "compare"}


def restarted(entry: Entry, boot: str, unclean: bool) -> Entry:
    """The entry of a volume that is (about to be) started. `unclean`: its last end may have left its legs unequal."""
    scrub = AFTER_RESTART.get(entry.scrub, entry.scrub) or ("wanted" if entry.layout else "")
    # A comparison after a choice says what differs; it does not repair. So the repair goes first. But not where every server
    # may have lost something: it would copy the first leg over what only another has.
    return entry._replace(
        scrub="repair" if unclean and scrub != "compare" else scrub,
        boot=boot or entry.boot,
        copying=(),
        instance="",
        going="",
    )


def at_rest(entry: Entry, counters: dict[str, int], every: bool) -> Entry:
    """The entry of a volume that is about to be started from legs whose counters were read so. `every` leg was: what was
    noted of others is of legs that are no more."""
    noted, rest = ({}, {}) if every else (entry.counters, entry.rest)
    return entry._replace(counters={**noted, **counters}, rest={**rest, **counters}, counted="")


def in_service(entry: Entry, counters: dict[str, int], activation: str) -> Entry:
    """The entry after the counters of the running legs were read in this activation; the same object while it has not
    been written to. The first write raises them by one for good; what goes up and down again is at most one."""
    sure = {part: max(now - 1, min(now, entry.rest.get(part, now - 2) + 1)) for part, now in counters.items()}
    risen = {part: now for part, now in sure.items() if part not in entry.rest or now > entry.rest[part]}
    if len(risen) < len(counters):
        return entry
    known = {part: max(now, entry.counters.get(part, 0)) for part, now in risen.items()}
    return entry._replace(counters={**entry.counters, **known}, counted=activation)


def unseen_before(entry: Entry | None, boot: str) -> bool:
    """Whether nothing was noted of the volume since this machine was started, though something was before."""
    return entry is not None and bool(entry.boot) and bool(boot) and entry.boot != boot


def fit_to_start(entry: Entry | None, legs: tuple[str, ...], seqno: int, term: int) -> tuple[str, ...]:
    """Of the legs in view (PV UUIDs), those on which the volume may be started alone; none if its past is unknown, or if
    LVM's metadata in view (`seqno`) are older than what was noted: then so is what lies beside them; or if another host had
    the group since (`term`); or if one out of view may have what they lack."""
    if entry is None or entry.diverged or entry.layout or seqno < entry.seqno or entry.term != term:
        return ()
    if entry.scrub in UNSURE and not set(entry.running) <= set(legs):
        return ()
    return tuple(pv for pv in legs if pv in entry.running)
