"""Why a session that the kernel has given up (FREE) does not come back, as far as that can be seen without touching it.

iscsid can lose a session for good: a connection that ends in the middle of a recovery leaves the kernel's mark on it that
it is to be cleaned up, iscsid never clears that, and says "can't bind conn N:0 to session N, retcode -107" for ever
(docs/facts/sessions.md). Sysfs shows nothing of it. What shows it is time: the portal answers, iscsid tries every 2 to 3 s, and
within one try's time (login_timeout) and that pause the session is back, or it is stuck, or the server keeps it out. Which of
the two is asked by discovery, the smallest question that a server's iSCSI service answers by itself.
"""

from lunmirror.engine.desired import Path
from lunmirror.engine.model import Present
from lunmirror.host import paths, sysfs
from lunmirror.host.mountinfo import read_mounts
from lunmirror.host.protocol import Reader
from lunmirror.host.sysfs import text
from lunmirror.layers.session.facts import Session
from lunmirror.lvm.maps import is_map
from lunmirror.lvm.read import Status, read_status

PROBE = 1.5  # seconds for a portal to accept a connection
DISCOVERY = 20.0  # seconds; 1.5 in the lab, and 18.7 where nobody answers
NOTHING_ANNOUNCED, AUTHENTICATION = 21, 24  # exit codes of discovery (include/iscsi_err.h)
PAUSE = 5.0  # seconds: iscsid's pause between two tries (2 to 3 s in the lab), and the login itself


def patience(path: Path) -> float:
    """Seconds within which iscsid brings a session back by itself, counted from when its portal answers."""
    return path.server.timeouts.login_timeout + PAUSE


def look(found: dict[Path, tuple[Session, str]], reader: Reader) -> dict[Path, Session]:
    """The sessions that were given up, with what can be known of why: `found` is path -> (session, its address)."""
    endpoints = tuple({p.endpoint: None for p in found})
    answers = reader.reach(endpoints, PROBE) if endpoints else {}
    known = {}
    for path, (session, address) in found.items():
        portal = answers.get(path.endpoint, "it was not asked")
        session = session._replace(portal=portal)
        if not portal and reader.waited((path.target, address, path.portal.port)) >= patience(path):
            session = session._replace(
                service=_service(path, reader), burden=burden(session.sid, reader), alone=_alone(reader)
            )
        known[path] = session
    return known


def _service(path: Path, reader: Reader) -> str:
    """'' if the server's iSCSI service answers and has the target; else what is wrong there, in words."""
    argv = (
        paths.ISCSIADM,
        "-m",
        "discovery",
        "-t",
        "st",
        "-p",
        str(path.portal),
        "-o",
        "nonpersistent",
        "-I",
        path.server.iface,
    )
    ran = reader.query(argv, DISCOVERY)
    if ran.rc == AUTHENTICATION:
        return ""  # it answers, and wants a password for this question; whether it has the target, a login shows
    if ran.rc == NOTHING_ANNOUNCED:
        return (
            "it announces no target to this initiator: its targets are not there yet, or its access list forbids them"
        )
    if ran.rc != 0:
        return f"its iSCSI service does not answer as it should ({ran.why})"
    if not any(line.split()[-1:] == [path.target] for line in ran.out.splitlines()):
        return f"it does not announce target {path.target} any more"
    return ""


def _alone(reader: Reader) -> bool:
    """No session of this machine is logged in: a restart of iscsid disturbs nobody."""
    listing = reader.directory(paths.SYS_SESSIONS)
    names = listing.facts if isinstance(listing, Present) else ("unknown",)
    return all(text(reader, f"{sysfs.session(name)}/state") in ("FREE", "FAILED") for name in names)


# What the session carries


def burden(sid: str, reader: Reader) -> str:
    """What would be torn off if this session ended now, as words; '' if nothing is: a raid1 whose other legs are in sync
    and can be reached goes on, and so does what is not active."""
    status, mounts = read_status(reader), read_mounts(reader)
    if not isinstance(status, Present) or not isinstance(mounts, Present):
        return "what is on its disks cannot be seen"
    mounted = {m.number: m.path for m in mounts.facts}
    todo = [path.rpartition("/")[2] for path in reader.glob(sysfs.blocks(sid))]
    while todo:
        name = todo.pop()
        if where := mounted.get(text(reader, f"{paths.SYS_BLOCK}/{name}/dev")):
            return f"{name} is mounted on {where}"
        todo += [p.split("/")[-2] for p in reader.glob(f"{paths.SYS_BLOCK}/{name}/{name}*/partition")]
        for holder in _names(reader, f"{paths.SYS_BLOCK}/{name}/holders"):
            if is_map(reader, holder):
                todo += [] if _lives(holder, sid, reader) else [holder]
                continue
            if why := _leans(holder, sid, status.facts, reader):
                return why
    return ""


def _leans(part: str, sid: str, status: Status, reader: Reader) -> str:
    """What stands on this sub-volume and cannot do without it."""
    own = text(reader, f"{paths.SYS_BLOCK}/{part}/dm/name")
    above = _names(reader, f"{paths.SYS_BLOCK}/{part}/holders")
    if not above:
        return f"{own or part} is built on it" if own.rpartition("_")[0].rpartition("_")[2] != "rmeta" else ""
    for volume in above:
        name = text(reader, f"{paths.SYS_BLOCK}/{volume}/dm/name")
        lines = status.get(name, ())
        if len(lines) != 1 or lines[0].target != "raid":
            return f"{name or volume} is built on it"
        legs = sorted(_ordinals(volume, reader).items())
        letters = lines[0].words[2] if len(lines[0].words) > 2 else ""
        if len(letters) != len(legs):
            return f"the legs of {name} cannot be distinguished"
        good = [leg for letter, (_, leg) in zip(letters, legs, strict=True) if letter == "A"]
        if not any(_lives(leg, sid, reader) for leg in good):
            return f"{name} has no other leg that is in sync and can be reached"
    return ""


def _ordinals(volume: str, reader: Reader) -> dict[int, str]:
    """Position of a leg among the letters -> its sub-volume (rimage), as the kernel names it."""
    found = {}
    for part in _names(reader, f"{paths.SYS_BLOCK}/{volume}/slaves"):
        head, _, number = text(reader, f"{paths.SYS_BLOCK}/{part}/dm/name").rpartition("_")
        if head.endswith("_rimage") and number.isascii() and number.isdecimal():
            found[int(number)] = part
    return found


def _lives(part: str, sid: str, reader: Reader) -> bool:
    """Every disk below answers: its session is logged in, and is another one than this. Of a disk that is gone nothing is
    below."""
    below = _names(reader, f"{paths.SYS_BLOCK}/{part}/slaves")
    if below:
        enough = any if is_map(reader, part) else all
        return enough(_lives(one, sid, reader) for one in below)
    link = reader.link(f"{paths.SYS_BLOCK}/{part}")
    route = link.facts.split("/") if isinstance(link, Present) else ()
    sessions = [step for step in route if step.startswith("session") and step[7:].isdecimal()]
    states = [text(reader, f"{sysfs.session(one)}/state") for one in sessions]
    return sid not in sessions and bool(states) and all(state == "LOGGED_IN" for state in states)


def _names(reader: Reader, path: str) -> tuple[str, ...]:
    seen = reader.directory(path)
    return seen.facts if isinstance(seen, Present) else ()
