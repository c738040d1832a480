"""Any servers restarted, at any time, in any order, with outages, crashes and clean ends of the client, and copies under way: what a
leg still has is never overwritten by one that lacks it, and what all of them lack is never passed over in silence."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sim.machine import Call, Fault, no_fault
from sim.stage import Pass, Stage, converged, text

SERVERS = ("filer1", "filer2")
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(("restart", "restart long", "cut", "up")), st.sampled_from(SERVERS)),
        st.tuples(st.just("in a pass"), st.sampled_from(SERVERS), st.integers(1, 60)),
        st.tuples(st.sampled_from(("both", "pass", "pass", "wait", "crash", "stop", "hold", "site", "idle site"))),
    ),
    max_size=9,
)


class Ledger:
    """What was acknowledged, which of it a leg still has, and whether anything was said of the rest."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.said = stage, False
        [self.uuid] = stage.world.acknowledged
        self.had: frozenset[int] = frozenset()
        self.doubted = False
        stage.world.excused = lambda uuid: self.doubted or self.is_helpless()

    def is_helpless(self) -> bool:
        """Whether a server lost something, and nothing shows which leg is the right one to start from: each of them lacks
        something, or each one's server was restarted. That this is said, and that nothing is copied over what a leg has, is what is
        left to ask for."""
        world, uuid = self.stage.world, self.uuid
        legs = [
            (area.legs[uuid], lun) for *_, lun in world.luns() for area in (lun.body, lun.part) if uuid in area.legs
        ]
        lacking = [bool(world.acknowledged[uuid] - leg.writes) for leg, _ in legs]
        return any(leg.forgot for leg, _ in legs) and (all(lacking) or not any(lun.keys for _, lun in legs))

    def believed(self) -> set[str]:
        """Legs in service without what another leg still has: what all of them lost is nobody's choice."""
        legs = (
            [leg for leg in self.stage.world.active("testlv").legs if leg.letter == "A"]
            if self.stage.world.actives
            else []
        )
        return {leg.pv for leg in legs if leg.data.forgot and self.held() - leg.data.writes}

    def held(self) -> frozenset[int]:
        """By legs that are not being copied over in full: what such a one has goes, whatever its source loses meanwhile."""
        legs = [area.legs[self.uuid] for area in self.stage.world.areas() if self.uuid in area.legs]
        return frozenset().union(*(leg.writes for leg in legs if leg.recovering != "full")) & frozenset(
            self.stage.world.acknowledged[self.uuid]
        )

    def look(self, after: str) -> None:
        """Only a server that loses its power takes anything from the legs."""
        gone = self.had - self.held()
        assert not gone, f"{after}: {len(gone)} writes that a leg still had are gone"
        self.had = self.held()

    def forget(self, server: str, lose: int) -> None:
        self.look("before")
        self.stage.world.forget(server, lose)
        self.had = self.held()

    def heard(self, last: Pass) -> None:
        words = str(last.report.findings)
        told = last.exit == 4 or "may lack writes" in words or "may have lost writes" in words
        self.said = self.said or told
        self.doubted = told or (self.doubted and last.exit != 0)

    def apply(self, fault: Fault = no_fault) -> Pass:
        """One pass, which may well believe a leg that lost something only while it ran."""
        before = self.believed()
        last = self.stage.run(fault)
        assert last.exit or not before & self.believed(), f"full redundancy is reported\n{last}"
        self.heard(last)
        return last


def happen(stage: Stage, ledger: Ledger, event: tuple) -> None:
    world = stage.world
    verb, *which = event
    ends_clean = all(leg.disk and leg.disk.session.answering == "ok" for a in world.actives for leg in a.legs)
    lose = 2 if world.actives else 0  # at rest all was flushed, or nobody was told that it was
    match verb:
        case "restart" | "restart long":
            world.refuse(which[0])
            world.advance(60.0 if "long" in verb else 3.0)
            ledger.forget(which[0], lose)
            world.restore(which[0])
        case "both":
            for n, server in enumerate(SERVERS):
                world.refuse(server)
                world.advance(1.0)
                ledger.forget(server, lose and 1 + 2 * n)
            for server in SERVERS:
                world.restore(server)
        case "site" | "idle site":
            world.crash(idle="idle" in verb)
            for server in SERVERS:
                world.refuse(server)
                ledger.forget(server, 0)
                world.restore(server)
            world.boot()
        case "cut":
            world.cut(which[0])
        case "up":
            world.restore(which[0])
        case "in a pass":
            server, number = which

            def fault(call: Call) -> str:
                if call.number == number and not call.changes and world.servers[server].state == "up":
                    world.refuse(server)
                    world.advance(3.0)
                    ledger.forget(server, lose)
                    world.restore(server)
                    world.advance(4.0)
                return ""

            ledger.apply(fault)
        case "pass":
            ledger.apply()
        case "wait":
            world.advance(40.0)
        case "crash":
            world.reboot()
        case "stop":
            if world.actives and ends_clean:
                world.unmount("/mnt/test")
                world.deactivate("testlv")
        case "hold":
            world.copying = not world.copying
    world.advance(5.0)
    ledger.look(str(event))


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(EVENTS)
def test_nothing_is_lost_in_silence(events: list[tuple]) -> None:
    stage = converged(text())
    stage.world.event_activation = False
    ledger = Ledger(stage)
    ledger.look("at first")
    for event in events:
        happen(stage, ledger, event)

    stage.world.copying = True
    for server in SERVERS:
        stage.world.restore(server)
    stage.world.advance(60.0)
    for _ in range(9):
        ledger.look("passes")
        last = ledger.apply()
        stage.world.advance(60.0)
        if last.exit in (0, 4) and not last.host.changed:
            break
    ledger.look("at the end")

    assert last.exit in (0, 4), f"{events}\n{last}"
    acknowledged = frozenset(stage.world.acknowledged[ledger.uuid])
    assert ledger.said or acknowledged == ledger.held(), f"{events}\n{last}"
    if last.exit == 0:
        legs = stage.world.active("testlv").legs
        assert all(leg.letter == "A" and leg.data.writes & acknowledged == ledger.held() for leg in legs), f"{events}"
        assert not stage.world.unequal
