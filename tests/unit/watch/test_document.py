"""The status file: its shape is the published one, and it tells what was seen."""

import pytest

from lunmirror.analysis.copying import Reading
from lunmirror.engine.desired import Desired
from lunmirror.engine.exits import Exit
from lunmirror.engine.model import Finding, Kind, Outcome, Ref, Report, Run, Step, Unknown
from lunmirror.watch import document
from unit.analysis.worlds import BOTH, MIB, ONLY_LEFT, desired, lv, report, session, world

NOW = 1_800_000_000
COUNTED = {"done": 0, "failed": 0, "skipped": 0}


def made(seen, wanted: Desired | None = None, before=None, readings=None, findings=(), now: int = NOW):
    told = report(seen, findings)._replace(verb="apply")
    return document.document(told, wanted or desired(), readings or {}, before or {}, now)


def test_all_is_well(valid) -> None:
    said = valid(made(world(lv(), mounted="rw"), desired(mount="/mnt")), "status")

    assert (said["pass"]["exit"], said["pass"]["result"], said["written_at"]) == (0, "converged", NOW)
    assert said["volumes"] == [
        {
            "volume": "vg0/lv",
            "type": "raid1",
            "size": 64 * MIB,
            "mount": "/mnt",
            "state": "full",
            "words": "in full sync, since 2026-01-01T00:00:00Z (the pass that noted it)",
            "noted": "2026-01-01T00:00:00Z",
            "since": 1767225600,
            "legs": {"declared": 2, "good": 2},
            "copying": None,
            "scrub": {"due": "", "action": "", "mismatches": 0},
            "maintenance": False,
            "advice": None,
        }
    ]
    assert [s["can_lose"] for s in said["servers"]] == [True, True, True]
    assert said["servers"][0]["stall_budget"] == {"declared": 16, "live": 16}
    assert said["totals"] == {"passes": {"converged": 1}, "steps": COUNTED}


@pytest.mark.parametrize(
    "seen",
    [
        world(lv("AD", past=ONLY_LEFT), failed=("right",)),
        world(lv("AD", past=ONLY_LEFT), gone=("right",)),
        world(lv("Aa", past=ONLY_LEFT, ratio=(3, 10), action="recover")),
        world(lv(active=False)),
        world(Unknown("LVM did not end within 30 s")),
        world(lv(past=BOTH._replace(diverged=("pv-right",)))),
        world(lv(past=BOTH._replace(scrub="checking"), action="check", mismatches=128)),
        {},
    ],
)
def test_whatever_was_seen_is_told_in_the_published_shape(valid, seen) -> None:
    findings = tuple(Finding(Ref("volume", "vg0/lv"), kind, "what", "why", "next", "key") for kind in Kind)
    first = valid(made(seen, findings=findings), "status")
    again = valid(made(seen, before=first, findings=findings, now=NOW + 60), "status")
    assert [f["kind"] for f in again["findings"]] == ["refused", "blocked", "degraded", "note"]
    assert again["totals"]["passes"] == {"refused": 2}
    assert [v["since"] for v in first["volumes"]] == [v["since"] for v in again["volumes"]]


def test_a_dead_leg_is_told_with_the_time_that_was_noted() -> None:
    said = made(world(lv("AD", past=ONLY_LEFT), failed=("right",)))

    volume = said["volumes"][0]
    assert (volume["state"], volume["legs"], volume["since"]) == ("degraded", {"declared": 2, "good": 1}, 1767312000)
    left, right, _ = said["servers"]
    assert (left["can_lose"], right["can_lose"]) == (False, True)
    assert left["losing"][0]["loses"] == "access and data"
    assert [s["state"] for s in right["sessions"]] == ["FAILED"]
    assert right["stall_budget"]["live"] is None


def test_the_first_pass_that_told_it_counts() -> None:
    seen = world(lv("AD"), failed=("right",))
    first = made(seen)
    assert first["volumes"][0]["since"] == NOW
    assert made(seen, before=first, now=NOW + 60)["volumes"][0]["since"] == NOW
    # Whole again, and degraded anew.
    whole = made(world(lv()), before=first, now=NOW + 120)
    assert made(seen, before=whole, now=NOW + 180)["volumes"][0]["since"] == NOW + 180


def test_the_pace_of_a_copy_is_that_between_two_passes(valid) -> None:
    def after(seconds: float, done: int, written: int | None, before=None):
        seen = world(lv("Aa", past=ONLY_LEFT, ratio=(done, 1000), action="recover"))
        readings = {"vg0/lv": Reading(seconds, done, 1000, True, written, "raid Aa recover")}
        return valid(made(seen, readings=readings, before=before), "status")

    first = after(100.0, 100, 0)
    assert first["volumes"][0]["copying"]["ratio"] == 0.1
    assert first["volumes"][0]["copying"]["bytes_per_second"] is None
    second = after(110.0, 200, 8 * MIB, first)["volumes"][0]["copying"]
    assert second["bytes_per_second"] == round(0.8 * MIB)
    assert second["seconds_left_at_most"] == 64
    # Without the kernel's count of what was written, by regions.
    assert after(110.0, 200, None, first)["volumes"][0]["copying"]["bytes_per_second"] == round(6.4 * MIB / 10)
    # Another copy, or a boot between them: nothing is concluded.
    other = dict(first["volumes"][0]["copying"], total=2000)
    assert after(110.0, 200, 8 * MIB, {**first, "volumes": [{**first["volumes"][0], "copying": other}]})["volumes"][0][
        "copying"
    ]["bytes_per_second"] is None  # fmt: skip
    assert after(90.0, 200, 8 * MIB, first)["volumes"][0]["copying"]["bytes_per_second"] is None


def test_a_budget_that_is_not_live_is_told() -> None:
    seen = world(lv(), session={"filer1": session()})
    slow = seen["session"]["filer1"].facts._replace(recovery_tmo=120)
    seen["session"]["filer1"] = type(seen["session"]["filer1"])(slow)
    assert made(seen)["servers"][0]["stall_budget"] == {"declared": 16, "live": 129}


def test_a_server_that_does_not_answer_is_silent() -> None:
    seen = world(lv())
    quiet = seen["session"]["filer1"].facts._replace(silence="no answer within 1.5 s")
    seen["session"]["filer1"] = type(seen["session"]["filer1"])(quiet)
    assert made(seen)["servers"][0]["sessions"][0]["state"] == "SILENT"


def test_a_pass_that_cannot_begin_keeps_what_was_seen(valid) -> None:
    good = made(world(lv()))
    error = {"what": "wrong", "where": "x.toml:3", "why": "", "next": "correct it"}

    said = valid(document.failed("apply", "r2", Exit.CONFIG, 0.1, error, good, NOW + 60), "status")

    assert (said["pass"]["exit"], said["pass"]["error"], said["written_at"]) == (78, error, NOW + 60)
    assert (said["volumes"], said["observed_at"]) == (good["volumes"], NOW)
    assert said["totals"]["passes"] == {"converged": 1, "config": 1}
    first = valid(document.failed("apply", "r1", Exit.CONFIG, 0.1, error, {}, NOW), "status")
    assert (first["observed_at"], first["volumes"]) == (0, [])


def test_steps_are_counted() -> None:
    step = Step(Ref("volume", "vg0/lv"), "do", Run(("true",)), ())
    outcomes = tuple(Outcome(step, status) for status in ("done", "done", "failed"))
    told = Report("apply", "run", (), outcomes, (), world(lv()), 1.0)
    first = document.document(told, desired(), {}, {}, NOW)
    second = document.document(told, desired(), {}, first, NOW)
    assert second["pass"]["steps"] == {"done": 2, "failed": 1, "skipped": 0}
    assert second["totals"]["steps"] == {"done": 4, "failed": 2, "skipped": 0}


def test_findings_without_end_are_cut() -> None:
    many = tuple(Finding(Ref("disk", str(n)), Kind.NOTE, "x") for n in range(200))
    said = made(world(lv()), findings=(*many, Finding(Ref("disk", "z"), Kind.REFUSED, "y")))
    assert len(said["findings"]) == document.MOST_FINDINGS
    assert said["findings"][0]["what"] == "y"
    assert said["counts"]["note"] == 200
