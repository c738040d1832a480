"""The rows of the policy and of a server: how it is reached, how long it is waited for, how both sides prove who they are."""

from typing import Literal

from lunmirror.config import budget, portals, settings
from lunmirror.config.schema.export import Export
from lunmirror.config.schema.row import Table, key
from lunmirror.config.schema.values import (
    Acknowledgement,
    BootWait,
    CommandTimeout,
    Duration,
    Interface,
    LoginTimeout,
    PasswordFile,
    Ping,
    Portal,
    ReplacementTimeout,
    Settings,
    Username,
)

_RECORD_NEXT_LOGIN = "the record at the next pass, the session at its next login"


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
        "How long I/O waits for a failed session to come back before it fails and the other leg goes on alone. 0s: it"
        " does not wait. Then every lost connection, also that of a server restarted within a second, costs a raid1"
        " its leg until the next pass has refreshed it, and a mirror its leg until a full copy.",
        unit="duration, 0s to 24h",
        default="stall_budget - noop_out_interval - noop_out_timeout - margin, at least 1 s; for a server: what policy says",
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
        f" ({budget.SMALLEST_BUDGET - budget.MARGIN + budget.MARGINS['mirror']}s where a mirror is declared; one second less"
        ' with replacement_timeout = "0s")',
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
    interface: Interface | None = key(
        "Network interface",
        "The network interface that every connection to the server is bound to, whatever the routes say: through an interface"
        " record of open-iscsi of the same name, which is made where it is missing. The interface itself is never configured"
        " (docs/network.md).",
        unit="the name of a network interface, as `ip link` shows it",
        default="the routes decide, through open-iscsi's interface record default",
        written="ifaces/NAME in open-iscsi's database; the name of each node record of the server, and"
        " iface.net_ifacename in it",
        effect="the record at the next pass, the session at its next login (`lunmirror apply --relogin`)",
        examples=["bond0.100", "eth1"],
    )
    multipath: bool = key(
        "Several paths as one device",
        "Whether multipathd joins the paths through the server's portals: I/O goes on through what is left of them, and the"
        " server is lost with the last one. lunmirror writes what multipathd goes by, for its own disks; to install and"
        " start multipathd is yours (docs/network.md).",
        unit="true or false",
        default="false: a server with several portals shows each disk several times, and none of them is used",
        value=False,
        written="/etc/multipath/conf.d/lunmirror.conf, and the disks' names in /etc/multipath/wwids",
        effect="at the next pass; a disk that is in use without it: `lunmirror apply --relogin`",
        examples=[True],
    )
    require_encryption: bool = key(
        "Only through an encrypted tunnel",
        "Whether nothing is logged in to unless `interface` is a WireGuard tunnel. iSCSI itself is in clear, CHAP's exchange and"
        " every block (docs/network.md has a recipe).",
        unit="true or false",
        default="false",
        value=False,
        written="nowhere: it is compared with the kind of the interface in sysfs",
        effect="at the next pass; a live session in clear is reported, and goes on",
        examples=[True],
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
    read_from: Literal["near", "any"] | None = key(
        "Where reads come from",
        "near: of a raid1 with a leg here, reads come from here as long as this leg works; its legs on servers that are not near"
        " are made write-mostly, and are only read when no other is left. For legs of unequal speed. Writes go to every leg as"
        " before. any: no leg is write-mostly for this server's sake.",
        default="none: what LVM has of each leg stays as it is",
        written="the write-mostly flag of each leg, in LVM's metadata (`lvchange --writemostly`)",
        effect="at the next pass, in use, once every leg is in sync",
        examples=["near", "any"],
    )
    data_digest: Literal["CRC32C", "None"] | None = key(
        "Checksum of the data on the wire",
        "Whether every data unit carries a CRC32C: what TCP's own, weaker checksum lets through then ends the command, and it"
        " is repeated. The server must offer it, or no login succeeds; it costs some CPU on both sides.",
        default="what the record says: when it is made, what iscsid.conf does (open-iscsi: None)",
        record="node.conn[0].iscsi.DataDigest",
        effect=_RECORD_NEXT_LOGIN,
        examples=["CRC32C"],
    )
    export: Export | None = key(
        "The server's own side",
        "What backs the LUNs there, and who may log in: for `lunmirror export`, which prints the storage server's configuration"
        " (docs/servers.md). No pass looks at it.",
        unit="a table",
        default="the server is set up by hand",
        written="nowhere on this machine",
        effect="when the storage server is given what `lunmirror export` prints",
        examples=[
            {
                "clients": ["iqn.1993-08.org.debian:01:4f3e2d1c0b9a"],
                "disks": {"left": {"path": "/dev/vg_storage/left"}},
            }
        ],
    )


# Field of Policy or Server -> the record key that holds it: compile and the node layer need no more than this.
RECORDS: dict[str, str] = {
    name: record
    for name, field in (Policy.model_fields | Server.model_fields).items()
    if isinstance(field.json_schema_extra, dict)
    and isinstance(record := field.json_schema_extra.get("x-record"), str)
}
settings.MANAGED.update({record: name for name, record in RECORDS.items()})
