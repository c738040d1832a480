"""The secrets that are declared, judged as a pass would judge them: `check` finds what `apply` would refuse."""

from collections.abc import Iterable
from typing import Any

from lunmirror.config import passwords
from lunmirror.config.problems import Key, Problems
from lunmirror.engine.desired import Desired
from lunmirror.engine.errors import ConfigError

SAFE = 12  # bytes: with fewer than 96 bits, and no IPsec, a login should not even go on (RFC 7143, 9.2.1)


def check(servers: Iterable[tuple[str, Any]], directory: str, problems: Problems) -> None:
    """Add what is wrong with any server's secrets. `directory` is the configuration's."""
    for name, server in servers:
        chap = server.chap
        if chap is None:
            continue
        key: Key = ("servers", name, "chap")
        own = _secret(chap, key, directory, problems)
        if chap.mutual is None:
            continue
        key = (*key, "mutual")
        theirs = _secret(chap.mutual, key, directory, problems)
        if own and own == theirs:
            problems.add(
                (*key, "password_file"),
                "both password files hold the same secret",
                why="with equal secrets in both directions every login fails (open-iscsi issue 259)",
                next="give the server a secret of its own",
            )


def short(desired: Desired) -> list[str]:
    """The files whose secret is shorter than RFC 7143 asks for; of those that this user may read."""
    chaps = [server.chap for server in desired.servers.values() if server.chap]
    files = dict.fromkeys(one.password_file for chap in chaps for one in (chap.outgoing, chap.mutual) if one)
    return [
        file
        for file in files
        if not passwords.fault(file, may_be_credential=True)
        and passwords.is_readable(file)
        and len(passwords.read_secret(file).encode()) < SAFE
    ]


def _secret(chap: Any, key: Key, directory: str, problems: Problems) -> str:
    """The secret, judged by every rule of its file and of its text; '' if it is wrong, or not to be read by us."""
    if chap.password_file is None:
        return ""
    path = passwords.locate(chap.password_file, directory)
    reason = passwords.fault(path, passwords.is_bare(chap.password_file))
    if reason:
        what, why, next = passwords.sentences(path, reason)
        problems.add((*key, "password_file"), what, why=why, next=next)
    elif passwords.is_readable(path):  # else whoever applies will read it and say so
        try:
            return passwords.read_secret(path)
        except ConfigError as error:
            for problem in error.problems:
                problems.add((*key, "password_file"), problem.what, why=problem.why, next=problem.next)
    return ""
