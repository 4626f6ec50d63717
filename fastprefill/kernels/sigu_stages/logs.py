"""log2 of each row's sum of 2**score, one row a cycle."""

import allo.dataflow as df
from allo.ir.types import Int, Stream, UInt

from fastprefill.golden.sigu.rows import SUM_FRACTION
from fastprefill.golden.sigu.size import Size
from fastprefill.kernels.functions import log2
from fastprefill.kernels.sigu_stages.weigh import LOG_BITS, MAXIMUM_BITS, ROW_BITS, SUM_BITS
from fastprefill.system.unit import Unit


def unit(size: Size) -> Unit:
    """Logarithms of a start.

    Streams: ``sums``, ``logs`` as in the unit ``weigh``.
    """
    rows = size.rows
    Rows, Logs, Sum, Log = UInt(ROW_BITS * rows + 1), UInt(LOG_BITS * rows), UInt(SUM_BITS), Int(LOG_BITS)
    Maxima, Totals = UInt(MAXIMUM_BITS * rows), UInt(SUM_BITS * rows)
    log2_of_sum = log2(SUM_BITS)
    START = SUM_FRACTION << 16

    @df.region()
    def sigu_logs():
        sums: Stream[Rows, 2]
        logs: Stream[Logs, 2]

        @df.kernel(mapping=[1], args=[])
        def logarithms():
            running: UInt(1) = 1
            row: UInt(8) = 0
            maxima: Maxima = 0
            totals: Totals = 0
            result: Logs = 0
            while running == 1:
                if row == 0:
                    word: Rows = sums.get()
                    running = word[ROW_BITS * rows]
                    maxima = word[0 : MAXIMUM_BITS * rows]
                    totals = word[MAXIMUM_BITS * rows : ROW_BITS * rows]
                maximum: Int(MAXIMUM_BITS) = maxima[0:MAXIMUM_BITS]
                total: Sum = totals[0:SUM_BITS]
                fine: Int(24) = log2_of_sum(total) - START
                log: Log = maximum
                log = (log << 8) + ((fine + 128) >> 8)
                maxima = maxima >> MAXIMUM_BITS
                totals = totals >> SUM_BITS
                result = result >> LOG_BITS
                result[LOG_BITS * rows - LOG_BITS : LOG_BITS * rows] = log
                if row == rows - 1:
                    logs.put(result)
                    row = 0
                else:
                    row += 1

    return Unit(
        "sigu_logs", sigu_logs, inputs=("sums",), outputs=("logs",),
        schedule=lambda s: s.pipeline("logarithms:while", initiation_interval=1),
    )  # fmt: skip
