"""A system of two units: the matrix unit and a requantiser of its words, two rows of a tile, to int8."""

from dataclasses import asdict

import allo.dataflow as df
import numpy as np
from allo.ir.types import Stream, UInt, int8, int32

from fastprefill.golden import mpu as golden
from fastprefill.kernels.mpu import unit as mpu_unit
from fastprefill.system.case import Case
from fastprefill.system.system import System
from fastprefill.system.unit import Unit

SIZE = golden.Size(rows=4, dsp_columns=2, lut_columns=2, k_parallel=2, drain_rows=2)
WORD = SIZE.drain_rows * SIZE.columns
SHIFT = 8


def requantiser(elements: int) -> Unit:
    """``y = clip((x * scale + 128) >> 8, -128, 127)`` on words of `elements` int32."""
    XWord = UInt(32 * elements)
    YWord = UInt(8 * elements)

    @df.region()
    def region(scale: int32[1], words: int32[1]):
        x: Stream[XWord, 2]
        y: Stream[YWord, 2]

        @df.kernel(mapping=[1], args=[scale, words])
        def scale_words(lscale: int32[1], lwords: int32[1]):
            for w in range(lwords[0]):
                word: XWord = x.get()
                narrow: YWord = 0
                for j in range(elements, unroll=True):
                    element: int32 = word[32 * j : 32 * j + 32]
                    scaled = (element * lscale[0] + 128) >> SHIFT
                    clipped: int8 = min(max(scaled, -128), 127)
                    narrow[8 * j : 8 * j + 8] = clipped
                y.put(narrow)

    return Unit(
        "requant",
        region,
        inputs=("x",),
        outputs=("y",),
        schedule=lambda s: s.pipeline("scale_words:w", initiation_interval=1),
        operators={"scale_words:scaled": "dsp"},
        parameters={"elements": elements},
    )


def system() -> System:
    units = {"mpu": mpu_unit(**asdict(SIZE)), "quant": requantiser(WORD)}
    return System("mpu_requant", units, (("mpu.c", "quant.x", 4),))


def cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    result = []
    for tiles, k, scale in ((1, 1, 256), (2, 5, 3), (3, 16, 1)):
        a = rng.integers(-128, 128, (tiles, SIZE.rows, k)).astype(np.int8)
        b = rng.integers(-128, 128, (tiles, k, SIZE.columns)).astype(np.int8)
        base = golden.case("mpu", a, b, SIZE)
        exact = np.matmul(a.astype(np.int64), b.astype(np.int64)).reshape(-1, WORD)
        y = np.clip((exact * scale + 128) >> SHIFT, -128, 127).astype(np.int8)
        scalars = {f"mpu_{name}": value for name, value in base.scalars.items()}
        scalars |= {"quant_scale": scale, "quant_words": len(y)}
        inputs = {"mpu_a": base.inputs["a"], "mpu_b": base.inputs["b"]}
        result.append(Case(f"tiles{tiles}_k{k}", scalars, inputs, {"quant_y": golden.words(y)}))
    return result
