import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lunmirror.config import mkfs, mountoptions, names, portals, settings
from lunmirror.config.problems import InvalidValue
from lunmirror.engine.desired import Portal

RIGHT = [
    (names.interface, ["eth1", "bond0.100", "enp3s0f1np1", "x" * 15]),
    (names.own, ["filer1", "a", "0", "left-disk_2.b", "a" * 64]),
    (names.group, ["vg0", "VG+1", "_x", "a.b", "vg-1"]),
    (names.volume, ["testlv", "lv-1", "Mail", "my_mirror", "snap"]),
    (
        names.target,
        [
            "iqn.2006-01.com.openfiler:linuxtest1lv",
            "iqn.2006-01.com.openfiler",
            "iqn.1993-08.org.debian:01:a_b",
            "eui.02004567a425678d",
            "naa.52004567ba64678d",
            "naa.62004567ba64678d0123456789abcdef",
            "iqn.2000-01.com.synology:DiskStation.Target-1.0123456789",
            "eui.02004567A425678D",
        ],
    ),
    (names.mount_path, ["/mnt/test", "/srv/two words", "/home", "/var/lib/mysql", "/usr/local", "/mnt/größe"]),
    (names.machine, ["4c4c4544004d3010805ac3c04f4b3532", "host.example"]),
    (names.label, ["mail", "0123456789abcdef"]),
    (
        settings.key,
        ["node.session.cmds_max", "node.conn[0].iscsi.MaxRecvDataSegmentLength", "node.session.auth.chap_algs"],
    ),
    (mountoptions.mount_option, ["noatime", "commit=60", "x-systemd.device-timeout=10", "nofail", "ro"]),
    (mountoptions.mount_option, ["barrier=1", "data=journal", "data=ordered", "errors=remount-ro", "X-mount.mkdir"]),
    (mountoptions.mount_option, ["x-systemd.device-bound=no", "x-systemd.automount", "x-gvfs-show", "logbufs=8"]),
]

REFUSED = [
    (names.interface, ["", "default", "iser", "a b", "a/b", "eth0:1", "a%b", ".", "..", "x" * 16, "ä" * 8, "a\n", 5]),
    (names.own, ["", "Filer", "-a", ".", "a b", "a/b", "a" * 65, "ä", "a\n", 5, None]),
    (names.group, ["", "-vg", ".", "..", "a b", "a/b", "mapper", "disk", "vg\n", "ä", "x" * 128, 1]),
    (names.volume, ["snapshot1", "pvmove0", "a_rimage_0", "x_mlog", "lv_tdata", "-lv", "..", "a/b", "a_imeta"]),
    (
        names.target,
        [
            "iqn.2006-13.com.x:y",
            "iqn.06-01.com.x:y",
            "iqn.2006-01:y",
            "iqn.2006-01.com.x:",
            "IQN.2006-01.com.x:y",
            "iqn.2006-01.com.x:a/b",
            "iqn.2006-01.com.x:a b",
            "iqn.2006-01.com.x:a,b",
            "iqn.2006-01.com.x:y\n",
            "iqn.2006-01.com.x:\u0430",
            "iqn.2006-01.com.x:" + "a" * 223,
            "../../etc/passwd",
            "-T",
            "eui.02004567a425678",
            "naa.52004567ba64678d0",
            "",
            7,
        ],
    ),
    (
        names.mount_path,
        [
            "mnt",
            "/",
            "/etc",
            "/etc/x",
            "/usr",
            "/var",
            "/var/lib/lunmirror",
            "/dev/shm",
            "/proc",
            "/run/x",
            "/lib64",
            "/boot/efi",
            "/mnt/../etc",
            "/mnt//x",
            "/mnt/",
            "/mnt/./x",
            "/mnt/\t",
            "/mnt/a\nb",
            "/mnt/\u00a0",
            "/mnt/\u202e",
            "/" + "a" * 256,
            "/" + "a/" * 600 + "b",
            "",
            [],
        ],
    ),
    (names.machine, ["", "a b", "../x", "-x", "x" * 301, 'x"y', "a,b"]),
    (names.label, ["", "a b", "-a", "a/b", "0123456789abcdefg"]),
    (names.consent, ["", " x", "a\nb", "x" * 1025]),
    (names.password_file, ["", "a\0b", "..", ".", "dir/", 5]),
    (
        settings.key,
        [
            *settings.MANAGED,
            *settings.FORBIDDEN,
            "node.discovery_address",
            "node.conn[1].timeo.noop_out_interval",
            "iface.net_ifacename",
            "discovery.sendtargets.timeo.login_timeout",
            "node",
            "node.a b",
            "node.a=b",
            "node.a\nnode.b",
            "node." + "a" * 123,
            "node.session.cmd_max",
            "node.session.queue_dept",
            "node.session.iscsi.firstburstlength",
            "node.conn[0].iscsi.MaxRecvDataSegmentLenght",
            "node.session.timeo.replacment_timeout",
        ],
    ),
    (settings.value, ["", "a\nb", "a\0", " a", "x" * 256, True, 1.5, {}, [], 2**70]),
    (
        mountoptions.mount_option,
        [
            *mountoptions.REFUSED,
            *("x-initrd.mount", "x-initrd.attach", "verity.hashdevice=/dev/sdx", "rd.noauto"),
            *(
                "offset=1048576",
                "sizelimit=1",
                "sb=8193",
                "logdev=/dev/sdx",
                "x-systemd.makefs=yes",
                "loop=/dev/loop1",
            ),
            *("X-mount.subdir=a", "x-systemd.required-by=a.service", "x-systemd.device-bound=yes"),
        ],
    ),
    (
        mountoptions.mount_option,
        ["", "a,b", "a b", "a\n", 'context="x"', "#", "noauto", "bind", "remount", "loop=1", 3],
    ),
]


def pairs(table):
    return [
        pytest.param(judge, value, id=f"{judge.__name__}-{n}")
        for judge, values in table
        for n, value in enumerate(values)
    ]


@pytest.mark.parametrize(("judge", "value"), pairs(RIGHT))
def test_right(judge, value):
    assert judge(value) == value


@pytest.mark.parametrize(("judge", "value"), pairs(REFUSED))
def test_refused(judge, value):
    with pytest.raises(InvalidValue) as caught:
        judge(value)
    assert len(caught.value.what) < 400


@pytest.mark.parametrize(
    ("text", "portal"),
    [
        ("192.168.1.115", Portal("192.168.1.115", 3260)),
        ("192.168.1.115:860", Portal("192.168.1.115", 860)),
        ("[fd00::15]:3261", Portal("fd00::15", 3261)),
        ("[FD00:0:0::15]", Portal("fd00::15", 3260)),
        ("fd00::15", Portal("fd00::15", 3260)),
        ("Filer1.Example.com", Portal("filer1.example.com", 3260)),
        ("filer-1:65535", Portal("filer-1", 65535)),
    ],
)
def test_portals(text, portal):
    assert portals.portal(text) == portal
    assert re.search(portals.PORTAL_PATTERN, text), "an editor would warn of it"


@pytest.mark.parametrize(
    "text",
    ["1.2.3.4:0", "1.2.3.4:", "[fd00::15]:00", "iscsi://1.2.3.4", "1.2.3.4:3260,1", "1.2.3.4:port", "fd00::15:x", ""],
)
def test_an_editor_warns_of_portals_too(text):
    assert not re.search(portals.PORTAL_PATTERN, text)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("fe80::1", "link-local"),
        ("[fe80::1%eth0]:3260", "link-local"),
        ("fd00::15:3260", "two ways"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("0.0.0.0", "one server"),
        ("[::]:3260", "one server"),
        ("224.0.0.1", "one server"),
        ("255.255.255.255", "one server"),
        ("192.168.1", "is not a portal"),
        ("192.168.1.256", "is not a portal"),
        ("192.168.01.1", "is not a portal"),
        ("1.2.3.4:0", "port"),
        ("1.2.3.4:65536", "port"),
        ("1.2.3.4:", "port"),
        ("1.2.3.4:٣", "port"),
        ("filer_1", "host name"),
        ("-T", "host name"),
        ("a..b", "host name"),
        ("http://filer1", 'no scheme and no path: iSCSI is understood write "filer1"'),
        (
            "iscsi://192.168.1.115:3260/iqn.x:y",
            'no scheme and no path: iSCSI is understood write "192.168.1.115:3260"',
        ),
        ("iscsi://", "no scheme"),
        ("192.168.1.115:3260,1", 'portal group tag, which lunmirror asks the server for write "192.168.1.115:3260"'),
        ("[fd00::15]:3260,1 iqn.x:y", 'write "[fd00::15]:3260"'),
        ("filer1/x", "host name"),
        ("[fd00::15", "IPv6"),
        ("[fd00::15]3260", "IPv6"),
        ("[1.2.3.4]", "IPv6"),
        ("", "empty"),
        ("a" * 254, "host name"),
        (5, "quotes"),
    ],
)
def test_portals_refused(value, told):
    with pytest.raises(InvalidValue) as caught:
        portals.portal(value)
    assert told in " ".join((caught.value.what, caught.value.why, caught.value.next))


def test_every_managed_key_reports_what_to_declare_instead():
    for key, instead in settings.MANAGED.items():
        with pytest.raises(InvalidValue) as caught:
            settings.key(key)
        assert instead in caught.value.next


def test_a_value_in_the_wrong_place_is_never_repeated():
    with pytest.raises(InvalidValue) as caught:
        settings.value("topsecret\n")
    assert "topsecret" not in caught.value.what + caught.value.why + caught.value.next


def test_device_mapper_has_room():
    assert names.fits_device_mapper("vg0", "testlv")
    assert names.fits_device_mapper("v" * 55, "l" * 55)
    assert not names.fits_device_mapper("v" * 56, "l" * 55)
    assert not names.fits_device_mapper("-" * 28, "l" * 55)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("ext4", ["-m", "1", "-E", "lazy_itable_init=0"]),
        ("ext4", ["-m1", "-N", "5000", "-O", "^64bit"]),
        ("ext3", []),
        ("xfs", ["-K", "-d", "su=64k,sw=1"]),
    ],
)
def test_mkfs_options(kind, options):
    mkfs.check_options(kind, options)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("ext4", ["-F"]),
        ("ext4", ["-qF"]),
        ("ext4", ["-L", "x"]),
        ("ext4", ["-Lx"]),
        ("ext4", ["-U", "random"]),
        ("ext4", ["-n"]),
        ("ext4", ["-m"]),
        ("ext4", ["/dev/sda"]),
        ("ext4", ["-m", "1", "/dev/sda", "-q"]),
        ("ext4", ["--"]),
        ("ext4", ["--help"]),
        ("ext4", ["-R", "offset=4096"]),  # the old name of -E
        ("ext4", ["-J", "size=4,device=/dev/sda"]),
        ("ext4", ["-d", "/etc"]),
        ("xfs", ["-f"]),
        ("xfs", ["-Kf"]),
        ("xfs", ["-N"]),
        ("xfs", ["-m", "crc=1,uuid=x"]),
        ("xfs", ["-l", "logdev=/dev/sda"]),
        ("xfs", ["-d", "name=/etc/passwd"]),
    ],
)
def test_mkfs_options_refused(kind, options):
    with pytest.raises(InvalidValue):
        mkfs.check_options(kind, options)


def said_in_sentences(wrong):
    assert wrong.what


JUDGES = [judge for judge, _ in REFUSED] + [portals.portal, names.username, settings.settings]


@given(
    st.sampled_from(JUDGES),
    st.text() | st.integers() | st.none() | st.lists(st.text()) | st.dictionaries(st.text(), st.text()),
)
def test_anything_is_judged(judge, value):
    try:
        judge(value)
    except InvalidValue as wrong:
        said_in_sentences(wrong)
