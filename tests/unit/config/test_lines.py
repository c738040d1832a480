import time

import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st

from lunmirror.config.lines import scan

TEXT = (
    r'''# a comment [not.a.table]
version = 1
top.dotted . key = "x"   # dotted = 5

[servers.filer1]   # header comment
portals = [
    "192.168.1.115",  # , "not an item"
    # a comment between
    "a,b]", [ 1,
    2 ],
]
"quoted.key" = 'lit # eral'
'other key'=5
"esc\u0061ped" = """
[not.a.table]
x = 1
a quote "" and an escaped \""" one
""""
inline = { a = 1, b = "}" }
after = 1

[ groups . vg0 . volumes."my.lv" ]
size = "1"
long = '''
    """'''
[x]
'''"""
    r"""
end = 1
[[things]]
a = 1
[[things]]
a = 2
[things.sub]
b = 1
"""
)


def lines_of(text):
    return scan(text).by_key


def test_every_kind_of_key():
    tomli.loads(TEXT)
    found = lines_of(TEXT)
    numbered = dict(enumerate(TEXT.splitlines(), 1))
    expected = {
        ("version",): "version",
        ("top", "dotted", "key"): "top",
        ("servers", "filer1"): "[servers",
        ("servers", "filer1", "portals"): "portals",
        ("servers", "filer1", "portals", 0): '    "192',
        ("servers", "filer1", "portals", 1): '    "a,b',
        ("servers", "filer1", "portals", 2): '    "a,b',
        ("servers", "filer1", "quoted.key"): '"quoted',
        ("servers", "filer1", "other key"): "'other",
        ("servers", "filer1", "escaped"): '"esc',
        ("servers", "filer1", "inline"): "inline",
        ("servers", "filer1", "after"): "after",
        ("groups", "vg0", "volumes", "my.lv"): "[ groups",
        ("groups", "vg0", "volumes", "my.lv", "end"): "end",
        ("things",): "[[things",
        ("things", 1, "a"): "a = 2",
        ("things", 1, "sub", "b"): "b = 1",
    }
    for key, start in expected.items():
        assert numbered[found[key]].startswith(start), key
    assert not any("not" in key or "x" in key for key in found)


def test_the_nearest_table_stands_for_what_is_missing():
    lines = scan("a = 1\n[b.c]\nd = 2\n")
    assert lines.find(("b", "c", "missing", "deep")) == (2, 2)
    assert lines.find(("b", "c", "d")) == (3, 3)
    assert lines.find(("zz",)) == (0, 0)


def test_windows_line_ends():
    assert lines_of("a = 1\r\n[b]\r\nc = 2\r\n") == {("a",): 1, ("b",): 2, ("b", "c"): 3}


def test_a_key_with_too_many_parts():
    assert scan("a = 1\n" + ".".join("b" * 17) + " = 1").too_deep == 2
    assert not scan(".".join("b" * 16) + " = 1").too_deep


def paths_in(value, at=()):
    for name, inner in value.items():
        yield (*at, name)
        if isinstance(inner, dict):
            yield from paths_in(inner, (*at, name))


KEYS = st.text("ab.\"'\\#=[] é", min_size=1, max_size=4)
VALUES = st.sampled_from(
    ['"x # y"', "'a'", "[1, 2,\n 3]", '"""\n[t]\nx=1\n"""', "1", "{ }", "[ [ ']' ], '''\n'''\n]"]
)


@given(st.dictionaries(KEYS, st.dictionaries(KEYS, VALUES, max_size=3), max_size=4))
def test_every_key_that_tomli_finds_has_its_line(tables):
    def quote(key):
        return '"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'

    text, expected = "", {}
    for table, pairs in tables.items():
        expected[(table,)] = text.count("\n") + 1
        text += f"[{quote(table)}]\n"
        for key, value in pairs.items():
            expected[(table, key)] = text.count("\n") + 1
            text += f"{quote(key)} = {value} # c\n"
    assert set(paths_in(tomli.loads(text))) == set(expected)
    found = lines_of(text)
    assert {key: found.get(key) for key in expected} == expected


@given(st.text("ab=[]{}\"'\\#.\n,1 \r\t", max_size=60))
def test_any_text_is_scanned(text):
    for line in scan(text).by_key.values():
        assert 1 <= line <= text.count("\n") + 1


@pytest.mark.parametrize(
    "unit",
    ["[", '"', "'", '"""', "'''", 'a="""\\"', "a.", "a=[", "[a]\n", "a=1\n", "\\", '"\\', "#", "a=[1,\n", "[[a]]\n"],
)
def test_a_megabyte_is_scanned_in_seconds(unit):
    started = time.process_time()
    scan(unit * (2**20 // len(unit)))
    assert time.process_time() - started < 10
