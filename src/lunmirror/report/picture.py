"""A text with terminal colours as a picture: for the docs, drawn by the program itself."""

import re

_ESCAPE = re.compile(r"\x1b\[([0-9;]*)m")
_COLORS = {"31": "#f28779", "32": "#bae67e", "33": "#ffd580", "36": "#5ccfe6", "2": "#8a9199"}
_PLAIN, _GROUND = "#d9d7ce", "#1f2430"
WIDE, HIGH, EDGE = 8.4, 19, 14  # of a character, of a line, around them, in pixels


def draw(command: str, text: str, columns: int = 80) -> str:
    """An SVG of a terminal in which `command` printed `text`."""
    lines = [f"\x1b[2m$ \x1b[0m{command}", *text.rstrip("\n").split("\n")]
    width, height = columns * WIDE + 2 * EDGE, len(lines) * HIGH + 2 * EDGE
    rows = [_row(line, EDGE + (n + 1) * HIGH - 5) for n, line in enumerate(lines)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}"'
        f' height="{height:.0f}" role="img" aria-label="{_escaped(command)}">\n'
        f'<rect width="100%" height="100%" rx="8" fill="{_GROUND}"/>\n'
        f'<g font-family="ui-monospace, SFMono-Regular, Menlo, DejaVu Sans Mono, monospace" font-size="14"'
        f' fill="{_PLAIN}" xml:space="preserve">\n' + "".join(rows) + "</g>\n</svg>\n"
    )


def _row(line: str, y: float) -> str:
    """One line; each run of one colour has its own place, so that no font moves a column."""
    spans, column, code, at = [], 0, "", 0
    for found in [*_ESCAPE.finditer(line), None]:
        run = line[at : found.start() if found else len(line)]
        if run.strip():
            bold = ' font-weight="bold"' if "1" in code.split(";") else ""
            color = next((f' fill="{_COLORS[c]}"' for c in code.split(";") if c in _COLORS), "")
            width = f' textLength="{len(run) * WIDE:.1f}" lengthAdjust="spacingAndGlyphs"'
            spans.append(
                f'<text x="{EDGE + column * WIDE:.1f}" y="{y:.0f}"{width}{color}{bold}>{_escaped(run)}</text>\n'
            )
        column += len(run)
        if found:
            code, at = found[1].removeprefix("0"), found.end()
    return "".join(spans)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
