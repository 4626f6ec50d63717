"""Moving sum of a stream: y[i] = x[i] + x[i-1] + ... + x[i-window+1], with zeros before the start."""

import allo.dataflow as df
import numpy as np
from allo.ir.types import Int, Stream, int16, int32

from fastprefill.system.case import Case
from fastprefill.system.unit import Unit


def region(window: int):
    """The dataflow region: one sample in and one sum out each cycle; windows of 2 samples and more."""
    if window < 2:
        raise ValueError(f"window is {window}; the sum is of at least 2 samples")
    Sum = Int(16 + window.bit_length())  # window * -2^15 still fits

    @df.region()
    def moving_sum(n: int32[1]):
        x: Stream[int16, 2]
        y: Stream[Sum, 2]

        @df.kernel(mapping=[1], args=[n])
        def add(ln: int32[1]):
            latest: int16[window] = 0
            total: Sum = 0
            for i in range(ln[0]):
                sample: int16 = x.get()
                total += sample - latest[window - 1]
                for j in range(window - 1, unroll=True):
                    latest[window - 1 - j] = latest[window - 2 - j]
                latest[0] = sample
                y.put(total)

    return moving_sum


def schedule(s) -> None:
    """The latest samples are registers: all of them move each cycle."""
    s.partition("add:latest", dim=0)
    s.pipeline("add:i", initiation_interval=1)


def unit(window: int = 4) -> Unit:
    """The unit: input stream ``x`` of int16, output stream ``y``, run-time scalar ``n``, the number of samples."""
    return Unit(
        name="moving_sum",
        region=region(window),
        inputs=("x",),
        outputs=("y",),
        schedule=schedule,
        parameters={"window": window},
    )


def golden(x: np.ndarray, window: int) -> np.ndarray:
    """The NumPy model: int64 [samples], whatever the window."""
    return np.convolve(x.astype(np.int64), np.ones(window, np.int64))[: len(x)]


def cases(seed: int, window: int = 4) -> list[Case]:
    """Inputs and what must come out, as bit patterns: random samples, the extreme ones, and no sample at all."""
    rng = np.random.default_rng(seed)
    samples = {
        "random": rng.integers(-(1 << 15), 1 << 15, 300),
        "lowest": np.full(3 * window, -(1 << 15)),
        "highest": np.full(3 * window, (1 << 15) - 1),
        "fewer_than_the_window": rng.integers(-5, 5, window - 1),
        "none": np.zeros(0, np.int64),
    }
    mask = (1 << 16 + window.bit_length()) - 1
    return [
        Case(
            name,
            scalars={"n": len(x)},
            inputs={"x": x.tolist()},
            outputs={"y": [int(total) & mask for total in golden(x, window)] if len(x) else []},
        )
        for name, x in samples.items()
    ]
