"""Every key of the configuration, once: its type, and all that an administrator is reported about it.

The JSON Schema, `lunmirror explain` and docs/configuration.md are made from these tables; a new setting is one row in
`servers`, `storage` or `watch`. Values that are omitted stay None: what they become is decided in `compile` and `budget`,
and said in `default`.
"""

from typing import Annotated, Literal

from pydantic import BeforeValidator

from lunmirror.config.schema.row import Table, key, table_of
from lunmirror.config.schema.servers import RECORDS, Policy, Server
from lunmirror.config.schema.storage import Disk, Group
from lunmirror.config.schema.values import GroupName, OwnName
from lunmirror.config.schema.watch import Notify, Watch

__all__ = ["RECORDS", "Document", "Table", "table_of"]


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
