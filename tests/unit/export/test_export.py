"""What storage servers are given: as rtslib and tgt-admin read it (docs/facts/targets.md), alike on no two servers."""

import json
import re
from argparse import Namespace

import pytest

from lunmirror import config
from lunmirror.cli.commands import export as verb
from lunmirror.config.cache import _server
from lunmirror.engine.desired import Chap, Credentials
from lunmirror.engine.errors import ConfigError, LunmirrorError, UsageError
from lunmirror.export import compare, lio, tgt
from sim.filer import CLIENT, EXPORT, exported
from sim.stage import text


def problem(**about: str) -> str:
    with pytest.raises(ConfigError) as wrong:
        exported(**about)
    return str(wrong.value)


def test_lio_is_what_rtslib_restores() -> None:
    document = json.loads(lio.render("filer1", exported()))
    (storage,), (target,) = document["storage_objects"], document["targets"]
    # What is left of it, rtslib gives to the class as keywords (rtslib/root.py, restore).
    keywords = set(storage) - {"exists", "attributes", "plugin", "buffered_mode", "alua_tpgs"}
    assert keywords <= {"name", "dev", "wwn", "readonly", "write_back", "index"}
    assert (storage["plugin"], storage["dev"], storage["write_back"]) == ("block", "/dev/vg_storage/left", False)
    assert storage["attributes"] == {"emulate_tpu": 0, "emulate_tpws": 0}
    assert (target["fabric"], target["wwn"]) == ("iscsi", "iqn.2006-01.com.openfiler:linuxtest1lv")
    (tpg,) = target["tpgs"]
    assert tpg["attributes"]["generate_node_acls"] == tpg["attributes"]["authentication"] == 0
    assert tpg["luns"] == [{"index": 1, "storage_object": "/backstores/block/lunmirror-left"}]
    assert [(p["ip_address"], p["port"]) for p in tpg["portals"]] == [("192.168.1.115", 3260)]
    (access,) = tpg["node_acls"]
    assert access["node_wwn"] == CLIENT
    assert access["mapped_luns"] == [{"index": 1, "tpg_lun": 1, "write_protect": False}]


def test_a_plain_file_is_written_through() -> None:
    (storage,) = json.loads(lio.render("filer2", exported()))["storage_objects"]
    assert (storage["plugin"], storage["size"], storage["write_back"]) == ("fileio", 512 << 20, False)
    assert set(storage) - {"attributes", "plugin"} <= {"name", "dev", "size", "wwn", "write_back", "aio", "index"}


def parsed(conf: str) -> dict[str, dict]:
    """As Config::General reads it, as far as it is used: blocks with names, options, comments."""
    targets: dict[str, dict] = {}
    stack: list[dict] = [targets]
    for line in (line.split("#")[0].strip() for line in conf.splitlines()):
        if found := re.fullmatch(r"<(target|backing-store) (\S+)>", line):
            inner: dict = {}
            stack[-1][f"{found[1]} {found[2]}"] = inner
            stack.append(inner)
        elif re.fullmatch(r"</(target|backing-store)>", line):
            stack.pop()
        elif line:
            name, value = line.split(" ", 1)
            stack[-1].setdefault(name, []).append(value)
    assert stack == [targets]
    return targets


def test_tgt_is_what_tgt_admin_reads() -> None:
    (name, target), *others = parsed(tgt.render("filer1", exported())).items()
    assert not others
    assert name == "target iqn.2006-01.com.openfiler:linuxtest1lv"
    assert target["driver"] == ["iscsi"]
    assert target["initiator-name"] == [CLIENT]
    # Without an address tgt-admin lists all, and tgt lets in whose address or name is listed.
    assert target["initiator-address"] == ["255.255.255.255"]
    store = target["backing-store /dev/vg_storage/left"]
    assert (store["lun"], store["write-cache"]) == (["1"], ["off"])
    assert store["scsi_id"] == store["scsi_sn"]
    assert re.fullmatch("[0-9a-f]{32}", store["scsi_id"][0]), "36 characters fit (usr/tgtd.h)"


def test_tgt_offers_the_digest_that_is_declared() -> None:
    """By itself it offers none, and a client that wants one gives up (docs/facts/targets.md)."""
    (target,) = parsed(tgt.render("filer1", exported(server='data_digest = "CRC32C"'))).values()
    assert target["DataDigest"] == ["CRC32C"]
    assert "DataDigest" not in tgt.render("filer1", exported())


def test_each_server_keeps_a_serial_number_of_its_own() -> None:
    desired = exported()
    serials = [desired.servers[s].export.disks[0].serial for s in ("filer1", "filer2")]
    # NAA: LIO takes the first 25 digits (target_core_spc.c), tgt the last 31 (usr/spc.c).
    assert len({s[:25] for s in serials}) == len({s[-31:] for s in serials}) == 2
    assert serials[0] == "2eca3fc47f17515888dcc817e9b2b3d2", (
        "a LUN that got another serial number would be another disk"
    )


def test_it_survives_the_compiled_form() -> None:
    server = exported().servers["filer1"]
    assert _server(json.loads(json.dumps(server))) == server


@pytest.mark.parametrize("kind", [lio, tgt])
def test_chap_names_the_files_and_shows_no_secret(kind) -> None:
    desired = exported()
    chap = Chap(
        Credentials("client1", "/etc/lunmirror/secrets/filer1"),
        Credentials("filer1", "/etc/lunmirror/secrets/mutual"),
    )
    desired.servers["filer1"] = desired.servers["filer1"]._replace(chap=chap)
    printed, notes = kind.render("filer1", desired), " ".join(kind.notes("filer1", desired))
    assert "client1" in printed
    assert "secret" in notes
    if kind is lio:
        (tpg,) = json.loads(printed)["targets"][0]["tpgs"]
        assert tpg["attributes"]["authentication"] == 1
        assert not [key for acl in tpg["node_acls"] for key in acl if "password" in key]
        assert "/etc/lunmirror/secrets/filer1" in notes
    else:
        ((_, target),) = parsed(printed).items()
        assert target["include"] == ["/etc/tgt/lunmirror-filer1.chap"]
        assert "incominguser" not in target


def test_a_server_without_an_export_is_refused() -> None:
    desired = config.compile_texts([("/etc/lunmirror/lunmirror.toml", text())])
    with pytest.raises(ConfigError, match="declares no export"):
        lio.render("filer1", desired)


@pytest.mark.parametrize(
    ("about", "words"),
    [
        ({"left": 'cache = "back"', "server": 'write_cache = "through"'}, "a volatile cache cannot be exported"),
        ({"right": 'cache = "through"'}, "the size of the plain file"),
        ({"path": "relative/path"}, "cannot back a LUN"),
        ({"path": "/dev/x y"}, "cannot back a LUN"),
        ({"path": "/dev/x>"}, "cannot back a LUN"),
        ({"path": "/dev/../etc/passwd"}, "not in its plain form"),
        ({"left": 'serial = "abc"'}, "not a serial number"),
        (
            {
                "left": 'serial = "00000000-0000-4000-8000-000000000001"',
                "right": 'size = "1GiB"\nserial = "00000000000040008000000000000001"',
            },
            "has the same serial",
        ),
        ({"left": 'unheard = "of"'}, "unheard"),
    ],
)
def test_what_is_refused(about: dict[str, str], words: str) -> None:
    assert words in problem(**about)


def test_a_disk_of_another_server_is_refused() -> None:
    whole = text() + EXPORT.format(server="filer1", client=CLIENT, disk="right", path="/dev/x", more="")
    with pytest.raises(ConfigError, match="is on server filer2"):
        config.compile_texts([("/etc/lunmirror/lunmirror.toml", whole)])


def test_what_a_format_cannot_do_is_refused() -> None:
    with pytest.raises(ConfigError, match="the cache that the device has"):
        lio.render("filer1", exported(left='cache = "back"'))
    assert "write-cache on" in tgt.render("filer1", exported(left='cache = "back"'))
    desired = exported()
    zero = desired._replace(disks={n: d._replace(lun=0) for n, d in desired.disks.items()})
    with pytest.raises(ConfigError, match="LUN 0"):
        tgt.render("filer1", zero)
    assert lio.render("filer1", zero)


def run(monkeypatch: pytest.MonkeyPatch, desired, server: str, format: str = "", check: str = "") -> int:
    monkeypatch.setattr(config, "load", lambda path, compiled: desired)
    about = {
        "server": server,
        "format": format,
        "check": check,
        "apply": False,
        "config": "/etc/lunmirror/lunmirror.toml",
    }
    return int(verb.run(Namespace(**about)))


def test_the_verb_prints_the_file_alone_and_the_rest_on_stderr(monkeypatch, capsysbinary) -> None:
    assert run(monkeypatch, exported(), "filer1", "tgt") == 0
    out, err = capsysbinary.readouterr()
    assert parsed(out.decode())
    assert b"lunmirror: tgt listens at every address" in err


def test_the_format_is_asked_for_where_none_is_declared(monkeypatch) -> None:
    with pytest.raises(UsageError, match="--format"):
        run(monkeypatch, exported(), "filer1")
    with pytest.raises(UsageError, match="no server"):
        run(monkeypatch, exported(), "filer9", "lio")


# What a server exports now


def saved(change=lambda storage, tpg: None) -> str:
    """As rtslib saves what it restored: with more attributes, numbers for truth values, and somebody else's target."""
    document = json.loads(lio.render("filer1", exported()))
    (storage,), (target,) = document["storage_objects"], document["targets"]
    storage["attributes"] |= {"block_size": 512}
    target["tpgs"][0] |= {"enable": 1, "parameters": {"AuthMethod": "CHAP,None"}}
    change(storage, target["tpgs"][0])
    document["targets"].append({"fabric": "iscsi", "wwn": "iqn.2001-01.org.example:other", "tpgs": []})
    document["storage_objects"].append({"name": "other", "plugin": "block", "wwn": "1"})
    return json.dumps(document)


def test_lio_as_declared_does_not_differ() -> None:
    assert compare.of_lio("filer1", exported(), saved()) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s, t: s.update(wwn="aaaa"), "storage_objects lunmirror-left wwn is aaaa, declared is "),
        (lambda s, t: s.update(dev="/dev/sdz"), "dev is /dev/sdz, declared is /dev/vg_storage/left"),
        (lambda s, t: s["attributes"].update(emulate_tpu=1), "emulate_tpu is 1, declared is 0"),
        (lambda s, t: t["attributes"].update(generate_node_acls=1), "generate_node_acls is 1, declared is 0"),
        (lambda s, t: t["node_acls"].clear(), f"node_acls {CLIENT} is missing"),
        (
            lambda s, t: t["node_acls"].append({"node_wwn": "iqn.2001-01.org.example:x"}),
            "node_acls iqn.2001-01.org.example:x is there, and not declared",
        ),
        (lambda s, t: t["luns"].append({"index": 7}), "luns 7 is there, and not declared"),
        (lambda s, t: t["portals"].clear(), "portals 192.168.1.115:3260 is missing"),
    ],
)
def test_lio_differs(change, said: str) -> None:
    (found,) = compare.of_lio("filer1", exported(), saved(change))
    assert said in found


def shown_by_tgt(**changes: str) -> str:
    """As tgtadm 1.0.85 prints it (usr/target.c, tgt_target_show_all)."""
    serial = exported().servers["filer1"].export.disks[0].serial
    about = {
        "id": serial,
        "sn": serial,
        "path": "/dev/vg_storage/left",
        "acl": f"        255.255.255.255\n        {CLIENT}\n",
    }
    about |= changes
    return f"""Target 1: iqn.2006-01.com.openfiler:linuxtest1lv
    System information:
        Driver: iscsi
        State: ready
    I_T nexus information:
        I_T nexus: 1
            Initiator: {CLIENT} alias: client
            Connection: 0
                IP Address: 192.168.1.10
    LUN information:
        LUN: 0
            Type: controller
            SCSI ID: IET     00010000
            SCSI SN: beaf10
            Online: Yes
        LUN: 1
            Type: disk
            SCSI ID: {about["id"]}
            SCSI SN: {about["sn"]}
            Size: 537 MB, Block size: 512
            Online: Yes
            Backing store type: rdwr
            Backing store path: {about["path"]}
            Backing store flags:
    Account information:
    ACL information:
{about["acl"]}Target 2: iqn.2001-01.org.example:other
    ACL information:
        ALL
"""


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, []),
        ({"id": "IET     00010001"}, ["LUN 1 has SCSI ID IET     00010001, declared is "]),
        ({"path": "None"}, ["LUN 1 has Backing store path None, declared is /dev/vg_storage/left"]),
        ({"acl": f"        ALL\n        {CLIENT}\n"}, [": ALL may log in, and is not declared"]),
        ({"acl": "        255.255.255.255\n"}, [f": client {CLIENT} may not log in"]),
    ],
)
def test_tgt_against_what_is_declared(changes: dict[str, str], said: list[str]) -> None:
    found = compare.of_tgt("filer1", exported(), shown_by_tgt(**changes))
    assert len(found) == len(said)
    assert all(words in line for words, line in zip(said, found, strict=True)), found


def test_a_server_that_exports_nothing_lacks_the_target() -> None:
    assert compare.of_tgt("filer1", exported(), "") == ["target iqn.2006-01.com.openfiler:linuxtest1lv is missing"]


@pytest.mark.parametrize(
    ("kind", "said"),
    [("of_lio", "hello"), ("of_lio", "[1]"), ("of_lio", "{}"), ("of_lio", "[" * 99999), ("of_tgt", "hi")],
)
def test_what_is_no_such_file_is_not_compared(kind: str, said: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        getattr(compare, kind)("filer1", exported(), said)


def test_the_verb_ends_with_whether_it_differs(monkeypatch, capsysbinary, tmp_path) -> None:
    file = tmp_path / "said"
    file.write_text(shown_by_tgt())
    assert run(monkeypatch, exported(), "filer1", "tgt", str(file)) == 0
    assert b"server filer1 exports what is declared" in capsysbinary.readouterr().out
    file.write_text(shown_by_tgt(path="None"))
    assert run(monkeypatch, exported(), "filer1", "tgt", str(file)) == 2
    assert b"Backing store path None" in capsysbinary.readouterr().out
    for wrong in (str(file), str(tmp_path / "nowhere")):
        with pytest.raises(LunmirrorError):
            run(monkeypatch, exported(), "filer1", "lio", wrong)
