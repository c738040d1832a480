"""What is proposed, as plain data. Everything in it has been judged to be expressible by the configuration's own rules."""

from typing import NamedTuple

from lunmirror.engine.desired import Portal


class Chap(NamedTuple):
    """`mutual`: the server's name, '' for none. `record` is the path of the node record that holds the secrets now, '' for
    none; `file` that of the secret, '' for one that is proposed."""

    username: str
    mutual: str = ""
    record: str = ""
    file: str = ""


class Server(NamedTuple):
    """`settings` are further lines of its table: (key, value as TOML, remark)."""

    name: str
    portals: tuple[Portal, ...]
    settings: tuple[tuple[str, str, str], ...] = ()
    chap: Chap | None = None


class Disk(NamedTuple):
    """`remark` says what is adopted with it."""

    name: str
    server: str
    target: str
    lun: int
    partition: bool = False
    remark: str = ""


class Mount(NamedTuple):
    """`off`: why it is only proposed as a comment; '' if it is declared."""

    path: str
    options: tuple[str, ...] = ()
    off: str = ""


class Volume(NamedTuple):
    """`size` and `region` in bytes, `region` 0 for none that can be declared; `legs` are names of disks; `filesystem` is its
    type, '' for none."""

    group: str
    name: str
    size: int
    type: str
    log: str
    region: int
    legs: tuple[str, ...]
    filesystem: str = ""
    label: str = ""
    mount: Mount | None = None

    @property
    def id(self) -> str:
        return f"{self.group}/{self.name}"


class Group(NamedTuple):
    """One volume group, as it will stand in the configuration."""

    name: str
    disks: tuple[str, ...]
    volumes: tuple[Volume, ...] = ()
    remark: str = ""


class Proposal(NamedTuple):
    """`refused`: what is in use and cannot be expressed, each a sentence with the reason; `left`: what is nobody's here, or
    what is left to others."""

    servers: tuple[Server, ...] = ()
    disks: tuple[Disk, ...] = ()
    groups: tuple[Group, ...] = ()
    refused: tuple[str, ...] = ()
    left: tuple[str, ...] = ()

    def without_volume(self, id: str, why: str) -> "Proposal":
        """The same without that volume, and the reason."""
        kept = (g._replace(volumes=tuple(v for v in g.volumes if v.id != id)) for g in self.groups)
        return self._replace(groups=tuple(kept), refused=(*self.refused, f"volume {id}: {why}"))

    def without_group(self, name: str, why: str) -> "Proposal":
        """The same without that group, and the reason."""
        kept = tuple(g for g in self.groups if g.name != name)
        return self._replace(groups=kept, refused=(*self.refused, f"group {name}: {why}"))

    def tidied(self) -> "Proposal":
        """Without disks that no group uses, and servers that no disk is on."""
        disks = tuple(d for d in self.disks if any(d.name in g.disks for g in self.groups))
        servers = tuple(s for s in self.servers if any(d.server == s.name for d in disks))
        return self._replace(disks=disks, servers=servers)
