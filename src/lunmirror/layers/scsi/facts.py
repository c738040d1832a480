"""What can be known of a SCSI disk beside its content, from sysfs: how long the kernel waits for it, and whether it may
forget what it acknowledged."""

from typing import NamedTuple

from lunmirror.engine.desired import Desired, Disk

THROUGH = ("write through", "none")  # drivers/scsi/sd.c, sd_cache_types; the other two begin with "write back"


class Patience(NamedTuple):
    """One SCSI disk. `kernel` is its name ("sdb"), `place` its directory in sysfs, reached through its session, so that
    no other disk can take it over. Seconds and a count; None if the kernel has no such attribute or it cannot be
    read. `retries_at` is the directory that holds max_retries, '' if it cannot be found.
    `cache` is what the disk said of its write cache when the kernel last asked, in the kernel's words; '' if that cannot
    be read. A disk that says nothing is "write through" to the kernel."""

    kernel: str
    place: str
    timeout: int | None
    eh_timeout: int | None
    max_retries: int | None
    retries_at: str
    cache: str = ""

    @property
    def volatile(self) -> bool:
        """It may lose what it acknowledged and nobody had it flush, as far as is known."""
        return self.cache not in THROUGH


def refused(desired: Desired, disk: Disk, one: Patience) -> bool:
    """Whether its write cache is one that is declared not to be accepted. One that cannot be read is not called volatile."""
    return desired.servers[disk.server].write_cache == "through" and bool(one.cache) and one.volatile
