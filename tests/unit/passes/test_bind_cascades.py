"""bind-cascades: which sums become chains of DSP slices, with what operands, and what is refused."""

from __future__ import annotations

import re
from typing import Any

import pytest
from xdsl.dialects import arith
from xdsl.utils.exceptions import VerifyException

from fastprefill.errors import KernelError
from fastprefill.ir.pipe import CascadeOp
from fastprefill.ir.text import parse
from fastprefill.passes.bind_cascades import BindCascades

A = [f"a{n}: i8" for n in range(9)]
B = [f"b{n}: i8" for n in range(9)]
ARGUMENTS = (
    *A,
    *B,
    "c: i32",
    "d: i48",
    "w: i27",
    "v: i18",
    "u: i8",
    "p: i1",
    "y: !fp.stream<i32, 2>",
    "z: !fp.stream<i64, 2>",
)
PUT = "fp.put %y, %{} : !fp.stream<i32, 2>, i32\n"


def product(
    name: str, a: str, b: str, bits: int = 16, to: int = 32, kinds: str = "ss", out: str = "s"
) -> str:
    """``%name = a * b`` of `bits` bits, extended to `to`; `kinds` and `out` are s or u for each extension."""
    inner, outer = (f"%{name}_{n}" for n in "pq")
    lines = [
        f"{inner}{n} = arith.ext{kind}i %{value} : {width} to i{bits}\n"
        for n, (value, kind, width) in enumerate(zip((a, b), kinds, (type_of(a), type_of(b)), strict=True))
    ]
    lines.append(
        f'{outer} = arith.muli {inner}0, {inner}1 {{bind = "dsp_cascade", src = "k.py:7"}} : i{bits}\n'
    )
    lines.append(f"%{name} = arith.ext{out}i {outer} : i{bits} to i{to}\n")
    return "".join(lines)


def type_of(name: str) -> str:
    (found,) = (part.split(": ")[1] for part in ARGUMENTS if part.startswith(f"{name}:"))
    return found


def add(name: str, one: str, other: str, bits: int = 32) -> str:
    return f'%{name} = arith.addi %{one}, %{other} {{src = "k.py:8"}} : i{bits}\n'


@pytest.fixture
def bound(process: Any, apply: Any, ops: Any) -> Any:
    """``bound(text)``: the chains of a body, and the text that is left."""

    def run(text: str) -> tuple[list[CascadeOp], str]:
        left = apply(process(f'pipe.body "b" {{\n{text}}}\n', *ARGUMENTS), BindCascades())
        return ops(left, CascadeOp), left

    return run


def names(values: Any) -> list[str]:
    return [value.name_hint for value in values]


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_a_sum_of_products_is_a_chain(count: int, bound: Any) -> None:
    text, last = "", "c"
    for n in range(count):
        text += product(f"m{n}", f"a{n}", f"b{n}") + add(f"s{n}", last, f"m{n}")
        last = f"s{n}"
    (cascade,), left = bound(text + PUT.format(last))
    assert names([cascade.start]) == ["c"]
    assert names(cascade.left) == [f"a{n}" for n in range(count)]
    assert names(cascade.right) == [f"b{n}" for n in range(count)]
    assert cascade.latency == count + 2
    assert [cascade.lag(n) for n in range(1 + 2 * count)] == [1, *range(count), *range(count)]
    assert "arith." not in left.split("pipe.body")[1]  # nothing of the products and sums is left


def test_the_sides_of_an_addition_do_not_matter(bound: Any) -> None:
    (cascade,), _ = bound(product("m", "a0", "b0") + add("s", "m", "c") + PUT.format("s"))
    assert names([cascade.start, *cascade.left, *cascade.right]) == ["c", "a0", "b0"]


def test_a_sum_may_start_with_a_product(bound: Any) -> None:
    text = product("m", "a0", "b0") + product("n", "a1", "b1") + add("s", "m", "n") + PUT.format("s")
    (cascade,), _ = bound(text)
    assert cascade.start.owner.value.value.data == 0
    assert names(cascade.left) == ["a0", "a1"]


def test_sums_that_grow_are_one_chain(bound: Any) -> None:
    text = product("m", "a0", "b0", to=17) + product("n", "a1", "b1", to=17) + add("s", "m", "n", 17)
    text += "%wide = arith.extsi %s : i17 to i32\n" + product("o", "a2", "b2") + add("t", "wide", "o")
    (cascade,), _ = bound(text + PUT.format("t"))
    assert names(cascade.left) == ["a0", "a1", "a2"]


def test_a_sum_that_wraps_before_it_is_extended_ends_a_chain(bound: Any) -> None:
    text = '%m = arith.muli %a0, %b0 {bind = "dsp_cascade"} : i8\n' + add("s", "u", "m", 8)
    text += "%wide = arith.extsi %s : i8 to i32\n" + product("o", "a2", "b2") + add("t", "wide", "o")
    first, second = bound(text + PUT.format("t"))[0]
    assert first.result.type.width.data == 8
    assert (names(first.left), names(second.left)) == (["a0"], ["a2"])


def test_a_sum_that_is_used_twice_ends_a_chain(bound: Any) -> None:
    text = product("m", "a0", "b0") + add("s", "c", "m") + product("n", "a1", "b1") + add("t", "s", "n")
    first, second = bound(text + PUT.format("s") + PUT.format("t"))[0]
    assert second.start is first.result


def test_the_wider_factor_is_on_the_wide_side(bound: Any) -> None:
    text = product("m", "a0", "w", bits=35, to=48) + add("s", "d", "m", 48)
    text += "%t = arith.trunci %s : i48 to i32\n"
    (cascade,), _ = bound(text + PUT.format("t"))
    assert names([*cascade.left, *cascade.right]) == ["w", "a0"]


@pytest.mark.parametrize(
    ("kinds", "out", "widths"),
    [("us", "s", (9, 8)), ("su", "s", (9, 8)), ("uu", "u", (9, 9)), ("ss", "s", (8, 8))],
)
def test_factors_without_a_sign_get_one(kinds: str, out: str, widths: tuple[int, int], bound: Any) -> None:
    (cascade,), _ = bound(
        product("m", "a0", "b0", kinds=kinds, out=out) + add("s", "c", "m") + PUT.format("s")
    )
    assert tuple(v.type.width.data for v in (*cascade.left, *cascade.right)) == widths


def test_a_product_under_a_condition_has_a_factor_under_it(bound: Any) -> None:
    text = product("m", "w", "b0", bits=35, to=48) + "%zero = arith.constant 0 : i48\n"
    text += "%chosen = arith.select %p, %m, %zero : i48\n" + add("s", "d", "chosen", 48)
    (cascade,), _ = bound(text + "%t = arith.trunci %s : i48 to i32\n" + PUT.format("t"))
    assert names(cascade.left) == ["w"]
    choice = cascade.right[0].owner
    assert isinstance(choice, arith.SelectOp)
    assert names([choice.cond, choice.lhs]) == ["p", "b0"]


NOT_ADDED = (
    "k.py:7: a product bound to 'dsp_cascade' must be added to a sum, in all its bits, and used for nothing else; "
    "write total += a * b, or bind it to 'dsp'"
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (product("m", "a0", "b0") + PUT.format("m"), NOT_ADDED),
        (product("m", "a0", "b0") + add("s", "c", "m") + PUT.format("s") + PUT.format("m"), NOT_ADDED),
        (product("m", "a0", "b0", bits=15) + add("s", "c", "m") + PUT.format("s"), NOT_ADDED),
        (product("m", "a0", "b0", out="u") + add("s", "c", "m") + PUT.format("s"), NOT_ADDED),
        (product("m", "a0", "b0", kinds="uu", out="s") + add("s", "c", "m") + PUT.format("s"), NOT_ADDED),
        (
            product("m", "a0", "b0") + '%s = arith.subi %c, %m : i32\n' + PUT.format("s"),
            NOT_ADDED,
        ),
        (
            product("m", "w", "w", bits=54, to=64) + "%e = arith.extsi %d : i48 to i64\n" + add("s", "e", "m", 64)
            + "fp.put %z, %s : !fp.stream<i64, 2>, i64\n",
            "k.py:8: a sum of 64 bits in a DSP cascade; a DSP slice adds 48 bits",
        ),
        (
            product("m", "w", "w", bits=48, to=48).replace("arith.extsi %m_q : i48 to i48", "arith.addi %m_q, %d : i48")
            + "%t = arith.trunci %m : i48 to i32\n" + PUT.format("t"),
            "a product of 27 x 27 bits, signs included, in a DSP cascade; a DSP slice multiplies 27 x 18",
        ),
        (
            product("m", "w", "v", bits=48, to=48, kinds="su").replace(
                "arith.extsi %m_q : i48 to i48", "arith.addi %m_q, %d : i48")
            + "%t = arith.trunci %m : i48 to i32\n" + PUT.format("t"),
            "a product of 27 x 19 bits, signs included, in a DSP cascade; a DSP slice multiplies 27 x 18",
        ),
        (
            "".join(product(f"m{n}", f"a{n}", f"b{n}") for n in range(9))
            + "".join(add(f"s{n}", "c" if n == 0 else f"s{n - 1}", f"m{n}") for n in range(9)) + PUT.format("s8"),
            "k.py:8: 9 products in one DSP cascade; at most 8 are chained: add them up in two sums",
        ),
    ],
    ids=["not added", "used twice", "cut", "other extension", "unsigned extended by its sign", "subtracted",
         "wide sum", "wide factors", "wide unsigned factor", "nine"],
)  # fmt: skip
def test_what_a_chain_cannot_do_is_refused(text: str, message: str, bound: Any) -> None:
    with pytest.raises(KernelError, match=re.escape(message)):
        bound(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("%c + %w * %w : i32, i27 * i27 -> i32", "an operand of 27 bits; a DSP slice takes 18"),
        ("%z + %w * %v : i49, i27 * i18 -> i32", "an operand of 49 bits; a DSP slice takes 48"),
        ("%c + %w, %w * %v : i32, i27, i27 * i18 -> i32", "2 left and 1 right factors; one each per slice"),
    ],
)
def test_a_chain_that_no_slice_can_do_is_no_valid_ir(text: str, message: str) -> None:
    function = f"func.func @f(%c: i32, %z: i49, %w: i27, %v: i18) {{\n%r = pipe.cascade {text}\nfunc.return }}"
    with pytest.raises(VerifyException, match=message):
        parse(f"builtin.module {{ {function} }}")
