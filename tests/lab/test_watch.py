"""An outage from the watchers' side, with the timer's own passes: the kernel's event, the metric, the alert, the plugin, the
notification and the mail, each with its time."""

import json
import re
import shutil
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from kit import MOUNT, Lab, config
from test_boot import install_units
from test_outages import back

pytestmark = pytest.mark.unproven

ROOT = Path(__file__).parents[2]
PROM = "/var/lib/node/lunmirror.prom"
SETUP = config(
    policy='stall_budget = "6s"\nboot_wait = "5s"',
    more=f'[watch]\ntextfile = "{PROM}"\n[notify]\ncommand = ["/usr/local/bin/tell"]\nmail = "root"\n',
)
TELL = "#!/bin/sh\n{ date +%s.%N; cat; } >> /root/told\n"
SENDMAIL = '#!/bin/sh\n{ echo "== $(date +%s.%N) $*"; cat; } >> /root/mail\n'
# When each line of a file first said so: one line for each change.
WATCH = (
    "while sleep 0.2; do now=$(grep -h {what} {file} 2>/dev/null); "
    '[ "$now" = "$was" ] || echo "$(date +%s.%N) $now"; was=$now; done >> /root/seen'
)
NOBODY = "setpriv --reuid=65534 --regid=65534 --clear-groups "
HURRY = "10s"  # in place of each `for` of five minutes


def first(lab: Lab) -> None:
    lab.put("/usr/local/bin/tell", TELL, 0o755)
    lab.put("/usr/sbin/sendmail", SENDMAIL, 0o755)
    lab.run(f"mkdir -p {PROM.rpartition('/')[0]}")


def told(lab: Lab) -> list[tuple[float, dict[str, Any]]]:
    """(when it arrived, the event)."""
    lines = lab.run("cat /root/told 2>/dev/null", check=False).stdout.splitlines()
    return [(float(at), json.loads(event)) for at, event in zip(lines[::2], lines[1::2], strict=True)]


def await_event(lab: Lab, event: str, timeout: int = 150) -> float:
    lab.run(
        f'for i in $(seq {timeout * 2}); do grep -q \'"event": "{event}"\' /root/told && exit 0; sleep 0.5; done; exit 1',
        timeout=timeout + 60,
    )
    return next(at for at, one in told(lab) if one["event"] == event)


class Prometheus:
    """A real node exporter and a real Prometheus on this machine; the file comes to them by the lab's own channel."""

    def __init__(self, lab: Lab, directory: Path) -> None:
        self.lab, self.directory, self.running = lab, directory, True
        self.fired: dict[str, list[tuple[float, str]]] = {}
        self.ports = [free_port(), free_port()]
        textfiles = directory / "textfiles"
        textfiles.mkdir()
        rules = (ROOT / "contrib/prometheus/alerts.yml").read_text().replace("for: 5m", f"for: {HURRY}")
        (directory / "alerts.yml").write_text(rules)
        (directory / "prometheus.yml").write_text(
            "global: {scrape_interval: 2s, evaluation_interval: 2s}\nrule_files: [alerts.yml]\nscrape_configs:\n"
            f"  - job_name: node\n    static_configs: [{{targets: ['127.0.0.1:{self.ports[0]}']}}]\n"
        )
        exporter = ["prometheus-node-exporter", "--collector.disable-defaults", "--collector.textfile"]
        exporter += [f"--collector.textfile.directory={textfiles}", f"--web.listen-address=127.0.0.1:{self.ports[0]}"]
        server = ["prometheus", f"--config.file={directory}/prometheus.yml", f"--storage.tsdb.path={directory}/data"]
        server += [f"--web.listen-address=127.0.0.1:{self.ports[1]}"]
        log = (directory / "log").open("wb")
        self.processes = [subprocess.Popen(line, stdout=log, stderr=log) for line in (exporter, server)]
        self.threads = [threading.Thread(target=work, daemon=True) for work in (self._carry, self._look)]
        for thread in self.threads:
            thread.start()

    def _carry(self) -> None:
        while self.running:
            content = self.lab.get(PROM)
            temporary = self.directory / "carried"
            temporary.write_bytes(content)
            temporary.rename(self.directory / "textfiles" / "lunmirror.prom")
            time.sleep(1)

    def _look(self) -> None:
        while self.running:
            time.sleep(1)
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[1]}/api/v1/alerts", timeout=5) as answer:
                    alerts = json.load(answer)["data"]["alerts"]
            except OSError:
                continue
            states = {one["labels"]["alertname"]: one["state"] for one in alerts}
            for name in self.fired.keys() | states.keys():
                seen = self.fired.setdefault(name, [])
                state = states.get(name, "resolved")
                if not seen or seen[-1][1] != state:
                    seen.append((time.time(), state))

    def errors(self) -> str:
        """What the collector says of the file."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[0]}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        return re.search(r"^node_textfile_scrape_error (\d)", text, re.M)[1]

    def when(self, name: str, state: str, timeout: float = 120) -> float:
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            for at, one in self.fired.get(name, []):
                if one == state:
                    return at
            time.sleep(1)
        raise AssertionError(f"{name} is not {state}: {self.fired}\n{(self.directory / 'log').read_text()[-3000:]}")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def prometheus(lab: Lab, directory: Path) -> Iterator[Prometheus | None]:
    """None where it is not installed (Debian: prometheus, prometheus-node-exporter)."""
    if not (shutil.which("prometheus") and shutil.which("prometheus-node-exporter")):
        yield None
        return
    started = Prometheus(lab, directory)
    try:
        yield started
    finally:
        started.running = False
        for thread in started.threads:
            thread.join(30)
        for process in started.processes:
            process.kill()
            process.wait()


def test_an_outage_from_the_watchers_side(converged, tmp_path) -> None:
    lab = converged("watched", SETUP, first)
    install_units(lab)
    lab.run(
        "systemctl enable -q --now lunmirror.timer lunmirror-notify.timer; systemctl start lunmirror.service",
        timeout=200,
    )
    assert told(lab) == []  # nothing of the first build

    # Everybody may look, and only look.
    assert lab.run(
        "stat -c '%a %U' /run/lunmirror /run/lunmirror/status.json /var/lib/lunmirror/notify.json"
    ).stdout.split("\n")[:3] == ["755 root", "644 root", "600 root"]
    assert lab.run("find /run/lunmirror -type f -perm /044 ! -name status.json").stdout == ""
    done = lab.run(NOBODY + "/usr/local/bin/lunmirror-check", check=False)
    assert (done.rc, done.stdout.startswith("LUNMIRROR OK - 1 of 1 volumes in service")) == (0, True), done
    printed = lab.run(NOBODY + "lunmirror metrics").stdout
    assert lab.get(PROM).decode().splitlines()[0] == printed.splitlines()[0]
    assert lab.run(f"stat -c '%a' {PROM}").stdout.strip() == "644"
    done = lab.lunmirror("notify", "--test", expect=0)
    assert [one["event"] for _, one in told(lab)] == ["test"]
    assert "Subject: [lunmirror" in lab.get("/root/mail").decode()
    lab.run("rm -f /root/told /root/mail")

    with prometheus(lab, tmp_path) as alerts:
        watching = lab.spawn(WATCH.format(what="'^lunmirror_volume_redundant'", file=PROM))
        if alerts:
            time.sleep(10)
            assert alerts.errors() == "0"
            assert alerts.fired == {}
        cut = float(lab.run("filer cut filer2; date +%s.%N").stdout)
        lab.run(f"dd if=/dev/urandom of={MOUNT}/noise bs=64k count=16 conv=fsync", timeout=120)
        kernel = float(
            lab.run(
                "journalctl -k -o short-unix --no-pager -g 'raid1.*Disk failure|Disk failure on' | tail -n1"
            ).stdout.split()[0]
        )
        degraded = await_event(lab, "degraded")
        seen = [line.split() for line in lab.get("/root/seen").decode().splitlines()]
        metric = next(float(at) for at, _, value in seen if value == "0")
        done = lab.run(NOBODY + "/usr/local/bin/lunmirror-check", check=False)
        print(done.stdout)
        assert done.rc == 2, done
        assert "no redundancy" in done.stdout
        assert "filer2" in done.stdout
        mailed = float(
            re.search(
                r"^== ([\d.]+) -i -t\n(?:.*\n)*?Subject: .* lacks redundancy", lab.get("/root/mail").decode(), re.M
            )[1]
        )
        fired = alerts.when("LunmirrorDegraded", "firing") if alerts else None
        # Passes go on (each 8 s), and nothing is told twice.
        lab.run("sleep 20")
        assert [one["event"] for _, one in told(lab)] == ["degraded"]

        restored = float(lab.run("filer restore filer2; date +%s.%N").stdout)
        back(lab, "right")
        whole = await_event(lab, "whole")
        resolved = alerts.when("LunmirrorDegraded", "resolved") if alerts else None
        watching.kill()
    done = lab.run(NOBODY + "/usr/local/bin/lunmirror-check", check=False)
    assert done.rc == 0, done
    events = [one["event"] for _, one in told(lab)]
    assert (events[0], events[-1]) == ("degraded", "whole")
    assert set(events) <= {"degraded", "copying", "whole"}
    assert len(set(events)) == len(events)
    seen = [line.split() for line in lab.get("/root/seen").decode().splitlines()]
    again = next(float(at) for at, _, value in reversed(seen) if value == "1")
    lab.figure(
        f"seconds after the cut: the kernel gives the leg up {kernel - cut:.0f}, metric {metric - cut:.0f},"
        f" program told {degraded - cut:.0f}, mail {mailed - cut:.0f}"
        + (f", alert (`for: {HURRY}`) {fired - cut:.0f}" if fired else ", no Prometheus here")
        + f"; after the return: metric {again - restored:.0f}, told {whole - restored:.0f}"
        + (f", alert resolved {resolved - restored:.0f}" if resolved else "")
    )


def test_a_hook_that_hangs_or_fails_changes_no_pass(converged) -> None:
    lab = converged("watched", SETUP, first)
    install_units(lab)
    lab.run("systemctl mask --now lunmirror.timer lunmirror-soon.timer lunmirror-notify.timer", check=False)
    lab.apply(expect=0)
    lab.put("/usr/local/bin/tell", "#!/bin/sh\nsleep 600\n", 0o755)
    lab.put("/usr/sbin/sendmail", "#!/bin/sh\nexit 75\n", 0o755)
    lab.run("filer cut filer2")
    lab.run(f"dd if=/dev/urandom of={MOUNT}/noise bs=64k count=16 conv=fsync", timeout=120)
    ran = lab.apply(expect=3)
    assert not [line for line in ran.log if "told" in line["event"]]
    assert lab.lunmirror("status").rc == 3
    lab.run(
        "for i in $(seq 60); do systemctl is-active -q lunmirror-notify.service || exit 0; sleep 1; done; exit 1",
        timeout=90,
    )
    assert "did not end within 10 s" in lab.run("journalctl -o cat -u lunmirror-notify --no-pager").stdout
    assert json.loads(lab.get("/var/lib/lunmirror/notify.json"))["pending"][0]["tries"] == 1
    # Without systemd's help the pass tells by itself, and its exit code is the same.
    lab.run("mv /usr/local/lib/systemd/system/lunmirror-notify.service /root; systemctl daemon-reload")
    lab.put("/usr/local/bin/tell", TELL, 0o755)
    lab.put("/usr/sbin/sendmail", SENDMAIL, 0o755)
    lab.run('sed -i \'s/"after": [0-9]*/"after": 0/\' /var/lib/lunmirror/notify.json')
    lab.apply(expect=3)
    assert [one["event"] for _, one in told(lab)] == ["degraded"]


def test_a_configuration_that_is_not_valid_is_told(converged) -> None:
    lab = converged("watched", SETUP, first)
    lab.apply(expect=0)
    lab.configure(SETUP + "\nnonsense = 1\n")
    lab.apply(expect=78)
    ((_, event),) = told(lab)
    assert event["event"] == "invalid"
    status = json.loads(lab.get("/run/lunmirror/status.json"))
    assert (status["pass"]["exit"], status["volumes"][0]["state"]) == (78, "full")
    assert lab.run("lunmirror metrics | grep '^lunmirror_pass_exit_code 78'").rc == 0
