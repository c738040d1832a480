"""A plan that was reviewed, as plain data, and what differs from it now. Pure.

A step is the reviewed one if it is on the same resource, with the same title, command or change, drift and guarded facts. A
step that was predicted (its resource was not there yet) had no command to review: it is known by resource and title, with the
names of devices left out. What lunmirror only notes for itself, and waits, need no review.
"""

import json
import re
from collections.abc import Iterable
from typing import Any

from lunmirror.engine.journal import is_bookkeeping
from lunmirror.engine.model import Run, Step
from lunmirror.host import paths
from lunmirror.report.words import how

SCHEMA = 1
_DEVICE = re.compile(r"/dev/[^\s,]+|<[^>]+>")
Plain = dict[str, Any]


def document(steps: Iterable[Step], machine: str, config: str, now: int, expires: int) -> Plain:
    """`machine` and `config` are what the plan is bound to; times are seconds since 1970. No secret is in it."""
    body = {
        "schema": SCHEMA,
        "machine": machine,
        "config": config,
        "made": now,
        "expires": expires,
        "steps": [_plain(step) for step in steps if not _needs_no_review(step)],
    }
    return body | {"id": digest(body)}


def digest(body: Plain) -> str:
    """Of everything but the `id`: an edited plan is another."""
    import hashlib  # only with a plan in a file

    whole = {key: value for key, value in body.items() if key != "id"}
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()


def is_plan(body: Any) -> bool:
    """Whether it is a plan at all, of any version, and be it edited."""
    return isinstance(body, dict) and body.keys() >= {"schema", "machine", "config", "expires", "steps", "id"}


def faults(body: Any, machine: str, config: str, now: int) -> list[str]:
    """Why this is no plan for this machine now, in words; none if it is one. `machine`: "" if that cannot be read, and then no
    plan is."""
    if not isinstance(body, dict) or body.get("schema") != SCHEMA or not isinstance(body.get("steps"), list):
        return ["it is not a plan that this lunmirror wrote"]
    found = []
    if body.get("id") != digest(body):
        found.append("it was edited, or is damaged")
    if not machine or body.get("machine") != machine:
        found.append("it was made on another machine, or this one's /etc/machine-id cannot be read")
    if body.get("config") != config:
        found.append("the configuration is not the one that it was made from")
    if not isinstance(body.get("expires"), int) or now >= body["expires"]:
        found.append("it has expired")
    if not isinstance(body.get("made"), int) or now < body["made"]:
        found.append("it was made in the future, by this machine's clock")
    return found


class Agreed:
    """The steps of a plan that may be taken."""

    def __init__(self, body: Plain) -> None:
        self._exact = {_text(step) for step in body["steps"]}
        self._loose = {_loose(step) for step in body["steps"]}
        self._foreseen = {_loose(step) for step in body["steps"] if step["predicted"]}

    def __call__(self, step: Step) -> bool:
        """Whether this step was reviewed, as it is to be taken now."""
        if _needs_no_review(step):
            return True
        plain = _plain(step)
        if step.after:  # still a prediction
            return _loose(plain) in self._loose
        return _text(plain) in self._exact or _loose(plain) in self._foreseen

    def differences(self, steps: Iterable[Step]) -> list[str]:
        """What would be done now and was not reviewed."""
        return [f"{step.ref}: {step.title}" for step in steps if not self(step)]


def _needs_no_review(step: Step) -> bool:
    """What the journal must know is noted in every pass that can see it, and so are marks that show a server's restart."""
    return is_bookkeeping(step) or (isinstance(step.action, Run) and step.action.argv[0] == paths.SG_PERSIST)


def _text(plain: Plain) -> str:
    return json.dumps(plain, sort_keys=True)


def _loose(plain: Plain) -> tuple[str, str]:
    """By what a step is known whose devices have no names yet."""
    return plain["resource"], _DEVICE.sub("<device>", plain["title"])


def _plain(step: Step) -> Plain:
    predicted = bool(step.after)
    return {
        "resource": str(step.ref),
        "title": step.title,
        "predicted": predicted,
        "how": "" if predicted else how(step),
        "drift": [] if predicted else [[d.key, d.desired, d.observed] for d in step.drift],
        "guards": [] if predicted else [[g.path, g.content] for g in step.guards],
        "risk": step.risk.value,
        "proof": "" if predicted else step.proof,
    }
