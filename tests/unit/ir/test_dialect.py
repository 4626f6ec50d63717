"""What the dialects refuse: depths, types and modes that cannot mean anything."""

from __future__ import annotations

import pytest
from xdsl.dialects.builtin import IndexType, IntegerType, MemRefType
from xdsl.dialects.test import TestOp
from xdsl.ir import Attribute, SSAValue
from xdsl.utils.exceptions import ParseError, VerifyException

from fastprefill.ir import dialect as fp
from fastprefill.ir import pipe
from fastprefill.ir.text import parse

i1, i8, i9 = IntegerType(1), IntegerType(8), IntegerType(9)
BLOCK = MemRefType(i8, [4])
STREAM = fp.StreamType(i8, 2)
RING = fp.BlocksType(BLOCK, 2)


def value(kind: Attribute) -> SSAValue:
    return TestOp(result_types=[kind]).results[0]


@pytest.mark.parametrize("depth", [0, -1])
def test_a_depth_below_one(depth: int) -> None:
    with pytest.raises(VerifyException, match=rf"^stream depth is {depth}; at least 1 is needed$"):
        fp.StreamType(i8, depth)
    with pytest.raises(VerifyException, match=rf"^block stream depth is {depth}; at least 1 is needed$"):
        fp.BlocksType(BLOCK, depth)


def test_a_depth_of_zero_in_text() -> None:
    with pytest.raises(VerifyException, match="stream depth is 0; at least 1 is needed"):
        parse('builtin.module { func.func @f() { %s = fp.create "s" : !fp.stream<i8, 0>\n func.return } }')


@pytest.mark.parametrize(
    "kind",
    ["!fp.stream<index, 2>", "!fp.stream<memref<4xi8>, 2>", "!fp.blocks<i8, 2>", "!fp.blocks<index, 2>"],
)
def test_tokens_are_integers_and_blocks_are_arrays(kind: str) -> None:
    with pytest.raises((VerifyException, ParseError), match="does not verify"):
        parse(f'builtin.module {{ func.func @f() {{ %s = fp.create "s" : {kind}\n func.return }} }}')


def test_a_get_gives_the_stream_s_token() -> None:
    get = fp.GetOp(value(STREAM))
    get.verify()
    with pytest.raises(VerifyException, match=r"get of i9 from a stream of i8"):
        fp.GetOp.create(operands=[value(STREAM)], result_types=[i9]).verify()


def test_a_put_takes_the_stream_s_token() -> None:
    fp.PutOp(value(STREAM), value(i8)).verify()
    with pytest.raises(VerifyException, match=r"put of i9 into a stream of i8"):
        fp.PutOp(value(STREAM), value(i9)).verify()


@pytest.mark.parametrize("mode", ["peek", "", "Read"])
def test_an_acquire_reads_or_writes(mode: str) -> None:
    with pytest.raises(VerifyException, match=rf"acquire mode is '{mode}'; it must be 'write' or 'read'"):
        fp.AcquireOp(value(RING), mode).verify()


@pytest.mark.parametrize("mode", ["write", "read"])
def test_an_acquire_names_a_block_of_the_ring(mode: str) -> None:
    acquire = fp.AcquireOp(value(RING), mode, value(i1))
    acquire.verify()
    assert acquire.block.type == BLOCK


@pytest.mark.parametrize(
    "op",
    [
        lambda: fp.PutOp(value(STREAM), value(i8), value(i8)),
        lambda: fp.GetOp(value(STREAM), value(i8)),
        lambda: fp.AcquireOp(value(RING), "read", value(i8)),
        lambda: fp.ReleaseOp(value(RING), value(BLOCK), value(i8)),
        lambda: pipe.StoreOp(value(i8), value(BLOCK), [value(IndexType())], value(i8)),
        lambda: pipe.ExitUnlessOp(value(i8)),
    ],
    ids=["put", "get", "acquire", "release", "store", "exit_unless"],
)
def test_a_predicate_is_one_bit(op: object) -> None:
    with pytest.raises(VerifyException, match="i1"):
        op().verify()  # type: ignore[operator]


@pytest.mark.parametrize("kind", [pipe.FirstOp, pipe.LastOp, pipe.LiveOp])
def test_positions_are_of_loop_variables(kind: type) -> None:
    kind(value(IndexType())).verify()
    with pytest.raises(VerifyException, match="index"):
        kind(value(i8)).verify()


def test_slices_start_at_an_index_and_have_a_width() -> None:
    fp.GetSliceOp(value(i9), value(IndexType()), 3).verify()
    fp.SetSliceOp(value(i9), value(IndexType()), value(i8)).verify()
    with pytest.raises(VerifyException, match="index"):
        fp.GetSliceOp(value(i9), value(i8), 3).verify()
    with pytest.raises(VerifyException, match="integer_type"):
        fp.SetSliceOp(value(i9), value(IndexType()), value(BLOCK)).verify()


def mismatches() -> dict[str, object]:
    other = MemRefType(i8, [5])
    index = IndexType()
    return {
        "acquire gives a block of another type": lambda: fp.AcquireOp.create(
            operands=[value(RING)],
            result_types=[other],
            properties=fp.AcquireOp(value(RING), "read").properties,
        ),
        "release of a block of another type": lambda: fp.ReleaseOp(value(RING), value(other)),
        "fill with a value of another type": lambda: fp.FillOp(value(BLOCK), value(i9)),
        "window with an unknown mode": lambda: pipe.WindowOp(value(RING), "peek"),
        "window gives a block of another type": lambda: pipe.WindowOp.create(
            operands=[value(RING)],
            result_types=[other],
            properties=pipe.WindowOp(value(RING), "read").properties,
        ),
        "store with too few subscripts": lambda: pipe.StoreOp(value(i8), value(BLOCK), []),
        "store with too many subscripts": lambda: pipe.StoreOp(
            value(i8), value(BLOCK), [value(index), value(index)]
        ),
        "store of a value of another type": lambda: pipe.StoreOp(value(i9), value(BLOCK), [value(index)]),
        "set_slice gives another width": lambda: fp.SetSliceOp.create(
            operands=[value(i8), value(index), value(i1)], result_types=[i9]
        ),
    }


@pytest.mark.parametrize("what", mismatches())
def test_operands_fit_each_other(what: str) -> None:
    op = mismatches()[what]()  # type: ignore[operator]
    with pytest.raises(VerifyException):
        op.verify()
