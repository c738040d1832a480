"""Which block devices LVM may be pointed at now: those that sysfs says will answer.

The first seconds after a silent death are grey: until the ping times out the session still reads LOGGED_IN
(shared facts, lvm.md), and a read waits for as long as the stall budget and more. So the portal of each session is
asked for a TCP connection first. A server that accepts and then says nothing gets past that, so every child has a
deadline too.
"""

from lunmirror.host import paths
from lunmirror.host.protocol import Reader
from lunmirror.model import Present
from lunmirror.plain import count

# Never physical volumes here, and some of them (an empty drive, a dead nbd) take long to say so.
_PASSED_OVER = ("ram", "zram", "sr", "fd", "nbd")

_PLAIN = ("sd", "vd", "nvme")  # disks and their partitions: nothing is below them
PROBE = 1.5  # seconds for a portal with a session to accept a connection: the kernel asks twice in that time
_OURS = ("default", "", "(null)", "<NULL>")  # interfaces whose connections are the kernel's own TCP


def text(reader: Reader, path: str) -> str:
    """A sysfs attribute, stripped; '' when it is absent or cannot be read."""
    seen = reader.read(path)
    return seen.facts.decode(errors="replace").strip() if isinstance(seen, Present) else ""


def silent(reader: Reader) -> dict[str, str]:
    """Sessions ("session3") that read LOGGED_IN, and whose portals do not answer all the same, with the reason. Asked
    once, until something is changed. A portal that refuses is no such silence: there the server is up, and had the
    session ended with it, the kernel would know."""
    return reader.once("silent sessions", lambda: _ask(reader))


def _ask(reader: Reader) -> dict[str, str]:
    endpoints: dict[str, tuple[str, int]] = {}
    for sid in _names(reader, paths.SYS_SESSIONS):
        base, connection = (
            f"{paths.SYS_SESSIONS}/{sid}",
            f"{paths.SYS_CONNECTIONS}/{sid.replace('session', 'connection', 1)}:0",
        )
        if text(reader, f"{base}/state") != "LOGGED_IN" or text(reader, f"{base}/ifacename") not in _OURS:
            continue
        address, port = text(reader, f"{connection}/address"), count(text(reader, f"{connection}/port"))
        if address[:1].isalnum() and port is not None:
            endpoints[sid] = (address, port)
    answers = reader.reach(tuple(dict.fromkeys(endpoints.values())), PROBE) if endpoints else {}
    said = {sid: answers.get(endpoint, "") for sid, endpoint in endpoints.items()}
    return {sid: why for sid, why in said.items() if why and "refused" not in why}


def _names(reader: Reader, path: str) -> tuple[str, ...]:
    seen = reader.folder(path)
    return seen.facts if isinstance(seen, Present) else ()


class Devices:
    """One look at /sys/class/block. `healthy` are /dev paths in name order; `unhealthy` maps kernel names to why."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._silent = silent(reader)
        self._verdicts: dict[str, str] = {}
        healthy = []
        self.unhealthy: dict[str, str] = {}
        for kernel in _names(reader, paths.SYS_BLOCK):
            if kernel.startswith(_PASSED_OVER):
                continue
            if kernel.startswith("dm-") and text(reader, f"{paths.SYS_BLOCK}/{kernel}/dm/uuid").startswith("LVM-"):
                continue  # a logical volume: never a physical one here, and asking it would ask its legs
            verdict = self._verdict(kernel)
            if verdict:
                self.unhealthy[kernel] = verdict
            elif text(reader, f"{paths.SYS_BLOCK}/{kernel}/size") not in ("", "0"):
                healthy.append(f"/dev/{kernel}")
        self.healthy = tuple(healthy)

    def _verdict(self, kernel: str) -> str:
        """'' if the device should answer, else why not. Stacked devices answer if all that is below them does."""
        if kernel not in self._verdicts:
            self._verdicts[kernel] = self._judge(kernel)
        return self._verdicts[kernel]

    def _judge(self, kernel: str) -> str:
        if kernel.startswith("dm-") and text(self._reader, f"{paths.SYS_BLOCK}/{kernel}/dm/suspended") == "1":
            return "it is suspended: what reads it waits for whoever did that"
        below = () if kernel.startswith(_PLAIN) else _names(self._reader, f"{paths.SYS_BLOCK}/{kernel}/slaves")
        if below:
            return next((v for v in (self._verdict(s) for s in below) if v), "")
        link = self._reader.link(f"{paths.SYS_BLOCK}/{kernel}")
        if not isinstance(link, Present):
            return "it vanished while being looked at"
        head, block, _ = link.facts.partition("/block/")
        if not block:
            return ""  # a virtual device with nothing below it: loop, md without members
        if head not in self._verdicts:  # asked once for a disk and its partitions
            self._verdicts[head] = self._answers(head)
        return self._verdicts[head]

    def _answers(self, head: str) -> str:
        """'' if the device whose folder in sysfs this is should answer, else why not."""
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
