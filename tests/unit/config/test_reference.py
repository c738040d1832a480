"""What is reported about the keys, and the files that are shipped."""

from pathlib import Path

import pytest
import tomli
from pydantic import TypeAdapter

from lunmirror import config
from lunmirror.config import docs, publish
from lunmirror.config.explanation import explanations
from lunmirror.config.schema import Document
from lunmirror.engine.errors import UsageError

ROOT = Path(__file__).parents[3]
ETC = ROOT / "etc" / "lunmirror"
SHIPPED = [ETC / "lunmirror.toml", *sorted((ETC / "examples").glob("*.toml"))]


def keys_in(schema, node, prefix=""):
    """Every key path that the JSON Schema knows."""
    if "$ref" in node:
        node = schema["$defs"][node["$ref"].rpartition("/")[2]]
    for choice in node.get("anyOf", []):
        yield from keys_in(schema, choice, prefix)
    for name, inner in node.get("properties", {}).items():
        yield prefix + name
        yield from keys_in(schema, inner, f"{prefix}{name}.")
    for inner in node.get("patternProperties", {}).values():
        yield from keys_in(schema, inner, f"{prefix}*.")


def test_every_key_is_explained_and_nothing_else():
    schema = config.json_schema()
    explained = [one.key for one in explanations()]
    assert sorted(set(keys_in(schema, schema))) == sorted(explained)
    assert len(set(explained)) == len(explained)


@pytest.mark.parametrize("one", explanations(), ids=lambda one: one.key)
def test_an_explanation_is_whole(one):
    assert all((one.title, one.meaning, one.written, one.effect, one.examples))
    assert one.meaning.endswith(".")
    for example in one.examples:
        tomli.loads(example)


@pytest.mark.parametrize(
    ("asked", "key"),
    [
        ("version", "version"),
        ("policy.stall_budget", "policy.stall_budget"),
        ("stall_budget", "policy.stall_budget"),
        ("startup", "policy.startup"),
        ("servers.filer1.startup", "servers.*.startup"),
        ("servers.*.startup", "servers.*.startup"),
        ("servers.filer1", "servers"),
        ("servers.filer1.portals[0]", "servers.*.portals"),
        ('servers."a.b".chap.mutual.username', "servers.*.chap.mutual.username"),
        ('servers.filer1.settings."node.session.cmds_max"', "servers.*.settings"),
        ("servers.filer1.settings.node.session.cmds_max", "servers.*.settings"),
        ("disks", "disks"),
        ("disks.left", "disks"),
        ("groups.vg0.disks", "groups.*.disks"),
        ("groups.vg0", "groups"),
        ("groups.vg0.volumes.testlv", "groups.*.volumes"),
        ("groups.vg0.volumes.testlv.size", "groups.*.volumes.*.size"),
        ("groups.vg0.volumes.testlv.mount.path", "groups.*.volumes.*.mount.path"),
        ("overwrite", "disks.*.overwrite"),
    ],
)
def test_explain(asked, key):
    assert config.explain(asked).key == key
    assert str(config.explain(asked)).startswith(key + ": ")


@pytest.mark.parametrize(
    ("asked", "near"),
    [
        ("stall_bugdet", "policy.stall_budget"),
        ("policy.stal_budget", "policy.stall_budget"),
        ("disks.a.lum", "disks.*.lun"),
    ],
)
def test_an_unknown_key_names_the_nearest(asked, near):
    with pytest.raises(UsageError) as caught:
        config.explain(asked)
    assert caught.value.next == f"did you mean {near}?"


@pytest.mark.parametrize("asked", ["", ".", "[", '"', "a" * 9999, "\x1b[2J", "groups.vg0.disks.left"])
def test_nonsense_is_an_unknown_key(asked):
    with pytest.raises(UsageError) as caught:
        config.explain(asked)
    assert "\x1b" not in str(caught.value)


def test_other_keys_of_the_same_name_are_reported():
    assert config.explain("startup").also == ("servers.*.startup",)


def test_the_derivation_is_shown(write, base):
    desired = config.load(write(base))
    sums = "3 (noop_out_interval) + 3 (noop_out_timeout) + 6 (replacement_timeout) + 3 (margin) = 15 s"
    outlives = (
        "each try of a command: 9 (command_timeout) x (1 (max_retries) + 1) = 18 s, more than 16 s, so that a command"
        " outlives an outage that the session survives"
    )
    errors = "eh_timeout 9 s, abort_timeout 2 s, lu_reset_timeout 2 s, tgt_reset_timeout 2 s"
    hung = (
        "I/O that hangs behind live pings is not within the budget; raid1: about"
        " 2 x (1 (max_retries) + 1) x (3 x 9 (command_timeout) + 2 (abort_timeout) + 3) = 128 s at most"
    )
    four = (sums, outlives, errors, hung)
    both = tuple(f"{name}: {line}" for name in ("filer1", "filer2") for line in four)
    assert config.explain("stall_budget", desired).derived == both
    assert config.explain("policy.stall_budget", desired).derived == both
    assert config.explain("servers.filer2.replacement_timeout", desired).derived == both[4:]
    assert config.explain("stall_budget").derived == tuple(f"by default {line}" for line in four)
    assert config.explain("version", desired).derived == ()


def test_the_reference_is_current():
    text = (ROOT / docs.REFERENCE).read_text()
    assert text == docs.reference(), "run `make generate`"


def test_the_shipped_schema_is_current():
    text = (ROOT / docs.SCHEMA).read_text()
    assert text == publish.json_schema_text(), "run `make generate`"


def test_docs_writes_both(tmp_path):
    docs.main(str(tmp_path))
    assert (tmp_path / docs.REFERENCE).read_text() == docs.reference()
    assert (tmp_path / docs.SCHEMA).read_text() == publish.json_schema_text()


@pytest.fixture
def shipped(write):
    for name in ("secrets/filer1", "secrets/filer2", "filer2-chap", "secrets/filer2-mutual"):
        write(f"secret of {name}", name)
    return lambda path: write(path.read_text())


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.name)
def test_what_is_shipped_is_right(path, shipped):
    desired = config.load(shipped(path))
    assert desired.volumes
    first, _, _ = path.read_text().partition("\n")
    assert first.startswith("#:schema ")
    assert (path.parent / first.removeprefix("#:schema ")).resolve() == (ROOT / docs.SCHEMA).resolve()


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.name)
def test_pydantic_alone_agrees_with_what_is_shipped(path):
    """The drafts judge value by value; the schema as a whole must take the same documents."""
    tables = tomli.loads(path.read_text())
    for server in tables["servers"].values():
        assert TypeAdapter(dict).validate_python(server)
    for group in tables["groups"].values():
        for volume in group["volumes"].values():
            if isinstance(volume.get("filesystem"), str):
                volume["filesystem"] = {"type": volume["filesystem"]}
            if isinstance(volume.get("mount"), str):
                volume["mount"] = {"path": volume["mount"]}
    Document.model_validate(tables)


def test_the_second_server_comes_by_uncommenting(write):
    text = (ETC / "examples" / "second-server-later.toml").read_text()
    kept = [line for line in text.splitlines() if not line.startswith(('disks = ["left"]', "type "))]
    desired = config.load(write("\n".join(line.removeprefix("#2 ") for line in kept)))
    assert desired.volumes["vg0/testlv"].legs == ("left", "right")
    assert desired.volumes["vg0/testlv"].type == "raid1"
