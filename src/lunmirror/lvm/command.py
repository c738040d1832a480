"""LVM command lines: always given the devices to look at, so that none of them ever touches a dead disk.

LVM opens every visible device and waits for it without a deadline: with one leg blocked a plain `lvs` hung 110 s
(docs/facts/lvm.md#dead-disk). `--devices` exists since lvm2 2.03.12.
"""

from lunmirror.engine.desired import Desired, Disk
from lunmirror.engine.model import Present, World
from lunmirror.host import paths

# What the machine's lvm.conf may say, and what would change an answer, or the outcome of a command of ours: said again on
# every command line (docs/facts/lvm-settings.md). What is left to the machine is looked at instead: whether something
# watches a mirror, and what may be activated at all.
# A disk that multipath took once is a disk all the same, while no map is over it.
_WORDS = (
    'log{verbose=0 silent=0 indent=1 prefix="" command_names=0 report_command_log=0}'
    ' devices{multipath_wwids_file="/dev/null"}'
)
# Compact output drops keys, prefixes rename them, the rest changes what stands between them.
_REPORT_CONFIG = (
    f'{_WORDS} backup{{backup=0 archive=0}} report{{compact_output=0 compact_output_cols="" prefixes=0 quoted=1 headings=1'
    ' aligned=1 buffered=1 columns_as_rows=0 mark_hidden_devices=1 two_word_unknown_device=0 list_item_separator=","'
    " binary_values_as_numeric=1} activation{monitoring=1}"  # else LVM does not ask dmeventd what it watches
)
# A start is never partial, and a mirror that is repaired before a start only loses its leg: it is given no other.
_CHANGE_CONFIG = (
    f'{_WORDS} report{{binary_values_as_numeric=0}} activation{{mode="degraded"'
    ' mirror_image_fault_policy="remove" mirror_log_fault_policy="allocate"}'
)
SETTINGS = ("--config", _CHANGE_CONFIG)  # the end of every command line that changes something

_REPORT_FIELDS = {
    "vg": "vg_name,vg_uuid,vg_extent_size,vg_free_count,vg_missing_pv_count,vg_seqno,vg_tags,vg_systemid,vg_exported,"
    "vg_lock_type,vg_autoactivation",  # as old as --devices itself: both came with lvm2 2.03.12
    "pv": "pv_name,pv_uuid,vg_name,pv_missing,pv_duplicate,pv_size,dev_size,pv_free,pv_major,pv_minor,pe_start,pv_tags",
    "lv": "lv_uuid,lv_name,lv_parent,lv_layout,lv_role,lv_size,lv_active,lv_suspended,lv_device_open,"
    "lv_kernel_major,lv_kernel_minor,lv_health_status,raid_mismatch_count,mirror_log,lv_tags,origin,lv_permissions,"
    "lv_skip_activation",
    "seg": "lv_uuid,segtype,seg_size_pe,seg_monitor,region_size",
    "pvseg": "pv_uuid,lv_uuid,pvseg_size,pvseg_start",
}


def report(devices: tuple[str, ...]) -> tuple[str, ...]:
    """The command line of the one read. `devices` are /dev paths, all healthy."""
    argv = [paths.LVM, "fullreport", "-a", "--nolocking", "--reportformat", "json", "--units", "b", "--nosuffix"]
    # A group that is another host's, or a cluster's, is not shown without being asked for; it would seem to be gone.
    argv += ["--binary", "--foreign", "--shared", "--devices", ",".join(devices), "--config", _REPORT_CONFIG]
    for name, fields in _REPORT_FIELDS.items():
        argv += ["--configreport", name, "-o", fields]
    return tuple(argv)


def change(devices: tuple[str, ...], verb: str, *words: str) -> tuple[str, ...]:
    """A command line that changes something, over exactly these devices."""
    return (paths.LVM, verb, "--devices", ",".join(devices), *words)


def under_settings(argv: tuple[str, ...]) -> tuple[str, ...]:
    """What is really run: of LVM's commands that change something, under settings of ours. A plan shows them without."""
    return (*argv, *SETTINGS) if argv[0] == paths.LVM else argv


def place_of(disk: Disk) -> str:
    """What stands for a disk's physical volume in a command line, as long as it cannot be seen."""
    return f"<partition 1 of disk {disk.name}>" if disk.partition else f"<disk {disk.name}>"


def devices_of(world: World, desired: Desired) -> tuple[str, ...]:
    """The devices of every physical volume seen on a declared disk or in a declared group: all of them healthy,
    since LVM was only shown healthy ones. While none can be seen: what stands for them in a prediction."""
    found: dict[str, None] = {}
    for seen in world.get("disk", {}).values():
        # What another disk's physical volume stands on is no device of ours, though it is in a declared place.
        if isinstance(seen, Present) and getattr(seen.facts, "place", None) is not None and not _strange(seen.facts):
            found[seen.facts.place.node] = None
    for seen in world.get("group", {}).values():
        if isinstance(seen, Present):
            # No group, or two of one name, have none. (Seen beside a pass that was just making the group.)
            found.update((m.device, None) for m in getattr(seen.facts, "members", ()) if m.device)
    return tuple(sorted(found)) or tuple(place_of(disk) for disk in desired.disks.values())


def _strange(lun: object) -> bool:
    return bool(getattr(getattr(lun, "pv", None), "strange", False))
