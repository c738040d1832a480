"""A witness of what the storage acknowledged.

  writer PATH --log LOG [--seconds N] [--interval-ms M] [--block 4096] [--blocks 64] [--direct]
      O_DSYNC writes of numbered, checksummed blocks into PATH, round-robin. After each one LOG gets,
      synced, a line of JSON: n, block, at (epoch seconds), latency_s and error (null: acknowledged).
      Errors are recorded and the writing goes on. Ends after N seconds or at SIGTERM.
  writer verify PATH LOG
      Reads every block back; each must hold the last acknowledged version or a later one.
      Prints {writes, errors, lost, torn, ...}; exit 1 if anything is lost or torn.

LOG belongs on a disk that is not under test.
"""

import argparse
import hashlib
import json
import mmap
import os
import signal
import struct
import sys
import time

HEAD = struct.Struct("<8sQQI")  # magic, n, block, length
MAGIC = b"LUNMIRR1"
SUM = 32


def made(n, block, length):
    body = HEAD.pack(MAGIC, n, block, length)
    body += hashlib.sha256(body).digest() * ((length - len(body) - SUM) // 32 + 1)
    body = body[: length - SUM]
    return body + hashlib.sha256(body).digest()


def version(data, block):
    """The number of the write that this block holds, 0 for a block of zeroes, None for a torn one."""
    if not data.strip(b"\0"):
        return 0
    magic, n, where, length = HEAD.unpack_from(data)
    sound = magic == MAGIC and where == block and length == len(data)
    return n if sound and hashlib.sha256(data[:-SUM]).digest() == data[-SUM:] else None


def entries(log):
    try:
        with open(log, "rb") as file:
            for line in file:
                try:
                    yield json.loads(line)
                except ValueError:  # the line being written when the power went
                    return
    except FileNotFoundError:
        return


def reopen(path, direct):
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_DSYNC | (os.O_DIRECT if direct else 0), 0o644)


def write(options):
    stopping = []
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(True))
    buffer = mmap.mmap(-1, options.block)  # page-aligned, as O_DIRECT wants
    n = max((entry["n"] for entry in entries(options.log)), default=0)
    log = os.open(options.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    target, end = None, time.monotonic() + options.seconds
    while not stopping and time.monotonic() < end:
        n += 1
        block = n % options.blocks
        buffer[:] = made(n, block, options.block)
        begun, error = time.monotonic(), None
        try:
            target = reopen(options.path, options.direct) if target is None else target
            os.pwrite(target, buffer, block * options.block)
        except OSError as failure:
            error = failure.strerror
        latency = time.monotonic() - begun
        entry = {"n": n, "block": block, "at": round(time.time(), 6), "latency_s": round(latency, 6),
                 "size": options.block, "error": error}
        os.write(log, json.dumps(entry).encode() + b"\n")
        os.fdatasync(log)
        time.sleep(max(0.0, options.interval_ms / 1000 - latency))
    print(json.dumps(summary(list(entries(options.log)))))


def summary(history):
    latencies = [entry["latency_s"] for entry in history] or [0.0]
    errors = [entry for entry in history if entry["error"]]
    good = [entry for entry in history if not entry["error"]]
    return {
        "writes": len(good), "errors": len(errors), "first_error": errors[0]["error"] if errors else None,
        "max_latency_s": max(latencies), "mean_latency_s": round(sum(latencies) / len(latencies), 6),
        "longest_gap_s": max((round(b["at"] - a["at"], 3) for a, b in zip(good, good[1:])), default=0.0),
        "last_at": history[-1]["at"] if history else None,
    }


def verify(path, log):
    history = list(entries(log))
    acknowledged, lost, torn = {}, [], []
    for entry in history:
        if not entry["error"]:
            acknowledged[entry["block"]] = entry
    with open(path, "rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)  # the disk's word, not the page cache's
        for block, entry in sorted(acknowledged.items()):
            file.seek(block * entry["size"])
            found = version(file.read(entry["size"]), block)
            if found is None:
                torn.append(block)
            elif found < entry["n"]:
                lost.append({"block": block, "acknowledged": entry["n"], "found": found})
    print(json.dumps(summary(history) | {"blocks": len(acknowledged), "lost": lost, "torn": torn, "ok": not (lost or torn)}))
    return 1 if lost or torn else 0


def main():
    if sys.argv[1:2] == ["verify"]:
        if len(sys.argv) != 4:
            sys.exit(__doc__)
        sys.exit(verify(*sys.argv[2:]))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path")
    parser.add_argument("--log", required=True)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--interval-ms", type=float, default=20)
    parser.add_argument("--block", type=int, default=4096)
    parser.add_argument("--blocks", type=int, default=64)
    parser.add_argument("--direct", action="store_true")
    write(parser.parse_args())
