"""The client loses its power while it writes. What a writer was told is there, and the legs are made equal: the kernel
does not do that (docs/lab-findings.md, 5)."""

from kit import MOUNT, Lab
from test_outages import RAID1, whole

EQUAL = "make the legs of vg0/testlv equal after an unclean end"
WRITERS = 6


def idle(lab: Lab) -> None:
    lab.run(
        "for i in $(seq 240); do dmsetup status vg0-testlv | grep -qw idle && exit 0; sleep 0.5; done; exit 1",
        timeout=150,
    )


def differing(lab: Lab) -> int:
    """Sectors of the two legs of a volume that is not active which differ, read off the disks themselves."""
    extent = int(lab.run("vgs --noheadings --units b --nosuffix -o vg_extent_size vg0").stdout)
    size = int(lab.run("lvs --noheadings --units b --nosuffix -o lv_size vg0/testlv").stdout)
    places = []
    for leg in (0, 1):
        query = f"lvs -a --noheadings -o devices vg0/testlv_rimage_{leg}"
        node, first = lab.run(query).stdout.strip().removesuffix(")").split("(")
        start = int(lab.run(f"pvs --noheadings --units b --nosuffix -o pe_start {node}").stdout)
        places.append((node, start + int(first) * extent))
    (one, at), (other, there) = places
    compare = f"cmp -l --ignore-initial={at}:{there} --bytes={size} {one} {other}"
    return int(lab.run(f"{compare} | awk '{{s[int(($1-1)/512)]}} END {{print length(s)}}'", timeout=180).stdout)


def test_legs_that_a_power_cut_forced_apart_are_made_equal(converged):
    lab = converged("raid1-5s", RAID1)
    lab.run("for s in /sys/class/iscsi_session/*; do echo 100 > $s/recovery_tmo; done")  # nothing is to be given up
    for n in range(WRITERS):
        lab.spawn(f"writer {MOUNT}/blocks{n} --log /root/blocks{n}.log --interval-ms 10 --direct")
    lab.run("sleep 8; filer hang filer2; sleep 6")
    lab.machine.power_cut()
    lab.machine.boot()
    lab.run(
        "for i in $(seq 120); do [ $(ls -d /sys/class/iscsi_session/* | wc -l) = 2 ] && exit 0; sleep 1; done",
        timeout=180,
    )
    differed = differing(lab)
    lab.figure(f"{differed} sectors differed after the power cut")

    first = lab.apply(expect=3)

    assert EQUAL in first.titles(), str(first)
    assert "not a clean one" in str(first.findings("degraded")), str(first)
    idle(lab)
    lab.settle()
    whole(lab)
    for n in range(WRITERS):
        lab.run(f"writer verify {MOUNT}/blocks{n} /root/blocks{n}.log", timeout=120)
    assert len(set(lab.on_each_leg("blocks0").values())) == 1
    assert differed, "the power cut left the legs equal: nothing is shown"


def test_after_an_orderly_reboot_nothing_is_compared(converged):
    lab = converged("raid1-5s", RAID1)
    witness = lab.write_file()
    lab.machine.reboot()

    ran = lab.apply()

    assert EQUAL not in ran.titles(), str(ran)
    assert "activate volume vg0/testlv" in ran.titles(), str(ran)
    assert lab.checksum(f"{MOUNT}/witness") == witness
    lab.settle()
    assert lab.apply(expect=0).titles() == []
