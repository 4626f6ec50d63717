"""Turns of the matrix unit's array in an attention engine."""

from dataclasses import asdict

from fastprefill.golden import mpu
from fastprefill.golden.attention_size import Size
from fastprefill.kernels.attention import turns
from fastprefill.system.case import Case
from fastprefill.system.unit import Unit

SIZE = Size(rows=4, columns=4, k_parallel=2, drain_rows=2, dim=8, block=8)
ARRAY = mpu.Size(SIZE.rows, 0, SIZE.columns, SIZE.k_parallel, SIZE.drained)
TILES = 2 * SIZE.row_tiles * SIZE.key_tiles
"""Of a job: its scores, and as many of the weights with the values."""


def unit() -> Unit:
    return turns.unit(**asdict(SIZE))


def cases(seed: int) -> list[Case]:
    runs = {n: mpu.turn_words(ARRAY, n * TILES, SIZE.steps) for n in (1, 2, 7)}
    return [
        *(Case(f"jobs_{n}", {"jobs": n}, {}, {"turns": words}) for n, words in runs.items()),
        *(Case(f"refused_{n}", {"jobs": n}, {}, {"turns": []}) for n in (0, -1, 1 << 24)),
    ]
