"""iscsiadm and the node database."""

from pathlib import Path

from sim import wire
from sim.disks import Harm
from sim.servers import ScsiDisk, Server, Session
from sim.world import RULES, UDEV, World

ERR = ("abort", "lu_reset", "tgt_reset")
ROOTS = ("/etc/iscsi", "/var/lib/iscsi")
PROGRAM = "/usr/sbin/iscsiadm"
FRESH = (Path(__file__).parent.parent / "unit/layers/node/records/2.1.8").read_text()


def serving(world: World, portal: str) -> Server | None:
    address = portal.rsplit(":", 1)[0].strip("[]")
    return next((s for s in world.servers.values() if address in s.addresses), None)


NO_IFACE = 7, "", "iscsiadm: Could not read iface info\n"


def unbound(world: World, iface: str) -> bool:
    """`-I` of an interface that has no record."""
    return iface != "default" and f"{nodes(world).rpartition('/')[0]}/ifaces/{iface}" not in world.files


def binding(world: World, iface: str) -> str:
    """The network interface that the interface record says; '' for default's."""
    record = world.files.get(f"{nodes(world).rpartition('/')[0]}/ifaces/{iface}", b"")
    return settings(record).get("iface.net_ifacename", "")


def carries(world: World, server: Server | None, interface: str) -> bool:
    """Whether a connection bound to this interface gets to the server."""
    return not interface or wire.leads(world.servers, world.ways, world.interfaces, server, interface)


def discover(world: World, portal: str, iface: str = "default") -> tuple[int, str, str]:
    if unbound(world, iface):
        return NO_IFACE
    server = serving(world, portal)
    if not carries(world, server, binding(world, iface)):
        world.advance(18.7)
        return 11, "", f"iscsiadm: Could not perform SendTargets discovery: {portal}\n"
    state = server.at(portal.rsplit(":", 1)[0].strip("[]")) if server else ""
    if server is None or state != "up":
        refused = server is not None and state in ("refusing", "listening")
        world.advance(1.0 if refused else 18.7)
        return (4 if refused else 11), "", f"iscsiadm: Could not perform SendTargets discovery: {portal}\n"
    lines = [f"{_portal(a)},1 {target}\n" for target in server.targets for a in server.addresses]
    return (0, "".join(lines), "") if lines else (21, "", "iscsiadm: No portals found\n")


def _portal(address: str) -> str:
    return f"[{address}]:3260" if ":" in address else f"{address}:3260"


def nodes(world: World) -> str:
    """Where this iscsiadm looks for records: compiled into it."""
    return next(f"{root}/nodes" for root in ROOTS if f"{root}/nodes".encode() in world.files[PROGRAM])


def unpack_newer(world: World) -> None:
    """Debian 13's open-iscsi is unpacked, and not configured yet."""
    world.files[PROGRAM] = world.files[PROGRAM].replace(ROOTS[0].encode(), ROOTS[1].encode())
    world.directories.add(ROOTS[1])
    world.version += 1


def configure_newer(world: World) -> None:
    """Its postinst moves the records, if there are none in the new place."""
    old, new = (f"{root}/nodes/" for root in ROOTS)
    if not any(path.startswith(new) for path in world.files):
        world.files = {path.replace(old, new): content for path, content in world.files.items()}
    world.version += 1


def record_path(world: World, target: str, portal: str, iface: str = "default") -> str:
    place, _, tag = portal.partition(",")
    address, port = place.rsplit(":", 1)
    return f"{nodes(world)}/{target}/{address.strip('[]')},{port},{tag or '1'}/{iface}"


def new_record(
    world: World, target: str, portal: str, torn: bool = False, iface: str = "default"
) -> tuple[int, str, str]:
    if unbound(world, iface):
        return NO_IFACE
    path = record_path(world, target, portal, iface)
    if any(p.startswith(f"{root}/nodes/") for p in world.files for root in ROOTS if not path.startswith(f"{root}/")):
        raise Harm(f"a record in {path} before the others are moved there: they never will be")
    if path in world.files:
        raise Harm(f"iscsiadm -o new over an existing record resets it: {path}")
    address, port = portal.partition(",")[0].rsplit(":", 1)
    text = FRESH.replace("iqn.2006-01.com.openfiler:linuxtest1lv\n", f"{target}\n")
    text = text.replace("192.168.1.115\n", f"{address.strip('[]')}\n").replace("port = 3260\n", f"port = {port}\n")
    if netdev := binding(world, iface):
        text = text.replace("ifacename = default\n", f"ifacename = {iface}\niface.net_ifacename = {netdev}\n")
    world.files[path] = (text[: len(text) // 2] if torn else text).encode()
    world.version += 1
    return 0, f"New iSCSI node [tcp:[hw=,ip=,net_if=,iscsi_if=default] {portal} {target}] added\n", ""


def settings(raw: bytes) -> dict[str, str]:
    pairs = (line.split(" = ", 1) for line in raw.decode(errors="replace").splitlines() if " = " in line)
    return dict(pairs)


def login(world: World, target: str, portal: str, iface: str = "default") -> tuple[int, str, str]:
    address, port = portal.rsplit(":", 1)
    address = address.strip("[]")
    start = f"{nodes(world)}/{target}/{address},{port}"
    raw = next((c for p, c in world.files.items() if p.startswith(start) and p.endswith(f"/{iface}")), None)
    if raw is None or b"# END RECORD" not in raw:
        return 21, "", "iscsiadm: No records found\n"
    mine = [s for s in world.sessions if s.iface == iface]
    if any(s.target == target and s.address == address for s in mine) or (target, portal, iface) in world.asked:
        return 15, "", "iscsiadm: default: 1 session requested, but 1 already present.\n"
    record = settings(raw)
    server = serving(world, portal)
    through = record.get("iface.net_ifacename", "")
    if (
        server is None
        or server.at(address) != "up"
        or target not in server.targets
        or not carries(world, server, through)
    ):
        timeout = int(record.get("node.conn[0].timeo.login_timeout", 30))
        world.advance(float(timeout * int(record.get("node.session.initial_login_retry_max", 4))))
        return 8, "", f"iscsiadm: Could not login to [iface: default, target: {target}, portal: {portal}].\n"
    for _ in range(int(record.get("node.session.nr_sessions", 1))):
        _establish(world, server, target, address, int(port), record, iface)
    return 0, f"Login to [iface: default, target: {target}, portal: {portal}] successful.\n", ""


def logout(world: World, target: str, portal: str, iface: str = "default") -> tuple[int, str, str]:
    """Not refused while the disk is in use, as 2.1.8 has it (docs/facts/lab.md#session-destroyed)."""
    server = serving(world, portal)
    address = portal.rsplit(":", 1)[0].strip("[]")
    mine = [s for s in world.sessions if s.target == target and s.address == address and s.iface == iface]
    if server is None or not mine:
        return 21, "", "iscsiadm: No matching sessions found\n"
    for leg in (leg for a in world.actives for leg in a.legs if leg.letter == "A" and leg.disk and not leg.disk.gone):
        others = [x for a in world.actives if leg in a.legs for x in a.legs if x is not leg]
        last = {s.sid for d in getattr(leg.disk, "paths", [leg.disk]) for s in [d.session]} <= {s.sid for s in mine}
        if (
            last
            and leg.disk.session.server is server
            and not any(x.letter == "A" and not x.disk.gone for x in others if x.disk)
        ):
            raise Harm(f"the last good leg of a volume is on {server.name}, which is logged out")
    world.logout(server.name, mine)
    world.advance(2.0)
    return 0, f"Logout of [iface: default, target: {target}, portal: {portal}] successful.\n", ""


def end_session(world: World, sid: int) -> tuple[int, str, str]:
    """iscsiadm -m session -r SID --logout: of any session. Its disks are gone, whatever needs them."""
    mine = [s for s in world.sessions if s.sid == sid]
    if not mine:
        return 21, "", "iscsiadm: No session found.\n"
    (session,) = mine
    for disk in session.disks:
        if any(leg.disk is disk for active in world.actives for leg in active.legs):
            raise Harm(f"{disk.kernel} is logged out of, and needed")
    world.sessions.remove(session)
    for disk in session.disks:
        disk.gone = True
    world.version += 1
    world.advance(2.0)
    return (
        0,
        f"Logout of [sid: {sid}, target: {session.target}, portal: {session.address},{session.port}] successful.\n",
        "",
    )


def delete_record(world: World, target: str, portal: str) -> tuple[int, str, str]:
    """iscsiadm -m node -o delete: of every record of the target for that portal; not while a session is there."""
    address, port = portal.rsplit(":", 1)
    address = address.strip("[]")
    mine = [path for path in world.files if path.startswith(f"{nodes(world)}/{target}/{address},{port}")]
    if not mine:
        return 21, "", "iscsiadm: No records found\n"
    if any(s.target == target and s.address == address for s in world.sessions):
        return (
            15,
            "",
            "iscsiadm: This command will remove the record, but a session is using it. Logout session then rerun.\n",
        )
    for path in mine:
        del world.files[path]
    world.version += 1
    return 0, "", ""


def restart(world: World) -> tuple[int, str, str]:
    """systemctl restart iscsid: it takes every session up again, at once. Whoever writes then waits, and with one leg out a
    moment's stall of the other is one too many."""
    live = [s for s in world.sessions if s.state == "LOGGED_IN"]
    if live:
        raise Harm(f"iscsid is started again while {live[0].server.name} is logged in: two servers disturbed at once")
    for session in world.sessions:
        session.stuck, session.clock = False, 0.0
    world.version += 1
    return 0, "", ""


def login_through(world: World, iface: str, target: str, portal: str) -> None:
    """Somebody logs in through an interface's own record (`-I nic1`)."""
    server = serving(world, portal)
    address, port = portal.rsplit(":", 1)
    _establish(world, server, target, address, int(port), {}, iface)


def _establish(
    world: World,
    server: Server,
    target: str,
    address: str,
    port: int,
    record: dict[str, str],
    iface: str = "default",
) -> None:
    session = Session(
        sid=world.number(),
        server=server,
        target=target,
        address=address,
        port=port,
        local_port=40000 + 7 * world.number(),
        recovery_tmo=int(record.get("node.session.timeo.replacement_timeout", 120)),
        recv_tmo=int(record.get("node.conn[0].timeo.noop_out_interval", 5)),
        ping_tmo=int(record.get("node.conn[0].timeo.noop_out_timeout", 5)),
        iface=iface,
        digest=record.get("node.conn[0].iscsi.DataDigest", "None").startswith("CRC32C"),
        err_tmo=tuple(int(record.get(f"node.session.err_timeo.{n}_timeout", 30)) for n in ERR),
    )
    world.sessions.append(session)
    for number, lun in sorted(server.targets[target].items()):
        taken = {disk.minor for disk in world.disks()} | {
            leg.disk.minor for a in world.actives for leg in a.legs if leg.disk is not None
        }
        minor = next(n for n in range(0, 256, 16) if n not in taken)
        kernel = f"sd{chr(ord('a') + minor // 16)}"
        disk = ScsiDisk(kernel, minor, world.number(), lun, number, session, world.now + UDEV)
        disk.ruled(world.files.get(RULES, b"").decode())
        disk.attention = True  # met while it is found
        world.attend(disk)
        session.disks.append(disk)
    world.version += 1


def login_at_boot(world: World) -> None:
    """open-iscsi.service: records with automatic startup, each tried once."""
    for target, portal, iface in automatic(world):
        login(world, target, portal, iface)


def automatic(world: World) -> list[tuple[str, str, str]]:
    """(target, portal, interface record) of every record with automatic startup."""
    records = [
        settings(raw)
        for path, raw in sorted(world.files.items())
        if path.startswith(f"{nodes(world)}/") and b"# END RECORD" in raw
    ]
    return [
        (r["node.name"], f"{r['node.conn[0].address']}:{r['node.conn[0].port']}", r["iface.iscsi_ifacename"])
        for r in records
        if "automatic" in (r.get("node.startup"), r.get("node.conn[0].startup"))
    ]


def finish_logins(world: World) -> None:
    """iscsid comes to the end of logins that were asked for without waiting (`iscsiadm -W`), where the server answers."""
    for (target, portal, iface), ready in list(world.asked.items()):
        server = serving(world, portal)
        if world.now >= ready and server and server.at(portal.rsplit(":", 1)[0].strip("[]")) == "up":
            del world.asked[target, portal, iface]
            login(world, target, portal, iface)
