"""Turns of the matrix unit's array, a tile at a time, as long as tiles come."""

import allo.dataflow as df
from allo.ir.types import Stream, UInt

from fastprefill.errors import FastprefillError
from fastprefill.golden.mpu import CLEAR, FEED, FINISH, OVER, PUT, Size, turn_bits
from fastprefill.kernels.mpu import leaving_turn
from fastprefill.system.unit import Unit

END, TILE, REST = range(3)
"""Words of the stream ``tiles``."""


def unit(array: Size, head_dim: int) -> Unit:
    """What the control of the matrix unit does, where nobody knows beforehand how many tiles there will be.

    Streams: ``tiles`` a `TILE` for every tile; a `REST` where the next one may have to wait for what the last one
    brings; an `END`, behind a rest. ``turns`` as ``kernels.mpu.array`` takes them. A tile leaves while the next one is
    computed, or in a rest, which has a turn more than it takes to leave, as a put waits for the turn behind its own.

    Raises:
        FastprefillError: tiles of one step.
    """
    STEPS, GROUPS = array.steps(head_dim), array.rows // array.drain_rows
    if STEPS < 2:
        raise FastprefillError(
            f"a head dimension of {head_dim} is one step of {array.k_parallel} elements; index generation takes tiles "
            "of 2 steps or more: choose a smaller k_parallel or drain_rows"
        )
    Turn, Step = UInt(turn_bits(array)), UInt(max(STEPS, GROUPS + 2).bit_length())
    select = leaving_turn(GROUPS)

    @df.region()
    def sigu_turns():
        tiles: Stream[UInt(2), 2]
        turns: Stream[Turn, 2]

        @df.kernel(mapping=[1])
        def by_tile():
            what: UInt(2) = REST
            first: UInt(1) = 1  # of a tile or rest
            selected: UInt(1) = 0  # a group of rows was selected in the turn before, and is put in this one
            leaving: UInt(1) = 0  # a tile is there to leave
            running: UInt(1) = 1
            step: Step = 0
            while running == 1:
                # when it ends follows from what was there before: it has two turns or more
                tile_ends: UInt(1) = first == 0 and what == TILE and step == STEPS - 1
                rest_ends: UInt(1) = first == 0 and what == REST and step == GROUPS + 1
                if first == 1:
                    what = tiles.get()
                running = what != END
                leaves: UInt(1) = leaving == 1 and step < GROUPS
                turn: Turn = select(leaves, step)
                turn[FEED] = what == TILE
                turn[OVER] = what == END
                turn[PUT] = selected
                turn[FINISH] = tile_ends
                turn[CLEAR] = tile_ends
                turns.put(turn)
                selected = leaves
                first = tile_ends | rest_ends
                if first == 1:
                    leaving = tile_ends
                    step = 0
                else:
                    step += 1

    return Unit(
        "sigu_turns", sigu_turns, inputs=("tiles",), outputs=("turns",),
        schedule=lambda s: s.pipeline("by_tile:while", initiation_interval=1),
    )  # fmt: skip
