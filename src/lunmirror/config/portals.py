"""The TCP addresses of servers: "192.168.1.115", "filer1.example.com:3261", "[fd00::15]:3260"."""

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Any

from lunmirror.config.names import line
from lunmirror.config.problems import InvalidValue, quoted
from lunmirror.engine.desired import Portal

DEFAULT_PORT = 3260  # IANA: iscsi-target
HOST_BYTES = 253
PORTAL_PATTERN = r"^(?!.*:0+$)([^\s\[\]:]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?$|^[0-9A-Fa-f.]*(:[0-9A-Fa-f.]*){2,}$"

_HOST_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
# What is copied from elsewhere, and the address in it: a URL, or a line of `iscsiadm -m discovery`.
_COPIED = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://([^/]*)(?:/.*)?|([^/,]+)(?:,[0-9]+)(?: .*)?")
_EXAMPLES = 'write "192.168.1.115", "192.168.1.115:3260", "[fd00::15]:3260" or a host name'


def portal(value: Any) -> Portal:
    """A portal in canonical form, so that two spellings are one portal. Raises InvalidValue."""
    line(value, "a portal")
    if found := _COPIED.fullmatch(value):
        raise _with_more(value, found[1] or found[2] or "")
    if value.startswith("["):
        return _bracketed(value)
    if value.count(":") > 1:
        return _bare_ipv6(value)
    host, colon, port = value.partition(":")
    return Portal(_host(host, value), _port(port, value) if colon else DEFAULT_PORT)


def _with_more(value: str, address: str) -> InvalidValue:
    why = (
        "a portal has no scheme and no path: iSCSI is understood"
        if "://" in value
        else "the number after the comma is the portal group tag, which lunmirror asks the server for"
    )
    try:
        portal(address)
    except InvalidValue:
        return InvalidValue(f"{quoted(value)} is not a portal", why=why, next=_EXAMPLES)
    return InvalidValue(f"{quoted(value)} is not a portal", why=why, next=f"write {quoted(address)}")


def _bracketed(value: str) -> Portal:
    inside, bracket, rest = value[1:].partition("]")
    if not bracket or (rest and not rest.startswith(":")):
        raise InvalidValue(f"{quoted(value)} is not a portal", next='write an IPv6 portal as "[fd00::15]:3260"')
    return Portal(_ipv6(inside, value), _port(rest[1:], value) if rest else DEFAULT_PORT)


def _bare_ipv6(value: str) -> Portal:
    address = _ipv6(value, value)
    if value.endswith(f":{DEFAULT_PORT}"):
        start = value[: -len(str(DEFAULT_PORT)) - 1]
        raise InvalidValue(
            f"{quoted(value)} can be read in two ways",
            why=f"{DEFAULT_PORT} at the end may be the port or a part of the address",
            next=f'write "[{start}]:{DEFAULT_PORT}", or "[{value}]" if all of it is the address',
        )
    return Portal(address)


def _ipv6(text: str, value: str) -> str:
    if "%" in text:
        raise _link_local(value)
    try:
        address = IPv6Address(text)
    except AddressValueError as error:
        raise InvalidValue(f"{quoted(value)} is not an IPv6 portal", why=_reason(error), next=_EXAMPLES) from None
    if address.is_link_local:
        raise _link_local(value)
    if address.ipv4_mapped:
        raise InvalidValue(f"{quoted(value)} is an IPv4-mapped IPv6 address", next=f'write "{address.ipv4_mapped}"')
    _one_machine(address, value)
    return str(address)


def _host(text: str, value: str) -> str:
    if re.fullmatch(r"[0-9.]+", text):
        return _ipv4(text, value)
    name = text.lower()
    labels = name.split(".")
    if not all(_HOST_LABEL.fullmatch(label) for label in labels) or len(name) > HOST_BYTES or labels[-1].isdigit():
        raise InvalidValue(
            f"{quoted(value)} is not a portal",
            why="it is neither an IP address nor a host name (letters, digits and hyphens between dots, RFC 1123)",
            next=_EXAMPLES,
        )
    return name


def _ipv4(text: str, value: str) -> str:
    try:
        address = IPv4Address(text)
    except AddressValueError as error:
        raise InvalidValue(f"{quoted(value)} is not a portal", why=_reason(error), next=_EXAMPLES) from None
    _one_machine(address, value)
    return str(address)


def _one_machine(address: IPv4Address | IPv6Address, value: str) -> None:
    if address.is_unspecified or address.is_multicast or str(address) == "255.255.255.255":
        raise InvalidValue(
            f"{quoted(value)} is not the address of one server",
            why="it stands for every address or for a group of machines",
            next="write the address at which this client reaches the server",
        )


def _port(text: str, value: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 1 <= int(text) <= 65535:
        raise InvalidValue(f"{quoted(value)} has no valid port: a port is a number from 1 to 65535", next=_EXAMPLES)
    return int(text)


def _link_local(value: str) -> InvalidValue:
    return InvalidValue(
        f"{quoted(value)} is a link-local address",
        why="it means nothing without an interface, and open-iscsi's records cannot hold one",
        next="give the server an address of its own (fd00::/8 if it is private) and write that",
    )


def _reason(error: Exception) -> str:
    return str(error).replace("'", '"')[:120]
