"""`export --check` and `--apply` on the storage server: look, say what differs, change one target after the other, look again."""

from lunmirror.config import passwords
from lunmirror.engine.desired import Desired
from lunmirror.engine.errors import HostError
from lunmirror.engine.execute import Executor
from lunmirror.engine.exits import Exit
from lunmirror.engine.model import Outcome
from lunmirror.engine.plain import shown
from lunmirror.engine.secret import Secret
from lunmirror.export import change
from lunmirror.export.change import Change
from lunmirror.export.here import look
from lunmirror.export.lun import luns
from lunmirror.host.protocol import Host


def here(server: str, kind: str, desired: Desired, host: Host, apply: bool) -> tuple[Exit, str]:
    """How it ends, and what to print. The caller holds the run lock if it is to `apply`. Raises ConfigError, HostError."""
    secrets = _secrets(server, desired)
    outcomes: list[Outcome] = []
    found = _plan(server, kind, desired, host, secrets)
    lines = [f"differs: {words}" for words in found.differences]
    for _ in luns(server, desired) if apply else ():
        if found.refused or not found.steps or any(o.status != "done" for o in outcomes):
            break
        outcomes += Executor(host).take(found.steps)
        found = _plan(server, kind, desired, host, secrets)
    lines += [_outcome(o) for o in outcomes if o.status != "skipped"]
    lines += [f"still differs: {words}" for words in found.differences if outcomes]
    lines += [f"refused: {f.what}\n  why: {f.why}\n  next: {f.next}" for f in found.refused]
    if not lines:
        lines = [
            "the files for its next start differ" if found.steps else f"server {server} exports what is declared"
        ]
    return _result(found, outcomes, apply), "".join(f"{shown(one)}\n" for line in lines for one in line.split("\n"))


def _plan(server: str, kind: str, desired: Desired, host: Host, secrets: tuple[Secret, ...]) -> Change:
    try:
        return change.plan(server, kind, desired, look(server, kind, desired, host), secrets)
    except ValueError as error:
        raise HostError(
            f"what {kind} is set up from cannot be understood",
            why=str(error),
            next="look at it by hand; nothing is changed",
        ) from error


def _result(found: Change, outcomes: list[Outcome], apply: bool) -> Exit:
    if found.refused:
        return Exit.REFUSED
    if apply and (found.differences or found.steps):
        return Exit.FAILED
    if any(o.status == "failed" for o in outcomes):
        return Exit.FAILED
    return Exit.DRIFT if found.differences or found.steps else Exit.CONVERGED


def _outcome(outcome: Outcome) -> str:
    return f"{outcome.status}: {outcome.step.title}{f': {outcome.error}' if outcome.error else ''}"


def _secrets(server: str, desired: Desired) -> tuple[Secret, ...]:
    """The client's own, then the server's. Raises ConfigError, which never contains one."""
    chap = desired.servers[server].chap
    every = (chap.outgoing, chap.mutual) if chap else ()
    return tuple(Secret(passwords.read_secret(one.password_file)) for one in every if one)
