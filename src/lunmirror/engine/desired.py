"""The desired state, compiled: validated, defaults filled in, budgets turned into timeouts. Standard library only.

`config` makes these from TOML with pydantic; every other module knows only these types, so that a run from cron
can take them from the compiled cache without importing a validator.
All durations are whole seconds, all sizes bytes.
"""

from collections import Counter
from functools import cached_property
from typing import NamedTuple


class Portal(NamedTuple):
    """A TCP address of a server. `address` is canonical (ipaddress) for IPs, without brackets; or a host name."""

    address: str
    port: int = 3260

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


class Timeouts(NamedTuple):
    """Seconds, under open-iscsi's own names where it has one; `login_retries` and `max_retries` are counts.

    command_timeout, max_retries, eh_timeout: of each disk (SCSI), in sysfs and in the udev rules.
    margin: what the volumes themselves need until the other leg goes on alone; not written anywhere.
    How they follow from the stall budget, and the defaults here from its default: config/budget.py.
    """

    noop_out_interval: int
    noop_out_timeout: int
    replacement_timeout: int
    login_timeout: int
    login_retries: int
    command_timeout: int = 9
    max_retries: int = 1
    eh_timeout: int = 9
    abort_timeout: int = 2
    lu_reset_timeout: int = 2
    tgt_reset_timeout: int = 2
    margin: int = 3


class Credentials(NamedTuple):
    """A CHAP name and the absolute path of the file that holds its secret. The secret itself is never kept here."""

    username: str
    password_file: str


class Chap(NamedTuple):
    """`outgoing` proves us to the server; `mutual`, if any, proves the server to us."""

    outgoing: Credentials
    mutual: Credentials | None = None


class Backing(NamedTuple):
    """What backs a declared disk on its storage server. `size` in bytes, of a plain file; `cache`: "through" or "back"; `serial`:
    32 hexadecimal digits."""

    disk: str
    path: str
    size: int | None
    cache: str
    serial: str


class Export(NamedTuple):
    """The storage server's own side: for `lunmirror export` alone, no pass looks at it. `format`: "lio", "tgt" or ''."""

    format: str
    clients: tuple[str, ...]
    disks: tuple[Backing, ...]


class Server(NamedTuple):
    """One failure domain. `settings` are further node-record keys under open-iscsi's names, `records` those with
    a name of our own: (record key, value, our name). `write_cache` is the most
    that is accepted of its disks: "through" or "back". `interface`: the network interface that its sessions are bound to; ''
    where the routes decide. `read_from`: "near", "any", or '' where LVM's flags stay as they are. `multipath`:
    multipathd joins its portals' paths to a disk."""

    name: str
    portals: tuple[Portal, ...]
    startup: str
    timeouts: Timeouts
    settings: tuple[tuple[str, str], ...] = ()
    chap: Chap | None = None
    write_cache: str = "back"
    records: tuple[tuple[str, str, str], ...] = ()
    export: Export | None = None
    interface: str = ""
    read_from: str = ""
    require_encryption: bool = False
    multipath: bool = False

    @property
    def iface(self) -> str:
        """The name of the interface record of open-iscsi that its sessions go through."""
        return self.interface or "default"


class Disk(NamedTuple):
    """One LUN on one server; becomes one physical volume."""

    name: str
    server: str
    target: str
    lun: int
    partition: bool = False
    size: int | None = None  # smallest acceptable size in bytes, if declared
    consent: str = ""  # `overwrite = "…"`: names exactly the content that may be lost
    pv_uuid: str = ""  # what identity.pv_uuid derives for it, and what follows likewise
    table_guid: str = ""
    replaces: str = ""  # the disk whose leg this one takes over, once it is in sync


class Size(NamedTuple):
    """Either a number of bytes or a number of extents; exactly one is set."""

    bytes: int | None = None
    extents: int | None = None

    def in_extents(self, extent_size: int) -> int:
        """Extents needed, rounded up as LVM does. `extent_size` is in bytes."""
        return self.extents if self.extents is not None else -(-(self.bytes or 0) // extent_size)


class Filesystem(NamedTuple):
    """`options` are further mkfs arguments, verbatim, in order."""

    type: str
    label: str = ""
    options: tuple[str, ...] = ()


class Mount(NamedTuple):
    """`options` are the user's own; what keeps boot from hanging is added where the fstab line is made."""

    path: str
    options: tuple[str, ...] = ()


class Volume(NamedTuple):
    """A logical volume: `legs` are disk names, one copy on each. `log` is only for type mirror,
    `region_size` (bytes, a power of two; 0: derived from the size) for raid1."""

    group: str
    name: str
    size: Size
    type: str
    log: str
    legs: tuple[str, ...]
    filesystem: Filesystem | None = None
    mount: Mount | None = None
    region_size: int = 0

    @property
    def id(self) -> str:
        return f"{self.group}/{self.name}"

    @property
    def mounted(self) -> Mount:
        """Its mount; asked only where one is declared."""
        assert self.mount is not None
        return self.mount

    @property
    def formatted(self) -> Filesystem:
        """Its file system; asked only where one is declared."""
        assert self.filesystem is not None
        return self.filesystem

    @property
    def dm(self) -> str:
        """Its name in device-mapper."""
        return dm_name(self.group, self.name)

    @property
    def key(self) -> str:
        return f"groups.{self.group}.volumes.{self.name}"


def dm_name(group: str, volume: str) -> str:
    """The name of a volume in device-mapper: hyphens are doubled (lvm2, libdm/libdm-string.c)."""
    return f"{group.replace('-', '--')}-{volume.replace('-', '--')}"


class Group(NamedTuple):
    """A volume group over the named disks. `take_from` consents to taking it over from that machine id."""

    name: str
    disks: tuple[str, ...]
    take_from: str = ""


class Path(NamedTuple):
    """One session to have: a target through one portal of its server. `name` is the resource name in both the
    node and the session layer."""

    name: str
    server: Server
    portal: Portal
    target: str

    @property
    def endpoint(self) -> tuple[str, int]:
        """(address, port) as host.reach takes it: "192.0.2.1%bond0.100" is asked through that interface."""
        address, interface = self.portal.address, self.server.interface
        return f"{address}%{interface}" if interface else address, self.portal.port


class Notify(NamedTuple):
    """Who is notified of transitions: a program (`command`, its words) that gets the event as JSON, an address that gets a mail;
    () and '' for nobody. `reminder` and `deadline` in seconds; no reminder with 0."""

    command: tuple[str, ...] = ()
    mail: str = ""
    reminder: int = 86400
    deadline: int = 10

    @property
    def wanted(self) -> bool:
        return bool(self.command or self.mail)


class Maintenance(NamedTuple):
    """One server that an administrator took out of service for a while (engine/maintenance.py). Times in seconds since 1970, by
    the wall clock; `by`: who began it. `over`: why it has ended, though nobody ended it; '' while it is on."""

    server: str
    begun: int
    until: int
    by: str
    over: str = ""


class Document(NamedTuple):
    """What the configuration declares. Order is its own."""

    servers: dict[str, Server]
    disks: dict[str, Disk]
    groups: dict[str, Group]
    volumes: dict[str, Volume]  # by id, "vg0/testlv"
    stall_budget: int
    boot_wait: int
    source: str = ""  # the main configuration file
    textfile: str = ""  # where the metrics go after each pass, for Prometheus's textfile collector; "" for nowhere
    notify: Notify = Notify()
    acknowledged: tuple[str, ...] = ()  # numbers of notes (analysis/news.py, ident) that are known
    unattended: tuple[str, ...] = ("overwrite", "fewer-legs")  # risks that a pass may take without an administrator
    choice: tuple[str, str] | None = (
        None  # (volume id, server to keep): made by an administrator for this pass, never kept
    )
    maintenance: Maintenance | None = None  # as noted beside the journal, or just over; no part of the configuration

    @property
    def resting(self) -> str:
        """The server that is in maintenance now; '' for none."""
        return self.maintenance.server if self.maintenance and not self.maintenance.over else ""


class Desired(Document):
    """The whole document, with what follows from it: worked out once, since each of a thousand volumes asks."""

    def paths(self) -> tuple[Path, ...]:
        """Every session to have, once each: named by the server where that is enough."""
        return tuple(path for paths in self._paths.values() for path in paths)

    def paths_to(self, disk: Disk) -> tuple[Path, ...]:
        """The paths through which this disk is reached."""
        return self._paths.get((disk.server, disk.target), ())

    def group_of(self, disk: str) -> str | None:
        """The group that declares this disk, if any."""
        return self._groups.get(disk)

    @cached_property
    def _paths(self) -> dict[tuple[str, str], tuple[Path, ...]]:
        """(server, target) -> its paths."""
        wanted = tuple(dict.fromkeys((d.server, d.target) for d in self.disks.values()))
        targets = Counter(server for server, _ in wanted)
        return {(server, target): self._through(server, target, targets[server]) for server, target in wanted}

    def _through(self, server: str, target: str, targets: int) -> tuple[Path, ...]:
        portals, paths = self.servers[server].portals, []
        for portal in portals:
            parts = [server]
            if len(portals) > 1:
                parts.append(str(portal))
            if targets > 1:
                parts.append(target)
            paths.append(Path(" ".join(parts), self.servers[server], portal, target))
        return tuple(paths)

    @cached_property
    def _groups(self) -> dict[str, str]:
        """Disk -> the first group that declares it."""
        return {disk: group.name for group in reversed(self.groups.values()) for disk in group.disks}
