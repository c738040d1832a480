"""The cut: an nftables table of our own that drops what goes to and comes from some portals, for a bounded time.

The addresses are elements of sets, and every element carries a timeout: the kernel itself forgets it, so the traffic
returns whatever becomes of this process. The rules of an empty set match nothing; a table that a killed drill left
behind is replaced by the next one. Both verdicts are final: no other table can let a dropped packet through, and none
of its own is changed.
"""

import json
from collections.abc import Callable

from lunmirror.drill.plan import Endpoint
from lunmirror.engine.errors import HostError
from lunmirror.host import child, paths
from lunmirror.host.child import Job
from lunmirror.host.protocol import Host
from lunmirror.host.stuck import Stuck

TABLE = "lunmirror_drill"
DEADLINE = 30.0  # seconds for nft, which only talks to the kernel
SETS = {4: "portals4", 6: "portals6"}

# `add` before `delete`, so that it can be deleted whether or not it was there; nft commits all of it or nothing.
# -300 is where the raw table hooks: before connection tracking and every firewall (netfilter_ipv4.h).
RULES = f"""\
add table inet {TABLE}
delete table inet {TABLE}
table inet {TABLE} {{
    set portals4 {{ type ipv4_addr . inet_service; flags timeout; }}
    set portals6 {{ type ipv6_addr . inet_service; flags timeout; }}
    chain leaving {{
        type filter hook output priority -300; policy accept;
        ip daddr . tcp dport @portals4 counter drop
        ip6 daddr . tcp dport @portals6 counter drop
    }}
    chain arriving {{
        type filter hook input priority -300; policy accept;
        ip saddr . tcp sport @portals4 counter drop
        ip6 saddr . tcp sport @portals6 counter drop
    }}
}}
"""


def elements(endpoints: tuple[Endpoint, ...], seconds: int) -> str:
    """The nft script that begins the cut, in one transaction."""
    lines = []
    for version, name in SETS.items():
        mine = [e for e in endpoints if (":" in e[0]) == (version == 6)]
        listed = ", ".join(f"{address} . {port} timeout {seconds}s" for address, port in mine)
        lines += [f"add element inet {TABLE} {name} {{ {listed} }}\n"] if mine else []
    return "".join(lines)


class Cut:
    """The table of one drill: `prepare` it, `begin`, and `lift` in any case."""

    def __init__(self, host: Host, note: Callable[[str], None] = lambda text: None) -> None:
        self.host, self.note = host, note
        self.there = False

    def prepare(self) -> None:
        """Our table with empty sets, in place of any that a killed drill left: it drops nothing yet. Raises HostError."""
        self._nft(RULES, "the table that would drop the traffic cannot be made")
        self.there = True

    def begin(self, endpoints: tuple[Endpoint, ...], seconds: int) -> None:
        """Drop from now on, for so long. Raises HostError."""
        self._nft(elements(endpoints, seconds), "the traffic cannot be dropped")

    def packets(self) -> int | None:
        """How many were dropped; None if that is not known."""
        ran = self.host.run((paths.NFT, "-j", "list", "table", "inet", TABLE), DEADLINE)
        try:
            rules = [item["rule"] for item in json.loads(ran.out)["nftables"] if "rule" in item]
            return sum(
                int(part["counter"]["packets"]) for rule in rules for part in rule["expr"] if "counter" in part
            )
        except (ValueError, KeyError, TypeError):
            return None

    def lift(self) -> str:
        """Remove the table, also when we were asked to stop; '' or why it could not be: then the kernel's timeout
        ends the cut all the same. May be called again."""
        if not self.there:
            return ""
        job = Job((paths.NFT, "delete", "table", "inet", TABLE), DEADLINE)
        ran = child.run_all((job,), Stuck(), self.note)[0]
        self.there = ran.rc != 0
        return ran.why if self.there else ""

    def _nft(self, script: str, what: str) -> None:
        ran = self.host.run((paths.NFT, "-f", "-"), DEADLINE, script.encode())
        if ran.rc != 0:
            raise HostError(
                what,
                why=ran.why,
                next="nftables (kernel module nf_tables) is what can drop it for a bounded time; nothing was done",
            )
