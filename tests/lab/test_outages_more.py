"""More outages: those of a segtype mirror, what a resync copies, and the good server dying while the other catches up."""

import json

from kit import MOUNT, Lab, config, volume
from test_outages import (
    MIRROR,
    OF_A_MIRROR,
    alternating,
    back,
    both_gone_and_back,
    come_back_blank,
    given_up_or_touch,
    move,
    narrowed,
    outage_while_copying,
    session_destroyed,
    short_outage,
    whole,
    writing,
)

BIG = config(policy='stall_budget = "6s"\nboot_wait = "5s"', volume=volume("256MiB"))


def equal(lab: Lab) -> None:
    assert " mirror 2 " in lab.dm()
    witness = lab.write_file()
    assert set(lab.on_each_leg().values()) == {witness}


def test_a_mirror_through_alternating_outages(converged):
    lab = converged("mirror-9s", MIRROR)
    with writing(lab):
        alternating(lab, 4, lambda disk: narrowed(lab))
    equal(lab)


def test_a_short_outage_of_a_mirror(converged):
    lab = converged("mirror-9s", MIRROR)
    with writing(lab):
        short_outage(lab)
    equal(lab)


def test_a_mirror_whose_session_was_destroyed(converged):
    lab = converged("mirror-9s", MIRROR)
    with writing(lab):
        session_destroyed(lab, narrowed)
    equal(lab)


def test_a_blank_replacement_for_a_mirror(converged):
    lab = converged("mirror-9s", MIRROR)
    with writing(lab):
        lab.run("filer cut filer2")
        narrowed(lab)
        come_back_blank(lab, MIRROR)
    assert lab.apply(expect=0).titles() == []
    assert lab.run("vgs --noheadings -o vg_missing_pv_count,pv_count vg0").stdout.split() == ["0", "2"]
    equal(lab)


def test_an_outage_during_the_initial_sync_of_a_mirror(lab):
    outage_while_copying(lab, OF_A_MIRROR["policy"], "mirror")
    equal(lab)


def test_both_servers_of_a_mirror_gone_and_back(converged):
    lab = converged("mirror-9s", MIRROR)
    both_gone_and_back(lab)
    equal(lab)


def test_a_leg_of_a_mirror_is_moved_to_another_server_while_in_use(converged):
    lab = converged("mirror-9s", MIRROR)
    move(lab, **OF_A_MIRROR)
    equal(lab)


def test_a_resync_copies_what_changed_and_no_more(converged):
    lab = converged("raid1-256", BIG)
    lab.run("filer cut filer2")
    given_up_or_touch(lab)
    lab.write_file("meanwhile", 2 << 20)
    lab.run("filer restore filer2")
    back(lab, "right")
    stat = f"/sys/block/{lab.device('right')}/stat"
    before = int(lab.get(stat).split()[6])
    lab.settle()
    copied = (int(lab.get(stat).split()[6]) - before) * 512
    whole(lab)
    lab.figure(f"{copied / 2**20:.1f} MiB copied to a leg of 256 MiB that missed 2 MiB")
    assert 2 << 20 <= copied <= 64 << 20
    assert len(set(lab.on_each_leg("meanwhile").values())) == 1


def diskseq(lab: Lab) -> int:
    number = lab.run("dmsetup info -c --noheadings -o major,minor --separator : vg0-testlv").stdout.strip()
    return int(lab.get(f"/sys/dev/block/{number}/diskseq"))


def catching_up(lab: Lab) -> str:
    """filer2 was away and is back, and its leg is being copied, slowly; the digest of the file that it missed."""
    lab.run("filer cut filer2")
    given_up_or_touch(lab)
    lab.apply(expect=3)
    missed = lab.write_file("missed", 24 << 20)
    lab.slow_copy()
    lab.run("filer restore filer2")
    back(lab, "right")
    lab.apply(expect=3)
    assert " Aa " in lab.dm()
    return missed


def test_the_good_server_dies_between_the_end_of_a_copy_and_the_next_pass(converged):
    """The leg that caught up goes on, as one history, and starts the volume alone; at the end both have everything."""
    lab = converged("raid1-256", BIG)
    missed = catching_up(lab)
    lab.slow_copy(False)
    lab.run(
        "for i in $(seq 240); do dmsetup status vg0-testlv | grep -qw AA && exit 0; sleep 0.25; done; exit 1",
        timeout=120,
    )
    lab.run("filer cut filer1")
    given_up_or_touch(lab, "DA")
    after = lab.write_file("after", 1 << 20)
    seen = lab.apply(expect=3)
    assert "split brain" not in seen.stdout
    copied_in = diskseq(lab)
    lab.run(f"umount {MOUNT} && lvchange -an vg0/testlv --devices /dev/{lab.device('right')}", timeout=120)
    lab.apply(expect=3)
    assert lab.mounted(), "the leg that caught up starts it"
    assert diskseq(lab) > copied_in, "what the journal tells one activation from another by"
    assert (lab.checksum(f"{MOUNT}/missed"), lab.checksum(f"{MOUNT}/after")) == (missed, after)
    lab.run("filer restore filer1")
    back(lab, "left")
    lab.settle()
    whole(lab)
    assert set(lab.on_each_leg("missed").values()) == {missed}
    assert set(lab.on_each_leg("after").values()) == {after}


def test_the_good_server_dies_while_the_other_catches_up(converged):
    """What was acknowledged lies on the server that is away: nothing may be started from the other alone."""
    lab = converged("raid1-256", BIG)
    good = catching_up(lab)
    writer = lab.spawn(f"writer {MOUNT}/blocks --log /root/blocks.log --interval-ms 50")
    lab.run("sleep 2; filer cut filer1; sleep 15; pkill -TERM -f '[w]riter /mnt'; true")
    writer.wait(120)
    lab.slow_copy(False)
    during = lab.apply(timeout=200)
    assert during.rc in (1, 3, 4), str(during)
    lab.run("filer restore filer1")
    back(lab, "left")
    told = lab.apply(timeout=200)
    for advice in (f["next"] for f in told.findings("blocked") if "then: " in f["next"]):
        lab.run(
            advice.split("then: ")[1].removesuffix("; lunmirror apply"), timeout=180
        )  # what the administrator is reported
        break
    lab.settle()
    whole(lab)
    assert lab.checksum(f"{MOUNT}/missed") == good
    said = json.loads(lab.run(f"writer verify {MOUNT}/blocks /root/blocks.log", check=False, timeout=120).stdout)
    assert said["lost"] == said["torn"] == [], said
    lab.figure(
        f"{said['writes']} writes acknowledged, {said['errors']} failed while the only good leg was away, none lost"
    )
    assert set(lab.on_each_leg("missed").values()) == {good}
