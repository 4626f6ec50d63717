"""The matrix unit and index generation as one system: from codes of keys and queries to the list of jobs."""

from __future__ import annotations

from dataclasses import asdict

from fastprefill.errors import FastprefillError
from fastprefill.golden import mpu
from fastprefill.golden.mpu_sigu import size_for
from fastprefill.kernels import mpu as matrix_unit
from fastprefill.kernels import sigu
from fastprefill.kernels.sigu_stages import feed, turns
from fastprefill.kernels.sigu_stages.decide import READERS
from fastprefill.kernels.sigu_stages.score import PRODUCT_BITS
from fastprefill.system.system import System

LARGEST_DIM = (1 << PRODUCT_BITS - 1) // 128**2 - 1
"""Elements of a key whose products with a query's always fit."""


def system(
    head_dim: int,
    rows: int,
    dsp_columns: int,
    lut_columns: int = 0,
    k_parallel: int = 8,
    drain_rows: int = 2,
    block: int = 128,
    group: int = 4,
    longest: int = 131_072,
    choices: int = 0,
    resident: int = 0,
) -> System:
    """A matrix unit of `rows` x (`dsp_columns` + `lut_columns`) whose tiles go into index generation.

    Inputs ``keys``, ``queries``, ``pooled_keys``, ``pooled_queries`` (words of the unit ``feed``), ``key_scales`` and
    ``query_scales``; outputs and scalars those of ``sigu.system``: how many tiles the matrix unit computes follows from
    the prompt.

    Raises:
        FastprefillError: a head dimension that the products' width does not hold, or another size that does not fit.
    """
    if not 1 <= head_dim <= LARGEST_DIM:
        raise FastprefillError(f"head_dim is {head_dim}; scores take products of 1 to {LARGEST_DIM} elements")
    array = mpu.Size(rows, dsp_columns, lut_columns, k_parallel, drain_rows)
    size = size_for(array, block, group, longest, choices)
    parts = sigu.units(size, READERS + 1)
    parts["feed"] = feed.unit(size, array, head_dim, resident)
    parts["turns"] = turns.unit(array, head_dim)
    parts["mpu"] = matrix_unit.array(array)
    connections = (
        *sigu.connections(size),
        ("feed.tiles", "turns.tiles", 2),
        ("turns.turns", "mpu.turns", 2),
        ("feed.a", "mpu.a", 2),
        ("feed.b", "mpu.b", 2),
        ("mpu.c", "score.products", 2),
        (f"decide.aware_{READERS}", "feed.aware", group),
    )
    names = sigu.names({name: part for name, part in parts.items() if name not in ("mpu", "turns")})
    names |= {f"feed.{name}": name for name in ("keys", "queries", "pooled_keys", "pooled_queries")}
    del names["score.products"]
    return System(
        "mpu_sigu", parts, connections, {**asdict(array), **asdict(size), "head_dim": head_dim}, names
    )
