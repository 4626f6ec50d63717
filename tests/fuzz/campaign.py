"""Random programs in the interpreter and as RTL: ``python tests/fuzz/campaign.py FIRST COUNT`` prints what differs."""

from __future__ import annotations

import random
import signal
import sys
import traceback
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from programs import TOKENS, Program, generate
from simulate import Simulated, simulate
from xdsl.dialects.builtin import ModuleOp

from fastprefill import boards
from fastprefill.errors import FastprefillError, KernelError
from fastprefill.ir.text import parse
from fastprefill.system.case import Case
from fastprefill.system.ports import Ports, ports
from fastprefill.targets import rtl
from fastprefill.targets.interpreter import program as interpreter

BATCH = 12
LIMIT_S = 60
"""Longest time for compiling and interpreting one program."""


class _Interpreter(interpreter.Program):
    """Notes how many tokens of its inputs a program leaves, instead of refusing that."""

    def _check_empty(self, streams: Mapping[Any, Any], **options: bool) -> None:
        self.left = {spec.name: len(streams[spec].items) for spec in self.inputs}
        super()._check_empty({spec: stream for spec, stream in streams.items() if spec not in self.inputs}, **options)


def cases(module: ModuleOp, shape: Ports, seed: int, count: int = 3) -> list[Case]:
    """Random cases with the outputs of the interpreter; inputs are cut to what the program reads.

    Raises:
        FastprefillError: the program does what the IR does not allow.
    """
    rng = random.Random(seed)
    machine = _Interpreter(module)
    found = []
    for number in range(count):
        scalars = {s: rng.randrange(5) if rng.random() < 0.8 else -rng.randrange(3) for s in shape.scalars}
        inputs = {}
        for name, width in shape.inputs.items():
            inputs[name] = [
                rng.choice((rng.getrandbits(width), rng.getrandbits(width), 0, 1, (1 << width) - 1))
                for _ in range(TOKENS)
            ]
        outputs = machine.run(Case("fuzz", scalars, inputs), max_tokens=4 * TOKENS)
        inputs = {name: tokens[: len(tokens) - machine.left[name]] for name, tokens in inputs.items()}
        found.append(Case(f"case{number}", scalars, inputs, outputs))
    return found


def prepare(program: Program, seed: int) -> Simulated:
    """A program as RTL, with its cases.

    Raises:
        KernelError: the RTL target refuses the program.
    """
    return prepare_text(program.text, seed)


def prepare_text(text: str, seed: int) -> Simulated:
    """The same for a program given as MLIR text."""
    module = parse(text)
    shape = ports(module)
    expected = cases(module, shape, seed)
    board = boards.load("kv260" if "slr = 1" not in text and "slr = 2" not in text else "u280")
    return Simulated(shape, rtl.build(module, board).files, expected)


def _too_long(*_: object) -> None:
    raise TimeoutError(f"took more than {LIMIT_S} s")


def main(first: int, count: int) -> int:
    """Try programs `first` to `first + count - 1`; returns the number of failures."""
    signal.signal(signal.SIGALRM, _too_long)
    notes: Counter[str] = Counter()
    failures = 0
    batch: list[Simulated] = []
    for seed in range(first, first + count):
        signal.alarm(LIMIT_S)
        try:
            batch.append(prepare(generate(seed, f"u{seed}"), seed))
        except KernelError as error:
            notes[f"refused: {str(error)[:70]}"] += 1
        except FastprefillError as error:
            notes[f"interpreter: {str(error)[:90]}"] += 1
        except Exception as error:
            failures += 1
            where = traceback.extract_tb(error.__traceback__)[-1]
            print(
                f"u{seed} {type(error).__name__} {str(error)[:200]} at {where.filename}:{where.lineno}",
                flush=True,
            )
        finally:
            signal.alarm(0)
        if batch and (len(batch) == BATCH or seed == first + count - 1):
            bad = simulate(batch)
            notes["simulated"] += len(batch)
            failing = {
                unit.ports.name for unit in batch if any(f" {unit.ports.name} " in line for line in bad)
            }
            failures += len(failing) or bool(bad)
            seen: set[str] = set()
            for line in bad:
                name = next((u.ports.name for u in batch if f" {u.ports.name} " in line), line)
                if name not in seen:
                    print(line, flush=True)
                seen.add(name)
            batch = []
    for note, number in notes.most_common():
        print(f"{number:5} {note}")
    return failures


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])) > 0)
