"""What can be known of how long the kernel waits for a disk: three attributes of a SCSI disk in sysfs."""

from lunmirror.record import NamedTuple


class Patience(NamedTuple):
    """One SCSI disk. `kernel` is its name ("sdb"), `place` its folder in sysfs, reached through its session, so that
    no other disk can take it over. Seconds and a count; None if the kernel has no such attribute or it cannot be
    read. `retries_at` is the folder that holds max_retries, '' if it cannot be found."""

    kernel: str
    place: str
    timeout: int | None
    eh_timeout: int | None
    max_retries: int | None
    retries_at: str
