"""A 2 x 2 systolic array: four instances of one kernel joined by arrays of streams."""

import allo.dataflow as df
import numpy as np
from allo.ir.types import Stream, int8, int32

from fastprefill.system.case import Case
from fastprefill.system.unit import Unit

P = 2


@df.region()
def region(k: int32[1]):
    a: Stream[int8, 2][P, P + 1]
    b: Stream[int8, 2][P + 1, P]
    c: Stream[int32, 2][P, P]

    @df.kernel(mapping=[P, P], args=[k])
    def pe(lk: int32[1]):
        i, j = df.get_pid()
        acc: int32 = 0
        for step in range(lk[0]):
            x: int8 = a[i, j].get()
            y: int8 = b[i, j].get()
            acc += x * y
            a[i, j + 1].put(x)
            b[i + 1, j].put(y)
        c[i, j].put(acc)

    @df.kernel(mapping=[P], args=[k])
    def east(lk: int32[1]):
        r = df.get_pid()
        for step in range(lk[0]):
            x: int8 = a[r, P].get()

    @df.kernel(mapping=[P], args=[k])
    def south(lk: int32[1]):
        s = df.get_pid()
        for step in range(lk[0]):
            y: int8 = b[P, s].get()


def schedule(s) -> None:
    for kernel in ("pe", "east", "south"):
        s.pipeline(f"{kernel}:step", initiation_interval=1)


def unit() -> Unit:
    return Unit(
        "mesh",
        region,
        inputs=("a_0_0", "a_1_0", "b_0_0", "b_0_1"),
        outputs=("c",),
        schedule=schedule,
        operators={"pe:acc": "fabric"},
    )


def cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    result = []
    for k in (0, 1, 13):
        a = rng.integers(-128, 128, (P, k))
        b = rng.integers(-128, 128, (k, P))
        c = a @ b
        inputs = {f"a_{i}_0": a[i].tolist() for i in range(P)} | {
            f"b_0_{j}": b[:, j].tolist() for j in range(P)
        }
        outputs = {f"c_{i}_{j}": [int(c[i, j]) & 0xFFFFFFFF] for i in range(P) for j in range(P)}
        result.append(Case(f"k{k}", {"k": k}, inputs, outputs))
    return result
