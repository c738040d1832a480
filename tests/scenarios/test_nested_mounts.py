"""A mount point within another declared mount, declared before it."""

from lunmirror.engine.model import Kind
from sim.stage import Stage, text
from sim.stories import blank

OUTER = '[groups.vg0.volumes.outer]\nsize = "64MiB"\nfilesystem = "ext4"\nmount = "/mnt"\n'


def mounted(stage: Stage) -> list[str]:
    """In the order in which they were mounted."""
    return [mount.path for mount in stage.world.mounts]


def nested() -> Stage:
    stage = blank(more=OUTER)
    stage.settle()
    return stage


def test_the_outer_one_is_mounted_first() -> None:
    """Mounted over what lies within, it would hide that: writers would meet a directory of the other volume."""
    stage = blank(more=OUTER)
    predicted = [s.title for s in stage.plan().report.steps if s.ref.layer == "mount"]

    first = stage.apply()

    assert mounted(stage) == ["/mnt", "/mnt/test"]
    assert predicted == [o.step.title for o in first.report.outcomes if o.step.ref.layer == "mount"]
    stage.settle()
    assert mounted(stage) == ["/mnt", "/mnt/test"]


def test_the_inner_mount_waits_for_the_outer_one() -> None:
    stage = blank(more=OUTER)

    failed = stage.apply(lambda call: "fails" if call.what.endswith("/dev/vg0/outer /mnt") else "")

    assert mounted(stage) == [], str(failed)
    assert failed.exit == 1
    stage.settle()
    assert mounted(stage) == ["/mnt", "/mnt/test"]


def test_the_inner_one_is_blocked_by_an_outer_one_that_is() -> None:
    stage = nested()
    for path in ("/mnt/test", "/mnt"):
        stage.world.unmount(path)
    stage.world.files["/etc/fstab"] += b"/dev/sdz /mnt ext4\n"
    stage.foreign = Stage(text(), stage.world).foreign

    refused = stage.apply()

    assert refused.exit == 4
    assert mounted(stage) == []
    assert "lies within /mnt" in refused.finding(Kind.BLOCKED)


def test_nothing_is_mounted_over_what_is_mounted_below() -> None:
    stage = nested()
    stage.world.unmount("/mnt")  # as `umount -l` of the outer one, and the inner one mounted again by hand

    refused = stage.apply()

    assert refused.exit == 4
    assert mounted(stage) == ["/mnt/test"]
    assert "/mnt/test is mounted below it" in refused.finding(Kind.REFUSED)
