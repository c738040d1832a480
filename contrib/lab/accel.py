"""Which accelerator works here. /dev/kvm may exist and yet hang a stock kernel, so it is tried, once.

The answer is kept in the cache for this host kernel and QEMU; LUNMIRROR_LAB_ACCEL=kvm|tcg overrides it.
"""

import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

import image as images

TRIAL_SECONDS = 10
OPTIONS = {
    "kvm": ["-accel", "kvm", "-cpu", "host"],
    # Not "max": what glibc does with AVX2 there is slower to emulate. A quarter to a third less of the host's time
    # for LVM commands and Python starts, measured.
    "tcg": ["-accel", "tcg,thread=multi,tb-size=512", "-cpu", "Nehalem"],
}
PROOF = b"Run /init as init process"  # "Linux version" is printed before the second processor starts


def choose(image):
    """'kvm' or 'tcg'."""
    wanted = os.environ.get("LUNMIRROR_LAB_ACCEL")
    if wanted:
        return wanted
    memory = images.CACHE / "accel.json"
    host = f"{os.uname().release} {qemu_version()}"
    known = json.loads(memory.read_text()) if memory.exists() else {}
    if host not in known:
        known[host] = "kvm" if kvm_works(image) else "tcg"
        images.say(f"acceleration: {known[host]}")
        fresh = memory.with_suffix(f".{os.getpid()}")
        fresh.write_text(json.dumps(known))
        fresh.replace(memory)
    return known[host]


def qemu_version():
    return images.call("qemu-system-x86_64", "--version").splitlines()[0]


def kvm_works(image):
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "serial")
        command = [
            "qemu-system-x86_64",
            "-nodefaults",
            "-no-user-config",
            "-display",
            "none",
            "-no-reboot",
            "-m",
            "512",
            "-smp",
            "2",
            *OPTIONS["kvm"],
            "-serial",
            f"file:{log}",
            "-kernel",
            image.kernel,
            "-initrd",
            image.initrd,
            "-append",
            "console=ttyS0 panic=-1 root=/dev/none",
        ]
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as qemu:
            deadline = time.monotonic() + TRIAL_SECONDS
            try:
                while time.monotonic() < deadline and qemu.poll() is None:
                    if log.exists() and PROOF in log.read_bytes():
                        return True
                    time.sleep(0.1)
                return False
            finally:
                qemu.kill()
