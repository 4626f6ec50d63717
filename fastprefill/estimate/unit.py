"""Resources that a unit cannot do without, from its IR: refuses early what no synthesis can make fit.

Counted are the memories and registers of its arrays, its FIFOs at their declared depth, and the products that are
bound to DSP blocks. Logic is not counted, so the numbers are lower bounds; synthesis has the last word.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

from xdsl.dialects import arith, func, memref, scf
from xdsl.dialects.builtin import MemRefType, ModuleOp
from xdsl.ir import Operation

from fastprefill.boards import Board, Resources
from fastprefill.errors import FastprefillError
from fastprefill.estimate.placement import slr_of_call
from fastprefill.estimate.resources import refuse_excess
from fastprefill.ir.dialect import BlocksType, CreateOp, StreamType
from fastprefill.ir.query import number, text, trip_count
from fastprefill.passes.storage import block_storage, fifo_storage, storage_of

Count = Counter[str]
"""Primitives by name: lut, ff, dsp, bram18, uram."""

# Shapes of a RAMB36E2 with one read and one write port, as words x bits (UG573, simple dual-port); a RAMB18E2 has
# half the words of each but the first, which it gives up for half the bits.
_BLOCK_RAM = ((512, 72), (1024, 36), (2048, 18), (4096, 9), (8192, 4), (16384, 2), (32768, 1))
_URAM_WORDS, _URAM_BITS = 4096, 72  # UG573, URAM288


def least(module: ModuleOp) -> dict[int, Resources]:
    """What the top region of a module needs at least, by SLR.

    A process counts where its call is placed, streams and block streams of a region in the lowest SLR of its calls.
    """
    functions = {op.sym_name.data: op for op in module.ops if isinstance(op, func.FuncOp)}
    top = list(functions.values())[-1]
    counts = _region(top, functions)
    for arg, direction in zip(top.body.block.args, text(top, "directions"), strict=False):
        if direction == "o" and isinstance(arg.type, StreamType):
            block_rams = _fifo(arg.type)["bram18"]  # of wide words; other outputs may take less than their FIFO
            counts.setdefault(min(counts, default=0), Counter()).update(bram18=block_rams)
    return {
        slr: Resources(
            lut=count["lut"],
            ff=count["ff"],
            dsp=count["dsp"],
            bram36=math.ceil(count["bram18"] / 2),
            uram=count["uram"],
        )
        for slr, count in counts.items()
    }


def check_unit(module: ModuleOp, board: Board) -> None:
    """Refuse a unit larger than the regions of the board that it is placed in.

    Raises:
        FastprefillError: says for each resource and region how many are missing.
    """
    top = [op for op in module.ops if isinstance(op, func.FuncOp)][-1]
    # A region that the board lacks is refused by the targets, with the line.
    needed = {slr: part for slr, part in least(module).items() if slr < len(board.slrs)}
    refuse_excess(f"'{top.sym_name.data}'", needed, board, at_least=True)


def memory(width: int, words: int, kind: str) -> Count:
    """Primitives of one memory with a read and a write port.

    Args:
        width: bits of a word.
        words: how many.
        kind: ``block``, ``ultra`` or ``distributed``.

    Raises:
        FastprefillError: another kind.
    """
    if kind == "ultra":
        return Counter(uram=math.ceil(width / _URAM_BITS) * math.ceil(words / _URAM_WORDS))
    if kind == "block":
        return Counter(bram18=_block_rams(width, words))
    if kind == "distributed":  # UG574: eight LUTs hold 32 words of 14 bits or 64 of 7
        columns = math.ceil(width / 14) if words <= 32 else math.ceil(width / 7) * math.ceil(words / 64)
        return Counter(lut=8 * columns if width > 1 or words > 64 else 2)
    raise FastprefillError(f"memory kind '{kind}' is none of block, ultra, distributed")


def _block_rams(width: int, words: int) -> int:
    """Fewest RAMB18E2 that hold a memory, a RAMB36E2 counted as two."""
    best = math.inf
    for depth, bits in _BLOCK_RAM:
        columns, rest = divmod(width, bits)
        last = 0 if not rest else 1 if 2 * rest <= bits or (2 * words <= depth and bits < 72) else 2
        full = 1 if 2 * words <= depth and bits < 72 else 2
        best = min(best, math.ceil(words / depth) * (columns * full + last))
    return int(best)


def _region(
    region: func.FuncOp, functions: Mapping[str, func.FuncOp], around: int = 0
) -> dict[int, Count]:
    total: dict[int, Count] = {}
    for call in (op for op in region.body.block.ops if isinstance(op, func.CallOp)):
        callee = functions[call.callee.string_value()]
        slr = slr_of_call(call, around)
        parts = (
            _region(callee, functions, slr) if "fp.region" in callee.attributes else {slr: _process(callee)}
        )
        for slr, part in parts.items():
            total.setdefault(slr, Counter()).update(part)
    first = min(total, default=around)
    for create in (op for op in region.body.block.ops if isinstance(op, CreateOp)):
        total.setdefault(first, Counter()).update(_stream(create))
    return total


def _stream(create: CreateOp) -> Count:
    kind = create.stream.type
    if isinstance(kind, BlocksType):
        storage = block_storage(create)
        words = storage.depth * kind.depth.data
        if storage.memory == "register":
            return Counter(ff=storage.banks * words * storage.width)
        return _times(memory(storage.width, words, storage.memory), storage.banks)
    assert isinstance(kind, StreamType)
    return _fifo(kind)


def _fifo(kind: StreamType) -> Count:
    bits, depth = kind.element_type.width.data, kind.depth.data
    if depth == 1:
        return Counter(ff=bits)
    storage = fifo_storage(bits, depth)
    slices, rest = divmod(bits, storage.slice_bits) if storage.slice_bits else (0, bits)
    total = _times(memory(storage.slice_bits, depth, storage.memory), slices) if slices else Counter()
    return total + (memory(rest, depth, storage.memory) if rest else Counter())


def _process(process: func.FuncOp) -> Count:
    total: Count = Counter()
    for op in process.walk():
        if isinstance(op, memref.AllocOp):
            total.update(_array(op))
        elif isinstance(op, arith.MuliOp) and text(op, "bind") in ("dsp", "dsp_cascade"):
            total["dsp"] += _lanes(op)
    return total


def _array(alloc: memref.AllocOp) -> Count:
    kind = alloc.memref.type
    assert isinstance(kind, MemRefType)
    if not kind.get_shape():
        return Counter()  # a variable: often no more than wires
    storage = storage_of(alloc.memref)
    if storage.memory != "register":
        return _times(memory(storage.width, storage.depth, storage.memory), storage.banks)
    if isinstance(alloc.parent_op(), scf.ForOp | scf.WhileOp):
        return Counter()  # inside a loop it may hold nothing from one iteration to the next
    return Counter(ff=storage.banks * storage.width)


def _lanes(op: Operation) -> int:
    """Copies of an op in hardware: the lanes of the unrolled loops around it."""
    lanes, at = 1, op.parent_op()
    while at is not None and not isinstance(at, func.FuncOp):
        factor = number(at, "unroll") if isinstance(at, scf.ForOp) else None
        if isinstance(at, scf.ForOp) and factor is not None:
            lanes *= factor or trip_count(at) or 1
        at = at.parent_op()
    return lanes


def _times(one: Count, times: int) -> Count:
    return Counter({name: count * times for name, count in one.items()})
