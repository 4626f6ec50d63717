"""A project's verification: every level that can run, the numerical error, the resources, in one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from fastprefill.checks.levels import LevelResult
from fastprefill.checks.project import Vectors
from fastprefill.golden import projection, quantise
from fastprefill.reports.tables import aligned
from fastprefill.reports.use import ResourceUse

_HEADER = ("level", "result", "tokens compared", "cycles", "utilisation", "cycles/s", "seconds", "")


@dataclass(frozen=True)
class QuantisationError:
    """The int8 result, dequantised, against the float32 projection.

    Attributes:
        case: name.
        relative: |error| / |result|, Frobenius norms.
        largest: largest error over the largest result.
    """

    case: str
    relative: float
    largest: float


@dataclass(frozen=True)
class Verification:
    """What ``fastprefill verify`` found.

    Attributes:
        title: unit, size, board and model.
        levels: in the order of the flow.
        errors: of quantisation, one per case.
        resources: None when Yosys did not run; `resources_detail` says why.
        resources_detail: empty, or the reason.
        tiers: the line that says which tools ran.
    """

    title: str
    levels: Sequence[LevelResult]
    errors: Sequence[QuantisationError]
    resources: ResourceUse | None
    resources_detail: str
    tiers: str

    @property
    def ok(self) -> bool:
        """No level failed; one that did not run is no failure, and the tier line says so."""
        return all(level.ok for level in self.levels)

    def as_dict(self) -> dict[str, Any]:
        """For ``verify.json``."""
        return {"ok": self.ok} | asdict(self)

    def table(self) -> str:
        """Everything as text, for a terminal."""
        rows: list[tuple[str, ...]] = [
            ("level", "result", "tokens compared", "cycles", "utilisation", "cycles/s", "seconds", "")
        ]
        rows += [_row(level) for level in self.levels]
        text = [self.title, "", *aligned(rows, left=(0, 1, 7)), ""]
        for level in self.levels:
            if "\n" in level.detail:  # what a tool printed: the table has its first line
                text += [f"{level.level}: {level.detail}", ""]
        for error in self.errors:
            text.append(
                f"quantisation error of {error.case}: {error.relative:.2%} of the float32 result (norm), "
                f"largest {error.largest:.2%} of its range"
            )
        resources = (
            self.resources.lines() if self.resources else [f"resources: NOT RUN: {self.resources_detail}"]
        )
        text += ["", *resources, "", self.tiers]
        return "\n".join(text)


def quantisation_error(vectors: Vectors) -> QuantisationError:
    """What int8 costs: the stored integer outputs, dequantised, against the stored float32 result."""
    product = projection.product(vectors.case.outputs["c"], vectors.shape)
    ours = quantise.dequantise_product(product, vectors.token_scales, vectors.channel_scales)
    error = ours.astype(np.float64) - vectors.float32
    return QuantisationError(
        vectors.case.name,
        float(np.linalg.norm(error) / np.linalg.norm(vectors.float32)),
        float(np.abs(error).max() / np.abs(vectors.float32).max()),
    )


def title(manifest: Mapping[str, Any]) -> str:
    """One line that says what is verified."""
    unit, board, parameters = manifest["units"][0], manifest["board"], manifest["parameters"]
    return (
        f"{unit['name']} {parameters['rows']} x {parameters['cols']} for {manifest['model']['name']} "
        f"on {board['name']} ({board['part']}, {board['clock_mhz']:g} MHz)"
    )


def _row(level: LevelResult) -> tuple[str, ...]:
    return (
        level.level,
        level.result,
        f"{level.tokens:,}" if level.tokens else "-",
        f"{level.cycles:,}" if level.cycles is not None else "-",
        f"{level.utilisation:.2%}" if level.utilisation is not None else "-",
        f"{level.cycles_per_second:,.0f}" if level.cycles_per_second is not None else "-",
        f"{level.seconds:.1f}" if level.seconds else "-",
        level.detail.partition("\n")[0],
    )
