"""Random expressions: the IR in the interpreter against a plain evaluation of Allo's rules.

The reference computes every operation at the full width that the rules give and wraps there; the front end
narrows, folds and shares, so any mistake in that shows up as a difference.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from fastprefill.system.build import build_unit
from fastprefill.system.case import Case
from fastprefill.system.load import load
from fastprefill.targets import interpreter

VARIABLES = {"a": (8, True), "b": (8, False), "c": (13, True), "d": (32, False), "e": (1, False)}
TARGETS = [(5, True), (8, False), (16, True), (33, True), (64, False), (100, False)]
COUNT = 40

Typed = tuple[int, int, bool]
"""A value with the bits and signedness of its type."""


def wrap(value: int, bits: int, signed: bool) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if signed and value >> (bits - 1) else value


def widest(left: Typed, right: Typed) -> int:
    if left[2] == right[2]:
        return max(left[1], right[1])
    return max(left[1] + (not left[2]), right[1] + (not right[2]))


class Expression:
    """A random expression: its text, and its value for given variables."""

    def __init__(self, rng: random.Random, depth: int) -> None:
        kind = rng.choice(
            ["leaf"] if depth == 0 else ["leaf", "arith", "arith", "bits", "shift", "select", "compare"]
        )
        self.kind = kind
        if kind == "leaf":
            self.name = rng.choice([*VARIABLES, "literal"])
            self.literal = rng.choice([0, 1, -1, 3, 100, 255, -128, 2**31 - 1])
            self.text = f"({self.literal})" if self.name == "literal" else self.name
            return
        self.parts = [Expression(rng, depth - 1) for _ in range(4 if kind == "select" else 2)]
        texts = [part.text for part in self.parts]
        if kind == "arith":
            self.op = rng.choice("+-*&|^")
            self.text = f"({texts[0]} {self.op} {texts[1]})"
        elif kind == "bits":
            self.op = rng.choice(["b", "c", "d"])
            self.low = rng.randrange(0, 6)
            self.width = rng.randrange(1, 8 - self.low)
            self.text = f"{self.op}[{self.low}:{self.low + self.width}]"
        elif kind == "shift":
            self.op = rng.choice(["<<", ">>"])
            self.text = f"({texts[0]} {self.op} b[0:3])"
        elif kind == "compare":
            self.op = rng.choice(["<", "<=", "==", "!=", ">", ">="])
            self.text = f"({texts[0]} {self.op} {texts[1]})"
        else:
            self.text = f"({texts[0]} if {texts[1]} < {texts[2]} else {texts[3]})"

    def value(self, of: dict[str, int]) -> Typed:
        if self.kind == "leaf":
            if self.name == "literal":
                return self.literal, 32, True
            return of[self.name], *VARIABLES[self.name]
        if self.kind == "bits":
            return of[self.op] >> self.low & (1 << self.width) - 1, self.width, False
        left, right = self.parts[0].value(of), self.parts[1].value(of)
        signed = left[2] or right[2]
        if self.kind == "arith":
            exact = {
                "+": left[0] + right[0],
                "-": left[0] - right[0],
                "*": left[0] * right[0],
                "&": left[0] & right[0],
                "|": left[0] | right[0],
                "^": left[0] ^ right[0],
            }[self.op]
            bits = {"+": widest(left, right) + 1, "-": widest(left, right) + 1, "*": left[1] + right[1]}.get(
                self.op, max(left[1], right[1])
            )
            return wrap(exact, bits, signed), bits, signed
        if self.kind == "shift":
            amount = of["b"] & 7
            shifted = left[0] << amount if self.op == "<<" else left[0] >> amount
            return wrap(shifted, left[1], left[2]), left[1], left[2]
        if self.kind == "compare":
            return int(eval(f"{left[0]} {self.op} {right[0]}")), 1, False
        third, fourth = self.parts[2].value(of), self.parts[3].value(of)
        chosen = left if right[0] < third[0] else fourth
        return chosen[0], widest(left, fourth), left[2] or fourth[2]


HEAD = """
import allo.dataflow as df
from allo.ir.types import Int, Stream, UInt, int32
from fastprefill.system.unit import Unit

@df.region()
def top(n: int32[1]):
    x: Stream[UInt(64), 2]
    y: Stream[UInt(100), 2]

    @df.kernel(mapping=[1], args=[n])
    def work(ln: int32[1]):
        for i in range(ln[0]):
            word: UInt(64) = x.get()
"""


@pytest.mark.parametrize("seed", range(6))
def test_random_expressions(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    lines, low = [], 0
    for name, (bits, signed) in VARIABLES.items():
        lines.append(f"{name}: {'Int' if signed else 'UInt'}({bits}) = word[{low}:{low + bits}]")
        low += bits
    expressions = [Expression(rng, 3) for _ in range(COUNT)]
    targets = [rng.choice(TARGETS) for _ in expressions]
    for number, (expression, (bits, signed)) in enumerate(zip(expressions, targets, strict=True)):
        lines.append(f"r{number}: {'Int' if signed else 'UInt'}({bits}) = {expression.text} + 0")
        lines.append(f"y.put(r{number})")
    path = tmp_path / "random_kernel.py"
    tail = '\ndef unit():\n    return Unit("top", top, inputs=("x",), outputs=("y",))\n'
    path.write_text(HEAD + "".join(f"            {line}\n" for line in lines) + tail)
    words = [rng.getrandbits(64) for _ in range(12)] + [0, 2**64 - 1]
    expected = []
    for word in words:
        values, low = {}, 0
        for name, (bits, signed) in VARIABLES.items():
            values[name] = wrap(word >> low, bits, signed)
            low += bits
        for expression, (bits, signed) in zip(expressions, targets, strict=True):
            expected.append(wrap(expression.value(values)[0], bits, signed) & (1 << 100) - 1)
    (unit,) = load(path)
    got = interpreter.run(build_unit(unit), Case("random", {"n": len(words)}, {"x": words}))["y"]
    for position, (have, want) in enumerate(zip(got, expected, strict=True)):
        assert have == want, (
            f"seed {seed}: {expressions[position % COUNT].text} into {targets[position % COUNT]}"
        )
