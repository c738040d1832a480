"""Every key of the configuration, once: its type, and all that an administrator is reported about it.

The JSON Schema, `lunmirror explain` and docs/configuration.md are made from this table; a new setting is one row
here. Values that are omitted stay None: what they become is decided in `compile` and `budget`, and said in
`default`.
"""

from functools import partial
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, WithJsonSchema
from pydantic.fields import FieldInfo

from lunmirror.config import budget, mountoptions, names, portals, settings, units, watchers


def key(
    title: str,
    meaning: str,
    *,
    unit: str = "",
    default: str = "none",
    required: bool = False,
    value: Any = None,
    written: str = "",
    record: str = "",
    effect: str,
    examples: list[Any],
    **limits: Any,
) -> Any:
    """One row of the table.

    default: what holds when the key is omitted, in words; value: the same for the program (None: decided later).
    written: where its value ends up on the machine; effect: when a changed value takes effect.
    record:  of a server: the key of the node record that holds the value as it stands here, and nothing else has to be done.
    limits:  pydantic's own (ge, le, min_length, max_length).
    """
    extra: dict[str, Any] = {
        "x-unit": unit,
        "x-default": "" if required else default,
        "x-written": written or f"{record} of each node record of the server",
        "x-effect": effect,
    }
    if record:
        extra["x-record"] = record
    choice = {} if required else {"default": value}
    return Field(title=title, description=meaning, examples=examples, json_schema_extra=extra, **choice, **limits)


def _string(**schema: str | int) -> WithJsonSchema:
    """A value that is written as a text in TOML."""
    return WithJsonSchema({"type": "string", **schema})


def _word(*words: str) -> WithJsonSchema:
    """One of a few words, where a table could stand as well: for editors; the table's own type judges it."""
    return WithJsonSchema({"type": "string", "enum": list(words)})


def _seconds(least: int, most: int) -> PlainValidator:
    return PlainValidator(partial(units.duration, least=least, most=most))


_DURATION = _string(pattern=units.DURATION_PATTERN)

Duration = Annotated[Any, _seconds(0, units.LONGEST), _DURATION]
ReplacementTimeout = Annotated[Any, _seconds(1, units.LONGEST), _DURATION]
Ping = Annotated[Any, _seconds(0, 600), _DURATION]
LoginTimeout = Annotated[Any, _seconds(1, 600), _DURATION]
CommandTimeout = Annotated[Any, _seconds(1, units.LONGEST), _DURATION]
BootWait = Annotated[Any, _seconds(0, 3600), _DURATION]
Size = Annotated[Any, PlainValidator(units.size), _string(pattern=units.SIZE_PATTERN)]
Bytes = Annotated[Any, PlainValidator(units.size_in_bytes), _string(pattern=units.SIZE_PATTERN)]
Region = Annotated[Any, PlainValidator(units.region), _string(pattern=units.SIZE_PATTERN)]
Portal = Annotated[Any, PlainValidator(portals.portal), _string(pattern=portals.PORTAL_PATTERN)]
Target = Annotated[
    Any, PlainValidator(names.target), _string(pattern=names.TARGET_PATTERN, maxLength=names.TARGET_BYTES)
]
OwnName = Annotated[Any, PlainValidator(names.own), _string(pattern=f"^{names.OWN_NAME}$")]
GroupName = Annotated[Any, PlainValidator(names.group), _string(pattern=f"^{names.LVM_NAME}$")]
VolumeName = Annotated[Any, PlainValidator(names.volume), _string(pattern=f"^{names.LVM_NAME}$")]
Machine = Annotated[Any, PlainValidator(names.machine), _string(pattern=names.MACHINE_PATTERN)]
Acknowledgement = Annotated[
    Any, PlainValidator(names.acknowledgement), _string(pattern=names.ACKNOWLEDGEMENT_PATTERN, maxLength=300)
]
Consent = Annotated[Any, PlainValidator(names.consent), _string(maxLength=1024)]
Username = Annotated[Any, PlainValidator(names.username), _string(maxLength=names.VALUE_BYTES)]
PasswordFile = Annotated[Any, PlainValidator(names.password_file), _string(maxLength=1024)]
Label = Annotated[Any, PlainValidator(names.label), _string(maxLength=16)]
MountOption = Annotated[Any, PlainValidator(mountoptions.mount_option), _string(maxLength=names.VALUE_BYTES)]
MountPath = Annotated[Any, PlainValidator(names.mount_path), _string(pattern="^/", maxLength=names.PATH_BYTES)]
Textfile = Annotated[Any, PlainValidator(watchers.textfile), _string(pattern=watchers.TEXTFILE_PATTERN)]
Word = Annotated[Any, PlainValidator(watchers.word), _string(minLength=1, maxLength=1024)]
Address = Annotated[Any, PlainValidator(watchers.address), _string(pattern=watchers.ADDRESS_PATTERN, maxLength=254)]
HookDeadline = Annotated[Any, _seconds(1, 60), _DURATION]
Reminder = Annotated[Any, _seconds(0, 30 * 86400), _DURATION]
MkfsOption = Annotated[Any, PlainValidator(names.line), _string(maxLength=names.VALUE_BYTES)]
Settings = Annotated[
    dict[str, Any],
    PlainValidator(settings.settings),
    WithJsonSchema(
        {
            "type": "object",
            "propertyNames": {"pattern": settings.KEY_PATTERN},
            "additionalProperties": {"type": ["string", "integer"]},
        }
    ),
]

_RECORD_NEXT_LOGIN = "the record at the next pass, the session at its next login"


class Table(BaseModel):
    """A table of the configuration. `WORD` is the key that a bare text stands for, where one is taken."""

    model_config = ConfigDict(extra="forbid", strict=True, validate_assignment=True, arbitrary_types_allowed=True)
    WORD: ClassVar[str] = ""


class Timeouts(Table):
    """The timeouts that a policy or one server may declare; what is omitted is derived from stall_budget."""

    startup: Literal["automatic", "manual", "onboot"] | None = key(
        "Login at boot",
        "Whether open-iscsi's own boot scripts log in to the server: automatic (yes), manual (never) or onboot"
        " (in the initramfs). lunmirror logs in whatever this says.",
        default="automatic; for a server: what policy says",
        written="node.startup and node.conn[0].startup of each node record (autologin looks at either)",
        effect="the record at the next pass, login at the next boot",
        examples=["automatic", "manual", "onboot"],
    )
    replacement_timeout: ReplacementTimeout | None = key(
        "I/O waits for a failed session",
        "How long I/O waits for a failed session to come back before it fails and the other leg goes on alone.",
        unit="duration, 1s to 24h",
        default="stall_budget - noop_out_interval - noop_out_timeout - margin; for a server: what policy says",
        written="node.session.timeo.replacement_timeout of each node record; live: recovery_tmo in sysfs",
        effect="at once, on live sessions too",
        examples=["7s", "10s"],
    )
    noop_out_interval: Ping | None = key(
        "Time between pings",
        "How often the server is pinged over an idle connection. 0s, together with noop_out_timeout = 0s, switches"
        " pings off; then a silent death is noticed by SCSI timeouts only, and no stall_budget may be declared.",
        unit="duration, 1s to 10m, or 0s: pings off",
        default="a fifth of stall_budget, at least 1 s and at most 5 s; for a server: what policy says",
        written="node.conn[0].timeo.noop_out_interval of each node record",
        effect=_RECORD_NEXT_LOGIN,
        examples=["3s"],
    )
    noop_out_timeout: Ping | None = key(
        "A ping is lost after",
        "How long the answer to a ping may take before the session counts as failed.",
        unit="duration, 1s to 10m, or 0s: pings off",
        default="a fifth of stall_budget, at least 1 s and at most 5 s; for a server: what policy says",
        written="node.conn[0].timeo.noop_out_timeout of each node record",
        effect=_RECORD_NEXT_LOGIN,
        examples=["3s"],
    )
    command_timeout: CommandTimeout | None = key(
        "One try of a SCSI command",
        "How long the kernel waits for the answer of a disk before it counts one try of a command as lost. It bounds"
        " how long a server that answers pings but hangs its I/O can hold up a volume; max_retries, eh_timeout and the"
        " timeouts of aborts and resets follow. It must be long enough for a command to outlive every outage that the"
        " session survives.",
        unit="duration, 1s to 24h",
        default="the shortest with one retry: more than half of noop_out_interval + noop_out_timeout +"
        " replacement_timeout + 4 s; for a server: what policy says",
        written="device/timeout of each disk in sysfs, and a udev rule for disks that appear later",
        effect="at once",
        examples=["9s"],
    )
    login_timeout: LoginTimeout | None = key(
        "One try to log in",
        "How long one try to log in may take. login_timeout times login_retries bounds how long one login to an"
        " absent server can block.",
        unit="duration, 1s to 10m",
        default=f"{budget.DEFAULT_LOGIN_TIMEOUT}s; for a server: what policy says",
        written="node.conn[0].timeo.login_timeout of each node record",
        effect=_RECORD_NEXT_LOGIN,
        examples=["10s"],
    )
    login_retries: int | None = key(
        "Tries to log in",
        "How many times a first login is tried before it fails; the next pass tries again.",
        unit="a count, 1 to 100",
        default=f"{budget.DEFAULT_LOGIN_RETRIES}; for a server: what policy says",
        written="node.session.initial_login_retry_max of each node record",
        effect=_RECORD_NEXT_LOGIN,
        examples=[3],
        ge=1,
        le=100,
    )


class Policy(Timeouts):
    """What holds for all servers."""

    stall_budget: Duration | None = key(
        "Longest pause when a server dies",
        "The longest pause of I/O when a server dies silently. From it the pings and replacement_timeout of every"
        " server are derived, and from these the timeouts of its disks; a value declared for one of them wins, and an"
        " impossible sum is an error. If it is omitted and timeouts are declared, the budget is their sum. A server"
        " that answers pings but hangs its I/O is bounded by another, larger number.",
        unit=f"duration, {budget.SMALLEST_BUDGET}s to 1h"
        f" ({budget.SMALLEST_BUDGET - budget.MARGIN + budget.MARGINS['mirror']}s where a mirror is declared)",
        default=f"{budget.DEFAULT_BUDGET}s",
        written="as noop_out_interval, noop_out_timeout and replacement_timeout of each server, as command_timeout,"
        " max_retries and eh_timeout of each disk, and as node.session.err_timeo.* of each node record",
        effect="replacement_timeout and the disks at once, the pings and the aborts at the next login"
        " (`lunmirror apply --relogin`)",
        examples=["15s", "30s"],
    )
    boot_wait: BootWait | None = key(
        "Wait for absent servers",
        "How long a pass waits for absent servers before it goes on with what is there.",
        unit="duration, 0s to 1h",
        default="30s",
        written="nowhere: lunmirror itself keeps it",
        effect="at the next pass",
        examples=["30s", "2m"],
    )
    acknowledged: list[Acknowledgement] | None = key(
        "Notes that are known",
        "Notes that are known and may stay, each with the reason: they are left out of reports and logs. Only a note can be"
        " acknowledged, and only as it reads now: one that changes is reported again. `-v` shows them all, with their"
        " numbers.",
        unit='a list of "NUMBER: reason"',
        written="nowhere: lunmirror itself keeps it",
        effect="at the next pass",
        examples=[["3f9a2c10: these targets number their LUNs alike"]],
    )
    unattended: list[Literal["overwrite", "fewer-legs"]] | None = key(
        "What a pass may do alone",
        "Which risks a pass of the timer or of cron (`apply --unit`, `apply --quiet`) may take without an administrator:"
        " overwrite (write over a device: partition, label, format what is proven blank, or what a consent names), fewer-legs"
        " (start a volume without a leg that is away). What is left out is refused until somebody runs `lunmirror apply`.",
        unit="a list of overwrite, fewer-legs",
        default='["overwrite", "fewer-legs"]',
        written="nowhere: lunmirror itself keeps it",
        effect="at the next pass",
        examples=[["fewer-legs"], []],
    )


class MutualChap(Table):
    """How the server proves itself to this client."""

    username: Username = key(
        "Name of the server",
        "The CHAP name with which the server proves itself to this client.",
        required=True,
        written="node.session.auth.username_in of each node record of the server",
        effect="at the next login",
        examples=["filer1"],
    )
    password_file: PasswordFile = key(
        "Secret of the server",
        "The file that holds the secret with which the server proves itself. It must differ from the client's own:"
        " with equal secrets every login fails.",
        unit="a path, relative to the configuration's directory, or the name of a systemd credential",
        required=True,
        written="node.session.auth.password_in of each node record of the server",
        effect="at the next login",
        examples=["secrets/filer1-mutual", "/etc/lunmirror/secrets/filer1-mutual"],
    )


class Chap(Table):
    """How this client proves itself to the server."""

    username: Username = key(
        "Name of this client",
        "The CHAP name with which this client proves itself to the server.",
        required=True,
        written="node.session.auth.username of each node record of the server",
        effect="at the next login",
        examples=["client1"],
    )
    password_file: PasswordFile = key(
        "Secret of this client",
        "The file that holds this client's secret: a regular file of one line, owned by root, mode 0600 or less. A"
        " name without / is looked for among systemd's credentials first. The secret never stands in the"
        " configuration itself.",
        unit="a path, relative to the configuration's directory, or the name of a systemd credential",
        required=True,
        written="node.session.auth.password of each node record of the server",
        effect="at the next login",
        examples=["secrets/filer1", "filer1-chap"],
    )
    mutual: MutualChap | None = key(
        "The server proves itself",
        "Declares that the server must prove itself too (mutual CHAP).",
        unit="a table",
        default="only this client proves itself",
        written="node.session.auth.username_in and password_in of each node record of the server",
        effect="at the next login",
        examples=[{"username": "filer1", "password_file": "secrets/filer1-mutual"}],
    )


class Server(Timeouts):
    """One storage server: one failure domain."""

    portals: list[Portal] = key(
        "Addresses of the server",
        "The TCP addresses at which the server answers. Several portals are several paths to the same disks.",
        unit=f"a list of addresses or host names, each with its port (default {portals.DEFAULT_PORT})",
        required=True,
        written="the directory name of each node record, and node.conn[0].address and port in it",
        effect="at the next pass; sessions of a removed portal are left alone",
        examples=[["192.168.1.115"], ["192.168.1.115:3260", "[fd00::15]:3260"]],
        min_length=1,
        max_length=16,
    )
    settings: Settings | None = key(
        "Further record keys",
        "Any other key of a node record under open-iscsi's own name, in quotes. Keys that lunmirror manages, and"
        " keys that would break it, are refused with the reason.",
        unit="a table of texts or whole numbers",
        written="each node record of the server, under the same name",
        effect=_RECORD_NEXT_LOGIN,
        examples=[{"node.session.cmds_max": 128, "node.session.queue_depth": 32}],
    )
    chap: Chap | None = key(
        "CHAP",
        "How this client proves itself to the server, and the server to it.",
        unit="a table",
        default="no authentication",
        written="node.session.auth.* of each node record of the server (mode 0600)",
        effect="at the next login",
        examples=[{"username": "client1", "password_file": "secrets/filer1"}],
    )
    write_cache: Literal["through", "back"] = key(
        "Write cache of the server",
        "Which write cache of the server's disks is accepted. through: a disk must say that it keeps what it"
        " acknowledged through a loss of power; one that says otherwise is refused. back: a volatile cache is accepted:"
        " what was acknowledged and not flushed is lost when the server restarts, so after a restart its legs are copied"
        " again, in full, from the other leg.",
        default="back",
        value="back",
        written="nowhere: it is compared with cache_type of each disk in sysfs",
        effect="at the next pass",
        examples=["through", "back"],
    )
    data_digest: Literal["CRC32C", "None"] | None = key(
        "Checksum of the data on the wire",
        "Whether every data unit carries a CRC32C: what TCP's own, weaker checksum lets through then ends the command, and it"
        " is repeated. The server must offer it, or no login succeeds; it costs some CPU on both sides.",
        default="what iscsid.conf says (open-iscsi: None)",
        record="node.conn[0].iscsi.DataDigest",
        effect=_RECORD_NEXT_LOGIN,
        examples=["CRC32C"],
    )


# Field of Server -> the record key that holds it: compile and the node layer need no more than this.
RECORDS: dict[str, str] = {
    name: record
    for name, field in Server.model_fields.items()
    if isinstance(field.json_schema_extra, dict)
    and isinstance(record := field.json_schema_extra.get("x-record"), str)
}
settings.MANAGED.update({record: name for name, record in RECORDS.items()})


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
    filesystem: Annotated[str, _word("ext4", "ext3", "xfs")] | Filesystem | None = key(
        "File system",
        "What the volume is formatted with: the kind alone, or a table.",
        unit="ext4, ext3 or xfs, or a table of type, label, options",
        default="none: the volume is left raw",
        written="on the volume, by mkfs",
        effect="when the volume is first made; it grows with the volume",
        examples=["ext4", {"type": "xfs", "label": "mail"}],
    )
    mount: Annotated[str, _string(pattern="^/", maxLength=names.PATH_BYTES)] | Mount | None = key(
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


class Watch(Table):
    """What is written for watchers, beside /run/lunmirror/status.json."""

    textfile: Textfile | None = key(
        "File for Prometheus",
        "Where the metrics are written after each pass, for the textfile collector of Prometheus's node exporter. The"
        " directory must be there; it should be root's alone.",
        unit="an absolute path that ends in .prom",
        default="no such file is written",
        written="this file, replaced whole, mode 0644",
        effect="at the next pass",
        examples=["/var/lib/prometheus/node-exporter/lunmirror.prom"],
    )


class Notify(Table):
    """Who is notified when something changes: redundancy lost, whole again, refused, flapping, copies, no pass for too long."""

    command: list[Word] | None = key(
        "Program that is reported",
        "A program and its arguments, run for each event; it gets the event as one JSON document on standard input. It"
        " runs without a shell, with a fixed environment, and no secret should stand among its arguments.",
        unit="a list of words, the first an absolute path",
        default="none is run",
        written="nowhere: lunmirror itself keeps it",
        effect="at the next event",
        examples=[["/usr/local/bin/page-the-team", "--storage"]],
        min_length=1,
        max_length=64,
    )
    mail: Address | None = key(
        "Address that gets a mail",
        "An address, or the name of a local user, that gets a mail for each event, through the system's own sendmail.",
        unit="one address",
        default="no mail is sent",
        written="nowhere: lunmirror itself keeps it",
        effect="at the next event",
        examples=["root", "storage@example.org"],
    )
    reminder: Reminder | None = key(
        "Time between reminders",
        "How often it is reported again that redundancy is missing, for as long as it is.",
        unit="duration, 0s (never) to 720h",
        default="24h",
        written="nowhere: lunmirror itself keeps it",
        effect="at the next pass",
        examples=["24h", "0s"],
    )
    deadline: HookDeadline | None = key(
        "Time for the program",
        "How long the program, or sendmail, may take; then it is ended, and reported again later. No pass waits for it.",
        unit="duration, 1s to 60s",
        default="10s",
        written="nowhere: lunmirror itself keeps it",
        effect="at the next event",
        examples=["10s", "30s"],
    )


class Document(Table):
    """The configuration of lunmirror, schema version 1."""

    # To Python `true` and 1.0 equal 1, and a literal compares.
    version: Annotated[Literal[1], BeforeValidator(lambda v: str(v).lower() if type(v) in (bool, float) else v)] = (
        key(
            "Version of the schema",
            "The version of the configuration's schema; the main file must say it.",
            required=True,
            written="nowhere",
            effect="at once",
            examples=[1],
        )
    )
    policy: Policy | None = key(
        "Policy",
        "What holds for all servers.",
        unit="a table",
        default="every key has its default",
        written="see its keys",
        effect="see its keys",
        examples=[{"stall_budget": "15s"}],
    )
    servers: dict[OwnName, Server] | None = key(
        "Servers",
        "The storage servers, each a table with the name that this configuration gives it. A server is a failure"
        " domain: what is on one server is lost together.",
        unit="tables",
        written="one node record for each portal and target",
        effect="at the next pass; what is no longer declared is left alone",
        examples=[{"filer1": {"portals": ["192.168.1.115"]}}],
    )
    disks: dict[OwnName, Disk] | None = key(
        "Disks",
        "The LUNs, each a table with the name that this configuration gives it.",
        unit="tables",
        written="one physical volume for each",
        effect="at the next pass; what is no longer declared is left alone",
        examples=[{"left": {"server": "filer1", "target": "iqn.2006-01.com.openfiler:linuxtest1lv", "lun": 1}}],
    )
    groups: dict[GroupName, Group] | None = key(
        "Groups",
        "The LVM volume groups, each a table with the group's name.",
        unit="tables",
        written="LVM metadata",
        effect="at the next pass; what is no longer declared is left alone",
        examples=[{"vg0": {"disks": ["left", "right"]}}],
    )
    watch: Watch | None = key(
        "What is written for watchers",
        "Files for watchers, beside /run/lunmirror/status.json, which is always written (docs/watch.md).",
        unit="a table",
        default="nothing else is written",
        written="see its keys",
        effect="at the next pass",
        examples=[{"textfile": "/var/lib/prometheus/node-exporter/lunmirror.prom"}],
    )
    notify: Notify | None = key(
        "Who is notified",
        "Who is notified when redundancy is lost or whole again, when a pass is refused, and the like (docs/watch.md).",
        unit="a table with command, mail or both",
        default="nobody",
        written="see its keys",
        effect="at the next pass",
        examples=[{"mail": "root"}],
    )


def table_of(field: FieldInfo) -> tuple[type[Table] | None, Any]:
    """(the table that a field holds or None, the type of its names or None if it holds one table only)."""
    for part in _parts(field.annotation):
        if isinstance(part, type) and issubclass(part, Table):
            return part, None
        arguments: tuple[Any, ...] = getattr(part, "__args__", ())
        if getattr(part, "__origin__", None) is dict and issubclass(arguments[1], Table):
            return arguments[1], arguments[0]
    return None, None


def _parts(annotation: Any) -> tuple[Any, ...]:
    """The members of a union, or the type itself."""
    if isinstance(annotation, type) or getattr(annotation, "__origin__", None) is dict:
        return (annotation,)
    return getattr(annotation, "__args__", ())
