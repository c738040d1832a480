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

from lunmirror.desired import Desired, Volume
from lunmirror.host import paths
from lunmirror.layers.disk.facts import devices_guarded
from lunmirror.layers.filesystem.facts import Bare, FileSystem, Other
from lunmirror.layers.filesystem.identity import filesystem_uuid
from lunmirror.layers.group.facts import VolumeGroup
from lunmirror.layers.volume.facts import GROW, UNFORMATTED, LogicalVolume, anew
from lunmirror.lvm import change, devices_of
from lunmirror.model import (
    ABSENT,
    Drift,
    Finding,
    Guard,
    Kind,
    Plan,
    Present,
    Ref,
    Risk,
    Run,
    Step,
    Unknown,
    World,
)

LAYER = "filesystem"
MKFS_DEADLINE = 600.0  # seconds: mkfs discards and writes over the network, to the slower of the legs
GROW_DEADLINE = 600.0  # seconds, likewise


class Sign(Enum):
    """What a volume shows, compared with what is declared for it."""

    BARE = "nothing"
    OURS = "the declared type, with our UUID, complete"
    TORN = "the declared type, with our UUID, mkfs unfinished"
    LIKE = "the declared type, with another UUID"
    USED = "the declared type, mounted"
    FOREIGN = "anything else"


class Verdict(Enum):
    MAKE = "make the file system"
    REMAKE = "make it once more, over what our own mkfs left"
    UNTAG = "only remove the tag"
    FINE = "nothing to do"
    REFUSE = "refuse: a person must decide"


VERDICTS = {
    # (tagged UNFORMATTED, sign)
    (True, Sign.BARE): Verdict.MAKE,
    (True, Sign.OURS): Verdict.UNTAG,
    (True, Sign.TORN): Verdict.REMAKE,
    (True, Sign.LIKE): Verdict.REFUSE,
    (True, Sign.USED): Verdict.UNTAG,
    (True, Sign.FOREIGN): Verdict.REFUSE,
    (False, Sign.BARE): Verdict.REFUSE,
    (False, Sign.OURS): Verdict.FINE,
    (False, Sign.TORN): Verdict.REFUSE,
    (False, Sign.LIKE): Verdict.FINE,
    (False, Sign.USED): Verdict.FINE,
    (False, Sign.FOREIGN): Verdict.REFUSE,
}


def plan(desired: Desired, world: World, pending: frozenset[Ref]) -> Plan:
    """The way to the declared file system on every volume that has one."""
    return _each(desired, world, pending, _Maker.plan)


def plan_growth(desired: Desired, world: World, pending: frozenset[Ref]) -> Plan:
    """The way to file systems as large as their volumes; planned after the mounts, for they grow while mounted."""
    return _each(desired, world, pending, _Maker.growth)


def _each(desired: Desired, world: World, pending: frozenset[Ref], ask) -> Plan:
    plans = [ask(_Maker(v, desired, world, pending)) for v in desired.volumes.values() if v.filesystem is not None]
    return Plan(
        tuple(step for p in plans for step in p.steps),
        tuple(finding for p in plans for finding in p.findings),
    )


class _Maker:
    """Plans for one volume."""

    def __init__(self, volume: Volume, desired: Desired, world: World, pending: frozenset[Ref]) -> None:
        self.volume, self.desired, self.world, self.pending = volume, desired, world, pending
        self.declared = volume.filesystem
        self.ref, self.below = Ref(LAYER, volume.id), Ref("volume", volume.id)
        self.key = f"{volume.key}.filesystem"
        self.seen = world.get(LAYER, {}).get(volume.id, Unknown("it was not looked at"))
        below = world.get("volume", {}).get(volume.id, ABSENT)
        self.lv: LogicalVolume | None = below.facts if isinstance(below, Present) else None
        group = world.get("group", {}).get(volume.group)
        known = isinstance(group, Present) and isinstance(group.facts, VolumeGroup)
        self.group: VolumeGroup | None = group.facts if known else None

    # What is there

    def plan(self) -> Plan:
        if not isinstance(self.seen, Present) or self.lv is None:
            return self._predicted() if self.below in self.pending else self._blocked()
        if getattr(self.seen.facts, "errors", 0):
            return self._damaged(self.seen.facts)
        sign = self._sign()
        match VERDICTS[UNFORMATTED in self.seen.facts.tags, sign]:
            case Verdict.MAKE:
                return self._written(self._mkfs(self._proof("no signature is on it")), self._untag())
            case Verdict.REMAKE:
                left = "on it is only what our own mkfs left when it died: our UUID, marked as in progress"
                # mkfs.xfs would refuse its own leftovers; for ext there is no such case (see the module).
                return self._written(self._mkfs(self._proof(left), over=("-f",)), self._untag())
            case Verdict.UNTAG:
                return self._written(self._untag())
            case Verdict.FINE:
                return Plan(findings=self._label_differs())
            case Verdict.REFUSE:
                return Plan(findings=(self._refusal(sign),))

    def _sign(self) -> Sign:
        facts = self.seen.facts
        if isinstance(facts, Bare):
            return Sign.BARE
        if not isinstance(facts, FileSystem) or facts.type != self.declared.type:
            return Sign.FOREIGN
        if facts.mounted:
            return Sign.USED
        # An unfinished one must be provably ours before anything is written over it. To know a finished one for ours
        # matters only while the tag is there; a pass that finds no tag does not compute a UUID.
        if not facts.complete:
            return Sign.TORN if facts.uuid == filesystem_uuid(self.lv.uuid) else Sign.FOREIGN
        if UNFORMATTED in facts.tags and facts.uuid == filesystem_uuid(self.lv.uuid):
            return Sign.OURS
        return Sign.LIKE

    def _predicted(self) -> Plan:
        """What will be wanted once the volume is there, as far as that can be told without looking at it."""
        if self.lv is not None and UNFORMATTED not in self.lv.tags:
            return Plan()  # it is there and only to be activated: what it holds is looked at then
        after = (self.below,)
        proof = "the volume is made in this same run, and LVM wipes its beginning"
        return Plan(tuple(s._replace(after=after, guards=()) for s in (self._mkfs(proof), self._untag())))

    def _blocked(self) -> Plan:
        reason = self.seen.reason if isinstance(self.seen, Unknown) else "it was not found"
        return self._finding(
            Kind.BLOCKED,
            f"the file system on {self.volume.id} cannot be looked at",
            reason,
            f"see what is said of volume {self.volume.id}; nothing is written to a volume that cannot be read",
        )

    def _damaged(self, facts: FileSystem) -> Plan:
        """Every leg was away at once, longer than the kernel waits. What to do needs the file system unmounted, and
        so whoever uses it stopped: a person's. A raid1 whose last leg failed takes no refresh, only a new start."""
        return self._finding(
            Kind.BLOCKED,
            f"the {facts.type} file system on {self.volume.id} met {facts.errors} errors and may take no more writes",
            "the kernel counted them since the last check: all of its legs failed at once, or its data are damaged",
            f"stop what uses it, then: {anew(self.volume, facts.path, facts.type)}",
        )

    # Steps

    def _written(self, *steps: Step) -> Plan:
        """Steps that write LVM's metadata. With a physical volume out of sight that would mark it MISSING for good
        (shared facts, lvm.md): they wait until the group is whole."""
        if self.group is not None and self.group.whole:
            return Plan(steps)
        return self._finding(
            Kind.BLOCKED,
            f"will not {steps[0].title} now",
            f"not every physical volume of {self.volume.group} is there, and the tag that remembers this step is"
            " kept in the group's metadata: writing that now would mark the absent one as missing for good",
            "bring the absent server back; the next pass goes on",
        )

    def _mkfs(self, proof: str, over: tuple[str, ...] = ()) -> Step:
        declared = self.declared
        # mke2fs without a terminal neither asks nor minds what it finds (misc/mke2fs.c, main: CHECK_FS_EXIST only
        # with isatty); mkfs.xfs refuses. So what was proven must not be left to mkfs: tag, probe, guards.
        uuid = filesystem_uuid(self.lv.uuid) if self.lv else "<derived from the volume's>"
        ours = ("-m", f"uuid={uuid}") if declared.type == "xfs" else ("-U", uuid)
        label = ("-L", declared.label) if declared.label else ()
        # Ours after the user's own options: where one is given twice, mke2fs takes the last.
        argv = (paths.MKFS[declared.type], *declared.options, "-q", *over, *ours, *label, self._node())
        return Step(
            self.ref,
            f"make an {declared.type} file system on {self.volume.id}",
            Run(argv, MKFS_DEADLINE),
            (Drift(self.key, declared.type, "none"),),
            Risk.CONSUMES,
            proof=proof,
            guards=self._guards(),
        )

    def _untag(self) -> Step:
        return self._deltag(
            UNFORMATTED,
            f"note on {self.volume.id} that it is formatted",
            Drift(self.key, self.declared.type, f"tag {UNFORMATTED}"),
        )

    def _deltag(self, tag: str, title: str, drift: Drift) -> Step:
        run = Run(change(devices_of(self.world, self.desired), "lvchange", "--deltag", tag, self.volume.id))
        return Step(self.ref, title, run, (drift,), guards=devices_guarded(self.world, run))

    def _proof(self, what: str) -> str:
        return f"volume {self.lv.uuid} carries our tag {UNFORMATTED}: made by lunmirror, never formatted; {what}"

    def _guards(self) -> tuple[Guard, ...]:
        """The kernel's device is still this very volume, under this name, of this size."""
        if self.lv is None or self.group is None:
            return ()
        device = f"{paths.SYS_BLOCK}/dm-{self.lv.number.partition(':')[2]}"
        plain = (self.group.uuid + self.lv.uuid).replace("-", "")
        return (
            Guard(f"{device}/dm/uuid", f"LVM-{plain}"),
            Guard(f"{device}/dm/name", self.lv.dm),
            Guard(f"{device}/size", str(self.lv.size // 512)),
        )

    def _node(self) -> str:
        """Device-mapper doubles the dashes within a name, to tell them from the one between group and volume."""
        if self.lv is not None and self.lv.dm:
            return f"{paths.MAPPER}/{self.lv.dm}"
        group, name = (part.replace("-", "--") for part in (self.volume.group, self.volume.name))
        return f"{paths.MAPPER}/{group}-{name}"

    # Findings

    def _finding(self, kind: Kind, what: str, why: str, next: str) -> Plan:
        return Plan(findings=(Finding(self.ref, kind, what, why, next, self.key),))

    def _label_differs(self) -> tuple[Finding, ...]:
        facts, label = self.seen.facts, self.declared.label
        tool = "xfs_admin -L" if facts.type == "xfs" else "e2label"
        if facts.mounted or not label or facts.label == label:
            return ()
        return (
            Finding(
                self.ref,
                Kind.NOTE,
                f"the file system on {self.volume.id} is labelled {facts.label!r}, declared {label!r}",
                "a label is given when a file system is made; one that exists is taken as it is",
                f"change it with `{tool}`, or change the configuration",
                f"{self.key}.label",
            ),
        )

    def _refusal(self, sign: Sign) -> Finding:
        facts = self.seen.facts
        id, type, tagged = self.volume.id, self.declared.type, UNFORMATTED in facts.tags
        said = f"it carries our tag {UNFORMATTED}, yet" if tagged else "no tag of ours says that it is new;"
        if sign is Sign.BARE:
            why = "the volume exists, nothing says that lunmirror made it, and no file system is found on it:"
            why += " it may hold data without a signature, or have lost its file system"
            next = f"find out what it held, and bring that back; {_ANEW}"
        elif sign is Sign.TORN:
            why = f"{said} on it is an {type} file system whose mkfs never finished"
            next = f"find out whose it is; {_ANEW}"
        else:
            why = f"{said} it holds {_held(facts)}"
            next = _way_out(id, tagged, sign, type, facts)
        return Finding(self.ref, Kind.REFUSED, f"will not put an {type} file system on {id}", why, next, self.key)

    # Growth

    def growth(self) -> Plan:
        if isinstance(self.seen, Present) and isinstance(self.seen.facts, FileSystem):
            facts: FileSystem = self.seen.facts
            if facts.type != self.declared.type or UNFORMATTED in facts.tags:
                return Plan()  # said by `plan` already
            if GROW in facts.tags:
                return self._grown(facts)
            if self.below in self.pending and self._will_grow():
                after = (self.below,) if facts.mounted else (self.below, Ref("mount", self.volume.id))
                return self._grow_steps(facts.path, after)
        return Plan()

    def _grown(self, facts: FileSystem) -> Plan:
        if facts.mounted:
            return self._written(*self._grow_steps(facts.path, ()).steps)
        mount = Ref("mount", self.volume.id)
        if mount in self.pending:
            return self._grow_steps("", (mount,))
        return self._finding(
            Kind.BLOCKED,
            f"the file system on {self.volume.id} is smaller than its volume",
            "it grows only while it is mounted, and it is not",
            "mount it; the next pass grows it",
        )

    def _grow_steps(self, path: str, after: tuple[Ref, ...]) -> Plan:
        declared = self.volume.mount.path if self.volume.mount else "its mount point"
        xfs = self.declared.type == "xfs"
        argv = (paths.XFS_GROWFS, path or declared) if xfs else (paths.RESIZE2FS, self._node())
        drift = Drift(f"{self.volume.key}.size", "a file system as large as the volume", "a smaller one")
        grow = Step(
            self.ref,
            f"grow the file system on {self.volume.id} to the size of its volume",
            Run(argv, GROW_DEADLINE),
            (drift,),
            Risk.ONLINE,
            guards=() if after else self._guards(),
            after=after,
        )
        untag = self._deltag(GROW, f"note on {self.volume.id} that its file system has grown", drift)
        return Plan((grow, untag._replace(after=after)))

    def _will_grow(self) -> bool:
        """The volume layer is about to make the volume larger."""
        if self.lv is None or self.group is None or self.group.extent_size <= 0:
            return False
        return self.volume.size.in_extents(self.group.extent_size) > self.lv.extents


def _held(facts: Bare | FileSystem | Other) -> str:
    """What is on the volume, for a person."""
    if isinstance(facts, Other):
        return facts.what
    if isinstance(facts, Bare):
        return "nothing"
    label = f" labelled {facts.label!r}" if facts.label else ""
    uuid = f" with UUID {facts.uuid}" if facts.uuid else ""
    place = f", mounted at {facts.path}" if facts.mounted else ""
    unfinished = "" if facts.complete else ", unfinished"
    return f"an {facts.type} file system{label}{uuid}{place}{unfinished}"


# Not the command that consents to format this one: whoever follows a message may do it to the volume with the data.
_ANEW = "a new, empty one needs a volume of another name (docs/filesystem.md has the consent to format this one)"


def _way_out(id: str, tagged: bool, sign: Sign, type: str, facts: FileSystem | Other) -> str:
    """The next move where the volume holds something: keep it, or give it up by an act of one's own."""
    if sign is Sign.LIKE:
        keep = f"to keep what is on it: `lvchange --deltag {UNFORMATTED} {id}`"
    elif isinstance(facts, FileSystem) and facts.type in paths.MKFS:
        keep = f'to keep what is on it, declare filesystem = "{facts.type}"'
        keep += f" and `lvchange --deltag {UNFORMATTED} {id}`" if tagged else ""
    else:
        keep = "to keep what is on it, take the volume out of the configuration"
    return f"{keep}; {_ANEW}"
