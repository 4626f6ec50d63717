"""Every op at many widths, in scalar code and in lanes, against plain Python integers."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from fastprefill.errors import FastprefillError
from fastprefill.ir.text import parse
from fastprefill.system.case import Case
from fastprefill.targets.interpreter import Program, run

WIDTHS = (1, 2, 7, 8, 31, 32, 33, 63, 64, 65, 128, 512)
LANES = 8


def mask(width: int) -> int:
    return (1 << width) - 1


def signed(pattern: int, width: int) -> int:
    return pattern - ((pattern >> (width - 1)) << width)


def corner(rng: random.Random, width: int) -> int:
    """A pattern of `width` bits, often an extreme one."""
    choices = (0, 1, mask(width), 1 << (width - 1), mask(width) >> 1, rng.getrandbits(width), rng.getrandbits(width))
    return rng.choice(choices) & mask(width)


def shifted(name: str, a: int, b: int, n: int) -> int:
    if name == "shrsi":
        return signed(a, n) >> min(b, n)
    if b >= n:
        return 0
    return a << b if name == "shli" else a >> b


BINARY: dict[str, Callable[[int, int, int], int]] = {
    "addi": lambda a, b, n: a + b,
    "subi": lambda a, b, n: a - b,
    "muli": lambda a, b, n: a * b,
    "andi": lambda a, b, n: a & b,
    "ori": lambda a, b, n: a | b,
    "xori": lambda a, b, n: a ^ b,
    "shli": lambda a, b, n: shifted("shli", a, b, n),
    "shrsi": lambda a, b, n: shifted("shrsi", a, b, n),
    "shrui": lambda a, b, n: shifted("shrui", a, b, n),
    "divui": lambda a, b, n: a // b,
    "remui": lambda a, b, n: a % b,
}
COMPARE: dict[str, Callable[[int, int, int], bool]] = {
    "eq": lambda a, b, n: a == b,
    "ne": lambda a, b, n: a != b,
    "slt": lambda a, b, n: signed(a, n) < signed(b, n),
    "sle": lambda a, b, n: signed(a, n) <= signed(b, n),
    "sgt": lambda a, b, n: signed(a, n) > signed(b, n),
    "sge": lambda a, b, n: signed(a, n) >= signed(b, n),
    "ult": lambda a, b, n: a < b,
    "ule": lambda a, b, n: a <= b,
    "ugt": lambda a, b, n: a > b,
    "uge": lambda a, b, n: a >= b,
}
CASTS: dict[str, Callable[[int, int, int], int]] = {
    "extsi": lambda a, n, m: signed(a, n),
    "extui": lambda a, n, m: a,
    "trunci": lambda a, n, m: a,
}


def ref_get_slice(value: int, lo: int, width: int) -> int:
    return ((value >> lo) if lo >= 0 else (value << min(-lo, width))) & mask(width)


def ref_set_slice(value: int, lo: int, part: int, part_width: int, width: int) -> int:
    for bit in range(part_width):
        if 0 <= lo + bit < width:
            value = (value & ~(1 << (lo + bit))) | (((part >> bit) & 1) << (lo + bit))
    return value


@dataclass
class Op:
    """One op of a test program: its text with {a} {b} for the operands, its result, its reference."""

    text: str
    width: int
    reference: Callable[[int, int], int]


def program(n: int, ops: list[Op], *, b_type: str | None = None) -> str:
    """A process that reads LANES pairs, applies all ops to each pair and puts the results, op after op."""
    b_type = b_type or f"i{n}"
    arguments = [f"%sa: !fp.stream<i{n}, 2>", f"%sb: !fp.stream<{b_type}, 2>"]
    arguments += [f"%o{i}: !fp.stream<i{op.width}, 2>" for i, op in enumerate(ops)]
    names = ", ".join(f'"{a.split(":")[0][1:]}"' for a in arguments)
    lines = [
        f"func.func @p({', '.join(arguments)}) attributes {{fp.process, arg_names = [{names}]}} {{",
        "%c0 = arith.constant 0 : index",
        "%c1 = arith.constant 1 : index",
        f"%n = arith.constant {LANES} : index",
        f'%xa = memref.alloc() {{name = "xa"}} : memref<{LANES}xi{n}>',
        f'%xb = memref.alloc() {{name = "xb"}} : memref<{LANES}x{b_type}>',
        *(f'%r{i} = memref.alloc() {{name = "r{i}"}} : memref<{LANES}xi{op.width}>' for i, op in enumerate(ops)),
        "scf.for %i = %c0 to %n step %c1 {",
        f"%ta = fp.get %sa : !fp.stream<i{n}, 2> -> i{n}",
        f"%tb = fp.get %sb : !fp.stream<{b_type}, 2> -> {b_type}",
        f"memref.store %ta, %xa[%i] : memref<{LANES}xi{n}>",
        f"memref.store %tb, %xb[%i] : memref<{LANES}x{b_type}>",
        "}",
        "scf.for %i = %c0 to %n step %c1 {",
        f"%va = memref.load %xa[%i] : memref<{LANES}xi{n}>",
        f"%vb = memref.load %xb[%i] : memref<{LANES}x{b_type}>",
    ]
    for i, op in enumerate(ops):
        text = op.text.format(a="%va", b="%vb", t=f"%t{i}", n=n)
        lines += [f"%y{i} = {text}" if "\n" not in text else text.replace("RESULT", f"%y{i}")]
        lines.append(f"memref.store %y{i}, %r{i}[%i] : memref<{LANES}xi{op.width}>")
    lines.append("} {unroll = 0 : i32}")
    for i, op in enumerate(ops):
        lines += [
            "scf.for %i = %c0 to %n step %c1 {",
            f"%z{i} = memref.load %r{i}[%i] : memref<{LANES}xi{op.width}>",
            f"fp.put %o{i}, %z{i} : !fp.stream<i{op.width}, 2>, i{op.width}",
            "}",
        ]
    return "\n".join([*lines, "func.return", "}"])


def compare(
    n: int, ops: list[Op], *data: tuple[list[int], list[int]], b_type: str | None = None, vector: bool = False
) -> None:
    """Run all ops on each pair of operand lists in `data`, as lanes and as scalar code."""
    module = parse(program(n, ops, b_type=b_type))
    for lanes in (True, False):
        if not lanes:
            for loop in module.walk():
                loop.attributes.pop("unroll", None)
        built = Program(module)
        assert built.processes["p"].vector_nests == (1 if lanes and vector else 0) or not vector
        for a, b in data:
            out = built.run(Case("case", {}, {"sa": a, "sb": b}))
            for i, op in enumerate(ops):
                expected = [op.reference(x, y) & mask(op.width) for x, y in zip(a, b, strict=True)]
                assert out[f"o{i}"] == expected, f"{op.text} width {n} lanes {lanes} a {a} b {b}"


def constant(pattern: int, n: int) -> str:
    """An ``arith.constant`` named RESULT_c."""
    return f"RESULT_c = arith.constant {f'{signed(pattern, n)} : i{n}' if n > 1 else 'true' if pattern else 'false'}"


@pytest.mark.parametrize("n", WIDTHS)
def test_ops_of_two_operands(n: int) -> None:
    rng = random.Random(n)
    select = f"RESULT_c = arith.cmpi ult, {{a}}, {{b}} : i{n}\nRESULT = arith.select RESULT_c, {{a}}, {{b}} : i{n}"
    ops = [Op(select, n, min)]
    for name, predicate in COMPARE.items():
        ops.append(Op(f"arith.cmpi {name}, {{a}}, {{b}} : i{n}", 1, lambda x, y, f=predicate: f(x, y, n)))
    for name, function in BINARY.items():
        if name not in ("divui", "remui"):
            ops.append(Op(f"arith.{name} {{a}}, {{b}} : i{n}", n, lambda x, y, f=function: f(x, y, n)))
    a, b, c = ([corner(rng, n) for _ in range(LANES)] for _ in range(3))
    amounts = [rng.choice([0, 1, n - 1, n, n + 1, 63, 64, rng.randrange(n)]) & mask(n) for _ in range(LANES)]
    compare(n, ops, (a, b), (b, c), (c, c), (a, amounts), vector=n <= 63)


@pytest.mark.parametrize("n", WIDTHS)
def test_ops_with_a_constant(n: int) -> None:
    rng = random.Random(n)
    ops = []
    for name, function in BINARY.items():
        numbers = {1, mask(n), max(1, rng.getrandbits(n)), (3 & mask(n)) or 1}
        if name.startswith("sh"):
            numbers = {0, 1, (n - 1) & mask(n), n & mask(n), mask(n)}
        elif name not in ("divui", "remui"):
            numbers |= {0, 1 << (n - 1)}
        for number in sorted(numbers):
            text = f"{constant(number, n)}\nRESULT = arith.{name} {{a}}, RESULT_c : i{n}"
            ops.append(Op(text, n, lambda x, y, f=function, c=number: f(x, c, n)))
    a = [corner(rng, n) for _ in range(LANES)]
    compare(n, ops, (a, a), vector=n <= 63)


@pytest.mark.parametrize("n", WIDTHS)
def test_change_of_width(n: int) -> None:
    rng = random.Random(n)
    ops = []
    for m in WIDTHS:
        for name in CASTS:
            if (m > n) == (name != "trunci") and m != n:
                ops.append(Op(f"arith.{name} {{a}} : i{n} to i{m}", m, lambda x, y, f=CASTS[name], m=m: f(x, n, m)))
    text = f"RESULT_c = arith.index_cast {{a}} : i{n} to index\nRESULT = arith.index_cast RESULT_c : index to i64"
    ops.append(Op(text, 64, lambda x, y: signed(signed(x, n) & mask(32), 32)))
    small = [op for op in ops if op.width <= 64]
    a = [corner(rng, n) for _ in range(LANES)]
    compare(n, ops, (a, a))
    compare(n, small, (a, a), vector=n <= 63)


@pytest.mark.parametrize("n", WIDTHS)
def test_slices_at_any_position(n: int) -> None:
    rng = random.Random(n)
    positions = [0, 1, n - 1, n, n + 3, -1, -3, 10 * n, -10 * n, (1 << 31) - 1, -(1 << 31), rng.randrange(n)]
    a = [corner(rng, n) for _ in range(LANES)]
    ops = []
    for w in (1, 3, 8, 32, 64, 70):
        part = rng.getrandbits(w)
        get = f"RESULT_l = arith.index_cast {{b}} : i32 to index\nRESULT = fp.get_slice {{a}}[RESULT_l] : i{n} -> i{w}"
        ops.append(Op(get, w, lambda x, y, w=w: ref_get_slice(x, signed(y, 32), w)))
        constant = f"{signed(part, w)} : i{w}" if w > 1 else ("true" if part else "false")
        put = f"RESULT_l = arith.index_cast {{b}} : i32 to index\nRESULT_p = arith.constant {constant}\n"
        put += f"RESULT = fp.set_slice {{a}}[RESULT_l], RESULT_p : i{n}, i{w} -> i{n}"
        ops.append(Op(put, n, lambda x, y, w=w, p=part: ref_set_slice(x, max(-600, min(600, signed(y, 32))), p, w, n)))
    b = [position & mask(32) for position in rng.sample(positions, LANES)]
    compare(n, ops, (a, b), b_type="i32")
    # Small, provably bounded positions can stay in lanes.
    w = 3
    lo = "RESULT_w = arith.extui {b} : i4 to i32\nRESULT_l = arith.index_cast RESULT_w : i32 to index\n"
    get = f"{lo}RESULT = fp.get_slice {{a}}[RESULT_l] : i{n} -> i{w}"
    put = f"{lo}RESULT_p = arith.constant -3 : i3\nRESULT = fp.set_slice {{a}}[RESULT_l], RESULT_p : i{n}, i3 -> i{n}"
    small = [
        Op(get, w, lambda x, y: ref_get_slice(x, y, w)),
        Op(put, n, lambda x, y: ref_set_slice(x, y, 5, w, n)),
    ]
    compare(n, small, (a, [rng.randrange(16) for _ in range(LANES)]), b_type="i4", vector=n <= 63)


def test_division_by_what_is_not_a_positive_constant_is_refused() -> None:
    text = program(8, [Op("arith.divui {a}, {b} : i8", 8, lambda x, y: 0)])
    with pytest.raises(FastprefillError, match=r"arith\.divui needs a positive constant"):
        run(parse(text), Case("case", {}, {"sa": [1] * LANES, "sb": [1] * LANES}))
