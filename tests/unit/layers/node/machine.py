"""A small machine in memory for the node and session layers: files, directories made of their paths, servers."""

from lunmirror.engine.desired import Chap, Credentials, Desired, Disk, Portal, Server, Timeouts
from lunmirror.engine.model import ABSENT, Present, Unknown
from lunmirror.host.protocol import Ran

TARGET = "iqn.2006-01.com.openfiler:linuxtest1lv"
NODES = "/etc/iscsi/nodes"
RECORD = f"{NODES}/{TARGET}/192.168.1.115,3260,1/default"
OTHER = "iqn.2006-01.com.openfiler:other"
ANNOUNCED = f"192.168.1.115:3260,1 {TARGET}\n[fd00::15]:3260,1 {TARGET}\n192.168.1.115:3260,1 {OTHER}\n"
TIMEOUTS = Timeouts(2, 3, 9, 5, 4, lu_reset_timeout=6, tgt_reset_timeout=7)


def server(*portals, name="filer1", **fields):
    portals = portals or (Portal("192.168.1.115"),)
    return Server(name, portals, **({"startup": "automatic", "timeouts": TIMEOUTS} | fields))


def desired(*servers, target=TARGET):
    servers = servers or (server(),)
    disks = {f"disk-{s.name}": Disk(f"disk-{s.name}", s.name, target, 1) for s in servers}
    return Desired({s.name: s for s in servers}, disks, {}, {}, stall_budget=15, boot_wait=30)


def chap(mutual=False):
    return Chap(Credentials("joe", "/s/out"), Credentials("filer", "/s/in") if mutual else None)


class Machine:
    """A Reader. `files` holds bytes or Unknown; every part of a path is a directory, unless `directories` says otherwise."""

    def __init__(self, files=None, *, directories=None, silent=None, discovery=ANNOUNCED, rc=0, err=""):
        self.files = {"/run/iscsid.pid": b"7\n", "/proc/7/stat": b"7 (iscsid) S 1 7 7 0\n"} | dict(files or {})
        self.directories = {NODES: Present(())} | (directories or {})
        self.silent = silent or {}
        self.in_vain = 0.0
        self.log = ""
        self.discovery = Ran(("iscsiadm",), rc, discovery, err, 0.1)
        self.asked, self.reached, self.probed, self.was_read = [], [], [], []

    def read(self, path):
        self.was_read.append(path)
        content = self.files.get(path, ABSENT)
        return Present(content) if isinstance(content, bytes) else content

    def directory(self, path):
        inside = {p[len(path) + 1 :].split("/")[0] for p in self.files if p.startswith(path + "/")}
        if isinstance(self.directories.get(path), Unknown):
            return self.directories[path]
        return Present(tuple(sorted(inside))) if inside else self.directories.get(path, ABSENT)

    def query(self, argv, deadline):
        if argv[0] == "dmesg":
            return Ran(argv, 0, self.log, "", 0.1)
        assert deadline == 20
        self.asked.append(argv)
        return self.discovery

    def reach(self, endpoints, deadline):
        assert deadline in (1.5, 3)  # portals with a session, and those without
        (self.reached if deadline == 3 else self.probed).append(endpoints)
        return {endpoint: self.silent.get(endpoint[0], "") for endpoint in endpoints}

    def waited(self, session):
        return self.in_vain

    def memoize(self, name, look):
        return look()

    def glob(self, pattern):
        if pattern.startswith("/sys/"):
            return ()
        raise AssertionError("directories are listed, not globbed")

    def link(self, path):
        return ABSENT

    def now(self):
        return 0.0
