"""Which portals answer: one TCP connection to each, all at once, closed again without a byte.

There is no fast failure in a login (122 s to a server that refuses; docs/facts/open-iscsi.md#login), so this asks
first. Host names are resolved by a child, getent: a resolver that hangs is killed with it, where a thread could not
be. An address may name the interface to go through after a %: "192.0.2.1%bond0.100", "filer1%eth1".
"""

import errno
import os
import select
import socket
import time
from collections.abc import Callable
from typing import Any

from lunmirror.host import paths, words
from lunmirror.host.child import Job, run_all
from lunmirror.host.stuck import Stuck
from lunmirror.host.waiting import SLICE, stop_if_asked

Endpoint = tuple[str, int]


def reach(
    endpoints: tuple[Endpoint, ...], deadline: float, stuck: Stuck, note: Callable[[str], None]
) -> dict[Endpoint, str]:
    """'' for each endpoint that accepts a connection within `deadline` seconds, else why not. Raises Interrupted."""
    started = time.monotonic()
    addresses, answers = _resolve(endpoints, deadline, stuck, note)
    probes = {
        endpoint: Probe([(address, endpoint[1]) for address in addresses[endpoint[0]]], _apart(endpoint[0])[1])
        for endpoint in addresses_of(endpoints, addresses)
    }
    _listen(list(probes.values()), started + deadline)
    for endpoint, probe in probes.items():
        answers[endpoint] = probe.result(f"no answer within {deadline:g} s")
    return {endpoint: answers[endpoint] for endpoint in endpoints}


def addresses_of(endpoints: tuple[Endpoint, ...], addresses: dict[str, list[str]]) -> list[Endpoint]:
    """The endpoints whose name has an address."""
    return [endpoint for endpoint in dict.fromkeys(endpoints) if addresses.get(endpoint[0])]


def _resolve(
    endpoints: tuple[Endpoint, ...], deadline: float, stuck: Stuck, note: Callable[[str], None]
) -> tuple[dict[str, list[str]], dict[Endpoint, str]]:
    """Addresses by name, and why there are none by endpoint."""
    addresses = {name: [_apart(name)[0]] for name, _ in endpoints if _is_numeric(_apart(name)[0])}
    names = [name for name in dict.fromkeys(name for name, _ in endpoints) if name not in addresses]
    if not names:
        return addresses, {}
    jobs = tuple(Job((paths.GETENT, "ahosts", "--", _apart(name)[0]), deadline, changes=False) for name in names)
    answers: dict[Endpoint, str] = {}
    for name, ran in zip(names, run_all(jobs, stuck, note), strict=True):
        addresses[name] = list(dict.fromkeys(line.split()[0] for line in ran.out.splitlines() if line.strip()))
        if not addresses[name] or ran.rc != 0:
            addresses[name] = []
            host = _apart(name)[0]
            why = (
                f"the name {host} has no address" if ran.rc == 2 else f"the name {host} cannot be resolved: {ran.why}"
            )
            answers |= {endpoint: why for endpoint in endpoints if endpoint[0] == name}
    return addresses, answers


def _apart(name: str) -> tuple[str, str]:
    """(address or host name, interface); of a link-local address ("fe80::1%eth0") the interface is a part."""
    host, _, interface = name.partition("%")
    return (name, "") if host.lower().startswith("fe80:") else (host, interface)


def _is_numeric(name: str) -> bool:
    if _family(name):
        return True
    try:
        socket.getaddrinfo(name, None, flags=socket.AI_NUMERICHOST)  # asks nobody; "fe80::1%eth0"
    except (OSError, ValueError):
        return False
    return True


def _family(address: str) -> int:
    """AF_INET or AF_INET6 of an address in numbers, 0 for anything else. The first call of getaddrinfo alone costs what
    twenty such do: it reads the resolver's configuration."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, address)
        except (OSError, ValueError):
            continue
        return int(family)
    return 0


class Probe:
    """Connections under way to one endpoint, one for each of its addresses; one that answers is enough."""

    def __init__(self, addresses: list[Endpoint], interface: str = "") -> None:
        self.answers = False
        self.why = ""
        self.open: dict[int, socket.socket] = {}
        for address, port in addresses:
            target: tuple[Any, ...]
            try:
                if family := _family(address):
                    kind, target = socket.SOCK_STREAM, (address, port)
                else:
                    family, kind, _, _, target = socket.getaddrinfo(
                        address, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
                    )[0]
                connection = socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
            except (OSError, ValueError) as error:
                self.why = words.of(error) if isinstance(error, OSError) else str(error)
                continue
            if interface and (why := _unbound(connection, interface)):
                self.why = why
                continue
            self.open[connection.fileno()] = connection
            self._judge(connection.fileno(), connection.connect_ex(target))

    def hear(self, number: int) -> None:
        """The connection is made, or has failed."""
        self._judge(number, self.open[number].getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))

    def _judge(self, number: int, error: int) -> None:
        if error in (errno.EINPROGRESS, errno.EALREADY):
            return
        self.open.pop(number).close()
        if error == 0:
            self.answers = True
            self.close()
        else:
            self.why = words.of(OSError(error, os.strerror(error)))

    def close(self) -> None:
        for connection in self.open.values():
            connection.close()
        self.open.clear()

    def result(self, silence: str) -> str:
        """'' or why not; `silence` if nothing was heard. Closes what is still open."""
        waiting = bool(self.open)
        self.close()
        return "" if self.answers else silence if waiting else self.why


def _unbound(connection: socket.socket, interface: str) -> str:
    """Why a connection cannot be bound to the interface, and is closed; '' if it is bound."""
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
    except OSError as error:
        connection.close()
        gone = error.errno == errno.ENODEV
        return f"there is no network interface {interface}" if gone else f"not through {interface}: {words.of(error)}"
    return ""


def _listen(probes: list[Probe], end: float) -> None:
    poll = select.poll()
    ears = {number: probe for probe in probes for number in probe.open}
    for number in ears:
        poll.register(number, select.POLLOUT)
    while any(probe.open for probe in probes) and (left := end - time.monotonic()) > 0:
        try:
            stop_if_asked()
        except BaseException:
            for probe in probes:
                probe.close()
            raise
        for number, _ in poll.poll(min(left, SLICE) * 1000):
            poll.unregister(number)
            if number in ears[number].open:
                ears[number].hear(number)
