"""Where there is neither a configuration management nor systemd's timer: contrib's shell script, and its cron lines."""

from kit import CONFIG, MOUNT, Lab
from managed import REFUSED, ROOT, SETUP, drift, healed, precious, untouched
from test_boot import install_units
from test_chap import guard
from test_watch import SENDMAIL

NEW = "/etc/lunmirror/new.toml"  # beside the one in place: relative names of password files mean the same


def deploy(lab: Lab, text: str) -> tuple[int, str]:
    lab.put(NEW, text, 0o600)
    done = lab.run(["lunmirror-deploy", NEW], check=False, timeout=400)
    return done.rc, done.stdout + done.stderr


def test_a_shell_script_from_blank_to_a_refusal(lab: Lab) -> None:
    guard(lab, "filer1")
    lab.put("/usr/local/bin/lunmirror-deploy", (ROOT / "contrib/shell/lunmirror-deploy").read_bytes(), 0o755)
    rc, said = deploy(lab, SETUP)
    assert rc in (0, 3), said
    assert lab.mounted()
    assert lab.run(f"stat -c '%a %U' {CONFIG}").stdout.strip() == "600 root"
    lab.settle()
    with untouched(lab, "/run/lunmirror"):
        lab.run(["lunmirror-deploy", NEW], timeout=400)

    drift(lab)
    with untouched(lab):
        done = lab.run(["lunmirror", "plan", "--config", NEW], check=False, timeout=120)
    assert (done.rc, "/etc/fstab" in done.stdout) == (2, True), done
    rc, said = deploy(lab, SETUP)
    assert rc in (0, 3), said
    healed(lab)

    rc, said = deploy(lab, SETUP + "\nnonsense = 1\n")
    assert (rc, "nonsense" in said, lab.get(CONFIG).decode()) == (78, True, SETUP), said
    data = precious(lab)
    rc, said = deploy(lab, REFUSED)
    assert rc == 4, said
    assert "ext4" in said
    assert lab.backing("filer3", 2) == data


def test_cron_alone_mounts_and_repairs(lab: Lab) -> None:
    """Of systemd no more than the cron daemon; what is new comes by mail, once."""
    install_units(lab)
    lab.run("systemctl disable lunmirror.timer lunmirror.service", timeout=60)
    guard(lab, "filer1")
    lab.put("/usr/sbin/sendmail", SENDMAIL, 0o755)
    lab.configure(SETUP)
    lab.run("cp /usr/local/share/lunmirror/cron/lunmirror /etc/cron.d/ && systemctl start cron", timeout=60)
    lab.run(f"for i in $(seq 150); do mountpoint -q {MOUNT} && exit 0; sleep 1; done; exit 1", timeout=200)
    lab.synced()

    drift(lab)
    # The pass after the copy notes which legs have everything: until none finds anything more.
    lab.run("for i in $(seq 40); do lunmirror plan > /dev/null && exit 0; sleep 5; done; exit 1", timeout=300)
    healed(lab)
    mails = lab.get("/root/mail").decode()
    assert "Subject: Cron <root@lab>" in mails, mails
    lab.run("sleep 70", timeout=90)
    assert lab.get("/root/mail").decode() == mails, "nothing is new, and a mail came"
