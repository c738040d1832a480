"""What is seen of the servers from here, from sysfs alone: names of their LUNs, what was negotiated."""

from lunmirror.engine.model import Kind
from sim.iscsi import login
from sim.stage import SERVERS, Stage, converged, text
from sim.world import make_world

DIGEST = text().replace("[servers.filer1]\n", '[servers.filer1]\ndata_digest = "CRC32C"\n')


def notes(stage: Stage) -> str:
    return stage.apply().finding(Kind.NOTE)


def named(stage: Stage, disk: str, wwid: str, serial: str) -> None:
    lun = stage.lun(disk)
    lun.wwid, lun.serial = wwid, serial
    stage.world.version += 1


def test_two_servers_with_their_targets_defaults_are_reported() -> None:
    said = notes(converged(text()))
    assert "disks left and right report the same identity 't10.IET 00010001'" in said
    assert "serial number beaf11" in said
    assert "multipath would join them" in said


def test_luns_with_names_of_their_own_are_not() -> None:
    stage = converged(text())
    named(stage, "left", "naa.6001405aaaaaaaaaaaaaaaaaaaaaaaaa", "aaaa")
    named(stage, "right", "naa.6001405bbbbbbbbbbbbbbbbbbbbbbbbb", "bbbb")
    assert "report the same" not in notes(stage)


def test_one_serial_number_under_two_identities_is() -> None:
    stage = converged(text())
    named(stage, "left", "naa.6001405aaaaaaaaaaaaaaaaaaaaaaaaa", "0001")
    named(stage, "right", "naa.6001405bbbbbbbbbbbbbbbbbbbbbbbbb", "0001")
    assert "disks left and right report the same serial number 0001" in notes(stage)


def test_a_serial_number_that_changes_makes_no_other_disk() -> None:
    """The server, target and LUN say which disk it is; what it calls itself is reported where it is equal, and never used."""
    stage = converged(text())
    named(stage, "left", "naa.6001405aaaaaaaaaaaaaaaaaaaaaaaaa", "0001")
    named(stage, "right", "naa.6001405bbbbbbbbbbbbbbbbbbbbbbbbb", "0002")
    held = {disk: stage.lun(disk).body for disk in ("left", "right")}
    assert (stage.apply().exit, stage.apply().host.changed) == (0, [])
    stage.world.reboot()
    assert stage.settle().exit == 0
    assert {disk: stage.lun(disk).body for disk in ("left", "right")} == held
    assert "report the same" not in notes(stage)


def test_a_declared_digest_holds_from_the_first_login() -> None:
    stage = Stage(DIGEST, make_world())
    last = stage.settle()
    assert next(s for s in stage.world.sessions if s.server.name == "filer1").digest
    assert "data_digest" not in last.finding(Kind.NOTE)


def test_a_later_digest_is_live_after_the_next_login() -> None:
    stage = converged(text()).configure(DIGEST)
    said = stage.settle().finding(Kind.NOTE)
    assert "declared, not live in session" in said
    assert "data_digest CRC32C (live None)" in said
    assert "--relogin" in said

    address, target = SERVERS["filer1"]
    stage.world.logout("filer1")
    login(stage.world, target, f"{address}:3260")
    assert "data_digest" not in stage.settle().finding(Kind.NOTE)
