"""Turns of the matrix unit's array, a tile at a time, as long as tiles come."""

import allo
import allo.dataflow as df
from allo.ir.types import Stream, UInt

from fastprefill.golden import mpu
from fastprefill.kernels.mpu import CLEAR, FEED, FINISH, GROUP, OVER, PUT, turn_bits
from fastprefill.system.unit import Unit

END, TILE, REST = range(3)
"""Words of the stream ``tiles``."""


def unit(array: mpu.Size, head_dim: int) -> Unit:
    """What the control of the matrix unit does, where nobody knows beforehand how many tiles there will be.

    Streams: ``tiles`` a `TILE` for every tile; a `REST` where the next one may have to wait for what the last one
    brings; an `END`, behind a rest. ``turns`` as ``kernels.mpu.array`` takes them. A tile leaves while the next one is
    computed, or in a rest.
    """
    STEPS, GROUPS = array.steps(head_dim), array.rows // array.drain_rows
    Turn, Step = UInt(turn_bits(array)), UInt(max(STEPS, GROUPS + 2).bit_length())

    @df.region()
    def sigu_turns():
        tiles: Stream[UInt(2), 2]
        turns: Stream[Turn, 2]

        @df.kernel(mapping=[1])
        def by_tile():
            what: UInt(2) = REST
            selected: UInt(1) = 0  # a group of rows was selected in the turn before, and is put in this one
            leaving: UInt(1) = 0  # a tile is there to leave
            running: UInt(1) = 1
            step: Step = 0
            while running == 1:
                if step == 0:
                    what = tiles.get()
                running = what != END
                turn: Turn = 0
                turn[FEED] = what == TILE
                turn[OVER] = what == END
                turn[PUT] = selected
                selected = 0
                if leaving == 1 and step < GROUPS:
                    selected = 1
                    with allo.meta_for(GROUPS) as g:
                        if step == g:
                            turn[GROUP + g] = 1
                if what == TILE and step == STEPS - 1:
                    turn[FINISH] = 1
                    turn[CLEAR] = 1
                    leaving = 1
                    step = 0
                elif what == REST and step == GROUPS + 1:  # a put waits for the turn behind its own
                    leaving = 0
                    step = 0
                else:
                    step += 1
                turns.put(turn)

    return Unit(
        "sigu_turns", sigu_turns, inputs=("tiles",), outputs=("turns",),
        schedule=lambda s: s.pipeline("by_tile:while", initiation_interval=1),
    )  # fmt: skip
