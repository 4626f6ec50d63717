"""What a name that is not known may have meant: an import that is missing, or another spelling."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

_TYPES = [
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in [*range(1, 17), 32, 64, 128, 256, 512]),
    *("Int", "UInt", "Stream", "ConstExpr", "index"),
]
_IMPORTS = {
    **{name: f"from allo.ir.types import {name}" for name in _TYPES},
    "Memory": "from allo.memory import Memory",
    "Partition": "from allo.customize import Partition",
    "allo": "import allo",
    "df": "import allo.dataflow as df",
    "np": "import numpy as np",
    "Unit": "from fastprefill.system.unit import Unit",
    "System": "from fastprefill.system.system import System",
    "Case": "from fastprefill.system.case import Case",
}


def import_of(name: str) -> str:
    """The import that gives a name, beginning with ``; ``; empty for names of the user's own."""
    return f"; write '{_IMPORTS[name]}' at the top of the file" if name in _IMPORTS else ""


def advice(name: str, known: Iterable[str] = ()) -> str:
    """What to do about a name that is not known, beginning with ``; ``; empty when nothing comes to mind.

    Args:
        name: as written.
        known: names that exist where it stands.
    """
    if near := import_of(name):
        return near
    if match := re.fullmatch(r"(u?)int(\d+)", name):
        return f"; write {'UInt' if match[1] else 'Int'}({match[2]})"
    alike = difflib.get_close_matches(name, [*known, *_IMPORTS], n=1, cutoff=0.7)
    return f"; did you mean '{alike[0]}'?" if alike else ""
