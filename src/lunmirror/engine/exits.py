"""The exit-code contract: the one table that the man page and the docs repeat (a test holds them together)."""

from enum import IntEnum


class Exit(IntEnum):
    """What a run of lunmirror ends with. `meaning` is the sentence that every document shows."""

    meaning: str

    def __new__(cls, code: int, meaning: str) -> "Exit":
        member = int.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member

    @property
    def for_systemd(self) -> int:
        """What a unit ends with: systemd gives 3 and 4 names of its own (NOTIMPLEMENTED, NOPERMISSION: systemd.exec(5)),
        which mislead, and 103 and 104 none."""
        return 100 + self if self in (Exit.DEGRADED, Exit.REFUSED) else int(self)

    CONVERGED = 0, "converged: nothing to do, or all done"
    FAILED = 1, "a step failed"
    DRIFT = 2, "drift found by plan, or changes made by apply --detailed-exitcode"
    DEGRADED = 3, "everything possible was done, but redundancy is not full (degraded or rebuilding)"
    REFUSED = 4, "refused: an administrator must decide"
    USAGE = 64, "the command line is wrong"
    BUSY = 75, "another pass is running"
    CONFIG = 78, "the configuration is not valid"
