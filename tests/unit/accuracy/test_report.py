"""Costs and tables from cells."""

import math
import xml.etree.ElementTree as ElementTree

import pytest

from fastprefill.accuracy.plot import svg
from fastprefill.accuracy.report import Cell, Report, report
from fastprefill.accuracy.runs import DENSE, RUNS

RIGHT = dict(zip(RUNS, (0.9, 0.85, 0.8, 0.7, 0.88, 0.65), strict=True))
PERPLEXITY = dict(zip(RUNS, (4.0, 4.2, 4.4, 5.0, 4.02, 5.2), strict=True))


@pytest.fixture
def made() -> Report:
    cells = []
    for length in (512, 1024):
        for run in RUNS:
            for gamma in (None,) if run in DENSE else (0.9, 0.95):
                density = 1.0 if gamma is None else gamma / 2
                cells.append(Cell(run, "vt", length, gamma, 8, RIGHT[run], 0.5, density))
                cells.append(
                    Cell(run, "perplexity", length, gamma, 8, 0.4, math.log(PERPLEXITY[run]), density)
                )
    return report({}, cells)


def test_a_row_for_each_task_length_and_gamma(made: Report) -> None:
    assert len(made.rows) == 8
    assert {(row.task, row.length, row.gamma) for row in made.rows} == {
        (task, length, gamma)
        for task in ("vt", "perplexity")
        for length in (512, 1024)
        for gamma in (0.9, 0.95)
    }


def test_costs(made: Report) -> None:
    points = next(row for row in made.rows if row.task == "vt").cost
    assert points == pytest.approx(
        {"selection": 10, "int8": 10, "datapath": 5, "total": 25, "integer_dense": 2, "flexprefill": 5}
    )
    percent = next(row for row in made.rows if row.task == "perplexity").cost
    assert percent == pytest.approx(
        {"selection": 10, "int8": 15, "datapath": 5, "total": 30, "integer_dense": 0.5, "flexprefill": 5},
        abs=1e-4,
    )


def test_steps_add_up(made: Report) -> None:
    for row in made.rows:
        parts = row.cost["selection"] + row.cost["int8"] + row.cost["datapath"]
        assert parts == pytest.approx(row.cost["total"], abs=1e-4)


def test_a_task_that_the_model_cannot_do_is_named(made: Report) -> None:
    assert "nothing is right" not in made.text()
    cells = [
        Cell(run, "niah_single", 512, None if run in DENSE else 0.9, 8, 0.0, 3.0, 1.0) for run in RUNS
    ]
    assert (
        "nothing is right in float_dense for niah_single at 512 tokens: the model cannot do it, and the row says "
        "nothing about the other runs"
    ) in report({}, cells).text().splitlines()


def test_text(made: Report) -> None:
    lines = made.text().splitlines()
    one = [" ".join(line.split()) for line in lines]
    assert next(line for line in one if line.startswith("vt")) == (
        "vt 512 8 0.9 90.0 % 85.0 % 80.0 % 70.0 % 88.0 % 65.0 %"
    )
    assert "vt 1024 8 0.95 47.5 % 47.5 % 47.5 % 47.5 %" in one
    assert "perplexity 512 8 0.9 +10.00 % +15.00 % +5.00 % +30.00 % +0.50 % +5.00 %" in one


def test_picture(made: Report) -> None:
    root = ElementTree.fromstring(svg(made))
    space = "{http://www.w3.org/2000/svg}"
    panels = root.findall(f"{space}g")
    assert len(panels) == 4
    for panel in panels:
        lines = panel.findall(f"{space}polyline")
        assert len(lines) == len(RUNS)
    first = panels[0].findall(f"{space}polyline")[0].get("points")
    assert first == "0.0,18.0 280.0,18.0"  # 90 % of 180 high
    texts = {text.text for text in root.iter(f"{space}text")}
    assert (
        set(RUNS.values()) <= texts
        and {"512", "1024", "vt, % right, gamma 0.9", "perplexity, gamma 0.95"} <= texts
    )
