"""What looks out of bounds and is not must be accepted: subscripts under conditions, literals that mean bits."""

from pathlib import Path

import pytest

from fastprefill.errors import FastprefillError
from fastprefill.system.build import build_unit
from fastprefill.system.case import Case
from fastprefill.system.load import load
from fastprefill.targets import interpreter

HEAD = """
import allo.dataflow as df
from allo.ir.types import Stream, int8, int32, uint8

from fastprefill.system.unit import Unit

LIMIT = 127


@df.region()
def top(n: int32[1]):
    x: Stream[int32, 2]
    y: Stream[int32, 2]

    @df.kernel(mapping=[1], args=[n])
    def work(ln: int32[1]):
        a: int32[4] = 0
        for t in range(ln[0]):
            v: int32 = x.get()
"""
TAIL = """

def unit():
    return Unit("bounds", top, inputs=("x",), outputs=("y",))
"""


def run(folder: Path, body: str, *tokens: int) -> list[int]:
    file = folder / "bounds.py"
    file.write_text(HEAD + "".join(f"            {line}\n" for line in body.splitlines()) + TAIL)
    (unit,) = load(file)
    case = Case("case", {"n": len(tokens)}, {"x": list(tokens)})
    found = interpreter.run(build_unit(unit), case)["y"]
    return [token - (1 << 32) if token >> 31 else token for token in found]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("for i in range(5):\n    if i < 4:\n        a[i] = v + i\ny.put(a[3])", 10),
        ("for i in range(6):\n    for j in range(i - 2):\n        a[j] = v\ny.put(a[2])", 7),
        ("i: int32 = 0\nwhile i < 4:\n    a[i] = v + i\n    i += 1\ny.put(a[3])", 10),
        ("for i in range(0, 5, 3):\n    a[i] = v\ny.put(a[3])", 7),
        ("m: int8 = 0xFF\ny.put(m)", -1),
        ("m: int8 = 0b11111110\ny.put(m)", -2),
        ("m: int8 = LIMIT\ny.put(m)", 127),
        ("m: int8 = -128\ny.put(m)", -128),
        ("m: uint8 = 255\ny.put(m)", 255),
        ("m: uint8 = 256 - 1\ny.put(m)", 255),
    ],
)
def test_accepted(tmp_path: Path, body: str, expected: int) -> None:
    assert run(tmp_path, body, 7) == [expected]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (
            "for i in range(5):\n    a[i] = v\ny.put(v)",
            r":21:19: subscript i, from 0 to 4, of 'a' is outside",
        ),
        (
            "if v > 0:\n    for i in range(5):\n        a[i] = v\ny.put(v)",
            r":22:23: subscript i, from 0 to 4,",
        ),
        (
            "for i in range(2):\n    for j in range(3):\n        a[2 * i + j] = v\ny.put(v)",
            r"from 0 to 4, of 'a'",
        ),
        ("for i in range(4):\n    v += a[i - 1]\ny.put(v)", r"from -1 to 2, of 'a'"),
        ("m: int8 = 0x1FF\ny.put(m)", r":20:23: constant 511 does not fit 'm': int8 holds -128 to 127"),
        (
            "m: uint8 = -1\ny.put(m)",
            r"constant -1 does not fit 'm': uint8 holds 0 to 255; .* or write 255 for",
        ),
        ("m: int8 = 0\nm = 300\ny.put(m)", r":21:17: constant 300 does not fit 'm'"),
        ("a[0] = 3000000000\ny.put(v)", r"constant 3000000000 .* int32"),
        ("v[0:4] = 16\ny.put(v)", r"constant 16 does not fit 'v\[0:4\]': uint4 holds 0 to 15"),
    ],
)
def test_refused(tmp_path: Path, body: str, text: str) -> None:
    with pytest.raises(FastprefillError, match=text):
        run(tmp_path, body, 7)
