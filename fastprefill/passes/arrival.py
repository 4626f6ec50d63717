"""When the values of a pipeline are there: stage, time within it, and LUTs in a row since the last register."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.ir import Operation, SSAValue

from fastprefill.ir.query import width

LUT_INPUTS = 6

Leaf = tuple[SSAValue, int]
"""A value, and which of its bits counts for bit n of a result: bit n and so many more. Always 0 for single bits."""


@dataclass(frozen=True)
class Step:
    """An op with what placing it needs.

    Attributes:
        waits_for: values, each with the stages after the op's own in which it is used.
        subscripts: those of a load or store, which pass the address logic first.
        address: ns of that.
        registered: products: their operands come from registers.
        latency: stages from the op's own to the first that has its result.
        delay: ns of logic, behind the memory where it has latency; None for wires, which never start a stage.
        is_sum: an addition or subtraction: its delay is a LUT and a carry through all bits.
        is_logic: a bit of the result depends on one bit of each operand, so that several such ops fit one LUT.
        luts: in a row.
        carry_per_bit: ns.
        bits: width of the result.
        shift: of wires, the bit of the operand that is the lowest of the result; None where lanes differ.
        may_sink: an op of a lane that depends on nothing that the lane keeps to itself.
        outside: of an op in many lanes, the values that come from outside them.
        levels: registers, one behind the other, that these and the enable of a store go through, to be spread.
    """

    op: Operation
    waits_for: tuple[tuple[SSAValue, int], ...]
    subscripts: frozenset[SSAValue]
    address: float
    registered: bool
    latency: int
    delay: float | None
    is_sum: bool
    is_logic: bool
    luts: int
    carry_per_bit: float
    bits: int
    shift: int | None
    may_sink: bool
    outside: frozenset[SSAValue]
    levels: int

    def carry(self, bits: int) -> float:
        """ns that a carry takes through so many bits of a sum."""
        return bits * self.carry_per_bit


@dataclass(frozen=True)
class Limit:
    """What fits between two registers.

    Attributes:
        period: ns.
        luts: in a row; None where only the time counts.
    """

    period: float
    luts: int | None

    def holds(self, arrival: Arrival) -> bool:
        """Whether a value is there in time."""
        return arrival.last <= self.period and (self.luts is None or arrival.luts <= self.luts)


@dataclass(frozen=True)
class Arrival:
    """When a value is there: the stage, and in it the time (ns) of its last bit and of its lowest.

    Bit n comes no later than n carries after the lowest. So additions in a row overlap: the next one starts with the
    low bits while the carry still runs through the high ones.

    Attributes:
        luts: in a row since the last register.
        leaves: of a value made by logic alone, the bits that a bit of it depends on, at most as many as a LUT has
            inputs; such logic is one LUT, and none where an adder takes it in.
        leaves_last, leaves_luts: when the last of these is there.
    """

    stage: int
    last: float
    lowest: float
    luts: int = 0
    leaves: frozenset[Leaf] = frozenset()
    leaves_last: float = 0.0
    leaves_luts: int = 0

    @property
    def registered(self) -> bool:
        """Whether the value comes straight from a register, or from where it costs no time."""
        return self.last <= 0.0

    def taken_in(self) -> Arrival:
        """As an operand of an adder whose LUTs take in the logic that makes the value."""
        return Arrival(self.stage, self.leaves_last, self.leaves_last, self.leaves_luts)


def at_once(stage: int, time: float = 0.0) -> Arrival:
    """A value all of whose bits are there at one time."""
    return Arrival(stage, time, time, int(time > 0.0))


AT_ISSUE = at_once(0)


def together(step: Step, stage: int, now: Sequence[tuple[Arrival, SSAValue]]) -> Arrival:
    """When the operands of an op that come in its own stage are all there; subscripts pass the address logic."""
    last = lowest = step.address
    luts = 0
    for arrival, value in now:
        delay = step.address if value in step.subscripts else 0.0
        low = arrival.last if delay else arrival.lowest
        last, lowest = max(last, arrival.last + delay), max(lowest, low + delay)
        luts = max(luts, arrival.luts)
    return Arrival(stage, last, lowest, luts)


def after(step: Step, stage: int, now: Sequence[tuple[Arrival, SSAValue]]) -> Arrival:
    """When the result of a combinational op is there; `now` are the operands that do not come from registers."""
    if step.is_sum:
        now = _one_taken_in(now, len(step.waits_for))
    start = together(step, stage, now)
    if step.delay is None:
        return _wire(step, start, now)
    if step.is_logic:
        return _logic(step, start, now)
    if not step.is_sum:
        return Arrival(stage, start.last + step.delay, start.last + step.delay, start.luts + step.luts)
    last = start.lowest + step.delay
    return Arrival(stage, last, last - step.carry(step.bits - 1), start.luts + 1)


def _wire(step: Step, start: Arrival, now: Sequence[tuple[Arrival, SSAValue]]) -> Arrival:
    """Of words put together, the part that needs most inputs counts."""
    most = max((arrival for arrival, _ in now), key=lambda arrival: len(arrival.leaves), default=start)
    last, lowest = start.last, start.last
    if step.shift is not None:
        lowest = min(start.last, start.lowest + step.carry(max(0, step.shift)))
        last = min(start.last, lowest + step.carry(step.bits - 1))
    plain = any(not arrival.leaves for arrival, _ in now)
    leaves_last = max((arrival.leaves_last if arrival.leaves else arrival.last for arrival, _ in now), default=0.0)
    leaves_luts = max((arrival.leaves_luts if arrival.leaves else arrival.luts for arrival, _ in now), default=0)
    if plain and leaves_luts == start.luts:
        return Arrival(start.stage, last, lowest, start.luts)
    shift = step.shift or 0
    leaves = frozenset((value, bit + shift if width(value) > 1 else 0) for value, bit in most.leaves)
    return Arrival(start.stage, last, lowest, start.luts, leaves, leaves_last, leaves_luts)


def _logic(step: Step, start: Arrival, now: Sequence[tuple[Arrival, SSAValue]]) -> Arrival:
    """Logic on logic is one LUT as long as it has inputs enough."""
    assert step.delay is not None
    late = {value: arrival for arrival, value in now}
    leaves: frozenset[Leaf] = frozenset()
    last, luts = 0.0, 0
    for value, _ in step.waits_for:
        arrival = late.get(value)
        if arrival is not None and arrival.leaves:
            leaves |= arrival.leaves
            last, luts = max(last, arrival.leaves_last), max(luts, arrival.leaves_luts)
        else:
            leaves |= {(value, 0)}
            if arrival is not None:
                last, luts = max(last, arrival.last), max(luts, arrival.luts)
    if len(leaves) > LUT_INPUTS:
        leaves = frozenset((value, 0) for value, _ in step.waits_for)
        last, luts = start.last, start.luts
    return Arrival(start.stage, last + step.delay, last + step.delay, luts + 1, leaves, last, luts)


def _one_taken_in(
    now: Sequence[tuple[Arrival, SSAValue]], operands: int
) -> Sequence[tuple[Arrival, SSAValue]]:
    """The LUTs of an adder take in the logic in front of one operand; the carry cells need the other as it is."""
    fitting = [pair for pair in now if 0 < len(pair[0].leaves) < LUT_INPUTS]
    if not fitting:
        return now
    chosen = max(fitting, key=lambda pair: pair[0].last)
    return [(arrival.taken_in(), value) if value is chosen[1] else (arrival, value) for arrival, value in now]
