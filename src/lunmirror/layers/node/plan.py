"""From what a node record says to what it shall say; nothing here knows how a file is written.

| record  | what is done                                                                                     |
|---------|--------------------------------------------------------------------------------------------------|
| whole   | its managed settings rewritten in place if they differ; every other line stays as it is           |
| torn    | removed, then as missing                                                                          |
| missing | made by `iscsiadm -o new`, for this target and portal alone; never where a record is: it resets   |
| unknown | blocked                                                                                          |
"""

from lunmirror.engine.desired import Desired, Path
from lunmirror.engine.model import (
    Drift,
    Finding,
    Kind,
    Plan,
    Present,
    Ref,
    RemoveFile,
    Run,
    Seen,
    Step,
    Unknown,
    World,
    WriteFile,
)
from lunmirror.engine.secret import Secret
from lunmirror.host import paths
from lunmirror.layers.node.facts import Missing, Record, Torn
from lunmirror.layers.node.record import KEY_ROOM, VALUE_ROOM, changed, encode
from lunmirror.layers.node.settings import (
    AUTHMETHOD,
    KNOWN_TO_ALL,
    PASSWORD,
    PASSWORD_IN,
    PINNED,
    SECRET_KEYS,
    USERNAME,
    USERNAME_IN,
    Wish,
    password_files,
    wishes,
)
from lunmirror.layers.render import fault, render

CREATE = 60.0  # seconds; `-o new` waits at most 30 s for the lock of the database
TEMPLATE = "node/templates/record.j2"
MASKED = Secret("***")


def plan(desired: Desired, seen: World, pending: frozenset[Ref]) -> Plan:
    steps: list[Step] = []
    findings: list[Finding] = []
    for path in desired.paths():
        state = seen["node"].get(path.name, Unknown("it was not looked at"))
        if isinstance(state, Unknown) and state.decide:
            findings.append(_refused(desired, path, state))
            continue
        mine = _plan_path(path, state)
        steps += mine.steps
        findings += mine.findings
    return Plan(tuple(steps), tuple(findings))


def _plan_path(path: Path, state: Seen[object]) -> Plan:
    ref = Ref("node", path.name)
    if not isinstance(state, Present):
        return Plan(findings=(_blocked(ref, path, state),))
    match state.facts:
        case Record() as record:
            mine = _reconcile(ref, path, record)
            strays = (_stray(ref, path, portal) for portal in record.strays)
            return Plan(mine.steps, (*mine.findings, *strays, *(_spelled(ref, path, n) for n in record.spellings)))
        case Torn() as torn:
            # The server announces the tag again, by then.
            create = _create(ref, path, torn.tpgt, torn.path)._replace(after=(ref,))
            return Plan((_remove(ref, path, torn), create, _predicted(ref, path, torn.path)))
        case Missing(tpgt, file):
            return Plan((_create(ref, path, tpgt, file), _predicted(ref, path, file)))
    raise AssertionError(state)


def _stray(ref: Ref, path: Path, portal: str) -> Finding:
    return Finding(
        ref,
        Kind.NOTE,
        f"target {path.target} also has a record for {portal}, which is not declared",
        why="it is automatic: at every boot open-iscsi tries to log in there, and waits if nobody answers",
        next=f"if that portal is gone: `iscsiadm -m node -T {path.target} -p {portal} -o delete`; if it is in use, declare"
        f" it for server {path.server.name}",
        key=f"servers.{path.server.name}.portals",
    )


def _spelled(ref: Ref, path: Path, name: str) -> Finding:
    return Finding(
        ref,
        Kind.NOTE,
        f"target {path.target} also has a record under another spelling, {name}",
        why="it is automatic: at every boot open-iscsi tries to log in by it as well, and where the server takes both, every"
        " disk is there twice",
        next=f"`iscsiadm -m node -T {name} -o delete`",
        key=f"servers.{path.server.name}.portals",
    )


def _blocked(ref: Ref, path: Path, state: Seen[object]) -> Finding:
    why = state.reason if isinstance(state, Unknown) else "it was not looked for"
    return Finding(
        ref,
        Kind.BLOCKED,
        f"the node record of {_place(path)} is not known, so nothing is done to it",
        why=why,
        next="remove the cause; the next pass looks again",
        key=_portals(path),
    )


def _refused(desired: Desired, path: Path, state: Unknown) -> Finding:
    disk = next(d.name for d in desired.disks.values() if (d.server, d.target) == (path.server.name, path.target))
    what = f"will not make a node record of {_place(path)}"
    return Finding(Ref("node", path.name), Kind.REFUSED, what, state.reason, state.decide, f"disks.{disk}.target")


def _remove(ref: Ref, path: Path, torn: Torn) -> Step:
    drift = Drift(_portals(path), "a whole node record", f"a torn one: {torn.why}" if torn.why else "a torn one")
    action = RemoveFile(torn.path, torn.raw, locked=True)
    return Step(ref, f"remove the torn node record of {_place(path)}", action, (drift,))


def _create(ref: Ref, path: Path, tpgt: int | None, file: str) -> Step:
    """iscsiadm writes the record without fsync: a power cut soon after left it empty
    (docs/facts/lab.md#power-cut-and-files)."""
    portal = str(path.portal) if tpgt is None else f"{path.portal},{tpgt}"
    argv = (paths.ISCSIADM, "-m", "node", "-o", "new", "-T", path.target, "-p", portal, "-I", "default")
    drift = Drift(_portals(path), "a node record", "none")
    return Step(ref, f"make a node record of {_place(path)}", Run(argv, CREATE, makes=file), (drift,))


def _predicted(ref: Ref, path: Path, file: str) -> Step:
    """What a new record will be made to say. Only `plan` shows it: the rest of its content is not known yet."""
    masked = dict.fromkeys(password_files(path.server.chap), MASKED)
    wanted = [w for w in wishes(path.server, masked) if not _unwritable(w)]
    text = "".join(f"{w.record_key} = {_revealed(w.value)}\n" for w in wanted)
    drift = tuple(Drift(w.key, _shown(w.value), "not known before the record is made") for w in wanted)
    action = WriteFile(file, encode(text), None, mode=0o600, locked=True)
    title = f"set {len(wanted)} settings in the node record of {_place(path)}"
    return Step(ref, title, action, drift, after=(ref,))


def _reconcile(ref: Ref, path: Path, record: Record) -> Plan:
    findings: list[Finding] = []
    drifted: dict[str, Wish] = {}
    for wish in wishes(path.server, record.secrets):
        if record.settings.get(wish.record_key) == wish.value:
            continue
        objection = _objection(ref, wish, record)
        if objection:
            findings.append(objection)
        else:
            drifted[wish.record_key] = wish
    for name, value in PINNED.items():
        if record.settings.get(name, value) != value:
            drifted[name] = Wish(name, value, _portals(path))
    if record.trouble:
        findings.append(_no_secret(ref, path, record.trouble))
    findings += _undeclared_credentials(ref, path, record)
    steps = (_rewrite(ref, path, record, drifted),) if drifted else ()
    return Plan(steps, tuple(findings))


def _rewrite(ref: Ref, path: Path, record: Record, drifted: dict[str, Wish]) -> Step:
    changes = {key: _revealed(wish.value) for key, wish in drifted.items()}
    content = render(TEMPLATE, lines=changed(record.raw, changes), written=changes)
    held = (record.settings.get(key) for key in SECRET_KEYS)
    secrets = {s.reveal() for s in (*record.secrets.values(), *held) if isinstance(s, Secret)}
    action = WriteFile(
        record.path,
        encode(content),
        record.raw,
        mode=0o600,
        # Not in nodes/: open-iscsi takes any file in a portal's directory, dotfiles too, for an interface's record.
        scratch=record.root,
        locked=True,
        secrets=tuple(sorted(secrets)),
    )
    drift = tuple(Drift(w.key, _shown(w.value), _observed(record, w)) for w in drifted.values())
    return Step(ref, f"set {_names(drifted)} in the node record of {_place(path)}", action, drift)


def _objection(ref: Ref, wish: Wish, record: Record) -> Finding | None:
    """Why this setting cannot be written, if so."""
    if wrong := _unwritable(wish):
        return Finding(
            ref,
            Kind.REFUSED,
            f"will not write {wish.record_key} into the node record",
            why=f"{wrong}, and open-iscsi would read something else than was declared",
            next="correct the value",
            key=wish.key,
        )
    if wish.record_key in record.settings or wish.record_key in KNOWN_TO_ALL:
        return None
    nearest = _nearest(wish.record_key, record)
    move = f"correct the key; the nearest in the record is {nearest}" if nearest else "correct the key, or remove it"
    return Finding(
        ref,
        Kind.REFUSED,
        f"will not add {wish.record_key} to the node record",
        why="the installed open-iscsi did not put this key into it, and a key that it does not know breaks every"
        " listing of its database",
        next=move,
        key=wish.key,
    )


def _unwritable(wish: Wish) -> str:
    if wrong := fault(wish.record_key, KEY_ROOM):
        return f"its name cannot be kept ({wrong})"
    wrong = fault(_revealed(wish.value), VALUE_ROOM)
    return f"its value cannot be kept ({wrong})" if wrong else ""


def _nearest(key: str, record: Record) -> str:
    from difflib import get_close_matches

    return next(iter(get_close_matches(key, list(record.settings), n=1)), "")


def _no_secret(ref: Ref, path: Path, trouble: str) -> Finding:
    return Finding(
        ref,
        Kind.BLOCKED,
        f"the CHAP settings of {_place(path)} are left as they are",
        why=trouble,
        next="correct the password file; the next pass reads it again",
        key=f"servers.{path.server.name}.chap",
    )


def _undeclared_credentials(ref: Ref, path: Path, record: Record) -> list[Finding]:
    """Credentials that somebody put there and that nobody declares: left alone, as removing them may cut the disk
    off at the next login."""
    chap = path.server.chap
    outgoing = [key for key in (USERNAME, PASSWORD) if key in record.settings]
    incoming = [key for key in (USERNAME_IN, PASSWORD_IN) if key in record.settings]
    if chap is None and record.settings.get(AUTHMETHOD) == "CHAP":
        outgoing.append(AUTHMETHOD)
    undeclared = (outgoing if chap is None else []) + (incoming if chap is None or chap.mutual is None else [])
    if not undeclared:
        return []
    table = f"servers.{path.server.name}.chap" + ("" if chap is None else ".mutual")
    return [
        Finding(
            ref,
            Kind.NOTE,
            f"the node record of {_place(path)} has CHAP credentials that are not declared; they are left alone",
            why=f"it holds {', '.join(undeclared)}",
            next=f"declare them as [{table}], so that they can be re-created",
            key=table,
        )
    ]


def _observed(record: Record, wish: Wish) -> str:
    value = record.settings.get(wish.record_key)
    if value is None:
        return "not set"
    return "differs" if isinstance(value, Secret) else value


def _shown(value: str | Secret) -> str:
    return "the secret in the file" if isinstance(value, Secret) else value


def _revealed(value: str | Secret) -> str:
    return value.reveal() if isinstance(value, Secret) else value


def _names(drifted: dict[str, Wish]) -> str:
    names = list(drifted)
    return ", ".join(names) if len(names) <= 3 else f"{len(names)} settings"


def _place(path: Path) -> str:
    return f"{path.target} at {path.portal}"


def _portals(path: Path) -> str:
    return f"servers.{path.server.name}.portals"
