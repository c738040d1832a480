"""What iscsiadm's exit codes mean, as sentences. Source: open-iscsi's include/iscsi_err.h and doc/iscsiadm.8, and
what the lab showed (docs/facts/open-iscsi.md#exit-codes)."""

# Exit code -> what happened; what the administrator does next.
EXITS: dict[int, tuple[str, str]] = {
    1: ("iscsiadm failed without saying how", "look at the journal of iscsid"),
    2: ("there is no such session", "run `lunmirror plan` again"),
    3: ("iscsiadm had no memory", "free memory"),
    4: ("the connection to the server failed", "check the network and the server"),
    5: ("the server did not let us log in", "look at the server's log"),
    6: ("open-iscsi's database could not be read or written", "check the files in its nodes directory"),
    7: ("iscsiadm did not accept a parameter or a record", "run `iscsiadm -m node` and see what it complains about"),
    8: ("the server did not answer the login in time", "check the network and the server"),
    9: ("iscsiadm met an internal error", "look at the journal of iscsid"),
    10: ("the logout failed", "look at the journal of iscsid"),
    11: ("the server accepted the connection but did not answer", "check the server: its iSCSI service may hang"),
    12: ("the kernel's iSCSI driver is missing", "load iscsi_tcp, or install the kernel package that has it"),
    13: ("iscsid denied us access", "run as root"),
    15: ("the session exists already", ""),
    18: ("iscsid could not be talked to", "look at `systemctl status iscsid`"),
    19: (
        "the server refused the login for good",
        "look at the server's log: target name, access list, a data_digest that it does not offer",
    ),
    20: ("iscsid does not run", "start it: `systemctl start iscsid.socket`, or `systemctl start iscsid`"),
    21: ("iscsiadm found no matching record, session or target", "run `lunmirror plan` again"),
    22: ("iscsiadm could not read sysfs", "check that /sys is mounted"),
    23: ("the server's name could not be resolved", "correct the portal or the name service"),
    24: (
        "authentication failed: the server refused our CHAP name or secret",
        "compare [servers.NAME.chap] with the server's settings",
    ),
    27: ("the operation is not supported", "look at the journal of iscsid"),
    28: ("the device is in use", "run `lunmirror plan` again"),
    29: ("it failed for the moment", "run `lunmirror apply` again"),
    32: ("the target is not connected", "check the network and the server"),
    33: ("iscsid did not answer in time", "look at `systemctl status iscsid`"),
    255: ("iscsiadm failed without saying how", "look at the journal of iscsid"),  # versions before 2.0-873
}

# What a server without the secret that we expect of it ends in (lab: test_chap.py), and other final refusals too.
MUTUAL = (
    "the login failed for good. With mutual CHAP that is most often a failed authentication: the server could not prove"
    " that it knows the secret of [servers.NAME.chap] mutual. Compare the two, then look at the server's log"
)


def explain_exit(rc: int) -> str:
    """One sentence for an administrator, '' for success and for codes that say nothing."""
    what, move = EXITS.get(rc, ("", ""))
    return f"{what}: {move}" if move else what


def meanings(server: str, mutual: bool = False) -> tuple[tuple[int, str], ...]:
    """The table as a step carries it, about one declared server, with mutual CHAP or without."""
    meanings_ = {rc: explain_exit(rc) for rc in EXITS}
    if mutual:
        meanings_[19] = MUTUAL
    return tuple((rc, text.replace("servers.NAME", f"servers.{server}")) for rc, text in meanings_.items())
