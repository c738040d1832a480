"""Storage servers, and the sessions that the kernel and iscsid keep to them."""

from dataclasses import dataclass, field

from sim.disks import Impossible, Lun

# cut: packets vanish; hung: accepts connections, answers nothing; listening: its targets are not defined yet, so that it
# accepts and closes, which a session that is being recovered does not survive (docs/facts/sessions.md)
STATES = ("up", "cut", "refusing", "hung", "listening")


@dataclass
class Server:
    name: str
    addresses: tuple[str, ...]
    targets: dict[str, dict[int, Lun]]
    state: str = "up"
    dark: set[str] = field(default_factory=set)  # addresses that nothing gets to: one path of several is cut
    largest: int = 0  # bytes: frames larger than this vanish on the way from it, and nobody says so; 0: none does

    def at(self, address: str) -> str:
        return "cut" if address in self.dark else self.state

    def become(self, state: str) -> None:
        if state not in STATES:
            raise Impossible(f"server {self.name} {state}")
        self.state = state


@dataclass(eq=False)
@dataclass
class Loop:
    """A file of this machine as a block device (losetup -P). What it shows was copied from a LUN; it is gone after a boot."""

    kernel: str
    file: str
    lun: Lun
    diskseq: int


@dataclass
class ScsiDisk:
    """One SCSI disk of the kernel. `gone`: its session was destroyed. `udev_at`: when udev will know it (seconds), which
    is when the kernel has read its partitions, too [lab]; `known`: it has. `partition`: the kernel shows its first."""

    kernel: str
    minor: int
    diskseq: int
    lun: Lun
    number: int
    session: "Session"
    udev_at: float
    known: bool = False
    partition: bool = False
    gone: bool = False
    attention: bool = (
        False  # the next command meets UNIT ATTENTION 29h; that of a login is met while the disk is found
    )
    cache: str = ""  # the kernel asks once, when it finds the disk (drivers/scsi/sd.c, sd_read_cache_type)
    patience: dict[str, int] = field(default_factory=lambda: {"timeout": 30, "eh_timeout": 10, "max_retries": 5})

    def __post_init__(self) -> None:
        self.cache = self.cache or self.lun.cache

    @property
    def id_path(self) -> str:
        """As udev's builtin path_id has it."""
        s = self.session
        lun = f"{self.number}" if self.number < 256 else f"0x{self.number:04x}000000000000"
        return f"ip-{s.address}:{s.port}-iscsi-{s.target}-lun-{lun}"

    def ruled(self, rules: str) -> None:
        """What udev's rules give it when it appears."""
        for line in rules.splitlines():
            words = line.split('"')
            if len(words) > 13 and not line.startswith("#") and self.id_path in words[7].split("|"):
                self.patience = dict(
                    zip(("timeout", "eh_timeout", "max_retries"), map(int, words[9::2]), strict=True)
                )


@dataclass(eq=False)
class Session:
    """`clock` counts seconds since the server fell silent, or since it is back. `local_port`: the client's end of its
    connection."""

    sid: int
    server: Server
    target: str
    address: str
    port: int
    recovery_tmo: int
    recv_tmo: int
    ping_tmo: int
    err_tmo: tuple[int, int, int] = (15, 30, 30)  # abort, lu_reset, tgt_reset
    state: str = "LOGGED_IN"
    clock: float = 0.0
    stuck: bool = False  # iscsid cannot bind a connection to it any more
    local_port: int = 0
    disks: list[ScsiDisk] = field(default_factory=list)
    iface: str = "default"
    digest: bool = False  # negotiated: data carry a CRC32C

    @property
    def way(self) -> str:
        """How the server is, seen through this session."""
        return self.server.at(self.address)

    def tick(self, seconds: float) -> None:
        """As measured in the lab: silence, then FAILED and blocked, then FREE and failing fast; back within 4 s."""
        if self.way == "up" and not self.stuck:
            if self.state != "LOGGED_IN":
                self._back(seconds)
            else:
                self.clock = 0.0
            return
        if self.way == "listening" and self.state != "LOGGED_IN":
            self.stuck = True
        if self.way in ("refusing", "listening") and self.state == "LOGGED_IN":
            self.state, self.clock = "FAILED", 0.0
        self.clock = max(self.clock, 0.0) + seconds
        if self.state == "LOGGED_IN" and self.clock >= self.recv_tmo + self.ping_tmo:
            self.state, self.clock = "FAILED", 0.0
        elif self.state == "FAILED" and self.clock >= self.recovery_tmo:
            self.state = "FREE"

    def _back(self, seconds: float) -> None:
        self.clock = min(self.clock, 0.0) - seconds
        if self.clock <= -3.0:
            self.state, self.clock = "LOGGED_IN", 0.0
            self.local_port += 1  # a new connection
            for disk in self.disks:
                disk.attention = True

    @property
    def answering(self) -> str:
        """How its disks answer: ok, hang or error."""
        if self.state == "FREE":
            return "error"
        return "ok" if self.state == "LOGGED_IN" and self.way == "up" else "hang"

    def carries(self, size: int) -> bool:
        """Whether an answer of so many bytes comes through: what is larger than a frame fills frames of the largest size
        that both ends agreed on."""
        return not self.server.largest or size + 150 < self.server.largest

    @property
    def scsi_state(self) -> str:
        return {"LOGGED_IN": "running", "FAILED": "blocked", "FREE": "transport-offline"}[self.state]
