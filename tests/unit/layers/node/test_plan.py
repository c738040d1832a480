from pathlib import Path

import pytest

from lunmirror.engine.gate import enforce
from lunmirror.engine.model import ABSENT, Drift, Kind, Present, Ref, RemoveFile, Risk, Run, Unknown, WriteFile
from lunmirror.layers.node.facts import Missing, Torn
from lunmirror.layers.node.observe import observe
from lunmirror.layers.node.plan import plan
from lunmirror.layers.node.record import settings_of
from lunmirror.layers.node.settings import STARTUP, TIMEOUTS
from unit.layers.node.machine import RECORD, TARGET, Machine, chap, desired, server

RAW = (Path(__file__).parent / "records" / "2.1.8-discovered").read_bytes()
NODE = Ref("node", "filer1")
WANTED = {
    b"node.startup = manual": b"node.startup = automatic",
    b"node.conn[0].startup = manual": b"node.conn[0].startup = automatic",
    b"timeo.replacement_timeout = 120": b"timeo.replacement_timeout = 9",
    b"noop_out_interval = 5": b"noop_out_interval = 2",
    b"noop_out_timeout = 5": b"noop_out_timeout = 3",
    b"timeo.login_timeout = 15": b"timeo.login_timeout = 5",
    b"initial_login_retry_max = 8": b"initial_login_retry_max = 4",
    b"err_timeo.abort_timeout = 15": b"err_timeo.abort_timeout = 2",
    b"err_timeo.lu_reset_timeout = 30": b"err_timeo.lu_reset_timeout = 6",
    b"err_timeo.tgt_reset_timeout = 30": b"err_timeo.tgt_reset_timeout = 7",
}
MANAGED = RAW
for old, new in WANTED.items():
    assert old in MANAGED
    MANAGED = MANAGED.replace(old, new)


def planned(raw, *, files=None, **fields):
    """What is planned for a machine whose record is `raw`."""
    wanted = desired(server(**fields))
    seen = observe(wanted, Machine({RECORD: raw} | (files or {})), {})
    return enforce(plan(wanted, {"node": seen}, frozenset()), frozenset())


def of(state):
    return plan(desired(), {"node": {"filer1": state}}, frozenset())


def test_a_fresh_record_gets_every_managed_setting():
    (step,) = planned(RAW).steps
    assert step.action == WriteFile(RECORD, MANAGED, RAW, 0o600, "/etc/iscsi", True, ())
    assert (step.ref, step.risk, step.after) == (NODE, Risk.NONE, ())


def test_a_record_as_declared_is_left_alone():
    assert planned(MANAGED).steps == planned(MANAGED).findings == ()


@pytest.mark.parametrize("key", [*STARTUP, *TIMEOUTS])
def test_each_managed_setting_alone(key):
    value = settings_of(MANAGED)[key]
    drifted = MANAGED.replace(f"{key} = {value}\n".encode(), f"{key} = onboot\n".encode())
    (step,) = planned(drifted).steps
    assert step.action.content == MANAGED
    name = TIMEOUTS.get(key, "startup") if "err_timeo" not in key else f'settings."{key}"'
    assert step.drift == (Drift(f"servers.filer1.{name}", value, "onboot"),)
    assert key in step.title


@pytest.mark.parametrize("key", [*STARTUP, *TIMEOUTS])
def test_each_managed_setting_gone(key):
    """Without it open-iscsi takes its compiled default, not iscsid.conf's."""
    value = settings_of(MANAGED)[key]
    (step,) = planned(MANAGED.replace(f"{key} = {value}\n".encode(), b"")).steps
    assert settings_of(step.action.content) == settings_of(MANAGED)
    assert step.drift[0].observed == "not set"


def test_what_was_written_is_as_declared():
    (step,) = planned(RAW, chap=chap(mutual=True), files={"/s/out": b"one", "/s/in": b"two"}).steps
    assert planned(step.action.content, chap=chap(mutual=True), files={"/s/out": b"one", "/s/in": b"two"}).steps == ()


def test_a_setting_that_is_one_row_of_the_schema():
    """Record key, value, and our name for it: what `record=` in config/schema/ comes to."""
    row = ("node.conn[0].iscsi.DataDigest", "CRC32C", "data_digest")
    (step,) = planned(MANAGED, records=(row,)).steps
    assert step.action.content == MANAGED.replace(b"DataDigest = None", b"DataDigest = CRC32C")
    assert step.drift == (Drift("servers.filer1.data_digest", "CRC32C", "None"),)
    assert planned(step.action.content, records=(row,)).steps == ()


class TestFreeSettings:
    def test_written_verbatim(self):
        result = planned(MANAGED, settings=(("node.session.cmds_max", "64"),))
        (step,) = result.steps
        assert step.action.content == MANAGED.replace(b"cmds_max = 128", b"cmds_max = 64")
        assert step.drift == (Drift('servers.filer1.settings."node.session.cmds_max"', "64", "128"),)

    def test_a_key_that_the_version_lacks_is_refused(self):
        result = planned(RAW, settings=(("node.session.cmd_max", "64"),))
        (finding,) = result.findings
        assert finding.kind is Kind.REFUSED
        assert "node.session.cmds_max" in finding.next
        assert finding.key == 'servers.filer1.settings."node.session.cmd_max"'
        assert result.steps[0].action.content == MANAGED

    @pytest.mark.parametrize("value", ["a\nnode.startup = onboot", "", " x", "x" * 256, "a\0b"])
    def test_a_hostile_value_is_refused_and_stops_nothing_else(self, value):
        result = planned(RAW, settings=(("node.session.cmds_max", value),))
        assert [f.kind for f in result.findings] == [Kind.REFUSED]
        assert result.steps[0].action.content == MANAGED

    def test_a_hostile_key_is_refused(self):
        result = planned(RAW, settings=(("a\nb", "1"), ("k" * 128, "1")))
        assert [f.kind for f in result.findings] == [Kind.REFUSED] * 2


SECRETS = {"/s/out": b"first-secret\n", "/s/in": b"second-secret\n"}


class TestChap:
    def test_one_way(self):
        (step,) = planned(MANAGED, chap=chap(), files=SECRETS).steps
        assert b"authmethod = CHAP\n" in step.action.content
        assert (
            b"chap_algs = MD5\nnode.session.auth.username = joe\nnode.session.auth.password = first-secret\n"
            in step.action.content
        )
        assert step.action.secrets == ("first-secret",)
        assert b"second-secret" not in step.action.content

    def test_mutual(self):
        (step,) = planned(MANAGED, chap=chap(mutual=True), files=SECRETS).steps
        new = settings_of(step.action.content)
        assert new["node.session.auth.username_in"] == "filer"
        assert new["node.session.auth.password_in"] == "second-secret"
        assert step.action.secrets == ("first-secret", "second-secret")

    def test_no_secret_is_reported(self):
        old = MANAGED.replace(b"# END", b"node.session.auth.password = third-secret\n# END")
        (step,) = planned(old, chap=chap(mutual=True), files=SECRETS).steps
        assert step.action.secrets == ("first-secret", "second-secret", "third-secret")
        assert "secret" not in step.title
        assert {(d.desired, d.observed) for d in step.drift if "password" in d.key} == {
            ("the secret in the file", "differs"),
            ("the secret in the file", "not set"),
        }
        assert {d.key for d in step.drift} == {
            f"servers.filer1.chap{end}"
            for end in ("", ".username", ".password_file", ".mutual.username", ".mutual.password_file")
        }

    def test_without_its_secret_chap_is_left_alone(self):
        result = planned(RAW, chap=chap(mutual=True), files={"/s/out": b"first-secret"})
        assert result.steps[0].action.content == MANAGED
        (finding,) = result.findings
        assert (finding.kind, finding.key) == (Kind.BLOCKED, "servers.filer1.chap")
        assert "/s/in" in finding.why

    @pytest.mark.parametrize(
        "line", ["username = joe", "password = first-secret", "username_in = x", "password_in = x"]
    )
    def test_what_nobody_declared_is_left_alone(self, line):
        result = planned(MANAGED.replace(b"# END", f"node.session.auth.{line}\n# END".encode()))
        assert result.steps == ()
        (finding,) = result.findings
        assert (finding.kind, finding.key) == (Kind.NOTE, "servers.filer1.chap")
        assert "first-secret" not in str(finding)

    def test_undeclared_mutual_credentials_are_left_alone(self):
        result = planned(
            MANAGED.replace(b"# END", b"node.session.auth.password_in = x\n# END"), chap=chap(), files=SECRETS
        )
        assert result.findings[0].key == "servers.filer1.chap.mutual"
        assert b"password_in = x\n" in result.steps[0].action.content


class TestMissing:
    CREATE = tuple(f"iscsiadm -m node -o new -T {TARGET} -p 192.168.1.115:3260,1 -I default".split())

    def test_made_alone_and_its_settings_predicted(self):
        create, rewrite = of(Present(Missing(1, RECORD))).steps
        assert create.action == Run(self.CREATE, 60.0, makes=RECORD)
        assert create.after == ()
        assert rewrite.after == (NODE,)
        assert rewrite.action.path == RECORD
        assert settings_of(rewrite.action.content) == {
            key: settings_of(MANAGED)[key] for key in (*STARTUP, *TIMEOUTS)
        }

    def test_the_prediction_shows_no_secret(self):
        wanted = desired(server(chap=chap(mutual=True)))
        steps = plan(wanted, {"node": {"filer1": Present(Missing(1, RECORD))}}, frozenset()).steps
        assert b"password = ***\n" in steps[1].action.content

    def test_torn_is_removed_first(self):
        remove, create, rewrite = of(Present(Torn(RECORD, b"half", "its END line is missing", 1))).steps
        assert remove.action == RemoveFile(RECORD, b"half", locked=True)
        assert (remove.after, create.after, rewrite.after) == ((), (NODE,), (NODE,))
        assert create.action.argv == self.CREATE
        assert "END line" in remove.drift[0].observed

    def test_unknown_is_never_made(self):
        result = of(Unknown("server filer1 does not answer"))
        assert result.steps == ()
        (finding,) = result.findings
        assert (finding.kind, finding.why) == (Kind.BLOCKED, "server filer1 does not answer")


def test_a_record_under_another_spelling_is_a_note():
    seen = observe(desired(), Machine({RECORD: RAW}), {})["filer1"]
    result = of(Present(seen.facts._replace(spellings=("iqn.Other",))))
    assert [(f.kind, f.next) for f in result.findings] == [(Kind.NOTE, "`iscsiadm -m node -T iqn.Other -o delete`")]


def test_another_spelling_is_an_administrators_to_correct():
    result = of(Unknown("spelled otherwise", decide='write target = "iqn.X"'))
    (finding,) = result.findings
    assert (finding.kind, finding.key) == (Kind.REFUSED, "disks.disk-filer1.target")
    assert (finding.next, result.steps) == ('write target = "iqn.X"', ())


@pytest.mark.parametrize(
    ("really", "scratch"),
    [("/srv/state/nodes", "/srv/state"), ("/nodes", "/"), ("", "/etc/iscsi"), ("nodes", "/etc/iscsi")],
)
def test_the_temporary_file_lies_where_the_records_really_are(really, scratch):
    """/etc/iscsi/nodes may be a link to another file system, onto which nothing can be renamed."""
    machine = Machine({RECORD: RAW})
    machine.link = lambda path: Present(really) if path == "/etc/iscsi/nodes" else ABSENT
    seen = observe(desired(), machine, {})["filer1"]
    (step,) = of(seen).steps
    assert (step.action.scratch, step.action.path) == (scratch, RECORD)


def test_the_gate_lets_every_step_pass():
    for state in (Present(Missing(1, RECORD)), Present(Torn(RECORD, b""))):
        assert enforce(of(state), frozenset()) == of(state)


def test_an_undeclared_record_is_left_alone():
    state = observe(desired(server()), Machine({RECORD: MANAGED}), {})["filer1"]
    before = of(state)
    after = of(Present(state.facts._replace(strays=("192.168.1.99:3260",))))
    assert after.steps == before.steps
    [note] = after.findings[len(before.findings) :]
    assert note.kind is Kind.NOTE
    assert f"iscsiadm -m node -T {TARGET} -p 192.168.1.99:3260 -o delete" in note.next
