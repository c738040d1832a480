"""From the disk of a LUN to a physical volume of ours; a disk is taken only if it is provably blank or ours.

| on the disk                                     | what is done                                          |
|-------------------------------------------------|-------------------------------------------------------|
| our physical volume, orphan or in our group     | nothing                                               |
| a physical volume in the declared group         | nothing: adopted                                      |
| the physical volume we gave another disk        | refused: the disks are swapped                        |
| any other physical volume                       | refused                                               |
| provably blank, the group's state fully known   | partition if declared, then pvcreate                  |
| provably blank, but the group misses a member   | refused: a replaced disk is never silently adopted    |
| our own partition table, partition blank        | pvcreate                                              |
| anything else                                   | refused, unless `overwrite` names exactly that        |
| unreadable                                      | blocked                                               |
"""

import json

from lunmirror.desired import Desired, Disk
from lunmirror.host import paths
from lunmirror.layers.disk.facts import Blank, Device, Gone, Holds, Lun, NoDisk, OwnTable, Spanning, Unreadable
from lunmirror.layers.disk.unlike import unlike
from lunmirror.layers.disk.unlisted import unlisted
from lunmirror.layers.session.facts import NoSession
from lunmirror.lvm.command import change, place_of
from lunmirror.model import (
    Absent,
    AwaitPath,
    Drift,
    Finding,
    Guard,
    Kind,
    Plan,
    Present,
    Ref,
    Risk,
    Run,
    Seen,
    Step,
    Unknown,
    World,
    WriteValue,
)

LVM_PARTITION = "E6D6D379-F507-44C2-A23C-238F2A3DF928"  # "Linux LVM" in a GPT (UAPI Discoverable Partitions)
APPEAR = 15.0  # seconds for a disk to appear after its session, or a partition after its table
MIB = 1 << 20


def plan(desired: Desired, seen: World, pending: frozenset[Ref]) -> Plan:
    steps: list[Step] = []
    findings: list[Finding] = list(_equal_names(desired, seen))
    for disk in desired.disks.values():
        mine = _plan_disk(desired, disk, seen, pending)
        steps += mine.steps
        findings += mine.findings
    return Plan(tuple(steps), tuple(findings))


def _plan_disk(desired: Desired, disk: Disk, seen: World, pending: frozenset[Ref]) -> Plan:
    ref = Ref("disk", disk.name)
    state = seen["disk"][disk.name]
    sessions = [Ref("session", p.name) for p in desired.paths_to(disk)]
    if not isinstance(state, Present):
        waits_for = tuple(s for s in sessions if s in pending)
        if waits_for:
            return Plan(_predicted(disk, waits_for))
        return Plan(findings=(_unreachable(ref, disk, state, seen, sessions),))
    match state.facts:
        case Gone():
            return Plan()
        case NoDisk(host, patterns):
            return _wait_for(ref, disk, host, patterns)
        case Spanning() as spanning:
            return Plan(findings=(_spanning(ref, disk, spanning),))
        case Lun() as lun if lun.pv:
            return Plan(findings=tuple(_judge_pv(desired, ref, disk, lun)))
        case Lun() as lun:
            return _take(desired, ref, disk, lun, seen, pending)
    raise AssertionError(state)


def _unreachable(ref: Ref, disk: Disk, state: Seen, seen: World, sessions: list[Ref]) -> Finding:
    why = (
        state.reason
        if isinstance(state, Unknown)
        else f"server {disk.server} has no session for target {disk.target}"
    )
    for session in sessions:
        below = seen["session"].get(session.name)
        if isinstance(state, Absent) and isinstance(below, Present) and isinstance(below.facts, NoSession):
            why = f"there is no session to server {disk.server}"
    return Finding(
        ref,
        Kind.BLOCKED,
        f"disk {disk.name} cannot be seen",
        why=why,
        next=f"see what is said of session {sessions[0].name}; the next pass goes on from here" if sessions else "",
        key=f"disks.{disk.name}",
    )


def _spanning(ref: Ref, disk: Disk, found: Spanning) -> Finding:
    """LVM calls a disk a multipath component as long as its serial number is in /etc/multipath/wwids, map or no map."""
    forget = "; ".join(f"multipath -w /dev/{member}" for member in found.members)
    return Finding(
        ref,
        Kind.REFUSED,
        f"multipath map {found.map} joins disk {disk.name} with {', '.join(found.others)}",
        why="two servers report the same serial number, and multipath took their disks for one: what is written"
        " would land on either of them",
        next="unmount what uses it; exclude both disks in /etc/multipath.conf (blacklist), or set find_multipaths strict"
        f" there; then take the map and the number away: `multipath -f {found.map}; {forget}`",
        key=f"disks.{disk.name}",
    )


def _wait_for(ref: Ref, disk: Disk, host: str, patterns: tuple[str, ...]) -> Plan:
    observed = "the session shows no such LUN" if host else "its disk is not ready yet"
    drift = (Drift(f"disks.{disk.name}.lun", f"LUN {disk.lun} visible", observed),)
    steps = []
    if host:
        scan = WriteValue(f"{paths.SYS}/class/scsi_host/{host}/scan", f"0 0 {disk.lun}")
        steps.append(Step(ref, f"ask server {disk.server} for LUN {disk.lun}", scan, drift))
    appear = AwaitPath(patterns, APPEAR)
    steps.append(Step(ref, f"wait for LUN {disk.lun} of {disk.target}", appear, drift))
    return Plan(tuple(steps))


def _judge_pv(desired: Desired, ref: Ref, disk: Disk, lun: Lun) -> list[Finding]:
    assert lun.pv
    assert lun.place
    # A disk that is replaced stays declared, and in its heir's group until the heir has its place.
    heirs = [d.name for d in desired.disks.values() if d.replaces == disk.name]
    group = next(filter(None, map(desired.group_of, (disk.name, *heirs))), None)
    where = f"the physical volume {lun.pv.uuid} on {lun.place.node} (LUN {disk.lun} of server {disk.server})"
    owner = next((d for d in desired.disks.values() if d.pv_uuid == lun.pv.uuid and d.name != disk.name), None)
    refuse = lambda what, why, next: [Finding(ref, Kind.REFUSED, what, why, next, f"disks.{disk.name}")]  # noqa: E731
    if lun.pv.duplicate:
        return refuse(
            f"{where} exists more than once",
            "another declared disk carries the same UUID, which was made for neither: one of them is a copy, and nothing"
            " tells which; LVM is shown none of them",
            "put the LUN back that belongs there, or declare only the one that is the original",
        )
    if owner:
        return refuse(
            f"disk {disk.name} is not the disk that it was: {where} is the one made for disk {owner.name}",
            f"LUN {disk.lun} of {disk.target} on server {disk.server} now shows the data of server {owner.server}:"
            " the storage behind the names was swapped or cloned",
            "put the LUNs back behind their own targets, or correct `server`, `target` and `lun` of both disks",
        )
    if lun.pv.group and lun.pv.group == group:
        return []
    if lun.pv.uuid == disk.pv_uuid and not lun.pv.group:
        return []
    if lun.pv.group:
        return refuse(
            f"disk {disk.name} belongs to volume group {lun.pv.group}, not to {group or 'any declared group'}",
            f"{where} is in use by that group, which may hold data",
            f"declare the disk under groups.{lun.pv.group}, or name another LUN in disks.{disk.name}",
        )
    return refuse(
        f"disk {disk.name} carries a physical volume that lunmirror did not make",
        f"{where} is in no volume group, and its UUID is not the one derived for this disk",
        "it may be a disk that had another name in the configuration: then write that name again; else find out whose it"
        f" is, or name another LUN in disks.{disk.name}",
    )


def _take(desired: Desired, ref: Ref, disk: Disk, lun: Lun, seen: World, pending: frozenset[Ref]) -> Plan:
    """No physical volume yet: partition and label, if that provably loses nothing."""
    if isinstance(lun.content, OwnTable) and lun.content.whole:
        return Plan(_reread_steps(ref, disk, lun.whole))  # what is in the partition is seen, and judged, after that
    # Before its content: under a mirror in service the old legs are still built on the disk that is another now.
    finding = (
        unlisted(desired, ref, disk, lun)
        or unlike(ref, disk, lun)
        or _too_small(desired, ref, disk, lun)
        or _unfit_content(ref, disk, lun)
    )
    finding = finding or _company(desired, ref, disk, seen, pending)
    if finding:
        return Plan(findings=(finding,))
    proof = _proof(disk, lun)
    consented = proof.startswith("consent")
    guards = tuple(Guard(f"{paths.SYS_BLOCK}/{d.kernel}/diskseq", d.diskseq) for d in lun.paths if d.diskseq)
    if disk.partition and not (lun.ours and lun.place):
        label = _label_step(ref, disk, lun.whole._replace(node=place_of(disk)), proof, (), False)
        steps = _partition_steps(ref, disk, lun.whole, proof, guards, consented)
        return Plan((*steps, label._replace(after=(ref,))))  # on the partition, which cannot be seen yet
    assert lun.place
    return Plan((_label_step(ref, disk, lun.place, proof, guards, consented),))


def _proof(disk: Disk, lun: Lun) -> str:
    """Why nothing is lost. Only called on content that `_unfit_content` let pass."""
    if isinstance(lun.content, (Blank, OwnTable)):
        return lun.content.proof
    return f"consent: disks.{disk.name}.overwrite names {disk.consent}"


def _partition_steps(
    ref: Ref, disk: Disk, whole: Device, proof: str, guards: tuple[Guard, ...], consented: bool
) -> tuple[Step, ...]:
    """A GPT with our own GUID: sfdisk writes its second copy first and the protective MBR last, so that a torn
    table is no table (util-linux, libfdisk/src/gpt.c, gpt_write_disklabel)."""
    script = f'label: gpt\nlabel-id: {disk.table_guid}\ntype={LVM_PARTITION}, name="lunmirror"\n'
    drift = (Drift(f"disks.{disk.name}.partition", "one partition of type Linux LVM", "no partition"),)
    # By one program, so that nothing comes between the loss of what the consent names and our own table. What then lies
    # in the partition is judged anew, by its own words, and so is not wiped with the table: a consent that stays in the
    # configuration would else cover, for ever, whatever a damaged physical volume leaves there.
    wipe = ("--wipe", "always") if consented else ()
    write = Step(
        ref,
        f"write one partition of type Linux LVM on {whole.node}",
        Run((paths.SFDISK, *wipe, whole.node), stdin=script.encode()),
        drift,
        Risk.CONSUMES,
        proof,
        guards,
    )
    return (write, *_reread_steps(ref, disk, whole))


def _reread_steps(ref: Ref, disk: Disk, whole: Device) -> tuple[Step, ...]:
    """The table is there; the kernel has to show its partition."""
    drift = (Drift(f"disks.{disk.name}.partition", "one partition of type Linux LVM", "no partition"),)
    reread = Step(
        ref, f"let the kernel read the partition on {whole.node}", Run((paths.PARTX, "--update", whole.node)), drift
    )
    # The name that the kernel (or, on a multipath map, kpartx) gives the first partition.
    node = f"{whole.node}-part1" if whole.node.startswith(paths.MAPPER) else _first_partition(whole.node)
    appear = AwaitPath((node,), APPEAR)
    wait = Step(ref, f"wait for the partition on {whole.node}", appear, drift)
    return reread, wait


def _first_partition(node: str) -> str:
    return f"{node}p1" if node[-1].isdigit() else f"{node}1"


def _label_step(ref: Ref, disk: Disk, place: Device, proof: str, guards: tuple[Guard, ...], consented: bool) -> Step:
    words = ("--uuid", disk.pv_uuid, "--norestorefile", *(("-y",) if consented else ()), place.node)
    return Step(
        ref,
        f"make a physical volume on {place.node}",
        Run(change((place.node,), "pvcreate", *words)),
        (Drift(f"disks.{disk.name}", "an LVM physical volume", "none"),),
        Risk.CONSUMES,
        proof,
        guards,
    )


def _is_table(what: str) -> bool:
    """Whether what a disk holds is a partition table (content._describe); a label may contain any words."""
    return what.split(" ", 3)[1:3] == ["partition", "table"]


def _unfit_content(ref: Ref, disk: Disk, lun: Lun) -> Finding | None:
    key = f"disks.{disk.name}"
    match lun.content:
        case Unreadable(reason):
            return Finding(
                ref,
                Kind.BLOCKED,
                f"what disk {disk.name} holds cannot be established",
                why=reason,
                next="nothing is written to a disk that cannot be read; see the kernel log for I/O errors",
                key=key,
            )
        case Holds(what, True):
            return Finding(
                ref,
                Kind.REFUSED,
                f"disk {disk.name} ({lun.whole.node}) holds {what}",
                why="what is in use may hold data, whatever its first bytes look like; no consent covers that",
                next=f"see what it is (`lsblk {lun.whole.node}`), and stop it if nobody needs it",
                key=key,
            )
        case Holds(what, _, True):
            return Finding(
                ref,
                Kind.REFUSED,
                f"disk {disk.name} ({lun.whole.node}) is not blank: it holds {what}",
                why="a disk is taken only if it is provably blank or proven ours; and these words would fit other content"
                " too, so they are no consent",
                next=f"check LUN {disk.lun} of {disk.target} on server {disk.server}: it may be a leg whose first sectors are"
                " damaged; name another LUN that is blank, or have that one made anew on its server",
                key=key,
            )
        case Holds(what) if what != disk.consent:
            said = (
                f" (the configuration consents to lose {disk.consent!r}, which is not what is there)"
                if disk.consent
                else ""
            )
            return Finding(
                ref,
                Kind.REFUSED,
                f"disk {disk.name} ({lun.whole.node}) is not blank: it holds {what}{said}",
                why="a disk is taken only if it is provably blank or proven ours",
                next=f"check LUN {disk.lun} of {disk.target} on server {disk.server}; if this may be lost for ever,"
                # A label is the disk's own text: JSON's escapes are TOML's as well.
                f" say so under [disks.{disk.name}]: overwrite = {json.dumps(what, ensure_ascii=False)}",
                key=key,
            )
        case Holds(what) if _is_table(what) and not disk.partition:
            # LVM takes no partitioned disk; and were the table wiped first, a crash would leave what nobody consented to.
            return Finding(
                ref,
                Kind.REFUSED,
                f"disk {disk.name} ({lun.whole.node}) holds a {what}, and LVM takes no disk with a partition table whole",
                why="one program replaces its table by lunmirror's own; to be taken whole it would have to be wiped first",
                next=f"declare partition = true under [disks.{disk.name}] and keep the consent; or name another LUN",
                key=key,
            )
    return None


def _too_small(desired: Desired, ref: Ref, disk: Disk, lun: Lun) -> Finding | None:
    volumes = [v for v in desired.volumes.values() if disk.name in v.legs]
    # LVM's label and metadata take the first MiB, each raid1 leg one extent of 4 MiB besides, a partition 2 MiB.
    needed = sum((v.size.bytes or 0) + 4 * MIB for v in volumes) + MIB + (2 * MIB if disk.partition else 0)
    if volumes and lun.whole.size < needed:
        why = f"it has {lun.whole.size} bytes; its volumes ({', '.join(v.id for v in volumes)}) need {needed}"
    elif disk.size and lun.whole.size < disk.size:
        why = f"it has {lun.whole.size} bytes; disks.{disk.name}.size declares at least {disk.size}"
    else:
        return None
    next = f"enlarge LUN {disk.lun} on server {disk.server}, or declare smaller volumes"
    return Finding(ref, Kind.REFUSED, f"disk {disk.name} is smaller than declared", why, next, f"disks.{disk.name}")


def _company(desired: Desired, ref: Ref, disk: Disk, seen: World, pending: frozenset[Ref]) -> Finding | None:
    """A blank disk is taken only while every other disk of its group can be seen: a group whose members are all
    out of sight looks exactly like a group that was never made."""
    group = desired.group_of(disk.name)
    if group is None:
        return None
    unseen = [
        name
        for name in desired.groups[group].disks
        if not (isinstance(seen["disk"][name], Present) and isinstance(seen["disk"][name].facts, Lun))
        and not any(Ref("session", p.name) in pending for p in desired.paths_to(desired.disks[name]))
    ]
    if not unseen or any(
        isinstance(s, Present) and isinstance(s.facts, Lun) and s.facts.pv and s.facts.pv.group == group
        for s in (seen["disk"][n] for n in desired.groups[group].disks)
    ):
        return None
    return Finding(
        ref,
        Kind.BLOCKED,
        f"disk {disk.name} is blank, but is not taken while disk {', '.join(unseen)} cannot be seen",
        why=f"group {group} may exist on what is out of sight; only with all its disks in view can it be called new",
        next="bring the other server back; the next pass goes on from here",
        key=f"groups.{group}.disks",
    )


def _equal_names(desired: Desired, seen: World) -> list[Finding]:
    """LUNs on different servers that call themselves the same: reported, never used as identity."""
    by_name: dict[str, list[str]] = {}
    for name, state in seen["disk"].items():
        if isinstance(state, Present) and isinstance(state.facts, Lun) and state.facts.wwid:
            by_name.setdefault(state.facts.wwid, []).append(name)
    return [
        Finding(
            Ref("disk", names[0]),
            Kind.NOTE,
            f"disks {' and '.join(names)} report the same identity {' '.join(wwid.split())!r}",
            why="commodity targets number their LUNs alike; lunmirror tells them apart by server, target and LUN",
            next="never use /dev/disk/by-id for them, and keep multipath from joining them (find_multipaths strict)",
            key=f"disks.{names[0]}",
        )
        for wwid, names in by_name.items()
        if len({desired.disks[n].server for n in names}) > 1
    ]


def _predicted(disk: Disk, after: tuple[Ref, ...]) -> tuple[Step, ...]:
    """The steps on a disk that cannot be seen yet, if it turns out blank."""
    ref = Ref("disk", disk.name)
    whole = Device(disk.name, f"<disk {disk.name}>", 0, "", "", ())
    place = whole._replace(node=place_of(disk))
    proof = "only if it turns out provably blank or ours"
    label = _label_step(ref, disk, place, proof, (), False)
    if not disk.partition:
        return (label._replace(after=after),)
    steps = _partition_steps(ref, disk, whole, proof, (), False)
    return (*(s._replace(after=after) for s in steps), label._replace(after=(*after, ref)))
