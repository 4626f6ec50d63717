"""Resources of the AXI movers at their default sizes, by Yosys, as JSON: python benchmarks/movers.py"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fastprefill import resources
from fastprefill.extern.axi import Port
from fastprefill.tools import yosys


def main() -> int:
    """Synthesise both and print."""
    parts = resources.path("extern/sv")
    shared = ("fp_axi_split", "fp_axi_keep", "fp_fifo", "fp_credit", "fp_ram")
    found = {}
    for name, port in (("fp_axi_reader", Port()), ("fp_axi_writer", Port(buffer=64))):
        result = yosys.synthesise([parts / f"{part}.sv" for part in (*shared, name)], name)
        total = result.total
        found[name] = {
            "port": vars(port),
            "lut": total.lut,
            "of_them_lutram": total.lutram,
            "ff": total.ff,
            "bram36": total.bram36,
        }
    print(
        json.dumps({"benchmark": "movers", "source": f"yosys {result.version}", "results": found}, indent=1)
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
