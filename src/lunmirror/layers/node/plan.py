"""From what a node record says to what it shall say; nothing here knows how a file is written.

| record  | what is done                                                                                     |
|---------|--------------------------------------------------------------------------------------------------|
| whole   | its managed settings rewritten in place if they differ; every other line stays as it is           |
| torn    | removed, then as missing                                                                          |
| missing | made by `iscsiadm -o new`, for this target and portal alone; never where a record is: it resets   |
| unbound | the interface record is written, then as missing                                                 |
| unknown | blocked                                                                                          |
| left    | reported (leftover.py)                                                                             |
"""

from lunmirror.engine.desired import Desired
from lunmirror.engine.model import (
    Drift,
    Finding,
    Kind,
    MakeDirectory,
    Plan,
    Present,
    Ref,
    RemoveFile,
    Run,
    Step,
    Unknown,
    World,
    WriteFile,
    facts_of,
)
from lunmirror.engine.secret import Secret
from lunmirror.host import paths
from lunmirror.layers.context import PathContext, joined, reason_of
from lunmirror.layers.node import leftover
from lunmirror.layers.node.facts import Missing, Record, Torn, Unbound
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
    contexts = [PathContext("node", path, desired, seen, pending) for path in desired.paths()]
    makers: dict[str, PathContext] = {}  # an interface record that several paths need is made by the first
    for ctx in contexts:
        if unbound := facts_of(ctx.state, Unbound):
            makers.setdefault(unbound.path, ctx)
    return joined((*(_plan(ctx, makers) for ctx in contexts), leftover.plan(seen)))


def _plan(ctx: PathContext, makers: dict[str, PathContext]) -> Plan:
    match ctx.state:
        case Present(Record() as record):
            strays = (_stray(ctx, portal) for portal in record.strays)
            spelled = (_spelled(ctx, name) for name in record.spellings)
            return joined((_reconcile(ctx, record), *strays, *spelled, *(_twice(ctx, i) for i in record.besides)))
        case Present(Torn() as torn):
            # The server announces the tag again, by then.
            create = _create(ctx, torn.tpgt, torn.path)._replace(after=(ctx.ref,))
            return Plan((_remove(ctx, torn), create, _predicted(ctx, torn.path)))
        case Present(Unbound() as unbound):
            maker = makers[unbound.path]
            create = _create(ctx, None, "")._replace(after=(maker.ref,))
            bind = _bind(ctx, unbound) if maker is ctx else ()
            return Plan((*bind, create, _predicted(ctx, f"<node record of {ctx.place}>")))
        case Present(Missing(tpgt, file)):
            return Plan((_create(ctx, tpgt, file), _predicted(ctx, file)))
        case Unknown(reason, decide) if decide:
            return _refused(ctx, reason, decide)
    return ctx.blocked(
        f"the node record of {ctx.place} is not known, so nothing is done to it",
        reason_of(ctx.state, "it was not looked for"),
        "remove the cause; the next pass looks again",
        "portals",
    )


def _stray(ctx: PathContext, portal: str) -> Plan:
    target = ctx.path.target
    return ctx.noted(
        f"target {target} also has a record for {portal}, which is not declared",
        "it is automatic: at every boot open-iscsi tries to log in there, and waits if nobody answers",
        f"if that portal is gone: `iscsiadm -m node -T {target} -p {portal} -o delete`; if it is in use, declare it for"
        f" server {ctx.path.server.name}",
        "portals",
    )


def _spelled(ctx: PathContext, name: str) -> Plan:
    return ctx.noted(
        f"target {ctx.path.target} also has a record under another spelling, {name}",
        "it is automatic: at every boot open-iscsi tries to log in by it as well, and where the server takes both, every"
        " disk is there twice",
        f"`iscsiadm -m node -T {name} -o delete`",
        "portals",
    )


def _twice(ctx: PathContext, iface: str) -> Plan:
    path = ctx.path
    return ctx.noted(
        f"{ctx.place} also has a record for interface {iface}",
        f"it is automatic: at every boot open-iscsi logs in through it as well as through {path.server.interface}, and every"
        " disk is there twice",
        f"once no session goes through it any more (`lunmirror apply --relogin`): `iscsiadm -m node -T {path.target} -p"
        f" {path.portal} -I {iface} -o delete`",
        "interface",
    )


def _bind(ctx: PathContext, unbound: Unbound) -> tuple[Step, ...]:
    """As `iscsiadm -m iface -o new` and `-o update` write it, in one step (usr/iface.c, iface_conf_write)."""
    name = ctx.path.server.interface
    drift = Drift(f"{ctx.key}.interface", f"an interface record {name}", "none")
    lines = (f"iface.iscsi_ifacename = {name}", f"iface.net_ifacename = {name}", "iface.transport_name = tcp")
    content = "\n".join(("# BEGIN RECORD", *lines, "# END RECORD", ""))
    # Not beside it: open-iscsi reads every file in its directory as an interface record.
    root = unbound.home.rpartition("/")[0]
    action = WriteFile(unbound.path, encode(content), None, mode=0o600, scratch=root, locked=True)
    home = MakeDirectory(unbound.home, mode=0o700)
    return (
        *([ctx.step(f"make the directory {unbound.home}", home, drift)] if not unbound.is_there else ()),
        ctx.step(f"make an interface record of {name}", action, drift),
    )


def _refused(ctx: PathContext, why: str, decide: str) -> Plan:
    place = (ctx.path.server.name, ctx.path.target)
    disk = next(d.name for d in ctx.desired.disks.values() if (d.server, d.target) == place)
    what = f"will not make a node record of {ctx.place}"
    return Plan(findings=(Finding(ctx.ref, Kind.REFUSED, what, why, decide, f"disks.{disk}.target"),))


def _remove(ctx: PathContext, torn: Torn) -> Step:
    drift = Drift(
        f"{ctx.key}.portals", "a whole node record", f"a torn one: {torn.why}" if torn.why else "a torn one"
    )
    action = RemoveFile(torn.path, torn.raw, locked=True)
    return ctx.step(f"remove the torn node record of {ctx.place}", action, drift)


def _create(ctx: PathContext, tpgt: int | None, file: str) -> Step:
    """iscsiadm writes the record without fsync: a power cut soon after left it empty
    (docs/facts/lab.md#power-cut-and-files)."""
    portal = str(ctx.path.portal) if tpgt is None else f"{ctx.path.portal},{tpgt}"
    argv: tuple[str, ...] = (paths.ISCSIADM, "-m", "node", "-o", "new", "-T", ctx.path.target, "-p", portal)
    argv += ("-I", ctx.path.server.iface)
    drift = Drift(f"{ctx.key}.portals", "a node record", "none")
    return ctx.step(f"make a node record of {ctx.place}", Run(argv, CREATE, makes=file), drift)


def _predicted(ctx: PathContext, file: str) -> Step:
    """What a new record will be made to say. Only `plan` shows it: the rest of its content is not known yet."""
    masked = dict.fromkeys(password_files(ctx.path.server.chap), MASKED)
    wanted = [w for w in wishes(ctx.path.server, masked) if not _unwritable(w)]
    text = "".join(f"{w.record_key} = {_revealed(w.value)}\n" for w in wanted)
    drift = tuple(Drift(w.key, _shown(w.value), "not known before the record is made") for w in wanted)
    action = WriteFile(file, encode(text), None, mode=0o600, locked=True)
    title = f"set {len(wanted)} settings in the node record of {ctx.place}"
    return ctx.step(title, action, *drift, after=(ctx.ref,))


def _reconcile(ctx: PathContext, record: Record) -> Plan:
    findings: list[Finding] = []
    drifted: dict[str, Wish] = {}
    for wish in wishes(ctx.path.server, record.secrets):
        if record.settings.get(wish.record_key) == wish.value:
            continue
        objection = _objection(ctx, wish, record)
        if objection:
            findings.append(objection)
        else:
            drifted[wish.record_key] = wish
    for name, value in PINNED.items():
        if record.settings.get(name, value) != value:
            drifted[name] = Wish(name, value, f"{ctx.key}.portals")
    if record.trouble:
        findings.append(_no_secret(ctx, record.trouble))
    findings += _undeclared_credentials(ctx, record)
    steps = (_rewrite(ctx, record, drifted),) if drifted else ()
    return Plan(steps, tuple(findings))


def _rewrite(ctx: PathContext, record: Record, drifted: dict[str, Wish]) -> Step:
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
    return ctx.step(f"set {_names(drifted)} in the node record of {ctx.place}", action, *drift)


def _objection(ctx: PathContext, wish: Wish, record: Record) -> Finding | None:
    """Why this setting cannot be written, if so."""
    if wrong := _unwritable(wish):
        return Finding(
            ctx.ref,
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
        ctx.ref,
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


def _no_secret(ctx: PathContext, trouble: str) -> Finding:
    what = f"the CHAP settings of {ctx.place} are left as they are"
    return ctx.finding(Kind.BLOCKED, what, trouble, "correct the password file; the next pass reads it again", "chap")


def _undeclared_credentials(ctx: PathContext, record: Record) -> list[Finding]:
    """Credentials that somebody put there and that nobody declares: left alone, as removing them may cut the disk
    off at the next login."""
    chap = ctx.path.server.chap
    outgoing = [key for key in (USERNAME, PASSWORD) if key in record.settings]
    incoming = [key for key in (USERNAME_IN, PASSWORD_IN) if key in record.settings]
    if chap is None and record.settings.get(AUTHMETHOD) == "CHAP":
        outgoing.append(AUTHMETHOD)
    undeclared = (outgoing if chap is None else []) + (incoming if chap is None or chap.mutual is None else [])
    if not undeclared:
        return []
    table = "chap" if chap is None else "chap.mutual"
    return [
        ctx.finding(
            Kind.NOTE,
            f"the node record of {ctx.place} has CHAP credentials that are not declared; they are left alone",
            f"it holds {', '.join(undeclared)}",
            f"declare them as [{ctx.key}.{table}], so that they can be re-created",
            table,
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
