"""The rows of a server's own side, which `lunmirror export` prints for it. No pass reads them."""

from typing import Literal

from lunmirror.config.schema.row import Table, key
from lunmirror.config.schema.values import Backing, Bytes, Initiator, OwnName, Serial

_PRINTED = "nowhere on this machine: `lunmirror export` prints it for the storage server"
_EFFECT = "when the storage server is given what `lunmirror export` prints"


class ExportedDisk(Table):
    """What backs one LUN, on the storage server."""

    path: Backing = key(
        "What backs the LUN",
        "A block device of the storage server, below /dev, or a plain file there.",
        unit="an absolute path on the storage server",
        required=True,
        written=_PRINTED,
        effect=_EFFECT,
        examples=["/dev/vg_storage/left", "/srv/luns/left.img"],
    )
    size: Bytes | None = key(
        "Size of a plain file",
        "The size that a plain file has or gets. A device has its own.",
        unit="a size",
        default="the device's own; a plain file must have one",
        written=_PRINTED,
        effect=_EFFECT,
        examples=["512MiB"],
    )
    cache: Literal["through", "back"] = key(
        "Write cache of the LUN",
        "through: what was acknowledged is on stable storage. back: a volatile cache, advertised as such; only for a server whose"
        " write_cache accepts it.",
        default="through",
        value="through",
        written=_PRINTED,
        effect=_EFFECT,
        examples=["through"],
    )
    serial: Serial | None = key(
        "Serial number of the LUN",
        "Only for a LUN that has one already, and is to keep it.",
        unit="32 hexadecimal digits, or a UUID",
        default="derived from server, target and LUN, so that no two are alike",
        written=_PRINTED,
        effect=_EFFECT,
        examples=["9f3c1d2e-5b6a-4789-8abc-0123456789ab"],
    )


class Export(Table):
    """The server's own side."""

    format: Literal["lio", "tgt"] | None = key(
        "Target software",
        "What the storage server runs: LIO (the kernel's, with rtslib and targetcli) or tgt.",
        default="what `lunmirror export --format` says",
        written=_PRINTED,
        effect=_EFFECT,
        examples=["lio", "tgt"],
    )
    clients: list[Initiator] = key(
        "Who may log in",
        "The names of the initiators that may log in, and nobody else: `InitiatorName` in /etc/iscsi/initiatorname.iscsi of each"
        " client.",
        unit="a list of initiator names",
        required=True,
        written=_PRINTED,
        effect=_EFFECT,
        examples=[["iqn.1993-08.org.debian:01:4f3e2d1c0b9a"]],
        min_length=1,
        max_length=16,
    )
    disks: dict[OwnName, ExportedDisk] = key(
        "What is exported",
        "The declared disks of this server, each with what backs it there.",
        unit="tables, with the names of disks",
        required=True,
        written=_PRINTED,
        effect=_EFFECT,
        examples=[{"left": {"path": "/dev/vg_storage/left"}}],
    )
