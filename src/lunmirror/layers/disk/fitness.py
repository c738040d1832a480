"""Why a disk without a physical volume is not taken. Pure.

Each question is asked in turn, the first answer counts. What it is comes before what it holds: under a mirror in service
the old legs are still built on a disk that is another one now.
"""

import json
from collections.abc import Callable

from lunmirror.engine.model import Kind, Plan, Ref
from lunmirror.engine.plain import exactly, named
from lunmirror.layers.disk.context import DiskContext
from lunmirror.layers.disk.facts import Blank, Holds, Lun, Unreadable

MIB = 1 << 20
NOT_BLANK = "a disk is taken only if it is provably blank or proven ours"


def unfit(ctx: DiskContext, lun: Lun) -> Plan | None:
    """The refusal or what blocks it; None if the disk may be taken."""
    return next((plan for question in _QUESTIONS if (plan := question(ctx, lun))), None)


def unlisted(ctx: DiskContext, lun: Lun) -> Plan | None:
    """blkid finds a physical volume of ours, and LVM, shown this device, does not: no consent is ever offered for that."""
    what = lun.content.what if isinstance(lun.content, Holds) and not lun.content.in_use else ""
    ours = {lun.expected, *(d.pv_uuid for d in ctx.desired.disks.values())} - {""}
    if not (what.startswith("LVM2_member ") and any(f"(uuid {uuid})" in what for uuid in ours)):
        return None
    node = (lun.place or lun.whole).node
    return ctx.refused(
        f"LVM does not show the physical volume on disk {ctx.disk.name} ({node})",
        f"it is there, and it is ours: {what}. A global_filter or a filter of LVM's own (multipath, md) keeps LVM from the"
        " device",
        f"`pvs -vvvv --devices {node}` says which filter; let LVM see the device. What it holds is not to be lost",
    )


def _unlike(ctx: DiskContext, lun: Lun) -> Plan | None:
    """Its group misses its physical volume: nothing is taken. Blank, replaced or emptied is reported only of what was read as
    blank; what could not be read is answered below."""
    if not lun.expected or isinstance(lun.content, Unreadable):
        return None
    disk, new = ctx.disk, f"{ctx.disk.name}2"
    is_what = "is blank" if isinstance(lun.content, Blank) else "is not the disk that it was"
    held = f"; it holds {lun.content.what}" if isinstance(lun.content, Holds) else ""
    return ctx.refused(
        f"disk {disk.name} {is_what}, but its group still expects the physical volume {lun.expected} here",
        f"LUN {disk.lun} on server {disk.server} was replaced or emptied, or the server shows another one by that"
        f" number{held}; another disk under an old name is never silently adopted",
        f"look on the server which LUN that is; if the old disk will never return, keep the table [disks.{disk.name}],"
        f" add one [disks.{new}] with the same server, target and lun and the line"
        f' replaces = "{disk.name}", and write "{new}" for "{disk.name}" in the group\'s disks, and in `legs` where they'
        " are declared",
    )


def _too_small(ctx: DiskContext, lun: Lun) -> Plan | None:
    disk = ctx.disk
    volumes = [v for v in ctx.desired.volumes.values() if disk.name in v.legs]
    # LVM's label and metadata take the first MiB, each raid1 leg one extent of 4 MiB besides, a partition 2 MiB.
    needed = sum((v.size.bytes or 0) + 4 * MIB for v in volumes) + MIB + (2 * MIB if disk.partition else 0)
    if volumes and lun.whole.size < needed:
        why = f"it has {exactly(lun.whole.size)}; its volumes ({', '.join(v.id for v in volumes)}) need {exactly(needed)}"
    elif disk.size and lun.whole.size < disk.size:
        why = f"it has {exactly(lun.whole.size)}; {ctx.key}.size declares at least {exactly(disk.size)}"
    else:
        return None
    next = f"enlarge LUN {disk.lun} on server {disk.server}, or declare smaller volumes"
    return ctx.refused(f"disk {disk.name} is smaller than declared", why, next)


def _content(ctx: DiskContext, lun: Lun) -> Plan | None:
    disk, node = ctx.disk, lun.whole.node
    match lun.content:
        case Unreadable(reason, True):
            return ctx.refused(
                f"disk {disk.name} ({node}) answers small reads and no large one",
                f"{reason}: large frames are lost on the way. Most likely the MTU of this machine, of a switch or of server"
                f" {disk.server} is not the same; nothing is built on such a way",
                f"`lunmirror speed` shows the interface to server {disk.server}, its MTU and what passes; set one MTU all along"
                " the way (1500 if in doubt), there and here",
            )
        case Unreadable(reason):
            return ctx.blocked(
                f"what disk {disk.name} holds cannot be established",
                reason,
                "nothing is written to a disk that cannot be read; see the kernel log for I/O errors",
            )
        case Holds(what, True):
            return ctx.refused(
                f"disk {disk.name} ({node}) holds {what}",
                "what is in use may hold data, whatever its first bytes look like; no consent covers that",
                f"see what it is (`lsblk {node}`), and stop it if nobody needs it",
            )
        case Holds(what, _, True):
            return ctx.refused(
                f"disk {disk.name} ({node}) is not blank: it holds {what}",
                f"{NOT_BLANK}; and these words would fit other content too, so they are no consent",
                f"check {ctx.where}: it may be a leg whose first sectors are damaged; name another LUN that is blank, or have"
                " that one re-created on its server",
            )
        case Holds(what) if what != disk.consent:
            consents = f" (the configuration consents to lose {disk.consent!r}, which is not what is there)"
            return ctx.refused(
                f"disk {disk.name} ({node}) is not blank: it holds {what}{consents if disk.consent else ''}",
                NOT_BLANK,
                f"check {ctx.where}; if this may be lost for ever, say so under [{ctx.key}]:"
                # A label is the disk's own text: JSON's escapes are TOML's as well.
                f" overwrite = {json.dumps(what, ensure_ascii=False)}",
            )
        case Holds(what) if _is_table(what) and not disk.partition:
            # LVM takes no partitioned disk; and were the table wiped first, a crash would leave what nobody consented to.
            return ctx.refused(
                f"disk {disk.name} ({node}) holds a {what}, and LVM takes no disk with a partition table whole",
                "one program replaces its table by lunmirror's own; to be taken whole it would have to be wiped first",
                f"declare partition = true under [{ctx.key}] and keep the consent; or name another LUN",
            )
    return None


def _is_table(what: str) -> bool:
    """Whether what a disk holds is a partition table (content._describe); a label may contain any words."""
    return what.split(" ", 3)[1:3] == ["partition", "table"]


def _company(ctx: DiskContext, lun: Lun) -> Plan | None:
    """A blank disk is taken only while every other disk of its group can be seen: a group whose members are all
    out of sight looks exactly like a group that was never made."""
    group = ctx.desired.group_of(ctx.disk.name)
    if group is None:
        return None
    members = ctx.desired.groups[group].disks
    seen = {name: ctx.lun(name) for name in members}
    if any(lun and lun.pv and lun.pv.group == group for lun in seen.values()):
        return None
    unseen = [
        name for name, lun in seen.items() if (lun is None and not _comes(ctx, name)) or (lun and _may_hold_one(lun))
    ]
    if not unseen:
        return None
    finding = ctx.finding(
        Kind.BLOCKED,
        f"disk {ctx.disk.name} is blank, but is not taken while {named('disk', unseen)} cannot be seen",
        f"group {group} may exist on what is out of sight; only with all its disks in view can it be called new",
        "bring the other server back; the next pass goes on from here",
    )
    return Plan(findings=(finding._replace(key=f"groups.{group}.disks"),))


def _may_hold_one(lun: Lun) -> bool:
    """LVM shows no physical volume on it, and one may be there: it cannot be read, or LVM is kept from it."""
    held = lun.content.what if isinstance(lun.content, Holds) else ""
    return isinstance(lun.content, Unreadable) or held.startswith("LVM2_member ")


def _comes(ctx: DiskContext, name: str) -> bool:
    """A session to that disk is about to be made."""
    paths = ctx.desired.paths_to(ctx.desired.disks[name])
    return bool(ctx.waits_for(*(Ref("session", path.name) for path in paths)))


_QUESTIONS: tuple[Callable[[DiskContext, Lun], Plan | None], ...] = (
    unlisted,
    _unlike,
    _too_small,
    _content,
    _company,
)
