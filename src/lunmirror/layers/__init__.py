"""The layers, lowest first. A new kind of resource is one directory and one line here."""

from collections.abc import Callable
from typing import NamedTuple

from lunmirror.engine.desired import Desired
from lunmirror.engine.model import Observed, Plan, Ref, World
from lunmirror.host.protocol import Reader
from lunmirror.layers import disk, filesystem, group, mount, multipath, node, scsi, session, udev, unrelated, volume


class Layer(NamedTuple):
    """observe: looks at the machine. plan: pure; from what is desired and seen to steps and findings.

    `pending` names the lower resources that have steps not taken yet (only in `plan`): what depends on them is
    predicted and carries them in `Step.after`.
    invalidates: lower layers that this one's steps can change too: observed again before it is planned again.
    """

    name: str
    observe: Callable[[Desired, Reader, World], Observed]
    plan: Callable[[Desired, World, frozenset[Ref]], Plan]
    invalidates: tuple[str, ...] = ()


LAYERS = (
    Layer("node", node.observe, node.plan),
    Layer("udev", udev.observe, udev.plan),  # before a login makes disks appear
    Layer("session", session.observe, session.plan),
    Layer("multipath", multipath.observe, multipath.plan),
    Layer("disk", disk.observe, disk.plan),
    Layer("unrelated", unrelated.observe, unrelated.plan),
    Layer("scsi", scsi.observe, scsi.plan),
    Layer("group", group.observe, group.plan),
    Layer(
        "volume", volume.observe, volume.plan, invalidates=("disk", "group")
    ),  # a member taken back, an extent used
    Layer("filesystem", filesystem.observe, filesystem.plan),
    Layer("mount", mount.observe, mount.plan),
    # A file system grows only while it is mounted (xfs always, ext4 without a check first).
    Layer("filesystem", filesystem.observe, filesystem.plan_growth),
)
