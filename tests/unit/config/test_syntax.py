"""A fault of syntax is shown where it is, with a guess."""

import pytest

from lunmirror import config
from lunmirror.engine.errors import ConfigError

TABLE = {
    # the text -> line, column of the caret, a part of `why`, a part of `next`
    "curly quotes": ("version = 1\n[groups.vg0]\ndisks = [“left”]\n", 3, 10, "invalid value", "straight ones"),
    "True": ("version = True\n", 1, 11, "invalid value", "TOML writes true"),
    "no": ("version = no\n", 1, 11, "", "TOML writes false"),
    "null": ("version = null\n", 1, 11, "", "no null"),
    "a no-break space": ("version\u00a0= 1\n", 1, 8, "", "space that is not a plain one"),
    "a bare word": ("version = 1\n[policy]\nstartup = manual\n", 3, 0, "", 'startup = "manual"'),
    "a bare size": ("version = 1\nsize = 10GiB\n", 2, 0, "", 'size = "10GiB"'),
    "a bare path": ("mount = /mnt/test\n", 1, 0, "", 'mount = "/mnt/test"'),
    "YAML": ("version: 1\n", 1, 0, "", "not key: value"),
    "an open header": ("version = 1\n[servers.filer1\n", 2, 0, "", "ends with a bracket"),
    "an open text": ('version = 1\nx = "abc\n', 2, 0, "", "ends with the quote"),
    "an open list": ('version = 1\n[groups.vg0]\ndisks = ["a",\n', 4, 0, "end of the file", "line 3 opens"),
    "no value": ("version =\n", 1, 0, "", "a value is missing"),
    "a table twice": (
        *("version = 1\n[servers.filer1]\na = 1\n[servers.filer1]\n", 4, 1),
        *("[servers.filer1] stands here a second time, first on line 2", "join the two"),
    ),
    "a key twice": ("version = 1\n[policy]\na = 1\na = 2\n", 4, 1, "a stands here a second time, first on line 3", "join"),
    "a table over a value": ("[a]\nb = { c = 1 }\n[a.b]\n", 3, 1, "[a.b] stands here a second time, and line 2 has made it already", ""),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLE)
def test_a_fault_is_shown_where_it_is(name: str) -> None:
    text, line, column, why, next_ = TABLE[name]
    with pytest.raises(ConfigError) as caught:
        config.compile_texts([("/etc/l.toml", text)])
    (problem,) = caught.value.problems
    assert problem.what == "the file is not TOML"
    assert problem.where == f"/etc/l.toml:{line}"
    assert why in problem.why
    assert next_ in problem.next
    assert "('" not in problem.why  # no tuple of Python
    if "\n" in problem.why:
        shown, caret = problem.why.splitlines()[-2:]
        assert shown.strip() == text.split("\n")[line - 1].strip().replace("\u00a0", "␣")
        assert caret.strip() == "^"
        if column:
            assert caret.index("^") - 4 == column - 1


def test_a_long_line_is_cut_around_the_fault() -> None:
    with pytest.raises(ConfigError) as caught:
        config.compile_texts([("l.toml", f'x = ["{"a" * 300}", True]\n')])
    shown, caret = caught.value.problems[0].why.splitlines()[-2:]
    assert len(shown) <= 80
    assert len(caret) <= 82


@pytest.mark.parametrize(
    ("header", "where"),
    [
        ("volumes.testlv", "[groups.NAME.volumes.NAME]"),
        ("policy.mount", "[groups.NAME.volumes.NAME]"),
        ("servers.filer1.overwrite", "[disks.NAME]"),
    ],
)
def test_a_key_at_the_wrong_level_is_led_to_the_right_one(header: str, where: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config.compile_texts([("l.toml", f"version = 1\n[{header}]\n")])
    assert where in next(p.next for p in caught.value.problems if "not a known key" in p.what)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("stall", ["policy.stall_budget"]),
        ("noop", ["noop_out_interval", "noop_out_timeout"]),
        ("raid1", ["groups.*.volumes.*.type"]),
        ("multipath-no-such-word", []),
        ("x", []),
    ],
)
def test_explain_finds_by_any_part(asked: str, found: list[str]) -> None:
    keys = [row.key for row in config.search(asked)]
    assert all(any(key.endswith(one) for key in keys) for one in found)
    assert bool(keys) == bool(found)


def test_explain_takes_the_end_of_a_key() -> None:
    assert config.explain("mount.options").key == "groups.*.volumes.*.mount.options"
    assert "groups.*.volumes.*.size" in (config.explain("size").key, *config.explain("size").also)
