"""A course as the lab shows it: a server dies at 0, the leg is given up, the traffic returns, a pass repairs."""

from lunmirror.drill.course import Course, Pass
from lunmirror.drill.plan import Place, Rehearsal
from lunmirror.drill.probe import Write
from lunmirror.drill.watch import GIVEN_UP, REBUILDING, WHOLE, Sample

CUT = 1000.0
OK = {"session2": "LOGGED_IN"}


def rehearsal(**changes: object) -> Rehearsal:
    plain = Rehearsal(
        server="filer2",
        seconds=25,
        budget=5,
        endpoints=(("192.168.1.120", 3260),),
        targets=("iqn.example:two",),
        volumes=("vg0/testlv",),
        places=(Place("vg0/testlv", "/mnt/test", 0x2FD04),),
        sessions=1,
    )
    return plain._replace(**changes)


def steady(begun: float, ended: float, latency: float = 0.004) -> list[Write]:
    return [Write(begun + n * 0.05, latency * (1 + n % 5 / 3), 0) for n in range(int((ended - begun) / 0.05))]


def course(stall: float = 4.3, error: int = 0, repaired: bool = True, **changes: object) -> Course:
    writes = [
        *steady(CUT - 4, CUT),
        Write(CUT + 0.01, stall, error),
        *steady(CUT + stall + 0.05, CUT + 34, 0.002),
    ]
    samples = (
        Sample(CUT - 4, OK, {"vg0/testlv": WHOLE}),
        Sample(CUT + 2.2, {"session2": "FAILED"}, {"vg0/testlv": WHOLE}),
        Sample(CUT + 3.4, {"session2": "FREE"}, {"vg0/testlv": WHOLE}),
        Sample(CUT + 4.2, {"session2": "FREE"}, {"vg0/testlv": GIVEN_UP}),
        Sample(CUT + 27.1, OK, {"vg0/testlv": GIVEN_UP}),
        Sample(CUT + 29.0, OK, {"vg0/testlv": REBUILDING}),
        Sample(CUT + 30.2, OK, {"vg0/testlv": WHOLE}),
    )
    plain = Course(
        rehearsal=rehearsal(),
        date="2026-11-23T05:20:00Z",
        cut_at=CUT,
        lifted_at=CUT + 25,
        ended_at=CUT + 34,
        whole_at=CUT + 32 if repaired else None,
        writes={"vg0/testlv": tuple(writes)},
        samples=samples,
        passes=(Pass(CUT + 28, 2.0, ("volume vg0/testlv: refresh it",)),),
        packets=61,
        notes=(),
    )
    return plain._replace(**changes)
