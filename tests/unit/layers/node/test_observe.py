from pathlib import Path

import pytest

from lunmirror.engine.desired import Portal
from lunmirror.engine.model import Present, Unknown
from lunmirror.engine.secret import Secret
from lunmirror.host import paths
from lunmirror.layers.node.facts import Missing, Record, Torn
from lunmirror.layers.node.observe import observe
from unit.layers.node.machine import ANNOUNCED, NODES, RECORD, TARGET, Machine, chap, desired, server

RAW = (Path(__file__).parent / "records" / "2.1.8").read_bytes()
HOME = f"{NODES}/{TARGET}"


def look(machine, *servers):
    seen = observe(desired(*servers), machine, {})
    return seen["filer1"] if len(seen) == 1 else seen


def test_a_record_is_found_without_asking_anybody():
    machine = Machine({RECORD: RAW})
    seen = look(machine)
    record = seen.facts
    assert isinstance(record, Record)
    assert (record.path, record.tpgt, record.raw, record.root) == (RECORD, 1, RAW, "/etc/iscsi")
    assert (machine.asked, machine.reached, machine.was_read) == ([], [], [paths.TARGETS, RECORD])


def test_the_flat_form_is_a_record_without_a_tag():
    flat = f"{HOME}/192.168.1.115,3260"
    assert look(Machine({flat: RAW})).facts.tpgt is None


@pytest.mark.parametrize("spelling", ["fd00::15", "FD00::0015", "fd00:0:0:0::15"])
def test_a_record_is_found_by_any_spelling_of_its_address(spelling):
    raw = RAW.replace(b"192.168.1.115", spelling.encode())
    seen = look(Machine({f"{HOME}/{spelling},3260,1/default": raw}), server(Portal("fd00::15")))
    assert seen.facts.settings["node.conn[0].address"] == spelling


@pytest.mark.parametrize(
    "stray",
    [
        "192.168.1.116,3260,1/default",
        "192.168.1.115,3261,1/default",
        "x",
        "192.168.1.115",
        "192.168.1.115,3260,1/eth0",
        "192.168.1.115,3260,x/default",
        "192.168.1.11,3260,1/default",
    ],
)
def test_other_records_and_strays_are_not_ours(stray):
    assert isinstance(look(Machine({f"{HOME}/{stray}": RAW})).facts, Missing)


def test_several_records_of_one_portal_are_unknown():
    seen = look(Machine({RECORD: RAW, RECORD.replace(",1/", ",2/"): RAW}))
    assert isinstance(seen, Unknown)
    assert ",1/default" in seen.reason
    assert ",2/default" in seen.reason


@pytest.mark.parametrize("raw", [b"", RAW[:700], RAW[:-1], b"\0" * 4096])
def test_a_torn_record_is_torn(raw):
    machine = Machine({RECORD: raw})
    torn = look(machine).facts
    assert isinstance(torn, Torn)
    assert (torn.path, torn.raw, torn.tpgt) == (RECORD, raw, 1)
    assert machine.asked == []


@pytest.mark.parametrize(
    "raw", [RAW.replace(b"# END", b"x = " + b"y" * 300 + b"\n# END"), RAW.replace(b"linuxtest1lv", b"other")]
)
def test_a_record_that_cannot_be_trusted_is_unknown(raw):
    assert isinstance(look(Machine({RECORD: raw})), Unknown)


@pytest.mark.parametrize("directory", [NODES, HOME, f"{HOME}/192.168.1.115,3260,1"])
def test_what_cannot_be_listed_is_not_absent(directory):
    machine = Machine({RECORD: RAW}, directories={directory: Unknown("a symbolic link where none may be")})
    assert "symbolic link" in look(machine).reason
    assert machine.asked == []


def test_what_cannot_be_read_is_not_absent():
    assert "input/output error" in look(Machine({RECORD: Unknown("input/output error")})).reason


class TestStrays:
    """Records of a declared target for portals that nobody declares any more."""

    OLD = f"{HOME}/192.168.1.99,3260,1/default"
    AUTOMATIC = RAW.replace(b"node.startup = manual", b"node.startup = automatic")

    @pytest.mark.parametrize(
        ("old", "found"), [(AUTOMATIC, ("192.168.1.99:3260",)), (AUTOMATIC[:300], ()), (Unknown("torn"), ())]
    )
    def test_one_that_is_logged_in_to_at_boot_is_reported(self, old, found):
        assert look(Machine({RECORD: RAW, self.OLD: old})).facts.strays == found

    def test_one_that_is_manual_is_not(self):
        manual = self.AUTOMATIC.replace(b"node.startup = automatic", b"node.startup = manual")
        assert look(Machine({RECORD: RAW, self.OLD: manual})).facts.strays == ()

    def test_that_of_another_declared_portal_is_not(self):
        two = server(Portal("192.168.1.115"), Portal("192.168.1.99"))
        seen = look(Machine({RECORD: RAW, self.OLD: self.AUTOMATIC}), two)
        assert [s.facts.strays for s in seen.values()] == [(), ()]

    @pytest.mark.parametrize(("startup", "found"), [(b"automatic", True), (b"manual", False)])
    def test_a_record_under_another_spelling_is_reported(self, startup, found):
        """Left behind when the spelling in the configuration was corrected."""
        lower, upper = TARGET, TARGET.replace("linux", "Linux")
        raw = RAW.replace(b"node.startup = manual", b"node.startup = " + startup)
        machine = Machine({RECORD: RAW, RECORD.replace(lower, upper): raw.replace(lower.encode(), upper.encode())})
        assert look(machine).facts.spellings == ((upper,) if found else ())


class TestRoot:
    NEW = RECORD.replace("/etc/", "/var/lib/")

    def test_the_only_nodes_directory_is_it(self):
        machine = Machine({self.NEW: RAW})
        machine.directories.pop(NODES)
        assert look(machine).facts.root == "/var/lib/iscsi"
        assert machine.was_read == [paths.TARGETS, self.NEW]

    @pytest.mark.parametrize("root", ["/etc/iscsi", "/var/lib/iscsi"])
    def test_with_both_the_program_reports(self, root):
        machine = Machine(
            {self.NEW: RAW, RECORD: RAW, "/usr/sbin/iscsiadm": b"\x7fELF\0" + root.encode() + b"/nodes\0"}
        )
        assert look(machine).facts.root == root

    @pytest.mark.parametrize("root", ["/etc/iscsi", "/var/lib/iscsi"])
    def test_records_that_an_upgrade_has_not_moved_yet(self, root):
        """Debian 13's package has its directory from the moment it is unpacked."""
        program = {"/usr/sbin/iscsiadm": b"\x7fELF\0" + root.encode() + b"/nodes\0"}
        for files in ({RECORD: RAW}, {RECORD.replace(TARGET, f"{TARGET}-2"): RAW}):
            machine = Machine(files | program, directories={"/var/lib/iscsi": Present(())})
            if root == "/var/lib/iscsi":
                assert "an upgrade of open-iscsi has not ended" in look(machine).reason
                assert machine.asked == []
            else:
                assert isinstance(look(machine), Present)

    def test_with_neither_the_program_reports(self):
        machine = Machine({"/sbin/iscsiadm": b"\0/var/lib/iscsi/nodes\0"})
        machine.directories.pop(NODES)
        assert look(machine) == Present(Missing(1, f"/var/lib/iscsi/nodes/{TARGET}/192.168.1.115,3260,1/default"))

    @pytest.mark.parametrize(
        "text", [b"", b"\0/var/lib/iscsi/nodes\0/etc/iscsi/nodes\0", Unknown("permission denied")]
    )
    def test_a_program_that_does_not_tell(self, text):
        machine = Machine({"/usr/sbin/iscsiadm": text})
        machine.directories.pop(NODES)
        assert isinstance(look(machine), Unknown)

    def test_not_installed(self):
        machine = Machine()
        machine.directories.pop(NODES)
        assert "install open-iscsi" in look(machine).reason


class TestMissing:
    def test_the_server_reports_the_tag(self):
        machine = Machine()
        assert look(machine) == Present(Missing(1, RECORD))
        (argv,) = machine.asked
        assert " ".join(argv) == "iscsiadm -m discovery -t st -p 192.168.1.115:3260 -o nonpersistent -I default"

    def test_only_what_is_missing_is_asked_for(self):
        two = server(Portal("192.168.1.115"), Portal("fd00::15"))
        machine = Machine({RECORD: RAW})
        seen = look(machine, two)
        assert isinstance(seen["filer1 192.168.1.115:3260"].facts, Record)
        assert seen["filer1 [fd00::15]:3260"].facts.path == f"{HOME}/fd00::15,3260,1/default"
        assert machine.reached == [(("fd00::15", 3260),)]
        assert [argv[6] for argv in machine.asked] == ["[fd00::15]:3260"]

    def test_portals_are_probed_at_once_and_silent_ones_not_asked(self):
        two = server(Portal("192.168.1.115"), Portal("fd00::15"))
        machine = Machine(silent={"192.168.1.115": "connection timed out"})
        seen = look(machine, two)
        assert (
            "filer1 does not answer at 192.168.1.115:3260 (connection timed out)"
            in seen["filer1 192.168.1.115:3260"].reason
        )
        assert len(machine.reached) == len(machine.asked) == 1

    @pytest.mark.parametrize(
        ("answer", "why"),
        [
            ({"discovery": ""}, "does not announce"),
            ({"discovery": "garbage\n\0,,::\n[]:\n"}, "does not announce"),
            ({"discovery": f"192.168.1.115:3260,1 {TARGET}-2\n"}, "does not announce"),
            ({"discovery": f"10.0.0.1:3260,1 {TARGET}\n"}, "at 10.0.0.1:3260, not at 192.168.1.115:3260"),
            (
                {"discovery": f"192.168.1.115:3260,1 {TARGET}\n192.168.1.115:3260,2 {TARGET}\n"},
                "several portal group tags",
            ),
            ({"discovery": "", "rc": 21, "err": "iscsiadm: No portals found"}, "access list"),
            ({"discovery": "", "rc": 24, "err": "iscsiadm: Login failed"}, "Login failed"),
            ({"discovery": "", "rc": None}, "could not be asked"),
            ({"err": "iscsiadm: can not connect to iSCSI daemon (111)!\n"}, "iscsid"),
        ],
    )
    def test_without_a_tag_it_is_unknown(self, answer, why):
        seen = look(Machine(**answer))
        assert isinstance(seen, Unknown)
        assert why in seen.reason

    @pytest.mark.parametrize("announced", [TARGET.upper().replace("IQN", "iqn"), TARGET.replace("linux", "Linux")])
    def test_another_spelling_is_reported(self, announced):
        """open-iscsi sends the name as it stands, and tgt takes its own spelling only (lab: test_names.py)."""
        seen = look(Machine(discovery=f"192.168.1.115:3260,1 {announced}\n"))
        assert isinstance(seen, Unknown)
        assert announced in seen.reason
        assert seen.decide == f'write target = "{announced}"'

    def test_of_two_spellings_the_declared_one_is_ours(self):
        both = f"192.168.1.115:3260,9 {TARGET.replace('linux', 'Linux')}\n{ANNOUNCED}"
        assert look(Machine(discovery=both)).facts.tpgt == 1

    @pytest.mark.parametrize("any_address", ["0.0.0.0", "[::]"])
    def test_a_target_that_listens_everywhere_listens_here(self, any_address):
        assert look(Machine(discovery=f"{any_address}:3260,7 {TARGET}\n")).facts.tpgt == 7

    def test_a_portal_by_name_takes_the_tag_of_any_address(self):
        seen = look(Machine(), server(Portal("filer1.example")))
        assert seen.facts == Missing(1, f"{HOME}/filer1.example,3260,1/default")

    def test_a_portal_by_name_would_double_the_disk(self):
        seen = look(Machine({RECORD: RAW}), server(Portal("filer1.example")))
        assert "has a record for 192.168.1.115:3260 already" in seen.reason


class TestSecrets:
    def test_they_are_read_and_never_shown(self):
        raw = RAW.replace(b"# END", b"node.session.auth.password = old-secret\n# END")
        machine = Machine({RECORD: raw, "/s/out": b"new-secret\n", "/s/in": b"other-secret\r\n"})
        seen = look(machine, server(chap=chap(mutual=True)))
        assert seen.facts.secrets["node.session.auth.password"] == Secret("new-secret")
        assert seen.facts.secrets["node.session.auth.password_in"] == Secret("other-secret")
        assert seen.facts.settings["node.session.auth.password"].reveal() == "old-secret"
        assert "secret" not in repr(seen)

    @pytest.mark.parametrize(
        ("files", "why"),
        [
            ({}, "it does not exist"),
            ({"/s/out": Unknown("permission denied")}, "permission denied"),
            ({"/s/out": b""}, "empty"),
            ({"/s/out": b"two\nlines\n"}, "more than one line"),
            ({"/s/out": b" edge\n"}, "white space"),
            ({"/s/out": b"\xff\xfe"}, "UTF-8"),
            ({"/s/out": b"a\x1bb"}, "control character"),
            ({"/s/out": b"x" * 256}, "longer"),
            ({"/s/out": b"same\n", "/s/in": b"same"}, "same secret"),
        ],
    )
    def test_one_that_cannot_be_used_is_reported(self, files, why):
        record = look(Machine({RECORD: RAW} | files), server(chap=chap(mutual=True))).facts
        assert why in record.trouble

    @pytest.mark.parametrize("show", [repr, str, "{}".format, lambda s: f"{s!r:>5}"])
    def test_a_secret_shows_stars(self, show):
        assert show(Secret("hunter2")).strip() == "***"
