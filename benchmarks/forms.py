"""What a product costs in each form of a column, by Yosys: LUTs, flip-flops and DSP slices of one output's element."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from xdsl.dialects.builtin import ModuleOp

from fastprefill import boards, tools
from fastprefill.kernels import lut_forms, mpu
from fastprefill.system.build import build_unit
from fastprefill.targets import rtl
from fastprefill.tools import yosys

BOARD = "kv260"
K_PARALLEL = 8
MOST = {"pairs": (48.0, 32.0), "packed": (4.5, 4.5)}
"""The forms that the matrix unit uses -> LUTs and flip-flops for a product that are asked for at most."""


def element(form: str, top: str, unit: ModuleOp, products: int, of_all: int) -> dict[str, object]:
    """Counts for a product: of an output's element, accumulator included, and of the whole unit.

    Args:
        form: name.
        top: name of the unit's module.
        unit: with its elements in a module whose name ends in ``_array_lane``.
        products: in a cycle, of an element.
        of_all: of the unit.
    """
    files = rtl.emit(unit, boards.load(BOARD))
    with tempfile.TemporaryDirectory() as folder:
        sources = []
        for name, text in files.items():
            (Path(folder) / name).write_text(text)
            sources.append(Path(folder) / name)
        found = yosys.synthesise([source for source in sources if source.suffix == ".sv"], top)
    (own,) = (module.own for module in found.modules if module.name.endswith("_array_lane"))
    return {
        "form": form,
        "lut": round(own.lut / products, 1),
        "ff": round(own.ff / products, 1),
        "dsp": found.total.dsp / of_all,
        "whole_lut": round(found.total.lut / of_all, 1),
        "luts_deep": found.depth.luts.luts,
    }


def main() -> int:
    if not tools.available("yosys"):
        print(json.dumps({"benchmark": "forms", "target": "", "met": False, "results": [], "skipped": "no yosys"}))
        return 1
    rows, columns = 4, 2
    results = []
    for form in lut_forms.FORMS:
        unit = build_unit(lut_forms.unit(form, rows, columns, K_PARALLEL))
        results.append(element(form, "lut_forms", unit, K_PARALLEL, rows * columns * K_PARALLEL))
    packed = build_unit(mpu.unit(4, 4, 0, K_PARALLEL, 2))
    results.append(element("packed", "mpu", packed, 2 * K_PARALLEL, 16 * K_PARALLEL))
    met = all(
        one["lut"] <= MOST[name][0] and one["ff"] <= MOST[name][1]  # type: ignore[operator]
        for one in results
        if (name := str(one["form"])) in MOST
    )
    target = "; ".join(f"{name}: at most {lut} LUT and {ff} FF a product" for name, (lut, ff) in MOST.items())
    print(json.dumps({"benchmark": "forms", "target": target, "met": met, "results": results}, indent=1))
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
