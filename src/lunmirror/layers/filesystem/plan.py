"""Decides when a file system is made, left alone, refused, or grown. Pure.

The law: mkfs runs only on a volume that carries our tag UNFORMATTED and holds nothing, or nothing but what our own
mkfs left when it died. What the tag and the volume say together decides, by the table VERDICTS (docs/filesystem.md
shows it); no absence of anything else ever does.

Crash safety: the tag is set by the lvcreate that makes the volume and removed after mkfs. Dying before mkfs leaves a
bare volume; dying in it leaves
  ext: no superblock. mke2fs zeroes the first sectors early and writes the primary superblock last, after a flush of
       all else (e2fsprogs, lib/ext2fs/closefs.c, ext2fs_flush2 and write_primary_superblock; 1.47.0 under strace);
  xfs: a superblock whose sb_inprogress is set (xfsprogs, mkfs/xfs_mkfs.c); blkid does not look at that byte.
Dying after mkfs leaves a file system with the UUID that we derive for this volume: only the tag is to be removed.
"""

from enum import Enum

from lunmirror.engine.desired import Desired
from lunmirror.engine.identity import filesystem_uuid
from lunmirror.engine.model import Drift, Plan, Present, Ref, Risk, Run, Step, World
from lunmirror.host import paths
from lunmirror.layers.context import joined, reason_of
from lunmirror.layers.filesystem.context import FilesystemContext, contexts
from lunmirror.layers.filesystem.facts import Bare, Facts, FileSystem, Other
from lunmirror.layers.volume.facts import UNFORMATTED, LogicalVolume, restart_commands

MKFS_DEADLINE = 600.0  # seconds: mkfs discards and writes over the network, to the slower of the legs


class Sign(Enum):
    """What a volume shows, compared with what is declared for it."""

    BARE = "nothing"
    OURS = "the declared type, with our UUID, complete"
    UNFINISHED = "the declared type, with our UUID, mkfs unfinished"
    LIKE = "the declared type, with another UUID"
    USED = "the declared type, mounted"
    FOREIGN = "anything else"


class Verdict(Enum):
    """What follows from it."""

    MAKE = "make the file system"
    REMAKE = "make it once more, over what our own mkfs left"
    UNTAG = "only remove the tag"
    FINE = "nothing to do"
    REFUSE = "refuse: an administrator must decide"


VERDICTS = {
    # (tagged UNFORMATTED, sign)
    (True, Sign.BARE): Verdict.MAKE,
    (True, Sign.OURS): Verdict.UNTAG,
    (True, Sign.UNFINISHED): Verdict.REMAKE,
    (True, Sign.LIKE): Verdict.REFUSE,
    (True, Sign.USED): Verdict.UNTAG,
    (True, Sign.FOREIGN): Verdict.REFUSE,
    (False, Sign.BARE): Verdict.REFUSE,
    (False, Sign.OURS): Verdict.FINE,
    (False, Sign.UNFINISHED): Verdict.REFUSE,
    (False, Sign.LIKE): Verdict.FINE,
    (False, Sign.USED): Verdict.FINE,
    (False, Sign.FOREIGN): Verdict.REFUSE,
}


def plan(desired: Desired, seen: World, pending: frozenset[Ref]) -> Plan:
    """The way to the declared file system on every volume that has one."""
    return joined(_plan(ctx) for ctx in contexts(desired, seen, pending))


def _plan(ctx: FilesystemContext) -> Plan:
    match ctx.state:
        case Present(FileSystem(errors=errors) as facts) if errors and ctx.lv:
            return _damaged(ctx, facts)
        case Present(Bare() | FileSystem() | Other() as facts) if ctx.lv:
            return _decided(ctx, ctx.lv, facts)
        case _ if ctx.volume_ref in ctx.pending:
            return _predicted(ctx)
        case _:
            what = f"the file system on {ctx.volume.id} cannot be looked at"
            next = f"see the findings for volume {ctx.volume.id}; nothing is written to a volume that cannot be read"
            return ctx.blocked(what, reason_of(ctx.state), next)


def _decided(ctx: FilesystemContext, lv: LogicalVolume, facts: Facts) -> Plan:
    sign = _sign(ctx, lv, facts)
    match VERDICTS[UNFORMATTED in facts.tags, sign]:
        case Verdict.MAKE:
            return ctx.written(_mkfs(ctx, _proof(lv, "no signature is on it")), _untag(ctx))
        case Verdict.REMAKE:
            left = "on it is only what our own mkfs left when it died: our UUID, marked as in progress"
            # mkfs.xfs would refuse its own leftovers; for ext there is no such case (see the module).
            return ctx.written(_mkfs(ctx, _proof(lv, left), over=("-f",)), _untag(ctx))
        case Verdict.UNTAG:
            return ctx.written(_untag(ctx))
        case Verdict.FINE:
            return _label_differs(ctx, facts)
        case Verdict.REFUSE:
            return _refusal(ctx, sign, facts)


def _sign(ctx: FilesystemContext, lv: LogicalVolume, facts: Facts) -> Sign:
    if isinstance(facts, Bare):
        return Sign.BARE
    if not isinstance(facts, FileSystem) or facts.type != ctx.declared.type:
        return Sign.FOREIGN
    if facts.mounted:
        return Sign.USED
    # An unfinished one must be provably ours before anything is written over it. To know a finished one for ours
    # matters only while the tag is there; a pass that finds no tag does not compute a UUID.
    if not facts.complete:
        return Sign.UNFINISHED if facts.uuid == filesystem_uuid(lv.uuid) else Sign.FOREIGN
    if UNFORMATTED in facts.tags and facts.uuid == filesystem_uuid(lv.uuid):
        return Sign.OURS
    return Sign.LIKE


def _predicted(ctx: FilesystemContext) -> Plan:
    """What will be wanted once the volume is there, as far as that is known without looking at it."""
    if ctx.lv is not None and UNFORMATTED not in ctx.lv.tags:
        return Plan()  # it is there and only to be activated: what it holds is looked at then
    proof = "the volume is made in this same run, and LVM wipes its beginning"
    steps = (_mkfs(ctx, proof), _untag(ctx))
    return Plan(tuple(step._replace(after=(ctx.volume_ref,), guards=()) for step in steps))


def _damaged(ctx: FilesystemContext, facts: FileSystem) -> Plan:
    """Every leg was away at once, longer than the kernel waits. What to do needs the file system unmounted, and
    so whoever uses it stopped: an administrator's. A raid1 whose last leg failed takes no refresh, only a new start."""
    return ctx.blocked(
        f"the {facts.type} file system on {ctx.volume.id} met {facts.errors} errors and may take no more writes",
        "the kernel counted them since the last check: all of its legs failed at once, or its data are damaged",
        f"stop what uses it, then: {restart_commands(ctx.volume, facts.path, facts.type)}",
    )


def _mkfs(ctx: FilesystemContext, proof: str, over: tuple[str, ...] = ()) -> Step:
    declared = ctx.declared
    # mke2fs without a terminal neither asks nor minds what it finds (misc/mke2fs.c, main: CHECK_FS_EXIST only
    # with isatty); mkfs.xfs refuses. So what was proven must not be left to mkfs: tag, probe, guards.
    uuid = filesystem_uuid(ctx.lv.uuid) if ctx.lv else "<derived from the volume's>"
    ours = ("-m", f"uuid={uuid}") if declared.type == "xfs" else ("-U", uuid)
    label = ("-L", declared.label) if declared.label else ()
    # Ours after the user's own options: where one is given twice, mke2fs takes the last.
    argv = (paths.MKFS[declared.type], *declared.options, "-q", *over, *ours, *label, ctx.node())
    return ctx.step(
        f"make an {declared.type} file system on {ctx.volume.id}",
        Run(argv, MKFS_DEADLINE),
        Drift(ctx.key, declared.type, "none"),
        risk=Risk.CONSUMES,
        proof=proof,
        guards=ctx.device_guards(),
    )


def _untag(ctx: FilesystemContext) -> Step:
    drift = Drift(ctx.key, ctx.declared.type, f"tag {UNFORMATTED}")
    return ctx.deltag(UNFORMATTED, f"note on {ctx.volume.id} that it is formatted", drift)


def _proof(lv: LogicalVolume, what: str) -> str:
    return f"volume {lv.uuid} carries our tag {UNFORMATTED}: made by lunmirror, never formatted; {what}"


def _label_differs(ctx: FilesystemContext, facts: Facts) -> Plan:
    label = ctx.declared.label
    if not isinstance(facts, FileSystem) or facts.mounted or not label or facts.label == label:
        return Plan()
    tool = "xfs_admin -L" if facts.type == "xfs" else "e2label"
    return ctx.noted(
        f"the file system on {ctx.volume.id} is labelled {facts.label!r}, declared {label!r}",
        "a label is given when a file system is made; one that exists is taken as it is",
        f"change it with `{tool}`, or change the configuration",
        "label",
    )


def _refusal(ctx: FilesystemContext, sign: Sign, facts: Facts) -> Plan:
    id, type, tagged = ctx.volume.id, ctx.declared.type, UNFORMATTED in facts.tags
    tag = f"it carries our tag {UNFORMATTED}, yet" if tagged else "no tag of ours says that it is new;"
    if isinstance(facts, Bare):
        why = "the volume exists, nothing says that lunmirror made it, and no file system is found on it:"
        why += " it may hold data without a signature, or have lost its file system"
        next = f"find out what it held, and bring that back; {_NEW_NAME}"
    elif sign is Sign.UNFINISHED:
        why = f"{tag} on it is an {type} file system whose mkfs never finished"
        next = f"find out whose it is; {_NEW_NAME}"
    else:
        why = f"{tag} it holds {_held(facts)}"
        next = _way_out(id, tagged, sign, facts)
    return ctx.refused(f"will not put an {type} file system on {id}", why, next)


def _held(facts: FileSystem | Other) -> str:
    """What is on the volume, for an administrator."""
    if isinstance(facts, Other):
        return facts.what
    label = f" labelled {facts.label!r}" if facts.label else ""
    uuid = f" with UUID {facts.uuid}" if facts.uuid else ""
    place = f", mounted at {facts.path}" if facts.mounted else ""
    unfinished = "" if facts.complete else ", unfinished"
    return f"an {facts.type} file system{label}{uuid}{place}{unfinished}"


# Not the command that consents to format this one: whoever follows a message may do it to the volume with the data.
_NEW_NAME = "a new, empty one needs a volume of another name (docs/filesystem.md has the consent to format this one)"


def _way_out(id: str, tagged: bool, sign: Sign, facts: FileSystem | Other) -> str:
    """The next move where the volume holds something: keep it, or give it up by an act of one's own."""
    if sign is Sign.LIKE:
        keep = f"to keep what is on it: `lvchange --deltag {UNFORMATTED} {id}`"
    elif isinstance(facts, FileSystem) and facts.type in paths.MKFS:
        keep = f'to keep what is on it, declare filesystem = "{facts.type}"'
        keep += f" and `lvchange --deltag {UNFORMATTED} {id}`" if tagged else ""
    else:
        keep = "to keep what is on it, take the volume out of the configuration"
    return f"{keep}; {_NEW_NAME}"
