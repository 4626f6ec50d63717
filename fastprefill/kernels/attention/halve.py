"""Words of one row of results, of the pairs of rows that the matrix unit drains.

Scores and products with the values leave the matrix unit in turns; each kind has a unit of this, which works on while
the other kind comes. So softmax and states take half as many results in a cycle and are half as large.
"""

import allo.dataflow as df
from allo.ir.types import Stream, UInt, int32

from fastprefill.errors import FastprefillError
from fastprefill.golden.attention_size import Size
from fastprefill.kernels.sfu.size import MOST_ROWS
from fastprefill.system.unit import Unit


def region(size: Size):
    """The dataflow region of an engine of a size; ``unit`` says what the streams are."""
    ROW = 32 * size.columns
    Pair, Row = UInt(2 * ROW), UInt(ROW)
    WORDS = size.row_tiles * size.key_tiles * size.rows

    @df.region()
    def halve(jobs: int32[1]):
        pairs: Stream[Pair, 2]
        rows: Stream[Row, 2]

        @df.kernel(mapping=[1], args=[jobs])
        def split(ljobs: int32[1]):
            pair: Pair = 0
            for n in range(ljobs[0]):
                for i in range(WORDS):
                    if i % 2 == 0:
                        pair = pairs.get()
                    rows.put(pair[ROW * (i % 2) : ROW * (i % 2) + ROW])

    return halve


def unit(rows: int, columns: int, k_parallel: int, drain_rows: int, dim: int, block: int) -> Unit:
    """Rows of an engine's results; the arguments are those of ``golden.attention_size.Size``, `drain_rows` is 1.

    Stream in: ``pairs``, for each job its scores, or its products with the values, as the matrix unit drains them. Out:
    ``rows``, the same, the first row of a pair first. Scalar: ``jobs``.

    Raises:
        FastprefillError: a size that the engine cannot serve.
    """
    size = Size(rows, columns, k_parallel, drain_rows, dim, block)
    if drain_rows != 1:
        raise FastprefillError(f"halve with drain_rows = {drain_rows}; it gives words of one row: choose 1")

    def schedule(s) -> None:
        s.pipeline("split:i", initiation_interval=1)

    return Unit(
        "halve",
        region(size),
        inputs=("pairs",),
        outputs=("rows",),
        schedule=schedule,
        limits={"jobs": (1, MOST_ROWS)},
        parameters={
            "rows": rows, "columns": columns, "k_parallel": k_parallel, "drain_rows": drain_rows, "dim": dim,
            "block": block,
        },
    )  # fmt: skip
