"""The table of operations in docs/ir.md, run as generated C++ and compared with Python integers."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from fastprefill.ir.text import parse
from fastprefill.system.case import Case
from fastprefill.targets import vitis_hls
from fastprefill.tools import csim

BOARD = SimpleNamespace(name="b", part="p", clock_mhz=200.0, tool_versions={"vitis": "2024.2"})

pytestmark = pytest.mark.skipif(csim.missing() is not None, reason=f"C simulation: {csim.missing()}")


def signed(value: int, width: int) -> int:
    value &= (1 << width) - 1
    return value - (1 << width) if value >> (width - 1) else value


def simulate(text: str, case: Case, widths: dict[str, int], folder: Path) -> dict[str, list[int]]:
    """Emit, compile, run."""
    for path, content in vitis_hls.emit(parse(text), board=BOARD).items():
        (folder / path).write_text(content)
    case.save(folder / "case", widths)
    return csim.run(csim.build(folder), folder / "case")


Reference = Callable[..., int]
"""x, y (unsigned patterns), the width, place= -> the result, of which the low `width` bits count."""

BINARY: dict[str, Reference] = {
    "arith.addi": lambda x, y, w, **_: x + y,
    "arith.subi": lambda x, y, w, **_: x - y,
    "arith.muli": lambda x, y, w, **_: x * y,
    "arith.andi": lambda x, y, w, **_: x & y,
    "arith.ori": lambda x, y, w, **_: x | y,
    "arith.xori": lambda x, y, w, **_: x ^ y,
    "arith.shli": lambda x, y, w, **_: x << y if y < w else 0,
    "arith.shrui": lambda x, y, w, **_: x >> y if y < w else 0,
    "arith.shrsi": lambda x, y, w, **_: signed(x, w) >> min(y, w),
}
COMPARE: dict[str, Reference] = {
    "eq": lambda x, y, w, **_: x == y,
    "ne": lambda x, y, w, **_: x != y,
    "slt": lambda x, y, w, **_: signed(x, w) < signed(y, w),
    "sle": lambda x, y, w, **_: signed(x, w) <= signed(y, w),
    "sgt": lambda x, y, w, **_: signed(x, w) > signed(y, w),
    "sge": lambda x, y, w, **_: signed(x, w) >= signed(y, w),
    "ult": lambda x, y, w, **_: x < y,
    "ule": lambda x, y, w, **_: x <= y,
    "ugt": lambda x, y, w, **_: x > y,
    "uge": lambda x, y, w, **_: x >= y,
}


def operation_table(width: int) -> tuple[list[str], list[Reference]]:
    """IR lines that put one result per operation, and what each must be."""
    lines: list[str] = []
    references: list[Reference] = []
    kind, wide = f"i{width}", f"i{width + 5}"

    def put(value: str, reference: Reference) -> None:
        lines.append(f"fp.put %o, {value} : !fp.stream<{kind}, 2>, {kind}")
        references.append(reference)

    for number, (name, reference) in enumerate(BINARY.items()):
        lines.append(f"%b{number} = {name} %x, %y : {kind}")
        put(f"%b{number}", reference)
    for number, (name, reference) in enumerate(COMPARE.items()):
        lines.append(f"%c{number} = arith.cmpi {name}, %x, %y : {kind}")
        if width > 1:
            lines.append(f"%e{number} = arith.extsi %c{number} : i1 to {kind}")
        put(f"%{'e' if width > 1 else 'c'}{number}", lambda x, y, w, r=reference, **_: -int(r(x, y, w)))
    lines.append(f"%less = arith.cmpi slt, %x, %y : {kind}")
    lines.append(f"%least = arith.select %less, %x, %y : {kind}")
    put("%least", lambda x, y, w, **_: min(signed(x, w), signed(y, w)))
    if width > 2:
        lines.append(f"%three = arith.constant 3 : {kind}")
        lines.append(f"%div = arith.divui %x, %three : {kind}")
        put("%div", lambda x, y, w, **_: x // 3)
        lines.append(f"%rem = arith.remui %x, %three : {kind}")
        put("%rem", lambda x, y, w, **_: x % 3)
    # Widening shows how a pattern is read; the shift brings the wide bits down.
    for name in ("extsi", "extui"):
        lines.append(f"%{name}_x = arith.{name} %x : {kind} to {wide}")
        lines.append(f"%{name}_y = arith.{name} %y : {kind} to {wide}")
        lines.append(f"%{name}_sum = arith.addi %{name}_x, %{name}_y : {wide}")
        lines.append(f"%{name}_1 = arith.constant 1 : {wide}")
        lines.append(f"%{name}_half = arith.shrsi %{name}_sum, %{name}_1 : {wide}")
        lines.append(f"%{name}_low = arith.trunci %{name}_half : {wide} to {kind}")
        read = signed if name == "extsi" else lambda value, w: value
        put(f"%{name}_low", lambda x, y, w, r=read, **_: signed(r(x, w) + r(y, w), w + 5) >> 1)
    # index_cast extends the sign of narrower types and truncates wider ones to 32 bits.
    lines.append(f"%index = arith.index_cast %x : {kind} to index")
    lines.append(f"%back = arith.index_cast %index : index to {kind}")
    put("%back", lambda x, y, w, **_: signed(signed(x, w), 32))
    # Three bits at a place that runs out of the value.
    lines.append(f"%part = fp.get_slice %x[%place] : {kind} -> i3")
    lines.append(f"%resized = arith.{'trunci' if width < 3 else 'extui'} %part : i3 to {kind}")
    put("%resized", lambda x, y, w, place: x >> place & 7)
    lines.append(f"%new = arith.{'extui' if width < 3 else 'trunci'} %y : {kind} to i3")
    lines.append(f"%replaced = fp.set_slice %x[%place], %new : {kind}, i3 -> {kind}")
    put("%replaced", lambda x, y, w, place: x & ~(7 << place) | (y & 7) << place)
    return lines, references


def process(width: int, letter: str, lines: list[str], count: int) -> str:
    """A process that runs `lines` on `count` pairs; ``%place`` is the iteration."""
    kind = f"!fp.stream<i{width}, 2>"
    body = "\n".join("      " + line for line in lines)
    return f"""
  func.func @ops{width}(%a: {kind}, %b: {kind}, %o: {kind}) attributes {{
      fp.process, arg_names = ["a", "b", "o"], itypes = "{letter * 3}", directions = "iio"}} {{
    %zero = arith.constant 0 : index
    %one = arith.constant 1 : index
    %count = arith.constant {count} : index
    scf.for %place = %zero to %count step %one {{
      %x = fp.get %a : {kind} -> i{width}
      %y = fp.get %b : {kind} -> i{width}
{body}
    }} {{loop_name = "i"}}
    func.return
  }}"""


def region(widths: tuple[int, ...], letter: str, processes: str) -> str:
    """A region with ports a, b, o for each width and one process on each."""
    calls, parameters, names = "", [], []
    for width in widths:
        kind = f"!fp.stream<i{width}, 2>"
        ports = [f"a{width}", f"b{width}", f"o{width}"]
        names += ports
        parameters += [f"%{port}: {kind}" for port in ports]
        operands = ", ".join("%" + port for port in ports)
        calls += f'    func.call @ops{width}({operands}) {{instance = "ops{width}"}} : ({kind}, {kind}, {kind}) -> ()\n'
    arg_names = ", ".join(f'"{name}"' for name in names)
    return f"""builtin.module attributes {{fp.unit = "ops"}} {{{processes}
  func.func @ops({", ".join(parameters)}) attributes {{
      fp.region, arg_names = [{arg_names}], itypes = "{letter * len(names)}"}} {{
{calls}    func.return
  }}
}}"""


def pairs_of(width: int, rng: random.Random) -> list[tuple[int, int]]:
    """Extremes, shifts around the width, and random patterns."""
    mask = (1 << width) - 1
    edge = [0, 1, mask, 1 << (width - 1), mask >> 1]
    pairs = [(rng.choice(edge) & mask, rng.choice(edge) & mask) for _ in range(6)]
    pairs += [(rng.getrandbits(width), rng.randrange(2 * width) & mask) for _ in range(4)]
    return pairs + [(rng.getrandbits(width), rng.getrandbits(width)) for _ in range(4)]


@pytest.mark.parametrize(("letter", "widths"), [("s", (1, 7, 33, 64, 65, 128)), ("u", (33, 65))])
def test_operations_compute_what_the_table_says(letter: str, widths: tuple[int, ...], tmp_path: Path) -> None:
    rng = random.Random(7)
    processes, inputs, outputs, sizes = "", {}, {}, {}
    for width in widths:
        lines, references = operation_table(width)
        pairs = pairs_of(width, rng)
        processes += process(width, letter, lines, len(pairs))
        inputs[f"a{width}"], inputs[f"b{width}"] = [x for x, _ in pairs], [y for _, y in pairs]
        outputs[f"o{width}"] = [
            reference(x, y, width, place=place) & ((1 << width) - 1)
            for place, (x, y) in enumerate(pairs)
            for reference in references
        ]
        sizes |= dict.fromkeys((f"a{width}", f"b{width}", f"o{width}"), width)
    seen = simulate(region(widths, letter, processes), Case("table", {}, inputs, outputs), sizes, tmp_path)
    for name, expected in outputs.items():
        assert seen[name] == expected, name


class RandomProgram:
    """Straight-line code of random ops on values of random widths, three variables among them."""

    WIDTHS = (1, 5, 8, 31, 32, 33, 64, 65)
    TOKEN = 70

    def __init__(self, seed: int, length: int) -> None:
        self.rng = random.Random(seed)
        self.lines: list[str] = []
        self.steps: list[Callable[[dict[str, int], list[int]], None]] = []
        self.values: list[tuple[str, int]] = [("x", self.TOKEN), ("y", self.TOKEN)]
        for name, width in (("v", 8), ("w", 33), ("z", 70)):
            unsigned = ", unsigned" if name == "z" else ""
            self.lines.append(f'%{name} = memref.alloc() {{name = "{name}"{unsigned}}} : memref<i{width}>')
            self.store(name, width)
        for _ in range(length):
            self.rng.choice(
                (self.binary, self.binary, self.compare, self.resize, self.load, self.choose, self.write)
            )()
            if self.rng.random() < 0.3:
                self.put()

    def new(self, width: int) -> str:
        self.values.append((f"t{len(self.values)}", width))
        return self.values[-1][0]

    def value(self, width: int) -> str:
        """A recent value, resized where its width is another."""
        name, own = self.rng.choice(self.values[-15:])
        return name if own == width else self.resized(name, own, width)

    def resized(self, name: str, own: int, width: int) -> str:
        kind = "trunci" if width < own else self.rng.choice(("extsi", "extui"))
        result = self.new(width)
        self.lines.append(f"%{result} = arith.{kind} %{name} : i{own} to i{width}")

        def step(env: dict[str, int], _: list[int]) -> None:
            value = signed(env[name], own) if kind == "extsi" else env[name]
            env[result] = value & ((1 << width) - 1)

        self.steps.append(step)
        return result

    def resize(self) -> None:
        name, own = self.rng.choice(self.values)
        self.resized(name, own, self.rng.choice([w for w in self.WIDTHS if w != own]))

    def binary(self) -> None:
        name, width = self.rng.choice(tuple(BINARY)), self.rng.choice(self.WIDTHS)
        a, b = self.value(width), self.value(width)
        result = self.new(width)
        self.lines.append(f"%{result} = {name} %{a}, %{b} : i{width}")
        self.steps.append(
            lambda env, _: env.update({result: BINARY[name](env[a], env[b], width) & ((1 << width) - 1)})
        )

    def compare(self) -> None:
        name, width = self.rng.choice(tuple(COMPARE)), self.rng.choice(self.WIDTHS)
        a, b = self.value(width), self.value(width)
        result = self.new(1)
        self.lines.append(f"%{result} = arith.cmpi {name}, %{a}, %{b} : i{width}")
        self.steps.append(lambda env, _: env.update({result: int(COMPARE[name](env[a], env[b], width))}))

    def choose(self) -> None:
        width = self.rng.choice(self.WIDTHS)
        condition, a, b = self.value(1), self.value(width), self.value(width)
        result = self.new(width)
        self.lines.append(f"%{result} = arith.select %{condition}, %{a}, %{b} : i{width}")
        self.steps.append(lambda env, _: env.update({result: env[a] if env[condition] else env[b]}))

    def load(self) -> None:
        name, width = self.rng.choice((("v", 8), ("w", 33), ("z", 70)))
        result = self.new(width)
        self.lines.append(f"%{result} = memref.load %{name}[] : memref<i{width}>")
        self.steps.append(lambda env, _: env.update({result: env[name]}))

    def store(self, name: str, width: int) -> None:
        value = self.value(width)
        self.lines.append(f"memref.store %{value}, %{name}[] : memref<i{width}>")
        self.steps.append(lambda env, _: env.update({name: env[value]}))

    def write(self) -> None:
        self.store(*self.rng.choice((("v", 8), ("w", 33), ("z", 70))))

    def put(self) -> None:
        value = self.value(self.TOKEN)
        self.lines.append(f"fp.put %o, %{value} : !fp.stream<i{self.TOKEN}, 2>, i{self.TOKEN}")
        self.steps.append(lambda env, out: out.append(env[value]))

    def expected(self, pairs: list[tuple[int, int]]) -> list[int]:
        out: list[int] = []
        for x, y in pairs:
            env = {"x": x, "y": y}
            for step in self.steps:
                step(env, out)
        return out


@pytest.mark.parametrize("seed", [1, 2])
def test_folded_expressions_keep_their_meaning(seed: int, tmp_path: Path) -> None:
    width = RandomProgram.TOKEN
    program = RandomProgram(seed, 120)
    pairs = pairs_of(width, random.Random(seed))
    text = region((width,), "us"[seed % 2], process(width, "us"[seed % 2], program.lines, len(pairs)))
    case = Case(
        f"seed{seed}",
        inputs={f"a{width}": [x for x, _ in pairs], f"b{width}": [y for _, y in pairs]},
        outputs={f"o{width}": program.expected(pairs)},
    )
    sizes = dict.fromkeys((f"a{width}", f"b{width}", f"o{width}"), width)
    assert simulate(text, case, sizes, tmp_path) == case.outputs
