"""What every schedule must hold, checked by rules of their own on all units of the contract, at several clocks."""

from __future__ import annotations

import textwrap
from collections import defaultdict
from dataclasses import dataclass, replace
from functools import cache
from heapq import heappop, heappush
from itertools import count, pairwise, product
from pathlib import Path

import pytest
from xdsl.dialects import arith, memref
from xdsl.dialects.builtin import IndexType, IntegerType, ModuleOp
from xdsl.ir import Operation, SSAValue

from fastprefill import boards, frontend
from fastprefill.boards import Board
from fastprefill.errors import KernelError
from fastprefill.ir.dialect import AcquireOp, GetOp, GetSliceOp, PutOp, ReleaseOp, SetSliceOp
from fastprefill.ir.pipe import CascadeOp, StoreOp, WindowOp
from fastprefill.ir.query import constant, is_scalar_argument, text, width
from fastprefill.kernels import mpu
from fastprefill.passes import placement
from fastprefill.passes.addresses import address_delay
from fastprefill.passes.delays import delay, is_multiplier, is_wire
from fastprefill.passes.schedule import ProcessSchedule
from fastprefill.passes.storage import storage_of
from fastprefill.passes.tree import Body
from fastprefill.system.build import build_unit
from fastprefill.system.system import link
from fastprefill.targets import rtl

KERNELS = Path(__file__).resolve().parents[2] / "contract" / "kernels"
UNITS = ["mpu_4x4", *sorted(path.stem for path in KERNELS.glob("*.py"))]


def build(name: str) -> ModuleOp:
    if name == "mpu_4x4":
        return build_unit(mpu.unit(4, 4))
    module = frontend.load_module(KERNELS / f"{name}.py")
    return link(module.system()) if hasattr(module, "system") else build_unit(module.unit())


TOO_FAST = {
    "addresses": r"addresses\.py:\d+: the bank and address of an element of 'many' take",
    "attention": r"attention/accumulate\.py:\d+: whether this reads its stream depends on a value",
    "attention_layer": r"kernels/walker\.py:\d+: whether this reads its stream depends on a value",
    "sfu": r"sfu/rope\.py:\d+: whether this reads its stream depends on a value",
    "walker": r"kernels/walker\.py:\d+: whether this reads its stream depends on a value",
}
"""What takes more than a cycle at 400 MHz and cannot be spread over several; the units must say so."""


NOT_AT_250 = {"attention_layer", "walker"}
"""Of those in `TOO_FAST`, the units that the KV260 refuses at 250 MHz already; its own clock is 200."""
LARGE = {"attention", "attention_layer", "attention_softmax", "requant", "sfu"}
"""Units that take minutes here; their parts are in smaller ones."""


def large_ones_long(names: list[str]) -> list[object]:
    return [pytest.param(name, marks=pytest.mark.long if name in LARGE else ()) for name in names]


@pytest.mark.parametrize("name", large_ones_long(UNITS))
def test_schedules_hold_at_a_slow_clock(name: str) -> None:
    schedules_hold(name, 100.0)


@pytest.mark.parametrize("name", large_ones_long([name for name in UNITS if name not in TOO_FAST]))
def test_schedules_hold_at_a_fast_clock(name: str) -> None:
    schedules_hold(name, 400.0)


@pytest.mark.parametrize("name", large_ones_long(sorted(TOO_FAST)))
def test_what_takes_longer_than_the_clock_is_refused(name: str) -> None:
    with pytest.raises(KernelError, match=f"^{TOO_FAST[name]}"):
        schedules_hold(name, 400.0)


def schedules_hold(name: str, mhz: float) -> None:
    board = replace(boards.load("kv260"), clock_mhz=mhz)
    found = rtl.schedules(build(name), board)
    assert found
    for _, schedule in found.values():
        for body in schedule.tree.bodies:
            assert schedule.ii[body] >= body.asked
            assert (schedule.ii[body] == body.asked) or schedule.reasons.get(body)
            values_are_ready(schedule, body)
            reads_are_done_at_issue(schedule, body)
            ports_are_used_once_a_cycle(schedule, body)
            loads_see_stores(schedule, body)
            buffers_are_handed_on_after_their_last_use(schedule, body)
            logic_fits_a_period(schedule, body, board)


def values_are_ready(schedule: ProcessSchedule, body: Body) -> None:
    for op in body.ops:
        for number, operand in enumerate(op.operands):
            owner = operand.owner
            if isinstance(owner, Operation) and owner in schedule.stages and not stable(operand):
                used = schedule.stages[op] + (op.lag(number) if isinstance(op, CascadeOp) else 0)
                assert used >= schedule.ready[operand], f"{op} before {owner}"


def reads_are_done_at_issue(schedule: ProcessSchedule, body: Body) -> None:
    for op in body.ops:
        if isinstance(op, GetOp | AcquireOp):
            assert schedule.stages[op] == 0
            if op.predicate is not None:
                assert schedule.ready.get(op.predicate, 0) == 0


def ports_are_used_once_a_cycle(schedule: ProcessSchedule, body: Body) -> None:
    """Uses of a port in one iteration, and in those that overlap with it."""
    slots: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for op in body.ops:
        if isinstance(op, PutOp | ReleaseOp):
            slots[op.stream, op.name].append(schedule.stages[op])
        elif isinstance(op, memref.LoadOp | StoreOp) and not is_scalar_argument(op.memref):
            storage = storage_of(op.memref)
            many = isinstance(op, memref.LoadOp) and text(op.memref.owner, "storage_type") == "RAM_1WNR"
            if storage.memory not in ("register", "rom") and storage.banks == 1 and not many:
                slots[op.memref, op.name].append(schedule.stages[op])
    again = comes_again(schedule, body)
    for stages in slots.values():
        assert len(stages) == len(set(stages))
        assert again is None or max(stages) < min(stages) + again


def comes_again(schedule: ProcessSchedule, body: Body) -> int | None:
    """Least cycles from an issue of a body to its next one, by the shortest way round; None where it has no next."""
    number = count()  # bodies are not compared
    ways: list[tuple[int, int, Body]] = [(0, next(number), body)]
    seen: set[Body] = set()
    while ways:
        cycles, _, at = heappop(ways)
        if at is body and seen:
            return cycles
        if at not in seen:
            seen.add(at)
            for edge in schedule.tree.edges:
                if edge[0] is at:
                    further = cycles + schedule.ii[at] + schedule.gaps.get(edge, 0)
                    heappush(ways, (further, next(number), edge[1]))
    return None


def loads_see_stores(schedule: ProcessSchedule, body: Body) -> None:
    """A load of the next iteration, and of this one behind the store, sees the store; one in front does not."""
    accesses = [
        (n, op)
        for n, op in enumerate(body.ops)
        if isinstance(op, memref.LoadOp | StoreOp) and not is_scalar_argument(op.memref)
    ]
    repeats = (body, body) in schedule.tree.edges
    for at_store, store in accesses:
        for at_load, load in accesses:
            if not isinstance(store, StoreOp) or not isinstance(load, memref.LoadOp) or distinct(store, load):
                continue
            seen = schedule.stages[load] + (load in schedule.forwarded)
            if repeats:
                assert seen + schedule.ii[body] >= schedule.stages[store] + 1
            if at_load > at_store:
                assert seen >= schedule.stages[store] + 1
            else:
                assert seen <= schedule.stages[store]


def distinct(one: StoreOp, other: memref.LoadOp) -> bool:
    if one.memref is not other.memref:
        return True
    pairs = zip(map(constant, one.indices), map(constant, other.indices), strict=True)
    return any(a is not None and b is not None and a != b for a, b in pairs)


def buffers_are_handed_on_after_their_last_use(schedule: ProcessSchedule, body: Body) -> None:
    for release in body.ops:
        if not isinstance(release, ReleaseOp):
            continue
        for op in body.ops:
            window = op.memref.owner if isinstance(op, memref.LoadOp | StoreOp) else None
            if isinstance(window, WindowOp) and window.stream is release.stream:
                assert schedule.stages[op] <= schedule.stages[release]


@dataclass(frozen=True)
class Bit:
    """When a bit is there, in ns from the start of its stage, and the bits that the LUT which makes it depends on.

    A bit that no LUT of logic makes depends on itself.
    """

    time: float
    leaves: frozenset[object]
    leaves_time: float


Bits = list[Bit]
"""Of a value; empty for what is no number."""

LUT_INPUTS = 6


def logic_fits_a_period(schedule: ProcessSchedule, body: Body, board: Board) -> None:
    """Chains inside a stage are shorter than the period, but for single operators that are longer by themselves.

    Bit by bit: an adder is a LUT and a carry for each bit, and starts with the bits that are there first; logic on
    logic is one LUT while its inputs are at most six, and none in front of an adder, which leaves it five.
    """
    period = board.clock_ns - board.delays.ff_setup + 1e-9
    arrives: dict[SSAValue, tuple[int, Bits]] = {}
    for op in body.ops:
        stage = schedule.stages[op]
        came: list[Bits] = []
        for number, value in enumerate(op.operands):
            at = stage + (op.lag(number) if isinstance(op, CascadeOp) else 0)
            there, bits = arrives.get(value, (-1, []))
            chained = there == at and latest(bits) > 0.0 and not stable(value)
            came.append(later(bits, address(op, value, board)) if chained else from_registers(value))
        # A FIFO shows its token whether or not it is taken, so a get's data do not wait for its condition.
        start = 0.0 if isinstance(op, GetOp | AcquireOp) else max(map(latest, came), default=0.0)
        results = list(op.results)
        done = stage
        if is_multiplier(op):
            assert start == 0.0, f"{op} needs registered operands"
            done, after = schedule.ready[results[0]], from_registers(results[0])
        elif (
            isinstance(op, memref.LoadOp)
            and not is_scalar_argument(op.memref)
            and storage_of(op.memref).read_latency
        ):
            assert start <= period, f"{op}: its address does not fit its stage"
            done, after = stage + 1, later(from_registers(results[0]), board.delays.bram)
        elif is_wire(op):
            after = wired(op, came)
        elif isinstance(op, arith.AddiOp | arith.SubiOp):
            after = added(op.results[0], came, board)
        elif isinstance(op, arith.AndIOp | arith.OrIOp | arith.XOrIOp | arith.SelectOp):
            after = logic(came, bits_of(op.results[0]), board)
        else:
            after = [Bit(start + delay(op, board), frozenset(), 0.0)]
            after = [leaf(value, n, after[0].time) for value in results for n in range(bits_of(value))] or after
        assert start == 0.0 or is_wire(op) or latest(after) <= period, f"{op} does not fit its stage"
        for value in results:
            arrives[value] = done, after[: bits_of(value)]


def bits_of(value: SSAValue) -> int:
    return width(value) if isinstance(value.type, IntegerType | IndexType) else 0


def leaf(value: SSAValue, n: int, time: float = 0.0) -> Bit:
    return Bit(time, frozenset([(value, n)]), time)


def from_registers(value: SSAValue) -> Bits:
    """Constants are inputs of no LUT."""
    if constant(value) is not None:
        return [Bit(0.0, frozenset(), 0.0)] * bits_of(value)
    return [leaf(value, n) for n in range(bits_of(value))]


def later(bits: Bits, time: float) -> Bits:
    return [Bit(bit.time + time, bit.leaves, bit.leaves_time + time) for bit in bits]


def latest(bits: Bits) -> float:
    return max((bit.time for bit in bits), default=0.0)


def added(total: SSAValue, came: list[Bits], board: Board) -> Bits:
    """The bits of a sum: each waits for its operands' bits, through a LUT, and for the carry from below.

    The LUT takes in the logic in front of one operand.
    """
    choices = []
    for taken_in in range(2):
        other = came[1 - taken_in]
        fits = all(len(bit.leaves) < LUT_INPUTS for bit in came[taken_in])
        times = [bit.leaves_time if fits else bit.time for bit in came[taken_in]]
        bits: Bits = []
        carry = 0.0
        for n, (one, two) in enumerate(zip(times, other, strict=True)):
            carry = max(carry, max(one, two.time) + board.delays.lut) + board.delays.carry_per_bit
            bits.append(leaf(total, n, carry))
        choices.append(bits)
    return min(choices, key=latest)


def logic(came: list[Bits], result: int, board: Board) -> Bits:
    """Bit n is made of bit n of each operand, of the one bit of a condition, or of what their LUTs depend on."""
    return [mapped([bits[min(n, len(bits) - 1)] for bits in came], board) for n in range(result)]


@cache
def ways(operands: int) -> list[tuple[bool, ...]]:
    return list(product((False, True), repeat=operands))


def mapped(operands: list[Bit], board: Board) -> Bit:
    """One LUT: the way to take in LUTs in front of it by which it is there first."""
    best: Bit | None = None
    for way in ways(len(operands)):
        leaves: set[object] = set()
        time = 0.0
        for bit, whole in zip(operands, way, strict=True):
            leaves |= bit.leaves if whole or bit.time == 0.0 else {bit}
            time = max(time, bit.leaves_time if whole else bit.time)
        made = Bit(time + board.delays.lut, frozenset(leaves), time)
        if len(leaves) <= LUT_INPUTS and (best is None or made.time < best.time):
            best = made
    assert best is not None
    return best


def wired(op: Operation, came: list[Bits]) -> Bits:
    """The bits of a result that is made of wires; where it differs from lane to lane, the last bit for all."""
    result = bits_of(op.results[0])
    nothing = Bit(0.0, frozenset(), 0.0)
    if isinstance(op, GetSliceOp | SetSliceOp):
        low = constant(op.lo)
        if low is None:
            last = max(map(latest, came))
            return [leaf(op.results[0], n, last) for n in range(result)]
        if isinstance(op, GetSliceOp):
            return [came[0][low + n] if 0 <= low + n < len(came[0]) else nothing for n in range(result)]
        return [came[2][n - low] if 0 <= n - low < len(came[2]) else came[0][n] for n in range(result)]
    if not came:
        return [nothing] * result
    bits, amount = came[0], 0
    if isinstance(op, arith.ShLIOp):
        amount = -(constant(op.rhs) or 0)
    elif isinstance(op, arith.ShRSIOp | arith.ShRUIOp):
        amount = constant(op.rhs) or 0
    elif isinstance(op, arith.MuliOp | arith.DivUIOp) and (factor := constant(op.rhs)) is not None:
        amount = (factor.bit_length() - 1) * (1 if isinstance(op, arith.DivUIOp) else -1)
    high = bits[-1] if isinstance(op, arith.ExtSIOp | arith.IndexCastOp | arith.ShRSIOp) else nothing
    places = [n + amount for n in range(result)]
    return [high if n >= len(bits) else bits[n] if n >= 0 else nothing for n in places]


def address(op: Operation, operand: SSAValue, board: Board) -> float:
    """What a subscript passes before the memory."""
    if (
        isinstance(op, memref.LoadOp | StoreOp)
        and operand in op.indices
        and not is_scalar_argument(op.memref)
    ):
        return address_delay(op, board.delays)
    return 0.0


def stable(value: SSAValue) -> bool:
    owner = value.owner
    return constant(value) is not None or (
        isinstance(owner, memref.LoadOp) and is_scalar_argument(owner.memref)
    )


SLICES = """
from allo.ir.types import Int, Stream, UInt, int32
import allo.dataflow as df
from fastprefill.system.unit import Unit

@df.region()
def region():
    x: Stream[int32, 2]
    y: Stream[Int(64), 2]

    @df.kernel(mapping=[1], args=[])
    def p():
        for i in range(8):
            v: int32 = x.get()
            s: int32 = v + 77777
{statement}
            total: Int(64) = w + v
            y.put(total + w)

def unit():
    return Unit("u", region, inputs=("x",), outputs=("y",))
"""
"""Sums of 64 bits that start from some bits of a sum of 32."""


@pytest.mark.parametrize(
    "statement",
    [
        "w: int32 = s",
        "w: int32 = s >> 12",
        "w: UInt(20) = s[12:32]",
        "w: UInt(4) = s[28:32]",
        "w: Int(60) = 5\nw[3:35] = s",
        "w: Int(60) = s << 20",
        "w: UInt(40) = 0\nfor j in range(2, unroll=True):\n    w[20 * j : 20 * j + 20] = s[12:32]",
        "w: int32 = (s >> 16) + (v >> 3)",
    ],
)
def test_sums_of_some_bits_of_sums_hold(statement: str, tmp_path: Path) -> None:
    (tmp_path / "k.py").write_text(SLICES.format(statement=textwrap.indent(statement, " " * 12)))
    module = build_unit(frontend.load_module(tmp_path / "k.py").unit())
    stages = set()
    for mhz in range(60, 500, 10):
        board = replace(boards.load("kv260"), clock_mhz=float(mhz))
        ((_, schedule),) = rtl.schedules(module, board).values()
        for body in schedule.tree.bodies:
            logic_fits_a_period(schedule, body, board)
            stages.add(schedule.depth(body))
    assert len(stages) > 2


@pytest.mark.parametrize("name", large_ones_long(UNITS))
def test_ops_of_lanes_that_sink_make_nothing_later(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, board = build(name), replace(boards.load("kv260"), clock_mhz=200.0 if name in NOT_AT_250 else 250.0)

    def figures() -> list[tuple[int, int]]:
        found = rtl.schedules(module, board).values()
        return [(schedule.ii[b], schedule.depth(b)) for _, schedule in found for b in schedule.tree.bodies]

    sunk = figures()
    monkeypatch.setattr(placement, "MAX_SINKS", 0)
    assert sunk == figures()


def test_a_faster_clock_never_makes_a_pipeline_shorter() -> None:
    depths = []
    for mhz in (100.0, 200.0, 400.0):
        board = replace(boards.load("kv260"), clock_mhz=mhz)
        ((_, schedule), *_) = rtl.schedules(build("mpu_4x4"), board).values()
        depths.append(max(schedule.depth(body) for body in schedule.tree.bodies))
    assert all(slow <= fast for slow, fast in pairwise(depths))
