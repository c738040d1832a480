"""What is seen of the servers from here: the names of their LUNs in sysfs, and digests that were negotiated."""

import pytest
from kit import SERVERS, Lab, config, volume
from world import told

TOML = config(volume=volume("48MiB"))
DIGEST = config(volume=volume("48MiB"), servers={"filer1": 'data_digest = "CRC32C"'})


def notes(lab: Lab) -> str:
    return "\n".join(f"{f['what']}; {f['why']}" for f in lab.plan().findings("note"))


def rename(lab: Lab, server: str, number: int) -> None:
    """The server's LUN gets a name and a serial number of its own; the client sees it when it logs in again."""
    words = f"scsi_id=lunmirror{number:04},scsi_sn=sn{number:04}"
    lab.run(f"tgtadm -C {number} --lld iscsi --mode logicalunit --op update --tid 1 --lun 1 --params {words}")
    place = f"-T {SERVERS[server][2]} -p {SERVERS[server][0]}"
    lab.run(f"iscsiadm -m node {place} --logout && iscsiadm -m node {place} --login && udevadm settle", timeout=60)


def test_equal_names_are_reported_in_full_and_names_of_their_own_are_not(converged):
    lab = converged("equal-names", TOML)
    said = notes(lab)
    assert "disks left and right report the same identity" in said
    assert "serial number" in said, "sysfs has page 80 of tgt's LUNs"
    lab.run("umount /mnt/test && lvchange -an vg0/testlv")
    rename(lab, "filer1", 1)
    rename(lab, "filer2", 2)
    lab.settle()
    assert "report the same" not in notes(lab)


@pytest.mark.unproven
def test_a_digest_is_missed_until_the_next_login_and_the_server_must_offer_it(converged):
    """tgt offers none until its target is set so: then the login is refused, with the words for it, and the mirror goes on."""
    lab = converged("equal-names", TOML)
    lab.configure(DIGEST)
    lab.settle()
    assert "data_digest CRC32C (live None)" in notes(lab)
    refused = lab.apply("--relogin", expect=1, timeout=600)
    told(refused, "refused the login for good", "data_digest")
    assert lab.mounted()
    lab.write_file()
    lab.run("tgtadm -C 1 --lld iscsi --mode target --op update --tid 1 --name DataDigest --value CRC32C")
    lab.settle(passes=12)
    connection = lab.sid("left").replace("session", "connection", 1)
    assert lab.run(f"cat /sys/class/iscsi_connection/{connection}:0/data_digest").stdout.strip() == "1"
    assert "data_digest" not in notes(lab)
    assert len(set(lab.on_each_leg().values())) == 1
