"""Address arithmetic: its constants are exact, and the schedule knows how long it takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
from xdsl.dialects import memref
from xdsl.dialects.builtin import ModuleOp

from fastprefill import boards
from fastprefill.errors import KernelError
from fastprefill.ir.query import processes
from fastprefill.ir.text import context
from fastprefill.passes.addresses import (
    address_delay,
    bits,
    digits,
    is_concatenation,
    reciprocal,
    strides,
)
from fastprefill.passes.flatten import Flatten
from fastprefill.passes.schedule import ProcessSchedule, schedule

KV260 = boards.load("kv260")
READ = """
%m = memref.alloc() {{name = "m", partition = [{partition}], src = "k.py:3"}} : memref<{shape}xi32>
scf.for %i = %c0 to %c8 step %c1 {{
  %v = fp.get %x {{src = "k.py:5"}} : !fp.stream<i32, 2> -> i32
  %at = arith.index_cast %v : i32 to index
  %w = memref.load %m[{at}] {{src = "k.py:6"}} : memref<{shape}xi32>
  memref.store %w, %m[{at}] {{src = "k.py:7"}} : memref<{shape}xi32>
}} {{loop_name = "i"}}
"""
Make = Callable[..., ModuleOp]


@pytest.mark.parametrize("width", range(1, 12))
def test_quotients_are_exact(width: int) -> None:
    for divisor in range(1, 150):
        factor, shift = reciprocal(divisor, width)
        assert all(value // divisor == value * factor >> shift for value in range(1 << width)), divisor


def test_signed_digits_are_few_and_add_up() -> None:
    for number in range(1, 3000):
        found = digits(number)
        assert sum(sign << shift for shift, sign in found) == number
        assert all(high - low > 1 for (low, _), (high, _) in pairwise(found))
        assert found[-1][1] == 1
    assert len(digits(1000)) == 3  # 1024 - 32 + 8


def test_rows_of_a_power_of_two_need_no_adder() -> None:
    assert [bits(n) for n in (1, 2, 3, 8, 9)] == [1, 1, 2, 3, 4]
    assert strides((3, 5, 4)) == [20, 4, 1]
    assert is_concatenation([(3, 8), (3, 1)])
    assert is_concatenation([(2, 8), (2, 1)])  # bits between them are 0
    assert not is_concatenation([(3, 8), (4, 1)])
    assert not is_concatenation([(3, 10), (3, 1)])


def read(process: Make, shape: str, partition: str, at: str, mhz: float = 200.0) -> ProcessSchedule:
    source = READ.format(shape=shape, partition=partition, at=at)
    module = process(source, "x: !fp.stream<i32, 2>")
    Flatten().apply(context(), module)
    (func,) = processes(module)
    return schedule(func, replace(KV260, clock_mhz=mhz))


def load_of(found: ProcessSchedule) -> memref.LoadOp:
    (load,) = (op for op in found.stages if isinstance(op, memref.LoadOp))
    return load


@pytest.mark.parametrize(
    ("shape", "partition", "at", "adders"),
    [
        ("100", '"none"', "%at", 0),
        ("100", '"cyclic 4"', "%at", 0),
        ("8x16", '"none", "none"', "%at, %at", 0),
        ("8x10", '"none", "none"', "%at, %at", 2),  # 8 r + 2 r + c
        ("8x10", '"none", "complete"', "%at, %at", 0),
        ("8x10", '"none", "none"', "%c2, %c3", 0),
    ],
)
def test_an_address_takes_a_tree_of_adders(
    process: Make, shape: str, partition: str, at: str, adders: int
) -> None:
    d = KV260.delays
    width = 7  # of 80 words
    expected = adders * (d.lut + d.carry_per_bit * width)
    assert address_delay(load_of(read(process, shape, partition, at)), d) == pytest.approx(expected)


def test_division_takes_time(process: Make) -> None:
    d = KV260.delays
    small = address_delay(load_of(read(process, "50", '"cyclic 3"', "%at")), d)
    large = address_delay(load_of(read(process, "100", '"cyclic 3"', "%at")), d)
    assert small == d.lut  # a table
    assert 2 * d.lut < large < KV260.clock_ns


def test_an_address_moves_to_a_stage_of_its_own_where_the_subscript_comes_late(process: Make) -> None:
    """Behind a sum of 32 bits there is no room for a division by adders at 190 MHz; for one by a table there is."""
    late = {}
    for size in (50, 100):
        source = READ.format(shape=size, partition='"cyclic 3"', at="%at")
        source = source.replace("arith.index_cast %v", "arith.index_cast %s").replace(
            "  %at", "  %s = arith.addi %v, %v : i32\n  %at"
        )
        module = process(source, "x: !fp.stream<i32, 2>")
        Flatten().apply(context(), module)
        (func,) = processes(module)
        found = schedule(func, replace(KV260, clock_mhz=190.0))
        late[size] = found.stages[load_of(found)]
    assert late == {50: 0, 100: 1}


def test_an_address_that_takes_longer_than_the_clock_is_refused_with_its_line(process: Make) -> None:
    message = (
        r"k.py:6: the bank and address of an element of 'm' take \d\.\d ns to compute from its subscripts, and a "
        r"cycle has 2\.1 ns; make the partition factor and the inner extents of 'm' powers of two"
    )
    with pytest.raises(KernelError, match=message):
        read(process, "100", '"cyclic 7"', "%at", mhz=400.0)
    read(process, "100", '"cyclic 8"', "%at", mhz=400.0)
