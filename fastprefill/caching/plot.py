"""A comparison as an SVG picture: for each trace, bytes over the least possible and hits over the capacity."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import jinja2

from fastprefill.caching.policies import QUERY_MAJOR, Comparison, Row

_COLOURS = {"liveness": "#d55e00", "lru": "#0072b2", "fifo": "#009e73", "belady": "#000000"}
_PLOT, _PANEL, _MARGIN = (280, 180), (370, 260), (60, 40)


def svg(comparison: Comparison) -> str:
    """The picture: bytes on the left, in logarithms, hits on the right; query-major orders are dashed."""
    traces: dict[str, list[Row]] = {}
    for row in comparison.rows:
        if row.setting.startswith("1/"):
            traces.setdefault(row.trace, []).append(row)
    panels = []
    for index, (name, rows) in enumerate(traces.items()):
        for column, bytes_read in enumerate((True, False)):
            place = {"x": _MARGIN[0] + column * _PANEL[0], "y": _MARGIN[1] + index * _PANEL[1]}
            panels.append(_panel(name, rows, bytes_read) | place)
    below = _MARGIN[1] + max(len(traces), 1) * _PANEL[1]
    orders = {f"window {comparison.window}": "none", QUERY_MAJOR: "5 3"}
    legend = [
        {
            "label": f"{policy}, {order}",
            "colour": colour,
            "dashes": dashes,
            "x": 20 + 370 * column,
            "y": below + 18 * line,
        }
        for line, (policy, colour) in enumerate(_COLOURS.items())
        for column, (order, dashes) in enumerate(orders.items())
    ]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), undefined=jinja2.StrictUndefined, autoescape=True,
        trim_blocks=True,
    )  # fmt: skip
    return environment.get_template("plot.svg").render(
        width=2 * _PANEL[0] + 20, height=below + 18 * len(_COLOURS), plot_width=_PLOT[0], plot_height=_PLOT[1],
        panels=panels, legend=legend,
    )  # fmt: skip


def _panel(name: str, rows: list[Row], bytes_read: bool) -> dict[str, Any]:
    def value(row: Row, policy: str) -> float:
        return math.log10(row.over_least[policy]) if bytes_read else 100 * row.hits[policy]

    top = max(0.1, *(value(row, policy) for row in rows for policy in _COLOURS)) if bytes_read else 100.0
    shares = sorted({row.capacity for row in rows})
    across = {capacity: round(_PLOT[0] * n / max(len(shares) - 1, 1), 2) for n, capacity in enumerate(shares)}
    lines = []
    for order, dashes in dict.fromkeys(
        (row.order, "5 3" if row.order == QUERY_MAJOR else "none") for row in rows
    ):
        for policy, colour in _COLOURS.items():
            chosen = sorted((row for row in rows if row.order == order), key=lambda row: row.capacity)
            dots = [
                (across[row.capacity], round(_PLOT[1] * (1 - value(row, policy) / top), 2)) for row in chosen
            ]
            points = " ".join(f"{x},{y}" for x, y in dots)
            lines.append({"points": points, "dots": dots, "colour": colour, "dashes": dashes})
    ticks = [top * part / 4 for part in range(5)]
    return {
        "title": f"{name}: {'bytes over the least' if bytes_read else 'hits, %'}",
        "up": [
            {
                "at": round(_PLOT[1] * (1 - tick / top), 2),
                "label": f"{10**tick:.3g}" if bytes_read else f"{tick:.0f}",
            }
            for tick in ticks
        ],
        "across": [{"at": x, "label": str(capacity)} for capacity, x in across.items()],
        "lines": lines,
    }
