"""Resources of a unit against what its place on the board offers."""

from __future__ import annotations

from dataclasses import dataclass

from fastprefill.boards import Resources
from fastprefill.estimate.resources import LABELS
from fastprefill.reports.tables import aligned


@dataclass(frozen=True)
class ResourceUse:
    """Resources of a unit against the region it is placed in.

    Attributes:
        used: counts.
        available: of the region.
        where: the region, such as ``kv260`` or ``u280 SLR 0``.
        source: ``Yosys`` or ``modelled``.
    """

    used: Resources
    available: Resources
    where: str
    source: str

    def lines(self) -> list[str]:
        """As a table."""
        available = self.available.as_dict()
        rows = [("resource", "used", "available", "share")]
        for name, count in self.used.as_dict().items():
            have = available[name]
            rows.append((LABELS[name], f"{count:,}", f"{have:,}", f"{count / have:.1%}" if have else "-"))
        return [f"resources on {self.where} ({self.source})", *aligned(rows)]
