"""Which program answers what. A command line that is not in here is one that nobody taught the simulator: it raises."""

import re
from collections.abc import Callable

from lunmirror.lvm.command import SETTINGS
from sim import iscsi, mpath, storage, wire
from sim.disks import Harm
from sim.lvm import Answer, Lvm, answered
from sim.world import World

Handler = Callable[..., Answer]
NOT_FOR_MULTIPATH = 'multipath_wwids_file="/dev/null"'


class Unheard(AssertionError):
    """A command line that the simulator does not know: teach it, and write its contract."""


def answer(world: World, argv: tuple[str, ...], stdin: bytes, partly: bool) -> Answer:
    """`partly`: the machine dies in the middle of it; what is left behind then."""
    _no_copy_in_a_file(world, argv)
    settled = argv[-2:] == SETTINGS
    line = " ".join(argv[:-2] if settled else argv)
    for pattern, handler in PROGRAMS:
        match = re.fullmatch(pattern, line)
        if match:
            if argv[0] == "lvm" and argv[1] not in ("fullreport", "lvmconfig", "systemid") and not settled:
                raise Harm(f"lvm {argv[1]} is run under whatever settings the machine has")
            if "--devices" in argv and NOT_FOR_MULTIPATH not in " ".join(argv):
                raise Harm(f"lvm {argv[1]} leaves out what /etc/multipath/wwids names")
            return handler(world, match, stdin, partly)
    raise Unheard(f"no simulated program answers: {line}")


def _no_copy_in_a_file(world: World, argv: tuple[str, ...]) -> None:
    """A loop device with a declared disk's UUID is named to the administrator, and to no program: not even to be read."""
    words = {device for word in argv for device in re.findall(r"/dev/(loop[0-9]+)(?:p[0-9]+)?\b", word)}
    for loop in world.loops:
        if loop.kernel in words and {loop.lun.body.pv, loop.lun.part.pv} & world.declared.keys():
            raise Harm(f"{argv[0]} is shown {loop.kernel}, a copy in {loop.file}: {' '.join(argv)}")


def _lvm(act: Callable[[Lvm, re.Match, bool], Answer]) -> Handler:
    def handle(world: World, match: re.Match, stdin: bytes, partly: bool) -> Answer:
        devices = tuple(match["devices"].split(","))
        if stalled := storage.hanging(world, devices):
            return storage.Hang(f"lvm hangs on {stalled}")
        missing = [d for d in devices if world.node(d) is None and not d.startswith("/dev/vda")]
        if missing:
            return 5, "", f"  Device {missing[0]} not found.\n"
        return answered(lambda: act(Lvm(world, devices), match, partly))

    return handle


def _report(world: World, match: re.Match, stdin: bytes, partly: bool) -> Answer:
    devices = tuple(match["devices"].split(","))
    if stalled := storage.hanging(world, devices):
        return storage.Hang(f"lvm hangs on {stalled}")
    missing = [d for d in devices if world.node(d) is None and not d.startswith("/dev/vda")]
    rc, out, err = Lvm(world, devices).report()
    return rc, out, err + "".join(f"  Device {d} not found.\n" for d in missing)


def _persist(world: World, match: re.Match, stdin: bytes, partly: bool) -> Answer:
    """sg3-utils 1.46, as seen in the lab: exit codes 0, 6 (unit attention), 9 (the disk has no such command)."""
    disk, _ = world.node(match["node"]) or (None, None)
    if disk is None:
        return 50, "", f"sg_persist: error opening file (rw): {match['node']}: No such file or directory\n"
    if disk.session.answering == "hang":
        return storage.Hang(f"sg_persist hangs on {match['node']}")
    if disk.session.answering == "error":
        return 15, "", "PR in: transport error\n"
    if disk.attention and disk.lun.attentive:
        world.attend(disk)
        return 6, "", "PR in (Read keys): Unit attention\n"
    if disk.lun.keys is None:
        return 9, "", "PR in (Read keys): command not supported\n"
    if key := match.groupdict().get("key"):
        disk.lun.keys = (*disk.lun.keys, key)
        return 0, "", ""
    count = len(disk.lun.keys)
    lines = [f"    0x{key.lstrip('0')}\n" for key in disk.lun.keys]
    if not count:
        return 0, "  PR generation=0x0, there are NO registered reservation keys\n", ""
    noun = "key follows" if count == 1 else "keys follow"
    return 0, f"  PR generation=0x{count:x}, {count} registered reservation {noun}:\n" + "".join(lines), ""


def _places(match: re.Match) -> tuple[str, ...]:
    return tuple(match["places"].split())


def _lvcreate(lvm: Lvm, m: re.Match, partly: bool) -> Answer:
    kind, count, log = m["kind"], int(m["more"] or 0) + 1, m["log"] or ""
    tags = (m["tag"],) if m["tag"] else ()
    return lvm.lvcreate(
        m["name"],
        m["group"],
        kind,
        count,
        log,
        int(m["extents"]),
        tags,
        _places(m),
        partly,
        int(m["region"] or 2048) << 10,
    )


def _activation(world: World) -> Answer:
    """What lvm.conf sets of its section, as `lvmconfig` prints it (seen: 2.03.16)."""
    lists = world.volume_list
    shown = "" if lists is None else "\tvolume_list=[" + ",".join(f'"{one}"' for one in lists) + "]\n"
    return 0, f"activation {{\n\tmonitoring={int(world.monitoring)}\n{shown}}}\n", ""


D = r"--devices (?P<devices>\S+)"
V = r"(?P<group>[\w.+-]+)/(?P<name>[\w.+-]+)"
NODE = r"(?P<node>/dev/\S+)"
PROGRAMS: tuple[tuple[str, Handler], ...] = (
    (rf"sg_persist --in --readonly (--no-inquiry --read-keys|--read-keys --no-inquiry) {NODE}", _persist),
    (rf"sg_persist --out --no-inquiry --register-ignore --param-sark=(?P<key>[0-9a-f]{{16}}) {NODE}", _persist),
    (
        r"lvm fullreport -a --nolocking --reportformat json --units b --nosuffix --binary --foreign --shared"
        rf" {D} --config .*",
        _report,
    ),
    (
        rf"lvm pvcreate {D} --uuid (?P<uuid>\S+) --norestorefile (?P<wipe>-y )?{NODE}",
        _lvm(lambda v, m, p: v.pvcreate(m["uuid"], m["node"], bool(m["wipe"]))),
    ),
    (
        rf"lvm vgcreate {D} --setautoactivation n --addtag (?P<tag>\S+) (?P<name>\S+) (?P<places>/dev/.*)",
        _lvm(lambda v, m, p: v.vgcreate(m["name"], m["tag"], _places(m), p)),
    ),
    (
        rf"lvm pvchange {D} --addtag (?P<tag>\S+)(?P<out>(?: --deltag \S+)*) {NODE}",
        _lvm(lambda v, m, p: v.pvchange(m["node"], m["tag"], tuple(m["out"].split()[1::2]))),
    ),
    (rf"lvm pvresize {D} {NODE}", _lvm(lambda v, m, p: v.pvresize(m["node"]))),
    (
        rf"lvm vgchange {D} (?P<words>(?:--(?:deltag|addtag|select) \S+ )+)(?P<name>\S+)",
        _lvm(lambda v, m, p: v.vgchange(m["name"], m["words"])),
    ),
    (rf"lvm vgchange {D} --setautoactivation n (?P<name>\S+)", _lvm(lambda v, m, p: v.no_events(m["name"]))),
    (
        rf"lvm vgextend {D} --restoremissing (?P<name>\S+) {NODE}",
        _lvm(lambda v, m, p: v.restoremissing(m["name"], m["node"])),
    ),
    (
        rf"lvm vgextend {D} (?P<name>[^-]\S*) (?P<places>/dev/.*)",
        _lvm(lambda v, m, p: v.vgextend(m["name"], _places(m))),
    ),
    (rf"lvm vgreduce {D} --removemissing (?P<name>[\w.+-]+)", _lvm(lambda v, m, p: v.vgreduce(m["name"], ""))),
    (rf"lvm vgreduce {D} (?P<name>[^-]\S*) {NODE}", _lvm(lambda v, m, p: v.vgreduce(m["name"], m["node"]))),
    (
        rf"lvm lvcreate {D} --type (?P<kind>raid1|mirror|linear)(?: -m (?P<more>\d+))?(?: --mirrorlog (?P<log>core|disk))?"
        r"(?: --regionsize (?P<region>\d+)k)? -n (?P<name>\S+) -l (?P<extents>\d+)(?: --addtag (?P<tag>\S+))? -y -W y -Z y (?P<group>\S+) (?P<places>/dev/.*)",
        _lvm(_lvcreate),
    ),
    (rf"lvm lvchange {D} -a y {V}", _lvm(lambda v, m, p: v.activate(m["group"], m["name"], False))),
    (
        rf"lvm lvchange {D} -a y --activationmode degraded {V}",
        _lvm(lambda v, m, p: v.activate(m["group"], m["name"], True)),
    ),
    (
        rf"lvm lvchange {D} (?P<words>(?:--(?:deltag|addtag) \S+ )+){V}",
        _lvm(lambda v, m, p: v.tag(m["group"], m["name"], m["words"])),
    ),
    (
        rf"lvm lvchange {D} --syncaction (?P<action>check|repair) {V}",
        _lvm(lambda v, m, p: v.syncaction(m["group"], m["name"], m["action"])),
    ),
    (rf"lvm lvconvert {D} -y --repair --use-policies {V}", _lvm(lambda v, m, p: v.repair(m["group"], m["name"]))),
    (
        rf"lvm lvchange {D} (?P<flags>(?:--writemostly /dev/\S+:[yn] )+){V}",
        _lvm(
            lambda v, m, p: v.writemostly(
                m["group"], m["name"], {w[:-2]: w[-1] == "y" for w in m["flags"].split()[1::2]}
            )
        ),
    ),
    (rf"lvm lvchange {D} --refresh {V}", _lvm(lambda v, m, p: v.refresh(m["group"], m["name"]))),
    (
        rf"lvm lvconvert {D} -y --type (?P<kind>raid1|mirror) -m 1(?: --mirrorlog (?P<log>core|disk))?(?: -b)? {V} {NODE}",
        _lvm(lambda v, m, p: v.convert(m["group"], m["name"], m["kind"], 1, m["log"] or "", m["node"], p)),
    ),
    (
        rf"lvm lvconvert {D} -y -m \+1(?: -b)? {V} {NODE}",
        _lvm(lambda v, m, p: v.convert(m["group"], m["name"], "", 2, "", m["node"], p)),
    ),
    (
        rf"lvm lvconvert {D} -y -m (?P<left>-1|0|1) {V} {NODE}",
        _lvm(lambda v, m, p: v.drop(m["group"], m["name"], int(m["left"]), m["node"])),
    ),
    (
        rf"lvm lvchange {D} -y(?P<which>(?: --rebuild /dev/\S+)+) {V}",
        _lvm(lambda v, m, p: v.remake(m["group"], m["name"], tuple(m["which"].split()[1::2]))),
    ),
    (
        rf"lvm lvconvert {D} -y --repair {V} {NODE}",
        _lvm(lambda v, m, p: v.rebuild(m["group"], m["name"], m["node"])),
    ),
    (
        rf"lvm lvremove {D} -y --select (?P<selection>.+) {V}",
        _lvm(lambda v, m, p: v.lvremove(m["selection"], m["group"], m["name"])),
    ),
    (rf"lvm lvchange {D} -a n {V}", _lvm(lambda v, m, p: v.deactivate(m["group"], m["name"]))),
    (rf"lvm lvconvert {D} -y --type raid1 {V}", _lvm(lambda v, m, p: v.takeover(m["group"], m["name"]))),
    (
        rf"lvm lvconvert {D} -y --regionsize (?P<region>\d+)k {V}",
        _lvm(lambda v, m, p: v.regionsize(m["group"], m["name"], int(m["region"]) << 10)),
    ),
    (
        rf"lvm lvconvert {D} -y --mirrorlog (?P<log>core|disk) {V}",
        _lvm(lambda v, m, p: v.mirrorlog(m["group"], m["name"], m["log"])),
    ),
    (
        rf"lvm lvextend {D} -l (?P<extents>\d+) {V} (?P<places>/dev/.*)",
        _lvm(lambda v, m, p: v.extend(m["group"], m["name"], int(m["extents"]), _places(m))),
    ),
    (
        r"ping -n -I (?P<interface>\S+) -q -c 2 -i 0\.3 -W 1 -M do -s (?P<size>\d+) (?P<address>\S+)",
        lambda w, m, s, p: wire.ping(w.servers, m["address"], int(m["size"])),
    ),
    (
        r"dd if=(?P<node>\S+) of=/dev/null bs=(?P<size>512|262144) count=1 iflag=direct status=none",
        lambda w, m, s, p: storage.direct(w, m["node"], int(m["size"])),
    ),
    (
        r"ip -j route get (?P<address>\S+)(?: oif (?P<oif>\S+))?",
        lambda w, m, s, p: wire.route(w.servers, w.ways, m["address"], m["oif"] or ""),
    ),
    (r"ip xfrm policy", lambda w, m, s, p: (0, w.xfrm, "")),
    (r"dmesg --kernel --time-format iso", lambda w, m, s, p: (0, "", "")),
    (r"lvm lvmconfig activation", lambda w, m, s, p: _activation(w)),
    (r"lvm systemid", lambda w, m, s, p: (0, f"  system ID: {w.system_id}\n", "")),
    (
        r"dmsetup message (?P<dm>[\w.+-]+) 0 idle",
        lambda w, m, s, p: storage.halt(w, m["dm"]),
    ),
    (r"multipathd reconfigure", lambda w, m, s, p: mpath.reconfigure(w)),
    (r"multipathd show config local", lambda w, m, s, p: mpath.show(w)),
    (rf"multipath -a {NODE}", lambda w, m, s, p: mpath.take(w, m["node"])),
    (r"dmsetup status", lambda w, m, s, p: storage.dmsetup(w)),
    (rf"blkid -p -o export {NODE}", lambda w, m, s, p: storage.blkid(w, m["node"])),
    (
        rf"cmp --ignore-initial=(?P<offset>\d+):0 --bytes=(?P<length>\d+) {NODE} /dev/zero",
        lambda w, m, s, p: storage.compare(w, m["node"], int(m["offset"]), int(m["length"])),
    ),
    (
        r"dd if=(?P<node>\S+) bs=512 skip=(?P<sector>\d+) count=1 status=none",
        lambda w, m, s, p: storage.sector(w, m["node"], int(m["sector"])),
    ),
    (
        r"dd if=(?P<node>\S+) bs=4096 skip=(?P<block>\d+) count=(?P<count>\d+) iflag=direct status=none",
        lambda w, m, s, p: storage.superblock(w, m["node"], int(m["block"]), int(m["count"])),
    ),
    (rf"od -A n -v -t x1 -N 2048 {NODE}", lambda w, m, s, p: storage.head(w, m["node"])),
    (rf"sfdisk --wipe always {NODE}", lambda w, m, s, p: storage.sfdisk(w, m["node"], s, p, wipe=True)),
    (rf"sfdisk {NODE}", lambda w, m, s, p: storage.sfdisk(w, m["node"], s, p)),
    (rf"partx --update {NODE}", lambda w, m, s, p: storage.partx(w, m["node"])),
    (
        rf"mkfs\.(?P<type>ext3|ext4|xfs) -q (?P<over>-f )?(?:-m uuid=|-U )(?P<uuid>\S+)(?: -L (?P<label>\S+))? {NODE}",
        lambda w, m, s, p: storage.mkfs(w, m["type"], m["uuid"], m["label"] or "", bool(m["over"]), m["node"], p),
    ),
    (rf"resize2fs {NODE}", lambda w, m, s, p: storage.resize(w, m["node"], "")),
    (r"xfs_growfs (?P<path>/\S+)", lambda w, m, s, p: storage.resize(w, "", m["path"])),
    (
        r"mount -o remount,bind,(?P<flags>\S+) (?P<device>\S+) (?P<path>/\S+)",
        lambda w, m, s, p: storage.remount(w, m),
    ),
    (
        r"mount -t (?P<type>\S+) -o (?P<flags>\S+) (?P<device>\S+) (?P<path>/\S+)",
        lambda w, m, s, p: storage.mount(w, m),
    ),
    (r"umount (?P<path>/\S+)", lambda w, m, s, p: storage.umount(w, m["path"])),
    (r"systemctl restart iscsid\.service", lambda w, m, s, p: iscsi.restart(w)),
    (r"systemctl daemon-reload", lambda w, m, s, p: (w.reload_units(), (0, "", ""))[1]),
    (
        r"iscsiadm -m discovery -t st -p (?P<portal>\S+) -o nonpersistent -I (?P<iface>\S+)",
        lambda w, m, s, p: iscsi.discover(w, m["portal"], m["iface"]),
    ),
    (
        r"iscsiadm -m node -o new -T (?P<target>\S+) -p (?P<portal>\S+) -I (?P<iface>\S+)",
        lambda w, m, s, p: iscsi.new_record(w, m["target"], m["portal"], p, m["iface"]),
    ),
    (r"iscsiadm -m session -r (?P<sid>\d+) --logout", lambda w, m, s, p: iscsi.end_session(w, int(m["sid"]))),
    (
        r"iscsiadm -m node -T (?P<target>\S+) -p (?P<portal>\S+) -o delete",
        lambda w, m, s, p: iscsi.delete_record(w, m["target"], m["portal"]),
    ),
    (
        r"iscsiadm -m node -T (?P<target>\S+) -p (?P<portal>\S+) -I (?P<iface>\S+) --logout",
        lambda w, m, s, p: iscsi.logout(w, m["target"], m["portal"], m["iface"]),
    ),
    (
        r"iscsiadm -m node -T (?P<target>\S+) -p (?P<portal>\S+) -I (?P<iface>\S+) --login",
        lambda w, m, s, p: iscsi.login(w, m["target"], m["portal"], m["iface"]),
    ),
)
