"""A case: what goes into a unit and what must come out, at every level of the compiler."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Case:
    """One start of a unit.

    Tokens and scalars are Python integers; negative ones are allowed and mean their two's complement
    pattern. Outputs are always unsigned patterns, so that equality is equality of bits.

    Attributes:
        name: shown in failures, an identifier.
        scalars: run-time scalars (``T[1]`` arguments) by argument name.
        inputs: tokens for each input stream, in order.
        outputs: expected tokens of each output stream, in order, as unsigned bit patterns.
    """

    name: str
    scalars: Mapping[str, int] = field(default_factory=dict)
    inputs: Mapping[str, list[int]] = field(default_factory=dict)
    outputs: Mapping[str, list[int]] = field(default_factory=dict)

    def refused(self, name: str, **scalars: int) -> Case:
        """The same start with some scalars replaced, in which no token is read or written."""
        given = {**self.scalars, **scalars}
        return Case(name, given, {port: [] for port in self.inputs}, {port: [] for port in self.outputs})

    def save(self, folder: Path, widths: Mapping[str, int]) -> None:
        """Write ``case.json`` and one ``<stream>.hex`` per stream (a token a line, ``$readmemh`` form).

        Args:
            folder: created when missing.
            widths: bits of each stream's token.
        """
        folder.mkdir(parents=True, exist_ok=True)
        for name, tokens in {**self.inputs, **self.outputs}.items():
            digits, mask = (widths[name] + 3) // 4, (1 << widths[name]) - 1
            text = "".join(f"{token & mask:0{digits}x}\n" for token in tokens)
            (folder / f"{name}.hex").write_text(text)
        meta = {
            "name": self.name,
            "scalars": dict(self.scalars),
            "inputs": {name: len(tokens) for name, tokens in self.inputs.items()},
            "outputs": {name: len(tokens) for name, tokens in self.outputs.items()},
        }
        (folder / "case.json").write_text(json.dumps(meta, indent=1, sort_keys=True) + "\n")

    @staticmethod
    def load(folder: Path) -> Case:
        """Read back what ``save`` wrote."""
        meta = json.loads((folder / "case.json").read_text())

        def tokens(name: str) -> list[int]:
            return [int(line, 16) for line in (folder / f"{name}.hex").read_text().split()]

        return Case(
            name=meta["name"],
            scalars=meta["scalars"],
            inputs={name: tokens(name) for name in meta["inputs"]},
            outputs={name: tokens(name) for name in meta["outputs"]},
        )
