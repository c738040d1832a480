import pytest

from lunmirror.config import compile_texts
from lunmirror.engine.errors import ConfigError
from sim.stage import text

BOTH = (
    text(partition=False)
    .replace("[servers.filer1]", "[servers.filer1]\nmultipath = true")
    .replace("[servers.filer2]", "[servers.filer2]\nmultipath = true")
)


def test_it_is_off_unless_declared():
    assert not any(s.multipath for s in compile_texts([("/x.toml", text(partition=False))]).servers.values())
    assert all(s.multipath for s in compile_texts([("/x.toml", BOTH)]).servers.values())


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('replacement_timeout = "0s"', "replacement_timeout is 0 s"),
        ('replacement_timeout = "4s"', "multipath is true on both"),
    ],
)
def test_multipathd_has_one_number_and_none_below_one(line, said):
    with pytest.raises(ConfigError) as caught:
        compile_texts([("/x.toml", BOTH.replace("[servers.filer1]", f"[servers.filer1]\n{line}"))])
    (problem,) = caught.value.problems
    assert said in problem.what
    assert "multipath" in problem.where


def test_a_partition_on_a_map_is_not_lunmirrors():
    one = BOTH.replace("[disks.left]", "[disks.left]\npartition = true")
    with pytest.raises(ConfigError) as caught:
        compile_texts([("/x.toml", one)])
    (problem,) = caught.value.problems
    assert problem.what == "partition is true, and so is multipath of server filer1"
