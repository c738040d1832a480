"""Two hosts on one pair of servers. There is one kernel in the lab, so the machine plays them one after the other: with
another machine-id and initiator name, and with node records, configuration and journal of its own."""

import re

import pytest
from kit import LAYOUTS, MOUNT, Lab

OTHER = ("fedcba9876543210fedcba9876543210", "iqn.1993-08.org.debian:01:000000000002")
KEPT = (
    "$NODES $NODES/../send_targets /etc/lunmirror /var/lib/lunmirror /etc/machine-id /etc/iscsi/initiatorname.iscsi"
)


def identity(lab: Lab) -> tuple[str, str]:
    named = lab.run("cat /etc/machine-id; sed -n s/^InitiatorName=//p /etc/iscsi/initiatorname.iscsi").stdout.split()
    return named[0], named[1]


def leave(lab: Lab, name: str) -> None:
    """This host ends everything, and what is its own is put away under a name."""
    lab.run(
        f"umount {MOUNT} 2>/dev/null; lvchange -an vg0 2>/dev/null; iscsiadm -m node -u", check=False, timeout=120
    )
    lab.run("systemctl stop iscsid.socket iscsid; rm -rf /run/lunmirror", timeout=60)
    lab.run(
        f"rm -rf /root/{name}; mkdir /root/{name} && tar -C / -cPf /root/{name}/own.tar $(ls -d {KEPT} 2>/dev/null)"
    )


def arrive(lab: Lab, name: str = "") -> None:
    """A host that left is back as it was; without a name a new one comes, with nothing but its identity."""
    lab.run("rm -rf $NODES/* $NODES/../send_targets/* /var/lib/lunmirror /etc/lunmirror/*")
    if name:
        lab.run(f"tar -C / -xPf /root/{name}/own.tar")
    else:
        identify(lab, *OTHER)
    lab.run("systemctl start iscsid.socket iscsid", timeout=60)


def identify(lab: Lab, machine: str, initiator: str) -> None:
    lab.put("/etc/machine-id", f"{machine}\n")
    lab.put("/etc/iscsi/initiatorname.iscsi", f"InitiatorName={initiator}\n")


def mark(lab: Lab) -> str:
    tags = lab.run("vgs --noheadings -o vg_tags vg0").stdout.strip().split(",")
    return ",".join(t.removeprefix("lunmirror.host=") for t in tags if t.startswith("lunmirror.host="))


def taking(mark: str) -> str:
    return LAYOUTS["core"].replace("[groups.vg0]\n", f'[groups.vg0]\ntake_from = "{mark}"\n')


def refused(lab: Lab) -> str:
    ran = lab.apply(expect=4)
    return "\n".join(f"{f['what']}; {f['why']}; {f['next']}" for f in ran.findings("refused"))


def test_a_group_changes_hands_in_one_write_and_the_old_host_stays_off(converged) -> None:
    lab = converged("core", LAYOUTS["core"])
    ours = identity(lab)
    assert mark(lab) == "/".join(ours)
    before = lab.write_file()
    leave(lab, "old")

    arrive(lab)
    lab.configure(LAYOUTS["core"])
    assert f'take_from = "{"/".join(ours)}"' in refused(lab)
    assert (lab.dm(), lab.mounted()) == ("", "")

    seqno = lab.seqno()
    lab.configure(taking(ours[0]))
    took = lab.apply()
    titles = took.titles()
    taken = next(n for n, title in enumerate(titles) if "take volume group vg0 over" in title)
    assert taken < next(n for n, title in enumerate(titles) if "activate volume" in title), titles
    assert lab.seqno() == seqno + 1, "the mark moved in one commit, and nothing else was written"
    assert mark(lab) == f"{OTHER[0]}/{OTHER[1]}#1"
    lab.settle()
    assert lab.mounted().startswith("/dev/mapper/vg0-testlv")
    assert lab.checksum(f"{MOUNT}/witness") == before
    seqno = lab.seqno()
    leave(lab, "new")

    arrive(lab, "old")
    said = refused(lab)
    assert OTHER[0] in said
    assert f'take_from = "{OTHER[0]}/{OTHER[1]}#1"' in said
    assert (lab.dm(), lab.mounted()) == ("", "")
    # a consent of before the first takeover is none now
    lab.configure(taking(OTHER[0]))
    assert "is no consent to this" in refused(lab)
    assert (lab.dm(), lab.mounted(), lab.seqno()) == ("", "", seqno)

    lab.configure(taking(f"{OTHER[0]}/{OTHER[1]}#1"))
    lab.settle()
    assert mark(lab) == f"{'/'.join(ours)}#2"
    assert lab.checksum(f"{MOUNT}/witness") == before


def test_an_initiator_name_that_was_changed_is_no_dead_end(converged) -> None:
    lab = converged("core", LAYOUTS["core"])
    machine, initiator = identity(lab)
    identify(lab, machine, OTHER[1])
    said = refused(lab)
    assert initiator in said
    assert "vg0/testlv IS ACTIVE HERE" in said
    assert lab.mounted(), "what is in service stays so"
    consent = re.search(r'take_from = "([^"]+)"', said)
    assert consent
    lab.configure(taking(consent[1]))
    lab.settle()
    assert mark(lab) == f"{machine}/{OTHER[1]}#1"


@pytest.mark.parametrize("older", [False, True])
def test_a_group_without_a_whole_mark_gets_one(converged, older: bool) -> None:
    lab = converged("core", LAYOUTS["core"])
    machine, initiator = identity(lab)
    put = f"--addtag lunmirror.host={machine}" if older else ""
    lab.run(f"vgchange --deltag lunmirror.host={machine}/{initiator} {put} vg0")
    seqno = lab.seqno()
    lab.apply(expect=0)
    assert (mark(lab), lab.seqno()) == (f"{machine}/{initiator}", seqno + 1)
    assert lab.apply(expect=0).titles() == []


def test_a_takeover_waits_for_a_member_that_is_away(converged) -> None:
    lab = converged("core", LAYOUTS["core"])
    ours = identity(lab)
    leave(lab, "old")
    arrive(lab)
    lab.run("filer stop filer2")
    lab.configure(taking(ours[0]))
    seqno = lab.seqno()
    ran = lab.apply()
    assert ran.rc in (1, 4), str(ran)
    blocked = next(f for f in ran.findings("blocked") if "cannot be taken over yet" in f["what"])
    assert (lab.dm(), lab.mounted(), mark(lab), lab.seqno()) == ("", "", "/".join(ours), max(seqno, lab.seqno()))

    # What an administrator may do where the server is lost for good, as the finding says it: LVM does not refuse.
    by_hand = re.search(r"`(vgchange [^`]+)`", blocked["next"])
    assert by_hand
    lab.run(by_hand[1])
    assert mark(lab) == f"{OTHER[0]}/{OTHER[1]}#1"
    assert "missing" in lab.run("pvs --noheadings -o pv_missing").stdout
    lab.run("filer start filer2")
    lab.settle()
    assert lab.mounted().startswith("/dev/mapper/vg0-testlv")
