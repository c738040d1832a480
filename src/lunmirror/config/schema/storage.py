"""The rows of what lies on the servers: disks, groups, volumes, their file systems and mounts."""

from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict

from lunmirror.config import names
from lunmirror.config.schema.row import Table, key
from lunmirror.config.schema.values import (
    Bytes,
    Consent,
    Label,
    Machine,
    MkfsOption,
    MountOption,
    MountPath,
    OwnName,
    Region,
    Size,
    Target,
    VolumeName,
    string,
    word,
)


class Disk(Table):
    """One LUN on one server; becomes one physical volume."""

    server: OwnName = key(
        "Server of the disk",
        "The name of the server that the disk is on.",
        required=True,
        written="with target and lun it is the identity of the disk; /dev/sdX and serial numbers are not",
        effect="at the next pass",
        examples=["filer1"],
    )
    target: Target = key(
        "iSCSI target",
        "The name of the iSCSI target that offers the LUN, spelled as the server announces it, capital letters too.",
        required=True,
        written="node.name of the node record, and the name of its directory",
        effect="at the next pass; sessions to a removed target are left alone",
        examples=["iqn.2006-01.com.openfiler:linuxtest1lv"],
    )
    lun: int = key(
        "LUN",
        "The number of the logical unit in the target.",
        unit="a whole number, 0 to 16383",
        required=True,
        written="nowhere: the disk is found by it in sysfs",
        effect="at the next pass",
        examples=[1],
        ge=0,
        le=16383,
    )
    partition: bool = key(
        "Use a partition",
        "Whether the disk carries one partition of type Linux LVM, or is a physical volume as a whole.",
        default="false: the whole disk",
        value=False,
        written="a GPT with one partition on the disk",
        effect="when the disk is first taken into use",
        examples=[True],
    )
    size: Bytes | None = key(
        "Smallest size",
        "The size that the LUN must have at least; a smaller disk is refused.",
        unit="size in IEC units",
        default="any size",
        written="nowhere: it is compared with the disk",
        effect="at the next pass",
        examples=["2GiB"],
    )
    overwrite: Consent | None = key(
        "Consent to lose something",
        "Consent to lose what the disk holds: the exact words that lunmirror asks for when it refuses the disk."
        " It holds for that content only, and does nothing once the disk is in use.",
        default="nothing is ever lost",
        written="nowhere: it is compared with what is found on the disk",
        effect="at the next pass",
        examples=["ext4 labelled old-data"],
    )
    replaces: OwnName | None = key(
        "Takes the place of",
        "The name of a disk that will never return, and that stays declared until this one has taken its place: what may"
        " be dropped is known by its server, target and LUN. This disk gets its leg; only when it is in sync is the old"
        " leg dropped. It may be the same LUN, re-created.",
        default="replaces nothing",
        written="nowhere: volumes are converted",
        effect="at the next pass; done when the new leg is in sync",
        examples=["left"],
    )


class Filesystem(Table):
    """What a volume is formatted with, once, while it is provably empty."""

    WORD: ClassVar[str] = "type"

    type: Literal["ext4", "ext3", "xfs"] = key(
        "Kind of file system",
        "The kind of file system. A volume that holds anything is never formatted.",
        required=True,
        written="on the volume, by mkfs",
        effect="when the volume is first made",
        examples=["ext4", "ext3", "xfs"],
    )
    label: Label | None = key(
        "Label",
        "The label of the file system.",
        unit="16 bytes at most for ext3 and ext4, 12 for xfs",
        default="no label",
        written="in the file system, by mkfs -L",
        effect="when the volume is first made",
        examples=["mail"],
    )
    options: list[MkfsOption] | None = key(
        "Arguments of mkfs",
        "Further arguments of mkfs, in order, each a text of its own.",
        unit="a list of texts",
        written="the command line of mkfs",
        effect="when the volume is first made",
        examples=[["-m", "1"]],
        max_length=64,
    )


class Mount(Table):
    """Where a file system is mounted."""

    WORD: ClassVar[str] = "path"

    path: MountPath = key(
        "Mount point",
        "The absolute path of the mount point; it is made if it does not exist.",
        required=True,
        written="the line of the volume in /etc/fstab",
        effect="at the next pass; an old mount point is left as it is",
        examples=["/mnt/test"],
    )
    options: list[MountOption] | None = key(
        "Mount options",
        "Further mount options. _netdev, nofail and what else keeps boot and shutdown from hanging are always added. Options"
        " that mount another place, format or grow, or give up what was acknowledged are refused.",
        unit="a list of texts",
        written="the fourth field of the volume's line in /etc/fstab",
        effect="the line at the next pass, the options at the next mount",
        examples=[["noatime"]],
        max_length=32,
    )


class Volume(Table):
    """One logical volume, with a copy (leg) on each of several servers."""

    model_config = ConfigDict(
        json_schema_extra={
            "if": {"required": ["log"]},
            "then": {"required": ["type"], "properties": {"type": {"const": "mirror"}}},
        }
    )

    size: Size = key(
        "Size",
        "The usable size, rounded up to whole extents by LVM. It may grow later, also in use, and never shrinks.",
        unit='size in IEC units ("512MiB"), or extents ("128 extents")',
        required=True,
        written="LVM metadata",
        effect="at the next pass",
        examples=["512MiB", "1.5TiB", "128 extents"],
    )
    type: Literal["raid1", "mirror", "linear"] = key(
        "Kind of volume",
        "raid1 is LVM's modern mirror, with a bitmap on each leg; mirror is the old one; linear is one copy, to start"
        " with while there is one server.",
        default="raid1",
        value="raid1",
        written="LVM metadata",
        effect="at the next pass; an existing volume is converted where LVM can do it in use",
        examples=["raid1", "mirror", "linear"],
    )
    log: Literal["core", "disk"] | None = key(
        "Log of a mirror",
        "Where a volume of type mirror remembers what is in sync: core (memory, copied in full after each start) or"
        " disk.",
        default="core for mirror; the other types have none",
        written="LVM metadata",
        effect="at the next pass",
        examples=["core", "disk"],
    )
    region_size: Region | None = key(
        "Region of a raid1",
        "How much one bit of a raid1's bitmap stands for. Larger regions make random writes faster; smaller ones copy less"
        " after an outage, since each region that was written to is copied as a whole.",
        unit='a power of two in IEC units ("16MiB"), from 512KiB to 1GiB; never more than the volume',
        default="16MiB; of a volume below 1GiB the 64th part, at least 2MiB",
        written="LVM metadata",
        effect="at the next pass, in use, without a copy",
        examples=["16MiB", "2MiB"],
    )
    legs: list[OwnName] | None = key(
        "Disks that carry a copy",
        "The disks that carry a copy each: disks of the group, no two on one server. Exactly one for linear.",
        unit="a list of names of disks",
        default="the first disk on each server, in the group's order; for linear the group's first disk",
        written="LVM metadata; verified after each change",
        effect="at the next pass",
        examples=[["left", "right"]],
        min_length=1,
        max_length=10,
    )
    filesystem: Annotated[str, word("ext4", "ext3", "xfs")] | Filesystem | None = key(
        "File system",
        "What the volume is formatted with: the kind alone, or a table.",
        unit="ext4, ext3 or xfs, or a table of type, label, options",
        default="none: the volume is left raw",
        written="on the volume, by mkfs",
        effect="when the volume is first made; it grows with the volume",
        examples=["ext4", {"type": "xfs", "label": "mail"}],
    )
    mount: Annotated[str, string(pattern="^/", maxLength=names.PATH_BYTES)] | Mount | None = key(
        "Mount",
        "Where the file system is mounted: the path alone, or a table.",
        unit="a path, or a table of path, options",
        default="not mounted",
        written="/etc/fstab",
        effect="at the next pass",
        examples=["/mnt/test", {"path": "/srv/mail", "options": ["noatime"]}],
    )


class Group(Table):
    """One volume group."""

    disks: list[OwnName] = key(
        "Disks of the group",
        "The disks whose physical volumes make up the group.",
        unit="a list of names of disks",
        required=True,
        written="LVM metadata",
        effect="at the next pass; a disk that is no longer listed is left in the group",
        examples=[["left", "right"]],
        min_length=1,
        max_length=64,
    )
    take_from: Machine | None = key(
        "Take from another machine",
        "Consent to take over a group that belongs to another machine: the machine-id of that machine, or the whole"
        " mark as `plan` shows it (the only consent after a first takeover, or from a machine with the same"
        " machine-id). Only after it was made certain that the other machine no longer uses the disks. A consent is"
        " good for one takeover: each one changes the mark.",
        default="a group of another machine is refused",
        written="the mark of the group (a tag, `lunmirror.host=`), in LVM metadata",
        effect="at the next pass, in one write before anything is started, once every member is there",
        examples=[
            "4c4c4544004d3010805ac3c04f4b3532",
            "4c4c4544004d3010805ac3c04f4b3532/iqn.1993-08.org.debian:01:b731244d6c79#1",
        ],
    )
    volumes: dict[VolumeName, Volume] | None = key(
        "Volumes of the group",
        "The logical volumes of the group, each a table with the volume's name.",
        unit="tables",
        written="LVM metadata",
        effect="at the next pass; a volume that is no longer declared is left alone",
        examples=[{"testlv": {"size": "512MiB"}}],
    )
