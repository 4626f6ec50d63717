"""A project's verification: every level that can run, the numerical error, the resources, in one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from fastprefill.build.plan import Changes
from fastprefill.checks.levels import LevelResult
from fastprefill.checks.project import Projection, Vectors
from fastprefill.golden import projection, quantise
from fastprefill.reports.levels import changes_dict, changes_lines, level_table
from fastprefill.reports.use import ResourceUse
from fastprefill.system.case import Case


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
        changes: how the folder differs from what was written.
    """

    title: str
    levels: Sequence[LevelResult]
    errors: Sequence[QuantisationError]
    resources: ResourceUse | None
    resources_detail: str
    tiers: str
    changes: Changes

    @property
    def ok(self) -> bool:
        """No level failed; one that did not run is no failure, and the tier line says so."""
        return all(level.ok for level in self.levels)

    def as_dict(self) -> dict[str, Any]:
        """For ``verify.json``."""
        return {"ok": self.ok} | asdict(self) | changes_dict(self.changes)

    def text(self) -> str:
        """Everything as text, for a terminal."""
        text = [self.title, "", *level_table(self.levels)]
        for error in self.errors:
            text.append(
                f"quantisation error of {error.case}: {error.relative:.2%} of the float32 result (norm), "
                f"largest {error.largest:.2%} of its range"
            )
        resources = (
            self.resources.lines() if self.resources else [f"resources: NOT RUN: {self.resources_detail}"]
        )
        text += [*([""] if self.errors else []), *resources, "", *changes_lines(self.changes), self.tiers]
        return "\n".join(text)


def quantisation_errors(vectors: Sequence[Vectors]) -> list[QuantisationError]:
    """What int8 costs: the stored integer outputs, dequantised, against the stored float32 result."""
    return [_error(one.case, one.projection) for one in vectors if one.projection is not None]


def _error(case: Case, stored: Projection) -> QuantisationError:
    product = projection.product(case.outputs, stored.shape)
    ours = quantise.dequantise_product(product, stored.token_scales, stored.channel_scales)
    error = ours.astype(np.float64) - stored.float32
    return QuantisationError(
        case.name,
        float(np.linalg.norm(error) / np.linalg.norm(stored.float32)),
        float(np.abs(error).max() / np.abs(stored.float32).max()),
    )


def title(manifest: Mapping[str, Any]) -> str:
    """One line that says what is verified."""
    board = manifest["board"]
    return f"{manifest['title']} on {board['name']} ({board['part']}, {board['clock_mhz']:g} MHz)"
