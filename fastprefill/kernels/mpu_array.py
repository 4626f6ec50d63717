"""Several matrix units fed by one dispatcher, each in a super logic region of its own.

The units work on neighbouring tiles of one product: the same rows of A, different columns of B. So a word of A goes to
all of them, and each of them has words of B of its own. They share one module; what differs is where they are.
"""

from dataclasses import replace

import allo
import allo.dataflow as df
from allo.ir.types import Stream, UInt, int32

from fastprefill.errors import FastprefillError
from fastprefill.golden.mpu import Size
from fastprefill.kernels import mpu
from fastprefill.system.system import System
from fastprefill.system.unit import Unit

MOST = 8
"""Units that a dispatcher feeds."""

DEPTH = 2
"""Least words between the dispatcher and a matrix unit."""


def dispatcher(arrays: int, size: Size) -> Unit:
    """The unit that hands the operands out.

    Streams: ``a`` words of A as for one unit, ``b_n`` words of B for unit n; ``a_to_n`` and ``b_to_n`` go to unit n.
    Scalars as of a matrix unit: ``steps``, ``chain``, ``sums``; it hands out their product of words.
    """
    AWord = UInt(8 * size.k_parallel * size.rows)
    BWord = UInt(8 * size.k_parallel * size.columns)

    @df.region()
    def dispatch(steps: int32[1], chain: int32[1], sums: int32[1]):
        a: Stream[AWord, 2]
        b: Stream[BWord, 2][arrays]
        a_to: Stream[AWord, 2][arrays]
        b_to: Stream[BWord, 2][arrays]

        @df.kernel(mapping=[1], args=[steps, chain, sums])
        def hand_out(lsteps: int32[1], lchain: int32[1], lsums: int32[1]):
            for s in range(lsums[0]):
                for part in range(lchain[0]):
                    for step in range(lsteps[0]):
                        rows_of_a: AWord = a.get()
                        # All are taken before one is put: a get behind a put would be a loop of its own.
                        columns_of_b: BWord[arrays]
                        with allo.meta_for(arrays) as n:
                            columns_of_b[n] = b[n].get()
                        with allo.meta_for(arrays) as n:
                            a_to[n].put(rows_of_a)
                            b_to[n].put(columns_of_b[n])

    def schedule(s) -> None:
        s.partition("hand_out:columns_of_b", dim=0)
        s.pipeline("hand_out:step", initiation_interval=1)

    outputs = [f"{stream}_{n}" for n in range(arrays) for stream in ("a_to", "b_to")]
    return Unit(
        "dispatch",
        dispatch,
        inputs=("a", *(f"b_{n}" for n in range(arrays))),
        outputs=tuple(outputs),
        schedule=schedule,
        limits=mpu.LIMITS,
        parameters={"arrays": arrays},
    )


def system(
    arrays: int,
    rows: int,
    dsp_columns: int,
    lut_columns: int = 0,
    k_parallel: int = 1,
    drain_rows: int = 2,
    regions: int = 1,
) -> System:
    """`arrays` matrix units of one size and their dispatcher.

    Unit n is placed in super logic region n modulo `regions`, the dispatcher in region 0. Inputs ``a`` and ``b_0``,
    ``b_1``, ..., outputs ``c_0``, ``c_1``, ...; the scalars ``steps``, ``chain`` and ``sums`` go to all of them.

    Raises:
        FastprefillError: a number of units that is not 1 to 8, or a size that the packing cannot serve.
    """
    if not 1 <= arrays <= MOST or regions < 1:
        raise FastprefillError(
            f"{arrays} matrix units in {regions} regions; choose 1 to {MOST} units and at least 1 region"
        )
    size = Size(rows, dsp_columns, lut_columns, k_parallel, drain_rows)
    unit = mpu.unit(rows, dsp_columns, lut_columns, k_parallel, drain_rows)
    units = {"dispatch": dispatcher(arrays, size)}
    connections = []
    names = {"dispatch.a": "a"}
    for n in range(arrays):
        units[f"mpu{n}"] = replace(unit, slr=n % regions)
        connections += [(f"dispatch.{stream}_to_{n}", f"mpu{n}.{stream}", DEPTH) for stream in ("a", "b")]
        names |= {f"dispatch.b_{n}": f"b_{n}", f"mpu{n}.c": f"c_{n}"}
    names |= {f"{instance}.{scalar}": scalar for instance in units for scalar in mpu.LIMITS}
    return System("mpus", units, tuple(connections), {"arrays": arrays, **unit.parameters}, names)
