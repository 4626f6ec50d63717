"""Bytes of index generation for Llama-3.2-1B's KV heads: read from memory, held on chip by array, and not stored.

What is held on chip comes from the IR of the unit made for each length: its arrays, each at the width of its elements.
Bytes that are read are the words of the streams of the system of matrix unit and index generation; a test compares the
formula with the words of simulated starts.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import replace
from typing import Any

from xdsl.dialects import func, memref
from xdsl.dialects.builtin import MemRefType

from fastprefill.golden.mpu import Size as Array
from fastprefill.golden.mpu_sigu import size_for, traffic
from fastprefill.ir.query import array_name, width
from fastprefill.kernels import sigu
from fastprefill.system.build import build_unit

ARRAY, BLOCK, GROUP, HEAD_DIM = Array(16, 11, 5, 8, 2), 128, 4, 64
LENGTHS = (4_096, 32_768, 131_072)
LEAST_BYTES = 64
"""Smaller arrays are added up in one line."""


def state(longest: int) -> Counter[str]:
    """Stage and array -> bytes, of every instance."""
    size = replace(size_for(ARRAY, BLOCK, GROUP, LENGTHS[-1]), longest=longest)
    found: Counter[str] = Counter()
    for name, unit in sigu.units(size).items():
        module = build_unit(unit)
        for process in [op for op in module.ops if isinstance(op, func.FuncOp)]:
            for op in process.walk():
                if not isinstance(op, memref.AllocOp) or not isinstance(op.memref.type, MemRefType):
                    continue
                elements = 1
                for extent in op.memref.type.get_shape():
                    elements *= extent
                size_bytes = -(-elements * width(op.memref.type.element_type) // 8)
                small = size_bytes < LEAST_BYTES or not op.memref.type.get_shape()
                found["small arrays and variables" if small else f"{name}: {array_name(op.memref)}"] += size_bytes
    return found


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
