"""One machine of the lab, driven from Python (standard library only).

    with Machine(tmp_path) as machine:
        machine.boot()
        machine.run("iscsiadm -m discovery -t st -p 192.168.1.115")

The first boot() resumes a booted image kept in the cache (about a second); boot(cold=True), reboot() and a
boot() after power_cut() are real ones. Commands travel over a virtio-serial port to guest/agent.py, so they
need no network, and several may run at once.
"""

import base64
import concurrent.futures
import contextlib
import ctypes
import hashlib
import itertools
import json
import os
import select
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import accel
import image as images
from image import LabError

MEMORY = "1024"  # MiB: small, since a snapshot writes it out
PROCESSORS = "2"
BOOT_SECONDS = 240
MONITOR_SECONDS = 300
KILL_GRACE_SECONDS = 5
PIECE = 256 * 1024  # bytes of a file in one message
DISKS = ("root", "filers")
KERNEL_LINE = "root=/dev/vda rw console=ttyS0 net.ifnames=0 quiet loglevel=5 mitigations=off fsck.mode=skip systemd.show_status=no"
PR_SET_PDEATHSIG = 1

_identifiers = itertools.count(int(time.time() * 1000) << 16)
# The parent-death signal follows the *thread* that starts QEMU: this one lives as long as the process.
_launcher = concurrent.futures.ThreadPoolExecutor(max_workers=1, thread_name_prefix="lab-launcher")


class MachineGone(LabError):
    """The machine was powered off, cut or restored while the question was open."""


class CommandFailed(LabError):
    def __init__(self, command, result):
        super().__init__(f"{command!r}: exit {result.rc}\n{result.stdout}{result.stderr}")
        self.result = result


class CommandTimeout(LabError):
    """A command was still running at its deadline; it has been sent SIGKILL."""


@dataclass(frozen=True)
class Result:
    """What a command did. Times in seconds as the guest measured them; `cpu` is user + system of it and its children."""

    rc: int
    stdout: str
    stderr: str
    seconds: float
    user: float = 0.0
    system: float = 0.0
    maxrss_kib: int = 0

    @property
    def cpu(self):
        return self.user + self.system


class Machine:
    """A machine of its own in `workdir`: qcow2 overlays on the shared image, sockets, console.log."""

    def __init__(self, workdir, image=None):
        self.workdir = Path(workdir)
        self.workdir.mkdir(parents=True, exist_ok=True)
        self.image = image or images.ensure()
        self.accel = accel.choose(self.image)
        self.qemu = self.agent = self.monitor = None
        self.boot_id = None

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.kill()

    # --- power -----------------------------------------------------------------------------------

    def boot(self, cold=False, wait=True, timeout=BOOT_SECONDS):
        """Starts the machine; returns the seconds it took.

        The first boot of fresh overlays resumes the cached, booted image unless `cold`. With `wait` (the
        default) it returns when systemd has finished booting; without, as soon as commands can be run.
        """
        if self.alive:
            raise LabError("the machine is running already")
        begun = time.monotonic()
        fresh = not self.disk("root").exists()
        if fresh and not cold:
            return self._resume_warm(begun)
        if fresh:
            self._make_overlays()
        self._launch()
        self._hello(timeout)
        if wait:
            self.wait_booted(timeout)
        return time.monotonic() - begun

    def reboot(self, wait=True, timeout=BOOT_SECONDS):
        """An orderly reboot, as `systemctl reboot`; returns the seconds until the agent (or systemd) is up again.

        `timeout` bounds the way down and the way up, each.
        """
        begun = time.monotonic()
        self._power_off("systemctl reboot", timeout)
        # A new QEMU: emulation is about half as fast in one that has been reset.
        self.boot(wait=wait, timeout=timeout)
        return time.monotonic() - begun

    def shutdown(self, timeout=180):
        """An orderly power-off; CommandTimeout, and the machine killed, if it hangs. Returns the seconds it took."""
        begun = time.monotonic()
        self._power_off("systemctl poweroff", timeout)
        return time.monotonic() - begun

    def _power_off(self, command, timeout):
        self.spawn(command)
        try:
            self.qemu.wait(timeout)
        except subprocess.TimeoutExpired:
            raise CommandTimeout(f"{command}: not down after {timeout} s; see {self.console}") from None
        finally:
            self.kill()

    def power_cut(self):
        """kill -9: what the guest wrote without a flush is lost, what was acknowledged after one stays."""
        self.kill()

    def kill(self):
        if self.qemu is not None:
            self.qemu.kill()
            self.qemu.wait()
        for channel in (self.agent, self.monitor):
            if channel is not None:
                channel.close()
        self.qemu = self.agent = self.monitor = None

    @property
    def alive(self):
        return self.qemu is not None and self.qemu.poll() is None

    def wait_booted(self, timeout=BOOT_SECONDS):
        """Waits for systemd's job queue to empty; returns 'running' or 'degraded'."""
        return self.run("systemctl is-system-running --wait", timeout=timeout, check=False).stdout.strip()

    # --- snapshots -------------------------------------------------------------------------------

    def snapshot(self, name):
        """Memory, devices and both disks at one instant. Returns the seconds it took."""
        begun = time.monotonic()
        self.monitor.human(f"savevm {name}")
        return time.monotonic() - begun

    def restore(self, name):
        """Back to a snapshot, whether or not the machine still runs; open handles become MachineGone.

        The guest's clock is set to now. Returns the seconds it took.
        """
        begun = time.monotonic()
        if self.alive:
            self.agent.forget("the machine was restored")
            self.monitor.human(f"loadvm {name}")
            self.monitor.execute("cont")
        else:
            self.kill()
            self._launch("-loadvm", name)
        self._hello(60)
        self.set_clock()
        return time.monotonic() - begun

    def set_clock(self):
        self.agent.ask("clock", time=time.time())

    # --- commands and files ----------------------------------------------------------------------

    def run(self, cmd, timeout=60, check=True, input=None, env=None, cwd=None):
        """Runs a shell line (sh -c) or an argument list as root; a Result.

        `input`: bytes for standard input. CommandFailed if `check` and the exit is not 0; CommandTimeout after
        `timeout` seconds. Daemons that the command leaves behind are not waited for.
        """
        handle = self._start(cmd, input, env, cwd, notify=False)
        result = handle.wait(timeout)
        if check and result.rc:
            raise CommandFailed(handle.command, result)
        return result

    def spawn(self, cmd, input=None, env=None, cwd=None):
        """Starts a command in the background and returns its Handle once it runs."""
        handle = self._start(cmd, input, env, cwd, notify=True)
        handle.reply.started(30)
        return handle

    def _start(self, cmd, input, env, cwd, notify):
        argv = ["/bin/sh", "-c", cmd] if isinstance(cmd, str) else [str(word) for word in cmd]
        stdin = base64.b64encode(input).decode() if input else None
        reply = self._agent().send("execute", argv=argv, stdin=stdin, env=env, cwd=cwd, notify=notify)
        return Handle(self.agent, reply, cmd if isinstance(cmd, str) else shlex.join(argv))

    def put(self, path, data, mode=0o644):
        """Writes a file in the guest, folders included, synced to its disk."""
        data = data.encode() if isinstance(data, str) else bytes(data)
        for offset in range(0, max(len(data), 1), PIECE):
            piece = data[offset : offset + PIECE]
            self._agent().ask(
                "put",
                path=str(path),
                offset=offset,
                mode=mode,
                last=offset + PIECE >= len(data),
                data=base64.b64encode(piece).decode(),
            )

    def get(self, path):
        """The bytes of a file in the guest."""
        whole = b""
        while True:
            piece = base64.b64decode(
                self._agent().ask("get", path=str(path), offset=len(whole), length=PIECE)["data"]
            )
            whole += piece
            if len(piece) < PIECE:
                return whole

    def install(self, wheel):
        """Installs our wheel into /opt/lunmirror, without a network, and links it into /usr/local/sbin."""
        there = f"/tmp/{Path(wheel).name}"
        self.put(there, Path(wheel).read_bytes())
        self.run(
            [
                "/opt/lunmirror/bin/python",
                "-m",
                "pip",
                "install",
                "--quiet",
                "--no-index",
                "--no-deps",
                "--no-cache-dir",
                "--force-reinstall",
                "--disable-pip-version-check",
                there,
            ],
            timeout=300,
        )
        self.run("ln -sfn /opt/lunmirror/bin/lunmirror /usr/local/sbin/lunmirror && sync")

    def ssh_port(self):
        """Starts sshd and opens a free loopback port to it; for the interactive shell."""
        self.run("systemctl start ssh", timeout=120)
        port = free_port()
        self.monitor.human(f"hostfwd_add net0 tcp:127.0.0.1:{port}-:22")
        return port

    # --- within ----------------------------------------------------------------------------------

    @property
    def console(self):
        """The serial console's log: kernel messages at warning level and above, panics."""
        return self.workdir / "console.log"

    def disk(self, name):
        return self.workdir / f"{name}.qcow2"

    def _agent(self):
        if self.agent is None:
            raise MachineGone("the machine is not running: boot() it")
        return self.agent

    def _make_overlays(self):
        for name in DISKS:
            images.call(
                "qemu-img",
                "create",
                "-q",
                "-f",
                "qcow2",
                "-F",
                "raw",
                "-b",
                self.image.folder / f"{name}.raw",
                self.disk(name),
            )

    def _resume_warm(self, begun):
        warm = warm_folder(self.image, self.accel)
        for name in DISKS:
            copy_sparse(warm / f"{name}.qcow2", self.disk(name))
        self.restore("warm")
        return time.monotonic() - begun

    def _launch(self, *extra):
        command = [
            "qemu-system-x86_64",
            "-nodefaults",
            "-no-user-config",
            "-no-reboot",
            "-display",
            "none",
            "-machine",
            "q35",
            "-m",
            MEMORY,
            "-smp",
            PROCESSORS,
            *accel.OPTIONS[self.accel],
            "-rtc",
            "base=utc",
            "-kernel",
            self.image.kernel,
            "-initrd",
            self.image.initrd,
            "-append",
            KERNEL_LINE,
            "-chardev",
            "file,id=console,path=console.log,append=on",
            "-serial",
            "chardev:console",
            "-chardev",
            "socket,id=agent,path=agent.sock,server=on,wait=off",
            "-device",
            "virtio-serial-pci",
            "-device",
            "virtserialport,chardev=agent,name=org.lunmirror.lab",
            "-qmp",
            "unix:qmp.sock,server=on,wait=off",
            "-device",
            "virtio-rng-pci",
            "-netdev",
            "user,id=net0,restrict=on",
            "-device",
            "virtio-net-pci,netdev=net0,romfile=",
        ]
        for name in DISKS:
            # unsafe: a guest's flush reaches the host's page cache, which outlives a killed QEMU, and no further.
            command += [
                "-drive",
                f"file={name}.qcow2,if=none,id={name},format=qcow2,cache=unsafe,discard=unmap",
                "-device",
                f"virtio-blk-pci,drive={name},serial={name}",
            ]
        for name in ("agent.sock", "qmp.sock"):
            (self.workdir / name).unlink(missing_ok=True)
        with open(self.workdir / "qemu.log", "ab") as log:
            self.qemu = _launcher.submit(
                subprocess.Popen,
                [*command, *extra],
                cwd=self.workdir,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=_die_with_parent,
                start_new_session=True,
            ).result()
        self.monitor = Monitor(self._connect("qmp.sock"))
        self.agent = Agent(self._connect("agent.sock"))

    def _connect(self, name, timeout=60):
        """A socket in workdir, whose path may be longer than the 107 bytes a socket address holds."""
        deadline = time.monotonic() + timeout
        folder = os.open(self.workdir, os.O_PATH)
        try:
            while True:
                sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                try:
                    sock.connect(f"/proc/self/fd/{folder}/{name}")
                    return sock
                except (FileNotFoundError, ConnectionRefusedError):
                    sock.close()
                    if self.qemu.poll() is not None or time.monotonic() > deadline:
                        raise LabError(
                            f"QEMU did not start: {(self.workdir / 'qemu.log').read_text()[-2000:]}"
                        ) from None
                    time.sleep(0.02)
        finally:
            os.close(folder)

    def _hello(self, timeout):
        """Waits until the agent answers."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                self.boot_id = self.agent.ask("ping", timeout=1)["boot_id"]
                return
            except CommandTimeout:
                pass
            if not self.alive:
                raise MachineGone(f"QEMU ended: {(self.workdir / 'qemu.log').read_text()[-2000:]}")
            if time.monotonic() > deadline:
                raise CommandTimeout(f"no answer from the guest within {timeout} s; see {self.console}")


class Handle:
    """A command that was started. Use poll(), wait(), kill(), output()."""

    def __init__(self, agent, reply, command):
        self.agent, self.reply, self.command = agent, reply, command

    def poll(self):
        """Its Result if it has ended, else None."""
        return _result(self.reply.wait(0)) if self.reply.done.is_set() else None

    def wait(self, timeout=60):
        """Its Result; CommandTimeout, and SIGKILL to its session, after `timeout` seconds."""
        try:
            return _result(self.reply.wait(timeout))
        except CommandTimeout:
            out, err = self.output()
            self.kill()
            raise CommandTimeout(f"{self.command!r}: no end after {timeout} s\n{out}{err}") from None

    def kill(self, signum=signal.SIGKILL):
        """Sends a signal to the whole process group; does not wait."""
        self.agent.ask("kill", ref=self.reply.ident, signal=int(signum))

    def output(self):
        """(stdout, stderr) so far."""
        if self.reply.done.is_set():
            result = _result(self.reply.wait(0))
            return result.stdout, result.stderr
        answer = self.agent.ask("output", ref=self.reply.ident)
        return _text(answer["out"]), _text(answer["err"])


class Reply:
    """An answer to come."""

    def __init__(self, ident, verb):
        self.ident, self.verb = ident, verb
        self.done, self.begun, self.answer = threading.Event(), threading.Event(), None

    def settle(self, answer):
        if answer.get("event") == "started":
            self.begun.set()
            return False
        self.answer = answer
        self.begun.set()
        self.done.set()
        return True

    def wait(self, timeout):
        if not self.done.wait(timeout):
            raise CommandTimeout(f"{self.verb}: no answer from the guest within {timeout} s")
        if "gone" in self.answer:
            raise MachineGone(self.answer["gone"])
        if "error" in self.answer:
            raise LabError(f"{self.verb}: {self.answer['error']}")
        return self.answer

    def started(self, timeout):
        if not self.begun.wait(timeout):
            raise CommandTimeout(f"{self.verb}: not started within {timeout} s")
        if self.done.is_set():
            self.wait(0)


class Agent:
    """The host's end of the virtio-serial port. Answers are matched by id; one that nobody waits for is dropped."""

    def __init__(self, sock):
        self.sock, self.lock, self.waiting, self.open = sock, threading.Lock(), {}, True
        threading.Thread(target=self._listen, daemon=True, name="lab-agent").start()
        self._write(b"\n")  # ends whatever half a line an earlier life of the guest has read

    def send(self, verb, **fields):
        reply = Reply(next(_identifiers), verb)
        self.waiting[reply.ident] = reply
        if not self.open:
            self.forget("the machine is not running")
        self._write(json.dumps({"id": reply.ident, "verb": verb} | fields).encode() + b"\n")
        return reply

    def ask(self, verb, timeout=30, **fields):
        return self.send(verb, **fields).wait(timeout)

    def forget(self, reason):
        """Everything still open will never be answered."""
        while self.waiting:
            self.waiting.popitem()[1].settle({"gone": reason})
        if self.open:
            self._write(b"\n")

    def close(self):
        self.open = False
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()
        self.forget("the machine was switched off")

    def _write(self, data):
        with self.lock, contextlib.suppress(OSError):
            self.sock.sendall(data)

    def _listen(self):
        try:
            for line in self.sock.makefile("rb"):
                try:
                    answer = json.loads(line)
                    reply = self.waiting[answer["id"]]
                except (ValueError, KeyError, TypeError):  # from before a restore
                    continue
                if reply.settle(answer):
                    self.waiting.pop(reply.ident, None)
        except (OSError, ValueError):
            pass
        self.open = False
        self.forget("QEMU has ended")


class Monitor:
    """QEMU's QMP socket."""

    def __init__(self, sock):
        self.sock, self.held = sock, b""
        self._line(30)
        self.execute("qmp_capabilities")

    def execute(self, command, **arguments):
        self.sock.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        while True:
            answer = json.loads(self._line(MONITOR_SECONDS))
            if "error" in answer:
                raise LabError(f"QEMU: {command}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]

    def human(self, line):
        """A command that exists only for people; anything it prints is an error."""
        printed = self.execute("human-monitor-command", **{"command-line": line}).strip()
        if printed:
            raise LabError(f"QEMU: {line}: {printed}")

    def close(self):
        self.sock.close()

    def _line(self, timeout):
        while b"\n" not in self.held:
            if not select.select([self.sock], [], [], timeout)[0]:
                raise LabError(f"QEMU's monitor did not answer within {timeout} s")
            piece = self.sock.recv(1 << 16)
            if not piece:
                raise MachineGone("QEMU has ended")
            self.held += piece
        line, self.held = self.held.split(b"\n", 1)
        return line


# --- a booted machine, kept ----------------------------------------------------------------------


def warm_folder(image, acceleration):
    """Overlays that hold the snapshot 'warm' of a machine just booted; made once for each way to start QEMU."""
    way = json.dumps(
        [
            acceleration,
            accel.OPTIONS[acceleration],
            MEMORY,
            PROCESSORS,
            KERNEL_LINE,
            accel.qemu_version(),
            os.uname().release,
        ]
    )
    folder = image.folder / f"warm-{hashlib.sha256(way.encode()).hexdigest()[:12]}"
    with images.cache_lock():
        if not folder.exists():
            images.say("booting once, to keep a booted machine (about a minute)")
            temporary = Path(tempfile.mkdtemp(prefix="warming-", dir=image.folder))
            try:
                with Machine(temporary, image) as machine:
                    machine.boot(cold=True)
                    if failed := machine.run("systemctl list-units --failed --plain --no-legend").stdout:
                        raise LabError(f"the machine does not boot whole, so nothing can be tested in it:\n{failed}")
                    machine.run("sync; journalctl --flush", check=False)
                    time.sleep(2)
                    machine.snapshot("warm")
                temporary.rename(folder)
            except BaseException:
                shutil.rmtree(temporary, ignore_errors=True)
                raise
    return folder


def copy_sparse(source, target):
    images.call("cp", "--sparse=always", "--reflink=auto", source, target)


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def _die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _result(answer):
    return Result(
        answer["rc"],
        _text(answer["out"]),
        _text(answer["err"]),
        answer["seconds"],
        answer["user"],
        answer["system"],
        answer["maxrss_kib"],
    )


def _text(data):
    return base64.b64decode(data).decode(errors="replace")
