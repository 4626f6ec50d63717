"""Special function unit: what is computed between two matrix products, a streaming unit for each operation.

Bit for bit ``golden/sfu.py``. All take a word of `lanes` elements in every cycle and give one in every cycle.
``docs/sfu.md`` has their streams, formats and figures.
"""

from fastprefill.kernels.sfu import dequantise, quantise, residual, rms_norm, rope, silu_up
from fastprefill.system.unit import Unit


def unit(lanes: int = 8, head_dim: int = 64, max_row: int = 4096) -> list[Unit]:
    """The six units, with rows of up to `max_row` elements.

    Raises:
        FastprefillError: a size that is not allowed.
    """
    words = -(-max_row // lanes)
    return [
        dequantise.unit(lanes, max_words=words),
        rms_norm.unit(lanes, max_words=words),
        rope.unit(lanes, head_dim),
        quantise.unit(lanes, max_words=words),
        silu_up.unit(lanes),
        residual.unit(lanes),
    ]
