"""From cells to a table: results of each run, densities, and what selection, int8 and the datapath cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from fastprefill.accuracy.runs import DENSE, RUNS
from fastprefill.accuracy.tasks import PERPLEXITY
from fastprefill.reports.tables import aligned

# run, task, length, gamma
Key = tuple[str, str, int, float | None]


@dataclass(frozen=True)
class Cell:
    """One run on one task.

    Attributes:
        run: a name of `runs.RUNS`.
        task: a name of `tasks.TASK_NAMES`.
        length: most tokens of a prompt.
        gamma: share of the attention mass to keep; None for dense runs.
        samples: number of prompts.
        right: share of values all of whose tokens were the most likely ones, of perplexity share of tokens.
        loss: mean negative log-likelihood of the scored tokens, nats.
        density: blocks computed of the causal ones.
    """

    run: str
    task: str
    length: int
    gamma: float | None
    samples: int
    right: float
    loss: float
    density: float

    @property
    def key(self) -> Key:
        """What a cell is found by."""
        return self.run, self.task, self.length, self.gamma

    @property
    def value(self) -> float:
        """What a table shows: perplexity, or the share of values that are right in percent."""
        return math.exp(self.loss) if self.task == PERPLEXITY else 100 * self.right

    @property
    def text(self) -> str:
        """`value` for people."""
        return f"{self.value:.4f}" if self.task == PERPLEXITY else f"{self.value:.1f} %"


@dataclass(frozen=True)
class Row:
    """All runs on one task, length and gamma.

    Attributes:
        task, length, gamma, samples: of what.
        values: by run: perplexity, or the share of values that are right in percent.
        losses_nats: by run: mean negative log-likelihood of the scored tokens.
        density: by run.
        cost: by cause, what is worse than in float and dense: perplexity in percent of that of float and dense, other
            tasks in points. ``selection``, ``int8`` and ``datapath`` add up to ``total``, which is the hardware's;
            ``integer_dense`` is that of integers without selection, ``flexprefill`` that of the published selection.
    """

    task: str
    length: int
    gamma: float
    samples: int
    values: dict[str, float]
    losses_nats: dict[str, float]
    density: dict[str, float]
    cost: dict[str, float]


COSTS = ("selection", "int8", "datapath", "total", "integer_dense", "flexprefill")


@dataclass(frozen=True)
class Report:
    """What was measured, with which settings."""

    settings: dict[str, Any]
    rows: tuple[Row, ...]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"settings": self.settings, "runs": RUNS, "rows": [asdict(row) for row in self.rows]}

    def text(self) -> str:
        """Three tables: results, densities, costs."""
        head = ["task", "tokens", "prompts", "gamma"]
        names = [[row.task, str(row.length), str(row.samples), f"{row.gamma:g}"] for row in self.rows]
        sparse = [run for run in RUNS if run not in DENSE]
        results = aligned([head + list(RUNS)] + [
            name + [_value(row, run) for run in RUNS] for name, row in zip(names, self.rows, strict=True)
        ])  # fmt: skip
        density = aligned([head + sparse] + [
            name + [f"{100 * row.density[run]:.1f} %" for run in sparse]
            for name, row in zip(names, self.rows, strict=True)
        ])  # fmt: skip
        costs = aligned([head + list(COSTS)] + [
            name + [_cost(row, cause) for cause in COSTS] for name, row in zip(names, self.rows, strict=True)
        ])  # fmt: skip
        return "\n".join([
            "perplexity, or values that are right", *results, *self._beyond_the_model(), "",
            "blocks computed of the causal ones", *density, "",
            "worse than float_dense by: perplexity in percent, others in points", *costs,
        ])  # fmt: skip

    def _beyond_the_model(self) -> list[str]:
        """One line that names the tasks which say nothing about the runs; none where there is no such task."""
        failed = [
            f"{row.task} at {row.length} tokens"
            for row in self.rows
            if row.task != PERPLEXITY and row.values["float_dense"] == 0
        ]
        if not failed:
            return []
        return [f"nothing is right in float_dense for {', '.join(dict.fromkeys(failed))}: the model cannot do it, and "
                "the row says nothing about the other runs"]  # fmt: skip


def report(settings: dict[str, Any], cells: Sequence[Cell]) -> Report:
    """Rows in the order of the cells; dense runs stand in the rows of every gamma."""
    found = {(cell.task, cell.length, cell.gamma, cell.run): cell for cell in cells}
    rows = []
    for task, length, gamma in dict.fromkeys(
        (cell.task, cell.length, cell.gamma) for cell in cells if cell.gamma is not None
    ):
        runs = {run: found[task, length, None if run in DENSE else gamma, run] for run in RUNS}
        rows.append(
            Row(
                task,
                length,
                gamma,
                runs["float_dense"].samples,
                {run: round(cell.value, 6) for run, cell in runs.items()},
                {run: round(cell.loss, 6) for run, cell in runs.items()},
                {run: round(cell.density, 6) for run, cell in runs.items()},
                {cause: round(cost, 6) + 0.0 for cause, cost in _costs(runs).items()},
            )
        )
    return Report(settings, tuple(rows))


def _costs(runs: dict[str, Cell]) -> dict[str, float]:
    exact = runs["float_dense"]

    def worse(run: str, than: str) -> float:
        step = runs[run].value - runs[than].value
        return 100 * step / exact.value if exact.task == PERPLEXITY else -step

    return {
        "selection": worse("float_sigu", "float_dense"),
        "int8": worse("int8_sigu", "float_sigu"),
        "datapath": worse("integer_sigu", "int8_sigu"),
        "total": worse("integer_sigu", "float_dense"),
        "integer_dense": worse("integer_dense", "float_dense"),
        "flexprefill": worse("float_flexprefill", "float_dense"),
    }


def _value(row: Row, run: str) -> str:
    return f"{row.values[run]:.4f}" if row.task == PERPLEXITY else f"{row.values[run]:.1f} %"


def _cost(row: Row, cause: str) -> str:
    return f"{row.cost[cause]:+.2f}" + (" %" if row.task == PERPLEXITY else "")
