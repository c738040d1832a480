"""A second pass over a converged machine does nothing (issue 2, what must be shown, 2)."""

import pytest
from kit import LAYOUTS


@pytest.mark.parametrize("layout", [pytest.param("core", marks=pytest.mark.core), "mirror", "xfs", "single"])
def test_a_second_pass_finds_nothing_to_do(converged, layout: str) -> None:
    lab = converged(layout, LAYOUTS[layout])
    before, sessions, seqno = lab.footprint(), lab.sessions(), lab.seqno()
    with lab.stopwatch() as changed:
        rc, executed = lab.executed("apply", "--detailed-exitcode")
    assert rc == 0, "2 would tell of changes"
    assert lab.footprint() == before  # inode and mtime of every file, tables, mounts, LVM's archive
    assert lab.sessions() == sessions
    assert lab.seqno() == seqno
    # All in memory: the lock, and the status that watchers read, replaced whole.
    assert sorted(changed) == ["/run/lunmirror", "/run/lunmirror/lock", "/run/lunmirror/status.json"]
    assert_only_reads(executed)
    assert seqno > 0
    assert len(sessions) == LAYOUTS[layout].count("[disks.")


def assert_only_reads(executed: list[list[str]]) -> None:
    """At most one read of LVM and one of device-mapper, and nothing else."""
    reads = sorted((argv[0].rsplit("/", 1)[-1], argv[1]) for argv in executed)
    assert reads == [("dmsetup", "status"), ("lvm", "fullreport")], executed
    assert "--nolocking" in next(argv for argv in executed if argv[1] == "fullreport")
