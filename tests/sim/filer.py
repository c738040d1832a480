"""A storage server as `export --apply` meets it: LIO or tgt with somebody else's target, as harsh as the real ones.

rtslib 2.1.75: `restoreconfig` makes nothing over a storage object or target of the same name, and says so; a device that is
not there is skipped. tgt 1.0.85: `tgt-admin --update` of a target in use does nothing and ends with 0, and a backing that is
in use or not there is left out, likewise with 0.
"""

import json
import re
from typing import Any

from lunmirror import config
from lunmirror.engine.model import ABSENT, Present
from lunmirror.host import paths
from lunmirror.host.protocol import ActionFailed, Ran
from sim.stage import text

CLIENT = "iqn.1993-08.org.debian:01:4f3e2d1c0b9a"
EXPORT = """
[servers.{server}.export]
clients = ["{client}"]
[servers.{server}.export.disks.{disk}]
path = "{path}"
{more}
"""


def exported(left: str = "", right: str = "", server: str = "", path: str = "/dev/vg_storage/left", **shape):
    """The article's two servers with their own sides; `left`, `right`: lines of each disk's; `server`: of filer1."""
    whole = text(**shape).replace("[servers.filer1]\n", f"[servers.filer1]\n{server}\n")
    whole += EXPORT.format(server="filer1", client=CLIENT, disk="left", path=path, more=left)
    whole += EXPORT.format(
        server="filer2", client=CLIENT, disk="right", path="/srv/right.img", more=right or 'size = "512MiB"'
    )
    return config.compile_texts([("/etc/lunmirror/lunmirror.toml", whole)])


OTHER = "iqn.2001-01.org.example:other"
KEPT = "/etc/rtslib-fb-target/saveconfig.json"


class Filer:
    """`files`: path -> content. `blkid`: path -> its answer. `lio`, `tgt`: what runs; `busy`: targets with a session.
    `broken`: words of a command that fails."""

    def __init__(self, address: str = "192.168.1.115", devices: tuple[str, ...] = ("/dev/vg_storage/left",)) -> None:
        other = {"fabric": "iscsi", "wwn": OTHER, "tpgs": [{"tag": 1, "luns": [], "node_acls": [], "portals": []}]}
        storage = {"name": "other", "plugin": "block", "dev": "/dev/vg_storage/other", "wwn": "1"}
        self.lio: dict[str, list[Any]] = {"fabric_modules": [], "storage_objects": [storage], "targets": [other]}
        self.tgt: dict[str, str] = {OTHER: "/dev/vg_storage/other"}  # its text, or its backing here
        self.files: dict[str, bytes] = {
            paths.SWAPS: b"Filename\n",
            paths.MOUNTINFO: b"21 1 254:0 / / rw - ext4 /dev/vda rw\n",
            KEPT: json.dumps(self.lio).encode(),
            f"{paths.TGT_ETC}/targets.conf": b"include /etc/tgt/conf.d/*.conf\n",
        }
        self.modes: dict[str, int] = {}
        self.address, self.devices = address, devices
        self.blkid: dict[str, str] = {}
        self.holders: dict[str, tuple[str, ...]] = {}
        self.busy: set[str] = set()
        self.broken = ""
        self.ran: list[tuple[str, ...]] = []

    # Reading

    def forget(self) -> None:
        pass

    def memoize(self, name, look):
        return look()

    def now(self) -> float:
        return 0.0

    def read(self, path: str):
        if found := re.fullmatch(rf"{paths.LIO_TARGETS}/(.+)/tpgt_1/acls/client/info", path):
            used = found[1] in self.busy
            return Present(
                b"InitiatorName: client\n" if used else b"No active iSCSI Session for Initiator Endpoint: client\n"
            )
        if path.startswith(f"{paths.SYS_BLOCK}/") and path.endswith("/dev"):
            return Present(b"253:7\n")
        return Present(self.files[path]) if path in self.files else ABSENT

    def glob(self, pattern: str) -> tuple[str, ...]:
        if pattern.startswith(paths.LIO_TARGETS) and pattern.endswith("info"):
            return tuple(f"{paths.LIO_TARGETS}/{t['wwn']}/tpgt_1/acls/client/info" for t in self.lio["targets"])
        return ()

    def link(self, path: str):
        return Present(f"{paths.DEV}dm-7") if path in self.devices else ABSENT

    def directory(self, path: str):
        if path.startswith(paths.SYS_BLOCK):
            return Present(self.holders.get(path.split("/")[-2], ()))
        names = {p.removeprefix(f"{path}/") for p in self.files if p.startswith(f"{path}/")}
        return Present(tuple(sorted(n for n in names if "/" not in n))) if names else ABSENT

    def query(self, argv: tuple[str, ...], deadline: float) -> Ran:
        match argv:
            case (paths.IP, *_):
                return self._ok(argv, f"2: eth0    inet {self.address}/24 brd 192.168.1.255 scope global eth0")
            case (paths.TARGETCTL, "save", path):
                self.files[path] = json.dumps(self.lio).encode()
                return self._ok(argv)
            case (paths.TGTADM, *_):
                return self._ok(
                    argv, "".join(self._told(n, t, text) for n, (t, text) in enumerate(self.tgt.items(), 1))
                )
            case (paths.BLKID, *_, path):
                said = self.blkid.get(path, "")
                return Ran(argv, 0 if said else 2, said, "", 0.0)
            case (paths.OD, *_):
                return self._ok(argv)
        raise AssertionError(argv)

    def _told(self, number: int, target: str, text: str) -> str:
        found = {key: re.search(rf"^\s*{key} (\S+)", text, re.M) for key in ("lun", "scsi_id", "scsi_sn")}
        path = re.search(r"<backing-store (\S+)>", text)
        lines = [f"Target {number}: {target}", "    I_T nexus information:"]
        lines += ["        I_T nexus: 1", "            Connection: 0"] if target in self.busy else []
        lines += ["    LUN information:", "        LUN: 0", "            Type: controller"]
        if path and path[1] in self.devices and all(found.values()):
            lines += [f"        LUN: {found['lun'][1]}", f"            SCSI ID: {found['scsi_id'][1]}"]
            lines += [f"            SCSI SN: {found['scsi_sn'][1]}", "            Online: Yes"]
            lines += [f"            Backing store path: {path[1]}"]
        lines += ["    ACL information:"]
        lines += [f"        {w}" for w in re.findall(r"initiator-(?:address|name) (\S+)", text)]
        return "\n".join(lines) + "\n"

    # Changing

    def run(self, argv: tuple[str, ...], deadline: float, stdin: bytes = b"") -> Ran:
        self.ran.append(argv)
        if self.broken and self.broken in argv:
            return Ran(argv, 1, "", "it failed", 0.0)
        match argv:
            case (paths.ENV, _, paths.TARGETCLI, "/iscsi", "delete", target):
                return self._take("targets", "wwn", target, argv)
            case (paths.ENV, _, paths.TARGETCLI, _, "delete", name):
                return self._take("storage_objects", "name", name, argv)
            case (paths.ENV, _, paths.TARGETCLI, "restoreconfig", path):
                return self._restore(json.loads(self.files[path]), argv)
            case (paths.TGT_ADMIN, "-c", path, "--update", target):
                if target not in self.busy:
                    self.tgt[target] = self.files[path].decode()
                return self._ok(argv)
        raise AssertionError(argv)

    def _take(self, kind: str, key: str, name: str, argv: tuple[str, ...]) -> Ran:
        left = [one for one in self.lio[kind] if one[key] != name]
        assert len(left) + 1 == len(self.lio[kind]), f"there is no {name}"
        assert name not in self.busy, "sessions are ended"
        self.lio[kind] = left
        return self._ok(argv)

    def _restore(self, new: dict[str, list[Any]], argv: tuple[str, ...]) -> Ran:
        for kind, key in (("storage_objects", "name"), ("targets", "wwn")):
            if {one[key] for one in new[kind]} & {one[key] for one in self.lio[kind]}:
                return Ran(argv, 1, "", "exist, not restoring", 0.0)
        skipped = [one for one in new["storage_objects"] if one["dev"] not in self.devices]
        self.lio["storage_objects"] += [one for one in new["storage_objects"] if one not in skipped]
        self.lio["targets"] += new["targets"]
        return Ran(argv, 1 if skipped else 0, "", "recoverable errors" if skipped else "", 0.0)

    def write(
        self, path: str, content: bytes, before: bytes | None, mode: int, scratch: str = "", locked: bool = False
    ) -> None:
        if self.files.get(path) != before:
            raise ActionFailed(f"{path} changed")
        self.files[path], self.modes[path] = content, mode

    def remove(self, path: str, before: bytes, locked: bool = False) -> None:
        assert self.files.pop(path) == before

    def make_directory(self, path: str, mode: int) -> None:
        pass

    @staticmethod
    def _ok(argv: tuple[str, ...], out: str = "") -> Ran:
        return Ran(argv, 0, out, "", 0.0)
