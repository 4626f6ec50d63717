"""Proofs by induction of the hand-written SystemVerilog parts and their arithmetic, with the SAT solver inside Yosys.

The KV cache's policy is among them as a transcription of its kernel, a decision a step; the generated RTL is not.

Each harness in ``extern/formal`` says in its head what is assumed and what is shown. It holds for all inputs and
all time at the sizes in `PROOFS`, which are small; the parts have no case that appears only at larger ones.

``python -m fastprefill.tools.formal`` runs all of them.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fastprefill import resources, tools
from fastprefill.errors import FastprefillError
from fastprefill.tools import yosys

MAXIMUM_STEPS = 12
"""Induction length at which a proof is given up."""


@dataclass(frozen=True)
class Proof:
    """One harness at one size.

    Attributes:
        part: what is proved.
        parameters: of the harness.
        any_products: the results of multipliers may be anything, so that what is proved needs no multiplication;
            equal ones of the part and the harness stay equal.
        harness: a module of ``extern/formal``; `part` + ``_proof`` where nothing else is said.
    """

    part: str
    parameters: Mapping[str, int] = field(default_factory=dict)
    any_products: bool = False
    harness: str = ""

    @property
    def top(self) -> str:
        """The harness."""
        return self.harness or f"{self.part}_proof"

    @property
    def name(self) -> str:
        """Such as ``fp_fifo DEPTH=3``."""
        return " ".join([self.part, *(f"{name}={value}" for name, value in self.parameters.items())])


@dataclass(frozen=True)
class Outcome:
    """What became of a proof.

    Attributes:
        proved: for all inputs and all time.
        reason: why not: a counterexample from reset, or none and no proof either.
        seconds: wall time.
    """

    proof: Proof
    proved: bool
    reason: str
    seconds: float


PROOFS = (
    Proof("fp_fifo", {"DEPTH": 1}),
    Proof("fp_fifo", {"DEPTH": 2}),
    Proof("fp_fifo", {"DEPTH": 3}),
    Proof("fp_fifo", {"DEPTH": 4}),
    Proof("fp_fifo", {"DEPTH": 2, "LARGEST_LUTRAM": 1}),
    Proof("fp_fifo", {"DEPTH": 5, "LARGEST_LUTRAM": 1}),
    Proof("fp_fifo", {"DEPTH": 1, "TAKEN": 1}),
    Proof("fp_fifo", {"DEPTH": 4, "TAKEN": 1}),
    Proof("fp_wide_fifo", {"DEPTH": 3}),
    Proof("fp_wide_fifo", {"DEPTH": 3, "LARGEST_LUTRAM": 1}),
    Proof("fp_credit", {"MAXIMUM": 1, "TAKE_WIDTH": 1, "BACK_WIDTH": 1}),
    Proof("fp_credit", {"MAXIMUM": 5, "TAKE_WIDTH": 2, "BACK_WIDTH": 1}),
    Proof("fp_credit", {"MAXIMUM": 6, "TAKE_WIDTH": 1, "BACK_WIDTH": 4}),
    Proof("fp_relay", {"HOPS": 1}),
    Proof("fp_relay", {"HOPS": 2}),
    Proof("fp_relay", {"HOPS": 3}),
    Proof("fp_relay", {"HOPS": 2, "TAKEN": 1}),
    Proof("fp_relay", {"HOPS": 4}),
    Proof("fp_wide_relay", {"HOPS": 2, "WIDTH": 5, "SLICE": 2}, harness="fp_relay_proof"),
    Proof("fp_wide_relay", {"HOPS": 4, "WIDTH": 5, "SLICE": 2}, harness="fp_relay_proof"),
    Proof("fp_dsp_cascade", {"SLICES": 1}, any_products=True),
    Proof("fp_dsp_cascade", {"SLICES": 8}, any_products=True),
    Proof("fp_packed_sum"),
    Proof("fp_packed_sum", {"PRODUCTS": 15}),
    Proof("fp_axi_reader"),
    Proof("fp_axi_reader", {"IDS": 1, "BURST": 3, "OUTSTANDING": 3, "BOUNDARY": 16}),
    Proof("fp_axi_reader", {"BURST": 1, "OUTSTANDING": 3, "BUFFER": 2}),
    Proof("fp_axi_writer"),
    Proof("fp_axi_writer", {"IDS": 1, "BURST": 3, "OUTSTANDING": 3, "BOUNDARY": 16}),
    Proof("fp_axi_writer", {"BURST": 1, "OUTSTANDING": 3, "BUFFER": 1}),
    Proof("kv_cache_policy", {"LINES": 1, "AHEAD": 1}),
    Proof("kv_cache_policy", {"LINES": 3, "AHEAD": 2}),
)


def prove(proof: Proof, *, replaced: Mapping[str, str] | None = None, timeout_s: float = 300) -> Outcome:
    """Prove the assertions of a part's harness by temporal induction.

    Args:
        proof: the part and the parameters of its harness.
        replaced: texts of parts or harnesses by file name, in place of those of the package.
        timeout_s: wall time after which Yosys is stopped.

    Raises:
        FastprefillError: Yosys is missing, the time is over, or the sources cannot be read.
    """
    top = proof.top
    chosen = {path.name: path.read_text() for path in sorted(resources.path("extern/sv").glob("*.sv"))}
    chosen[f"{top}.sv"] = (resources.path("extern/formal") / f"{top}.sv").read_text()
    chosen |= replaced or {}
    overrides = "".join(f" -chparam {name} {value}" for name, value in proof.parameters.items())
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fastprefill-proof-") as scratch:
        folder = Path(scratch)
        for name, text in chosen.items():
            (folder / name).write_text(text)
        script = [
            *(f"read_verilog -sv -formal -DFORMAL -defer {name}" for name in chosen),
            f"hierarchy -check -top {top}{overrides}",
            "proc",
            "flatten",
            "opt_clean",
            *(("opt_merge", "cutpoint t:$mul") if proof.any_products else ()),
            "memory -nordff -nomap",  # merged read registers would be state that no assertion speaks of
            "memory_map",
            "opt",
            "async2sync",
            "chformal -lower",
            "dffunmap",
            "opt_clean",
            f"tee -q -o proof.log sat -tempinduct -prove-asserts -set-assumes -seq 1 -maxsteps {MAXIMUM_STEPS} A:top",
        ]
        yosys.run_script(script, folder, timeout_s)
        proved, reason = _verdict((folder / "proof.log").read_text())
    return Outcome(proof, proved, reason, time.monotonic() - started)


def _verdict(log: str) -> tuple[bool, str]:
    if re.search(r"Induction step proven: SUCCESS", log):
        return True, ""
    if re.search(r"model found for base case: FAIL", log):
        return False, "a counterexample starts at reset"
    if re.search(r"Reached maximum number of time steps", log):
        return False, f"no proof with {MAXIMUM_STEPS} steps of induction, and no counterexample that long"
    raise FastprefillError(f"Yosys gave no verdict on a proof; its log ends with:\n{log[-1000:]}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run every proof, print one line for each; the exit status says whether all hold."""
    parser = argparse.ArgumentParser(prog="python -m fastprefill.tools.formal", description=__doc__)
    parser.parse_args(arguments)
    if not tools.available("yosys"):
        print(f"formal: NOT run: yosys is not installed: {tools.TOOLS['yosys'].install}", file=sys.stderr)
        return 2
    outcomes = []
    for proof in PROOFS:
        outcome = prove(proof)
        outcomes.append(outcome)
        verdict = "proved" if outcome.proved else f"NOT PROVED: {outcome.reason}"
        print(f"{proof.name:45} {verdict} ({outcome.seconds:.1f} s)", flush=True)
    failed = sum(not outcome.proved for outcome in outcomes)
    print(f"{len(outcomes) - failed} of {len(outcomes)} proofs hold")
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except FastprefillError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
