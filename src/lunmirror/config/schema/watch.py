"""The rows of what is written for watchers, and of who is notified."""

from lunmirror.config.schema.row import Table, key
from lunmirror.config.schema.values import Address, HookDeadline, Reminder, Textfile, Word


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
