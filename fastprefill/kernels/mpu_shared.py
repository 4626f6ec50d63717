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

AHEAD = 32
"""Turns that the operands may be ahead of the results: more than the array has stages."""

WORD, LAST = range(2)
"""Bits of what is known of a turn where words pass."""


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
        # of every turn what concerns a, b and c: whether there is a word, and whether it ends the run
        rows: Stream[UInt(2), AHEAD]
        columns: Stream[UInt(2), AHEAD]
        results: Stream[UInt(2), AHEAD]

        # Each of these needs the turn behind the one that it does, as the array does; so nothing waits for it that the
        # array does not wait for, and all gets of a turn are before its puts.

        @df.kernel(mapping=[1], args=[user])
        def follow(luser: int32[1]):
            turn: Turn = 0
            while turn[OVER] == 0:
                with allo.meta_for(users) as n:
                    if luser[0] == n:
                        turn = turns_of[n].get()
                turns.put(turn)
                fed: UInt(2) = 0
                fed[WORD] = turn[FEED]
                fed[LAST] = turn[OVER]
                rows.put(fed)
                columns.put(fed)
                given: UInt(2) = 0
                given[WORD] = turn[PUT]
                given[LAST] = turn[OVER]
                results.put(given)

        @df.kernel(mapping=[1], args=[user])
        def operand_a(luser: int32[1]):
            turn: UInt(2) = 0
            while turn[LAST] == 0:
                word: AWord
                with allo.meta_for(users) as n:
                    if turn[WORD] == 1 and luser[0] == n:
                        word = a_of[n].get()
                following: UInt(2) = rows.get()
                if turn[WORD] == 1:
                    a.put(word)
                turn = following

        @df.kernel(mapping=[1], args=[user])
        def operand_b(luser: int32[1]):
            turn: UInt(2) = 0
            while turn[LAST] == 0:
                word: BWord
                with allo.meta_for(users) as n:
                    if turn[WORD] == 1 and luser[0] == n:
                        word = b_of[n].get()
                following: UInt(2) = columns.get()
                if turn[WORD] == 1:
                    b.put(word)
                turn = following

        @df.kernel(mapping=[1], args=[user])
        def back(luser: int32[1]):
            turn: UInt(2) = 0
            while turn[LAST] == 0:
                word: CWord
                if turn[WORD] == 1:
                    word = c.get()
                following: UInt(2) = results.get()
                with allo.meta_for(users) as n:
                    if turn[WORD] == 1 and luser[0] == n:
                        c_of[n].put(word)
                turn = following

    def schedule(s) -> None:
        for loop in ("follow:while", "operand_a:while", "operand_b:while", "back:while"):
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
