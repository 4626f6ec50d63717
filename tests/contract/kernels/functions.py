"""The elementary functions: a kernel for each, with streams of its own, all taking the same number of words."""

import allo.dataflow as df
import numpy as np
from allo.ir.types import Int, Stream, UInt, int32

from fastprefill.golden import functions as golden
from fastprefill.golden.functions.table import normalised
from fastprefill.kernels import functions
from fastprefill.kernels.functions import cosine, exp2, sigmoid, sine
from fastprefill.system.case import Case
from fastprefill.system.unit import Unit

normalise = functions.normalise(62)
log2 = functions.log2(62)
log2_narrow = functions.log2(8)
reciprocal = functions.reciprocal(32)
rsqrt = functions.rsqrt(48)
sqrt = functions.sqrt(33)
silu = functions.silu(12)
silu_fine = functions.silu(20)
silu_coarse = functions.silu(-3)


@df.region()
def region(n: int32[1]):
    angle: Stream[UInt(20), 2]
    argument: Stream[Int(24), 2]
    number: Stream[UInt(62), 2]
    exp2_y: Stream[UInt(16), 2]
    sine_y: Stream[Int(18), 2]
    cosine_y: Stream[Int(18), 2]
    sigmoid_y: Stream[UInt(17), 2]
    silu_y: Stream[Int(24), 2]
    silu_fine_y: Stream[Int(24), 2]
    silu_coarse_y: Stream[Int(24), 2]
    normalise_y: Stream[UInt(26), 2]
    log2_y: Stream[UInt(22), 2]
    log2_narrow_y: Stream[UInt(22), 2]
    reciprocal_y: Stream[UInt(23), 2]
    rsqrt_y: Stream[UInt(22), 2]
    sqrt_y: Stream[UInt(23), 2]

    @df.kernel(mapping=[1], args=[n])
    def circle(ln: int32[1]):
        for i in range(ln[0]):
            phase: UInt(20) = angle.get()
            exp2_y.put(exp2(phase[0:8]))
            sine_y.put(sine(phase))
            cosine_y.put(cosine(phase))

    @df.kernel(mapping=[1], args=[n])
    def logistic(ln: int32[1]):
        for i in range(ln[0]):
            x: Int(24) = argument.get()
            low: Int(22) = x
            sigmoid_y.put(sigmoid(low))
            silu_y.put(silu(x))
            silu_fine_y.put(silu_fine(x))
            silu_coarse_y.put(silu_coarse(x))

    @df.kernel(mapping=[1], args=[n])
    def numbers(ln: int32[1]):
        for i in range(ln[0]):
            m: UInt(62) = number.get()
            normalise_y.put(normalise(m))
            log2_y.put(log2(m))
            log2_narrow_y.put(log2_narrow(m[0:8]))
            reciprocal_y.put(reciprocal(m[0:32]))
            rsqrt_y.put(rsqrt(m[0:48]))
            sqrt_y.put(sqrt(m[0:33]))


INPUTS = ("angle", "argument", "number")
OUTPUTS = tuple(
    f"{name}_y"
    for name in (
        "exp2", "sine", "cosine", "sigmoid", "silu", "silu_fine", "silu_coarse", "normalise", "log2", "log2_narrow",
        "reciprocal", "rsqrt", "sqrt",
    )
)  # fmt: skip


def schedule(s) -> None:
    for kernel in ("circle", "logistic", "numbers"):
        s.pipeline(f"{kernel}:i", initiation_interval=1)


def unit() -> Unit:
    return Unit("functions", region, inputs=INPUTS, outputs=OUTPUTS, schedule=schedule)


def packed(low: np.ndarray, high: np.ndarray, bits: int) -> list[int]:
    """Two numbers in one word, `bits` bits for the low one."""
    return (low + (high << bits)).tolist()


def expected(angle: np.ndarray, argument: np.ndarray, number: np.ndarray) -> dict[str, list[int]]:
    """What the golden functions give, in the form of the helpers."""
    sines, cosines = golden.sincos(angle)
    short = (argument + (1 << 21) & (1 << 22) - 1) - (1 << 21)

    def silu(fraction: int) -> list[int]:
        return (golden.silu(argument, fraction) & (1 << 24) - 1).tolist()

    return {
        "exp2_y": golden.exp2(angle & 255)[0].tolist(),
        "sine_y": (sines & (1 << 18) - 1).tolist(),
        "cosine_y": (cosines & (1 << 18) - 1).tolist(),
        "sigmoid_y": golden.sigmoid(short).tolist(),
        "silu_y": silu(12),
        "silu_fine_y": silu(20),
        "silu_coarse_y": silu(-3),
        "normalise_y": packed(*normalised(number), 20),
        "log2_y": golden.log2(number).tolist(),
        "log2_narrow_y": golden.log2(number & 255).tolist(),
        "reciprocal_y": packed(*golden.reciprocal(number & (1 << 32) - 1), 17),
        "rsqrt_y": packed(*golden.rsqrt(number & (1 << 48) - 1), 17),
        "sqrt_y": packed(*golden.sqrt(number & (1 << 33) - 1), 18),
    }


def case(name: str, angle: np.ndarray, argument: np.ndarray, number: np.ndarray) -> Case:
    """Lists of one length each, unsigned 20 bits, signed 24 and unsigned 62."""
    inputs = {"angle": angle.tolist(), "argument": argument.tolist(), "number": number.tolist()}
    return Case(name, {"n": len(angle)}, inputs, expected(angle, argument, number))


def cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    count = 150
    powers = np.int64(1) << np.arange(62)
    corners = np.concatenate([powers, powers - 1, powers + (powers >> 1)])
    quarters = np.arange(16)[:, None] << 16 | np.array([0, 1, 1023, 1024, 65534, 65535])
    steps = (np.int64(1) << np.arange(24))[:, None] + np.array([-1, 0, 1])
    arguments = np.concatenate([[0], steps.ravel(), -steps.ravel()])
    arguments = np.clip(arguments, -(1 << 23), (1 << 23) - 1)
    size = rng.integers(1, 63, count)
    random = case(
        "random",
        rng.integers(0, 1 << 20, count),
        rng.integers(-(1 << 23), 1 << 23, count) >> rng.integers(0, 24, count),
        rng.integers(0, 1 << 62, count) >> 62 - size,
    )
    edges = case(
        "corners",
        np.resize(quarters, len(corners)), np.resize(arguments, len(corners)), corners,
    )  # fmt: skip
    none = np.zeros(0, np.int64)
    return [random, edges, case("none", none, none, none)]
