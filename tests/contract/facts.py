"""What lunmirror sees of a machine, without what differs between any two machines (numbers, names of disks, times).

The same text runs here over the simulator and, inside the lab machine, over the real one: standard library and
lunmirror only.
"""


def normalised(report, desired):
    seen = report.seen
    of = {name: disk for disk in desired.disks.values() for name in [disk.pv_uuid]}
    facts = {}
    for layer, resources in seen.items():
        for name, state in resources.items():
            what = type(state).__name__
            if hasattr(state, "facts"):
                what = [
                    type(state.facts).__name__,
                    _KNOWN.get(type(state.facts).__name__, lambda f, of: {})(state.facts, of),
                ]
            facts[f"{layer} {name}"] = what
    steps = [[str(o.step.ref), o.status, type(o.step.action).__name__] for o in report.outcomes]
    findings = sorted({(f.kind.value, f.ref.layer) for f in report.findings})
    return {
        "facts": facts,
        "steps": [s for s in steps if s[2] != "AwaitPath"],
        "findings": [list(f) for f in findings],
    }


def _record(record, of):
    keys = (
        "node.name",
        "node.startup",
        "node.conn[0].startup",
        "node.session.timeo.replacement_timeout",
        "node.tpgt",
    )
    keys += ("node.conn[0].address", "node.conn[0].timeo.noop_out_interval", "node.conn[0].timeo.login_timeout")
    return {"path": record.path, "tpgt": record.tpgt} | {key: record.settings.get(key) for key in keys}


def _session(session, of):
    return [session.state, session.recovery_tmo, session.recv_tmo, session.ping_tmo]


def _lun(lun, of):
    content = type(lun.content).__name__
    pv = lun.pv and [lun.pv.uuid, lun.pv.group, lun.pv.missing, lun.pv.duplicate]
    return {
        "paths": len(lun.paths),
        "partition": lun.place is not None and lun.place.node[-1] == "1",
        "pv": pv,
        "content": content,
    }


def _group(group, of):
    members = sorted([m.uuid, m.disk, m.missing, bool(m.device)] for m in group.members)
    return {
        "extent": group.extent_size,
        "members": members,
        "tags": len(group.tags),
        "mine": group.host == group.here,
        "autoactivation": group.autoactivation,
    }


def _volume(volume, of):
    legs = [[leg.name, [of[pv].name for pv in leg.pvs], leg.letter] for leg in volume.legs]
    return {
        "type": volume.type, "size": volume.size, "extents": volume.extents, "legs": legs, "active": volume.active,
        "open": volume.open, "health": volume.health, "tags": list(volume.tags), "synced": volume.synced, "dm": volume.dm,
        "ratio": [volume.done, volume.total], "action": volume.action, "log": volume.log,
    }  # fmt: skip


def _filesystem(filesystem, of):
    return [filesystem.type, filesystem.mounted, filesystem.complete, filesystem.path, list(filesystem.tags)]


def _mount(mount, of):
    mounted = mount.mounted and [mount.mounted.path, mount.mounted.type, mount.mounted.readonly]
    return {
        "line": mount.line,
        "mounted": mounted,
        "elsewhere": list(mount.elsewhere),
        "systemd": mount.systemd,
        "stale": mount.stale,
    }


_KNOWN = {
    "Record": _record,
    "Session": _session,
    "Lun": _lun,
    "VolumeGroup": _group,
    "LogicalVolume": _volume,
    "FileSystem": _filesystem,
    "MountState": _mount,
    "NoSession": lambda f, of: bool(f.silence),
    "Missing": lambda f, of: [f.tpgt, f.path],
}


def look(verb):
    """Inside the lab machine: one pass of this verb over the real host; its normalised report as JSON."""
    import json

    from lunmirror import config
    from lunmirror.engine.execute import Executor
    from lunmirror.engine.reconcile import run_pass
    from lunmirror.host.live import LiveHost

    desired = config.load(compiled="")
    host = LiveHost()
    report = run_pass(verb, "contract", desired, host, Executor(host) if verb == "apply" else None)
    print(json.dumps(normalised(report, desired)))
