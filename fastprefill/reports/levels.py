"""Results of levels as tables, and a run of one level or of a kernel's contract as text and JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from fastprefill.build.plan import Changes
from fastprefill.checks.kernel import KernelLevels
from fastprefill.checks.levels import LevelResult
from fastprefill.reports.tables import aligned

_HEADER: tuple[str, ...] = (
    "level",
    "result",
    "tokens compared",
    "cycles",
    "utilisation",
    "cycles/s",
    "seconds",
    "",
)


def level_table(levels: Sequence[LevelResult]) -> list[str]:
    """Lines: a row for each level, then what tools printed where that is more than a line."""
    rows = [_HEADER, *map(_row, levels)]
    if all(level.utilisation is None for level in levels):
        rows = [(*row[:4], *row[5:]) for row in rows]
    text = [*aligned(rows, left=(0, 1, len(rows[0]) - 1)), ""]
    for level in levels:
        if "\n" in level.detail:  # the table has its first line
            text += [f"{level.level}: {level.detail}", ""]
    return text


@dataclass(frozen=True)
class Run:
    """One step of a project's check: ``csim`` or ``cosim``.

    Attributes:
        found: the level's result.
        changes: how the project's folder differs from what was written.
        tiers: the line that says which tools ran.
    """

    found: LevelResult
    changes: Changes
    tiers: str

    @property
    def ok(self) -> bool:
        """Whether the level did not fail."""
        return self.found.ok

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {"ok": self.ok, **asdict(self.found), **changes_dict(self.changes), "tiers": self.tiers}

    def text(self) -> str:
        """For a terminal."""
        return "\n".join([self.found.line(), "", *changes_lines(self.changes), self.tiers])


@dataclass(frozen=True)
class KernelCheck:
    """What ``fastprefill check`` found: a kernel's levels on a board, with the seed and the tiers that ran."""

    found: KernelLevels
    parameters: Mapping[str, int]
    board: str
    seed: int
    tiers: str

    @property
    def ok(self) -> bool:
        """No level failed; one that did not run is no failure, and the tier line says so."""
        return all(level.ok for level in self.found.levels)

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        where = {"parameters": dict(self.parameters), "board": self.board, "seed": self.seed}
        return {"ok": self.ok, **asdict(self.found), **where, "tiers": self.tiers}

    def text(self) -> str:
        """For a terminal."""
        given = "".join(f", {name} = {value}" for name, value in self.parameters.items())
        title = f"{self.found.unit}{given} on {self.board}, seed {self.seed}"
        reference = f"compared with {self.found.reference}"
        return "\n".join([title, reference, "", *level_table(self.found.levels), self.tiers])


def changes_dict(changes: Changes) -> dict[str, Any]:
    """``as_generated``, and the files by what happened to them."""
    return {"as_generated": not changes, "changes": asdict(changes)}


def changes_lines(changes: Changes) -> list[str]:
    """A warning with an empty line behind it; nothing when the folder is as it was written."""
    return [f"warning: {changes.line()}", ""] if changes else []


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
