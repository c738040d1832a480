"""Whole configurations, as files: what they mean, and what is wrong with them."""

from pathlib import Path

import pytest

from lunmirror import config
from lunmirror.config.problems import MOST_SHOWN
from lunmirror.config.schema import RECORDS
from lunmirror.engine.desired import Chap, Credentials, Filesystem, Mount, Portal, Size, Timeouts
from lunmirror.engine.errors import ConfigError
from lunmirror.engine.exits import Exit


def problems(path):
    with pytest.raises(ConfigError) as caught:
        config.load(path)
    assert caught.value.exit is Exit.CONFIG
    return caught.value.problems


def changed(base, *pairs):
    for old, new in pairs:
        assert old in base, old
        base = base.replace(old, new)
    return base


def test_the_article(write, base):
    path = write(base)
    desired = config.load(path)
    assert list(desired.servers) == ["filer1", "filer2"]
    server = desired.servers["filer1"]
    assert server.portals == (Portal("192.168.1.115", 3260),)
    assert (server.startup, server.timeouts) == (
        "automatic",
        Timeouts(3, 3, 6, 10, 3, command_timeout=9, eh_timeout=9),
    )
    assert desired.disks["right"].target == "iqn.2006-01.com.openfiler:linuxtest1lv-2"
    assert len(desired.disks["right"].pv_uuid) == 38
    assert desired.groups["vg0"].disks == ("left", "right")
    volume = desired.volumes["vg0/testlv"]
    assert volume.size == Size(bytes=512 * 2**20)
    assert (volume.type, volume.log, volume.legs) == ("raid1", "", ("left", "right"))
    assert (volume.filesystem, volume.mount) == (Filesystem("ext4"), Mount("/mnt/test"))
    assert (desired.stall_budget, desired.boot_wait, desired.source) == (15, 30, path)


def test_the_least(write):
    desired = config.load(write("version = 1\n"))
    assert (desired.servers, desired.volumes, desired.stall_budget, desired.boot_wait) == ({}, {}, 15, 30)


def test_tables_and_their_short_forms_mean_the_same(write, base):
    short = config.load(write(base))
    long = changed(
        base,
        ('filesystem = "ext4"', 'filesystem = { type = "ext4" }'),
        ('mount = "/mnt/test"', 'mount = { path = "/mnt/test" }'),
    )
    assert config.load(write(long)) == short


def test_policy_and_server_settings(write, base):
    text = changed(
        base,
        (
            'stall_budget = "15s"',
            'startup = "manual"\nlogin_timeout = "5s"\nlogin_retries = 2\nreplacement_timeout = "10s"',
        ),
        (
            'portals = ["192.168.1.120"]',
            'portals = ["192.168.1.120"]\nstartup = "onboot"\nnoop_out_interval = "1s"\n'
            '[servers.filer2.settings]\n"node.session.cmds_max" = 128\n"node.session.queue_depth" = "32"',
        ),
    )
    desired = config.load(write(text))
    one, two = desired.servers.values()
    assert (one.startup, one.timeouts) == ("manual", Timeouts(3, 3, 10, 5, 2, command_timeout=11, eh_timeout=10))
    assert (two.startup, two.timeouts) == ("onboot", Timeouts(1, 3, 10, 5, 2, command_timeout=10, eh_timeout=10))
    assert two.settings == (("node.session.cmds_max", "128"), ("node.session.queue_depth", "32"))
    assert desired.stall_budget == 19


def test_a_row_with_a_record_key_needs_nothing_else(write, base):
    plain = config.load(write(base)).servers["filer1"]
    assert plain.records == ()
    named = config.load(write(base.replace("[servers.filer1]", '[servers.filer1]\ndata_digest = "CRC32C"')))
    assert named.servers["filer1"].records == (("node.conn[0].iscsi.DataDigest", "CRC32C", "data_digest"),)
    given = '[servers.filer1]\nsettings = { "node.conn[0].iscsi.DataDigest" = "CRC32C" }'
    (problem,) = problems(write(base.replace("[servers.filer1]", given)))
    assert "declare data_digest of the server instead" in str(problem)


def test_a_record_key_may_be_a_row_of_the_policy_too(write, base, monkeypatch):
    monkeypatch.setitem(RECORDS, "login_retries", "node.test")
    text = changed(
        base,
        ("[policy]", "[policy]\nlogin_retries = 2"),
        ("[servers.filer2]", "[servers.filer2]\nlogin_retries = 3"),
    )
    one, two = config.load(write(text)).servers.values()
    assert (one.records, two.records) == (
        (("node.test", "2", "login_retries"),),
        (("node.test", "3", "login_retries"),),
    )


def test_linear_mirror_and_three_servers(write, base):
    three = changed(
        base,
        ("[disks.left]", '[servers.filer3]\nportals = ["[fd00::1]"]\n\n[disks.left]'),
        ("[groups.vg0]", '[disks.third]\nserver = "filer3"\ntarget = "iqn.2006-01.com.x:c"\nlun = 5\n\n[groups.vg0]'),
        ('["left", "right"]', '["right", "left", "third"]'),
    )
    mirror = config.load(write(changed(three, ('type = "raid1"', 'type = "mirror"')))).volumes["vg0/testlv"]
    assert (mirror.legs, mirror.log) == (("right", "left", "third"), "core")
    disk_log = config.load(write(changed(three, ('type = "raid1"', 'type = "mirror"\nlog = "disk"'))))
    assert disk_log.volumes["vg0/testlv"].log == "disk"
    linear = config.load(write(changed(three, ('type = "raid1"', 'type = "linear"'))))
    assert linear.volumes["vg0/testlv"].legs == ("right",)
    two = config.load(write(changed(three, ('type = "raid1"', 'legs = ["third", "left"]'))))
    assert two.volumes["vg0/testlv"].legs == ("third", "left")


def test_the_default_leg_is_the_first_disk_of_each_server(write, base):
    text = changed(
        base,
        ("[groups.vg0]", '[disks.spare]\nserver = "filer1"\ntarget = "iqn.2006-01.com.x:c"\nlun = 5\n\n[groups.vg0]'),
        ('["left", "right"]', '["spare", "left", "right"]'),
    )
    assert config.load(write(text)).volumes["vg0/testlv"].legs == ("spare", "right")


def test_options_that_are_always_there_are_not_doubled(write, base):
    text = changed(
        base,
        ('mount = "/mnt/test"', 'mount = { path = "/mnt/x", options = ["_netdev", "noatime", "nofail", "noatime"] }'),
    )
    assert config.load(write(text)).volumes["vg0/testlv"].mount == Mount("/mnt/x", ("noatime",))


def test_a_disk_may_consent_replace_and_be_measured(write, base):
    text = changed(
        base,
        (
            "[groups.vg0]",
            'overwrite = "ext4 labelled old"\nreplaces = "gone"\nsize = "2GiB"\n'
            '[disks.gone]\nserver = "filer2"\ntarget = "iqn.2006-01.com.x:gone"\nlun = 3\n'
            '[groups.vg0]\ntake_from = "4c4c4544004d"',
        ),
    )
    desired = config.load(write(text))
    disk = desired.disks["right"]
    assert (disk.consent, disk.replaces, disk.size) == ("ext4 labelled old", "gone", 2 * 2**30)
    assert desired.groups["vg0"].take_from == "4c4c4544004d"


def test_a_disk_that_is_replaced_may_be_the_same_lun(write, base):
    """A new disk behind the old one's server, target and LUN: the old table stays, for its physical volume is known by
    it."""
    new = config.load(write(base)).disks["right"]
    table = f'server = "{new.server}"\ntarget = "{new.target}"\nlun = {new.lun}\n'
    text = base.replace('"left", "right"', '"left", "new"') + f'\n[disks.new]\n{table}replaces = "right"\n'
    disks = config.load(write(text)).disks
    assert (disks["new"].replaces, disks["new"].pv_uuid != disks["right"].pv_uuid) == ("right", True)


THIRD = 'server = "filer1"\ntarget = "iqn.2006-01.com.x:c"\nlun = 5\n'

# Each: what is replaced in the base, by what, the key that is named, words of the sentence.
FAULTS = [
    ("version = 1", "version = 2", "version", "must be 1"),
    ("version = 1", "version = true", "version", "must be 1"),
    ("version = 1", "version = 1.0", "version", "must be 1"),
    ("version = 1", 'version = "1"', "version", "must be 1"),
    ("version = 1", "", "", "version is missing"),
    ("[policy]", "[polcy]", "polcy", "not a known key"),
    ("[policy]", "[[policy]]", "policy", "must be a table"),
    ("stall_budget =", "stallbudget =", "policy.stallbudget", "not a known key"),
    ('"15s"', "15", "policy.stall_budget", "duration in quotes"),
    ('"15s"', '"4s"', "policy.stall_budget", "smallest budget is 6s"),
    ('"15s"', '"15s"\ncommand_timeout = "2s"', "policy.command_timeout", "the shortest here is 3 s"),
    ('"15s"', '"15s"\ncommand_timeout = 3', "policy.command_timeout", "duration in quotes"),
    (
        'portals = ["192.168.1.115"]',
        'portals = ["192.168.1.115"]\nsettings = { "node.session.err_timeo.abort_timeout" = "soon" }',
        'servers.filer1.settings."node.session.err_timeo.abort_timeout"',
        "whole number of seconds",
    ),
    ('"15s"', '"2h"', "policy.stall_budget", "too long"),
    ('"15s"', '"15s"\nreplacement_timeout = "14s"', "policy.replacement_timeout", "cannot be kept"),
    ('"15s"', '"15s"\nreplacement_timeout = "25h"', "policy.replacement_timeout", "out of range"),
    ('"15s"', '"15s"\nlogin_retries = 0', "policy.login_retries", "1 or more"),
    ('"15s"', '"15s"\nlogin_retries = "3"', "policy.login_retries", "whole number without quotes"),
    ('"15s"', '"15s"\nstartup = "auto"', "policy.startup", '"automatic", "manual" or "onboot"'),
    ('"30s"', '"2h"', "policy.boot_wait", "out of range"),
    ('portals = ["192.168.1.115"]', "", "servers.filer1", "portals is missing"),
    ('portals = ["192.168.1.115"]', "portals = []", "servers.filer1.portals", "empty list"),
    ('portals = ["192.168.1.115"]', 'portals = "192.168.1.115"', "servers.filer1.portals", "list in brackets"),
    ('portals = ["192.168.1.115"]', 'portals = ["fe80::1"]', "servers.filer1.portals[0]", "link-local"),
    ('["192.168.1.115"]', '["10.0.0.1", "10.0.0.1:3260"]', "servers.filer1.portals[1]", "listed twice"),
    ('"192.168.1.120"', '"192.168.1.115:3260"', "servers.filer2.portals[0]", "belongs to server filer1"),
    (
        "[servers.filer2]",
        '[servers.filer2]\nnoop_out_interval = "14s"',
        "servers.filer2.noop_out_interval",
        "cannot be kept",
    ),
    ("[servers.filer2]", '[servers.filer2]\nnoop_out_interval = "0s"', "servers.filer2.noop_out_interval", "half"),
    (
        "[servers.filer2]",
        '[servers.filer2]\nnoop_out_interval = "0s"\nnoop_out_timeout = "0s"',
        "servers.filer2.noop_out_interval",
        "switched off",
    ),
    (
        "[servers.filer2]",
        '[servers.filer2]\nsettings = { "node.startup" = "manual" }',
        'servers.filer2.settings."node.startup"',
        "manages node.startup itself",
    ),
    (
        "[servers.filer2]",
        "[servers.filer2]\nsettings = { node.session.cmds_max = 5 }",
        "servers.filer2.settings.node",
        "not a table",
    ),
    ("[servers.filer2]", "[servers.filer2]\nsettings = 5", "servers.filer2.settings", "table of record keys"),
    ("[servers.filer2]", '[servers.filer2]\nchap = "x"', "servers.filer2.chap", "must be a table"),
    (
        "[servers.filer2]",
        '[servers.filer2]\nchap = { username = "x", password_file = "/x/y/z", password = "hunter2" }',
        "servers.filer2.chap.password",
        "not a known key",
    ),
    ("[groups.vg0]\n", f"[disks.Third]\n{THIRD}[groups.vg0]\n", "disks.Third", "not a name"),
    ("[groups.vg0]\n", f'[disks."../x"]\n{THIRD}[groups.vg0]\n', 'disks."../x"', "not a name"),
    ('server = "filer1"', 'server = "filer3"', "disks.left.server", 'no server "filer3"'),
    ("linuxtest1lv-2", "linuxtest1lv/2", "disks.right.target", "not the name of an iSCSI target"),
    ('target = "iqn.2006-01.com.openfiler:linuxtest1lv"\n', "", "disks.left", "target is missing"),
    ("lun = 1\n\n[disks.right]", "lun = -1\n\n[disks.right]", "disks.left.lun", "0 or more"),
    ("lun = 1\n\n[disks.right]", "lun = 16384\n\n[disks.right]", "disks.left.lun", "16383 or less"),
    ("lun = 1\n\n[disks.right]", "lun = true\n\n[disks.right]", "disks.left.lun", "not true"),
    ("lun = 1\n\n[disks.right]", 'lun = "1"\n\n[disks.right]', "disks.left.lun", "without quotes"),
    (
        "lun = 1\n\n[disks.right]",
        'lun = 1\npartition = "yes"\n[disks.right]',
        "disks.left.partition",
        "true or false",
    ),
    ("lun = 1\n\n[disks.right]", 'lun = 1\nsize = "5 extents"\n[disks.right]', "disks.left.size", "extents"),
    ("lun = 1\n\n[disks.right]", 'lun = 1\nreplaces = "left"\n[disks.right]', "disks.left.replaces", "itself"),
    ("lun = 1\n\n[disks.right]", 'lun = 1\nreplaces = "right"\n[disks.right]', "disks.left.replaces", "still lists"),
    ("lun = 1\n\n[disks.right]", 'lun = 1\nreplaces = "old"\n[disks.right]', "disks.left.replaces", "not declared"),
    ('["left", "right"]', '["left", "rigth"]', "groups.vg0.disks[1]", 'no disk "rigth"'),
    ('["left", "right"]', '["left", "left", "right"]', "groups.vg0.disks[1]", "listed twice"),
    ('["left", "right"]', '["left"]', "groups.vg0.volumes.testlv", "needs disks on 2 servers"),
    ('["left", "right"]', "[]", "groups.vg0.disks", "empty list"),
    (
        "[groups.vg0]\n",
        '[groups.vg1]\ndisks = ["left"]\n[groups.vg0]\n',
        "groups.vg0.disks[0]",
        "in group vg1 already",
    ),
    ("[groups.vg0]", '[groups.vg0]\ntake_from = "a b"', "groups.vg0.take_from", "machine-id"),
    ("vg0", "mapper", "groups.mapper", "/dev/mapper already exists"),
    ("testlv]", "snapshot1]", "groups.vg0.volumes.snapshot1", "LVM keeps names"),
    ('"512MiB"', '"512MB"', "groups.vg0.volumes.testlv.size", "unit"),
    ('"512MiB"', '"0MiB"', "groups.vg0.volumes.testlv.size", "nothing"),
    ('size = "512MiB"\n', "", "groups.vg0.volumes.testlv", "size is missing"),
    ('type = "raid1"', 'type = "raid5"', "groups.vg0.volumes.testlv.type", '"raid1", "mirror" or "linear"'),
    ('type = "raid1"', 'log = "core"', "groups.vg0.volumes.testlv.log", "has no log"),
    ('type = "raid1"', 'type = "mirror"\nregion_size = "2MiB"', "groups.vg0.volumes.testlv.region_size", "no region"),
    ('type = "raid1"', 'region_size = "3MiB"', "groups.vg0.volumes.testlv.region_size", "is no size of a region"),
    ('type = "raid1"', 'region_size = "2GiB"', "groups.vg0.volumes.testlv.region_size", "is no size of a region"),
    ('type = "raid1"', 'region_size = "8 extents"', "groups.vg0.volumes.testlv.region_size", "counts extents"),
    ('type = "raid1"', 'legs = ["left"]', "groups.vg0.volumes.testlv.legs", "2 to 10 legs"),
    ('type = "raid1"', 'legs = ["left", "lefd"]', "groups.vg0.volumes.testlv.legs[1]", 'no disk "lefd"'),
    ('type = "raid1"', 'legs = ["left", "left"]', "groups.vg0.volumes.testlv.legs[1]", "listed twice"),
    (
        'type = "raid1"',
        'type = "linear"\nlegs = ["left", "right"]',
        "groups.vg0.volumes.testlv.legs",
        "exactly one leg",
    ),
    ('"ext4"', '"ext5"', "groups.vg0.volumes.testlv.filesystem", '"ext4", "ext3" or "xfs"'),
    ('"ext4"', '{ label = "x" }', "groups.vg0.volumes.testlv.filesystem", "type is missing"),
    (
        '"ext4"',
        '{ type = "xfs", label = "longer-than-12" }',
        "groups.vg0.volumes.testlv.filesystem.label",
        "at most 12",
    ),
    ('"ext4"', '{ type = "ext4", options = ["-F"] }', "groups.vg0.volumes.testlv.filesystem.options", "-F cannot"),
    ('filesystem = "ext4"\n', "", "groups.vg0.volumes.testlv.mount", "without a file system"),
    ('"/mnt/test"', '"/etc"', "groups.vg0.volumes.testlv.mount", "belongs to the system"),
    (
        '"/mnt/test"',
        '{ path = "/mnt/x", options = ["noauto"] }',
        "groups.vg0.volumes.testlv.mount.options[0]",
        "noauto",
    ),
    *(
        (
            '"/mnt/test"',
            f'{{ path = "/mnt/x", options = ["noatime", "{option}"] }}',
            "groups.vg0.volumes.testlv.mount.options[1]",
            "cannot be declared",
        )
        for option in ("x-systemd.makefs", "offset=1048576", "nobarrier", "x-initrd.mount")
    ),
    (
        "linuxtest1lv-2",
        'x"\nlun = 1\n[disks.third]\nserver = "filer2"\ntarget = "iqn.2006-01.com.openfiler:X',
        "disks.third.target",
        "spelled in another way",
    ),
    ('"/mnt/test"', "5", "groups.vg0.volumes.testlv.mount", "a text or a table"),
]


@pytest.mark.parametrize(("old", "new", "key", "words"), FAULTS, ids=[f"{f[2]}: {f[3]}" for f in FAULTS])
def test_one_fault(write, base, old, new, key, words):
    path = write(changed(base, (old, new)))
    found = [p for p in problems(path) if "password file" not in p.what]
    assert [p.where.partition(": ")[2] for p in found] == [key]
    assert words in found[0].what
    place = found[0].where.partition(": ")[0]
    assert place == path or place.startswith(path + ":")
    assert "hunter2" not in str(found[0])
    assert "pydantic" not in str(found[0])
    assert "Input should" not in str(found[0])


def test_lines_are_those_of_the_keys(write, base):
    path = write(changed(base, ('"512MiB"', '"512MB"'), ("lun = 1\n\n[disks.right]", "lun = -1\n\n[disks.right]")))
    lines = Path(path).read_text().splitlines()
    lun, size = lines.index("lun = -1") + 1, lines.index('size = "512MB"') + 1
    assert [p.where for p in problems(path)] == [
        f"{path}:{lun}: disks.left.lun",
        f"{path}:{size}: groups.vg0.volumes.testlv.size",
    ]


def test_all_faults_are_reported_at_once(write, base):
    everything = changed(
        base,
        ('"15s"', '"3s"'),
        ('"192.168.1.120"', '"192.168.1.115"'),
        ('server = "filer1"', 'server = "filer9"\nbogus = 1'),
        ("linuxtest1lv-2", "linuxtest1lv/2"),
        ('"512MiB"', '"512MB"'),
        ('type = "raid1"', 'legs = ["left", "middle"]\nlog = "core"'),
        ('"/mnt/test"', '"/"'),
    )
    keys = [p.where.partition(": ")[2] for p in problems(write(everything))]
    assert keys == [
        "policy.stall_budget",
        "servers.filer2.portals[0]",
        "disks.left.server",
        "disks.left.bogus",
        "disks.right.target",
        "groups.vg0.volumes.testlv.size",
        "groups.vg0.volumes.testlv.legs[1]",
        "groups.vg0.volumes.testlv.log",
        "groups.vg0.volumes.testlv.mount",
    ]


def test_two_legs_on_one_server(write, base):
    text = changed(
        base,
        ("[groups.vg0]", '[disks.spare]\nserver = "filer1"\ntarget = "iqn.2006-01.com.x:c"\nlun = 5\n\n[groups.vg0]'),
        ('disks = ["left", "right"]', 'disks = ["left", "right", "spare"]'),
        ('type = "raid1"', 'legs = ["left", "spare"]'),
    )
    (found,) = problems(write(text))
    assert "both on server filer1" in found.what


def test_a_leg_outside_the_group(write, base):
    text = changed(
        base,
        ("[groups.vg0]", '[disks.spare]\nserver = "filer1"\ntarget = "iqn.2006-01.com.x:c"\nlun = 5\n\n[groups.vg0]'),
        ('type = "raid1"', 'legs = ["right", "spare"]'),
    )
    (found,) = problems(write(text))
    assert "not in group vg0" in found.what


def test_one_lun_declared_twice(write, base):
    text = changed(base, ('server = "filer2"', 'server = "filer1"'), ("linuxtest1lv-2", "linuxtest1lv"))
    assert any("same LUN as disk left" in p.what for p in problems(write(text)))


def test_one_mount_point_and_one_label_twice(write, base):
    other = (
        '\n[groups.vg0.volumes.other]\nsize = "1GiB"\nmount = "/mnt/test"\nfilesystem = { type = "xfs", label = "x" }'
    )
    text = changed(base, ('"ext4"', '{ type = "ext4", label = "x" }')) + other
    what = [p.what for p in problems(write(text))]
    assert any("mount point of volume vg0/testlv" in w for w in what)
    assert any("label of volume vg0/testlv" in w for w in what)


def test_a_small_xfs(write, base):
    (found,) = problems(write(changed(base, ('"ext4"', '"xfs"'), ('"512MiB"', '"299MiB"'))))
    assert "at least 300MiB" in found.what


def test_names_too_long_together(write, base):
    text = changed(base, ("vg0", "v" * 60), ("testlv", "l" * 60), ("linuxtest1" + "l" * 0, "linuxtest1"))
    assert any("too long together" in p.what for p in problems(write(text)))


def test_the_nearest_name_is_reported(write, base):
    (found,) = problems(write(changed(base, ('server = "filer1"', 'server = "filer11"'))))
    assert found.next == "did you mean filer1?"


def test_thousands_of_faults_end_in_a_short_report(write, base):
    path = write(base + "".join(f"[disks.bad{n}]\nx{n} = 1\n" for n in range(3000)))
    found = problems(path)
    assert len(found) == MOST_SHOWN + 1
    assert "more problems" in found[-1].what


def test_what_a_terminal_would_obey_is_escaped(write, base):
    path = write(base + '\n["\\u001b[2J"]\n"\\u0007" = 1\n[groups."\\u001b[2J"]\ndisks = ["left"]\n')
    assert "\x1b" not in "".join(str(p) for p in problems(path))


# Parts


def test_parts_are_joined_by_table(write, base):
    main, volumes = base.split("[groups.vg0.volumes.testlv]")
    path = write(main)
    write("version = 1\n[groups.vg0.volumes.testlv]" + volumes, "conf.d/volumes.toml")
    write("nonsense", "conf.d/ignored.txt")
    write("nonsense", "conf.d/.hidden.toml")
    write('[servers.filer1]\nstartup = "manual"\n', "conf.d/a.toml")
    desired = config.load(path)
    assert "vg0/testlv" in desired.volumes
    assert desired.servers["filer1"].startup == "manual"


def test_a_key_given_twice_names_both_places(write, base):
    path = write(base)
    part = write("# more\n[disks.left]\nlun = 2\n[servers]\nfiler1 = 5\n", "conf.d/10.toml")
    server, lun = problems(path)
    assert lun.what == f"given twice: in {path}:16 and in {part}:3"
    assert lun.where == f"{part}:3: disks.left.lun"
    assert server.what == f"given twice: in {path}:7 and in {part}:5"


def test_a_fault_in_a_part_is_placed_there(write, base):
    path = write(base)
    part = write('\n\n[disks.left]\nsize = "2GB"\n', "conf.d/10.toml")
    assert problems(path)[0].where == f"{part}:4: disks.left.size"


def test_the_version_belongs_into_the_main_file(write, base):
    path = write(base.replace("version = 1", ""))
    write("version = 1\n", "conf.d/a.toml")
    assert problems(path)[0].what == "version is missing in the main file"


def test_versions_that_differ(write, base):
    path = write(base)
    write("version = 2\n", "conf.d/a.toml")
    assert any("given twice" in p.what for p in problems(path))


# Secrets


@pytest.fixture
def chap(base):
    return base + (
        '\n[servers.filer1.chap]\nusername = "client"\npassword_file = "secrets/one"\n'
        'mutual = { username = "filer1", password_file = "secrets/two" }\n'
    )


def test_chap(write, directory, chap):
    path = write(chap)
    one, two = write("first secret\n", "secrets/one"), write("second secret\n", "secrets/two")
    assert config.load(path).servers["filer1"].chap == Chap(Credentials("client", one), Credentials("filer1", two))


def test_equal_secrets_are_refused_and_never_shown(write, chap):
    path = write(chap)
    write("correct horse\n", "secrets/one")
    write("correct horse", "secrets/two")
    (found,) = problems(path)
    assert "same secret" in found.what
    assert "correct horse" not in str(found)


def test_a_world_readable_secret(write, chap):
    path = write(chap)
    write("first secret\n", "secrets/one", mode=0o644)
    write("second secret\n", "secrets/two")
    (found,) = problems(path)
    assert "mode 0644" in found.why
    assert found.where.endswith("servers.filer1.chap.password_file")


def test_a_missing_secret(write, chap):
    path = write(chap)
    write("first secret\n", "secrets/one")
    (found,) = problems(path)
    assert found.why == "it does not exist"


def test_a_systemd_credential(write, directory, chap, monkeypatch):
    path = write(chap.replace("secrets/one", "one").replace("secrets/two", "two"))
    assert config.load(path)  # outside the unit nobody can tell
    credential = write("from systemd", "credentials/one", mode=0o400)
    two = write("beside the configuration", "two")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(directory / "credentials"))
    made = config.load(path).servers["filer1"].chap
    assert (made.outgoing.password_file, made.mutual.password_file) == (credential, two)
    (directory / "two").unlink()
    assert problems(path)[0].why == "it does not exist"


def test_a_mirror_needs_a_larger_budget_than_raid1(write, base):
    """dmeventd repairs a mirror before writing goes on, so its servers have another margin, and another smallest."""
    mirror = ('type = "raid1"', 'type = "mirror"')
    with pytest.raises(ConfigError) as caught:
        config.load(write(changed(base, ('"15s"', '"8s"'), mirror)))
    (problem,) = caught.value.problems
    assert "smallest budget is 9s" in problem.what
    assert "vg0/testlv of type mirror" in problem.why
    assert "1 (noop_out_interval) + 1 (noop_out_timeout) + 1 (replacement_timeout) + 6 (margin) = 9 s" in problem.why
    assert config.load(write(changed(base, ('"15s"', '"8s"')))).servers["filer1"].timeouts.margin == 3
    desired = config.load(write(changed(base, mirror)))
    assert [s.timeouts[:3] for s in desired.servers.values()] == [(3, 3, 3)] * 2
    assert {s.timeouts.margin for s in desired.servers.values()} == {6}


def test_a_budget_that_only_some_servers_miss_is_one_error(write, base):
    """A smaller margin leaves more to replacement_timeout, and so asks for a longer command_timeout than the largest one."""
    text = changed(base, ('"15s"', '"13s"\ncommand_timeout = "2s"'))
    for name in ("left", "right"):
        text += f'[servers.m{name}]\nportals = ["{name}.example"]\n'
        text += f'[disks.m{name}]\nserver = "m{name}"\ntarget = "iqn.2006-01.com.x:m{name}"\nlun = 1\n'
    text += '[groups.vgm]\ndisks = ["mleft", "mright"]\n[groups.vgm.volumes.m]\nsize = "1GiB"\ntype = "mirror"\n'
    with pytest.raises(ConfigError) as caught:
        config.load(write(text))
    (problem,) = caught.value.problems
    assert problem.where.endswith("policy.command_timeout")
    assert "the shortest here is 3 s" in problem.what


def test_an_abort_timeout_in_the_settings_counts(write, base):
    one = 'portals = ["192.168.1.115"]'
    own = f'{one}\nsettings = {{ "node.session.err_timeo.abort_timeout" = 20, "node.session.cmds_max" = 64 }}'
    desired = config.load(write(changed(base, (one, own))))
    assert desired.servers["filer1"].timeouts.abort_timeout == 20
    assert desired.servers["filer2"].timeouts.abort_timeout == 2
    assert desired.servers["filer1"].settings == (("node.session.cmds_max", "64"),)
    said = "\n".join(config.explain("servers.filer1.command_timeout", desired).derived)
    assert "2 x (1 (max_retries) + 1) x (3 x 9 (command_timeout) + 20 (abort_timeout) + 3) = 200 s" in said
