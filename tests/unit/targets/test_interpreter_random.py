"""Random expressions of many widths: lanes, scalar code and plain Python integers agree."""

from __future__ import annotations

import random

import pytest

from fastprefill.ir.text import parse
from fastprefill.system.case import Case
from fastprefill.targets.interpreter import Program

LANES = 4
WIDTHS = (1, 3, 8, 16, 17, 31, 32, 33, 48, 63, 64, 65, 70)


def signed(pattern: int, width: int) -> int:
    return pattern - ((pattern >> (width - 1)) << width)


class Expressions:
    """Random ops on two i32 inputs and the lane number; values kept as unsigned patterns for each lane."""

    def __init__(self, seed: int, inputs: list[list[int]]) -> None:
        self.rng = random.Random(seed)
        self.lines = ["%ni = arith.index_cast %i : index to i32"]
        self.values = [("%va", 32, inputs[0]), ("%vb", 32, inputs[1]), ("%ni", 32, list(range(LANES)))]

    def pick(self, width: int | None = None) -> tuple[str, int, list[int]]:
        choices = [value for value in self.values if width is None or value[1] == width]
        return self.rng.choice(choices[-12:])

    def add(self, text: str, width: int, patterns: list[int]) -> None:
        name = f"%e{len(self.values)}"
        self.lines.append(f"{name} = {text}")
        self.values.append((name, width, [pattern & ((1 << width) - 1) for pattern in patterns]))

    def step(self) -> None:
        kind = self.rng.choice(["binary"] * 4 + ["cast"] * 3 + ["constant", "shift", "compare", "select", "slice"])
        getattr(self, kind)()

    def constant(self) -> None:
        width = self.pick()[1]
        number = self.rng.choice([0, 1, -1, self.rng.getrandbits(width), self.rng.getrandbits(4)]) & ((1 << width) - 1)
        text = f"{signed(number, width)} : i{width}" if width > 1 else ("true" if number else "false")
        self.add(f"arith.constant {text}", width, [number] * LANES)

    def binary(self) -> None:
        a, width, x = self.pick()
        b, _, y = self.pick(width)
        name, function = self.rng.choice(
            [
                ("addi", int.__add__),
                ("subi", int.__sub__),
                ("muli", int.__mul__),
                ("andi", int.__and__),
                ("ori", int.__or__),
                ("xori", int.__xor__),
            ]
        )
        self.add(f"arith.{name} {a}, {b} : i{width}", width, [function(p, q) for p, q in zip(x, y, strict=True)])

    def cast(self) -> None:
        a, width, x = self.pick()
        target = self.rng.choice([w for w in WIDTHS if w != width])
        if target < width:
            self.add(f"arith.trunci {a} : i{width} to i{target}", target, x)
        elif self.rng.random() < 0.6:
            self.add(f"arith.extsi {a} : i{width} to i{target}", target, [signed(p, width) for p in x])
        else:
            self.add(f"arith.extui {a} : i{width} to i{target}", target, x)

    def shift(self) -> None:
        a, width, x = self.pick()
        b, _, y = self.pick(width)
        name = self.rng.choice(["shli", "shrui", "shrsi"])
        patterns = []
        for p, q in zip(x, y, strict=True):
            if name == "shrsi":
                patterns.append(signed(p, width) >> min(q, width))
            else:
                patterns.append(0 if q >= width else p << q if name == "shli" else p >> q)
        self.add(f"arith.{name} {a}, {b} : i{width}", width, patterns)

    def compare(self) -> None:
        a, width, x = self.pick()
        b, _, y = self.pick(width)
        if self.rng.random() < 0.5:
            self.add(f"arith.cmpi ult, {a}, {b} : i{width}", 1, [p < q for p, q in zip(x, y, strict=True)])
        else:
            pairs = [(signed(p, width), signed(q, width)) for p, q in zip(x, y, strict=True)]
            self.add(f"arith.cmpi sge, {a}, {b} : i{width}", 1, [p >= q for p, q in pairs])

    def select(self) -> None:
        conditions = [value for value in self.values if value[1] == 1]
        if not conditions:
            return
        c, _, z = self.rng.choice(conditions)
        a, width, x = self.pick()
        b, _, y = self.pick(width)
        patterns = [p if r else q for r, p, q in zip(z, x, y, strict=True)]
        self.add(f"arith.select {c}, {a}, {b} : i{width}", width, patterns)

    def slice(self) -> None:
        a, width, x = self.pick()
        lo, bits = self.rng.randrange(width), self.rng.choice([1, 4, 8, 20])
        self.lines.append(f"%lo{len(self.values)} = arith.constant {lo} : index")
        text = f"fp.get_slice {a}[%lo{len(self.values)}] : i{width} -> i{bits}"
        self.add(text, bits, [p >> lo for p in x])


def program(expressions: Expressions) -> str:
    kept = [value for value in expressions.values if value[1] <= 64]
    arguments = ["%sa: !fp.stream<i32, 2>", "%sb: !fp.stream<i32, 2>"]
    arguments += [f"%o{name[1:]}: !fp.stream<i{width}, 2>" for name, width, _ in kept]
    names = ", ".join(f'"{argument.split(":")[0][1:]}"' for argument in arguments)
    lines = [
        f"func.func @p({', '.join(arguments)}) attributes {{fp.process, arg_names = [{names}]}} {{",
        "%c0 = arith.constant 0 : index",
        "%c1 = arith.constant 1 : index",
        f"%n = arith.constant {LANES} : index",
        *(f"%{x} = memref.alloc() : memref<{LANES}xi32>" for x in ("xa", "xb")),
        *(f"%r{name[1:]} = memref.alloc() : memref<{LANES}xi{width}>" for name, width, _ in kept),
        "scf.for %i = %c0 to %n step %c1 {",
    ]
    for x in "ab":
        lines.append(f"%t{x} = fp.get %s{x} : !fp.stream<i32, 2> -> i32")
        lines.append(f"memref.store %t{x}, %x{x}[%i] : memref<{LANES}xi32>")
    lines += ["}", "scf.for %i = %c0 to %n step %c1 {"]
    lines += [f"%v{x} = memref.load %x{x}[%i] : memref<{LANES}xi32>" for x in "ab"]
    lines += expressions.lines
    lines += [f"memref.store {name}, %r{name[1:]}[%i] : memref<{LANES}xi{width}>" for name, width, _ in kept]
    lines += ["} {unroll = 0 : i32}", "scf.for %i = %c0 to %n step %c1 {"]
    for name, width, _ in kept:
        lines.append(f"%z{name[1:]} = memref.load %r{name[1:]}[%i] : memref<{LANES}xi{width}>")
        lines.append(f"fp.put %o{name[1:]}, %z{name[1:]} : !fp.stream<i{width}, 2>, i{width}")
    return "\n".join([*lines, "}", "func.return", "}"])


@pytest.mark.parametrize("seed", range(14))
def test_random_expressions(seed: int) -> None:
    rng = random.Random(seed)
    corners = [0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFF, 100]
    inputs = [[rng.choice([*corners, rng.getrandbits(32)]) for _ in range(LANES)] for _ in range(2)]
    expressions = Expressions(seed, inputs)
    for _ in range(12 + 2 * seed):
        expressions.step()
    text = program(expressions)
    case = Case("case", {}, {"sa": inputs[0], "sb": inputs[1]})
    module = parse(text)
    for lanes in (True, False):
        if not lanes:
            for loop in module.walk():
                loop.attributes.pop("unroll", None)
        built = Program(module)
        out = built.run(case)
        for name, width, patterns in expressions.values:
            if width <= 64:
                assert out[f"o{name[1:]}"] == patterns, f"{name}\n{text}\n{built.processes['p'].source}"


def test_most_random_expressions_run_in_lanes() -> None:
    """Guards the test above: lanes of more than 64 bits may refuse, the others must not."""
    count = 0
    for seed in range(12):
        expressions = Expressions(seed, [[1] * LANES, [2] * LANES])
        for _ in range(12):
            expressions.step()
        count += Program(parse(program(expressions))).processes["p"].vector_nests
    assert count >= 8
