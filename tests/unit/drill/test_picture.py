"""The picture: well-formed, self-contained, nothing hidden and nothing on top of another."""

import re
import xml.etree.ElementTree as ET

import pytest

from lunmirror.drill import picture, result
from lunmirror.drill.probe import Write
from unit.drill.courses import CUT, course, rehearsal, steady

NS = "{http://www.w3.org/2000/svg}"


def drawn(one) -> ET.Element:
    return ET.fromstring(picture.draw(one, result.judge(one)))


def texts(root: ET.Element) -> list[str]:
    return ["".join(e.itertext()) for e in root.iter(f"{NS}text")]


def test_it_reports_server_date_verdict_events_and_budget() -> None:
    said = texts(drawn(course()))
    assert said[0] == "lunmirror drill: server filer2, 2026-11-23 05:20:00 UTC: passed"
    assert "stall budget 5 s" in said
    assert "leg given up 4.2 s" in said
    assert len(list(drawn(course()).iter(f"{NS}g"))) == 8


def test_it_needs_nothing_else() -> None:
    svg = picture.draw(course(), result.judge(course()))
    assert not re.search(r"<script|href|url\(|@import|<image", svg)
    assert set(re.findall(r"https?://[^\"]*", svg)) == {"http://www.w3.org/2000/svg"}
    assert "prefers-color-scheme: dark" in svg


def test_names_cannot_break_out() -> None:
    one = course(rehearsal=rehearsal(server='<&"x'))
    assert '<&"x' in texts(drawn(one))[0]


def test_a_long_write_is_a_bar_as_long_as_it_took() -> None:
    view = picture.view(course(), result.judge(course()))
    ((x1, y, x2),) = re.findall(r"M([\d.]+) ([\d.]+)H([\d.]+)", view["series"][0]["bars"])
    wide = (view["right"] - view["left"]) / 38 * 4.3
    assert float(x2) - float(x1) == pytest.approx(wide, abs=0.5)
    assert view["budget"][0] < float(y) < view["budget"][0] + 10  # 4.3 s is just below the line of 5 s


def test_the_file_stays_small() -> None:
    day = course(writes={"vg0/testlv": tuple(steady(CUT - 4, CUT + 3600))}, ended_at=CUT + 3600)
    assert len(picture.draw(day, result.judge(day))) < 60_000


def test_the_longest_write_of_a_column_is_not_averaged_away() -> None:
    quick = [Write(CUT + n * 0.05, 0.001, 0) for n in range(72000)]
    quick[36000] = Write(CUT + 1800, 0.9, 0)
    hour = course(writes={"vg0/testlv": tuple(quick)}, ended_at=CUT + 3600)
    view = picture.view(hour, result.judge(hour))
    tops = [float(top) for top in re.findall(r"V(-?[\d.]+)", view["series"][0]["spans"])]
    one_second = next(y for y, text in view["y_ticks"] if text == "1 s")
    assert min(tops) < one_second + 10


def test_failed_writes_are_crossed() -> None:
    assert len(picture.view(course(error=5), result.judge(course(error=5)))["series"][0]["failed"]) == 1


@pytest.mark.parametrize(
    "xs", [[10.0] * 8, [10, 12, 14, 300, 301], [849.0, 849.5, 850.0], list(range(80, 850, 11)), []]
)
def test_labels_never_lie_on_one_another_nor_on_a_line(xs) -> None:
    labels = picture.placed([(float(x), "an event 12.3 s") for x in xs])
    assert [label.x for label in labels] == sorted(map(float, xs))
    wide = len("an event 12.3 s") * picture.CHARACTER
    for n, one in enumerate(labels):
        for other in labels[n + 1 :]:
            if other.lane == one.lane:
                assert other.x >= one.x + wide
            if one.x < other.x < one.x + wide:
                assert other.lane < one.lane  # its line begins below our text


@pytest.mark.parametrize(("first", "last"), [(-4.0, 34.0), (-4.0, 900.0), (-1.0, 0.5), (-4.0, 99999.0)])
def test_ticks_are_few_and_within(first: float, last: float) -> None:
    ticks = picture._ticks(first, last)
    assert 1 <= len(ticks) <= 15
    assert all(first <= tick <= last for tick in ticks)
    assert 0.0 in ticks


def test_without_a_single_write_there_is_a_picture_all_the_same() -> None:
    assert texts(drawn(course(writes={"vg0/testlv": ()})))
