"""Equivalence of two versions of a SystemVerilog design, register by register, with the SAT solver inside Yosys.

Registers of the same name are taken as one: with equal registers and equal inputs, both versions must have equal
outputs and equal next values. Then they behave alike for all inputs and all time, from every state in which they
are alike. A design that is alike only in the states it can reach is not proven: the answer is then "not proven",
never a wrong "proven".
"""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fastprefill.errors import FastprefillError
from fastprefill.tools import yosys


@dataclass(frozen=True)
class Equivalence:
    """What was found.

    Attributes:
        proved: the versions behave alike.
        reason: the method when proved, else where they differ.
        seconds: wall time.
    """

    proved: bool
    reason: str
    seconds: float


def prove(
    ours: Mapping[str, str], other: Mapping[str, str], top: str, *, ignored: Sequence[str] = (), timeout_s: float = 120
) -> Equivalence:
    """Prove that two versions of a design behave alike.

    Args:
        ours: texts of the ``.sv`` files by name.
        other: the same for the other version.
        top: name of the top module of both.
        ignored: outputs of the top module that may differ.
        timeout_s: wall time after which Yosys is stopped.

    Raises:
        FastprefillError: Yosys is missing, the time is over, or a version cannot be read.
    """
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fastprefill-equivalence-") as scratch:
        folder = Path(scratch)
        script = [
            *_read(ours, "ours", top, ignored, folder),
            *_read(other, "other", top, ignored, folder),
            "design -copy-from ours -as ours ours",
            "design -copy-from other -as other other",
            "expose -evert-dff -dff -shared ours other",
            "miter -equiv -flatten -make_outcmp ours other both",
            "hierarchy -top both",
            # Equal inputs make equal logic one: what is left to the solver is what differs.
            "opt -full -share_all",
            "opt_clean",
            "tee -q -o proof.log sat -prove trigger 0 -show-outputs both",
        ]
        try:
            yosys.run_script(script, folder, timeout_s)
        except FastprefillError:
            # A register that only one version has stays in the logic, where the solver has no model for it.
            if "No SAT model available for" not in _log(folder):
                raise
        proved, reason = _verdict(_log(folder))
    return Equivalence(proved, reason, time.monotonic() - started)


def _read(texts: Mapping[str, str], name: str, top: str, ignored: Sequence[str], folder: Path) -> list[str]:
    files = []
    for file, text in texts.items():
        path = folder / name / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        files.append(path)
    return [
        "design -reset",
        *yosys.read_commands(files, top),
        "proc",
        "flatten",
        "memory -nomap",
        "memory_map",
        *(f"delete -port {top}/{output}" for output in ignored),
        "opt -full -nodffe -nosdff",
        "dffunmap",  # a plain register each: enables and resets become logic that can be compared
        "opt_expr -full",
        "opt_clean",
        f"rename {top} {name}",
        f"design -save {name}",
    ]


def _log(folder: Path) -> str:
    log = folder / "proof.log"
    return log.read_text() if log.exists() else ""


def _verdict(log: str) -> tuple[bool, str]:
    if "SAT proof finished - no model found: SUCCESS!" in log:
        return True, "equal outputs and next states, by SAT"
    if "SAT proof finished - model found: FAIL!" in log:
        differ = re.findall(r"\\cmp_(\S+)\s+0\s", log)
        return False, f"not proven: {', '.join(differ[:3])} can differ"
    if "No SAT model available for" in log:
        return False, "not proven: a register of one version is not in the other"
    raise FastprefillError(f"Yosys gave no verdict on an equivalence; its log ends with:\n{log[-1000:]}")
