"""The attention engine at a small size, with its matrix unit: from operands and scales to the rows of the result."""

from dataclasses import asdict, replace
from pathlib import Path

from fastprefill.frontend import load_module
from fastprefill.golden import attention_streams as streams
from fastprefill.golden.attention import Heads
from fastprefill.golden.attention_streams import Row
from fastprefill.kernels.attention import engine
from fastprefill.system.case import Case
from fastprefill.system.system import System

SOFTMAX = load_module(Path(__file__).parent / "attention_softmax.py")
SIZE = SOFTMAX.SIZE
FRACTION = 14


def system(drain_rows: int = SIZE.drain_rows) -> System:
    return engine.system(**asdict(replace(SIZE, drain_rows=drain_rows)), dsp_columns=2)


def cases(seed: int, drain_rows: int = SIZE.drain_rows) -> list[Case]:
    rng = SOFTMAX.np.random.default_rng(seed)
    block, size = SIZE.block, replace(SIZE, drain_rows=drain_rows)

    def case(name: str, heads: Heads, *rows: Row) -> Case:
        return streams.engine(name, streams.blocks(heads, rows, block), size, FRACTION)

    three = SOFTMAX.operands(rng, 3 * block)
    ragged = SOFTMAX.operands(rng, 2 * block + 3, lowest=-9, highest=-7)
    return [
        case("all_blocks", three, Row(0, 0, (0,)), Row(0, 1, (0, 1)), Row(0, 2, (0, 1, 2))),
        case("other_order", three, Row(1, 2, (2, 0)), Row(0, 2, (1,))),
        case("ragged", ragged, Row(0, 2, (0, 2))),
        case("one_token", SOFTMAX.operands(rng, 1), Row(0, 0, (0,))),
        case("one_key_block", three, Row(0, 1, (0,)), Row(1, 1, (0,)), Row(0, 2, (0,)), Row(1, 2, (0,))),
        case("saturating", SOFTMAX.extreme(2 * block, 127), Row(0, 1, (1, 0))),
    ]
