"""How jobs lie on the streams of the attention engine: cases from operands, with the results of ``golden.attention``.

Prompts are filled up to whole blocks, as records in memory are (``docs/layout.md``): codes 0, scale 128 * 2**-128.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprefill.golden import mpu
from fastprefill.golden.attention import CODE_BITS, HIDDEN, Heads, scores, weights
from fastprefill.golden.attention_size import Size
from fastprefill.golden.fixed_point import Int, shift_round
from fastprefill.golden.partial import CODE_FRACTION, WEIGHT_FRACTION, Partial, merge, normalise
from fastprefill.golden.products import product
from fastprefill.golden.scale import Codes, Scales
from fastprefill.golden.sfu_streams import scale_words
from fastprefill.golden.sfu_streams import words as element_words
from fastprefill.system.case import Case


@dataclass(frozen=True)
class Row:
    """The jobs of one query block of one head: key blocks in list order."""

    head: int
    query_block: int
    key_blocks: tuple[int, ...]


def padded(heads: Heads, block: int) -> Heads:
    """Operands of whole blocks."""
    missing = -heads.tokens % block

    def filled(codes: Codes) -> Codes:
        zeros = np.zeros((missing, *codes.values.shape[1:]), np.int8)
        shape = (missing, *codes.scales.mantissa.shape[1:])
        return Codes(
            np.concatenate([codes.values, zeros]),
            Scales(
                np.concatenate([codes.scales.mantissa, np.full(shape, 128)]),
                np.concatenate([codes.scales.exponent, np.full(shape, -128)]),
            ),
        )

    return Heads(filled(heads.q), filled(heads.k), filled(heads.v))


@dataclass(frozen=True)
class Tile:
    """A job, as its units see it.

    Attributes:
        diagonal: whether query block and key block are the same.
        q, k, v: codes [block, dim] and scales [block].
    """

    diagonal: bool
    q: Codes
    k: Codes
    v: Codes

    def products(self) -> NDArray[np.int32]:
        """Scores as the matrix unit gives them: int32 [block, block]."""
        return product(self.q.values, self.k.values.T).astype(np.int32)

    def weighed(self) -> tuple[Int, Int, Int, Int]:
        """Weights w and codes p [block, block], and the rows' exponents M and N."""
        t = scores(self.q, self.k)
        u = t + self.v.scales.log2().astype(np.int32)
        if self.diagonal:
            hidden = np.triu(np.ones(t.shape, bool), 1)
            t[hidden] = u[hidden] = HIDDEN
        masses, m = weights(t, WEIGHT_FRACTION)
        codes, n = weights(u, CODE_BITS)
        return masses.astype(np.int64), codes.astype(np.int64), m.astype(np.int64), n.astype(np.int64)

    def state(self) -> Partial:
        """The job's partial state."""
        masses, codes, m, n = self.weighed()
        sums = product((codes - 128).astype(np.int8), self.v.values) + 128 * self.sums()
        return Partial(m, masses.sum(axis=-1), n, shift_round(sums, CODE_BITS - CODE_FRACTION))

    def sums(self) -> Int:
        """Sums of the values' codes, [dim]."""
        total: Int = self.v.values.sum(axis=0, dtype=np.int64)
        return total


def tiles(heads: Heads, rows: Iterable[Row], block: int) -> list[Tile]:
    """The jobs of rows, in list order."""
    whole = padded(heads, block)
    result = []
    for row in rows:
        kv = row.head // whole.group
        at = slice(row.query_block * block, (row.query_block + 1) * block)
        for key_block in row.key_blocks:
            keys = slice(key_block * block, (key_block + 1) * block)
            operands = whole.q[at, row.head], whole.k[keys, kv], whole.v[keys, kv]
            result.append(Tile(key_block == row.query_block, *operands))
    return result


def matrix_words(matrix: NDArray[Any], size: Size, columns: int) -> list[int]:
    """Results [block, any] in the order in which the matrix unit drains them: row tiles, then tiles of `columns`."""
    width = matrix.shape[1]
    apart = matrix.reshape(size.row_tiles, size.rows, width // columns, columns).transpose(0, 2, 1, 3)
    return mpu.c_words(np.ascontiguousarray(apart).reshape(-1, size.rows, columns).astype(np.int32), size.drain_rows)


def operand_words(left: NDArray[np.int8], size: Size) -> list[list[int]]:
    """Words of stream `a` of the matrix unit for [block, k], a list for each row tile."""
    whole = mpu.Size(size.rows, 0, size.columns, size.k_parallel, size.drained)
    return [mpu.a_words(part[None], whole) for part in left.reshape(size.row_tiles, size.rows, -1)]


def row_words(m: Int, n: Int, weight: Int, drain_rows: int) -> list[int]:
    """M, N and l of rows, `drain_rows` rows to a word."""
    columns = (x.tolist() for x in (m, n, weight))
    joined = [(a & 65535) | (b & 65535) << 16 | c << 32 for a, b, c in zip(*columns, strict=True)]
    return element_words(np.array(joined, dtype=object), drain_rows, 64)


def softmax(name: str, jobs: Sequence[Tile], size: Size) -> Case:
    """A run of the softmax unit."""
    inputs: dict[str, list[int]] = {"job": [], "row_scale": [], "key_scale": [], "c": []}
    outputs: dict[str, list[int]] = {"a": [], "row": []}
    for job in jobs:
        masses, codes, m, n = job.weighed()
        inputs["job"].append(int(job.diagonal))
        inputs["row_scale"] += row_scale_words(job, size)
        inputs["key_scale"] += key_words(job, size)
        inputs["c"] += matrix_words(job.products(), size, size.columns)
        for words in operand_words((codes - 128).astype(np.int8), size):
            outputs["a"] += words * size.dim_tiles
        outputs["row"] += row_words(m, n, masses.sum(axis=-1), size.drain_rows)
    return Case(name, {"jobs": len(jobs)}, inputs, outputs)


def key_words(job: Tile, size: Size) -> list[int]:
    """Scales of keys (low half) and values (high half), `columns` keys to a word."""
    both = np.array(scale_words(job.k.scales)) | np.array(scale_words(job.v.scales)) << 16
    return element_words(both, size.columns, 32)


def value_products(job: Tile, size: Size) -> list[int]:
    """Products of the weights less 128 with the values, as the matrix unit drains them, part by part of the keys."""
    codes = (job.weighed()[1] - 128).astype(np.int8)
    parts = [slice(part * size.dim, (part + 1) * size.dim) for part in range(size.parts)]
    # [parts, row tiles, rows, dim tiles, columns]
    whole = np.stack([product(codes[:, part], job.v.values[part]) for part in parts]).astype(np.int32)
    apart = whole.reshape(size.parts, size.row_tiles, size.rows, size.dim_tiles, size.columns)
    ordered = np.ascontiguousarray(apart.transpose(1, 3, 0, 2, 4)).reshape(-1, size.rows, size.columns)
    return mpu.c_words(ordered, size.drain_rows)


def sum_words(job: Tile, size: Size) -> list[int]:
    """Sums of the values' codes, words of `columns` int16."""
    return element_words(job.sums(), size.columns, 16)


@dataclass(frozen=True)
class Block:
    """A query block and its jobs, in list order; at least one."""

    jobs: tuple[Tile, ...]

    def state(self) -> Partial:
        """What is left after all jobs."""
        state = Partial.empty(*self.jobs[0].q.values.shape)
        for job in self.jobs:
            state = merge(state, job.state())
        return state

    def flags(self) -> list[int]:
        """A byte for each job: bit 0 the diagonal, bit 1 the first, bit 2 the last."""
        last = len(self.jobs) - 1
        return [job.diagonal | (i == 0) << 1 | (i == last) << 2 for i, job in enumerate(self.jobs)]


def blocks(heads: Heads, rows: Iterable[Row], block: int) -> list[Block]:
    """The query blocks of rows."""
    return [Block(tuple(tiles(heads, [row], block))) for row in rows]


def accumulating(name: str, rows: Sequence[Block], size: Size) -> Case:
    """A run of the unit that holds the states."""
    inputs: dict[str, list[int]] = {"job": [], "value_sum": [], "row": [], "c": []}
    outputs: dict[str, list[int]] = {"head": [], "sums": []}
    for row in rows:
        inputs["job"] += row.flags()
        for job in row.jobs:
            masses, _, m, n = job.weighed()
            inputs["value_sum"] += sum_words(job, size)
            inputs["row"] += row_words(m, n, masses.sum(axis=-1), size.drain_rows)
            inputs["c"] += value_products(job, size)
        state = row.state()
        outputs["head"] += head_words(state)
        outputs["sums"] += element_words(state.o, size.columns, 32)
    return Case(name, {"jobs": sum(len(row.jobs) for row in rows), "blocks": len(rows)}, inputs, outputs)


def engine(name: str, rows: Sequence[Block], size: Size, fraction: int) -> Case:
    """A run of the whole engine, from operands to the rows of the result with `fraction` fraction bits."""
    jobs = [job for row in rows for job in row.jobs]
    flags = [flag for row in rows for flag in row.flags()]
    count = len(jobs)
    scalars = {
        "operands_jobs": count, "operands_blocks": len(rows), "operands_visits": count,
        "turns_jobs": count, "softmax_jobs": count,
        "accumulate_jobs": count, "accumulate_blocks": len(rows), **{f"{unit}_jobs": count for unit in size.halves},
        "normalise_blocks": len(rows), "normalise_fraction": fraction,
    }  # fmt: skip
    inputs = {
        "operands_count": [len(row.jobs) for row in rows],
        "operands_q": [word for row in rows for word in code_words(row.jobs[0].q, size)],
        "operands_k": [word for job in jobs for word in code_words(job.k, size)],
        "operands_v": [word for job in jobs for word in code_words(job.v, size)],
        "softmax_job": flags,
        "softmax_row_scale": [word for job in jobs for word in row_scale_words(job, size)],
        "softmax_key_scale": [word for job in jobs for word in key_words(job, size)],
        "accumulate_job": flags,
        "accumulate_value_sum": [word for job in jobs for word in sum_words(job, size)],
    }
    y = [word for row in rows for word in element_words(normalise(row.state(), fraction), size.columns, 24)]
    return Case(name, scalars, inputs, {"normalise_y": y})


def code_words(codes: Codes, size: Size) -> list[int]:
    """Codes [block, dim] token by token, words of `columns` codes."""
    return element_words(codes.values, size.columns, 8)


def row_scale_words(job: Tile, size: Size) -> list[int]:
    """Scales of the queries, `drain_rows` to a word."""
    return element_words(np.array(scale_words(job.q.scales)), size.drain_rows, 16)


def head_words(state: Partial) -> list[int]:
    """M, N and l of each row, 64 bits."""
    return row_words(state.m, state.n, state.l, 1)


def merging(name: str, left: Partial, right: Partial, lanes: int) -> Case:
    """A run of the merge unit on the rows of two states."""
    both = merge(left, right)
    return Case(
        name,
        {"rows": len(left.m), "words": left.o.shape[1] // lanes},
        {
            "left_head": head_words(left), "right_head": head_words(right),
            "left": element_words(left.o, lanes, 32), "right": element_words(right.o, lanes, 32),
        },
        {"head": head_words(both), "sums": element_words(both.o, lanes, 32)},
    )  # fmt: skip


def normalising(name: str, state: Partial, fraction: int, lanes: int) -> Case:
    """A run of the normalise unit, with blocks of one row, on the rows of a state."""
    return Case(
        name,
        {"blocks": len(state.m), "fraction": fraction},
        {"head": head_words(state), "sums": element_words(state.o, lanes, 32)},
        {"y": element_words(normalise(state, fraction), lanes, 24)},
    )
