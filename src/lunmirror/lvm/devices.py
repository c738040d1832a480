"""Which block devices answer now, so that LVM may be pointed at them: as far as sysfs and the servers' portals show.

The first seconds after a silent death are grey: until the ping times out the session still reads LOGGED_IN
(docs/facts/lvm.md#grey-seconds), and a read waits for as long as the stall budget and more. So the portal of each
session is asked for a TCP connection first. A server that accepts and then says nothing gets past that, so every
child has a deadline too.

Which of them LVM is shown is another question: the declared disks' own, and nothing else (layers/disk/observe.py).
"""

from lunmirror.engine.model import Present
from lunmirror.host import paths
from lunmirror.host.protocol import Reader
from lunmirror.host.sysfs import endpoint, names, session, text
from lunmirror.lvm import maps

_PLAIN = ("sd", "vd", "nvme")  # disks and their partitions: nothing is below them
PROBE = 1.5  # seconds for a portal with a session to accept a connection: the kernel asks twice in that time


def silent(reader: Reader) -> dict[str, str]:
    """Sessions ("session3") that read LOGGED_IN, and whose portals do not answer all the same, with the reason. Asked
    once, until something is changed. A portal that refuses is no such silence: there the server is up, and had the
    session ended with it, the kernel would know."""
    return reader.memoize("silent sessions", lambda: _ask(reader))


def _ask(reader: Reader) -> dict[str, str]:
    endpoints: dict[str, tuple[str, int]] = {}
    for sid in names(reader, paths.SYS_SESSIONS):
        if text(reader, f"{session(sid)}/state") == "LOGGED_IN" and (found := endpoint(reader, sid)):
            endpoints[sid] = found
    answers = reader.reach(tuple(dict.fromkeys(endpoints.values())), PROBE) if endpoints else {}
    silence = {sid: answers.get(endpoint, "") for sid, endpoint in endpoints.items()}
    return {sid: why for sid, why in silence.items() if why and "refused" not in why}


class Devices:
    """One look at what devices of the kernel ("sdb1", "dm-3") lie on, and whether they answer."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._silent = silent(reader)
        self._verdicts: dict[str, str] = {}

    def apart(self, kernels: tuple[str, ...]) -> tuple[tuple[str, ...], dict[str, str]]:
        """(/dev paths of those that should answer, in the order given; kernel name -> why for the others). One without
        any content, as a drive without a medium, is in neither."""
        healthy, unhealthy = [], {}
        for kernel in kernels:
            if verdict := self.verdict(kernel):
                unhealthy[kernel] = verdict
            elif text(self._reader, f"{paths.SYS_BLOCK}/{kernel}/size") not in ("", "0"):
                healthy.append(f"/dev/{kernel}")
        return tuple(healthy), unhealthy

    def verdict(self, kernel: str) -> str:
        """'' if the device should answer, else why not. Stacked devices answer if all that is below them does."""
        if kernel not in self._verdicts:
            self._verdicts[kernel] = self._judge(kernel)
        return self._verdicts[kernel]

    def _judge(self, kernel: str) -> str:
        if kernel.startswith("dm-") and text(self._reader, f"{paths.SYS_BLOCK}/{kernel}/dm/suspended") == "1":
            return "it is suspended: what reads it waits for whoever did that"
        below = () if kernel.startswith(_PLAIN) else names(self._reader, f"{paths.SYS_BLOCK}/{kernel}/slaves")
        if below and maps.is_map(self._reader, kernel):
            return self._joined(below)
        if below:
            return next((v for v in (self.verdict(s) for s in below) if v), "")
        link = self._reader.link(f"{paths.SYS_BLOCK}/{kernel}")
        if not isinstance(link, Present):
            return "it vanished while being looked at"
        head, block, _ = link.facts.partition("/block/")
        if not block:
            return ""  # a virtual device with nothing below it: loop, md without members
        if head not in self._verdicts:  # asked once for a disk and its partitions
            self._verdicts[head] = self._answers(head)
        return self._verdicts[head]

    def _joined(self, below: tuple[str, ...]) -> str:
        """A multipath map answers through what is left of its paths, but not while it still counts on one that does not."""
        letters = maps.letters(self._reader)
        used = [s for s in below if letters.get(text(self._reader, f"{paths.SYS_BLOCK}/{s}/dev")) != "F"]
        verdicts = [self.verdict(s) for s in used]
        return next((v for v in verdicts if v), "" if used else "every path of its multipath map has failed")

    def _answers(self, head: str) -> str:
        """'' if the device whose directory in sysfs this is should answer, else why not."""
        state = text(self._reader, f"{head}/state")
        if state not in ("", "running"):  # virtio and nvme have no SCSI state
            return f"its SCSI state is {state}"
        for part in head.split("/"):
            if part.startswith("session") and part[7:].isdigit():
                session = text(self._reader, f"{paths.SYS_SESSIONS}/{part}/state")
                if session != "LOGGED_IN":
                    return f"its iSCSI session ({part}) is {session or 'gone'}"
                if part in self._silent:
                    return f"the server of its iSCSI session ({part}) does not answer: {self._silent[part]}"
        return ""
