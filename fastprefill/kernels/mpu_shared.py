"""One matrix unit for several users, one of them in each start: index generation, attention, projections.

    user 0: turns, a, b --+                         +--> c of user 0
                          +--> turns, a, b, array --+
    user 1: turns, a, b --+                         +--> c of user 1

A user says by its turns how long its run is, so nothing has to be counted here.
"""

from dataclasses import asdict

import allo
import allo.dataflow as df
from allo.ir.types import Stream, UInt, int32

from fastprefill.errors import FastprefillError
from fastprefill.golden.mpu import FEED, OVER, PUT, Size, turn_bits
from fastprefill.golden.mpu_shared import OPERANDS, RESULT, stream
from fastprefill.kernels import mpu
from fastprefill.system.system import System
from fastprefill.system.unit import Unit

MOST = 4
"""Users."""

AHEAD = 64
"""Results on their way that the array may have: more than it has stages."""


def share(users: int, size: Size) -> Unit:
    """What gives the array to one of its users.

    Streams in: ``turns_n``, ``a_n`` and ``b_n`` of user n, as the array takes them, and the array's ``c``. Out:
    ``turns``, ``a`` and ``b`` for the array, and ``c_n`` for user n. Scalar: ``user``, who has the array in this start.
    The start ends with the turn of that user that says so, when its results have gone.

    Raises:
        FastprefillError: a number of users that is not allowed.
    """
    if not 2 <= users <= MOST:
        raise FastprefillError(f"a matrix unit for {users} users; choose 2 to {MOST}")
    Turn = UInt(turn_bits(size))
    AWord, BWord = UInt(8 * size.k_parallel * size.rows), UInt(8 * size.k_parallel * size.columns)
    CWord = UInt(32 * size.drain_rows * size.columns)

    @df.region()
    def mpu_share(user: int32[1]):
        turns_of: Stream[Turn, 2][users]
        a_of: Stream[AWord, 2][users]
        b_of: Stream[BWord, 2][users]
        c_of: Stream[CWord, 2][users]
        turns: Stream[Turn, 2]
        a: Stream[AWord, 2]
        b: Stream[BWord, 2]
        c: Stream[CWord, 2]
        ends: Stream[UInt(1), AHEAD]  # 0 for each result that comes, 1 behind the last

        @df.kernel(mapping=[1], args=[user])
        def forward(luser: int32[1]):
            turn: Turn = 0  # the first one only brings the next, as in the array
            while turn[OVER] == 0:
                if turn[FEED] == 1:
                    aw: AWord = 0
                    bw: BWord = 0
                    with allo.meta_for(users) as n:
                        if luser[0] == n:
                            aw = a_of[n].get()
                            bw = b_of[n].get()
                    a.put(aw)
                    b.put(bw)
                if turn[PUT] == 1:
                    ends.put(0)
                following: Turn = 0
                with allo.meta_for(users) as m:
                    if luser[0] == m:
                        following = turns_of[m].get()
                turns.put(following)
                turn = following
            ends.put(1)

        @df.kernel(mapping=[1], args=[user])
        def back(luser: int32[1]):
            ended: UInt(1) = ends.get()
            while ended == 0:
                word: CWord = c.get()
                with allo.meta_for(users) as n:
                    if luser[0] == n:
                        c_of[n].put(word)
                ended = ends.get()

    def schedule(s) -> None:
        for loop in ("forward:while", "back:while"):
            s.pipeline(loop, initiation_interval=1)

    return Unit(
        "mpu_share",
        mpu_share,
        inputs=(*(f"{what}_of_{n}" for n in range(users) for what in OPERANDS), RESULT),
        outputs=(*OPERANDS, *(f"{RESULT}_of_{n}" for n in range(users))),
        schedule=schedule,
        limits={"user": (0, users - 1)},
        parameters={"users": users, **asdict(size)},
    )


def connections(of: str = "share", array: str = "mpu") -> tuple[tuple[str, str, int], ...]:
    """The streams between the unit and its array, by the names of the instances."""
    return (
        *((f"{of}.{what}", f"{array}.{what}", 2) for what in OPERANDS),
        (f"{array}.{RESULT}", f"{of}.{RESULT}", 2),
    )


def system(
    users: int,
    rows: int,
    dsp_columns: int,
    lut_columns: int = 0,
    k_parallel: int = 1,
    drain_rows: int = 2,
) -> System:
    """The array and what gives it to its users.

    Streams: ``turns_n``, ``a_n``, ``b_n`` and ``c_n`` of user n; scalar ``user``, who has the array in this start.

    Args:
        users: 2 to `MOST`.
        rows, dsp_columns, lut_columns, k_parallel, drain_rows: as for ``golden.mpu.Size``.

    Raises:
        FastprefillError: a size that the packing cannot serve, or a number of users that is not allowed.
    """
    size = Size(rows, dsp_columns, lut_columns, k_parallel, drain_rows)
    units = {"share": share(users, size), "mpu": mpu.array(size)}
    names = {
        f"share.{what}_of_{n}": stream(what, n) for n in range(users) for what in (*OPERANDS, RESULT)
    } | {"share.user": "user"}
    return System("mpu_shared", units, connections(), {"users": users, **asdict(size)}, names)
