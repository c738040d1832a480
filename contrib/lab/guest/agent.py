#!/usr/bin/python3
"""The lab's hand inside the guest: runs commands asked for over a virtio-serial port.

One JSON object a line, each with the id its asker chose; answers carry the same id, in any order.
Every command has a thread, a session and files of its own, so that one stuck in D state (a mirror
waiting for a dead server) holds up nobody else, and a daemon that keeps its standard output open
(iscsid started by iscsiadm) is not waited for.
"""

import base64
import json
import os
import signal
import subprocess
import threading
import time

PORT = "/dev/virtio-ports/org.lunmirror.lab"
SPOOL = "/run/lunmirror-lab"
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "USER": "root",
    "LOGNAME": "root",
    "SHELL": "/bin/bash",
    "TERM": "dumb",
}
BOOT_ID = open("/proc/sys/kernel/random/boot_id").read().strip()

running: dict[int, subprocess.Popen] = {}
answer_lock = threading.Lock()
port = None


def answer(message):
    data = json.dumps(message).encode() + b"\n"
    with answer_lock:
        while data:
            try:
                data = data[os.write(port, data):]
            except OSError:  # the host side is away: nobody is left to tell
                return


def b64(data):
    return base64.b64encode(data).decode()


def slurp(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""


def spool(ident, stream):
    return f"{SPOOL}/{ident}.{stream}"


def execute(ask):
    ident = ask["id"]
    if ask.get("stdin"):
        with open(spool(ident, "in"), "wb") as file:
            file.write(base64.b64decode(ask["stdin"]))
        source = spool(ident, "in")
    else:
        source = "/dev/null"
    try:
        with open(source, "rb") as stdin, open(spool(ident, "out"), "wb") as out, open(spool(ident, "err"), "wb") as err:
            begun = time.monotonic()
            child = subprocess.Popen(
                ask["argv"], stdin=stdin, stdout=out, stderr=err, start_new_session=True,
                env=ENVIRONMENT | (ask.get("env") or {}), cwd=ask.get("cwd") or "/root",
            )
            running[ident] = child
            if ask.get("notify"):
                answer({"id": ident, "event": "started", "pid": child.pid})
            _, status, usage = os.wait4(child.pid, 0)
            seconds = time.monotonic() - begun
        child.returncode = os.waitstatus_to_exitcode(status)
        running.pop(ident, None)
        answer({
            "id": ident, "rc": child.returncode, "seconds": seconds,
            "user": usage.ru_utime, "system": usage.ru_stime, "maxrss_kib": usage.ru_maxrss,
            "out": b64(slurp(spool(ident, "out"))), "err": b64(slurp(spool(ident, "err"))),
        })
    finally:
        for stream in ("in", "out", "err"):
            try:
                os.unlink(spool(ident, stream))
            except FileNotFoundError:
                pass


def kill(ask):
    child = running.get(ask["ref"])
    if child is not None:
        try:
            os.killpg(child.pid, ask.get("signal", signal.SIGKILL))
        except ProcessLookupError:
            pass
    answer({"id": ask["id"], "running": child is not None})


def output(ask):
    answer({"id": ask["id"], "out": b64(slurp(spool(ask["ref"], "out"))), "err": b64(slurp(spool(ask["ref"], "err")))})


def put(ask):
    path, first = ask["path"], ask["offset"] == 0
    os.makedirs(os.path.dirname(path), exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if first else 0)
    file = os.open(path, flags, ask["mode"])
    try:
        os.pwrite(file, base64.b64decode(ask["data"]), ask["offset"])
        if ask["last"]:
            os.fchmod(file, ask["mode"])
            os.fsync(file)  # what a test put in place is still there after a power cut
    finally:
        os.close(file)
    answer({"id": ask["id"], "ok": True})


def get(ask):
    with open(ask["path"], "rb") as file:
        file.seek(ask["offset"])
        answer({"id": ask["id"], "data": b64(file.read(ask["length"]))})


def clock(ask):
    time.clock_settime(time.CLOCK_REALTIME, ask["time"])
    answer({"id": ask["id"], "ok": True})


def ping(ask):
    answer({"id": ask["id"], "boot_id": BOOT_ID, "uptime": time.clock_gettime(time.CLOCK_BOOTTIME)})


VERBS = {"execute": execute, "kill": kill, "output": output, "put": put, "get": get, "clock": clock, "ping": ping}


def serve(ask):
    try:
        VERBS[ask["verb"]](ask)
    except Exception as error:
        answer({"id": ask["id"], "error": f"{type(error).__name__}: {error}"})


def lines():
    held = b""
    while True:
        try:
            piece = os.read(port, 1 << 16)
        except OSError:
            piece = b""
        if not piece:  # the host side is away
            time.sleep(0.02)
            continue
        held += piece
        if b"\n" in piece:
            *whole, held = held.split(b"\n")
            yield from whole


def main():
    global port
    os.makedirs(SPOOL, mode=0o700, exist_ok=True)
    while port is None:
        try:
            port = os.open(PORT, os.O_RDWR)
        except FileNotFoundError:
            time.sleep(0.05)
    for line in lines():
        try:
            ask = json.loads(line)
        except ValueError:  # half a line from before a restore
            continue
        threading.Thread(target=serve, args=(ask,), daemon=True).start()


main()
