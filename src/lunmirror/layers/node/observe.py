"""From open-iscsi's database to one record for each declared path. iscsiadm is asked only where one is missing."""

import os.path
from collections.abc import Iterator
from typing import TypeAlias

from lunmirror.engine.desired import Desired, Path, Portal
from lunmirror.engine.model import ABSENT, Absent, Observed, Present, Seen, Unknown, World, facts_of
from lunmirror.engine.plain import DEFAULT_IFACE, count, same_address
from lunmirror.engine.secret import Secret, secret_in
from lunmirror.host import paths
from lunmirror.host.protocol import Reader
from lunmirror.host.sysfs import in_clear
from lunmirror.host.sysfs import names as listed
from lunmirror.layers.node import leftover
from lunmirror.layers.node.database import names_in, root_of
from lunmirror.layers.node.facts import Leftover, Missing, Record, Torn, Unbound
from lunmirror.layers.node.record import overlong, settings_of, tear
from lunmirror.layers.node.settings import PASSWORD, PASSWORD_IN, SECRET_KEYS, password_files

Offer: TypeAlias = tuple[Portal, int, str]  # where a target is announced: portal, portal group tag, target

PROBE = 3.0  # seconds for a portal to accept a connection
DISCOVERY = 20.0  # seconds; iscsiadm itself gives up on a silent server after 18.7 s
ANY_ADDRESS = frozenset({"0.0.0.0", "::"})  # what a target announces that listens on all of its addresses
NO_DAEMON = "can not connect to iSCSI daemon"  # usr/iscsid_req.c, ipc_connect


def observe(desired: Desired, reader: Reader, seen: World) -> Observed:
    """Present(Record | Torn | Missing | Unbound) or Unknown, for each path; Present(Leftover) or Unknown, for each target that is left."""
    wanted = desired.paths()
    left = leftover.observe(desired, reader)
    if not wanted:
        return left
    root = root_of(reader)
    if isinstance(root, Unknown):
        return {path.name: root for path in wanted}
    found: dict[str, Seen[Record | Torn | Missing | Unbound | Leftover]] = {
        path.name: _record(root, path, reader) for path in wanted
    }
    for target in dict.fromkeys(path.target for path in wanted):
        mine = [path for path in wanted if path.target == target]
        records = ((p.name, record) for p in mine if (record := facts_of(found[p.name], Record)))
        first, record = next(records, ("", None))
        if record:
            strays, spellings = _strays(root, mine, reader), _spellings(root, target, reader)
            found[first] = Present(record._replace(strays=strays, spellings=spellings))
    missing = [path for path in wanted if isinstance(found[path.name], Absent)]
    return {**found, **_announced(root, missing, reader), **left}


def _record(root: str, path: Path, reader: Reader) -> Seen[Record | Torn]:
    """Present(Record | Torn), Absent only if every directory on the way was read whole, or Unknown."""
    candidates = []
    for file, tpgt in _candidates(root, path, reader):
        if isinstance(file, Unknown):
            return file
        content = reader.read(file)
        if isinstance(content, Unknown):
            return Unknown(f"the node record {file} cannot be read: {content.reason}")
        if isinstance(content, Present):
            candidates.append((file, tpgt, content.facts))
    if not candidates:
        return ABSENT
    if len(candidates) > 1:
        files = ", ".join(file for file, _, _ in candidates)
        return Unknown(
            f"{path.target} has {len(candidates)} records for {path.portal}, and iscsiadm would log in to all of"
            f" them: {files}; remove the files that are not wanted"
        )
    return _judge(root, path, reader, *candidates[0])


def _candidates(root: str, path: Path, reader: Reader) -> Iterator[tuple[str | Unknown, int | None]]:
    """(file, tpgt) of every record that may be this path's; Unknown for a directory that cannot be read."""
    home = f"{root}/nodes/{path.target}"
    names = names_in(f"{root}/nodes", reader)
    names = names_in(home, reader) if not isinstance(names, Unknown) else names
    if isinstance(names, Unknown):
        yield names, None
        return
    for name in names:
        address, _, rest = name.partition(",")
        port, comma, tpgt = rest.partition(",")
        if port != str(path.portal.port) or not same_address(address, path.portal.address):
            continue
        if not comma:
            yield f"{home}/{name}", None  # the flat form of a record that was made without a tag
        elif (tag := count(tpgt)) is not None:
            inside = names_in(f"{home}/{name}", reader)
            if isinstance(inside, Unknown):
                yield inside, None
            elif path.server.iface in inside:
                yield f"{home}/{name}/{path.server.iface}", tag


def _strays(root: str, mine: list[Path], reader: Reader) -> tuple[str, ...]:
    """Portals of records of this target that no path is declared for, and that are logged in to at every boot: a server
    that was renumbered leaves one behind. What cannot be read is left alone: it is only for a note."""
    home = f"{root}/nodes/{mine[0].target}"
    names = names_in(home, reader)
    found = []
    for name in names if not isinstance(names, Unknown) else ():
        address, _, rest = name.partition(",")
        port = rest.partition(",")[0]
        if any(port == str(p.portal.port) and same_address(address, p.portal.address) for p in mine):
            continue
        if _is_automatic(f"{home}/{name}/{DEFAULT_IFACE}", reader):
            found.append(str(Portal(address, there)) if (there := count(port)) is not None else address)
    return tuple(found)


def _spellings(root: str, target: str, reader: Reader) -> tuple[str, ...]:
    """Other spellings of a target by which it is logged in to at every boot as well, if its server takes them."""
    names = names_in(f"{root}/nodes", reader)
    others = (
        [n for n in names if n != target and n.lower() == target.lower()] if not isinstance(names, Unknown) else []
    )
    return tuple(n for n in others if _has_automatic(f"{root}/nodes/{n}", reader))


def _has_automatic(home: str, reader: Reader) -> bool:
    names = names_in(home, reader)
    return not isinstance(names, Unknown) and any(
        _is_automatic(f"{home}/{name}/{DEFAULT_IFACE}", reader) for name in names
    )


def _is_automatic(file: str, reader: Reader) -> bool:
    seen = reader.read(file)
    return (
        isinstance(seen, Present)
        and not tear(seen.facts)
        and settings_of(seen.facts).get("node.startup") == "automatic"
    )


def _judge(root: str, path: Path, reader: Reader, file: str, tpgt: int | None, raw: bytes) -> Seen[Record | Torn]:
    if why := tear(raw):
        return Present(Torn(file, raw, why, tpgt))
    if why := overlong(raw):
        return Unknown(f"the node record {file} cannot be trusted: {why}; remove it, and the next pass re-creates it")
    settings: dict[str, str | Secret] = {**settings_of(raw)}
    if settings["node.name"] != path.target:
        return Unknown(
            f"the node record {file} says that it is for target {settings['node.name']};"
            " remove it, and the next pass re-creates it"
        )
    for key in SECRET_KEYS & settings.keys():
        settings[key] = Secret(str(settings[key]))
    secrets, trouble = _secrets(path, reader)
    besides = _besides(file, path, reader)
    return Present(Record(file, tpgt, settings, raw, _home(root, reader), secrets, trouble, besides=besides))


def _besides(file: str, path: Path, reader: Reader) -> tuple[str, ...]:
    """Interfaces by which this portal is logged in to at every boot as well: the one before another was declared."""
    directory = os.path.dirname(file)
    names = names_in(directory, reader) if path.server.interface else ()
    others = names if not isinstance(names, Unknown) else ()
    return tuple(n for n in others if n != path.server.iface and _is_automatic(f"{directory}/{n}", reader))


def _home(root: str, reader: Reader) -> str:
    """The directory that nodes/ really lies in: it may be a link of root's to another file system (open-iscsi #308)."""
    nodes = reader.memoize("node database", lambda: reader.link(f"{root}/nodes"))
    # Never "": a temporary file would then lie beside the record, where open-iscsi takes it for one.
    return os.path.dirname(nodes.facts) if isinstance(nodes, Present) and os.path.isabs(nodes.facts) else root


def _secrets(path: Path, reader: Reader) -> tuple[dict[str, Secret], str]:
    """The declared secrets of the path's server, and why any is not to be had."""
    secrets: dict[str, Secret] = {}
    for key, file in password_files(path.server.chap).items():
        content = reader.read(file)
        if not isinstance(content, Present):
            why = "it does not exist" if isinstance(content, Absent) else content.reason
            return secrets, f"the password file {file} cannot be read: {why}"
        try:
            secrets[key] = secret_in(content.facts)
        except ValueError as wrong:
            return secrets, f"the password file {file} holds no usable secret: {wrong}"
    if PASSWORD_IN in secrets and secrets[PASSWORD_IN] == secrets[PASSWORD]:
        return {}, "both directions of CHAP have the same secret, with which every login fails (open-iscsi #259)"
    return secrets, ""


def _announced(root: str, missing: list[Path], reader: Reader) -> dict[str, Seen[Missing | Unbound]]:
    """What the servers say of the targets that have no record: the record needs the portal group tag.

    Discovery with `nonpersistent` reads nothing from the records and writes none; plain discovery would reset those
    that exist (open-iscsi #58, #286) and add one for every portal and target announced (#439).
    """
    answers: dict[str, Seen[Missing | Unbound]] = {
        p.name: found for p in missing if p.server.interface and (found := _binding(root, p, reader))
    }
    missing = [path for path in missing if path.name not in answers]
    silence = reader.reach(tuple({p.endpoint: None for p in missing}), PROBE) if missing else {}
    for path in missing:
        if why := silence[path.endpoint]:
            answers[path.name] = Unknown(f"server {path.server.name} does not answer at {path.portal} ({why})")
        else:
            answers[path.name] = _tag(root, path, reader)
    return answers


def _binding(root: str, path: Path, reader: Reader) -> Seen[Unbound] | None:
    """What stands against a record bound to the declared interface; None if nothing does. `iscsiadm -I` needs an interface
    record, and copies what it says into the node record (docs/facts/open-iscsi.md#interfaces)."""
    name, key = path.server.interface, f"servers.{path.server.name}.interface"
    there = listed(reader, paths.SYS_NET)
    if there and name not in there:
        return Unknown(f"{key} is {name}, and this machine has no such network interface (it has {', '.join(there)})")
    if path.server.require_encryption and (why := in_clear(reader, name)):
        return Unknown(f"servers.{path.server.name}.require_encryption is true, and {why}")
    home = f"{root}/ifaces"
    record = reader.read(f"{home}/{name}")
    if isinstance(record, Absent):
        return Present(Unbound(f"{home}/{name}", home, not isinstance(reader.directory(home), Absent)))
    if isinstance(record, Unknown):
        return Unknown(f"the interface record {home}/{name} cannot be read: {record.reason}")
    said = settings_of(record.facts)
    wanted = {"iface.iscsi_ifacename": name, "iface.net_ifacename": name}
    if said | wanted == said and said.get("iface.transport_name", "tcp") == "tcp" and "iface.hwaddress" not in said:
        return None
    return Unknown(
        f"the interface record {home}/{name} is not, or not only, for network interface {name}: lunmirror changes none that"
        " others made; correct it (`iscsiadm -m iface`), or remove it, and the next pass makes it"
    )


def announced(reader: Reader, portal: Portal, server: str, iface: str = DEFAULT_IFACE) -> tuple[Offer, ...] | Unknown:
    """What the server announces to this initiator at a portal that accepts connections. Logs in to nothing, writes nothing."""
    ran = reader.query(
        (paths.ISCSIADM, "-m", "discovery", "-t", "st", "-p", str(portal), "-o", "nonpersistent", "-I", iface),
        DISCOVERY,
    )
    if NO_DAEMON in ran.err:
        # Without the daemon `-o new` makes a record from compiled defaults, not iscsid.conf's, and exits 0.
        return Unknown("iscsid does not run and could not be started: see `systemctl status iscsid.socket iscsid`")
    if ran.rc == 21:
        return Unknown(f"server {server} announces no target to this initiator at {portal}: check its access list")
    if ran.rc != 0:
        return Unknown(f"server {server} could not be asked for its targets at {portal}: {ran.why}")
    return tuple(offer for offer in map(_offer, ran.out.splitlines()) if offer)


def _tag(root: str, path: Path, reader: Reader) -> Seen[Missing]:
    portal, server = path.portal, path.server.name
    answer = announced(reader, portal, server, path.server.iface)
    if isinstance(answer, Unknown):
        return answer
    offers = [offer for offer in answer if offer[2] == path.target]
    if not offers:
        spelled = next((name for _, _, name in answer if name.lower() == path.target.lower()), "")
        if spelled:
            return Unknown(
                f"server {server} announces this target as {spelled}: capital letters do not distinguish two targets, but"
                " open-iscsi sends the name as it stands, and servers take their own spelling only",
                decide=f'write target = "{spelled}"',
            )
        return Unknown(f"server {server} does not announce target {path.target} at {portal}: check its name there")
    if not _is_ip(portal.address):
        return _tag_by_name(root, path, offers, reader)
    here = [o for o in offers if o[0].port == portal.port and _listens(o[0].address, portal.address)]
    if not here:
        others = ", ".join(str(o[0]) for o in offers)
        return Unknown(f"server {server} announces {path.target} at {others}, not at {portal}: declare one of those")
    return _one_tag(root, path, here, reader)


def _tag_by_name(root: str, path: Path, offers: list[Offer], reader: Reader) -> Seen[Missing]:
    """The portal is declared by host name, the server announces addresses: a record by one of those would be a
    second session to the same disk."""
    for offer in offers:
        by_address = path._replace(portal=offer[0])
        if not isinstance(_record(root, by_address, reader), Absent):
            return Unknown(
                f"{path.target} has a record for {offer[0]} already, declared is {path.portal}: declare the portal"
                " by that address, or remove the record"
            )
    return _one_tag(root, path, offers, reader)


def _one_tag(root: str, path: Path, offers: list[Offer], reader: Reader) -> Seen[Missing]:
    tags = sorted({tag for _, tag, _ in offers})
    if len(tags) > 1:
        return Unknown(f"server {path.server.name} announces {path.target} with several portal group tags ({tags})")
    home = f"{root}/nodes/{path.target}/{path.portal.address},{path.portal.port}"
    file = f"{home},{tags[0]}/{path.server.iface}"
    if not isinstance(reader.read(file), Absent):
        # `-o new` would reset it, and with it what others set.
        return Unknown(f"the node record {file} is there, though its directories did not list it")
    return Present(Missing(tags[0], file))


def _offer(line: str) -> Offer | None:
    """(portal, tpgt, target) of a line of discovery: `192.168.1.115:3260,1 iqn.…`, `[fd00::15]:3260,1 iqn.…`
    (usr/idbm.c, idbm_print_node_flat)."""
    place, _, target = line.strip().partition(" ")
    where, _, tag = place.rpartition(",")
    address, _, at = where.rpartition(":")
    port, tpgt = count(at), count(tag)
    if port is None or tpgt is None or not (address and target):
        return None
    return Portal(address.removeprefix("[").removesuffix("]"), port), tpgt, target


def _listens(announced: str, declared: str) -> bool:
    return announced in ANY_ADDRESS or same_address(announced, declared)


def _is_ip(address: str) -> bool:
    """Portals are validated: with a colon it is IPv6, with digits and dots only IPv4, else a host name."""
    return ":" in address or address.replace(".", "").isdecimal()
