"""When the bits of a value are there, by LUTs of six inputs and carries: a rule that is not the scheduler's."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import product

from xdsl.dialects import arith, memref
from xdsl.dialects.builtin import IndexType, IntegerType
from xdsl.ir import Operation, SSAValue

from fastprefill.boards import Board
from fastprefill.ir.dialect import AcquireOp, GetOp, GetSliceOp, SetSliceOp
from fastprefill.ir.pipe import CascadeOp, StoreOp
from fastprefill.ir.query import constant, is_scalar_argument, width
from fastprefill.passes.addresses import address_delay
from fastprefill.passes.delays import delay, is_multiplier, is_wire
from fastprefill.passes.schedule import ProcessSchedule
from fastprefill.passes.storage import storage_of
from fastprefill.passes.tree import Body


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
            after = [
                leaf(value, n, after[0].time) for value in results for n in range(bits_of(value))
            ] or after
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
