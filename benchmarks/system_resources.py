"""Resources of the whole set on a board: matrix unit, SIGU, KV cache, attention, SFU, movers; and what is left.

    python benchmarks/system_resources.py kv260
    python benchmarks/system_resources.py kv260 --count walker finish
    python benchmarks/system_resources.py "kv260, half" --count softmax       units of this set

Where a unit has been through Yosys its count is taken: SIGU's from ``results/sigu_resources_<board>.json`` (of other
sizes from its probes, by rows and lanes), others from ``results/system_resources_<board>.json``, to which ``--count``
adds when all that it names are counted; units of equal parameters have one count. Otherwise it is the model's (matrix
unit), or the least that the compiler counts: memories, registers of arrays and products bound to DSP slices, no logic.
Every row says which. On the U280 a whole set lies in each region, for heads of its own, so the numbers are those of one
region and the board's are those of the region that has least of each.
"""

from __future__ import annotations

import json
import math
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from _sigu_stages import whole

from fastprefill import boards
from fastprefill.boards import Resources
from fastprefill.build.steps import replace_text
from fastprefill.estimate.resources import matrix_unit
from fastprefill.estimate.unit import least
from fastprefill.golden.mpu import Size as MatrixSize
from fastprefill.kernels import attention_layer, mpu_shared
from fastprefill.kernels.sfu import dequantise, quantise, residual, rms_norm, rope, silu_up
from fastprefill.reports.tables import aligned
from fastprefill.system.build import build_unit
from fastprefill.system.system import System
from fastprefill.system.unit import Unit
from fastprefill.targets import rtl
from fastprefill.tools import yosys

RESULTS = Path(__file__).resolve().parents[1] / "results"
KINDS = ("lut", "ff", "dsp", "bram36", "uram")
MOVERS = {"reader": Resources(621, 380, 0, 4), "writer": Resources(594, 342, 0, 4)}
"""By Yosys, 256 bits (``python benchmarks/movers.py``)."""

SIGU_READERS, SIGU_WRITERS = 2, 1

USERS = 3
"""Of the matrix unit: projections, index generation, attention."""


@dataclass(frozen=True)
class Set:
    """What lies in a region of a board.

    Attributes:
        matrix: the matrix unit; the attention engine is as large.
        engine_rows: rows of results in a word of the engine: those that the matrix unit drains, or one of a pair.
        beat_bits: of the movers' ports.
        sigu_lanes: keys in a cycle, for `matrix.rows` queries.
        sfu_lanes: elements in a cycle.
        lines: of the cache.
        window: query blocks that are open at a time, as docs/kv_cache.md chooses for the board.
    """

    matrix: MatrixSize
    engine_rows: int
    beat_bits: int
    sigu_lanes: int = 2
    sfu_lanes: int = 8
    lines: int = 1
    window: int = 1


SETS = {
    "kv260": Set(MatrixSize(16, 11, 5, 8, 2), 1, 128),
    "kv260, half": Set(MatrixSize(8, 16, 0, 8, 2), 1, 128, sigu_lanes=1, sfu_lanes=2),
    "kv260, quarter": Set(MatrixSize(8, 8, 0, 8, 2), 1, 128, sigu_lanes=1, sfu_lanes=2, window=4),
    "u280": Set(MatrixSize(16, 25, 7, 8, 2), 1, 256, sfu_lanes=4, window=8),
    "u280, 4 rows drained": Set(MatrixSize(16, 25, 7, 8, 4), 4, 256, sfu_lanes=4),
}
"""The engine takes powers of two, so the U280's default array of 24 x 32 outputs cannot serve it: 16 x 32 can."""

TOKENS, GROUP, DIM, BLOCK = 131_072, 4, 64, 128
LEAST, MODEL, YOSYS, PROBES = "at least", "model", "Yosys", "Yosys, from probes"


def attention(of: Set) -> System:
    """A layer's attention."""
    size = of.matrix
    return attention_layer.system(
        rows=size.rows, columns=size.dsp_columns + size.lut_columns, k_parallel=size.k_parallel,
        drain_rows=of.engine_rows, dim=DIM, block=BLOCK, beat_bits=of.beat_bits, blocks=TOKENS // BLOCK, group=GROUP,
        lines=of.lines, dsp_columns=size.dsp_columns, window=of.window,
    )  # fmt: skip


def attention_units(of: Set) -> dict[str, Unit]:
    """Its units, the matrix unit apart."""
    return {name: unit for name, unit in attention(of).units.items() if name != "mpu"}


def sfu_units(of: Set) -> dict[str, Unit]:
    """The special function unit; attention has a quantiser of its own."""
    makers = (dequantise, residual, rms_norm, rope, silu_up, quantise)
    return {f"sfu.{maker.__name__.split('.')[-1]}": maker.unit(of.sfu_lanes) for maker in makers}


def units(of: Set) -> dict[str, Unit]:
    """What gives the matrix unit to its users, the units of attention and those of the SFU."""
    return {"share": mpu_shared.share(USERS, of.matrix), **attention_units(of), **sfu_units(of)}


def key(unit: Unit) -> str:
    """What a count is kept under: a unit and its parameters."""
    return f"{unit.name} {', '.join(f'{name}={value}' for name, value in sorted(unit.parameters.items()))}"


def synthesised(unit: Unit, board: str) -> dict[str, Any]:
    """Cells of a unit by Yosys."""
    with TemporaryDirectory(prefix="fastprefill-set-") as folder:
        files = []
        for name, text in rtl.emit(build_unit(unit), boards.load(board)).items():
            (Path(folder) / name).write_text(text)
            if name.endswith(".sv"):
                files.append(Path(folder) / name)
        total = yosys.synthesise(files, unit.name).total
    return {kind: getattr(total, kind) for kind in KINDS}


def sigu(of: Set, board: str) -> tuple[Resources, str]:
    """All stages: the board's counts, wide stages by rows and lanes from their probes, two of three kinds twice."""
    stages = json.loads((RESULTS / f"sigu_resources_{board}.json").read_text())["results"]["stages"]
    rows, lanes = of.matrix.rows, of.sigu_lanes
    return Resources(*(math.ceil(whole(stages, kind, rows, lanes)) for kind in KINDS)), PROBES


def parts(name: str, counted: dict[str, dict[str, Any]]) -> dict[str, tuple[Resources, str]]:
    """Every part of a set with what it takes and where that comes from."""
    of = SETS[name]
    found = {"matrix unit": (matrix_unit(of.matrix), MODEL), "sigu": sigu(of, name.partition(",")[0])}
    for unit_name, unit in units(of).items():
        if cells := counted.get(key(unit)):
            found[unit_name] = Resources(*(math.ceil(cells[kind]) for kind in KINDS)), YOSYS
        else:
            found[unit_name] = sum(least(build_unit(unit)).values(), Resources()), LEAST
    memory = attention(of).memory
    assert memory is not None
    writers = sum(mover.writes for mover in memory.movers.values()) + SIGU_WRITERS
    readers = len(memory.movers) + SIGU_READERS + SIGU_WRITERS - writers
    for kind, count in (("reader", readers), ("writer", writers)):
        one = MOVERS[kind].as_dict()
        found[f"{count} movers, {kind}"] = Resources(*(count * one[what] for what in KINDS)), YOSYS
    return found


def summed(found: dict[str, tuple[Resources, str]], available: Resources) -> dict[str, Any]:
    """For JSON: rows, sum, what the board has and what is left."""
    total = sum((part for part, _ in found.values()), Resources())
    rest = available - total
    return {
        "parts": {name: {**part.as_dict(), "source": source} for name, (part, source) in found.items()},
        "sum": total.as_dict(),
        "available": available.as_dict(),
        "left": rest.as_dict(),
        "fits": all(value >= 0 for value in rest.as_dict().values()),
        "without_logic": [name for name, (_, source) in found.items() if source == LEAST],
    }


def text(result: dict[str, Any]) -> str:
    """A table."""
    lines = [[name, *(f"{part[kind]:,}" for kind in KINDS), part["source"]] for name, part in result["parts"].items()]
    for name in ("sum", "available", "left"):
        lines.append([name, *(f"{result[name][kind]:,}" for kind in KINDS), ""])
    return "\n".join(aligned([["part", *(kind.upper() for kind in KINDS), "source"], *lines], left=(0, 6)))


def main(arguments: list[str]) -> int:
    """Print the sets of a board; with ``--count``, synthesise the units named after it first."""
    chosen = arguments[0] if arguments else "kv260"
    board = chosen.split(",")[0]
    file = RESULTS / f"system_resources_{board}.json"
    counted: dict[str, dict[str, Any]] = {}
    if file.is_file():
        counted = json.loads(file.read_text())["results"]["counted"]
    if "--count" in arguments:
        of = SETS[chosen]
        for name in arguments[arguments.index("--count") + 1 :]:
            unit = units(of)[name]
            counted[key(unit)] = synthesised(unit, board)
            print(f"{key(unit)}: {counted[key(unit)]}", file=sys.stderr, flush=True)
    regions = [slr.as_dict() for slr in boards.load(board).slrs]
    available = Resources(*(min(region[kind] for region in regions) for kind in KINDS))
    sets = {name: of for name, of in SETS.items() if name.split(",")[0] == board}
    used = {key(unit) for of in sets.values() for unit in units(of).values()}  # counts of earlier sets go
    counted = {unit: cells for unit, cells in counted.items() if unit in used}
    results: dict[str, Any] = {"board": board, "counted": counted, "sets": {}}
    for name, of in sets.items():
        found = summed(parts(name, counted), available)
        results["sets"][name] = {**asdict(of), **found}
        print(f"\n{name}\n{text(found)}", file=sys.stderr)
    fits = {name: one["fits"] for name, one in results["sets"].items()}
    shown = {"benchmark": "system_resources", "target": "none", "met": True, "fits": fits, "results": results}
    if "--count" in arguments:
        replace_text(file, json.dumps(shown, indent=1) + "\n")
    print(json.dumps(shown, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
