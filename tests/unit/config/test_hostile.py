"""Anything at all is a configuration, or an error of sentences; never a traceback, a hang or a control character."""

import json
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lunmirror import config
from lunmirror.config.drafts import toml
from lunmirror.config.explanation import keys
from lunmirror.config.schema import Document
from lunmirror.engine.desired import Desired
from lunmirror.engine.errors import ConfigError

ROOT = Path(__file__).parents[3]
ARTICLE = (ROOT / "etc" / "lunmirror" / "examples" / "article.toml").read_text()
WORDS = sorted({part for pattern, _ in keys() for part in pattern.split(".") if part != "*"})
VALUES = ["1", "-1", "true", '""', '"15s"', '"512MiB"', '"left"', '"filer1"', "[]", '["left", "right"]', "{}", "nan"]
VALUES += [
    "1979-05-27",
    '"\\u0000"',
    '"/mnt/x"',
    '"ext4"',
    "9" * 30,
    '"\\ud7ff\\u202e"',
    '{ path = "/x" }',
    "[[1]]",
    "1e400",
]
QUICK = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])


def said_in_sentences(error):
    assert error.problems
    for problem in error.problems:
        assert problem.what
        why = problem.why.replace("\n", "")  # a fault of syntax shows the line, and a caret below it
        assert all(part.isprintable() for part in (problem.where, problem.what, why, problem.next))


def judged(text):
    """Compile one text; whatever is wrong with it is said in sentences."""
    try:
        desired = config.compile_texts([("/nowhere/lunmirror.toml", text)])
    except ConfigError as error:
        said_in_sentences(error)
        return None
    assert isinstance(desired, Desired)
    json.dumps(desired)
    return desired


@given(st.text())
@QUICK
@example("version = 1")
def test_any_text(text):
    judged(text)


@given(st.binary())
@QUICK
def test_any_bytes(write, content):
    path = write(content)
    try:
        config.load(path, compiled="")
    except ConfigError as error:
        said_in_sentences(error)


@given(st.integers(0, len(ARTICLE)), st.integers(0, 40), st.text(max_size=10))
@QUICK
def test_the_article_with_a_piece_replaced(start, length, piece):
    judged(ARTICLE[:start] + piece + ARTICLE[start + length :])


NAMES = st.sampled_from([*WORDS, "left", "filer1", "vg0", "testlv", '"a b"', '"\\u0007"', '"."'])


@given(
    st.lists(
        st.tuples(st.lists(NAMES, min_size=1, max_size=6), st.sampled_from(VALUES)),
        max_size=8,
    )
)
@QUICK
def test_any_value_anywhere(pairs):
    judged("version = 1\n" + "".join(f"{'.'.join(key)} = {value}\n" for key, value in pairs))


LEAVES = st.one_of(
    st.text(max_size=5),
    st.integers(),
    st.booleans(),
    st.floats(),
    st.sampled_from(["left", "right", "filer1", "raid1"]),
)
TREES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4)
)


@given(st.dictionaries(st.sampled_from(["version", "policy", "servers", "disks", "groups", "x"]), TREES))
@QUICK
def test_any_tree(tree):
    from lunmirror.config import checks, drafts, timeouts
    from lunmirror.config.problems import Problems

    problems = Problems()
    made = drafts.draft(Document, tree, (), problems)
    timeouts.resolve(made, problems)
    checks.check(made, "/nowhere", problems)
    assert all(problem.what.isprintable() for problem in problems.found)


def test_a_large_configuration_is_compiled_in_time():
    import time

    text = "version = 1\n"
    for n in range(500):
        for side in ("a", "b"):
            text += f'[servers.s{n}{side}]\nportals = ["{side}{n}.example.com"]\n'
            text += f'[disks.d{n}{side}]\nserver = "s{n}{side}"\ntarget = "iqn.2006-01.com.x:{n}{side}"\nlun = 1\n'
        text += f'[groups.g{n}]\ndisks = {toml([f"d{n}a", f"d{n}b"])}\n[groups.g{n}.volumes.v]\nsize = "1GiB"\n'
    started = time.process_time()
    assert len(judged(text).volumes) == 500
    assert time.process_time() - started < 20
    started = time.process_time()
    assert judged(text.replace('server = "s', 'server = "t')) is None
    assert time.process_time() - started < 20
