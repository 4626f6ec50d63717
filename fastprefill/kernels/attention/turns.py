"""Turns of the matrix unit's array in an attention engine: as many tiles as its jobs have, of one length."""

import allo.dataflow as df
from allo.ir.types import Stream, UInt, int32

from fastprefill.golden.attention_size import Size
from fastprefill.golden.mpu import CLEAR, FEED, FINISH, GROUP, OVER, PUT
from fastprefill.kernels.mpu import leaving_turn
from fastprefill.kernels.sfu.size import MOST_ROWS
from fastprefill.system.unit import Unit


def region(size: Size):
    """The dataflow region of an engine of a size; ``unit`` says what the stream is."""
    TILES, STEPS, GROUPS = 2 * size.row_tiles * size.key_tiles, size.steps, size.rows // size.drained
    Turn, select = UInt(GROUP + GROUPS), leaving_turn(GROUPS)

    @df.region()
    def attention_turns(jobs: int32[1]):
        turns: Stream[Turn, 2]

        @df.kernel(mapping=[1], args=[jobs])
        def of_jobs(ljobs: int32[1]):
            selected: UInt(1) = 0  # a group of rows was selected in the turn before, and is put in this one
            for n in range(ljobs[0]):
                for tile in range(TILES):
                    for step in range(STEPS):
                        # the tile before leaves while this one is computed
                        leaves: UInt(1) = (n > 0 or tile > 0) and step < GROUPS
                        turn: Turn = select(leaves, step)
                        turn[FEED] = 1
                        turn[PUT] = selected
                        turn[FINISH] = step == STEPS - 1
                        turn[CLEAR] = step == STEPS - 1
                        turns.put(turn)
                        selected = leaves
            for extra in range(GROUPS + 2):  # the last tile
                last: Turn = select(1, extra)
                last[PUT] = selected
                last[OVER] = extra == GROUPS + 1
                turns.put(last)
                selected = 1

    return attention_turns


def unit(rows: int, columns: int, k_parallel: int, drain_rows: int, dim: int, block: int) -> Unit:
    """What the control of the matrix unit does; the arguments are those of ``golden.attention_size.Size``.

    The number of tiles follows from the scalar ``jobs``, so none can be given that does not. Stream out: ``turns``, as
    ``kernels.mpu.array`` takes them.

    Raises:
        FastprefillError: a size that the engine cannot serve.
    """
    size = Size(rows, columns, k_parallel, drain_rows, dim, block)

    def schedule(s) -> None:
        for loop in ("of_jobs:step", "of_jobs:extra"):
            s.pipeline(loop, initiation_interval=1)

    return Unit(
        "attention_turns",
        region(size),
        inputs=(),
        outputs=("turns",),
        schedule=schedule,
        limits={"jobs": (1, MOST_ROWS)},
        parameters={
            "rows": rows, "columns": columns, "k_parallel": k_parallel, "drain_rows": drain_rows, "dim": dim,
            "block": block,
        },
    )  # fmt: skip
