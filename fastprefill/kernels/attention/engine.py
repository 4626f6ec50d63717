"""The attention engine: a matrix unit, what feeds it, softmax, the states of query blocks, their normalisation."""

from dataclasses import asdict

from fastprefill.golden.attention_size import Size
from fastprefill.golden.mpu import Size as MatrixSize
from fastprefill.kernels import mpu
from fastprefill.kernels.attention import accumulate, halve, normalise, operands, softmax, turns
from fastprefill.system.system import System
from fastprefill.system.unit import Unit

Connection = tuple[str, str, int]


def parts(size: Size, dsp_columns: int = 0, window: int = 1) -> dict[str, Unit]:
    """The units of an engine, for a system that it is part of; arguments as for ``system``."""
    engine = asdict(size)
    lut_columns = size.columns - dsp_columns
    return {
        "operands": operands.unit(**(engine | {"drain_rows": size.drained}), window=window),
        "turns": turns.unit(**engine),
        "mpu": mpu.array(MatrixSize(size.rows, dsp_columns, lut_columns, size.k_parallel, size.drained)),
        **(dict.fromkeys(size.halves, halve.unit(**engine)) if size.halves else {}),
        "softmax": softmax.unit(**engine),
        "accumulate": accumulate.unit(**engine, window=window),
        "normalise": normalise.unit(size.columns, size.block, size.dim_tiles),
    }


def connections(size: Size) -> tuple[Connection, ...]:
    """The streams between them."""
    if size.halves:
        # of a row tile's pairs half wait: they come in half of the time that they take
        waiting = size.key_tiles * size.groups // 4 + 2
        results: tuple[Connection, ...] = (
            ("operands.scores", "score_rows.pairs", waiting),
            ("operands.products", "product_rows.pairs", waiting),
            ("score_rows.rows", "softmax.c", 2),
            ("product_rows.rows", "accumulate.c", 2),
        )
    else:
        results = (("operands.scores", "softmax.c", 2), ("operands.products", "accumulate.c", 2))
    return (
        ("turns.turns", "mpu.turns", 2),
        ("operands.a", "mpu.a", 2),
        ("operands.b", "mpu.b", 2),
        ("mpu.c", "operands.c", 2),
        *results,
        ("softmax.a", "operands.weights", 2),
        # the rows of three row tiles: the one whose products arrive, and the two that the softmax is ahead
        ("softmax.row", "accumulate.row", 3 * size.groups),
        ("accumulate.head", "normalise.head", 2),
        ("accumulate.sums", "normalise.sums", 2),
    )


def system(
    rows: int,
    columns: int,
    k_parallel: int,
    drain_rows: int,
    dim: int,
    block: int,
    dsp_columns: int = 0,
    window: int = 1,
) -> System:
    """Jobs in list order, from operands of the matrix unit to the rows of the result.

    Inputs ``operands_count``, ``operands_q``, ``operands_k``, ``operands_v``, ``softmax_job``, ``softmax_row_scale``,
    ``softmax_key_scale``, ``accumulate_job``, ``accumulate_value_sum``, as the units describe them; output
    ``normalise_y``, rows of words of `columns` 24-bit integers. With a window larger than 1 ``operands_job`` and
    ``operands_uses`` take the place of ``operands_count``.

    Args:
        rows, columns, k_parallel, drain_rows, dim, block: as for ``golden.attention_size.Size``.
        dsp_columns: columns of the matrix unit that are built on DSP slices.
        window: query blocks, each of one head, whose jobs may be interleaved: their queries and states are on chip.

    Raises:
        FastprefillError: a size that the engine cannot serve.
    """
    size = Size(rows, columns, k_parallel, drain_rows, dim, block)
    parameters = {**asdict(size), "dsp_columns": dsp_columns, "window": window}
    return System("attention", parts(size, dsp_columns, window), connections(size), parameters)
