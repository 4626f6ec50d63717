"""Resources of index generation by Yosys, stage by stage, for a board's default size.

    python benchmarks/sigu_resources.py kv260 [STAGE ...] [--whole] [--into=results/sigu_resources_kv260.json]

Stages whose width grows with scores in a cycle are synthesised as they are with ``--whole``; otherwise at three small
widths, and the default's are interpolated as constant + rows + rows x lanes, which says so in the result. Their block
RAM and UltraRAM are what the IR asks for, as an array can be in another kind of memory at a small width. With
``--into`` the stages that were not named are taken from an earlier result. `asked` are the memories that the IR asks
for.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from _sigu_stages import PROBES, TWICE, interpolated

from fastprefill import boards
from fastprefill.boards import Resources
from fastprefill.estimate import unit as estimate
from fastprefill.golden.sigu.size import Size
from fastprefill.kernels import sigu
from fastprefill.system.build import build_unit
from fastprefill.system.unit import Unit
from fastprefill.targets import rtl
from fastprefill.tools import yosys

DEFAULTS = {"kv260": Size(16, 2, 16, choices=8), "u280": Size(16, 2, 16, columns=32, choices=8)}
"""Behind arrays of 16 x 16 and 16 x 32 outputs: as many scores a cycle as `sigu_lanes.py` finds enough."""
WIDE = ("score", "weigh", "lines")
CELLS = ("lut", "lutram", "ff", "dsp", "bram36", "uram")


def synthesised(unit: Unit, board: str) -> dict[str, Any]:
    """Cells of one stage, and the depth of its deepest path between registers."""
    module = build_unit(unit)
    with TemporaryDirectory(prefix="fastprefill-sigu-") as folder:
        files = []
        for name, text in rtl.emit(module, boards.load(board)).items():
            path = Path(folder) / name
            path.write_text(text)
            if name.endswith(".sv"):
                files.append(path)
        found = yosys.synthesise(files, unit.name)
    deepest = {"luts_in_a_row": found.depth.luts.luts, "carry_bits_in_a_row": found.depth.carry_bits.carry_bits}
    return {**{name: getattr(found.total, name) for name in CELLS}, **deepest}


def main() -> int:
    """Synthesise what the arguments name: a board, then stages (all by default)."""
    arguments = [one for one in sys.argv[1:] if not one.startswith("--")]
    board = arguments[0] if arguments else "kv260"
    size, whole = DEFAULTS[board], "--whole" in sys.argv
    units = sigu.units(size)
    earlier = next((one.removeprefix("--into=") for one in sys.argv if one.startswith("--into=")), None)
    known = json.loads(Path(earlier).read_text())["results"]["stages"] if earlier else {}
    results: dict[str, Any] = {}
    for name in units:
        if name in known and name not in arguments[1:]:
            results[name] = known[name]
            continue
        if arguments[1:] and name not in arguments[1:]:
            continue
        if name in ("diagonal_tally", "diagonal_cut", "slash"):
            continue  # the same as the other of its kind
        if name not in WIDE or whole:
            results[name] = synthesised(units[name], board)
        else:
            probes = [
                synthesised(sigu.units(replace(size, rows=r, lanes=n, columns=r, choices=1))[name], board)
                for r, n in PROBES
            ]
            results[name] = {"probes": probes, "interpolated": True}
            for cell in CELLS:
                results[name][cell] = round(interpolated(probes, cell, size.rows, size.lanes))
            for kind in ("luts_in_a_row", "carry_bits_in_a_row"):
                results[name][kind] = max(probe[kind] for probe in probes)
        print(f"{name}: {json.dumps(results[name])}", file=sys.stderr, flush=True)
    for name, cells in results.items():
        least = estimate.least(build_unit(units[name])).get(0, Resources())
        cells["asked"] = {"bram36": least.bram36, "uram": least.uram}
        if "probes" in cells:
            cells |= cells["asked"]
    total = {
        cell: sum(found.get(cell, 0) * (1 + (name in TWICE)) for name, found in results.items()) for cell in CELLS
    }
    print(
        json.dumps(
            {
                "benchmark": "sigu_resources",
                "target": "none",
                "met": True,
                "results": {"board": board, "size": vars(size), "stages": results, "in_all": total},
            },
            indent=1,
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
