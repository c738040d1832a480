"""An outage from the watchers' side, with the timer's own passes: the kernel's event, the metric, the alert of a real Prometheus
that scrapes a real node exporter, the plugin, the notification, and a mail through a real mail program, each with its time."""

import json
import re
from typing import Any

import dashboard
import debs
import pytest
from kit import MOUNT, Lab, config
from managed import ROOT, examples
from test_boot import install_units
from test_outages import back

from lunmirror.host import journald

PROM = "/var/lib/prometheus/node-exporter/lunmirror.prom"  # where Debian's node exporter looks, and docs/watch.md says so
SETUP = config(
    policy='stall_budget = "6s"\nboot_wait = "5s"',
    more=f'[watch]\ntextfile = "{PROM}"\n[notify]\ncommand = ["/usr/local/bin/tell"]\nmail = "root"\n',
)
TELL = "#!/bin/sh\n{ date +%s.%N; cat; } >> /root/told\n"
SENDMAIL = '#!/bin/sh\n{ echo "== $(date +%s.%N) $*"; cat; } >> /root/mail\n'
MAILBOX = "/var/mail/root"
# When each line of a file first said so: one line for each change.
WATCH = (
    "while sleep 0.5; do now=$(grep -h {what} {file} 2>/dev/null); "
    '[ "$now" = "$was" ] || echo "$(date +%s.%N) $now"; was=$now; done >> /root/seen'
)
NOBODY = "setpriv --reuid=65534 --regid=65534 --clear-groups "
HURRY, EACH = (
    10,
    5,
)  # seconds: in place of each `for` of five minutes; between two scrapes, and between two looks at the rules
LATE = 10  # seconds that a busy emulated machine may be late
PROMETHEUS = f"""
global: {{scrape_interval: {EACH}s, evaluation_interval: {EACH}s}}
rule_files: [/etc/prometheus/lunmirror/alerts.yml]
scrape_configs:
  - job_name: node
    static_configs: [{{targets: ["127.0.0.1:9100"], labels: {{instance: client1}}}}]
"""
ASK = """
import json, sys, urllib.parse, urllib.request
asked = f"http://127.0.0.1:9090/api/v1/{sys.argv[1]}?" + urllib.parse.urlencode(json.loads(sys.argv[2]))
print(json.dumps(json.load(urllib.request.urlopen(asked, timeout=30))["data"]["result"]))
"""
FIRING = 'ALERTS{alertname="LunmirrorDegraded",alertstate="firing"}'


def first(lab: Lab) -> None:
    lab.put("/usr/local/bin/tell", TELL, 0o755)
    lab.put("/usr/sbin/sendmail", SENDMAIL, 0o755)
    lab.run(f"mkdir -p {PROM.rpartition('/')[0]}")


def watchers(lab: Lab) -> None:
    """Debian's own Prometheus, node exporter and a small mail program, with what contrib ships."""
    lab.put("/usr/local/bin/tell", TELL, 0o755)
    debs.install(lab, "prometheus", "prometheus-node-exporter", "dma", "jq")
    # Of the exporter what is asked for here: the rest costs an emulated machine more than all else.
    lab.put("/etc/default/prometheus-node-exporter", 'ARGS="--collector.disable-defaults --collector.textfile"\n')
    lab.put("/etc/prometheus/prometheus.yml", PROMETHEUS)
    shipped = ROOT / "contrib/prometheus"
    hurried = (shipped / "alerts.yml").read_text().replace("for: 5m", f"for: {HURRY}s")
    lab.put("/etc/prometheus/lunmirror/alerts.yml", hurried)


def ask(lab: Lab, query: str, verb: str = "query", **more: float) -> list[dict[str, Any]]:
    return json.loads(lab.run(["python3", "-SEc", ASK, verb, json.dumps({"query": query} | more)], timeout=90).stdout)


def shown(lab: Lab, begin: float, end: float) -> str:
    """The dashboard over that time, as a picture. A query that Prometheus does not take is an error; that without an answer
    may only be one of a copy, which can be over between two passes."""
    board = json.loads((ROOT / "contrib/grafana/lunmirror.json").read_text())
    queries = {target["expr"].replace("$instance", ".*") for panel in board["panels"] for target in panel["targets"]}
    answers = {query: ask(lab, query, "query_range", start=begin, end=end, step=EACH) for query in queries}
    assert [query for query, series in answers.items() if not series and "_sync_" not in query] == []
    return dashboard.draw(board, answers, begin, end)


def samples(lab: Lab, series: str, since: float) -> list[tuple[float, str]]:
    """(when, value) of the only such series, as Prometheus has them; of the last half hour."""
    (found,) = ask(lab, f"{series}[30m]")
    return [(float(at), value) for at, value in found["values"] if float(at) > since]


def await_alert(lab: Lab, firing: bool, tries: int = 24) -> None:
    for _ in range(tries):
        if bool(ask(lab, FIRING)) == firing:
            return
        lab.run(f"sleep {EACH}")
    raise AssertionError(
        f"{ask(lab, 'ALERTS')}\n{lab.run('journalctl -u prometheus --no-pager | tail -n 30').stdout}"
    )


def mailed(lab: Lab, words: str) -> float:
    """When a mail with that subject was in the mailbox."""
    wait = f"for i in $(seq 120); do grep -q '^Subject: .*{words}' {MAILBOX} && break; sleep 0.5; done"
    lab.run(f"{wait}; mailq; cat {MAILBOX}; grep -q '^Subject: .*{words}' {MAILBOX}", timeout=90)
    return float(lab.run(f"stat -c %.9Y {MAILBOX}").stdout)


def told(lab: Lab) -> list[tuple[float, dict[str, Any]]]:
    """(when it arrived, the event)."""
    lines = lab.run("cat /root/told 2>/dev/null", check=False).stdout.splitlines()
    return [(float(at), json.loads(event)) for at, event in zip(lines[::2], lines[1::2], strict=True)]


def await_event(lab: Lab, event: str, timeout: int = 200) -> float:
    lab.run(
        f'for i in $(seq {timeout * 2}); do grep -q \'"event": "{event}"\' /root/told && exit 0; sleep 0.5; done; exit 1',
        timeout=timeout + 60,
    )
    return next(at for at, one in told(lab) if one["event"] == event)


def test_an_outage_from_the_watchers_side(converged, request: pytest.FixtureRequest) -> None:
    lab = converged("watchers", SETUP, watchers)
    install_units(lab)
    lab.run("systemctl restart prometheus-node-exporter prometheus", timeout=120)
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
    (asked,) = examples("watch.md", "The status file", "")
    assert json.loads(lab.run(asked).stdout)["state"] == "full"
    (wrapper,) = re.findall(r"`(printf .*)`", (ROOT / "docs/watch.md").read_text())
    lab.run("mkdir -p /usr/lib/check_mk_agent/local; " + wrapper.replace("/usr/bin/", "/usr/local/bin/"))
    assert lab.run("sh /usr/lib/check_mk_agent/local/lunmirror").stdout.startswith("0 ")
    printed = lab.run(NOBODY + "lunmirror metrics").stdout
    assert lab.get(PROM).decode().splitlines()[0] == printed.splitlines()[0]
    assert lab.run(f"stat -c '%a' {PROM}").stdout.strip() == "644"
    lab.lunmirror("notify", "--test", expect=0)
    assert [one["event"] for _, one in told(lab)] == ["test"]
    mailed(lab, "lunmirror")
    lab.run(f"rm -f /root/told {MAILBOX}")
    for _ in range(12):
        if ask(lab, "lunmirror_volume_redundant") and not ask(lab, "ALERTS"):
            break
        lab.run(f"sleep {EACH}")
    assert [one["value"][1] for one in ask(lab, "lunmirror_volume_redundant")] == ["1"]
    assert [one["value"][1] for one in ask(lab, "node_textfile_scrape_error")] == ["0"]
    assert ask(lab, "ALERTS") == []

    watching = lab.spawn(WATCH.format(what="'^lunmirror_volume_redundant'", file=PROM))
    cut = float(lab.run("filer cut filer2; date +%s.%N").stdout)
    lab.run(f"dd if=/dev/urandom of={MOUNT}/noise bs=64k count=16 conv=fsync", timeout=120)
    # The message has a second line, which journalctl shows without a time.
    giving_up = (
        "journalctl -k -o short-unix --no-pager -g 'raid1.*Disk failure' | grep -o '^[0-9][0-9.]*' | tail -n 1"
    )
    kernel = float(lab.run(giving_up).stdout)
    degraded = await_event(lab, "degraded")
    letter = mailed(lab, "lacks redundancy")
    metric = seen(lab, "0")
    done = lab.run(NOBODY + "/usr/local/bin/lunmirror-check", check=False)
    print(done.stdout)
    assert done.rc == 2, done
    assert "no redundancy" in done.stdout
    assert "filer2" in done.stdout
    await_alert(lab, True)
    lab.run("sleep 20")  # passes go on (each 8 s), and nothing is told twice
    assert [one["event"] for _, one in told(lab)] == ["degraded"]

    restored = float(lab.run("filer restore filer2; date +%s.%N").stdout)
    back(lab, "right")
    whole = await_event(lab, "whole")
    await_alert(lab, False)
    watching.kill()
    done = lab.run(NOBODY + "/usr/local/bin/lunmirror-check", check=False)
    assert done.rc == 0, done
    events = [one["event"] for _, one in told(lab)]
    assert (events[0], events[-1]) == ("degraded", "whole")
    assert set(events) <= {"degraded", "copying", "whole"}
    assert len(set(events)) == len(events)
    mailed(lab, "redundancy again")
    again = seen(lab, "1")
    picture = shown(lab, cut - 30, again + 2 * EACH)
    if evidence := request.config.getoption("--evidence"):
        evidence.with_name("dashboard.svg").write_text(picture)
    scraped = next(at for at, value in samples(lab, "lunmirror_volume_redundant", cut) if value == "0")
    firing = [at for at, _ in samples(lab, FIRING, cut)]
    lab.figure(
        f"seconds after the cut: the kernel gives the leg up {kernel - cut:.0f}, metric {metric - cut:.0f}, scraped"
        f" {scraped - cut:.0f}, program told {degraded - cut:.0f}, mail in the mailbox {letter - cut:.0f}, alert"
        f" (`for: {HURRY}s`) {firing[0] - cut:.0f}; after the return: alert resolved {firing[-1] + EACH - restored:.0f},"
        f" metric {again - restored:.0f}, told {whole - restored:.0f}"
    )
    assert max(kernel, metric) - cut < 90
    assert metric - 3 <= scraped <= metric + EACH + LATE
    assert scraped + HURRY - 1 <= firing[0] <= scraped + HURRY + 2 * EACH + LATE
    assert firing[-1] <= again + 2 * EACH + LATE


def seen(lab: Lab, value: str) -> float:
    """When the metric in the file became that, the last time."""
    lines = [line.split() for line in lab.get("/root/seen").decode().splitlines()]
    return next(float(at) for at, *_, now in reversed(lines) if now == value)


@pytest.mark.unproven
def test_a_hook_that_hangs_or_fails_changes_no_pass(converged) -> None:
    lab = converged("watched", SETUP, first)
    install_units(lab)
    lab.run(
        "systemctl mask --now lunmirror.timer lunmirror-soon.timer lunmirror-return.socket lunmirror-notify.timer",
        check=False,
    )
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


@pytest.mark.unproven
def test_the_journal_explains_what_it_says(converged) -> None:
    """Each kind of entry has a message id and a text, and is found as one of the unit's; so is what is over."""
    lab = converged("watched", SETUP, first)
    install_units(lab)
    lab.run(
        "systemctl mask --now lunmirror.timer lunmirror-soon.timer lunmirror-return.socket lunmirror-notify.timer",
        check=False,
    )
    lab.run("journalctl --update-catalog; systemctl start lunmirror.service", timeout=200)
    lab.run("filer cut filer2")
    lab.run(f"dd if=/dev/urandom of={MOUNT}/noise bs=64k count=16 conv=fsync", timeout=120)
    lab.run("systemctl start lunmirror.service", timeout=200)
    said = lab.run("journalctl -x -u lunmirror --no-pager", timeout=120).stdout
    assert "lunmirror: redundancy is not full" in said, said
    found = "journalctl -o json -u lunmirror LUNMIRROR_KIND={} --no-pager"
    (entry, *_) = lab.run(found.format("degraded")).stdout.splitlines()
    about = json.loads(entry)
    assert (about["MESSAGE_ID"], about["PRIORITY"]) == (journald.IDS["degraded"], "4"), about
    assert json.loads(about["MESSAGE"])["outcome"] == "degraded"
    lab.run("filer restore filer2")
    back(lab, "right")
    lab.run("systemctl start lunmirror.service", timeout=200)
    lab.synced()
    lab.run("systemctl start lunmirror.service", timeout=200)
    for kind in ("done", "over"):
        assert lab.run(found.format(kind)).stdout, kind


@pytest.mark.unproven
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
