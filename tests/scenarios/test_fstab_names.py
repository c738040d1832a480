"""fstab names our volume by label or UUID: nothing to do while it works, and `plan` foretells what `apply` does."""

import pytest

from lunmirror.engine.model import Kind
from sim.stage import Stage, converged, text

LABELLED = text().replace('filesystem = "ext4"', 'filesystem = { type = "ext4", label = "mail" }')
NAMES = ["LABEL=mail", "UUID=", "/dev/disk/by-label/mail"]


def named(name: str) -> Stage:
    stage = converged(LABELLED)
    uuid = stage.world.actives[0].source().data.fs.uuid
    name = f"UUID={uuid}" if name == "UUID=" else name
    fstab = stage.world.files["/etc/fstab"]
    assert b"/dev/vg0/testlv" in fstab
    stage.world.files["/etc/fstab"] = fstab.replace(b"/dev/vg0/testlv", name.encode())
    stage.foreign = type(stage)(LABELLED, stage.world).foreign
    return stage


@pytest.mark.parametrize("name", NAMES)
def test_while_it_works_nothing_is_done(name: str) -> None:
    stage = named(name)
    ran = stage.apply()
    assert (ran.exit, ran.done) == (0, []), str(ran)


@pytest.mark.parametrize("name", NAMES)
def test_of_a_stopped_volume_plan_reports_what_apply_does(name: str) -> None:
    stage = named(name)
    before = stage.world.files["/etc/fstab"]
    stage.world.unmount("/mnt/test")
    stage.world.deactivate("testlv")
    planned = stage.plan()
    ran = stage.apply()
    assert [s.title for s in planned.report.steps] == [o.step.title for o in ran.report.outcomes], str(ran)
    assert Kind.REFUSED not in planned.kinds() | ran.kinds()
    assert ran.exit == 0
    assert stage.world.files["/etc/fstab"] == before
    assert stage.world.mounts


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_another_device_has_as_well_is_refused(name: str) -> None:
    """A copy of the volume, or an unrelated device with that label: which one a boot would mount is chance."""
    stage = named(name)
    links = "/run/udev/links/disk\\x2f"
    uuid = stage.world.actives[0].source().data.fs.uuid
    of = f"by-uuid\\x2f{uuid}" if name == "UUID=" else "by-label\\x2fmail"
    stage.world.files[f"{links}{of}/b7:6"] = b""
    stage.world.version += 1
    ran = stage.apply()
    assert (ran.exit, ran.done) == (4, [])
    assert "numbers 7:6" in ran.finding(Kind.REFUSED)
