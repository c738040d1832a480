"""Several hosts on the same storage servers: one has the floor, the others keep what they had.

`World` is the host that has the floor. `take_the_floor` puts its own state away and brings another's forth. What a host
that is not on the floor has active or mounted stays so, and a second start of the same volume raises Harm: two hosts
that write one volume destroy it.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sim.disks import Harm

if TYPE_CHECKING:
    from sim.world import World

OWN = (
    "files",
    "directories",
    "sessions",
    "actives",
    "mounts",
    "units",
    "boots",
    "asked",
    "event_activation",
    "systemd",
    "system_id",
    "volume_list",
    "read_only",
    "monitoring",
)
TAG = "lunmirror.host="
NAMES = ("/etc/machine-id", "/etc/iscsi/initiatorname.iscsi")


@dataclass
class Machine:
    """What belongs to one host alone: the fields of World named in OWN."""

    state: dict[str, Any] = field(default_factory=dict)


def identify(world: "World", machine: str, initiator: str) -> None:
    """The host that has the floor gets another machine-id and initiator name."""
    world.files[NAMES[0]] = f"{machine}\n".encode()
    world.files[NAMES[1]] = f"InitiatorName={initiator}\n".encode()
    world.version += 1


def new_host(world: "World", leaving: str, machine: str, initiator: str) -> None:
    """The host on the floor steps aside under the name `leaving`, and a new one, without any state, takes its place."""
    from sim.world import World

    world.others[leaving] = _aside(world)
    fresh = World(world.servers)
    for name in OWN:
        setattr(world, name, getattr(fresh, name))
    identify(world, machine, initiator)


def take_the_floor(world: "World", name: str, leaving: str) -> None:
    """A host that stepped aside is back as it was."""
    back = world.others.pop(name)
    world.others[leaving] = _aside(world)
    for one, value in back.state.items():
        setattr(world, one, value)
    world.version += 1


def die(world: "World", name: str) -> None:
    """A host that is aside loses its power: its disk keeps what was on it."""
    state = world.others[name].state
    state |= {"sessions": [], "actives": [], "mounts": [], "units": {}}


def _aside(world: "World") -> Machine:
    return Machine({name: getattr(world, name) for name in OWN})


def alone(world: "World", uuid: str, name: str) -> None:
    """Raises Harm if another host has this volume active."""
    for other, machine in world.others.items():
        if any(active.uuid == uuid for active in machine.state["actives"]):
            raise Harm(f"{name} is active on {other}, and is started on a second host")


def stranger(world: "World", tags: tuple[str, ...]) -> str:
    """Whose mark a group carries, if it is not that of the host on the floor; '' else. A mark without an initiator's
    name is of an older version."""
    machine, initiator = (world.files.get(path, b"").decode().strip() for path in NAMES)
    initiator = initiator.rpartition("=")[2]
    for mark in (tag.removeprefix(TAG) for tag in tags if tag.startswith(TAG)):
        if mark.partition("#")[0] not in (machine, f"{machine}/{initiator}"):
            return mark
    return ""
