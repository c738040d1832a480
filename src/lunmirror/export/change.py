"""What `export --apply` does on the storage server. Pure. Each target that differs is made again by itself, through a file, and
only while nobody is logged in to it; no other target, and nothing that is stored, is touched.

    as declared                          nothing
    the files for its start alone differ they are written
    it is not there                      it is made; then the files are written
    it differs, and is free              it is taken out and made; then the files are written
    it differs, and somebody is logged in, or a backing must not be exported: refused, and nothing is done at all
"""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from lunmirror.engine.desired import Desired
from lunmirror.engine.model import (
    Drift,
    Finding,
    Kind,
    MakeDirectory,
    Present,
    Ref,
    RemoveFile,
    Run,
    Step,
    Unknown,
    WriteFile,
)
from lunmirror.engine.secret import Secret
from lunmirror.export import compare, lio, tgt
from lunmirror.export.here import Here
from lunmirror.export.lun import luns
from lunmirror.host import paths

SHELL = (paths.ENV, f"TARGETCLI_HOME={paths.LIO_SHELL}", paths.TARGETCLI)
PLAIN = r"[A-Za-z0-9_.:@/+=,-]+"  # tgt-admin gives a secret to a shell


class Change(NamedTuple):
    """`differences` of what runs now, in words; `steps` and `refused`: one of them is empty."""

    differences: tuple[str, ...]
    steps: tuple[Step, ...]
    refused: tuple[Finding, ...]


def plan(server: str, kind: str, desired: Desired, here: Here, secrets: tuple[Secret, ...]) -> Change:
    """The steps are those of the first target that needs any. Raises ConfigError, ValueError for what is not the target
    software's own words."""
    differences: list[str] = []
    steps: list[Step] = []
    refused = [_refused(server, Ref("disk", name), why) for name, why in here.faults.items()]
    unread = [(path, seen.reason) for path, seen in here.kept.items() if isinstance(seen, Unknown)]
    refused += [_refused(server, Ref("file", path), f"it cannot be read: {why}") for path, why in unread]
    for target in luns(server, desired):
        ref = Ref("target", target)
        live = _live(server, kind, desired, here, target, secrets)
        differences += live
        if not steps:
            steps += (_lio if kind == "lio" else _tgt)(server, desired, here, target, secrets, live)
        if live and target in here.busy:
            refused.append(_busy(server, ref))
        if target in here.elsewhere:
            refused.append(_refused(server, ref, here.elsewhere[target]))
    if kind == "tgt" and steps:
        refused += _unspeakable(server, secrets)
    return Change(tuple(differences), () if refused else tuple(steps), tuple(refused))


def _live(
    server: str, kind: str, desired: Desired, here: Here, target: str, secrets: tuple[Secret, ...]
) -> list[str]:
    if kind == "tgt":
        return compare.of_tgt(server, desired, here.said, target)
    found = compare.of_lio(server, desired, here.said, target)
    return found + ([] if found else list(_other_secrets(compare.parsed(here.said), target, secrets)))


def _other_secrets(there: dict[str, Any], target: str, secrets: tuple[Secret, ...]) -> Iterator[str]:
    """Never what they are."""
    for tpg in (tpg for one in there["targets"] if one.get("wwn") == target for tpg in one.get("tpgs", ())):
        for access in tpg.get("node_acls", ()):
            if any(access.get(key) != s.reveal() for key, s in zip(lio.PASSWORDS, secrets, strict=False)):
                yield f"targets {target} node_acls {access.get('node_wwn')} has another secret"


def _lio(
    server: str, desired: Desired, here: Here, target: str, secrets: tuple[Secret, ...], live: list[str]
) -> Iterator[Step]:
    whole = lio.document(server, desired, target, secrets)
    place = next(path for path in here.kept if path != paths.LIO_NEW)
    before = here.kept[place]
    kept = _parsed(before)
    ref, drift = Ref("target", target), _drift(server, live)
    if live:
        there = compare.parsed(here.said)
        if any(one.get("wwn") == target for one in there["targets"]):
            yield Step(ref, f"take target {target} out, to make it again", _shell("/iscsi", "delete", target), drift)
        names = {one["name"] for one in whole["storage_objects"]}
        for one in (one for one in there["storage_objects"] if one.get("name") in names):
            title = f"take storage object {one['name']} out; {one.get('dev')} stays as it is"
            yield Step(ref, title, _shell(f"/backstores/{one['plugin']}", "delete", one["name"]), drift)
        new = lio.written(whole).encode()
        yield Step(
            ref, "make LIO's directory of persistent reservations", MakeDirectory(f"{_above(place)}/pr", 0o700), drift
        )
        yield Step(
            ref,
            "write what LIO is to have",
            WriteFile(paths.LIO_NEW, new, _bytes(here.kept[paths.LIO_NEW]), 0o600),
            drift,
        )
        yield Step(ref, f"make target {target}", _shell("restoreconfig", paths.LIO_NEW), drift)
        yield Step(ref, "remove that file", RemoveFile(paths.LIO_NEW, new), drift)
    merged = {key: _merged(kept.get(key, []), whole[key]) for key in ("storage_objects", "targets")}
    content = lio.written(kept | merged).encode()
    if live or any(_merged(kept.get(key, []), whole[key]) != kept.get(key) for key in merged):
        yield Step(ref, f"write {place}, for the next start", WriteFile(place, content, _bytes(before), 0o600), drift)


def _merged(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Ours in the place of what has their name, all else as it was."""
    key = "wwn" if new and "fabric" in new[0] else "name"
    ours = {one[key]: one for one in new}
    return [ours.pop(one.get(key), one) for one in old] + list(ours.values())


def _parsed(seen: object) -> dict[str, Any]:
    """Raises ValueError for what rtslib did not write."""
    found: dict[str, Any] = {"fabric_modules": [], "storage_objects": [], "targets": []}
    if isinstance(seen, Present):
        try:
            found = json.loads(seen.facts)
        except RecursionError as error:
            raise ValueError("its file is nested too deeply") from error
    lists = [found.get(key, []) for key in ("storage_objects", "targets")] if isinstance(found, dict) else [None]
    if not all(isinstance(one, list) and all(isinstance(entry, dict) for entry in one) for one in lists):
        raise ValueError("its file has no lists of storage_objects and targets")
    return found


def _tgt(
    server: str, desired: Desired, here: Here, target: str, secrets: tuple[Secret, ...], live: list[str]
) -> Iterator[Step]:
    ref, drift = Ref("target", target), _drift(server, live)
    place, hidden = tgt.place(server), tgt.secrets(server)
    wanted = {hidden: tgt.accounts(desired.servers[server], secrets), place: tgt.render(server, desired)}
    for path, text in wanted.items():
        if text and _bytes(here.kept[path]) != text.encode():
            action = WriteFile(path, text.encode(), _bytes(here.kept[path]), 0o600)
            yield Step(ref, f"write {path}", action, drift)
    if live:
        yield Step(
            ref, f"make target {target}", Run((paths.TGT_ADMIN, "-c", place, "--update", target), 120.0), drift
        )


def _shell(*words: str) -> Run:
    return Run((*SHELL, *words), 120.0)


def _drift(server: str, live: list[str]) -> tuple[Drift, ...]:
    key = f"servers.{server}.export"
    return tuple(Drift(key, "as declared", words) for words in live or ["the files for the next start differ"])


def _bytes(seen: object) -> bytes | None:
    return seen.facts if isinstance(seen, Present) else None


def _above(path: str) -> str:
    return path.rpartition("/")[0]


def _refused(server: str, ref: Ref, why: str) -> Finding:
    return Finding(
        ref,
        Kind.REFUSED,
        f"{ref} is not exported",
        why,
        f"correct servers.{server}.export, or what is there; nothing was changed",
        f"servers.{server}.export",
    )


def _busy(server: str, ref: Ref) -> Finding:
    return Finding(
        ref,
        Kind.REFUSED,
        f"{ref} is not changed",
        "somebody is logged in to it, and to change it is to take it out for a moment",
        f"on the client: `lunmirror maintenance {server} --for 1h`; then again here",
        f"servers.{server}.export",
    )


def _unspeakable(server: str, secrets: tuple[Secret, ...]) -> list[Finding]:
    if all(re.fullmatch(PLAIN, secret.reveal()) for secret in secrets):
        return []
    why = "tgt-admin hands a secret to a shell: it can have letters, digits and _ . : @ / + = , - alone"
    return [_refused(server, Ref("server", server), why)]
