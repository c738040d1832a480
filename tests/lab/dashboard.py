"""The dashboard of contrib/grafana as an SVG: its own panels, texts and colours, drawn over what Prometheus answered to its own
queries. No Grafana is to be had where the lab runs: this shows what is on it, not how Grafana would draw it."""

import re
from collections.abc import Callable
from html import escape
from itertools import pairwise
from typing import Any

Series = list[tuple[str, list[tuple[float, float]]]]  # (legend, [(seconds since 1970, value)])
UNIT, GAP, TOP, MARGIN = 50, 8, 34, 150  # pixels: a column and a row of the grid; between panels; a title; legends
ROW = UNIT // 2
COLOURS = {"red": "#cf222e", "green": "#1a7f37", "orange": "#bc4c00", "yellow": "#bf8700"}
LINES = ("#0969da", "#8250df", "#bc4c00", "#1a7f37", "#bf3989", "#57606a", "#9a6700", "#0550ae")
STYLE = """text { font: 12px system-ui, "Segoe UI", "DejaVu Sans", sans-serif; fill: #1f2328 }
  .title { font-weight: 600 } .quiet { fill: #59636e } .on { fill: #ffffff; font-size: 15px }
  .page { fill: #f6f8fa } .panel { fill: #ffffff; stroke: #d0d7de } .line { fill: none; stroke-width: 2 }"""


def draw(board: dict[str, Any], answers: dict[str, list[dict[str, Any]]], begin: float, end: float) -> str:
    """`answers`: what Prometheus' query_range gave to each expression, "$instance" being ".*"."""
    body = [panel_of(panel, found(panel, answers), begin, end) for panel in board["panels"]]
    grids = [panel["gridPos"] for panel in board["panels"]]
    width, height = 24 * UNIT + GAP, max((g["y"] + g["h"]) * ROW for g in grids) + GAP
    title = (
        f"{board['title']}: {end - begin:.0f} seconds of the lab, from Prometheus' answers to the dashboard's queries"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">'
        f'\n<title>{escape(title)}</title>\n<style>{STYLE}</style>\n<rect class="page" width="100%" height="100%"/>\n'
        + "\n".join(body)
        + "\n</svg>\n"
    )


def found(panel: dict[str, Any], answers: dict[str, list[dict[str, Any]]]) -> Series:
    series = []
    for target in panel["targets"]:
        for one in answers[target["expr"].replace("$instance", ".*")]:
            labels = one["metric"]
            form = target.get("legendFormat") or "{{instance}} {{server}} {{kind}}"
            legend = re.sub(r"\{\{(\w+)\}\}", lambda found, labels=labels: labels.get(found[1], ""), form)
            series.append((legend, [(float(at), float(value)) for at, value in one["values"]]))
    return series


def panel_of(panel: dict[str, Any], series: Series, begin: float, end: float) -> str:
    grid = panel["gridPos"]
    width, height = grid["w"] * UNIT - GAP, grid["h"] * ROW - GAP
    drawing = DRAWINGS[panel["type"]](
        panel, series, (width, height), lambda at: min((at - begin) / (end - begin), 1.0)
    )
    nothing = f'<text class="quiet" x="12" y="{TOP + 16}">No data</text>'
    return (
        f'<g transform="translate({grid["x"] * UNIT + GAP} {grid["y"] * ROW + GAP})"><rect class="panel" rx="4" width="{width}"'
        f' height="{height}"/><text class="title" x="12" y="21">{escape(panel["title"])}</text>{drawing or nothing}</g>'
    )


def meaning(panel: dict[str, Any], value: float) -> tuple[str, str]:
    """The text and the colour of a value, as the panel's mappings and thresholds have them."""
    about = panel["fieldConfig"]["defaults"]
    for mapping in about.get("mappings", ()):
        if one := mapping["options"].get(f"{value:g}"):
            return one["text"], COLOURS[one["color"]]
    colour = "green"
    for step in about.get("thresholds", {}).get("steps", ()):
        colour = step["color"] if step["value"] is None or value >= step["value"] else colour
    return amount(panel, value), COLOURS[colour]


def amount(panel: dict[str, Any], value: float) -> str:
    unit = panel["fieldConfig"]["defaults"].get("unit")
    if unit == "percentunit":
        return f"{value:.0%}"
    return f"{value / 1e6:.1f} MB/s" if unit == "Bps" else f"{value:.3g}" + (" s" if unit == "s" else "")


def stats(panel: dict[str, Any], series: Series, size: tuple[int, int], where: Callable[[float], float]) -> str:
    del where
    width = (size[0] - 2 * GAP) / max(len(series), 1)
    drawn = ""
    for number, (legend, points) in enumerate(series):
        text, colour = meaning(panel, points[-1][1])
        drawn += (
            f'<g transform="translate({GAP + number * width:.0f} {TOP})"><rect rx="3" width="{width - 4:.0f}"'
            f' height="{size[1] - TOP - GAP}" fill="{colour}"/><text class="on" x="10" y="28">{escape(text)}</text>'
            f'<text class="on" style="font-size: 11px" x="10" y="48">{escape(legend)}</text></g>'
        )
    return drawn


def timeline(panel: dict[str, Any], series: Series, size: tuple[int, int], where: Callable[[float], float]) -> str:
    reach = size[0] - 2 * MARGIN
    drawn, texts = "", {}
    for row, (legend, points) in enumerate(series):
        y = TOP + row * ROW
        drawn += f'<text x="12" y="{y + 15}" class="quiet">{escape(legend)}</text>'
        last = (2 * points[-1][0] - points[-2][0], 0.0) if len(points) > 1 else points[-1]
        for (at, value), (until, _) in pairwise([*points, last]):
            text, colour = meaning(panel, value)
            texts[text] = colour
            x, wide = 2 * MARGIN - 12 + where(at) * reach, (where(until) - where(at)) * reach
            drawn += f'<rect x="{x:.1f}" y="{y}" width="{wide + 0.8:.1f}" height="{ROW - 5}" fill="{colour}"/>'
    for number, (text, colour) in enumerate(texts.items()):
        x = 12 + number * MARGIN
        drawn += f'<rect x="{x}" y="{size[1] - 22}" width="10" height="10" fill="{colour}"/>'
        drawn += f'<text x="{x + 16}" y="{size[1] - 13}">{escape(text)}</text>'
    return drawn


def curves(panel: dict[str, Any], series: Series, size: tuple[int, int], where: Callable[[float], float]) -> str:
    most = max((value for _, points in series for _, value in points), default=0.0) or 1.0
    low, high = size[1] - 34, TOP + 6
    drawn = f'<text class="quiet" x="8" y="{high + 4}">{amount(panel, most)}</text>' if series else ""
    drawn += f'<text class="quiet" x="8" y="{low}">{amount(panel, 0)}</text>' if series else ""
    for number, (legend, points) in enumerate(series):
        line, x = LINES[number % len(LINES)], 12 + number * MARGIN
        path = " ".join(
            f"{75 + where(at) * (size[0] - 90):.1f},{low - value / most * (low - high):.1f}" for at, value in points
        )
        drawn += f'<polyline class="line" stroke="{line}" points="{path}"/>'
        drawn += f'<text x="{x}" y="{size[1] - 10}" style="fill: {line}">{escape(legend)}</text>'
    return drawn


def rows(panel: dict[str, Any], series: Series, size: tuple[int, int], where: Callable[[float], float]) -> str:
    del where
    return "".join(
        f'<text x="12" y="{TOP + 14 + number * 20}">{escape(legend)}</text>'
        f'<text x="{size[0] - 90}" y="{TOP + 14 + number * 20}">{amount(panel, points[-1][1])}</text>'
        for number, (legend, points) in enumerate(series)
    )


DRAWINGS = {"stat": stats, "state-timeline": timeline, "timeseries": curves, "table": rows}
