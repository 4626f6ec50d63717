"""Turns of the matrix unit's array, a tile at a time, as long as tiles come."""

import allo
import allo.dataflow as df
from allo.ir.types import Stream, UInt

from fastprefill.golden import mpu
from fastprefill.kernels.mpu import CLEAR, FEED, FINISH, GROUP, OVER, PUT, turn_bits
from fastprefill.system.unit import Unit


def unit(array: mpu.Size, head_dim: int) -> Unit:
    """What the control of the matrix unit does, where nobody knows beforehand how many tiles there will be.

    Streams: ``tiles`` a 1 for every tile, and a 0 at the end; ``turns`` as ``kernels.mpu.array`` takes them. A tile
    leaves while the next one is computed, the last one after the end.
    """
    STEPS, GROUPS = array.steps(head_dim), array.rows // array.drain_rows
    Turn, Step = UInt(turn_bits(array)), UInt(STEPS.bit_length())

    @df.region()
    def sigu_turns():
        tiles: Stream[UInt(1), 2]
        turns: Stream[Turn, 2]

        @df.kernel(mapping=[1])
        def by_tile():
            selected: UInt(1) = 0  # a group of rows was selected in the turn before, and is put in this one
            leaving: UInt(1) = 0  # a tile is there to leave
            running: UInt(1) = 1
            step: Step = 0
            while running == 1:
                if step == 0:
                    running = tiles.get()
                if running == 1:
                    turn: Turn = 0
                    turn[FEED] = 1
                    turn[PUT] = selected
                    selected = 0
                    if leaving == 1 and step < GROUPS:
                        selected = 1
                        with allo.meta_for(GROUPS) as g:
                            if step == g:
                                turn[GROUP + g] = 1
                    if step == STEPS - 1:
                        turn[FINISH] = 1
                        turn[CLEAR] = 1
                        leaving = 1
                        step = 0
                    else:
                        step += 1
                    turns.put(turn)
            for extra in range(GROUPS + 2):  # the last tile
                last: Turn = 0
                last[PUT] = selected
                selected = 1
                if extra == GROUPS + 1:
                    last[OVER] = 1
                with allo.meta_for(GROUPS) as g:
                    if extra == g:
                        last[GROUP + g] = 1
                turns.put(last)

    def schedule(s) -> None:
        for loop in ("while", "extra"):
            s.pipeline(f"by_tile:{loop}", initiation_interval=1)

    return Unit("sigu_turns", sigu_turns, inputs=("tiles",), outputs=("turns",), schedule=schedule)
