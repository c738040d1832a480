"""Decides what brings a mount to the declared state: its line in fstab first, then the mount itself. Pure.

Nothing is mounted, and no line written, unless the file system layer saw the declared file system there, finished.
"""

from lunmirror.desired import Desired, Volume
from lunmirror.host import paths
from lunmirror.layers.filesystem.facts import FileSystem
from lunmirror.layers.mount import fstab
from lunmirror.layers.mount.facts import Mounted, MountState, Undeclared
from lunmirror.layers.volume.facts import UNFORMATTED, LogicalVolume
from lunmirror.model import (
    Drift,
    Finding,
    Kind,
    MakeFolder,
    Plan,
    Present,
    Ref,
    Run,
    Step,
    Unknown,
    World,
    WriteFile,
)

LAYER = "mount"
MOUNT_DEADLINE = 90.0  # seconds, as systemd gives a mount: a journal is replayed meanwhile
RELOAD_DEADLINE = 90.0  # seconds: every generator runs anew

# Flags of a mount, not of a file system: they can be changed while it is in use without the file system knowing.
ACCESS_TIMES = ("noatime", "relatime")  # one excludes the other
SAFE_FLAGS = frozenset({*ACCESS_TIMES, "nodiratime", "nodev", "nosuid", "noexec"})

# Words of fstab that mount(8) must not be told. `nofail` would have it say that all is well when there is no device
# (mount(8)); the others speak to boot alone. `_netdev` stays: mount notes it, and systemd then orders even a mount
# made by hand before the network goes down (systemd #20566).
FOR_FSTAB_ONLY = frozenset({"nofail", "auto", "noauto", "defaults"})


def plan(desired: Desired, world: World, pending: frozenset[Ref]) -> Plan:
    """The way to every declared mount: first all lines of fstab, then one reload, then the mounts."""
    asked = [_Mounter(v, desired.boot_wait, world, pending) for v in desired.volumes.values() if v.mount is not None]
    asked.sort(key=lambda mounter: mounter.path.split("/"))  # what is mounted within another mount comes after it
    for mounter in asked:
        mounter.stand_on(asked)
    findings = [finding for mounter in asked for finding in mounter.findings()]
    findings += _undeclared(world)
    able = [mounter for mounter in asked if mounter.able]
    steps = _lines(able)
    steps += _reload(able, steps)
    steps += [step for mounter in able for step in mounter.steps()]
    return Plan(tuple(steps), tuple(findings))


def _undeclared(world: World) -> list[Finding]:
    found = [(id, state.facts) for id, state in world.get(LAYER, {}).items() if isinstance(state, Present)]
    return [
        Finding(
            Ref(LAYER, id),
            Kind.NOTE,
            f"volume {id} is mounted at {', '.join(facts.paths)}, and not declared: nobody looks after it",
            "lunmirror looked after it before it was taken out of the configuration, or renamed",
            "see what is said of the volume; nothing is done to the mount, nor to its line in fstab",
            f"groups.{id.partition('/')[0]}.volumes",
        )
        for id, facts in found
        if isinstance(facts, Undeclared)
    ]


def _lines(mounters: "list[_Mounter]") -> list[Step]:
    """One write of fstab for each line that is wanted. Each begins with what the one before it leaves."""
    steps: list[Step] = []
    content: bytes | None = None
    for mounter in mounters:
        before = mounter.before if content is None else content
        step = mounter.line_step(before)
        if step is not None:
            steps.append(step)
            content = step.action.content
    return steps


def _reload(mounters: "list[_Mounter]", lines: list[Step]) -> list[Step]:
    """systemd reads fstab only when told. A unit made from an older one may unmount at once what is mounted by hand,
    for it is bound to a device that is not there (systemd #1741, #1938; not seen on 252, but nothing promises it)."""
    stale = [m for m in mounters if m.state.systemd and (m.state.stale and m.wants_mount())]
    systemd = any(m.state.systemd for m in mounters)
    if not systemd or not (lines or stale):
        return []
    ref = lines[-1].ref if lines else stale[-1].ref
    mounter = next(m for m in mounters if m.ref == ref)
    drift = Drift(mounter.key, f"systemd knows the line in {paths.FSTAB}", "its unit is from before")
    run = Run((paths.SYSTEMCTL, "daemon-reload"), RELOAD_DEADLINE)
    return [Step(ref, f"have systemd read {paths.FSTAB} again", run, (drift,), after=mounter.after)]


class _Mounter:
    """Plans for one mount. `able`: nothing stands against it, and `state` can be relied on."""

    def __init__(self, volume: Volume, boot_wait: int, world: World, pending: frozenset[Ref]) -> None:
        self.volume, self.boot_wait = volume, boot_wait
        self.ref, self.key = Ref(LAYER, volume.id), f"{volume.key}.mount"
        self.path = volume.mount.path
        self.device = fstab.devices(volume)[0]
        seen = world.get("volume", {}).get(volume.id)
        known = isinstance(seen, Present) and isinstance(seen.facts, LogicalVolume)
        self.number = seen.facts.number if known else ""
        self.permissions = seen.facts.permissions if known else ""
        self.after: tuple[Ref, ...] = ()
        self.inside: tuple[Ref, ...] = ()  # mounts that come first, since the mount point lies in them
        self.trouble: Finding | None = None
        self.state = MountState(b"", "", None, (), "")
        self._below(world, pending)
        if self.trouble is None:
            self._here(world)

    def stand_on(self, others: "list[_Mounter]") -> None:
        """A mount point that lies within another declared mount is not looked at before that one is mounted: what is
        mounted there earlier would be hidden under it, and writers would meet a folder of the other volume."""
        if not self.able or not self.wants_mount():
            return
        outer = [o for o in others if self.path.startswith(f"{o.path}/") and o.wants_mount()]
        self.inside = tuple(o.ref for o in outer)
        if stands := next((o for o in outer if not o.able), None):
            why = f"it lies within {stands.path}, which is not mounted"
            self._stop(
                Kind.BLOCKED, f"{self.path} is not mounted", why, f"see what is said of mount {stands.ref.name}"
            )

    @property
    def able(self) -> bool:
        return self.trouble is None

    @property
    def before(self) -> bytes | None:
        return None if self.state.absent else self.state.fstab

    # What stands against it

    def _below(self, world: World, pending: frozenset[Ref]) -> None:
        """The file system has to be in order, or about to be."""
        seen = world.get("filesystem", {}).get(self.volume.id, Unknown("its file system was not looked at"))
        why = _disorder(seen, self.volume)
        below = (Ref("volume", self.volume.id), Ref("filesystem", self.volume.id))
        if why:
            self.after = tuple(ref for ref in below if ref in pending)
            if not self.after:
                next = f"see what is said of volume and file system {self.volume.id}"
                self._stop(Kind.BLOCKED, f"{self.path} is not looked after", why, next)

    def _here(self, world: World) -> None:
        seen = world.get(LAYER, {}).get(self.volume.id, Unknown("it was not looked at"))
        if not isinstance(seen, Present):
            why = seen.reason if isinstance(seen, Unknown) else "it was not found"
            self._stop(Kind.BLOCKED, f"{self.path} is not looked after", why, "mend that; nothing was changed")
            return
        self.state = seen.facts
        for check in (self._conflict_in_fstab, self._other_mount, self._read_only, self._hides, self._folder):
            check()
            if self.trouble is not None:
                return

    def _stop(self, kind: Kind, what: str, why: str, next: str) -> None:
        self.trouble = Finding(self.ref, kind, what, why, next, self.key)

    def _lines_about(self) -> tuple[fstab.Line, ...]:
        return fstab.about(fstab.entries(self.state.fstab), self.volume, self.state.aliases)

    def _conflict_in_fstab(self) -> None:
        lines = self._lines_about()
        told = "; ".join(map(str, lines))
        move = f"leave in {paths.FSTAB} at most one line about {self.device} or {self.path}, and run again"
        if len(lines) > 1:
            self._stop(Kind.REFUSED, f"will not choose between lines of {paths.FSTAB}", told, move)
        elif lines and not fstab.is_ours(lines[0], self.volume, self.state.aliases):
            number = lines[0].number
            if doubt := self.state.doubts.get(number):
                why = f"{told}; whether that is {self.volume.id} cannot be told: {doubt}"
                self._stop(Kind.REFUSED, f"will not take over {self.path}", why, f"write {self.device} in that line")
                return
            leads = self.state.leads.get(number)
            why = f"{paths.FSTAB} mounts another device there{f' ({leads})' if leads else ''}; {told}"
            self._stop(Kind.REFUSED, f"will not take over {self.path}", why, move)
        elif lines and not lines[0].path.startswith(b"/"):
            why = f"{paths.FSTAB} uses {self.device}, but not as a mount; {told}"
            self._stop(Kind.REFUSED, f"will not take over a line of {paths.FSTAB}", why, move)

    def _other_mount(self) -> None:
        top = self.state.mounted
        if top is None or self._is_ours(top) or self._on_demand(top):
            return
        why = f"{top.source} ({top.type}, device {top.number}) is mounted there"
        next = f"unmount it, or declare another path in {self.key}"
        self._stop(Kind.REFUSED, f"will not mount over {self.path}", why, next)

    def _read_only(self) -> None:
        top = self.state.mounted
        if top is None or not self._is_ours(top) or not top.readonly or "ro" in self.volume.mount.options:
            return
        if self.permissions.startswith("read-only"):
            why, next = "its volume is read-only", f"see what is said of volume {self.volume.id}"
        elif "ro" in top.flags and "rw" in top.options:
            why = "someone mounted it so"
            next = f"`mount -o remount,rw {self.path}`, or declare the option ro"
        else:
            why = "a file system goes read-only by itself after errors: what it holds on disk may be damaged"
            next = "see the kernel's log; then unmount, check (fsck, xfs_repair), and run again"
        self._stop(Kind.BLOCKED, f"{self.path} is mounted read-only, though declared to be written to", why, next)

    def _hides(self) -> None:
        if not self.state.below:
            return
        places = ", ".join(self.state.below[:5])
        why = f"{places} is mounted below it, and would be hidden"
        next = f"unmount that, and run again; or declare another path in {self.key}"
        self._stop(Kind.REFUSED, f"will not mount at {self.path}", why, next)

    def _folder(self) -> None:
        if self.state.mounted is None and self.state.folder not in ("", "missing"):
            next = f"make {self.path} a folder of its own, or declare the path that it leads to in {self.key}"
            self._stop(Kind.REFUSED, f"will not mount at {self.path}", self.state.folder, next)

    def _is_ours(self, mounted: Mounted) -> bool:
        return bool(self.number) and mounted.number == self.number

    def _on_demand(self, mounted: Mounted) -> bool:
        """systemd's automount point, if it was asked for: the mount comes with the first access."""
        return mounted.type == "autofs" and "x-systemd.automount" in self.volume.mount.options

    # Steps

    def line_step(self, before: bytes | None) -> Step | None:
        """The write that puts our line right in `before` (None: no fstab at all); None if it is right."""
        lines = self._lines_about()
        aliases = self.state.aliases
        if lines and fstab.says(lines[0], self.volume, self.boot_wait, aliases):
            return None
        line = fstab.declared(self.volume, self.boot_wait, fstab.kept(lines[0], aliases) if lines else b"")
        # Line numbers hold in `before` as well: the writes before ours add lines at the end, and take none away.
        content = fstab.put(before or b"", line, lines[0].number if lines else None)
        observed = lines[0].raw.decode(errors="backslashreplace").strip() if lines else "no line"
        return Step(
            self.ref,
            f"{'correct' if lines else 'add'} the line of {self.path} in {paths.FSTAB}",
            WriteFile(paths.FSTAB, content, before),
            (Drift(self.key, line.decode(errors="backslashreplace"), observed),),
            after=self.after,
        )

    def wants_mount(self) -> bool:
        return self.state.mounted is None

    def steps(self) -> list[Step]:
        """What follows the line in fstab."""
        if not self.wants_mount():
            return self._flags()
        drift = (Drift(self.key, f"mounted at {self.path}", "not mounted"),)
        steps = []
        after = (*self.after, *self.inside)
        if self.state.folder == "missing":
            make = MakeFolder(self.path)
            steps.append(Step(self.ref, f"make the mount point {self.path}", make, drift, after=after))
        # The whole command, device and options included: it does not depend on what fstab says at that instant.
        argv = (paths.MOUNT, "-t", self.volume.filesystem.type, "-o", self._options(), self.device, self.path)
        run = Run(argv, MOUNT_DEADLINE)
        steps.append(Step(self.ref, f"mount {self.volume.id} at {self.path}", run, drift, after=after))
        return steps

    def _options(self) -> str:
        own = (o for o in self.volume.mount.options if o not in FOR_FSTAB_ONLY and not o.startswith("x-"))
        return ",".join(dict.fromkeys((*own, "_netdev")))

    def _flags(self) -> list[Step]:
        """Flags of the mount that are declared and not live, set together with those that are live already."""
        live = self.state.mounted.flags
        wanted = [o for o in self.volume.mount.options if o in SAFE_FLAGS]
        times = [o for o in wanted if o in ACCESS_TIMES]
        wanted = [o for o in wanted if o not in times[:-1]]  # of two that exclude each other, mount takes the last
        missing = [o for o in wanted if o not in live]
        if not missing or not self._is_ours(self.state.mounted):
            return []
        kept = [o for o in live if o not in (ACCESS_TIMES if times else ())]
        # With device and path both given, mount(8) adds nothing from fstab; with `bind`, the kernel changes the flags
        # of this mount alone and leaves the file system's own options as they are (mount(8), "remount").
        options = ",".join(dict.fromkeys(("remount", "bind", *kept, *wanted)))
        return [
            Step(
                self.ref,
                f"set {', '.join(missing)} on {self.path}",
                Run((paths.MOUNT, "-o", options, self.device, self.path), MOUNT_DEADLINE),
                (Drift(self.key, ",".join(missing), ",".join(live)),),
            )
        ]

    # Findings

    def findings(self) -> list[Finding]:
        if self.trouble is not None:
            return [self.trouble]
        told = []
        if self.state.elsewhere:
            places = ", ".join(self.state.elsewhere)
            told.append((f"{self.volume.id} is mounted at {places}", "that is not declared; it is left alone"))
        if self.wants_mount() and self.state.files:
            told.append((f"{self.path} is not empty", "the files in it are hidden while the volume is mounted on it"))
        if self.state.mounted is not None and self._is_ours(self.state.mounted):
            told += [
                (f"{self.path} has {live}, declared {wanted}", "it takes effect when it is mounted the next time")
                for live, wanted in _other_values(self.state.mounted.options, self.volume.mount.options)
            ]
        return [Finding(self.ref, Kind.NOTE, what, why, key=self.key) for what, why in told]


def _disorder(seen: Present | Unknown | object, volume: Volume) -> str:
    """'' if the declared file system is there, finished and not waiting for anything; else why not."""
    if not isinstance(seen, Present):
        return getattr(seen, "reason", "there is no file system")
    facts = seen.facts
    if not isinstance(facts, FileSystem) or facts.type != volume.filesystem.type or not facts.complete:
        return f"the volume does not hold the declared {volume.filesystem.type} file system"
    if UNFORMATTED in facts.tags:
        return "the volume still carries the tag that says it is not formatted"
    return ""


def _other_values(live: tuple[str, ...], declared: tuple[str, ...]) -> list[tuple[str, str]]:
    """Options of the form key=value that are live with another value. What is not shown at all may be a default of
    the file system, which the kernel leaves out: that says nothing."""
    values = dict(o.partition("=")[::2] for o in live if "=" in o)
    pairs = [(o.partition("=")[0], o) for o in declared if "=" in o]
    return [(f"{key}={values[key]}", o) for key, o in pairs if key in values and f"{key}={values[key]}" != o]
