"""Whether the server of a leg is still the one that took the leg's last writes, or has been restarted since.

A server with a volatile write cache that restarts loses what it acknowledged and nobody had it flush, and says so to
nobody: the flush that comes before md clears its bits, as any later one, is answered by the new run of the server
(docs/facts/restarts.md). Two signs prove that it was *not* restarted:

- the TCP connection of the session is the same: none outlives its server;
- the mark on the LUN is there: a persistent reservation's key, registered without APTPL, which SPC has a target forget at
  a loss of power. It reserves nothing, so nobody is kept out by it.

A plain outage leaves the mark, so it costs nothing. A unit attention proves nothing: tgt and LIO raise it for every new
connection. What cannot be proven counts as a restart.
"""

from typing import NamedTuple

from lunmirror.engine.model import ABSENT, Present, Seen, Unknown

PREFIX = "6c756e6d"  # "lunm": what a mark begins with, as sg_persist writes keys


class Standing(NamedTuple):
    """The server behind a physical volume with a volatile write cache, or one that had one, as it is seen now.

    links: its live connections, each a text that no other connection ever has.
    marks: Absent while nobody had to ask (a connection is the same); Present(keys on the LUN, without 0x, in small
           letters); Unknown if they could not be read this time.
    node:  the SCSI disk to ask; seq: its diskseq. can: keys can be registered there, as far as is known.
    attention: what udev noted of its being reconnected in use, each "BOOT PORT", the last one of each path. Only asked of
               a volume that is not active, like the next.
    volatile: False if its cache is none now: it was when the journal noted it (a controller whose battery failed, a setting that
           came into force with the restart), and what was in it then may be lost.
    heard: udev noted the coming of a connection that lives, so it hears this server's, and silence means that there was none.
    """

    links: tuple[str, ...]
    node: str = ""
    seq: str = ""
    marks: Seen[tuple[str, ...]] = ABSENT
    can: bool = True
    attention: tuple[str, ...] = ()
    heard: bool = False
    volatile: bool = True

    @property
    def foreign(self) -> bool:
        """Somebody else has keys there: then none is added, since a reservation may admit whoever has one."""
        return isinstance(self.marks, Present) and any(not key.startswith(PREFIX) for key in self.marks.facts)

    @property
    def ours(self) -> str:
        """A mark of ours on its LUN; "" if there is none, or it was not asked for."""
        keys = self.marks.facts if isinstance(self.marks, Present) else ()
        return next((key for key in keys if key.startswith(PREFIX)), "")


NONE, LATER = "-", "?"  # no mark can be left there; one is to be left yet
# What follows a mark that was left, and not seen since over the same connection: the server may have been restarted between the
# look at the connection and the mark, which is then one of its new run.
UNSEEN = "?"


def as_link(boot: str, sid: str, port: str) -> str:
    """The text of a connection: no other one has the same local port in the same session and boot."""
    return f"{boot}/{sid}/{port}"


class Noted(NamedTuple):
    """How it was when it was last proven: connections, and the mark or one of the words above. One text in the journal."""

    links: tuple[str, ...]
    mark: str

    def __str__(self) -> str:
        return " ".join((self.mark, *self.links))


def noted(text: str) -> Noted:
    """From the journal's text; of one that is not as lunmirror writes it, nothing is proven."""
    mark, *links = text.split(" ")
    return Noted(tuple(links), mark)


def vouched(servers: dict[str, Standing]) -> dict[str, str]:
    """The journal's texts, for a journal that is begun, of those whose LUN has a mark of ours."""
    return {pv: str(Noted(now.links, now.ours)) for pv, now in servers.items() if now.ours and now.links}


SAME, MARKLESS, CUT, RESTARTED, NEW, DOUBT = "same", "markless", "cut", "restarted", "new", "doubt"


def verdict(before: str | None, now: Standing) -> str:
    """One of the words above. `before` is the journal's text, None if it has none: then there is nothing to compare
    with. MARKLESS: the same, and no mark was left yet, or seen. DOUBT: it could not be asked this time."""
    if before is None:
        return NEW
    past = noted(before)
    if set(past.links) & set(now.links):
        if past.mark.endswith(UNSEEN):
            return MARKLESS
        # Of several paths the kernel may not have noticed yet that one is dead: beside another connection the mark has the word.
        if set(now.links) <= set(past.links) or past.mark == NONE or isinstance(now.marks, Unknown):
            return SAME
    if not isinstance(now.marks, Present):
        return DOUBT
    return CUT if past.mark in now.marks.facts else RESTARTED


def reconnected(before: str | None, boot: str, now: Standing) -> bool:
    """Whether udev noted, in the boot `boot`, a connection that the journal knows nothing of: the server may have been
    restarted after the last pass looked, and before the volume ended."""
    if not boot or before is None:
        return False
    known = {f"{link.split('/')[0]} {link.rpartition('/')[2]}" for link in noted(before).links}
    return any(one.startswith(f"{boot} ") and one not in known for one in now.attention)


def mark(pv: str, links: tuple[str, ...]) -> str:
    """The key to register: another one for each connection, so that it is never taken for one from before a restart."""
    import hashlib  # here, because hardly a pass needs it

    return PREFIX + hashlib.sha256(" ".join((pv, *links)).encode()).hexdigest()[:8]
