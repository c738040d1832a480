"""The stall budget: a server falls silent, refuses or hangs while a synced writer and a reader are at work. Their
longest wait is held against the budget, on the real kernel; nothing that they ask for ever fails.

raid1 lies on filer1 and filer2, a segtype mirror on filer3 and the bystander's server, so that each pair has the
timeouts of its own kind of volume, and one outage measures both.
"""

import json
import re
import time

import pytest
from kit import MOUNT, SERVERS, Lab, config, state

MIRRORED = "/mnt/mirrored"
BYSTANDER = ("192.168.1.130", "iqn.2006-01.com.openfiler:bystander")
PAIR = f"""
[servers.filer3]
portals = ["{SERVERS["filer3"][0]}"]

[servers.filer4]
portals = ["{BYSTANDER[0]}"]

[disks.third]
server = "filer3"
target = "{SERVERS["filer3"][2]}"
lun = 1

[disks.fourth]
server = "filer4"
target = "{BYSTANDER[1]}"
lun = 1

[groups.vgm]
disks = ["third", "fourth"]

[groups.vgm.volumes.m]
size = "64MiB"
type = "mirror"
filesystem = "ext4"
mount = "{MIRRORED}"
"""
LEAST = {"raid1": 6, "mirror": 9}  # the smallest budgets that lunmirror accepts
DEFAULTS = 'noop_out_interval = "5s"\nnoop_out_timeout = "5s"\nreplacement_timeout = "120s"\nboot_wait = "5s"'
READER = r"""
import json, mmap, os, random, signal, sys, time
path, log = sys.argv[1:]
stopping = []
signal.signal(signal.SIGTERM, lambda *_: stopping.append(True))
buffer, number = mmap.mmap(-1, 4096), os.open(path, os.O_RDONLY | os.O_DIRECT)
size, longest, errors, reads = os.fstat(number).st_size // 4096, 0.0, 0, 0
while not stopping:
    begun = time.monotonic()
    try:
        os.preadv(number, [buffer], random.randrange(size) * 4096)
    except OSError:
        errors += 1
    reads, longest = reads + 1, max(longest, time.monotonic() - begun)
    time.sleep(0.05)
with open(log, "w") as file:
    json.dump({"reads": reads, "errors": errors, "longest": longest}, file)
"""


def both(policy: str) -> str:
    return config(policy=policy, more=PAIR)


def budget(seconds: int) -> str:
    return f'stall_budget = "{seconds}s"\nboot_wait = "5s"'


class Work:
    """A writer and a reader on each of these file systems; what they waited for and whether anything failed."""

    def __init__(self, lab: Lab, *directories: str) -> None:
        self.lab, self.directories = lab, directories
        lab.put("/root/reader.py", READER)
        self.running = []
        for n, directory in enumerate(directories):
            lab.run(
                f"head -c 4M /dev/urandom > {directory}/read && sync -f {directory}/read; rm -f /root/w{n} /root/r{n}"
            )
            self.running.append(lab.spawn(f"writer {directory}/blocks --log /root/w{n} --interval-ms 50"))
            self.running.append(lab.spawn(f"python3 -SE /root/reader.py {directory}/read /root/r{n}"))
        lab.run("sleep 3")

    def end(self) -> list[tuple[float, float]]:
        """(longest write, longest read) of each, in seconds."""
        self.lab.run("pkill -TERM -f '[w]riter /mnt'; pkill -TERM -f '[r]eader.py'", check=False)
        for one in self.running:
            one.wait(300)
        found = []
        for n, directory in enumerate(self.directories):
            wrote = json.loads(self.lab.run(f"writer verify {directory}/blocks /root/w{n}", timeout=120).stdout)
            read = json.loads(self.lab.get(f"/root/r{n}"))
            assert wrote["errors"] == 0, wrote
            assert wrote["lost"] == wrote["torn"] == [], wrote
            assert wrote["writes"] > 20, wrote
            assert read["errors"] == 0, read
            assert read["reads"] > 20, read
            found.append((wrote["max_latency_s"], read["longest"]))
        return found


def prepared(converged, seconds: int) -> Lab:
    """In service with this budget. Made once from blank; other budgets take effect by a login, all volumes stopped."""
    if seconds == LEAST["raid1"]:
        return converged("budget", config(policy=budget(seconds)))
    first, text = both(budget(LEAST["mirror"])), both(budget(seconds))
    lab = converged("budget", first)
    if text != first:
        if state("budget", text) in lab.machine.converged:
            return converged("budget", text)
        lab.run(f"umount {MOUNT} {MIRRORED}; vgchange -an vg0 vgm; iscsiadm -m node --logoutall=all", timeout=120)
        lab.configure(text)
        lab.settle()
        lab.keep("budget", text)
    return lab


FAULTS = {"cut silently": "cut", "refusing": "stop", "hung": "hang"}


def strike(lab: Lab, fault: str, *servers: str) -> None:
    lab.run("; ".join(f"filer {FAULTS[fault]} {server} & " for server in servers).replace("& ;", "&") + " wait")


def gone(lab: Lab, mirror: bool, timeout: int) -> None:
    """Waits until device-mapper has given the legs up."""
    tests = ["dmsetup status --noflush vg0-testlv | grep -qw AD"]
    tests += ["dmsetup status --noflush vgm-m | grep -q linear"] if mirror else []
    lab.run(
        f"for i in $(seq {timeout * 4}); do {' && '.join(tests)} && exit 0; sleep 0.25; done; exit 1",
        timeout=timeout + 60,
    )


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("seconds", [LEAST["raid1"], LEAST["mirror"], 15, 30])
def test_the_stall_is_within_the_budget(converged, seconds: int, fault: str) -> None:
    """With the smallest budget of raid1 there is no mirror: it would not be accepted."""
    mirror = seconds >= LEAST["mirror"]
    lab = prepared(converged, seconds)
    work = Work(lab, MOUNT, *([MIRRORED] if mirror else []))
    strike(lab, fault, "filer2", *(["bystander"] if mirror else []))
    gone(lab, mirror, seconds + 60)
    lab.run("sleep 2")
    found = dict(zip(("raid1", "mirror"), work.end(), strict=False))
    said = [f"{kind} write {w:.1f} read {r:.1f} s" for kind, (w, r) in found.items()]
    lab.figure(f"budget {seconds} s, {fault}: {', '.join(said)}")
    assert max(max(pair) for pair in found.values()) > 1, "no stall was seen at all"
    for kind, (wrote, read) in found.items():
        assert max(wrote, read) <= seconds, kind


@pytest.mark.unproven
@pytest.mark.parametrize("fault", FAULTS)
def test_the_smallest_budget_waits_for_no_session(converged, fault: str) -> None:
    lab = converged("budget-5", config(policy='stall_budget = "5s"\nreplacement_timeout = "0s"\nboot_wait = "5s"'))
    work = Work(lab, MOUNT)
    strike(lab, fault, "filer2")
    gone(lab, False, 65)
    lab.run("sleep 2")
    [(wrote, read)] = work.end()
    lab.figure(f"budget 5 s, replacement_timeout 0 s, {fault}: raid1 write {wrote:.1f} read {read:.1f} s")
    assert 1 < max(wrote, read) <= 5


def test_the_defaults_as_a_baseline(converged) -> None:
    lab = converged("budget-defaults", both(DEFAULTS))
    work = Work(lab, MOUNT, MIRRORED)
    strike(lab, "cut silently", "filer2", "bystander")
    gone(lab, True, 240)
    lab.run("sleep 2")
    (raid1, _), (mirror, _) = work.end()
    lab.figure(f"open-iscsi's defaults, cut silently: raid1 {raid1:.1f} s, mirror {mirror:.1f} s")
    assert raid1 > 120
    assert mirror > 120


# A disk has its timeouts


def live(lab: Lab, disk: str) -> dict[str, str]:
    device = f"/sys/block/{lab.device(disk)}/device"
    read = f"cat {device}/timeout {device}/eh_timeout {device}/scsi_disk/*/max_retries"
    return dict(zip(("timeout", "eh_timeout", "max_retries"), lab.run(read).stdout.split(), strict=True))


RAID1_6 = {"timeout": "4", "eh_timeout": "4", "max_retries": "1"}
KERNELS = {"timeout": "30", "eh_timeout": "10", "max_retries": "5"}
RULES = "/etc/udev/rules.d/85-lunmirror.rules"


def renew(lab: Lab, disk: str, before: str = "true") -> None:
    """Out and in again by hand, as an administrator or a boot would, past lunmirror; `before` runs just before."""
    node = f"iscsiadm -m node -T {SERVERS['filer2'][2]}"
    lab.run(f"{node} --logout; udevadm settle; sleep 4; {before}; {node} --login; udevadm settle", timeout=120)


def test_a_disk_has_its_timeouts_the_moment_it_appears(converged) -> None:
    lab = converged("budget", config(policy=budget(6)))
    lab.run(f"umount {MOUNT}; lvchange -an vg0/testlv")
    assert live(lab, "left") == live(lab, "right") == RAID1_6
    renew(lab, "right")
    assert live(lab, "right") == RAID1_6
    lab.run(f"mv {RULES} /root/rules")
    renew(lab, "right")
    assert live(lab, "right") == KERNELS, "the values came from elsewhere"
    renew(lab, "right", before=f"mv /root/rules {RULES}")  # nobody tells udev of it
    seen = live(lab, "right")
    lab.figure(f"a rule written just before the login, udev not told: {'in' if seen == RAID1_6 else 'not in'} effect")
    lab.apply(expect=0)
    assert live(lab, "right") == RAID1_6


def test_drift_of_a_disk_and_of_the_rules_is_repaired(converged) -> None:
    lab = converged("budget", config(policy=budget(6)))
    rules = lab.get(RULES)
    device = lab.device("left")
    lab.run(
        f"cd /sys/block/{device}/device; echo 33 > timeout; echo 7 > eh_timeout; echo 3 | tee scsi_disk/*/max_retries"
    )
    lab.run(f'echo \'KERNEL=="sdz", RUN+="/bin/false"\' >> {RULES}')
    titles = lab.apply(expect=0).titles()
    assert len(titles) == 4, titles
    assert live(lab, "left") == RAID1_6
    assert lab.get(RULES) == rules
    assert lab.apply(expect=0).titles() == []
    lab.put(RULES, "# somebody else's\n")
    refused = lab.apply(expect=4)
    assert "not lunmirror's" in str(refused.findings("refused"))
    assert lab.get(RULES) == b"# somebody else's\n"


# I/O that hangs behind live pings


def hang_backing(lab: Lab) -> None:
    """filer2's LUN is a file on a file system of its own, whose device can be suspended: then pings are answered, and
    no read or write is. The filter keeps LVM from opening that device."""
    lab.run(
        "modprobe loop; truncate -s 1G /srv/filers/hang.img; loop=$(losetup -f --show /srv/filers/hang.img);"
        ' echo "0 $(blockdev --getsz $loop) linear $loop 0" | dmsetup create hang1;'
        " mke2fs -q -t ext4 -O ^has_journal /dev/mapper/hang1 && mkdir -p /srv/hang && mount /dev/mapper/hang1 /srv/hang"
        " && truncate -s 512M /srv/hang/lun1.img;"
        """ printf 'devices { global_filter=["a|^/dev/sd|","r|.*|"] }\\n' > /etc/lvm/lvmlocal.conf;"""
        " python3 -c \"import json; p='/srv/filers/config.json';"
        " import os; c=json.load(open(p)) if os.path.exists(p) else {};"
        " c.setdefault('filer2', {})['luns']={'1': '/srv/hang/lun1.img'}; json.dump(c, open(p,'w'))\";"
        " filer stop filer2; filer start filer2",
        timeout=120,
    )


def test_hung_io_behind_live_pings_is_within_its_own_bound(converged) -> None:
    lab = converged("budget-hang", config(policy=budget(6)), hang_backing)
    said = lab.run("lunmirror explain stall_budget").stdout
    bound = int(re.search(r"filer2: I/O that hangs .* = (\d+) s at most", said)[1])
    work = Work(lab, MOUNT)
    begun = time.monotonic()
    lab.run("dmsetup suspend --nolockfs --noflush hang1; sleep 4")  # longer than a ping may take
    assert lab.sessions()[lab.sid("right")]["state"] == "LOGGED_IN", (
        "pings are not answered: another fault than meant"
    )
    gone(lab, False, bound + 60)
    lab.run("sleep 2")
    [(wrote, read)] = work.end()
    lab.figure(f"hung I/O behind live pings, raid1: write {wrote:.1f} read {read:.1f} s, bound {bound} s")
    assert 6 < wrote <= bound, f"{wrote} after {time.monotonic() - begun:.0f} s"
    lab.run("dmsetup resume hang1")


# Declared, not live


def connection(lab: Lab, target: str) -> dict[str, str]:
    """What the session to this target has since its login."""
    sid = next(s for s, about in lab.sessions().items() if about["target"] == target)
    number = sid.removeprefix("session")
    where = f"/sys/class/iscsi_connection/connection{number}:0", f"/sys/class/iscsi_session/{sid}"
    values = lab.run(f"cat {where[0]}/recv_tmo {where[0]}/ping_tmo {where[1]}/abort_tmo").stdout.split()
    return dict(zip(("recv", "ping", "abort"), values, strict=True), sid=sid)


def test_sessions_are_renewed_under_writers(converged) -> None:
    lab = prepared(converged, 15)
    targets = (*(SERVERS[name][2] for name in ("filer1", "filer2", "filer3")), BYSTANDER[1])
    old = {target: connection(lab, target) for target in targets}
    lab.configure(both(budget(30)))
    work = Work(lab, MOUNT, MIRRORED)
    lab.apply(expect=0)
    for target in targets:
        assert connection(lab, target) == old[target], "nothing is logged out unasked"
    told = lab.run("lunmirror status", check=False, timeout=120).stdout
    assert told.count("declared, not live") >= 4, told
    begun = time.monotonic()
    ran = lab.lunmirror("apply", "--relogin", timeout=900)
    took = time.monotonic() - begun
    while ran.rc == 3 and time.monotonic() - begun < 1500:
        ran = lab.lunmirror("apply", "--relogin", timeout=900)
    assert ran.rc == 0, str(ran)
    (raid1, raid1_read), (mirror, mirror_read) = work.end()
    for target in targets:
        now = connection(lab, target)
        assert now["sid"] != old[target]["sid"]
        assert {k: now[k] for k in ("recv", "ping", "abort")} == {"recv": "5", "ping": "5", "abort": "2"}
    assert "declared, not live" not in lab.run("lunmirror status", timeout=120).stdout
    assert " AA " in lab.dm()
    assert " mirror 2 " in lab.dm("vgm-m")
    lab.run("lvchange --syncaction check vg0/testlv && sleep 1")
    lab.run(
        "for i in $(seq 240); do dmsetup status vg0-testlv | grep -q idle && exit 0; sleep 0.5; done; exit 1",
        timeout=150,
    )
    assert int(lab.run("lvs --noheadings -o raid_mismatch_count vg0/testlv").stdout) == 0
    assert lab.apply(expect=0).titles() == []
    lab.figure(
        f"four sessions renewed in {took:.0f} s under writers: longest write raid1 {raid1:.1f}, mirror {mirror:.1f} s,"
        f" read {raid1_read:.1f} and {mirror_read:.1f} s"
    )


def test_an_idle_volume_is_led_to_its_new_disk_before_the_next_server(converged) -> None:
    """Nobody writes, so device-mapper would go on calling the leg good that was logged out."""
    lab = converged("budget", config(policy=budget(6)))
    witness = lab.write_file()
    lab.configure(config(policy=budget(20)))
    ran = lab.lunmirror("apply", "--relogin", timeout=900)
    assert ran.rc == 0, str(ran)
    assert connection(lab, SERVERS["filer1"][2])["recv"] == connection(lab, SERVERS["filer2"][2])["recv"] == "4"
    table = lab.run("dmsetup deps -o devname").stdout
    for disk in ("left", "right"):
        assert f"({lab.device(disk)})" in table, table
    assert " AA " in lab.dm()
    assert lab.checksum(f"{MOUNT}/witness") == witness
    assert set(lab.on_each_leg().values()) == {witness}


def test_a_server_is_not_renewed_while_the_other_leg_is_not_there(converged) -> None:
    lab = converged("budget", config(policy=budget(6)))
    lab.configure(config(policy=budget(20)))
    lab.run("filer cut filer2; echo x > /mnt/test/x; sync -f /mnt/test/x", timeout=60)
    gone(lab, False, 60)
    sid = lab.sid("left")
    ran = lab.lunmirror("apply", "--relogin", timeout=900)
    assert ran.rc in (3, 4), str(ran)
    assert "not renewed" in str(ran.findings())
    assert lab.sid("left") == sid


def test_a_rule_names_the_disk_as_udev_does(lab: Lab) -> None:
    """IPv6, and a LUN from 256 up, which udev writes in another way."""
    lab.run("filer lun filer1 add 300 64M; filer lun filer2 add 300 64M", timeout=60)
    lab.configure(config(policy=budget(6), ipv6=True, lun=300, volume='size = "16MiB"'))
    lab.apply()
    rules = lab.get(RULES).decode()
    for disk in ("left", "right"):
        path = lab.run(
            f"udevadm info -q property -n /dev/{lab.device(disk, 300)} | sed -n s/^ID_PATH=//p"
        ).stdout.strip()
        assert re.search(rf'[="|]{re.escape(path)}["|]', rules), f"{path!r} is not in {rules}"
