#!/usr/bin/env python3
"""The article's setup from nothing to a mounted mirror, and through the loss of a server, in front of your eyes
(`make demo`).

  demo.py [--wheel PATH] [--no-drill] [--keep]

  --wheel PATH   the lunmirror to install (default: built from this checkout)
  --keep         leave the machine running at the end, with the way into it, until Ctrl-C

Every command that is shown is run in the lab machine as it is shown, and what it prints is shown as it comes. Each
chapter ends with what was expected of it. Exit 0 only if all of it held. The whole is kept in demo-out/transcript.txt,
the pictures of both drills beside it.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import image as images  # noqa: E402
from machine import CommandFailed, CommandTimeout, LabError, Machine  # noqa: E402

ROOT = HERE.parent.parent
OUT = ROOT / "demo-out"
MOUNT, VOLUME, DM = "/mnt/test", "vg0/testlv", "vg0-testlv"
QUIET_SECONDS = 5  # silence after which a running command is said to be running still
LOOK_SECONDS = 0.3
SYNC_SECONDS = 600
BAR = 30  # characters
BUDGET = 15  # seconds, as the shipped configuration declares it
EMULATION = 6  # seconds more that two busy emulated processors may take to notice and to go on
DEFAULTS = 'noop_out_interval = "5s"\nnoop_out_timeout = "5s"\nreplacement_timeout = "120s"'
ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
STEP = re.compile(r"^([✓✗–]) (\w+) (.+?): (.*) \([0-9.]+ s\)$", re.MULTILINE)

CONFIG = (ROOT / "etc/lunmirror/lunmirror.toml").read_text()  # as shipped: the article's setup, as a raid1
RECORD = "/etc/iscsi/nodes/iqn.2006-01.com.openfiler:linuxtest1lv/192.168.1.115,3260,1/default"
TARGET2 = "iqn.2006-01.com.openfiler:linuxtest1lv-2"

# What a pass with nothing to do leaves exactly as it is, one line each.
FOOTPRINT = r"""
find /etc/iscsi /etc/fstab -type f -printf '%p %i %T@ %m\n' | sort
for s in /sys/class/iscsi_session/*; do echo "$s $(cat $s/targetname)"; done
vgs --noheadings -o vg_name,vg_seqno
findmnt -rno SOURCE,FSTYPE,OPTIONS /mnt/test
"""


class Show:
    """Standard output and the transcript, which has no colours and no lines that were drawn over."""

    def __init__(self, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self.file = open(path, "w", encoding="utf-8")  # open to the end
        self.terminal = sys.stdout.isatty()
        self.color = self.terminal and not os.environ.get("NO_COLOR")
        self.drawn = self.open = False  # a status line stands on the terminal; the last line has no end yet

    def line(self, text="", code=""):
        self.text((f"\x1b[{code}m{text}\x1b[0m" if code else text) + "\n")

    def heading(self, text):
        self.line()
        self.line(f"== {text} " + "=" * max(3, 100 - len(text)), "1;36")

    def text(self, text):
        """Output as it comes, whole lines or not."""
        if not text:
            return
        self._undraw()
        plain = ANSI.sub("", text)
        self.file.write(plain)
        self.file.flush()
        sys.stdout.write(text if self.color else plain)
        sys.stdout.flush()
        self.open = not plain.endswith("\n")

    def status(self, text, often=True):
        """A passing remark: on a terminal drawn over by the next, elsewhere a line of its own unless `often`."""
        if self.terminal:
            self._undraw()
            sys.stdout.write(f"\x1b[2m{text}\x1b[0m")
            sys.stdout.flush()
            self.drawn = True
        elif not often:
            self.line(text)

    def end_line(self):
        if self.open:
            self.text("\n")
        self._undraw()

    def _undraw(self):
        if self.drawn:
            sys.stdout.write("\r\x1b[K")
            self.drawn = False


class Demo:
    """The machine, what is shown, and what came of each chapter."""

    def __init__(self, machine, show, table):
        self.machine, self.show, self.table = machine, show, table

    def sh(self, command, timeout=300, expect=0):
        """Runs one command as a person would, at a terminal; what it printed. CommandFailed unless it ends as expected."""
        self.show.line(f"root@lab:~# {command}", "1")
        env = {"TERM": "xterm-256color" if self.show.color else "dumb"}
        # script gives it a terminal, so that both its streams come in their own order, as people see them
        handle = self.machine.spawn(["script", "-qefc", f"stty cols 160 -onlcr; {command}", "/dev/null"], env=env)
        begun, shown, heard, said = time.monotonic(), 0, time.monotonic(), 0
        while True:
            result = handle.poll()
            now = time.monotonic()
            out = (result.stdout if result else handle.output()[0]).replace("\r\n", "\n")
            if not result and out.endswith("\ufffd"):  # half a character
                out = out[:-1]
            if len(out) > shown:
                self.show.text(out[shown:])
                shown, heard, said = len(out), now, 0
            if result:
                break
            if now - begun > timeout:
                handle.kill()
                raise CommandTimeout(f"{command!r}: no end after {timeout} s")
            if now - heard > QUIET_SECONDS:
                whole = int((now - heard) / QUIET_SECONDS)
                self.show.status(f"  ... {now - begun:.0f} s", often=whole == said)
                said = whole
            time.sleep(LOOK_SECONDS)
        self.show.end_line()
        if expect is not None and result.rc not in (expect if isinstance(expect, tuple) else (expect,)):
            raise CommandFailed(command, result)
        self.rc = result.rc
        return ANSI.sub("", out)

    def ask(self, command, timeout=60):
        """What a command prints, not shown."""
        return self.machine.run(command, timeout=timeout).stdout.strip()

    # -- chapters -------------------------------------------------------------------------------------------------

    def install(self, wheel):
        self.show.line(f"installing {wheel.name}, as a user would: pip install into /opt/lunmirror")
        self.machine.install(wheel)
        version = self.sh("lunmirror --version").strip()
        self.show.line("writing /etc/lunmirror/lunmirror.toml, as this checkout ships it (comments left out here):")
        self.show.text(
            "".join(f"    {line.partition('#')[0].rstrip()}\n" for line in CONFIG.splitlines() if line[:1] not in "#")
        )
        self.machine.put("/etc/lunmirror/lunmirror.toml", CONFIG, 0o600)
        self.sh("lunmirror check")
        self.expect(not self.ask("ls /sys/class/iscsi_session 2>/dev/null || true"), "no session yet")
        self.expect(not self.ask("find /etc/iscsi/nodes -type f 2>/dev/null || true"), "no node record yet")
        return version

    def plan(self):
        before = self.ask("find /etc /mnt -xdev -printf '%p %i %T@\\n' | sort | sha256sum")
        said = self.sh("lunmirror plan", expect=2)
        for word in ("node", "session", "disk", "group", "volume", "filesystem", "mount"):
            self.expect(re.search(rf"^{word} \S", said, re.MULTILINE), f"the plan reaches layer {word}")
        after = self.ask("find /etc /mnt -xdev -printf '%p %i %T@\\n' | sort | sha256sum")
        self.expect(before == after, "planning changed no file")
        return f"{len(re.findall(r'^  [-+~] ', said, re.MULTILINE))} steps foreseen, nothing changed"

    def apply(self):
        steps = self.steps(self.sh("lunmirror apply", expect=(0, 3)))
        copying = self.rc == 3
        self.expect(all(mark == "✓" for mark, *_ in steps), "every step was done")
        self.expect(self.mounted(), f"{VOLUME} is mounted at {MOUNT}")
        self.sh(f"head -c 8M /dev/urandom > {MOUNT}/witness && sync -f {MOUNT} && sha256sum {MOUNT}/witness")
        self.witness = self.ask(f"sha256sum {MOUNT}/witness")
        return f"{len(steps)} steps, mounted" + (", mirror still copying" if copying else "")

    def sync(self):
        """Waits for the first copy; the kernel's own figures, read with dmsetup."""
        begun, said = time.monotonic(), -1
        self.show.line(f"reading `dmsetup status {DM}` until all of it is in sync", "1")
        while True:
            line = self.ask(f"dmsetup status {DM}")
            letters = re.search(r" ([AaD]+) (\d+)/(\d+) ", line)
            if not letters:
                raise LabError(f"this is no raid1: {line}")
            done, total = int(letters[2]), int(letters[3])
            share, seconds = done / total, time.monotonic() - begun
            tenth = int(share * 10)
            text = f"  [{'#' * round(share * BAR):{BAR}}] {share:6.1%}  legs {letters[1]}  {seconds:4.0f} s"
            self.show.status(text, often=tenth == said)
            said = tenth
            if share == 1 and set(letters[1]) == {"A"}:
                break
            if seconds > SYNC_SECONDS:
                raise CommandTimeout(f"the mirror is not in sync after {SYNC_SECONDS} s: {line}")
            time.sleep(1)
        self.show.end_line()
        self.sh(f"lvs -a -o lv_name,lv_attr,lv_size,copy_percent,devices {VOLUME.split('/', maxsplit=1)[0]}")
        return f"legs {letters[1]}, 100 %"

    def first_copy(self):
        said = self.sync()
        self.show.line("the pass that follows notes in the journal that either leg may now start the volume:")
        self.expect("runs on" in self.sh("lunmirror apply"), "the journal knows both legs")
        return said

    def nothing(self):
        before = self.ask(FOOTPRINT)
        steps = self.steps(self.sh("lunmirror apply"))
        self.expect(not steps, "no step was taken")
        self.expect(self.ask(FOOTPRINT) == before, "no file, session, LVM metadata or mount was touched")
        return "nothing done: same inodes, mtimes, sessions, vg_seqno"

    def damage(self):
        say = self.show.line
        say("1. A start-up key goes back to manual: what a rediscovery does.")
        self.sh(
            f"sed -i 's/^node.conn\\[0\\].startup = .*/node.conn[0].startup = manual/' '{RECORD}'; "
            f"grep -F 'conn[0].startup' '{RECORD}'"
        )
        say()
        say(
            "2. The file system is unmounted, and its volume put to rest. A leg must not vanish under a running mirror here:"
        )
        say("   that would be an outage, with a leg to heal, not drift of settings.")
        self.sh(f"umount {MOUNT} && lvchange -an {VOLUME}")
        say()
        say("3. A session is logged out.")
        self.sh(f"iscsiadm -m node -T {TARGET2} -p 192.168.1.120 --logout")
        self.sh("iscsiadm -m session")
        self.expect(not self.mounted(), "it is not mounted")
        self.expect(len(self.sessions()) == 1, "one session is left")
        return "startup manual; unmounted; one session logged out"

    def mend(self):
        sessions, fstab = self.sessions(), self.ask("cat /etc/fstab")
        records = self.ask("cd /etc/iscsi && find . -type f | sort")
        seqno = self.ask("vgs --noheadings -o vg_seqno vg0 2>/dev/null")
        steps = self.steps(self.sh("lunmirror apply"))
        by_layer = {}
        for mark, layer, name, title in steps:
            by_layer.setdefault(layer, []).append((mark, name, title))
        self.expect(
            [n for _, n, _ in by_layer.pop("node", [])] == ["filer1"],
            "the key of filer1's record was mended, no other record",
        )
        self.expect(
            [n for _, n, _ in by_layer.pop("session", [])] == ["filer2"], "filer2 was logged in to, filer1 was not"
        )
        self.expect(
            len(by_layer.pop("mount", [])) == 1, "it was mounted again, with no other change to do with mounts"
        )
        # What the three need in between: the disk appears, and the volume is activated, by us or sooner by LVM's udev rule.
        waits = by_layer.pop("disk", [])
        self.expect(all("wait for LUN" in title for *_, title in waits), "no disk was written to")
        activated = by_layer.pop("volume", [])
        at_most = (
            "activate ",
            "note that ",
            "leave a mark ",
        )  # what the journal and the server are to remember of it
        self.expect(all(title.startswith(at_most) for *_, title in activated), "the volume was at most activated")
        self.expect(not by_layer, f"nothing else was done {sorted(by_layer) or ''}".rstrip())
        self.expect(all(mark == "✓" for mark, *_ in steps), "every step was done")
        self.expect(sessions.items() <= self.sessions().items(), "filer1's session is the same one")
        self.expect(self.ask("cd /etc/iscsi && find . -type f | sort") == records, "no record came or went")
        self.expect(self.ask("cat /etc/fstab") == fstab, "fstab is the same, byte for byte")
        self.expect(self.ask("vgs --noheadings -o vg_seqno vg0") == seqno, "LVM's metadata was not written")
        self.expect(
            self.ask(f"grep -F 'conn[0].startup' '{RECORD}'").endswith("= automatic"), "the key reads automatic"
        )
        self.expect(self.mounted(), "it is mounted")
        self.expect(self.ask(f"sha256sum {MOUNT}/witness") == self.witness, "the file written before is whole")
        also = (
            f"; {len(waits)} wait for the disk, {len(activated)} activation between them"
            if waits or activated
            else ""
        )
        return f"the three mended{also}"

    def status(self):
        said = self.sh("lunmirror status")
        self.expect(said.startswith("OK: "), "all is well")
        for word in ("vg0/testlv", "in sync", "filer1", "filer2"):
            self.expect(word in said, f"{word} is named")
        said = self.sh("lunmirror status testlv")
        for word in ("vg0", "testlv", "left", "right", "filer1", "filer2"):
            self.expect(word in said, f"{word} is in the tree")
        return "in sync, both legs"

    def drill(self):
        """The loss of a server, rehearsed as on a machine in service."""
        return self.rehearse(BUDGET, "drill-filer2.svg")

    def defaults(self):
        """The same outage under open-iscsi's own timeouts, which take effect at a login."""
        self.show.line("the same mirror, with the timeouts that open-iscsi has by itself:")
        config = re.sub(r"(?m)^stall_budget .*$", DEFAULTS, CONFIG)
        self.show.text("".join(f"    {line}\n" for line in DEFAULTS.splitlines()))
        self.machine.put("/etc/lunmirror/lunmirror.toml", config, 0o600)
        self.sh(f"umount {MOUNT} && lvchange -an {VOLUME} && iscsiadm -m node --logoutall=all", timeout=180)
        self.sh("lunmirror apply", expect=(0, 3))
        self.sync()
        return self.rehearse(5 + 5 + 120 + 2, "drill-filer2-defaults.svg")

    def rehearse(self, budget, picture):
        said = self.sh(f"lunmirror drill filer2 --confirm --picture /root/{picture}", timeout=1200, expect=(0, 1))
        (OUT / picture).write_bytes(self.machine.get(f"/root/{picture}"))
        self.show.line(f"the picture is kept in {OUT / picture}")
        stall = float(re.search(r"longest stall +([0-9.]+) s", said)[1])
        self.expect(
            stall <= budget + EMULATION,
            f"no write took longer than the {budget} s of the budget, and the emulator's {EMULATION} s",
        )
        self.expect(re.search(r"errors +0 ", said), "no write failed")
        self.expect(not re.search(r"full redundancy +never", said), "redundancy is full again")
        self.expect(self.mounted(), "it was mounted all the time")
        self.expect("lunmirror_drill" not in self.ask("nft list tables"), "nothing is left of the cut")
        self.expect(self.ask(f"sha256sum {MOUNT}/witness") == self.witness, "the file written before is whole")
        return f"longest stall {stall:.1f} s, no error"

    # -- looking --------------------------------------------------------------------------------------------------

    def steps(self, said):
        """(mark, layer, name, title) of every step that an apply took, as its report tells them."""
        return STEP.findall(said)

    def mounted(self):
        return self.machine.run(["mountpoint", "-q", MOUNT], check=False).rc == 0

    def sessions(self):
        """Session -> target."""
        lines = self.ask("for s in /sys/class/iscsi_session/*; do echo $s $(cat $s/targetname); done")
        return dict(line.split() for line in lines.splitlines())

    def expect(self, held, what):
        self.show.line(f"   [{'ok' if held else 'NOT'}] {what}", "32" if held else "31")
        self.table.checks += 1
        self.table.broken += [] if held else [what]


class Table:
    """What was done, how long it took, what came of it."""

    def __init__(self, show):
        self.show, self.rows, self.broken, self.checks = show, [], [], 0
        self.begun = time.monotonic()

    def chapter(self, title, work):
        """Runs one chapter; an expectation that fails ends the demo with it, since the next ones build on it."""
        self.show.heading(title)
        begun = time.monotonic()
        try:
            answer = work()
        except BaseException as failure:
            why = (str(failure) or type(failure).__name__).splitlines()[0]
            self.rows.append((title, time.monotonic() - begun, f"FAILED: {why}"))
            raise
        self.rows.append((title, time.monotonic() - begun, f"FAILED: {self.broken[0]}" if self.broken else answer))
        if self.broken:
            raise LabError(f"expected, and not so: {'; '.join(self.broken)}")

    def print(self):
        self.show.heading("What was done")
        width = max(len(title) for title, *_ in self.rows)
        for title, seconds, answer in self.rows:
            self.show.line(f"{title:<{width}}  {seconds:7.1f} s  {answer}")
        self.show.line(
            f"{'in all':<{width}}  {time.monotonic() - self.begun:7.1f} s  {self.checks} expectations checked, {len(self.broken)} not met"
        )


def built_wheel(given, folder, show):
    """The wheel to install; built from this checkout if none is given."""
    if given:
        return given
    show.line("building the wheel of this checkout (pip wheel)")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT]
    subprocess.run(pip, check=True, stdin=subprocess.DEVNULL)
    return next(Path(folder).glob("lunmirror-*.whl"))


def prepare(show):
    """The image; what is missing on this host for it is installed, and said."""
    needed = sorted(
        {
            p
            for program, p in images.HOST_PACKAGES.items()
            if not images.shutil.which(program, path=images.search_path())
        }
    )
    how = "" if os.geteuid() == 0 else ", with sudo"
    show.line(
        f"to be installed on this host{how}: {', '.join(needed)}"
        if needed
        else "this host has all that the lab needs"
    )
    kept = images.CACHE / images.recipe_hash()
    show.line(f"image: {kept}" + ("" if kept.exists() else f" is built now, once (two to three minutes{how})"))
    images.ensure()


def keep(machine, show):
    port = machine.ssh_port()
    show.heading("The machine is left running")
    show.line(
        f"ssh -i {machine.image.key} -p {port} -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null root@127.0.0.1"
    )
    show.line("Ctrl-C here ends it and removes its disks.")
    try:
        while machine.alive:
            time.sleep(1)
    except KeyboardInterrupt:
        show.line()


def play(arguments, show, table, folder):
    def boot():
        seconds = machine.boot()
        show.line(
            f"a Debian machine with two storage servers, filer1 and filer2, each in a network of its own ({machine.accel})"
        )
        demo.sh("uname -r; lvm version | head -n 1; iscsiadm --version; ip -br address show lab0")
        return f"up after {seconds:.1f} s"

    had = (images.CACHE / images.recipe_hash()).exists()
    table.chapter("The lab's image", lambda: prepare(show) or ("reused" if had else "built"))
    wheel = built_wheel(arguments.wheel, folder, show)
    with Machine(Path(folder, "machine")) as machine:
        demo = Demo(machine, show, table)
        table.chapter("Boot", boot)
        table.chapter("Install and configure", lambda: demo.install(wheel))
        table.chapter("lunmirror plan: two blank LUNs", demo.plan)
        table.chapter("lunmirror apply: from blank to mounted", demo.apply)
        table.chapter("The first copy", demo.first_copy)
        table.chapter("lunmirror apply, again", demo.nothing)
        table.chapter("Three things are broken by hand", demo.damage)
        table.chapter("lunmirror apply: only those three are mended", demo.mend)
        table.chapter("lunmirror status", demo.status)
        if arguments.drill:
            table.chapter("lunmirror drill: a server dies", demo.drill)
            table.chapter("The same outage under open-iscsi's defaults", demo.defaults)
        table.print()
        if arguments.keep:
            keep(machine, show)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wheel", type=Path, help="the lunmirror to install (default: built from this checkout)")
    parser.add_argument(
        "--no-drill",
        dest="drill",
        action="store_false",
        help="end before the drill and the same outage under the defaults",
    )
    parser.add_argument("--keep", action="store_true", help="leave the machine running at the end, until Ctrl-C")
    arguments = parser.parse_args()
    show = Show(OUT / "transcript.txt")
    table = Table(show)
    try:
        with tempfile.TemporaryDirectory(prefix="lunmirror-demo-") as folder:
            play(arguments, show, table, folder)
    except (LabError, subprocess.CalledProcessError) as failure:
        show.end_line()
        table.print()
        show.line(f"\ndemo: {failure}", "31")
        return 1
    except KeyboardInterrupt:
        show.end_line()
        show.line("demo: stopped", "31")
        return 130
    finally:
        print(f"demo: all of this is kept in {show.file.name}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
