"""Files: read without waiting, replaced whole or not at all, whatever fails or dies in between."""

import errno
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lunmirror.engine.errors import HostError
from lunmirror.engine.model import ABSENT, Present, Unknown
from lunmirror.host import files, paths
from lunmirror.host.live import LiveHost
from lunmirror.host.protocol import ActionFailed


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# Reading


def test_what_is_there_is_present_and_what_is_not_absent(host: LiveHost, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x\0\xff")
    assert host.read(str(tmp_path / "f")) == Present(b"x\0\xff")
    assert host.read(str(tmp_path / "g")) == ABSENT
    assert host.read(str(tmp_path / "f" / "below")) == ABSENT


def test_what_cannot_be_read_is_unknown(host: LiveHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert host.read(str(tmp_path)) == Unknown(f"cannot read {str(tmp_path)!r}: it is a directory")
    assert isinstance(host.read("/nul\0"), Unknown)
    assert isinstance(host.read("/" + "x" * 5000), Unknown)
    (tmp_path / "loop").symlink_to("loop")
    assert isinstance(host.read(str(tmp_path / "loop")), Unknown)
    assert isinstance(host.link(str(tmp_path / "loop")), Unknown)
    with (tmp_path / "huge").open("wb") as huge:
        huge.truncate(files.MOST_READ + 1)
    assert "larger than 16 MiB" in repr(host.read(str(tmp_path / "huge")))
    for number in (errno.EIO, errno.EACCES, errno.ENODEV, errno.EMFILE):
        monkeypatch.setattr(os, "read", _failing(number))
        (tmp_path / "f").write_bytes(b"x")
        assert isinstance(host.read(str(tmp_path / "f")), Unknown)


def test_a_pipe_in_a_files_place_does_not_hold_us(host: LiveHost, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    started = time.monotonic()
    assert isinstance(host.read(str(tmp_path / "pipe")), Unknown)
    with pytest.raises(ActionFailed, match="not a regular file"):
        host.write(str(tmp_path / "pipe"), b"new", b"old", 0o644)
    assert time.monotonic() - started < 1


def test_a_directory_is_a_real_one_or_unknown(host: LiveHost, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    for name in "ba":
        (tmp_path / "d" / name).touch()
    assert host.directory(str(tmp_path / "d")) == Present(("a", "b"))
    assert host.directory(str(tmp_path / "none")) == ABSENT
    assert isinstance(host.directory(str(tmp_path / "d" / "a")), Unknown)


def test_a_link_is_followed_if_it_is_roots_alone(host: LiveHost, tmp_path: Path) -> None:
    (tmp_path / "away" / "nodes" / "inside").mkdir(parents=True)
    (tmp_path / "nodes").symlink_to("hop/../relative")
    (tmp_path / "hop").mkdir()
    (tmp_path / "relative").symlink_to(tmp_path / "away/./nodes")
    assert host.directory(str(tmp_path / "nodes")) == Present(("inside",))
    assert host.link(str(tmp_path / "nodes")) == Present(str(tmp_path / "away/nodes"))
    host.make_directory(str(tmp_path / "nodes"), 0o755)  # is there already
    for part, mode in (("away", 0o777), ("away", 0o720), ("away/nodes", 0o1777), ("hop", 0o702)):
        before = (tmp_path / part).stat().st_mode
        (tmp_path / part).chmod(mode)
        seen = host.directory(str(tmp_path / "nodes"))
        assert isinstance(seen, Unknown), part
        assert f"others may write to {tmp_path / part}" in seen.reason
        with pytest.raises(ActionFailed):
            host.make_directory(str(tmp_path / "nodes"), 0o755)
        (tmp_path / part).chmod(before)


@pytest.mark.parametrize("what", ["nowhere", "circle", "file", "a file on the way"])
def test_a_link_that_leads_to_no_directory(host: LiveHost, tmp_path: Path, what: str) -> None:
    (tmp_path / "file").touch()
    leads = {"nowhere": "none", "circle": "l", "file": "file", "a file on the way": "file/x"}[what]
    (tmp_path / "l").symlink_to(leads)
    assert isinstance(host.directory(str(tmp_path / "l")), Unknown)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize("whose", ["l", "d"])
def test_a_link_or_directory_of_somebody_else_is_not_followed(host: LiveHost, tmp_path: Path, whose: str) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "l").symlink_to("d")
    os.chown(tmp_path / whose, 1234, -1, follow_symlinks=False)
    seen = host.directory(str(tmp_path / "l"))
    assert isinstance(seen, Unknown)
    assert "user 1234" in seen.reason


def test_links_are_resolved_to_the_end(host: LiveHost, tmp_path: Path) -> None:
    (tmp_path / "f").touch()
    (tmp_path / "l").symlink_to("m")
    (tmp_path / "m").symlink_to("f")
    (tmp_path / "dangling").symlink_to("none")
    assert host.link(str(tmp_path / "l")) == Present(str(tmp_path / "f"))
    assert host.link(str(tmp_path / "dangling")) == ABSENT
    assert isinstance(host.read(str(tmp_path / "dangling")), Unknown), "something is there: not to be re-created"


def test_globbing(host: LiveHost, tmp_path: Path) -> None:
    for name in ("s1/device/t1/block/sda", "s1/device/t2/block/sdb", "s2/device", "other", ".hidden"):
        (tmp_path / name).mkdir(parents=True)
    top = str(tmp_path)
    assert host.glob(f"{top}/s*/device/t*/block/*") == (
        f"{top}/s1/device/t1/block/sda",
        f"{top}/s1/device/t2/block/sdb",
    )
    assert host.glob(f"{top}/s*/device") == (f"{top}/s1/device", f"{top}/s2/device")
    assert host.glob(f"{top}/s1") == (f"{top}/s1",)
    assert host.glob(f"{top}/none/*") == host.glob(f"{top}/none") == ()


@pytest.mark.parametrize(
    ("name", "pattern", "fits"),
    [
        ("session12", "session*", True),
        ("session", "session*", True),
        ("sess", "session*", False),
        ("aba", "a*a", True),
        ("a", "a*a", False),
        ("abcbd", "a*b*d", True),
        ("abd", "a*b*b*d", False),
        ("x.y", "x.y", True),
        ("x[y", "x[*", True),
    ],
)
def test_matching(name: str, pattern: str, fits: bool) -> None:
    assert files.matches(name, pattern) is fits


def test_a_directory_that_cannot_be_listed_is_not_empty(host: LiveHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "listdir", _failing(errno.EMFILE))
    with pytest.raises(HostError, match="too many open files"):
        host.glob("/sys/class/iscsi_session/*")


# Replacing


def test_a_new_file_has_its_mode_whatever_the_umask(host: LiveHost, tmp_path: Path) -> None:
    old = os.umask(0o077)
    try:
        host.write(str(tmp_path / "a"), b"x", None, 0o644)
    finally:
        os.umask(old)
    os.umask(0)
    host.write(str(tmp_path / "b"), b"secret", None, 0o600)
    os.umask(old)
    assert (mode(tmp_path / "a"), mode(tmp_path / "b")) == (0o644, 0o600)


def test_what_changed_meanwhile_is_left_alone(host: LiveHost, tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"theirs")
    for before, word in ((b"observed", "changed"), (None, "appeared")):
        with pytest.raises(ActionFailed, match=f"{word} since it was observed"):
            host.write(str(file), b"ours", before, 0o644)
    with pytest.raises(ActionFailed, match="is gone since it was observed"):
        host.write(str(tmp_path / "g"), b"ours", b"observed", 0o644)
    with pytest.raises(ActionFailed, match="changed since"):
        host.remove(str(file), b"observed")
    assert file.read_bytes() == b"theirs"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["f"]


def test_the_owner_of_a_replaced_file_stays(host: LiveHost, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to give a file away")
    file = tmp_path / "f"
    file.write_bytes(b"old")
    os.chown(file, 12, 34)
    host.write(str(file), b"new", b"old", 0o640)
    state = file.stat()
    assert (state.st_uid, state.st_gid, mode(file), file.read_bytes()) == (12, 34, 0o640, b"new")


def test_fstab_keeps_its_mode_and_may_be_a_link(host: LiveHost, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    real = tmp_path / "real" / "fstab"
    real.write_bytes(b"old")
    real.chmod(0o664)
    Path(paths.FSTAB).symlink_to(real)
    host.write(paths.FSTAB, b"new", b"old", 0o644)
    assert Path(paths.FSTAB).is_symlink()
    assert (real.read_bytes(), mode(real)) == (b"new", 0o664)


def test_any_other_link_is_refused(host: LiveHost, tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"old")
    (tmp_path / "link").symlink_to("target")
    for change in (
        lambda: host.write(str(tmp_path / "link"), b"new", b"old", 0o600),
        lambda: host.remove(str(tmp_path / "link"), b"old"),
    ):
        with pytest.raises(ActionFailed, match="a symbolic link where none may be"):
            change()
    assert (tmp_path / "target").read_bytes() == b"old"


def test_a_link_in_the_temporary_files_place_leads_nowhere(host: LiveHost, tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"precious")
    (tmp_path / paths.SCRATCH).symlink_to("victim")
    host.write(str(tmp_path / "f"), b"new", None, 0o600)
    assert (tmp_path / "victim").read_bytes() == b"precious"
    assert (tmp_path / "f").read_bytes() == b"new"
    assert not (tmp_path / "f").is_symlink()


def test_the_temporary_file_lies_in_the_scratch_directory(
    host: LiveHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nodes").mkdir()
    seen = []
    rename = os.rename
    monkeypatch.setattr(os, "rename", lambda a, b: (seen.append((a, os.listdir(tmp_path / "nodes"))), rename(a, b)))
    host.write(str(tmp_path / "nodes" / "default"), b"x", None, 0o600, scratch=str(tmp_path))
    assert seen == [(str(tmp_path / paths.SCRATCH), [])]


# What fails, and what dies


STEPS = ("open", "write", "fchmod", "fsync", "rename")


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(
    ("number", "said"),
    [(errno.ENOSPC, "the file system is full"), (errno.EROFS, "read-only"), (errno.EIO, "input/output")],
)
def test_a_failure_changes_nothing_and_leaves_nothing(
    host: LiveHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, number: int, said: str
) -> None:
    (tmp_path / "f").write_bytes(b"old")
    with monkeypatch.context() as broken:
        broken.setattr(os, step, _failing(number))
        with pytest.raises(ActionFailed, match=f"cannot write .*/f: .*{said}"):
            host.write(str(tmp_path / "f"), b"new", b"old", 0o600)
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("f", b"old")]


def test_a_disk_that_takes_a_little_at_a_time_gets_all(
    host: LiveHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda number, data: write(number, bytes(data)[:3]))
    host.write(str(tmp_path / "f"), b"0123456789", None, 0o600)
    assert (tmp_path / "f").read_bytes() == b"0123456789"


@pytest.mark.real
@pytest.mark.parametrize("step", [*STEPS, "after"])
def test_a_crash_leaves_the_old_file_or_the_new_one(host: LiveHost, tmp_path: Path, step: str) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"old")
    pid = os.fork()
    if pid == 0:
        if step == "after":
            rename = os.rename
            os.rename = lambda a, b: (rename(a, b), os.kill(os.getpid(), 9))
        else:
            setattr(os, step, lambda *_, **__: os.kill(os.getpid(), 9))
        host.write(str(file), b"new", b"old", 0o600)
        os._exit(0)
    assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == 9
    now = file.read_bytes()
    assert now == (b"new" if step == "after" else b"old")
    assert {p.name for p in tmp_path.iterdir()} <= {"f", paths.SCRATCH}
    host.write(str(file), b"newer", now, 0o600)  # the next pass is not troubled by what was left
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("f", b"newer")]


def test_what_another_program_wrote_is_brought_to_the_disk(
    host: LiveHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its bytes and the directories above it, since the program may have made them."""
    record = tmp_path / "iqn.x" / "192.0.2.1,3260,1" / "default"
    host.flush(str(record))
    record.parent.mkdir(parents=True)
    record.write_text("node.name = x\n")
    synced = []
    monkeypatch.setattr(os, "fsync", lambda number: synced.append(os.readlink(f"/proc/self/fd/{number}")))
    host.flush(str(record))
    assert synced == [str(record), str(record.parent), str(record.parent.parent), str(tmp_path)]
    monkeypatch.undo()
    host.flush(f"{record}/default")


def test_a_file_system_that_takes_nothing_is_reported(
    host: LiveHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert host.no_room(str(tmp_path)) == host.no_room("/nowhere") == ""
    real = os.statvfs(tmp_path)
    for flag, left, told in ((os.ST_RDONLY, 9, "the file system is read-only"), (0, 0, "the file system is full")):
        fake = os.statvfs_result((*real[:4], left, *real[5:8], flag, real[9], *real[10:]))
        monkeypatch.setattr(os, "statvfs", lambda directory, fake=fake: fake)
        assert host.no_room(str(tmp_path)) == told


def test_removing(host: LiveHost, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"old")
    host.remove(str(tmp_path / "f"), b"old")
    assert not (tmp_path / "f").exists()
    with pytest.raises(ActionFailed, match="is gone since it was observed"):
        host.remove(str(tmp_path / "f"), b"old")


def test_directories_are_made_with_their_parents(host: LiveHost, tmp_path: Path) -> None:
    os.umask(0o077)
    (tmp_path / "a").mkdir(mode=0o711)
    host.make_directory(str(tmp_path / "a" / "b" / "c"), 0o755)
    assert [mode(tmp_path / p) for p in ("a", "a/b", "a/b/c")] == [0o700, 0o755, 0o755]
    host.make_directory(str(tmp_path / "a"), 0o755)
    assert mode(tmp_path / "a") == 0o700  # what is there is left as it is
    (tmp_path / "f").touch()
    (tmp_path / "l").symlink_to("nowhere")
    for name in ("f", "l", "f/below"):
        with pytest.raises(ActionFailed, match="cannot make the directory"):
            host.make_directory(str(tmp_path / name), 0o755)


@pytest.mark.real
def test_a_kernel_value_is_written_and_refusals_are_reported(host: LiveHost, tmp_path: Path) -> None:
    (tmp_path / "v").write_text("120\n")
    host.write_value(str(tmp_path / "v"), "15")
    assert (tmp_path / "v").read_text() == "150\n"  # as a kernel attribute is written: no truncation, one write
    with pytest.raises(ActionFailed, match=r"cannot write '15' to .*/none: it does not exist"):
        host.write_value(str(tmp_path / "none"), "15")


@pytest.mark.real
def test_a_kernel_value_that_hangs_does_not_hold_us(
    host: LiveHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lunmirror.host.live.VALUE_DEADLINE", 0.2)
    monkeypatch.setattr(files, "write_value", lambda *_: time.sleep(30))
    with pytest.raises(ActionFailed, match=r"did not end within 0.2 s"):
        host.write_value(str(tmp_path / "delete"), "1")


@pytest.mark.real
def test_waiting_for_a_path(host: LiveHost, tmp_path: Path) -> None:
    pid = os.fork()
    if pid == 0:
        time.sleep(0.2)
        (tmp_path / "disk7").touch()
        os._exit(0)
    host.await_path((str(tmp_path / "none"), str(tmp_path / "disk*")), 5)
    os.waitpid(pid, 0)
    with pytest.raises(ActionFailed, match=r"never did not appear within 0.1 s"):
        host.await_path((str(tmp_path / "never"),), 0.1)


def _failing(number: int) -> Callable[..., None]:
    def fail(*args: object, **kwargs: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail
