"""What a person's choice between two histories comes to, and the proof at its end.

The choice itself is one line in the journal: which legs are kept, and which are given up. Everything that follows is
ordinary healing over as many passes as it takes: a leg given up is dropped and copied anew in full, never refreshed
(a refresh copies only what one bitmap knows of: measured, 33,280 sectors stayed wrong). Then every sector of both legs
is compared.
"""

from lunmirror import journal
from lunmirror.host import paths
from lunmirror.layers.volume import trust
from lunmirror.layers.volume.facts import SCRUBS, Leg, LogicalVolume
from lunmirror.layers.volume.index import REAL
from lunmirror.layers.volume.subject import Subject
from lunmirror.model import Drift, Kind, Plan, Risk, Run, Step

MESSAGE = 30.0  # seconds: a scrub ends after what it has under way


def chosen(of: Subject, facts: LogicalVolume) -> Plan | None:
    """The plan that carries out the choice said with this pass; None if there is none, or it is carried out."""
    if of.desired.choice is None or of.desired.choice[0] != of.volume.id:
        return None
    server = of.desired.choice[1]
    keep = tuple(pv for leg in facts.legs for pv in leg.pvs if of.server_of(pv) == server)
    lose = tuple(pv for leg in facts.legs for pv in leg.pvs if pv not in keep)
    entry = of.past(facts)
    chose = (
        tuple(pv for pv in entry.rebuild if entry.why.get(pv, journal.GIVEN_UP) == journal.GIVEN_UP) if entry else ()
    )
    if entry and not entry.diverged and (chose or entry.scrub in ("wanted", "running")):
        kept = ", ".join(of.server_of(pv) for pv in entry.running)
        if server not in map(of.server_of, entry.running):
            why = f"server {kept} was chosen ({entry.since}), and what server {server} held is given up already"
            next = f"nothing: the next passes make the leg on server {server} anew from server {kept}"
            return of.find(Kind.REFUSED, f"cannot be kept from server {server} any more", why, next)
        return None  # the journal says so already, and healing is carrying it out
    if not keep:
        why = f"it has no leg on server {server}"
        return of.find(Kind.REFUSED, f"cannot be kept from server {server}", why, "name a server of one of its legs")
    if not _is_in_question(of, facts, entry):
        why = "its legs have one history, and a choice would throw away a good leg"
        return of.find(Kind.REFUSED, "needs no choice", why, "nothing: the next pass heals what there is to heal")
    if facts.active and not set(facts.running) & set(keep):
        return _stop_first(of, facts, server)
    scrub = "wanted" if facts.type == "raid1" else ""  # only md compares legs
    return Plan(of.note_legs(facts, journal.choose(entry, of.volume.id, keep, lose, of.seqno, facts.today, scrub)))


def _is_in_question(of: Subject, facts: LogicalVolume, entry: journal.Entry | None) -> bool:
    """Two histories, or a volume that is down because what is in view may not start it."""
    if entry and (entry.diverged or (entry.scrub == "comparing" and facts.mismatches)):
        return True
    if facts.torn(entry.rebuild if entry else ()):
        return True
    verdict = trust.judge(facts)
    if verdict.torn or (verdict.older and not facts.active and trust.believing(facts, entry, verdict) is None):
        return True
    hidden = [leg for leg in facts.legs if not of.in_view(leg) or set(leg.pvs) & set(facts.distrusted)]
    visible = tuple(pv for leg in facts.legs if leg not in hidden for pv in leg.pvs)
    if facts.active:
        return False
    if not visible:
        return any(of.in_view(leg) for leg in hidden)  # those are distrusted
    if hidden:
        # A mirror is not started without a leg that may return; a person may decide that it will not.
        return facts.type == "mirror" or not journal.fit_to_start(entry, visible, of.seqno)
    if entry and entry.layout:
        return facts.type == "mirror"
    return facts.type == "mirror" and not (entry and set(facts.legs[0].pvs) <= set(entry.running))


def _stop_first(of: Subject, facts: LogicalVolume, server: str) -> Plan:
    if facts.open:
        why = f"it is in use now on what would be given up, without server {server}"
        next = f"unmount it first (and stop what uses it): `umount {of.volume.mount.path if of.volume.mount else ''}`"
        return of.find(Kind.REFUSED, f"cannot be kept from server {server} yet", why, next.rstrip(" `") + "`")
    return of.steps(
        f"deactivate volume {of.volume.id}",
        of.lvm("lvchange", "-a", "n", of.volume.id),
        Drift(of.volume.key, f"run from server {server}", "active on the other side"),
    )


def remake(of: Subject, facts: LogicalVolume) -> Plan | None:
    """Make a distrusted leg equal, by a copy in full of exactly that leg from those that are believed; None if there is
    none, or it is out of view.

    | the leg                    | what is done                                                          |
    |----------------------------|-----------------------------------------------------------------------|
    | of a raid1, out of service, or on a device that is not the declared disk | dropped; keep.add_leg adds it again |
    | of a raid1, in service     | lvchange --rebuild: from then on md reads nothing of it but its copy  |
    | of a segtype mirror        | dropped; keep.add_leg adds it again                                   |

    The journal forgets the distrust only when LVM has done that: a pass that dies before then does it again, which also
    clears the flag that a killed --rebuild leaves in LVM's metadata (docs/facts/lvm.md#rebuild).
    """
    entry = of.past(facts)
    legs = [leg for leg in facts.legs if entry and set(leg.pvs) & set(facts.distrusted)]
    if entry is None or not legs or not all(of.in_view(leg) for leg in legs):
        return None
    others = [leg for leg in facts.legs if leg not in legs]
    if not others:
        return _nothing_else(of, facts, entry)
    if not of.group or not of.group.whole or any(leg.letter != "A" or not facts.is_in_place(leg) for leg in others):
        return None
    if facts.type == "raid1" and all(leg.letter not in ("A", "a") or facts.is_misled(leg) for leg in legs):
        return Plan((_drop(of, entry, legs[0]),))
    if any(leg.letter != "A" for leg in legs) or (facts.type == "mirror" and facts.done != facts.total):
        return None  # LVM does neither while it copies
    if facts.type == "mirror":
        return Plan((_drop(of, entry, legs[0], fewer=len(facts.legs) - 2),))
    if facts.action != "idle":
        why = f"{untrusted(of, entry, legs)}; and device-mapper is at a {facts.action}"
        return of.find(Kind.DEGRADED, "has a leg that is not to be believed", why, "nothing: the next pass goes on")
    return _rebuild(of, facts, entry, legs)


def halt(of: Subject, facts: LogicalVolume) -> tuple[Step, ...]:
    """Steps that end a scrub which goes over a leg that is not to be believed: a repair copies from the lowest-numbered one,
    and so would copy what that leg lost over the others. LVM has no word for it; device-mapper has ("idle": Linux,
    Documentation/admin-guide/device-mapper/dm-raid.rst). What the journal wants is begun anew later."""
    entry = of.past(facts)
    if entry is None or facts.action not in SCRUBS:
        return ()
    device = facts.dm + (REAL if facts.snapshots else "")
    drift = Drift(of.volume.key, "no scrub over a leg that is not to be believed", f"a {facts.action}")
    title = f"stop the {facts.action} of {of.volume.id}: it goes over a leg that is not to be believed"
    stop = of.step(title, Run((paths.DMSETUP, "message", device, "0", "idle"), MESSAGE), drift, Risk.ONLINE)
    return (stop, *of.note_legs(facts, entry._replace(scrub=journal.BEGUN.get(entry.scrub, entry.scrub))))


def untrusted(of: Subject, entry: journal.Entry, legs: list[Leg]) -> str:
    pvs = [pv for leg in legs for pv in leg.pvs]
    return "; ".join(f"the leg on server {of.server_of(pv)}: {journal.reason(entry, pv)}" for pv in pvs)


def unbelieved(of: Subject, facts: LogicalVolume) -> Plan | None:
    """What is said while a leg is distrusted and nothing can be done about it yet; None if there is none in service."""
    entry = of.past(facts)
    legs = [leg for leg in facts.legs if entry and leg.letter in ("A", "a") and set(leg.pvs) & set(facts.distrusted)]
    if not entry or not legs:
        return None
    why = f"{untrusted(of, entry, legs)}; it is copied anew in full once every other leg is in sync and every disk in view"
    return of.find(Kind.DEGRADED, "has a leg that is not to be believed", why, "bring back what is missing")


def _nothing_else(of: Subject, facts: LogicalVolume, entry: journal.Entry) -> Plan:
    good = ", ".join(of.server_of(pv) for pv in entry.running)
    why = f"{untrusted(of, entry, list(facts.legs))}; server {good} has what it lacks"
    next = f"stop what uses it, then `lvchange -a n {of.volume.id}`; the next pass starts it on server {good}"
    return of.find(Kind.REFUSED, "runs on a leg that is not to be believed", why, next)


def _rebuild(of: Subject, facts: LogicalVolume, entry: journal.Entry, legs: list[Leg]) -> Plan:
    names = ", ".join(of.server_of(pv) for leg in legs for pv in leg.pvs)
    good = ", ".join(of.server_of(pv) for leg in facts.legs if leg not in legs for pv in leg.pvs)
    words = [word for leg in legs for pv in leg.pvs for word in ("--rebuild", of.device_of(pv))]
    copied = facts.size * len(legs)
    again = of.step(
        f"copy the leg of {of.volume.id} on server {names} anew in full ({copied} bytes) from server {good}",
        of.lvm("lvchange", "-y", *words, of.volume.id),
        Drift(f"{of.volume.key}.legs", "every leg to be believed", untrusted(of, entry, legs)),
        Risk.ONLINE,
    )
    pvs = {pv for leg in legs for pv in leg.pvs}
    kept = tuple(pv for pv in entry.rebuild if pv not in pvs)
    return Plan((again, *of.note_legs(facts, journal.trusting(entry, kept))))


def _drop(of: Subject, entry: journal.Entry, leg: Leg, fewer: int = -1) -> Step:
    names = ", ".join(of.server_of(pv) for pv in leg.pvs)
    return of.step(
        f"drop the leg of {of.volume.id} on server {names}, to copy it anew in full",
        of.lvm("lvconvert", "-y", "-m", str(fewer), of.volume.id, *map(of.device_of, leg.pvs)),
        Drift(f"{of.volume.key}.legs", "every leg to be believed", untrusted(of, entry, [leg])),
        Risk.ONLINE,
    )


def scrub(of: Subject, facts: LogicalVolume) -> Plan | None:
    """Once the volume is whole: after a choice every sector of the legs compared; after an unclean end made equal
    first."""
    entry = of.past(facts)
    if entry is None or not entry.scrub or facts.type != "raid1" or entry.rebuild:
        return None
    match entry.scrub:
        case "repair":
            return _begin(of, facts, entry, "repair", "repairing")
        case "repairing" if facts.action == "idle":
            return _begin(of, facts, entry, "check", "checking")
        case "wanted":
            return _begin(of, facts, entry, "check", "running")
        case "compare":
            return _begin(of, facts, entry, "check", "comparing")
    if facts.action != "idle":
        why = f"device-mapper is at {facts.done} of {facts.total} sectors"
        if entry.scrub == "running":
            return of.find(Kind.NOTE, "has its legs compared", why, "nothing: it goes on by itself")
        if entry.scrub == "comparing":
            why = f"servers were restarted, or may have been, and may have lost writes that they had acknowledged; {why}"
            return of.find(Kind.DEGRADED, "has its legs compared", why, "nothing: it goes on by itself")
        doing = "made equal" if entry.scrub == "repairing" else "compared"
        why = f"its last end was not a clean one, so writes may have reached one leg only; {why}"
        return of.find(Kind.DEGRADED, f"has its legs {doing}", why, "nothing: it goes on by itself")
    if facts.mismatches and entry.scrub == "comparing":
        return of.find(
            Kind.REFUSED,
            "has legs that differ",
            f"servers were restarted, or may have been, and a full comparison counted {facts.mismatches} sectors: a leg may"
            " lack what its server had acknowledged",
            f"check what uses it (the file system, the database) and decide which side to keep: `lunmirror choose"
            f" {of.volume.id} --keep {of.server_of(entry.running[0])}` (or the other), which is then copied over the rest",
        )
    if facts.mismatches:
        return of.find(
            Kind.REFUSED,
            "has legs that differ",
            f"a full comparison counted {facts.mismatches} sectors",
            f"check the disks and the network of both servers, then compare again: `lvchange --syncaction check"
            f" {of.volume.id}`",
        )
    return Plan(
        of.note_legs(facts, entry._replace(scrub="", counted=""))
    )  # it raised the counters: they are read again


def _begin(of: Subject, facts: LogicalVolume, entry: journal.Entry, action: str, then: str) -> Plan:
    """Set the kernel to work on it, and note that. A pass that dies in between sets it to work again."""
    if facts.action != "idle":
        why = f"device-mapper is at {facts.done} of {facts.total} sectors of a {facts.action}"
        return of.find(Kind.DEGRADED, f"waits for its {action}", why, "nothing: the next pass goes on")
    step = go_over(of, action, "the choice" if then == "running" else "an end that was not clean")
    return Plan((step, *of.note_legs(facts, entry._replace(scrub=then))))


def go_over(of: Subject, action: str, after: str) -> Step:
    """Set the kernel to `repair` or `check` every sector of the legs, while the volume is in use."""
    title, lacking = {
        "repair": (f"make the legs of {of.volume.id} equal after an unclean end", "made equal"),
        "check": (f"compare the legs of {of.volume.id}", "compared"),
    }[action]
    drift = Drift(of.volume.key, f"legs {lacking} after {after}", f"not {lacking} yet")
    return of.step(title, of.lvm("lvchange", "--syncaction", action, of.volume.id), drift, Risk.ONLINE)
