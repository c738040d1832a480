"""What a person's choice between two histories comes to, and the proof at its end.

The choice itself is one line in the journal: which legs are kept, and which are given up. Everything that follows is
ordinary healing over as many passes as it takes: a leg given up is dropped and copied anew in full, never refreshed
(a refresh copies only what one bitmap knows of: measured, 33,280 sectors stayed wrong). Then every sector of both legs
is compared.
"""

from lunmirror import journal
from lunmirror.layers.volume.facts import LogicalVolume
from lunmirror.layers.volume.subject import Subject
from lunmirror.model import Drift, Kind, Plan, Risk, Step


def chosen(of: Subject, facts: LogicalVolume) -> Plan | None:
    """The plan that carries out the choice said with this pass; None if there is none, or it is carried out."""
    if of.desired.choice is None or of.desired.choice[0] != of.volume.id:
        return None
    server = of.desired.choice[1]
    keep = tuple(pv for leg in facts.legs for pv in leg.pvs if of.server_of(pv) == server)
    lose = tuple(pv for leg in facts.legs for pv in leg.pvs if pv not in keep)
    entry = of.past(facts)
    if entry and not entry.diverged and (entry.rebuild or entry.scrub in ("wanted", "running")):
        kept = ", ".join(of.server_of(pv) for pv in entry.running if pv not in entry.rebuild)
        if server in [of.server_of(pv) for pv in entry.rebuild]:
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
    if entry and entry.diverged:
        return True
    if facts.torn(entry.rebuild if entry else ()):
        return True
    hidden = [leg for leg in facts.legs if not of.in_view(leg)]
    visible = tuple(pv for leg in facts.legs if leg not in hidden for pv in leg.pvs)
    if facts.active or not visible:
        return False
    if hidden:
        # A mirror is not started without a leg that may return; a person may decide that it will not.
        return facts.type == "mirror" or not journal.fit_to_start(entry, visible)
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


def drop_given_up(of: Subject, facts: LogicalVolume) -> Plan | None:
    """Take out a leg that was given up, so that it is made anew in full; None if there is none to take out now."""
    entry = of.past(facts)
    legs = [leg for leg in facts.legs if entry and set(leg.pvs) & set(entry.rebuild)]
    if not legs or facts.type != "raid1" or not of.group or not of.group.whole:
        return None
    others = [leg for leg in facts.legs if leg not in legs]
    if any(leg.letter != "A" or not facts.is_in_place(leg) for leg in others):
        return None
    if legs[0].letter in ("A", "a") and not facts.is_misled(legs[0]):
        return None
    names = ", ".join(of.server_of(pv) for pv in legs[0].pvs)
    devices = [m.device for pv in legs[0].pvs if (m := of.member(pv))]
    return of.steps(
        f"drop the leg of {of.volume.id} on server {names}, which was given up",
        of.lvm("lvconvert", "-y", "-m", "-1", of.volume.id, *devices),
        Drift(f"{of.volume.key}.legs", "a leg with the chosen history", "a leg with the other one"),
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
    if facts.action != "idle":
        why = f"device-mapper is at {facts.done} of {facts.total} sectors"
        if entry.scrub == "running":
            return of.find(Kind.NOTE, "has its legs compared", why, "nothing: it goes on by itself")
        doing = "made equal" if entry.scrub == "repairing" else "compared"
        why = f"its last end was not a clean one, so writes may have reached one leg only; {why}"
        return of.find(Kind.DEGRADED, f"has its legs {doing}", why, "nothing: it goes on by itself")
    if facts.mismatches:
        return of.find(
            Kind.REFUSED,
            "has legs that differ",
            f"a full comparison counted {facts.mismatches} sectors",
            f"check the disks and the network of both servers, then compare again: `lvchange --syncaction check"
            f" {of.volume.id}`",
        )
    return Plan(of.note_legs(facts, entry._replace(scrub="")))


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
