"""`init` on the simulated machine: it logs in to nothing, writes nothing, and what it prints is valid."""

import re
from pathlib import Path
from typing import Any

import pytest
import tomli

from lunmirror import config
from lunmirror.cli.commands.init import servers, write
from lunmirror.cli.main import main
from lunmirror.engine.errors import ConfigError, UsageError
from lunmirror.engine.execute import Executor
from lunmirror.engine.reconcile import run_pass
from lunmirror.setup.init import Answer, init
from sim.handmade import Hand, article, blank
from sim.machine import SimHost
from sim.world import World

PLACE = "/etc/lunmirror/lunmirror.toml"
BOTH = ["filer1=192.168.1.115", "filer2=192.168.1.120"]
ONE = "iqn.2006-01.com.openfiler:linuxtest1lv"


def proposed(world: World, given: list[str] = BOTH, *targets: str, lun: int | None = None) -> Answer:
    before = dict(world.files), len(world.sessions), [lun_.fingerprint() for *_, lun_ in world.luns()]
    host = SimHost(world)
    found = init(servers(given, list(targets), []), lun, "vg0", host, PLACE)
    assert host.changed == []
    assert (dict(world.files), len(world.sessions), [lun_.fingerprint() for *_, lun_ in world.luns()]) == before
    config.compile_texts([(PLACE, found.text)])
    return found


def said(found: Answer) -> str:
    return re.sub(r"\n#\s+", " ", found.text)


def test_two_addresses_and_a_lun_are_a_configuration_that_works() -> None:
    world = Hand(bystanders=True).world
    found = proposed(world, lun=1)
    assert int(found.exit) == 0, found.text
    assert f"server filer1 announces {ONE}" in said(found)
    text = found.text.replace("# [groups.vg0.volumes.data]\n# ", "[groups.vg0.volumes.data]\n")
    at = text.index("[groups.vg0.volumes.data]")
    text = text[:at] + text[at:].replace("\n# ", "\n").replace("10GiB", "64MiB")
    desired = config.compile_texts([(PLACE, text)])
    for _ in range(6):
        host = SimHost(world)
        run_pass("apply", "run", desired, host, Executor(host))
        world.assert_safe()
        world.advance(60.0)
    assert [m.path for m in world.mounts] == ["/srv/data"]
    assert "".join(leg.letter for leg in world.active("data").legs) == "AA"


def test_without_a_login_the_lun_is_not_guessed() -> None:
    found = proposed(Hand().world)
    assert int(found.exit) == 4
    assert "which LUN" in said(found)
    assert set(tomli.loads(found.text)) == {"version", "servers"}
    taken = "\n".join(
        line.removeprefix("# ") for line in found.text.splitlines() if re.match(r"# (\[|[a-z_]+ = )", line)
    )
    skeleton = tomli.loads(f"version = 1\n{taken}")
    assert [d["server"] for d in skeleton["disks"].values()] == ["filer1", "filer2"]
    assert skeleton["groups"]["vg0"]["disks"] == list(skeleton["disks"])


def test_the_only_blank_lun_of_a_login_is_proposed() -> None:
    luns = {name: {1: blank(), 4: blank()} for name in ("filer1", "filer2")}
    hand = Hand(luns=luns).logged_in()
    for server in luns:
        hand.lun(server).body.signature = {"TYPE": "ext4", "UUID": "11111111-2222-4333-8444-555555555555"}
    hand.world.version += 1
    found = proposed(hand.world)
    assert int(found.exit) == 0, found.text
    assert [d["lun"] for d in tomli.loads(found.text)["disks"].values()] == [4, 4]
    assert f"LUN 1 of {ONE} at 192.168.1.115:3260 holds ext4 signature" in said(found)
    assert f"LUN 4 of {ONE} at 192.168.1.115:3260 is blank (512 MiB)" in said(found)


def test_what_is_in_use_is_shown_and_not_proposed() -> None:
    world = article().world
    world.unmount("/mnt/test")
    found = proposed(world)
    assert int(found.exit) == 4
    assert "carries physical volume JINpaF-WiCp-sEH2-2PcK-bEvR-ht8j-mRAg05 of volume group vg0" in said(found)
    assert "disks" not in tomli.loads(found.text)


def test_of_several_targets_none_is_chosen() -> None:
    world = Hand().world
    world.servers["filer1"].targets["iqn.2006-01.com.openfiler:other"] = {1: blank()}
    found = proposed(world, lun=1)
    assert int(found.exit) == 4
    assert "choose one with `--target filer1=IQN`" in said(found)
    assert "announces iqn.2006-01.com.openfiler:other" in said(found)
    chosen = proposed(world, BOTH, f"filer1={ONE}", lun=1)
    assert int(chosen.exit) == 0
    assert tomli.loads(chosen.text)["disks"]["filer1-lun1"]["target"] == ONE


@pytest.mark.parametrize("state", ["cut", "refusing"])
def test_without_one_server_the_rest_is_proposed(state: str) -> None:
    world = Hand().world
    world.servers["filer2"].become(state)
    found = proposed(world, lun=1)
    assert int(found.exit) == 4
    assert "server filer2: which target? it does not answer at 192.168.1.120:3260" in said(found)
    named = proposed(world, BOTH, "filer2=iqn.2006-01.com.openfiler:linuxtest1lv-2", lun=1)
    assert int(named.exit) == 0


def test_one_server_to_begin_with() -> None:
    found = proposed(Hand(1).world, BOTH[:1], lun=1)
    assert int(found.exit) == 0
    assert '# type = "linear"' in found.text


def test_a_secret_is_named_by_its_file_and_judged(tmp_path: Path) -> None:
    secret = tmp_path / "filer1"
    secret.write_text("correct horse\n")
    secret.chmod(0o600)
    tmp_path.chmod(0o755)
    asked = servers(BOTH, [], [f"filer1=client1:{secret}"])
    found = init(asked, 1, "vg0", SimHost(Hand().world), PLACE)
    assert "correct horse" not in found.text
    assert tomli.loads(found.text)["servers"]["filer1"]["chap"] == {
        "username": "client1",
        "password_file": str(secret),
    }
    secret.chmod(0o644)
    with pytest.raises(ConfigError, match="cannot be used"):
        init(asked, 1, "vg0", SimHost(Hand().world), PLACE)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ([], "init needs --server NAME=ADDRESS"),
        (["--server", "192.168.1.115"], "a name, = and a value are meant"),
        (["--server", "Filer=192.168.1.115"], "is not a name that lunmirror takes"),
        (["--server", "filer1=300.1.1.1"], "is not a portal"),
        ([*("--server", "filer1=10.0.0.1") * 2], "is given twice"),
        (["--server", "filer1=10.0.0.1", "--target", "filer2=iqn.2006-01.x:y"], "there is no server 'filer2'"),
        (["--server", "filer1=10.0.0.1", "--target", "filer1=x"], "is not the name of an iSCSI target"),
        (["--server", "filer1=10.0.0.1", "--chap", "filer1=client1"], "a file of the secret is missing"),
        (["--server", "filer1=10.0.0.1", "--lun", "one"], "is no LUN"),
    ],
)
def test_a_wrong_command_line_ends_with_64(
    capsys: pytest.CaptureFixture[str], monkeypatch: Any, line: list[str], words: str
) -> None:
    monkeypatch.setattr("sys.stdin", None)
    assert main(["init", *line]) == 64
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err


def test_a_file_that_is_there_is_never_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "lunmirror.toml"
    write(str(file), "version = 1\n")
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("version = 1\n", 0o644)
    with pytest.raises(UsageError, match="is there already"):
        write(str(file), "version = 2\n")
    assert main(["init", "--server", "filer1=10.0.0.1", "--out", str(file)]) == 64
    assert "is there already" in capsys.readouterr().err
    assert (file.read_text(), [p.name for p in tmp_path.iterdir()]) == ("version = 1\n", ["lunmirror.toml"])
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "nowhere")
    with pytest.raises(UsageError):
        write(str(link), "version = 2\n")
    assert not (tmp_path / "nowhere").exists()


def test_it_asks_on_a_terminal(monkeypatch: Any, capsys: pytest.CaptureFixture[str]) -> None:
    from lunmirror.cli.commands import init as verb

    class Terminal:
        answers = iter(["192.168.1.115\n", "192.168.1.120\n", "\n"])

        def isatty(self) -> bool:
            return True

        def readline(self) -> str:
            return next(self.answers)

    monkeypatch.setattr("sys.stdin", Terminal())
    assert verb._questions() == BOTH
    assert "Address of the second server" in capsys.readouterr().err
