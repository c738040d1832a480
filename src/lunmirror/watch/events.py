"""What became of the mirrors between two status files, as events to notify somebody of. Pure.

Reported on transitions only, each once, across passes and boots: what was reported is kept in notes, which lie in the journal's
directory (/var/lib/lunmirror/notify.json) and are written in one piece with the events that are still to be delivered. So a
crash at any instant neither loses an event nor reports one twice.

| event        | reported when                                                                          |
|--------------|------------------------------------------------------------------------------------|
| degraded     | a volume that was whole lacks redundancy                                           |
| at boot      | the first pass since boot finds one without redundancy (also: the first pass ever) |
| out of service, in service | nobody can use a volume as declared; somebody can again              |
| copying      | a leg is being brought up to date                                                  |
| whole        | a volume has full redundancy again                                                 |
| refused      | an administrator must decide something new; flapping: of a setting                |
| decided      | nothing is refused any more                                                        |
| invalid      | a pass could not begin, say since the configuration is not valid; valid: it can    |
| reminder     | redundancy has been missing for another day                                        |
| maintenance, maintenance over | an administrator took a server out of service; it ended, or was ended   |
| no pass      | no pass has ended for too long; passes: one has                                    |
| test         | `lunmirror notify --test`                                                          |

No event is of a volume that was never whole: its first copy is no loss of redundancy. Nor is one of a volume that lacks nothing
but its leg on a server in maintenance: what was reported of it before still holds.
"""

from typing import Any, NamedTuple

SCHEMA = 1
SILENCE = 900  # seconds without a pass after which somebody is notified
WHOLE, COPYING, DEGRADED, DOWN = "full", "rebuilding", "degraded", "out of service"
MOST_PENDING = 200  # events that wait to be delivered; the oldest go first

Json = dict[str, Any]


class Notes(NamedTuple):
    """What was reported. Times in seconds since 1970.

    boot:    the boot in which a pass reported something last.
    volumes: id -> state reported last ("" before it was whole once), `since`, and `reported`: when it was reported or reminded of last.
    refused: what was refused when it was reported last, each finding by its resource and words.
    error:   what kept the last pass from beginning, "" for nothing.
    silent:  it was reported that no pass ends.
    pending: events to be delivered, the oldest first, each with `tries` and `after`: not to be tried before.
    serial:  of the last event.
    resting: the server in maintenance, until when and by whom, as the status file has it; {} for none.
    """

    boot: str = ""
    volumes: dict[str, Json] = {}  # noqa: RUF012, nobody changes it
    refused: tuple[str, ...] = ()
    error: str = ""
    silent: bool = False
    pending: tuple[Json, ...] = ()
    serial: int = 0
    resting: Json = {}  # noqa: RUF012


def parse(raw: bytes | None) -> Notes:
    """From the file's bytes; nothing was reported if there is none, or it is not as lunmirror writes it."""
    import json

    try:
        held = json.loads(raw or b"")
        if held.pop("schema") != SCHEMA:
            return Notes()
        notes = Notes(**{**held, "refused": tuple(held["refused"]), "pending": tuple(held["pending"])})
        fine = isinstance(notes.volumes, dict) and all(isinstance(e, dict) and "event" in e for e in notes.pending)
        return notes if fine and isinstance(notes.serial, int) else Notes()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return Notes()


def render(notes: Notes) -> bytes:
    """The same notes always give the same bytes."""
    import json

    return (json.dumps({"schema": SCHEMA, **notes._asdict()}, indent=1, sort_keys=True) + "\n").encode()


def after_pass(notes: Notes, status: Json, boot: str, reminder: int, host: str = "") -> Notes:
    """The notes after this status was written, with what is to be reported of it. The same object if that is nothing.
    `reminder`: seconds between reminders, 0 for none."""
    found = _Found(notes, status["written_at"], host)
    if notes.silent:
        found.add("passes", "passes are running again", "")
    first = bool(boot) and boot != notes.boot
    volumes = {}
    seen = status["observed_at"] == status["written_at"]
    resting = _resting(found, notes.resting, status) if seen else notes.resting
    for volume in status["volumes"] if seen else ():
        volumes[volume["volume"]] = _volume(found, volume, notes.volumes.get(volume["volume"], {}), first, reminder)
    if not seen:
        volumes = notes.volumes
    refused = _refused(found, notes, status) if seen else notes.refused
    error = status["pass"]["error"]
    what = error["what"] if error else ""
    if what and what != notes.error:
        found.add("invalid", f"a pass could not begin or go on: {what}", error["why"], error["next"])
    elif notes.error and not what:
        found.add("valid", "passes begin again", f"before: {notes.error}")
    after = notes._replace(
        boot=boot or notes.boot,
        volumes=volumes,
        refused=refused,
        error=what,
        silent=False,
        serial=found.serial,
        resting=resting,
    )
    return notes if after == notes else after._replace(pending=(*notes.pending, *found.events)[-MOST_PENDING:])


def overdue(notes: Notes, written_at: int, now: int, host: str = "") -> Notes:
    """The notes after somebody looked how old the status file is; the same object if nothing is to be reported of it."""
    if notes.silent or now - written_at < SILENCE:
        return notes
    found = _Found(notes, now, host)
    found.add(
        "no pass",
        f"no pass of lunmirror has ended for {(now - written_at) // 60} minutes",
        "what fails meanwhile is neither repaired nor reported",
        "systemctl status lunmirror.timer lunmirror.service",
    )
    return notes._replace(silent=True, serial=found.serial, pending=(*notes.pending, *found.events)[-MOST_PENDING:])


def trial(now: int, host: str) -> Json:
    """An event that says that events arrive."""
    found = _Found(Notes(), now, host)
    found.add("test", "this is a test: notifications of lunmirror arrive", "somebody ran `lunmirror notify --test`")
    return found.events[0]


class _Found:
    """Events as they are found."""

    def __init__(self, notes: Notes, now: int, host: str) -> None:
        self.serial, self.now, self.host = notes.serial, now, host
        self.events: list[Json] = []

    def add(self, event: str, what: str, why: str = "", next: str = "", volume: str = "", state: str = "") -> None:
        self.serial += 1
        reported = {"schema": SCHEMA, "serial": self.serial, "event": event, "host": self.host, "at": self.now}
        reported |= {"volume": volume, "state": state, "what": what, "why": why, "next": next}
        self.events.append({**reported, "tries": 0, "after": self.now})


def _volume(found: _Found, volume: Json, old: Json, first: bool, reminder: int) -> Json:
    """What is noted of it now; events that follow are added."""
    state, before = volume["state"], old.get("state", "")
    now = found.now
    if volume.get("maintenance"):
        return old or {"state": WHOLE if _was_whole(volume) else "", "reported": now}
    if state == WHOLE:
        if before not in (WHOLE, ""):
            found.add("whole", _said(volume, "has full redundancy again"), "", "", volume["volume"], state)
        return old if before == WHOLE else {"state": WHOLE, "reported": now}
    if before == "" and not _was_whole(volume):
        return old or {"state": "", "reported": now}  # its first copy
    event = _event(before, state, first)
    if event:
        why, next = _advice(volume)
        words = {
            "at boot": f"is {state}, and was so when this machine was started",
            "degraded": "lacks redundancy",
            "out of service": "is out of service",
            "in service": f"is in service again, {state}",
            "copying": "is being brought up to date",
        }[event]
        found.add(event, _said(volume, words), why, next, volume["volume"], state)
        return {"state": state, "reported": now}
    if reminder and now - old.get("reported", now) >= reminder:
        why, next = _advice(volume)
        found.add("reminder", _said(volume, f"is still {state}"), why, next, volume["volume"], state)
        return {"state": state, "reported": now}
    return old if before == state else {"state": state, "reported": old.get("reported", now)}


def _event(before: str, state: str, first: bool) -> str:
    """'' for nothing to report."""
    if first or before == "":
        return "at boot" if state != COPYING or before in ("", WHOLE) else ""
    if before == state:
        return ""
    if state == DOWN:
        return "out of service"
    if before == DOWN:
        return "in service"
    if state == COPYING:
        return "copying"
    return "degraded"


def _was_whole(volume: Json) -> bool:
    """Whether a leg is known to have fallen behind: then it was whole, and another pass, or an older lunmirror, saw it."""
    return bool(volume["state"] != COPYING and volume["noted"])


def _refused(found: _Found, notes: Notes, status: Json) -> tuple[str, ...]:
    findings = [f for f in status["findings"] if f["kind"] == "refused"]
    names = tuple(sorted({f"{f['layer']} {f['name']}: {f['what']}" for f in findings}))
    new = [f for f in findings if f"{f['layer']} {f['name']}: {f['what']}" not in notes.refused]
    for finding in new:
        event = "flapping" if finding["what"].startswith("flapping") else "refused"
        found.add(event, f"an administrator must decide: {finding['what']}", finding["why"], finding["next"])
    if notes.refused and not names:
        found.add("decided", "nothing is refused any more", f"before: {'; '.join(notes.refused)}")
    return names


def _resting(found: _Found, old: Json, status: Json) -> Json:
    """What is noted of a maintenance now; that one began or ended is added."""
    now: Json = status.get("maintenance") or {}
    if old and now.get("server") != old["server"]:
        late = found.now >= old["until"]
        how = "its time is over" if late else "it was ended"
        next = "nothing: it is brought back as after an outage"
        found.add("maintenance over", f"server {old['server']} is in maintenance no more", how, next)
    if now and now["server"] != old.get("server"):
        why = f"{now['by']} began it; what is expected of that server is not reported meanwhile"
        what = f"server {now['server']} is in maintenance for {max(1, (now['until'] - found.now) // 60)} minutes"
        found.add("maintenance", what, why, f"lunmirror maintenance {now['server']} --end")
    return now


def _said(volume: Json, words: str) -> str:
    return f"volume {volume['volume']} {words}"


def _advice(volume: Json) -> tuple[str, str]:
    advice = volume["advice"]
    if not advice:
        return volume["words"], ""
    return "; ".join(filter(None, (advice["means"], advice["cause"]))), advice["action"]
