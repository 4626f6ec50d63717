"""A report as an SVG picture: a panel for each task and gamma, a line for each run over the length of the prompt."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import jinja2

from fastprefill.accuracy.report import Report, Row
from fastprefill.accuracy.runs import RUNS
from fastprefill.accuracy.tasks import PERPLEXITY

# colour and dashes; no hue alone tells two lines apart
_STYLES = {
    "float_dense": ("#000000", "none"),
    "float_flexprefill": ("#e69f00", "8 3"),
    "float_sigu": ("#0072b2", "8 3"),
    "int8_sigu": ("#009e73", "4 3"),
    "integer_dense": ("#777777", "2 2"),
    "integer_sigu": ("#d55e00", "none"),
}
_PLOT, _PANEL, _MARGIN, _COLUMNS = (280, 180), (370, 260), (60, 40), 3


def svg(report: Report) -> str:
    """The picture."""
    groups: dict[tuple[str, float], list[Row]] = {}
    for row in report.rows:
        groups.setdefault((row.task, row.gamma), []).append(row)
    panels = [
        _panel(task, gamma, rows)
        | {
            "x": _MARGIN[0] + index % _COLUMNS * _PANEL[0],
            "y": _MARGIN[1] + index // _COLUMNS * _PANEL[1],
        }
        for index, ((task, gamma), rows) in enumerate(groups.items())
    ]
    below = _MARGIN[1] + -(-len(panels) // _COLUMNS) * _PANEL[1]
    legend = [
        {"label": RUNS[run], "colour": colour, "dashes": dashes, "x": 20, "y": below + 18 * index}
        for index, (run, (colour, dashes)) in enumerate(_STYLES.items())
    ]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
    )
    return environment.get_template("plot.svg").render(
        width=_PANEL[0] * min(len(panels), _COLUMNS) + 20,
        height=below + 18 * len(legend),
        plot_width=_PLOT[0],
        plot_height=_PLOT[1],
        panels=panels,
        legend=legend,
    )


def _panel(task: str, gamma: float, rows: list[Row]) -> dict[str, Any]:
    rows = sorted(rows, key=lambda row: row.length)
    if task == PERPLEXITY:
        values = [value for row in rows for value in row.values.values()]
        low, high = min(values), max(values)
        room = max((high - low) * 0.1, abs(high) * 0.005)
        low, high = low - room, high + room
    else:
        low, high = 0.0, 100.0
    step = _PLOT[0] / max(len(rows) - 1, 1)
    across = [_PLOT[0] / 2 if len(rows) == 1 else index * step for index in range(len(rows))]

    def up(value: float) -> float:
        return round(_PLOT[1] * (high - value) / (high - low), 2)

    digits = 0 if high - low > 5 else max(0, 1 - math.floor(math.log10(high - low)))
    ticks = [low + (high - low) * part / 4 for part in range(5)]
    unit = "" if task == PERPLEXITY else ", % right"
    lines = []
    for run, (colour, dashes) in _STYLES.items():
        dots = [(round(x, 2), up(row.values[run])) for x, row in zip(across, rows, strict=True)]
        points = " ".join(f"{x},{y}" for x, y in dots)
        lines.append({"points": points, "dots": dots, "colour": colour, "dashes": dashes})
    return {
        "title": f"{task}{unit}, gamma {gamma:g}",
        "up": [{"at": up(tick), "label": f"{tick:.{digits}f}"} for tick in ticks],
        "across": [
            {"at": round(x, 2), "label": str(row.length)} for x, row in zip(across, rows, strict=True)
        ],
        "lines": lines,
    }
