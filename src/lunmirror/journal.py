"""Which legs each volume ran on last: the one thing that the storage itself does not tell.

Measured (shared facts, lvm.md): after each leg of a raid1 ran alone, LVM reports recovery and full sync while a scrub
finds tens of thousands of sectors that differ. So a leg that the journal knows to be stale never starts a volume, and
legs that each ran without the other are a person's to decide.

It also knows in which boot a raid1 was last seen, and whether its legs have to be compared: after a power cut the
kernel does not do that by itself (docs/lab-findings.md, 5), and the trace on the disks is gone once it is active.

It notes which legs are being copied, too: one that caught up while no pass looked is not a stale one.

The journal is small, written only when something of this changes, and always *before* a volume is started on fewer legs:
a crash in between leaves it cautious, never wrong. It is a memory of our own: without it degraded starts are
refused, a leg that caught up unseen is not told from a stale one, nor a volume that was removed from one that never was.
"""

import json
from typing import NamedTuple

from lunmirror.host import paths
from lunmirror.model import Present, Seen, Unknown

SCHEMA = 1


class Entry(NamedTuple):
    """One volume, one file. Times are UTC, ISO 8601.

    running:  PV UUIDs of the legs in sync when it was last looked at.
    since:    when that set came about.
    seqno:    the group's metadata sequence number then.
    last:     PV UUID -> when that leg was last known to be in sync, for legs that dropped out.
    diverged: PV UUIDs that ran without those in `running` knowing: a person must choose.
    rebuild:  PV UUIDs whose content a person gave up: never refreshed, only copied anew in full.
    scrub:    what is still to be done sector by sector once it is whole: "" for nothing. After a choice its legs are
              compared: "wanted", "running". After an unclean end they are made equal, then compared: "repair",
              "repairing", "checking".
    boot:     the boot (its id) in which it was last seen or started, of a raid1; "" if that was not noted.
    copying:  PV UUIDs that were seen being brought up to date from those in `running`, of a raid1.
    instance: the activation (the kernel's diskseq of the device) in which that was seen, in `boot`; "" for none.
    layout:   LVM's word for a layout whose legs cannot be told, in which it was seen since: what is noted above may be old
              by now, and no leg is started alone on it. "" for none.
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


def path_of(lv_uuid: str) -> str:
    """The file of the volume with this UUID."""
    return f"{paths.JOURNAL_DIR}/{lv_uuid}.json"


def parse(raw: Seen) -> Seen:
    """Present(Entry), Absent if nothing was ever noted of the volume, or Unknown if it cannot be trusted."""
    if not isinstance(raw, Present):
        return raw
    try:
        document = json.loads(raw.facts)
        if document.pop("schema") != SCHEMA:
            return Unknown("its journal is of a version that this lunmirror does not know")
        document.setdefault("copying", [])  # older ones lack it
        lists = ("running", "diverged", "rebuild", "copying")
        entry = Entry(**document)._replace(**{k: tuple(document[k]) for k in lists})
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
        )
        if not (all(isinstance(word, str) for word in words) and isinstance(entry.seqno, int) and entry.running):
            return Unknown("its journal is not as lunmirror writes it")
        if entry.scrub and entry.scrub not in SCRUBS:
            return Unknown("its journal is not as lunmirror writes it")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as fault:
        return Unknown(f"its journal cannot be read ({type(fault).__name__})")
    return Present(entry)


def render(entry: Entry) -> bytes:
    """The file's bytes: the same entry always gives the same bytes."""
    return (json.dumps({"schema": SCHEMA, **entry._asdict()}, indent=1, sort_keys=True) + "\n").encode()


class Sight(NamedTuple):
    """What the kernel shows of an active raid1 beside the legs that it runs on: in which boot, in which activation
    (diskseq), and which legs (PV UUIDs) it is bringing up to date. Empty where that does not matter or cannot be read."""

    boot: str = ""
    instance: str = ""
    copying: tuple[str, ...] = ()


NOTHING = Sight()


def advance(
    entry: Entry | None, volume: str, running: tuple[str, ...], seqno: int, now: str, sight: Sight = NOTHING
) -> Entry:
    """The entry after the volume was seen (or is about to be started) on `running`; the same object if that is no news.
    `running` must not be empty."""
    running = tuple(sorted(running))
    copying = tuple(sorted(sight.copying)) if sight.instance else ()
    shown = {"copying": copying, "instance": sight.instance if copying else ""}
    if entry is None:
        return Entry(volume, running, now, seqno, {}, boot=sight.boot, **shown)
    followed = _followed(entry, running, sight)
    moved = entry._replace(volume=volume, boot=sight.boot or entry.boot, layout="", **shown)
    if entry.running == running:
        return entry if moved == entry else moved
    gone = {pv: now for pv in entry.running if pv not in running}
    moved = moved._replace(
        running=running,
        since=now,
        seqno=seqno,
        last={pv: when for pv, when in {**entry.last, **gone}.items() if pv not in running},
        rebuild=tuple(pv for pv in entry.rebuild if pv not in running),
    )
    if followed or set(entry.running) & set(running):
        return moved
    # It runs on none of the legs that were good: what was written to those is not in it.
    return moved._replace(diverged=tuple(sorted({*entry.diverged, *entry.running})))


def _followed(entry: Entry, running: tuple[str, ...], sight: Sight) -> bool:
    """Whether `running` are legs that were being copied from the good ones, in this very activation: the kernel then
    calls such a leg in sync only when its copy is whole, and everything written since went to it too. A leg whose copy
    is not whole says so in its own superblock (its recovery offset), so that no other table starts from it either
    (drivers/md/dm-raid.c, super_init_validation)."""
    same = bool(sight.boot and sight.instance) and (sight.boot, sight.instance) == (entry.boot, entry.instance)
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
    """The entry after a person said which legs hold what is to be kept: one history again, the others to be copied
    anew in full, and a scrub at the end, where the volume's type knows one."""
    last = {pv: when for pv, when in (entry.last if entry else {}).items() if pv in lose}
    boot = entry.boot if entry else ""
    return Entry(volume, tuple(sorted(keep)), now, seqno, last, (), tuple(sorted(lose)), scrub, boot)


# In words, for a person who reads a plan.
SCRUBS = {
    "wanted": "its legs are to be compared",
    "running": "its legs are being compared",
    "repair": "its legs are to be made equal after an unclean end",
    "repairing": "its legs are being made equal after an unclean end",
    "checking": "its legs are being compared after an unclean end",
}

# What has to be begun anew when a volume is started again: the kernel forgets how far it was, and what it counted.
BEGUN = {"running": "wanted", "repairing": "repair", "checking": "repair"}


def restarted(entry: Entry, boot: str, unclean: bool) -> Entry:
    """The entry of a volume that is (about to be) started. `unclean`: its last end may have left its legs unequal."""
    scrub = BEGUN.get(entry.scrub, entry.scrub)
    # A comparison after a choice says what differs; it does not mend. So the repair goes first.
    return entry._replace(scrub="repair" if unclean else scrub, boot=boot or entry.boot, copying=(), instance="")


def unseen_before(entry: Entry | None, boot: str) -> bool:
    """Whether nothing was noted of the volume since this machine was started, though something was before."""
    return entry is not None and bool(entry.boot) and bool(boot) and entry.boot != boot


def fit_to_start(entry: Entry | None, legs: tuple[str, ...]) -> tuple[str, ...]:
    """Of the legs in view (PV UUIDs), those on which the volume may be started alone; none if its past is unknown."""
    if entry is None or entry.diverged or entry.layout:
        return ()
    return tuple(pv for pv in legs if pv in entry.running)
