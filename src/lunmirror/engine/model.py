"""The words that every module shares. Standard library only; imports nothing of ours.

Named tuples, not dataclasses, throughout: all of this is imported by every run from cron, and a frozen dataclass
costs the interpreter ten to thirty times as much to define (docs/performance.md).
"""

from collections.abc import Mapping
from enum import Enum
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Ref(NamedTuple):
    """Names one resource: a layer and a name that is unique in it (`session filer1`, `volume vg0/testlv`)."""

    layer: str
    name: str

    def __str__(self) -> str:
        return f"{self.layer} {self.name}"


class Present(NamedTuple, Generic[T_co]):
    """It was looked at, and it is there."""

    facts: T_co


class Absent(NamedTuple):
    """It was looked at, the answer was whole, and it is not there."""


class Unknown(NamedTuple):
    """It could not be looked at, or the answer cannot be trusted. Never leads to a create, a wipe or a removal. `decide`:
    what an administrator has to do first, where waiting would not help. `about`: what was seen all the same, for the journal
    alone."""

    reason: str
    decide: str = ""
    about: object = None


ABSENT = Absent()
Seen: TypeAlias = Present[T_co] | Absent | Unknown
Observed: TypeAlias = Mapping[str, Seen[Any]]  # one layer: resource name -> what was seen
World: TypeAlias = Mapping[str, Observed]  # layer name -> its observations, lower layers only while planning


def facts_of(state: Seen[Any] | None, kind: type[T]) -> T | None:
    """What was seen, if it was, and is of this kind; None for absent, unknown, or anything else."""
    return state.facts if isinstance(state, Present) and isinstance(state.facts, kind) else None


class Drift(NamedTuple):
    """One difference between the desired state and the machine. `key` is the TOML key path that declares it."""

    key: str
    desired: str
    observed: str


class Risk(Enum):
    """What a step could cost if the world were not as observed."""

    NONE = "none"  # touches settings or starts something; nothing stored can be lost
    ONLINE = "online"  # changes a volume in use, by a method proven safe under load
    FEWER = "fewer"  # starts or keeps a volume on fewer legs than declared, or gives one up
    CONSUMES = "consumes"  # writes over what a disk or volume held; wants proof that this is nothing


class Guard(NamedTuple):
    """A fact that must still hold at the instant a step is taken: the file at `path` reads `content` (stripped).

    Closes the gap between observing /dev/sdX and writing to it: `diskseq` in sysfs changes with every disk that
    takes over the name (Linux 5.15, Documentation/ABI/stable/sysfs-block).
    """

    path: str
    content: str


class AwaitSessions(NamedTuple):
    """Wait until a session to each (target, address, port) is logged in, at most `deadline` seconds. One that is late
    is not a failure: what follows is planned from what is there then."""

    wanted: tuple[tuple[str, str, int], ...]
    deadline: float


class Run(NamedTuple):
    """Run one program. `argv` holds no secret; `stdin` is shown to the user; `deadline` is in seconds; `meanings`
    puts exit codes that the program's own words do not explain into words: (code, sentence); `settles`: its effect may
    come later than its end, and is then waited for; `makes`: a file that it writes without care for a power cut, and that
    is therefore brought to the disk when it has ended."""

    argv: tuple[str, ...]
    deadline: float = 60.0
    stdin: bytes = b""
    ok: tuple[int, ...] = (0,)
    meanings: tuple[tuple[int, str], ...] = ()
    settles: AwaitSessions | None = None
    makes: str = ""


class WriteFile(NamedTuple):
    """Replace a whole file, atomically. `before` is what was read (None: absent); the file must still read so.

    mode:    permission bits of the new file.
    scratch: directory for the temporary file, on the same file system ("" = the file's own directory).
    locked:  hold open-iscsi's database lock while replacing.
    secrets: strings in `content` or `before` that no output may show.
    """

    path: str
    content: bytes
    before: bytes | None
    mode: int = 0o644
    scratch: str = ""
    locked: bool = False
    secrets: tuple[str, ...] = ()


class RemoveFile(NamedTuple):
    """Remove one file whose whole content was `before`."""

    path: str
    before: bytes
    locked: bool = False


class WriteValue(NamedTuple):
    """Write one value into a kernel attribute (sysfs)."""

    path: str
    value: str


class MakeDirectory(NamedTuple):
    """Make one directory (and its missing parents)."""

    path: str
    mode: int = 0o755


class AwaitPath(NamedTuple):
    """Wait until a path matching one of the patterns exists, at most `deadline` seconds."""

    patterns: tuple[str, ...]
    deadline: float


class AwaitPortals(NamedTuple):
    """Give absent servers some time: wait until all these (address, port) accept connections, at most `deadline`
    seconds. Silence is not a failure: what follows is planned from what is there then."""

    endpoints: tuple[tuple[str, int], ...]
    deadline: float


Action = Run | WriteFile | RemoveFile | WriteValue | MakeDirectory | AwaitPath | AwaitPortals | AwaitSessions
WAITS = (AwaitPortals, AwaitSessions)  # actions that change nothing themselves: they give others time


class Step(NamedTuple):
    """One thing to do, as data: what it touches, which drift it answers, exactly how, and at what risk.

    title:    an imperative sentence without an end ("log in to iqn… at 192.168.1.115:3260").
    proof:    for Risk.CONSUMES, why nothing is lost; the gate refuses such a step without one.
    guards:   re-checked by the executor at the last instant.
    after:    set only by `plan`: what must come first and has not happened, so that this step is a prediction.
    together: may run at the same time as the neighbouring steps that say so too.
    server:   the server whose service the step disturbs, if any; the gate lets one pass disturb only one.
    """

    ref: Ref
    title: str
    action: Action
    drift: tuple[Drift, ...]
    risk: Risk = Risk.NONE
    proof: str = ""
    guards: tuple[Guard, ...] = ()
    after: tuple[Ref, ...] = ()
    together: bool = False
    server: str = ""


class Kind(Enum):
    """What a finding means for the result of the pass."""

    REFUSED = "refused"  # an administrator must decide
    BLOCKED = "blocked"  # cannot be done now: something it needs failed, is absent or unknown
    DEGRADED = "degraded"  # works, with less redundancy than declared
    NOTE = "note"  # worth saying; no effect on the result


class Finding(NamedTuple):
    """Something that no step repairs: what, why, and the next move of the administrator who reads it."""

    ref: Ref
    kind: Kind
    what: str
    why: str = ""
    next: str = ""
    key: str = ""


class Plan(NamedTuple):
    """One layer's answer: the steps that lead to the desired state, and what no step can repair."""

    steps: tuple[Step, ...] = ()
    findings: tuple[Finding, ...] = ()


class Outcome(NamedTuple):
    """What became of one step. `status` is done, failed or skipped; `seconds` is wall-clock time."""

    step: Step
    status: str
    seconds: float = 0.0
    error: str = ""


class Report(NamedTuple):
    """All that one pass saw, did and could not do; every output is a rendering of this.

    outcomes: apply only; steps: plan only. `seen` is the last observation of every layer. `detailed`: changes made
    count as a result of their own (apply --detailed-exitcode).
    """

    verb: str
    run: str
    steps: tuple[Step, ...]
    outcomes: tuple[Outcome, ...]
    findings: tuple[Finding, ...]
    seen: World
    seconds: float
    detailed: bool = False
