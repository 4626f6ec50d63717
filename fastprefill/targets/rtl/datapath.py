"""Values of a process in hardware: each op once, in its stage, with registers to the stages that use it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from xdsl.dialects import arith, memref, scf
from xdsl.dialects.builtin import IndexType
from xdsl.ir import Block, BlockArgument, Operation, SSAValue

from fastprefill.errors import KernelError
from fastprefill.ir.dialect import GetOp, GetSliceOp, SetSliceOp
from fastprefill.ir.pipe import CascadeOp, FirstOp, LastOp, LiveOp
from fastprefill.ir.query import (
    INDEX_BITS,
    constant,
    text,
    width,
)
from fastprefill.passes.delays import is_multiplier
from fastprefill.passes.schedule import ProcessSchedule
from fastprefill.targets.rtl.hw import Module, Part, Wire
from fastprefill.targets.rtl.values import Lane, is_scalar_load, is_view, lane_number, lanes_around, name_of

_BINARY = {
    arith.AddiOp: "add",
    arith.SubiOp: "sub",
    arith.MuliOp: "mul",
    arith.AndIOp: "and",
    arith.OrIOp: "or",
    arith.XOrIOp: "xor",
    arith.ShLIOp: "shl",
    arith.ShRUIOp: "shru",
    arith.ShRSIOp: "shrs",
}
_Part = tuple[SSAValue, int, int]
"""A part of a word: the value, its lowest bit in the word, and the bit above its highest."""

_PREDICATES = ("eq", "ne", "slt", "sle", "sgt", "sge", "ult", "ule", "ugt", "uge")


@dataclass
class Datapath:
    """Builds values on demand.

    Attributes:
        m: module under construction.
        schedule: stages.
        source: gives what comes from elsewhere: loop variables, positions in loops, stream data, scalars,
            array elements; called with the value and the lane.
    """

    m: Module
    schedule: ProcessSchedule
    source: Callable[[SSAValue, Lane], Wire]
    made: dict[tuple[SSAValue, int, tuple[int, ...]], Wire] = field(default_factory=dict)
    slices: dict[tuple[SSAValue, int, int, int, tuple[int, ...]], Wire] = field(default_factory=dict)
    words: dict[tuple[Operation, tuple[int, ...]], tuple[list[_Part], SSAValue]] = field(default_factory=dict)
    around: dict[Operation, tuple[SSAValue, ...]] = field(default_factory=dict)

    def at(self, value: SSAValue, stage: int, lane: Lane) -> Wire:
        """The value as it is in a stage."""
        number = lane_number(value, lane)
        if number is not None:
            return self.m.const(number, width(value))
        op = value.owner
        if isinstance(op, Operation) and is_view(op):
            return self.view(op, stage, lane)
        if is_scalar_load(op):
            return self.source(value, lane)
        key = (value, stage, self.lane_key(op, lane))
        if key not in self.made:
            ready = self.schedule.ready.get(value, 0)
            if stage > ready:
                before = self.at(value, stage - 1, lane)
                self.m.src = text(op, "src") if isinstance(op, Operation) else ""
                self.made[key] = self.m.register(before, f"{name_of(value)}_s{stage}")
            elif stage == ready:
                self.made[key] = self.define(value, lane)
            else:
                raise AssertionError(f"{value} is needed in stage {stage}, before it is ready in {ready}")
        return self.made[key]

    def lane_key(self, op: object, lane: Lane) -> tuple[int, ...]:
        if not isinstance(op, Operation):
            return ()
        if op not in self.around:
            self.around[op] = lanes_around(op)
        return tuple(lane[v] for v in self.around[op])

    def view(self, op: Operation, stage: int, lane: Lane) -> Wire:
        """Changes of width and constant slices: wires, made again in each stage from what they look at."""
        bits = width(op.results[0])
        if isinstance(op, GetSliceOp):
            low = lane_number(op.lo, lane)
            assert low is not None
            return self.bits_at(op.value, low, bits, stage, lane)
        if isinstance(op, SetSliceOp):
            return self.word_at(op, stage, lane)
        source = self.at(op.operands[0], stage, lane)
        return self.m.resize(source, bits, signed=not isinstance(op, arith.ExtUIOp))

    def bits_at(self, value: SSAValue, low: int, bits: int, stage: int, lane: Lane) -> Wire:
        """Bits of a value in a stage. Only they are kept in registers, not the whole value."""
        owner = value.owner
        inside = low >= 0 and low + bits <= width(value)
        if inside and isinstance(owner, Operation) and is_view(owner) and self.sees_through(owner):
            if isinstance(owner, GetSliceOp):
                below = lane_number(owner.lo, lane)
                if below is not None and below >= 0 and below + low + bits <= width(owner.value):
                    return self.bits_at(owner.value, below + low, bits, stage, lane)
            elif isinstance(owner, SetSliceOp):
                parts, base = self.parts(owner, lane)
                for part, below, above in parts:
                    if below <= low and low + bits <= above:
                        return self.bits_at(part, low - below, bits, stage, lane)
                    if below < low + bits and low < above:
                        break  # in this part and in what lies under it
                else:
                    return self.bits_at(base, low, bits, stage, lane)
            elif low + bits <= width(owner.operands[0]):
                return self.bits_at(owner.operands[0], low, bits, stage, lane)
            return constant_slice(self.m, self.at(value, stage, lane), low, bits)
        whole = not inside or bits == width(value) or is_scalar_load(owner)
        if whole or stage <= self.schedule.ready.get(value, 0) or lane_number(value, lane) is not None:
            return constant_slice(self.m, self.at(value, stage, lane), low, bits)
        key = (value, low, bits, stage, self.lane_key(owner, lane))
        if key not in self.slices:
            before = self.bits_at(value, low, bits, stage - 1, lane)
            self.m.src = text(owner, "src") if isinstance(owner, Operation) else ""
            self.slices[key] = self.m.register(before, f"{name_of(value)}_{low}_s{stage}")
        return self.slices[key]

    def sees_through(self, op: Operation) -> bool:
        """Whether a view is made here, and not outside."""
        return True

    def parts(self, op: SetSliceOp, lane: Lane) -> tuple[list[_Part], SSAValue]:
        """The parts of a word that is put together, and what they are put into. A part covers those after it."""
        key = (op, self.lane_key(op, lane))
        if key not in self.words:
            found: list[_Part] = []
            value: SSAValue = op.result
            while isinstance(at := value.owner, SetSliceOp) and is_view(at) and self.sees_through(at):
                low = lane_number(at.lo, lane)
                assert low is not None
                found.append((at.part, low, low + width(at.part)))
                value = at.value
            self.words[key] = found, value
        return self.words[key]

    def word_at(self, op: SetSliceOp, stage: int, lane: Lane) -> Wire:
        """A word put together from parts: each part is kept in registers by itself."""
        parts, base = self.parts(op, lane)
        word = self.at(base, stage, lane)
        for part, low, _ in reversed(parts):
            word = put_slice(self.m, word, low, self.at(part, stage, lane))
        return word

    def define(self, value: SSAValue, lane: Lane) -> Wire:
        op = value.owner
        if isinstance(op, BlockArgument) or not isinstance(op, Operation):
            return self.source(value, lane)
        if isinstance(op, memref.LoadOp | GetOp | FirstOp | LastOp | LiveOp):
            return self.source(value, lane)
        stage = self.schedule.stages[op]
        if isinstance(op, CascadeOp):
            return self.cascade(op, [self.at(v, stage + op.lag(n), lane) for n, v in enumerate(op.operands)])
        operands = [self.at(v, stage, lane) for v in op.operands]
        self.m.src = text(op, "src")
        if not is_multiplier(op):
            return self.compute(op, operands, lane)
        use_dsp = {"dsp": "yes", "fabric": "no"}.get(text(op, "bind"))
        wire = self.compute(op, operands, lane, named=False)
        return self.m.register(wire, name_of(value), use_dsp=use_dsp)

    def cascade(self, op: CascadeOp, operands: list[Wire]) -> Wire:
        """A chain of DSP slices: their registers are the stages between operands and result."""
        m, slices = self.m, len(op.left)
        m.src = text(op, "src")
        inputs = {
            "a": m.concat([m.resize(w, 27, signed=True) for w in reversed(operands[1 : slices + 1])]),
            "b": m.concat([m.resize(w, 18, signed=True) for w in reversed(operands[slices + 1 :])]),
            "c": m.resize(operands[0], 48, signed=True),
        }
        name = f"{op.result.name_hint or 'sum'}_cascade"
        sums = m.instance(name, cascade_part(slices), inputs)["p"]
        return m.extract(sums, 0, width(op.result))

    def compute(self, op: Operation, operands: list[Wire], lane: Lane, named: bool = True) -> Wire:
        """The op's logic. The user's variables are wires of their own, other values where they are used again."""
        m, result = self.m, op.results[0]
        hint = (result.name_hint or "") if named else ""
        shared = name_of(result) if named else ""
        match op:
            case arith.DivUIOp() | arith.RemUIOp():
                return self.divide(op, operands[0], lane, shared)
            case arith.CmpiOp():
                predicate = _PREDICATES[op.predicate.value.data]
                return m.compare(predicate, operands[0], operands[1], hint, shared)
            case arith.SelectOp():
                return m.mux(operands[0], operands[1], operands[2], hint, shared)
            case arith.TruncIOp():
                return m.extract(operands[0], 0, width(op.result), hint)
            case GetSliceOp():
                bits = width(op.result)
                below = 0 if not_negative(op.lo) else bits
                value, position = _room_below(m, operands[0], operands[1], below, bits)
                return m.extract(m.binary("shru", value, position, shared=f"{shared}_shifted"), 0, bits, hint)
            case SetSliceOp():
                return self.set_slice(op, operands, lane, hint)
        if type(op) in _BINARY:
            return m.binary(_BINARY[type(op)], operands[0], operands[1], hint, shared)
        raise KernelError(f"'{op.name}' cannot be built as hardware", text(op, "src") or None)

    def divide(self, op: arith.DivUIOp | arith.RemUIOp, value: Wire, lane: Lane, name: str) -> Wire:
        """Division by a constant: a product with its reciprocal, exact for every value of the width."""
        known, bits = lane_number(op.rhs, lane), value.width
        divisor = (known or 0) & ((1 << bits) - 1)
        if divisor == 0:
            raise KernelError("a divisor must be a positive constant", text(op, "src") or None)
        if divisor & (divisor - 1) == 0:
            shift = divisor.bit_length() - 1
            if isinstance(op, arith.DivUIOp):
                return self.m.resize(self.m.extract(value, shift, bits - shift), bits, signed=False)
            low = self.m.extract(value, 0, shift) if shift else self.m.const(0, 1)
            return self.m.resize(low, bits, signed=False)
        extra = (divisor - 1).bit_length()
        reciprocal = -(-(1 << (bits + extra)) // divisor)
        wide = 2 * bits + extra + 1
        product = self.m.binary(
            "mul",
            self.m.resize(value, wide, signed=False),
            self.m.const(reciprocal, wide),
            shared=f"{name}_reciprocal",
        )
        quotient = self.m.extract(product, bits + extra, bits)
        if isinstance(op, arith.DivUIOp):
            return quotient
        return self.m.binary("sub", value, self.m.binary("mul", quotient, self.m.const(divisor, bits)))

    def set_slice(self, op: SetSliceOp, operands: list[Wire], lane: Lane, hint: str) -> Wire:
        m, (value, low, part) = self.m, operands
        number = lane_number(op.lo, lane)
        if number is not None:
            return put_slice(m, value, number, part, hint)
        below = 0 if not_negative(op.lo) else part.width
        room, shift = _room_below(m, value, low, below, part.width)
        wide = room.width
        mask = m.binary("shl", m.const((1 << part.width) - 1, wide), shift)
        placed = m.binary("shl", m.resize(part, wide, signed=False), shift)
        kept_bits = m.binary("and", room, m.binary("xor", mask, m.const(-1, wide)))
        return m.extract(m.binary("or", kept_bits, placed), below, value.width, hint)


def _room_below(m: Module, value: Wire, low: Wire, below: int, least: int) -> tuple[Wire, Wire]:
    """A value with `below` zeros under it, wide enough for positions of 32 bits, and the position in it.

    A slice may start at a negative position; positions that reach nothing shift everything out.
    """
    wide = max(value.width + below, least, INDEX_BITS + 1)
    room = m.concat([value, m.const(0, below)]) if below else value
    position = m.resize(low, wide, signed=True)
    if below:
        position = m.binary("add", position, m.const(below, wide), shared="position")
    return m.resize(room, wide, signed=False), position


def not_negative(value: SSAValue) -> bool:
    """Whether a position is plainly at least 0: made of loop variables from 0 up, unsigned values and constants."""
    number = constant(value)
    if number is not None:
        return number >= 0
    op = value.owner
    if isinstance(op, Block):
        loop = op.parent_op()
        return isinstance(loop, scf.ForOp) and not_negative(loop.lb)
    if isinstance(op, arith.ExtUIOp):
        return width(op.result) > width(op.input)
    if isinstance(op, arith.IndexCastOp | arith.ExtSIOp):
        return width(op.results[0]) >= width(op.operands[0]) and not_negative(op.operands[0])
    if isinstance(op, arith.AddiOp | arith.MuliOp) and isinstance(value.type, IndexType):
        return not_negative(op.lhs) and not_negative(op.rhs)
    return False


def constant_slice(m: Module, source: Wire, low: int, bits: int) -> Wire:
    """Bits from a constant position; outside the value they are 0."""
    if -bits < low < 0:
        return m.concat([constant_slice(m, source, 0, bits + low), m.const(0, -low)])
    if low < 0 or low >= source.width:
        return m.const(0, bits)
    return m.resize(m.extract(source, low, min(bits, source.width - low)), bits, signed=False)


def put_slice(m: Module, value: Wire, low: int, part: Wire, hint: str = "") -> Wire:
    """`value` with `part` at bit `low`; what lies outside is dropped."""
    if low >= value.width or low <= -part.width:
        return value
    if low < 0:
        part, low = m.extract(part, -low, part.width + low), 0
    kept = min(part.width, value.width - low)
    pieces = [m.extract(part, 0, kept)]
    if low + kept < value.width:
        pieces.insert(0, m.extract(value, low + kept, value.width - low - kept))
    if low:
        pieces.append(m.extract(value, 0, low))
    return m.concat(pieces, hint)


def cascade_part(slices: int) -> Part:
    """The hand-written chain of DSP slices."""
    ports = (
        ("clk", "in", 1),
        ("a", "in", 27 * slices),
        ("b", "in", 18 * slices),
        ("c", "in", 48),
        ("p", "out", 48),
    )
    return Part("fp_dsp_cascade", ports, (("SLICES", slices),))
