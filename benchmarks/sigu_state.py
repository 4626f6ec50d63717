"""Bytes of index generation for Llama-3.2-1B's KV heads: read from memory, held on chip by array, and not stored.

What is held on chip comes from the IR of the system made for each length, but for its matrix unit: its arrays, each at
the width of its elements, and its streams at their declared depth, to which the RTL adds the latency of a pipeline.
Bytes that are read are the words of the streams of the system of matrix unit and index generation; a test compares the
formula with the words of simulated starts.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import asdict, replace
from math import prod
from typing import Any

from xdsl.dialects import func, memref
from xdsl.dialects.builtin import MemRefType
from xdsl.ir import Attribute

from fastprefill.golden.mpu import Size as Array
from fastprefill.golden.mpu_sigu import size_for, traffic
from fastprefill.ir.dialect import BlocksType, CreateOp, StreamType
from fastprefill.ir.query import array_name, regions, width
from fastprefill.kernels import mpu_sigu, sigu
from fastprefill.system.build import build_unit
from fastprefill.system.system import link

ARRAY, BLOCK, GROUP, HEAD_DIM = Array(16, 11, 5, 8, 2), 128, 4, 64
LENGTHS = (4_096, 32_768, 131_072)
LEAST_BYTES = 64
"""Smaller arrays are added up in one line."""


def state(longest: int) -> Counter[str]:
    """Stage and array or stream -> bytes, of every instance but the matrix unit; streams at their declared depth."""
    size = replace(size_for(ARRAY, BLOCK, GROUP, LENGTHS[-1]), longest=longest)
    system = mpu_sigu.system(HEAD_DIM, **asdict(ARRAY), block=BLOCK, group=GROUP, longest=longest)
    found: Counter[str] = Counter()
    for name, unit in {**sigu.units(size), **{part: system.units[part] for part in ("feed", "turns")}}.items():
        module = build_unit(unit)
        for process in [op for op in module.ops if isinstance(op, func.FuncOp)]:
            for op in process.walk():
                if isinstance(op, memref.AllocOp) and isinstance(op.memref.type, MemRefType):
                    shape, size_bytes = op.memref.type.get_shape(), held(op.memref.type)
                    small = size_bytes < LEAST_BYTES or not shape
                    found["small arrays and variables" if small else f"{name}: {array_name(op.memref)}"] += size_bytes
                elif isinstance(op, CreateOp) and isinstance(op.stream.type, BlocksType):
                    blocks = op.stream.type
                    found[f"{name}: {op.stream_name.data}"] += blocks.depth.data * held(blocks.block_type)
    for op in regions(link(system))[-1].walk():
        if isinstance(op, CreateOp) and isinstance(op.stream.type, StreamType):
            kind = op.stream.type
            size_bytes = -(-kind.depth.data * width(kind.element_type) // 8)
            name = "small streams" if size_bytes < LEAST_BYTES else f"stream {op.stream_name.data}"
            found[name] += size_bytes
    return found


def held(array: MemRefType[Attribute]) -> int:
    """Bytes of an array."""
    return -(-prod(array.get_shape()) * width(array.element_type) // 8)


def main() -> int:
    """Print the tables."""
    results: list[dict[str, Any]] = []
    for tokens in LENGTHS:
        size = replace(size_for(ARRAY, BLOCK, GROUP, LENGTHS[-1]), longest=tokens)
        arrays = state(tokens)
        everything = -(-tokens // size.tile_keys)
        results.append(
            {
                "tokens": tokens,
                "read": traffic(tokens, HEAD_DIM, size, ARRAY, aware=2),
                "read_with_resident_keys": traffic(tokens, HEAD_DIM, size, ARRAY, aware=2, resident=everything),
                "state": dict(arrays.most_common()),
                "state_in_all": sum(arrays.values()),
                "of_it_block_bitmap": arrays["scan: pooled"],
                "of_it_in_front": sum(n for name, n in arrays.items() if name.startswith(("feed: ", "turns: "))),
                "of_it_streams": sum(n for name, n in arrays.items() if name.startswith(("stream ", "small streams"))),
                "score_strip_avoided": GROUP * BLOCK * tokens * 4,
            }
        )
        print(f"{tokens} tokens: {sum(arrays.values())} bytes on chip", file=sys.stderr, flush=True)
    print(
        json.dumps(
            {
                "benchmark": "sigu_state",
                "target": "none: one KV head, 4 query heads of 64 dimensions, 2 of them query-aware, KV260's unit",
                "met": True,
                "results": results,
            },
            indent=1,
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
