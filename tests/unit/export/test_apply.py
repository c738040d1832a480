"""`export --apply` on the storage server: one target, free of clients, and nothing that somebody else has there."""

import json
from argparse import Namespace
from copy import deepcopy

import pytest

from lunmirror import config
from lunmirror.cli.commands import export as verb
from lunmirror.engine.desired import Chap, Credentials
from lunmirror.engine.errors import HostError, UsageError
from lunmirror.engine.exits import Exit
from lunmirror.engine.secret import Secret
from lunmirror.export import tgt, work
from lunmirror.host import paths
from sim.filer import KEPT, OTHER, Filer, exported

TARGET = "iqn.2006-01.com.openfiler:linuxtest1lv"
CONF = tgt.place("filer1")
KINDS = pytest.mark.parametrize("kind", ["lio", "tgt"])
DM = f"{paths.DEV}dm-7"


def apply(filer: Filer, kind: str, desired=None, apply: bool = True) -> tuple[Exit, str]:
    return work.here("filer1", kind, desired or exported(), filer, apply)


def world(filer: Filer) -> object:
    """All that runs or is kept, but for our own files of a moment."""
    files = {path: text for path, text in filer.files.items() if path not in (paths.LIO_NOW, paths.LIO_NEW)}
    return deepcopy((filer.lio, filer.tgt, files))


def others(filer: Filer) -> object:
    kept = json.loads(filer.files[KEPT])
    storage = [[one for one in d["storage_objects"] if one["name"] == "other"] for d in (filer.lio, kept)]
    targets = [[one for one in d["targets"] if one["wwn"] == OTHER] for d in (filer.lio, kept)]
    return deepcopy((storage, targets, filer.tgt[OTHER]))


@KINDS
def test_from_nothing_to_as_declared(kind: str) -> None:
    filer = Filer()
    before = others(filer)
    assert apply(filer, kind, apply=False)[0] == Exit.DRIFT
    result, said = apply(filer, kind)
    assert result == Exit.CONVERGED, said
    assert TARGET in (filer.tgt if kind == "tgt" else [t["wwn"] for t in filer.lio["targets"]])
    assert others(filer) == before
    assert set(filer.modes.values()) == {0o600}
    assert paths.LIO_NEW not in filer.files
    assert paths.LIO_NOW not in filer.files
    done, filer.ran = world(filer), []
    assert apply(filer, kind) == (Exit.CONVERGED, "server filer1 exports what is declared\n")
    assert (world(filer), filer.ran) == (done, [])


@KINDS
def test_check_changes_nothing(kind: str) -> None:
    filer = Filer()
    before = world(filer)
    result, said = apply(filer, kind, apply=False)
    assert (result, "missing" in said) == (Exit.DRIFT, True)
    assert (world(filer), filer.ran) == (before, [])


@KINDS
def test_a_target_with_a_client_is_not_changed(kind: str) -> None:
    filer = Filer()
    apply(filer, kind)
    filer.busy, filer.ran, before = {TARGET}, [], world(filer)
    other = exported(left='serial = "00000000-0000-4000-8000-000000000001"')
    result, said = apply(filer, kind, other)
    assert result == Exit.REFUSED
    assert "somebody is logged in" in said
    assert "maintenance filer1" in said
    assert (world(filer), filer.ran) == (before, [])
    filer.busy = {OTHER}
    assert apply(filer, kind, other)[0] == Exit.CONVERGED


@KINDS
@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda f: setattr(f, "devices", ()), "/dev/vg_storage/left is not there"),
        (lambda f: f.holders.update({"dm-7": ("dm-9",)}), "in use on this machine: dm-9 is built on it"),
        (
            lambda f: f.files.update({paths.MOUNTINFO: b"36 35 253:7 / /mnt/x rw - ext4 /dev/dm-7 rw\n"}),
            "mounted on this machine, at /mnt/x",
        ),
        (lambda f: f.files.update({paths.SWAPS: f"Filename\n{DM} partition\n".encode()}), "is swap of this machine"),
        (lambda f: f.files.update({f"{paths.SYS_BLOCK}/dm-7/size": b"0\n"}), "nothing stands behind it"),
        (lambda f: f.files.pop(paths.SWAPS), "is swap is not known"),
        (lambda f: f.blkid.update({DM: "TYPE=ext4\nUUID=1-2\n"}), "holds ext4 (uuid 1-2)"),
        (lambda f: f.blkid.update({DM: "TYPE=LVM2_member\nUUID=another\n"}), "holds LVM2_member (uuid another)"),
        (lambda f: setattr(f, "address", "192.168.1.120"), "this machine is not server filer1"),
    ],
)
def test_what_is_refused_changes_nothing(kind: str, spoil, said: str) -> None:
    filer = Filer()
    spoil(filer)
    before = world(filer)
    try:
        result, text = apply(filer, kind)
    except HostError as error:
        result, text = Exit.REFUSED, str(error)
    assert result == Exit.REFUSED
    assert said in text
    assert (world(filer), filer.ran) == (before, [])


@KINDS
def test_what_the_client_wrote_since_is_no_obstacle(kind: str) -> None:
    filer = Filer()
    apply(filer, kind)
    filer.blkid[DM] = "TYPE=LVM2_member\nUUID=adopted\n"
    assert apply(filer, kind, exported(left='serial = "00000000-0000-4000-8000-000000000001"'))[0] == Exit.CONVERGED


@KINDS
def test_what_lunmirror_made_there_may_be_exported(kind: str) -> None:
    filer = Filer()
    filer.blkid[DM] = f"TYPE=LVM2_member\nUUID={exported().disks['left'].pv_uuid}\n"
    assert apply(filer, kind)[0] == Exit.CONVERGED


def test_somebody_elses_storage_object_over_our_device() -> None:
    for about, said in (
        ({"dev": "/dev/vg_storage/left"}, "exported already, as storage object other"),
        ({"wwn": "2eca3fc4-7f17-5158-88dc-c817e9b2b3d2"}, "has the serial number"),
    ):
        filer = Filer()
        filer.lio["storage_objects"][0].update(about)
        result, text = apply(filer, "lio")
        assert (result, filer.ran) == (Exit.REFUSED, [])
        assert said in text


def test_a_target_that_listens_everywhere_leaves_no_room() -> None:
    filer = Filer()
    (tpg,) = filer.lio["targets"][0]["tpgs"]
    for address, port, expected in (("0.0.0.0", 3260, Exit.REFUSED), ("0.0.0.0", 3261, Exit.CONVERGED)):
        tpg["portals"] = [{"ip_address": address, "port": port}]
        result, text = apply(filer, "lio")
        assert (result, "listens at every address" in text) == (expected, expected == Exit.REFUSED), text


def test_a_target_that_another_file_configures() -> None:
    filer = Filer()
    filer.files["/etc/tgt/conf.d/own.conf"] = f"<target {TARGET}>\n</target>\n".encode()
    result, text = apply(filer, "tgt")
    assert (result, filer.ran) == (Exit.REFUSED, [])
    assert "/etc/tgt/conf.d/own.conf" in text


@pytest.mark.parametrize("kept", [b"{", b"[]", b'{"targets": 1}'])
def test_a_damaged_file_of_lio_is_left_alone(kept: bytes) -> None:
    filer = Filer()
    filer.files[KEPT] = kept
    with pytest.raises(HostError, match="cannot be understood"):
        apply(filer, "lio")
    assert (filer.files[KEPT], filer.ran) == (kept, [])


@pytest.mark.parametrize("kept", ["", "{}"])
def test_lio_without_a_file_for_its_start(kept: str) -> None:
    filer = Filer()
    del filer.files[KEPT]
    if kept:
        filer.files[KEPT] = kept.encode()
    assert apply(filer, "lio")[0] == Exit.CONVERGED
    assert [t["wwn"] for t in json.loads(filer.files[KEPT])["targets"]] == [TARGET]


@pytest.mark.parametrize("broken", ["restoreconfig", "/iscsi", "/backstores/block"])
def test_whatever_fails_the_next_run_finishes(broken: str) -> None:
    filer = Filer()
    apply(filer, "lio")
    other = exported(left='serial = "00000000-0000-4000-8000-000000000001"')
    filer.broken, before = broken, others(filer)
    result, said = apply(filer, "lio", other)
    assert (result, "failed: " in said) == (Exit.FAILED, True)
    filer.broken = ""
    assert apply(filer, "lio", other)[0] == Exit.CONVERGED
    assert others(filer) == before


@KINDS
def test_secrets_stand_in_files_of_root_alone(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "_secrets", lambda server, desired: (Secret("in-clear-1"), Secret("in-clear-2")))
    desired = exported()
    chap = Chap(Credentials("client1", "/etc/x"), Credentials("filer1", "/etc/y"))
    desired.servers["filer1"] = desired.servers["filer1"]._replace(chap=chap)
    filer = Filer()
    result, said = apply(filer, kind, desired)
    assert result == Exit.CONVERGED, said
    assert "in-clear" not in said + str(filer.ran)
    holding = {path for path, text in filer.files.items() if b"in-clear-1" in text and b"in-clear-2" in text}
    assert holding == {KEPT if kind == "lio" else tgt.secrets("filer1")}
    assert all(filer.modes[path] == 0o600 for path in holding)
    assert apply(filer, kind, desired)[0] == Exit.CONVERGED


def test_another_secret_is_a_difference_that_shows_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    desired = exported()
    chap = Chap(Credentials("client1", "/etc/x"))
    desired.servers["filer1"] = desired.servers["filer1"]._replace(chap=chap)
    filer = Filer()
    for secret in ("in-clear-1", "in-clear-2"):
        monkeypatch.setattr(work, "_secrets", lambda server, desired, secret=secret: (Secret(secret),))
        result, said = apply(filer, "lio", desired)
        assert result == Exit.CONVERGED, said
        assert "in-clear" not in said
    assert "has another secret" in said
    assert b"in-clear-2" in filer.files[KEPT]


def test_a_secret_that_a_shell_would_read_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "_secrets", lambda server, desired: (Secret("a;b $(c)"),))
    desired = exported()
    chap = Chap(Credentials("client1", "/etc/x"))
    desired.servers["filer1"] = desired.servers["filer1"]._replace(chap=chap)
    filer = Filer()
    result, said = apply(filer, "tgt", desired)
    assert (result, filer.ran) == (Exit.REFUSED, [])
    assert "hands a secret to a shell" in said
    assert "$(c)" not in said


def test_to_look_and_to_change_exclude_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "load", lambda path, compiled: exported())
    about = {
        "server": "filer1",
        "format": "lio",
        "check": verb.HERE,
        "apply": True,
        "config": "/etc/lunmirror/lunmirror.toml",
    }
    with pytest.raises(UsageError, match="exclude each other"):
        verb.run(Namespace(**about))
