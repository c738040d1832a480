"""tgt: a file for /etc/tgt/conf.d, as tgt-admin reads it (docs/facts/targets.md#tgt).

`write-cache off` makes tgt flush after each write, and say that it has no cache. tgt lets in whose address *or* name is
listed, and tgt-admin lists every address where none is given: so one that nobody has is printed with the names. Secrets stand in a file of their own that is included: while it is missing tgt-admin ends with an error,
so a forgotten one opens nothing.
"""

from lunmirror.engine.desired import Desired, Server
from lunmirror.engine.secret import Secret
from lunmirror.export.lun import Lun, luns, wrong
from lunmirror.host import paths

DIGEST = "node.conn[0].iscsi.DataDigest"  # declared of the client; tgt offers none by itself, LIO does
NOBODY = "255.255.255.255"  # not 0.0.0.0, which tgt finds in every IPv6 connection


def secrets(server: str) -> str:
    """Where the storage server has the CHAP names and secrets."""
    return f"{paths.TGT_ETC}/lunmirror-{server}.chap"


def place(server: str) -> str:
    """Where the storage server has what is printed."""
    return f"{paths.TGT_ETC}/conf.d/lunmirror-{server}.conf"


def accounts(server: Server, secrets: tuple[Secret, ...]) -> str:
    """What stands in the file of the secrets: the client's own, then the server's where CHAP is mutual."""
    chap = server.chap
    if chap is None:
        return ""
    kinds = [("incominguser", chap.outgoing), *([("outgoinguser", chap.mutual)] if chap.mutual else [])]
    return "".join(f"{kind} {one.username} {s.reveal()}\n" for (kind, one), s in zip(kinds, secrets, strict=True))


def render(server: str, desired: Desired) -> str:
    """Ends in a newline. Raises ConfigError."""
    lines = [
        f"# Storage server {server}, made by `lunmirror export {server} --format tgt`. Its place there is",
        f"# {place(server)}; then `tgt-admin --update TARGET` for each target.",
    ]
    if desired.servers[server].chap:
        lines += _about_secrets(desired.servers[server], server)
    for target, mine in luns(server, desired).items():
        if any(lun.disk.lun == 0 for lun in mine):
            raise wrong(
                desired,
                f"servers.{server}.export.disks",
                f"target {target} has a disk as LUN 0",
                "tgt's LUN 0 is its controller",
                "declare another lun, from 1 on",
            )
        lines += ["", *_target(target, mine, desired.servers[server])]
    return "\n".join(lines) + "\n"


def notes(server: str, desired: Desired) -> tuple[str, ...]:
    """What is to be done beside putting the file in place."""
    found = [f"tgt listens at every address of server {server}; it has no portals of its own here"]
    if desired.servers[server].chap:
        found.append(f"no secret is printed: {secrets(server)} must hold them, with mode 0600, before tgt-admin runs")
    return tuple(found)


def _about_secrets(server: Server, name: str) -> list[str]:
    chap = server.chap
    assert chap is not None
    lines = [
        f"# {secrets(name)}, mode 0600, holds on the storage server:",
        f"#   incominguser {chap.outgoing.username} LINE-OF-{chap.outgoing.password_file}",
    ]
    if chap.mutual:
        lines.append(f"#   outgoinguser {chap.mutual.username} LINE-OF-{chap.mutual.password_file}")
    return lines


def _target(target: str, mine: list[Lun], server: Server) -> list[str]:
    assert server.export is not None
    lines = [f"<target {target}>", "    driver iscsi"]
    for lun in mine:
        lines += [
            f"    <backing-store {lun.backing.path}>",
            f"        lun {lun.disk.lun}",
            f"        scsi_id {lun.backing.serial}",
            f"        scsi_sn {lun.backing.serial}",
            f"        write-cache {'on' if lun.backing.cache == 'back' else 'off'}",
            "    </backing-store>",
        ]
    lines += [f"    initiator-address {NOBODY}"]
    lines += [f"    initiator-name {client}" for client in server.export.clients]
    lines += (
        ["    DataDigest CRC32C"] if (DIGEST, "CRC32C") in {(key, value) for key, value, _ in server.records} else []
    )
    lines += [f"    include {secrets(server.name)}"] if server.chap else []
    return [*lines, "</target>"]
