"""A design too large to be simulated as it was generated, made smaller: same generator, same number of arrays.

The smaller one has the arrays' kinds of columns, products in a cycle and regions of the board, and works on the first
rows of the project's own operands. Whoever uses it says so: a result at another size is labelled.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from fastprefill import boards, config
from fastprefill.build.kernel import build
from fastprefill.checks.project import Project, Projection, Vectors
from fastprefill.errors import FastprefillError
from fastprefill.golden import projection
from fastprefill.golden.mpu import Size
from fastprefill.golden.quantise import Quantised
from fastprefill.kernels import mpu, mpu_array
from fastprefill.system.ports import Ports, ports
from fastprefill.targets import rtl

LARGEST = 4096
"""Multiplications in a cycle up to which a design is simulated as it was generated."""

SIDE, TILES = 8, 4
"""Rows and columns of the smaller arrays; tiles of tokens that they work on."""


@dataclass(frozen=True)
class Reduced:
    """The smaller design.

    Attributes:
        title: what was generated, and what is simulated in its place.
        texts: its RTL by file name.
        ports: of its top.
        vectors: cases for it.
    """

    title: str
    texts: dict[str, str]
    ports: Ports
    vectors: list[Vectors]


def reduced(project: Project, vectors: list[Vectors]) -> Reduced | None:
    """The smaller design in place of a project's; None where the project's own can be simulated.

    Raises:
        FastprefillError: the project's board is none that comes with the package, whose delays are not known here.
    """
    shapes = [one.projection.shape for one in vectors if one.projection is not None]
    if not shapes or len(shapes) < len(vectors) or shapes[0].macs_per_cycle <= LARGEST:
        return None
    size, arrays = _smaller(shapes[0].size), shapes[0].arrays
    board = boards.load(project.manifest["board"]["name"])
    unit = (
        mpu.unit(**asdict(size))
        if arrays == 1
        else mpu_array.system(arrays, **asdict(size), regions=len(board.slrs))
    )
    module = build(unit)
    told = f"simulated {_named(arrays, size)}, generated {_named(arrays, shapes[0].size)}"
    return Reduced(told, rtl.emit(module, board), ports(module), [_cut(one, size) for one in vectors])


def _smaller(size: Size) -> Size:
    """An array of `SIDE` x `SIDE` with as many products per output, and as large a share of each kind of column."""
    lut = round(SIDE * size.lut_columns / size.columns)
    lut = min(max(lut, int(size.lut_columns > 0)), SIDE - int(size.dsp_columns > 0))
    return Size(SIDE, SIDE - lut, lut, size.k_parallel, config.drain_rows(SIDE, SIDE, size.k_parallel))


def _cut(one: Vectors, size: Size) -> Vectors:
    """The first tokens of a project's projection as a case of the smaller arrays."""
    stored = one.projection
    if stored is None:
        raise FastprefillError(f"case '{one.case.name}' is no projection")
    x, w = projection.operands(one.case.inputs, stored.shape)
    x = x[: TILES * size.rows]
    tokens, channels = len(x), len(w)
    case, shape = projection.case(
        one.case.name, Quantised(x, np.ones(tokens, np.float32)), Quantised(w, np.ones(channels, np.float32)),
        size, stored.shape.arrays,
    )  # fmt: skip
    cut = Projection(shape, stored.token_scales[:tokens], stored.channel_scales, stored.float32[:tokens])
    return Vectors(Path(one.folder), case, cut)


def _named(arrays: int, size: Size) -> str:
    kinds = f"{size.dsp_columns} DSP + {size.lut_columns} LUT columns"
    return f"{arrays} x ({size.rows} x {size.columns}: {kinds})"
