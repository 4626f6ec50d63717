"""Equivalence of two versions of a SystemVerilog design, register by register, with the SAT solver inside Yosys.

Registers of the same name are taken as one: with equal registers and equal inputs, both versions must have equal
outputs and equal next values. Then they behave alike for all inputs and all time, from every state in which they
are alike. Where that needs facts about the states that can be reached, they are given as lemmas, which are proven
by induction first. Without a proof the answer is "not proven"; that the versions differ is not shown.
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

_LEMMAS = "  // Lemmas\n"

LEMMA_STEPS = 4
"""Steps of induction after which the proof of a lemma is given up."""


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
    ours: Mapping[str, str], other: Mapping[str, str], top: str, *,
    ignored: Sequence[str] = (), lemmas: Mapping[str, Sequence[str]] | None = None, timeout_s: float = 120,
) -> Equivalence:  # fmt: skip
    """Prove that two versions of a design behave alike.

    Args:
        ours: texts of the ``.sv`` files by name.
        other: the same for the other version.
        top: name of the top module of both.
        ignored: outputs of the top module that may differ.
        lemmas: by module, SystemVerilog conditions that hold in `ours` from the cycle after a reset on; they are
            taken for granted here: see ``prove_lemmas``.
        timeout_s: wall time after which Yosys is stopped.

    Raises:
        FastprefillError: Yosys is missing, the time is over, or a version cannot be read.
    """
    started = time.monotonic()
    assumed = {name: _with(text, lemmas or {}, "assume") for name, text in ours.items()}
    with tempfile.TemporaryDirectory(prefix="fastprefill-equivalence-") as scratch:
        folder = Path(scratch)
        script = [
            *_read(assumed, "ours", top, ignored, folder),
            *_read(other, "other", top, ignored, folder),
            "design -copy-from ours -as ours ours",
            "design -copy-from other -as other other",
            "expose -evert-dff -dff -shared ours other",
            "setattr -unset keep t:$dff",
            "miter -equiv -flatten -make_outcmp ours other both",
            "hierarchy -top both",
            "chformal -lower",
            # Equal inputs make equal logic one: what is left to the solver is what differs.
            "opt -full -share_all",
            "opt_clean",
            "tee -q -o proof.log sat -set-assumes -prove trigger 0 -show-outputs both",
        ]
        try:
            yosys.run_script(script, folder, timeout_s)
        except FastprefillError:
            # A register that only one version has stays in the logic, where the solver has no model for it.
            if "No SAT model available for" not in _log(folder):
                raise
        proved, reason = _verdict(_log(folder))
    return Equivalence(proved, reason, time.monotonic() - started)


def prove_lemmas(
    files: Mapping[str, str], lemmas: Mapping[str, Sequence[str]], *, timeout_s: float = 120
) -> list[str]:
    """Prove by induction that lemmas hold in every state that can be reached from a reset, whatever the inputs.

    Args:
        files: texts of the ``.sv`` files by name.
        lemmas: by module, SystemVerilog conditions on its registers. A module's are proven together.
        timeout_s: wall time after which Yosys is stopped.

    Returns:
        The modules whose lemmas were not proven.

    Raises:
        FastprefillError: Yosys is missing, the time is over, or a file cannot be read.
    """
    failed = []
    for module in lemmas:
        with tempfile.TemporaryDirectory(prefix="fastprefill-lemmas-") as scratch:
            folder = Path(scratch)
            claimed = {name: _with(text, lemmas, "assert") for name, text in files.items()}
            script = [
                *_elaborate(claimed, "ours", module, folder),
                "async2sync",
                "chformal -lower",
                "dffunmap",
                "opt_clean",
                "tee -q -o proof.log sat -tempinduct -prove-asserts -set-assumes -seq 1 "
                f"-maxsteps {LEMMA_STEPS} {module}",
            ]
            yosys.run_script(script, folder, timeout_s)
            if "Induction step proven: SUCCESS" not in _log(folder):
                failed.append(module)
    return failed


def _with(text: str, lemmas: Mapping[str, Sequence[str]], kind: str) -> str:
    """The source with the lemmas of its module as assumptions or, to be shown after a reset, as assertions."""
    match = re.search(r"^module (\w+)", text, re.MULTILINE)
    claims = lemmas.get(match[1], ()) if match else ()
    if not claims:
        return text
    lines = [f"    {kind} ({claim});\n" for claim in claims]
    if kind == "assume":
        added = f"  always @* begin\n{''.join(lines)}  end\n"
    else:
        added = (
            "  reg lemma_begun = 1'b0;\n  always @(posedge clk) lemma_begun <= 1'b1;\n"
            "  always @* assume (lemma_begun || rst);\n"
            f"  always @* if (lemma_begun) begin\n{''.join(lines)}  end\n"
        )
    end = text.rindex("endmodule")
    return text[:end] + _LEMMAS + added + text[end:]


def _elaborate(texts: Mapping[str, str], name: str, top: str, folder: Path) -> list[str]:
    files = []
    for file, text in texts.items():
        path = folder / name / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        files.append(path)
    *read, hierarchy = yosys.read_commands(files, top)
    # Formal statements are read only where there are lemmas: the parts have proofs and probes of their own.
    formal = ["-sv -formal" if _LEMMAS in text else "-sv" for text in texts.values()]
    read = [command.replace("-sv", option, 1) for command, option in zip(read, formal, strict=True)]
    # No register is optimised away: the other version has it too.
    flat = (
        "proc",
        "setattr -set keep 1 t:$*ff*",
        "flatten",
        "opt_clean",
        "memory -nomap",
        "memory_map",
        "opt_clean",
    )
    return ["design -reset", *read, hierarchy, *flat]


def _read(texts: Mapping[str, str], name: str, top: str, ignored: Sequence[str], folder: Path) -> list[str]:
    return [
        *_elaborate(texts, name, top, folder),
        *(f"delete -port {top}/{output}" for output in ignored),
        # A plain register each, with enable and reset as logic that can be compared.
        "dffunmap",
        "setattr -set keep 1 t:$dff",
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
