"""One root class: every error says what happened, where, why, and what to do next. For an administrator at 3 a.m."""

from lunmirror.engine.exits import Exit


class LunmirrorError(Exception):
    """Something that a user or a machine caused; shown as sentences, never as a traceback.

    what:  what could not be done, one sentence.
    where: the file and key path, or the resource.
    why:   the cause as far as it is known.
    next:  what the administrator does now.
    """

    exit = Exit.FAILED

    def __init__(self, what: str, *, where: str = "", why: str = "", next: str = "") -> None:
        super().__init__(what)
        self.what, self.where, self.why, self.next = what, where, why, next

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        tail = "".join(f"\n  {label}: {text}" for label, text in (("why", self.why), ("next", self.next)) if text)
        return head + tail


class UsageError(LunmirrorError):
    """The command line cannot be carried out as given."""

    exit = Exit.USAGE


class ConfigError(LunmirrorError):
    """The configuration is wrong. `problems` holds every fault found, in the order of the files."""

    exit = Exit.CONFIG

    def __init__(self, problems: "list[LunmirrorError]") -> None:
        super().__init__("; ".join(p.what for p in problems))
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(str(p) for p in self.problems)


class BusyError(LunmirrorError):
    """Another pass holds the run lock."""

    exit = Exit.BUSY


class HostError(LunmirrorError):
    """The machine lacks something that every pass needs (root, a program, /sys)."""
