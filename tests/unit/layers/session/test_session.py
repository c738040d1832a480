from pathlib import Path

import pytest

from lunmirror.engine.desired import Portal
from lunmirror.engine.gate import enforce
from lunmirror.engine.model import ABSENT, AwaitSessions, Drift, Kind, Present, Ref, Run, Unknown, WriteValue
from lunmirror.layers.context import PathContext
from lunmirror.layers.node.facts import Missing, Record, Torn
from lunmirror.layers.node.record import settings_of
from lunmirror.layers.session.exits import EXITS, explain_exit, meanings
from lunmirror.layers.session.facts import NoSession, Session
from lunmirror.layers.session.observe import observe
from lunmirror.layers.session.plan import plan
from unit.layers.node.machine import RECORD, TARGET, TIMEOUTS, Machine, desired, server

RAW = (Path(__file__).parents[1] / "node" / "records" / "2.1.8").read_bytes()
IN_ORDER = Present(Record(RECORD, 1, settings_of(RAW), RAW))
SESSIONS, CONNECTIONS = "/sys/class/iscsi_session", "/sys/class/iscsi_connection"
LIVE = Session("session1", "LOGGED_IN", 9, 2, 3)


def session(
    number,
    *,
    target=TARGET,
    address="192.168.1.115",
    port="3260",
    iface="default",
    state="LOGGED_IN",
    tmo="9",
    actual="",
):
    """The files of one session, as Linux 6.1 shows them."""
    here, there = f"{SESSIONS}/session{number}", f"{CONNECTIONS}/connection{number}:0"
    files = {
        f"{here}/targetname": target,
        f"{here}/ifacename": iface,
        f"{here}/state": state,
        f"{here}/recovery_tmo": tmo,
        f"{there}/persistent_address": address,
        f"{there}/persistent_port": port,
        f"{there}/address": actual or address,
        f"{there}/port": port,
        f"{there}/recv_tmo": "2",
        f"{there}/ping_tmo": "3",
    }
    return {path: f"{content}\n".encode() for path, content in files.items()}


def look(files, *servers, nodes=None, **how):
    machine = Machine({"/sys/class/net/lo/mtu": b"1"} | files, **how)
    wanted = desired(*servers)
    nodes = nodes or {path.name: IN_ORDER for path in wanted.paths()}
    seen = observe(wanted, machine, {"node": nodes})
    return (seen["filer1"] if len(seen) == 1 else seen), machine


class TestObserve:
    def test_a_live_session(self):
        seen, machine = look(session(1) | session(2, target="iqn.2006-01.com.openfiler:other"))
        assert seen == Present(LIVE)
        assert (machine.reached, machine.asked) == ([], [])

    @pytest.mark.parametrize(
        "changes", [{"target": TARGET.upper()}, {"iface": ""}, {"iface": "(null)"}, {"actual": "10.1.1.1"}]
    )
    def test_it_is_found_all_the_same(self, changes):
        assert look(session(1, **changes))[0] == Present(LIVE)

    def test_ipv6_in_any_spelling(self):
        seen, _ = look(session(1, address="FD00:0::15"), server(Portal("fd00::15")))
        assert seen == Present(LIVE)

    def test_the_address_as_the_record_spells_it(self):
        raw = RAW.replace(b"192.168.1.115", b"filer1.example")
        nodes = {"filer1": Present(Record(RECORD, 1, settings_of(raw), raw))}
        assert look(session(1, address="filer1.example"), nodes=nodes)[0] == Present(LIVE)

    @pytest.mark.parametrize("state", ["FAILED", "FREE"])
    def test_a_session_object_that_is_not_live(self, state):
        seen, machine = look(session(1, state=state, tmo="off"))
        portal = "" if state == "FREE" else None  # given up: its portal is asked
        assert seen == Present(Session("session1", state, None, 2, 3, portal=portal))
        assert not seen.facts.live
        assert machine.reached == []

    @pytest.mark.parametrize(
        ("said", "live"),
        [("no answer within 1.5 s", False), ("no route to host", False), ("connection refused", True)],
    )
    def test_a_session_whose_portal_is_silent_is_not_believed(self, said, live):
        seen, machine = look(session(1), silent={"192.168.1.115": said})
        assert (seen.facts.state, seen.facts.live) == ("LOGGED_IN", live)
        assert machine.probed == [(("192.168.1.115", 3260),)]

    def test_a_session_through_hardware_of_its_own_is_not_asked(self):
        look_at = session(1) | session(2, target=TARGET + "-x", iface="bnx2i.1", address="10.1.1.1")
        assert look(look_at)[1].probed == [(("192.168.1.115", 3260),)]

    @pytest.mark.parametrize(
        ("files", "why"),
        [
            ({"/run/iscsid.pid": ABSENT}, "does not run"),
            ({"/proc/7/stat": ABSENT}, "is gone"),
            ({"/proc/7/stat": b"7 (sshd) S 1"}, "is now sshd"),
            ({"/proc/7/stat": b"7 (iscsid) T 1"}, "is stopped"),
            ({"/run/iscsid.pid": Unknown("no")}, ""),
            ({"/proc/7/stat": Unknown("no")}, ""),
        ],
    )
    def test_nobody_would_bring_it_back(self, files, why):
        keeper = look(session(1) | files)[0].facts.keeper
        assert why in keeper if why else keeper == ""

    def test_since_when_it_is_blocked(self):
        machine = Machine({"/sys/class/net/lo/mtu": b"1"} | session(1, state="FAILED"))
        at = "2026-11-23T07:11:42,789067+00:00"
        machine.log = f"{at}  connection1:0: detected conn error (1022)\n"
        found = observe(desired(), machine, {"node": {"filer1": IN_ORDER}})["filer1"]
        assert found.facts.since == at
        assert f"is FAILED since {at}" in planned(found).findings[0].what

    @pytest.mark.parametrize("other", [{"address": "192.168.1.116"}, {"port": "3261"}, {"target": TARGET + "-2"}])
    def test_other_sessions_are_not_ours(self, other):
        assert look(session(1, **other))[0] == Present(NoSession(""))

    @pytest.mark.parametrize("other", [{"iface": "eth1"}, {"address": "filer1", "actual": "192.168.1.115"}])
    def test_another_way_to_the_same_disks_is_reported(self, other):
        seen, _ = look(session(1, **other))
        assert len(seen.facts.others) == 1
        assert "session1" in seen.facts.others[0]

    def test_of_twins_the_live_one_counts(self):
        seen, _ = look(session(2, state="FAILED") | session(10) | session(9))
        assert (seen.facts.sid, seen.facts.twins) == ("session9", ("session10", "session2"))

    @pytest.mark.parametrize("gone", ["persistent_address", "persistent_port"])
    def test_a_session_tied_to_no_portal_is_unknown(self, gone):
        files = session(1)
        for name in (gone, gone.removeprefix("persistent_")):
            del files[f"{CONNECTIONS}/connection1:0/{name}"]
        seen, machine = look(files)
        assert isinstance(seen, Unknown)
        assert machine.reached == []

    def test_a_state_that_cannot_be_read_is_unknown(self):
        files = session(1)
        del files[f"{SESSIONS}/session1/state"]
        assert isinstance(look(files)[0], Unknown)

    def test_without_the_module_there_is_no_session(self):
        assert look({})[0] == Present(NoSession(""))

    def test_without_sys_nothing_is_known(self):
        wanted = desired()
        assert isinstance(observe(wanted, Machine(), {"node": {}})["filer1"], Unknown)

    def test_a_listing_that_fails_is_unknown(self):
        assert "too many" in look({}, directories={SESSIONS: Unknown("too many open files")})[0].reason

    def test_all_portals_without_a_session_are_probed_at_once(self):
        servers = (
            server(),
            server(Portal("192.168.1.120"), name="filer2"),
            server(Portal("192.168.1.125"), name="filer3"),
        )
        seen, machine = look(session(1, address="192.168.1.120"), *servers, silent={"192.168.1.125": "no answer"})
        assert machine.reached == [(("192.168.1.115", 3260), ("192.168.1.125", 3260))]
        assert seen["filer1"] == Present(NoSession(""))
        assert seen["filer2"] == Present(LIVE)
        assert seen["filer3"] == Present(NoSession("no answer"))

    def test_no_login_to_come_no_probe(self):
        _, machine = look({}, nodes={"filer1": Unknown("its database cannot be read")})
        assert machine.reached == []


def planned(state, node=IN_ORDER, pending=(), **fields):
    wanted = desired(server(**fields))
    seen = {"node": {"filer1": node}, "session": {"filer1": state}}
    return enforce(plan(wanted, seen, frozenset(pending)), frozenset())


NODE = Ref("node", "filer1")
LOGIN = tuple(f"iscsiadm -m node -T {TARGET} -p 192.168.1.115:3260 -I default --login".split())


class TestPlan:
    def test_as_declared_nothing_is_done(self):
        assert planned(Present(LIVE)) == planned(Present(LIVE), node=Unknown("torn"))
        assert planned(Present(LIVE)).steps == planned(Present(LIVE)).findings == ()

    def test_a_dead_iscsid_is_a_note(self):
        result = planned(Present(LIVE._replace(keeper="iscsid (pid 7) is stopped")))
        assert (result.steps, [f.kind for f in result.findings]) == ((), [Kind.NOTE])
        assert "iscsid (pid 7) is stopped" in result.findings[0].why

    def test_a_silent_session_is_degraded_and_nothing_is_done_to_it(self):
        result = planned(Present(LIVE._replace(silence="no answer", recovery_tmo=1)))
        assert (result.steps, [f.kind for f in result.findings]) == ((), [Kind.DEGRADED])
        assert "has not noticed" in result.findings[0].why

    @pytest.mark.parametrize("startup", ["automatic", "manual", "onboot"])
    def test_log_in(self, startup):
        (step,) = planned(Present(NoSession("")), startup=startup).steps
        up = AwaitSessions(((TARGET, "192.168.1.115", 3260),), 10.0)
        assert step.action == Run(LOGIN, 30.0, ok=(0, 15), meanings=meanings("filer1"), settles=up)
        assert step.action.deadline > TIMEOUTS.login_timeout * TIMEOUTS.login_retries
        assert step.together
        assert step.after == ()

    @pytest.mark.parametrize("state", ["FREE", "FAILED"])
    def test_only_a_needed_session_is_waited_for(self, state):
        late = LIVE._replace(state=state, urgent=True)
        (step,) = planned(Present(late)).steps
        assert step.action == AwaitSessions(((TARGET, "192.168.1.115", 3260),), 30.0)
        assert planned(Present(late._replace(urgent=False))).steps == ()
        assert planned(Present(LIVE._replace(urgent=True))).steps == ()

    def test_ipv6_in_brackets_as_the_record_spells_it(self):
        raw = RAW.replace(b"192.168.1.115", b"fd00:0::15")
        record = Present(Record(RECORD, 1, settings_of(raw), raw))
        seen = {"node": {"filer1": record}, "session": {"filer1": Present(NoSession(""))}}
        (step,) = plan(desired(server(Portal("fd00::15"))), seen, frozenset()).steps
        assert step.action.argv[6] == "[fd00:0::15]:3260"

    @pytest.mark.parametrize("node", [Present(Missing(1, RECORD)), Present(Torn(RECORD, b"")), IN_ORDER])
    def test_predicted_after_the_record(self, node):
        (step,) = planned(Present(NoSession("")), node, pending=[NODE]).steps
        assert step.after == (NODE,)
        assert step.action.argv == LOGIN

    def test_a_silent_portal_blocks(self):
        result = planned(Present(NoSession("connection timed out")))
        assert result.steps == ()
        (finding,) = result.findings
        assert finding.kind is Kind.BLOCKED
        assert finding.what == "server filer1 does not answer at 192.168.1.115:3260 (connection timed out)"

    @pytest.mark.parametrize(
        ("node", "why"),
        [
            (Unknown("no such server"), "no such server"),
            (Present(Missing(1, RECORD)), "missing"),
            (Present(Record(RECORD, 1, settings_of(RAW), RAW, trouble="no password")), "no password"),
        ],
    )
    def test_without_a_good_record_no_login(self, node, why):
        result = planned(Present(NoSession("")), node)
        assert result.steps == ()
        assert [f.kind for f in result.findings] == [Kind.BLOCKED]
        assert why in result.findings[0].why

    def test_unknown_blocks(self):
        result = planned(Unknown("/sys is not mounted"))
        assert (result.steps, result.findings[0].kind) == ((), Kind.BLOCKED)

    @pytest.mark.parametrize("state", ["FAILED", "FREE", "SOMETHING_NEW"])
    def test_a_session_object_is_never_logged_in_to_again(self, state):
        result = planned(Present(LIVE._replace(state=state, recovery_tmo=120)))
        assert result.steps == ()
        assert [f.kind for f in result.findings] == [Kind.DEGRADED]
        assert state in result.findings[0].what

    @pytest.mark.parametrize(
        ("live", "declared", "value"), [(120, 9, "9"), (None, 9, "9"), (9, -1, "off"), (9, 0, "0")]
    )
    def test_the_live_timeout_is_written(self, live, declared, value):
        timeouts = TIMEOUTS._replace(replacement_timeout=declared)
        (step,) = planned(Present(LIVE._replace(recovery_tmo=live)), timeouts=timeouts).steps
        assert step.action == WriteValue("/sys/class/iscsi_session/session1/recovery_tmo", value)
        assert step.drift == (
            Drift("servers.filer1.replacement_timeout", value, "off" if live is None else str(live)),
        )

    def test_to_wait_for_ever_is_off(self):
        assert (
            planned(
                Present(LIVE._replace(recovery_tmo=None)), timeouts=TIMEOUTS._replace(replacement_timeout=-1)
            ).steps
            == ()
        )

    def test_timeouts_fixed_at_login_are_noted(self):
        result = planned(
            Present(LIVE._replace(recv_tmo=5, ping_tmo=5, abort_tmo=15, lu_reset_tmo=6, tgt_reset_tmo=30))
        )
        assert result.steps == ()
        (found,) = result.findings  # one for the session, not one for each value
        assert (found.kind, found.key) == (Kind.NOTE, "servers.filer1.noop_out_interval")
        assert found.what == (
            "declared, not live in session1: noop_out_interval 2 (live 5), noop_out_timeout 3 (live 5),"
            " abort_timeout 2 (live 15), tgt_reset_timeout 7 (live 30)"
        )
        assert "--relogin" in found.next

    def test_timeouts_that_cannot_be_read_are_passed_over(self):
        assert planned(Present(LIVE._replace(recv_tmo=None, ping_tmo=None))).findings == ()

    def test_twins_want_an_administrator(self):
        result = planned(Present(LIVE._replace(twins=("session7",))))
        assert [f.kind for f in result.findings] == [Kind.REFUSED]
        assert "session1, session7" in result.findings[0].what

    def test_no_second_way_to_the_same_disks(self):
        result = planned(Present(NoSession("", ("session4 to 192.168.1.115 through interface eth1",))))
        assert result.steps == ()
        assert [f.kind for f in result.findings] == [Kind.REFUSED]

    def test_logins_stand_side_by_side(self):
        servers = [server(Portal(f"192.168.1.{n}"), name=f"filer{n}") for n in (1, 2, 3)]
        states = {"filer1": NoSession(""), "filer2": LIVE._replace(recovery_tmo=1), "filer3": NoSession("")}
        seen = {
            "node": dict.fromkeys(states, IN_ORDER),
            "session": {name: Present(state) for name, state in states.items()},
        }
        steps = plan(desired(*servers), seen, frozenset()).steps
        assert [(s.ref.name, s.together) for s in steps] == [("filer1", True), ("filer3", True), ("filer2", False)]


def test_exit_codes_are_sentences():
    assert "CHAP" in explain_exit(24)
    assert explain_exit(0) == explain_exit(99) == ""
    assert "[servers.filer2.chap]" in dict(meanings("filer2"))[24]
    assert "authentication" not in dict(meanings("filer2"))[19]
    assert "[servers.filer2.chap] mutual" in dict(meanings("filer2", mutual=True))[19]
    assert all(what and (move or code == 15) for code, (what, move) in EXITS.items())


@pytest.mark.parametrize(
    ("state", "said", "why"), [("LOGGED_IN", "still reads LOGGED_IN", True), ("FAILED", "session1 is FAILED", False)]
)
def test_a_silent_server_that_the_kernel_noticed(state: str, said: str, why: bool) -> None:
    from lunmirror.layers.session.facts import Session
    from lunmirror.layers.session.plan import _silent

    (path, *_) = desired().paths()
    ctx = PathContext("session", path, desired(), {}, frozenset())
    (found,) = _silent(ctx, Session("session1", state, 7, 3, 3, silence="no answer")).findings
    assert said in found.what
    assert ("has not noticed" in found.why) is why
