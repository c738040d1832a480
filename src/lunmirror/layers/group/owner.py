"""Whose a volume group is: the mark that its owner leaves on it, in LVM's own metadata.

The mark is a tag, `lunmirror.host=MACHINE-ID/INITIATOR#N`. A machine-id alone is not enough: a cloned machine has the
same one. A clone that reaches the same servers needs an initiator name of its own (`/etc/iscsi/initiatorname.iscsi`), so the name
is part of the mark. `#N` counts the takeovers. It makes each mark new, so that a consent given once is never a consent
again: a host whose `take_from` is still in its configuration does not take back what was taken from it since.

What is older has only the machine-id, or no mark at all (a group that was adopted); it gets a mark in a pass.
The mark says whose it is. It does not keep another host off the disks: that is left to the disks themselves (SCSI
persistent reservations), whose key can be derived from this mark. LVM's tags take letters, digits and `_+.-/=!:&#`
(lvm2, lib/misc/lvm-string.c, validate_tag); machine-ids and initiator names have no others.
"""

from enum import Enum
from typing import NamedTuple

TAG = "lunmirror.host="
NAMES = frozenset("abcdefghijklmnopqrstuvwxyz0123456789.:-_")  # of an initiator name, small letters (RFC 3722)
LONGEST = 223  # bytes of an iSCSI name (RFC 7143, 4.2.7.1)


class Mark(NamedTuple):
    """Who owns a group. `initiator` is '' in marks of older versions; `taken` is how many takeovers there were."""

    machine: str
    initiator: str = ""
    taken: int = 0

    @property
    def text(self) -> str:
        """As it stands in the tag, and in `take_from`."""
        return (
            self.machine + (f"/{self.initiator}" if self.initiator else "") + (f"#{self.taken}" if self.taken else "")
        )

    @property
    def tag(self) -> str:
        return f"{TAG}{self.text}"

    @property
    def words(self) -> str:
        """In a sentence."""
        return f"the host with machine-id {self.machine}" + (
            f" and initiator name {self.initiator}" if self.initiator else ""
        )


class Bond(Enum):
    """How a mark relates to this host."""

    OURS = "ours"
    OLDER = "ours, by an older version: the machine-id alone"
    NONE = "no mark"
    NAMESAKE = "the same machine-id, another initiator name"
    OTHER = "another host's"


def read(text: str) -> Mark:
    """The mark in a tag, without its prefix. What is not understood is a machine that nobody has."""
    head, _, count = text.partition("#")
    machine, _, initiator = head.partition("/")
    if "#" in text and not (count.isascii() and count.isdecimal() and len(count) < 10):
        return Mark(text)
    return Mark(machine, initiator, int(count or 0))


def initiator_of(content: str) -> str:
    """The initiator's name in the text of initiatorname.iscsi, in small letters; '' if there is none to rely on. As iscsid
    reads it: the first line that begins with InitiatorName (usr/util, cfg_get_string_param)."""
    for line in content.splitlines():
        key, equals, value = line.strip().partition("=")
        if equals and key.strip() == "InitiatorName":
            name = value.strip().lower()
            proper = name.startswith(("iqn.", "eui.", "naa.")) and NAMES.issuperset(name) and len(name) <= LONGEST
            return name if proper else ""
    return ""


def bond(mark: str, here: str) -> Bond:
    """`mark` is '' for a group without one, `here` is this host's as a mark, "MACHINE/INITIATOR" or "MACHINE"."""
    if not mark:
        return Bond.NONE
    theirs, ours = read(mark), read(here)
    if theirs.machine != ours.machine:
        return Bond.OTHER
    if theirs.initiator == ours.initiator:
        return Bond.OURS
    return Bond.NAMESAKE if theirs.initiator else Bond.OLDER


def consents(take_from: str, mark: str, here: str) -> bool:
    """Whether the configuration's `take_from` is a consent to take over from exactly this mark. The machine-id alone is
    one only before the first takeover, and never if it is this machine's own."""
    theirs = read(mark)
    if not take_from or not mark:
        return False
    alone = take_from == theirs.machine and not theirs.taken and theirs.machine != read(here).machine
    return take_from == theirs.text or alone


def taken_over(mark: str, here: str) -> Mark:
    """This host's mark after it took the group over from that one."""
    return read(here)._replace(taken=read(mark).taken + 1)


def renewed(mark: str, here: str) -> Mark:
    """This host's mark in the place of its own older one, or of none."""
    return read(here)._replace(taken=read(mark).taken)
