"""The lower bound of a unit's resources: equal to Yosys' memories, never above its counts; and what is refused."""

from pathlib import Path

import pytest

from fastprefill import boards
from fastprefill.boards import Resources
from fastprefill.build.kernel import build
from fastprefill.errors import FastprefillError
from fastprefill.estimate.unit import check_unit, least, memory
from fastprefill.system.load import load
from fastprefill.targets import rtl
from fastprefill.tools import yosys

KEEP = """
import allo.dataflow as df
from allo.ir.types import Stream, UInt, int32
from allo.memory import Memory

from fastprefill.system.system import System
from fastprefill.system.unit import Unit


def keep(name, words, bits, resource, slr=0):
    T = UInt(bits)

    @df.region()
    def region(n: int32[1]):
        x: Stream[T, 2]
        y: Stream[T, 2]

        @df.kernel(mapping=[1], args=[n])
        def store(ln: int32[1]):
            kept: T[words] @ Memory(resource=resource)
            for i in range(words):
                kept[i] = x.get()
            for j in range(words):
                y.put(kept[j])

    return Unit(name, region, inputs=("x",), outputs=("y",), slr=slr)

"""


def module(tmp_path: Path, units: str):
    file = tmp_path / "keep.py"
    file.write_text(KEEP + units)
    (unit,) = load(file)
    return build(unit)


# words, bits, resource -> halves of block RAM, URAM; as Yosys 0.70 counted them
COUNTED = {
    (512, 72, "BRAM"): (2, 0),
    (512, 36, "BRAM"): (1, 0),
    (1024, 36, "BRAM"): (2, 0),
    (1024, 18, "BRAM"): (1, 0),
    (2048, 20, "BRAM"): (3, 0),
    (4096, 32, "BRAM"): (8, 0),
    (300, 8, "BRAM"): (1, 0),
    (5000, 7, "BRAM"): (3, 0),
    (8192, 72, "URAM"): (0, 2),
    (4096, 144, "URAM"): (0, 2),
    (100, 30, "URAM"): (0, 1),
}


@pytest.mark.parametrize("case", COUNTED)
def test_memories_as_yosys_counted_them(case: tuple[int, int, str]) -> None:
    words, bits, resource = case
    found = memory(bits, words, {"BRAM": "block", "URAM": "ultra"}[resource])
    assert (found["bram18"], found["uram"]) == COUNTED[case]


@pytest.mark.slow
@pytest.mark.parametrize(("words", "bits", "resource"), [(2048, 20, "BRAM"), (100, 40, "LUTRAM")])
def test_bound_against_yosys(tmp_path: Path, tool, words: int, bits: int, resource: str) -> None:
    tool("yosys")
    built = module(tmp_path, f"def unit():\n    return keep('keep', {words}, {bits}, '{resource}')\n")
    (bound,) = least(built).values()
    files = []
    for name, text in rtl.emit(built, boards.load("kv260")).items():
        (tmp_path / name).write_text(text)
        files.append(tmp_path / name)
    counted = yosys.synthesise(files, "keep").total
    assert bound.bram36 == -(-counted.bram36 // 1) and bound.uram == counted.uram
    assert 0 <= bound.lut <= counted.lut and bound.ff <= counted.ff
    assert (bound.lut > 0) == (resource == "LUTRAM")


def test_too_much_memory_is_refused_by_name(tmp_path: Path) -> None:
    built = module(tmp_path, "def unit():\n    return keep('keep', 1 << 20, 72, 'URAM')\n")
    with pytest.raises(FastprefillError) as caught:
        check_unit(built, boards.load("kv260"))
    assert str(caught.value) == (
        "'keep' does not fit board 'kv260': it needs at least 256 URAM where there are 64 (192 too many) (modelled); "
        "choose a smaller size or a larger board"
    )
    check_unit(built, boards.load("u280"))


def test_each_slr_is_checked_alone(tmp_path: Path) -> None:
    """Three units of 200 URAM fit the U280, and two of them in one SLR do not."""
    system = (
        "def system():\n"
        "    units = {f'u{i}': keep(f'keep{i}', 200 * 4096, 72, 'URAM', slr) for i, slr in enumerate(%s)}\n"
        "    return System('three', units)\n"
    )
    apart = module(tmp_path, system % "(0, 1, 2)")
    assert {slr: part.uram for slr, part in least(apart).items()} == {0: 200, 1: 200, 2: 200}
    check_unit(apart, boards.load("u280"))
    with pytest.raises(FastprefillError) as caught:
        check_unit(module(tmp_path, system % "(0, 2, 2)"), boards.load("u280"))
    assert str(caught.value).startswith(
        "'three' does not fit SLR 2 of board 'u280': it needs at least 400 URAM where there are 320 (80 too many)"
    )


def test_every_resource_is_named() -> None:
    from fastprefill.estimate.resources import check_fits

    small = Resources(lut=1, ff=2, dsp=3, bram36=4, uram=5)
    board = boards.load("kv260")
    needed = Resources(**{name: count + 10 for name, count in board.slrs[0].as_dict().items()})
    with pytest.raises(FastprefillError) as caught:
        check_fits("it", needed, board)
    for label in ("LUT", "FF", "DSP", "BRAM36", "URAM"):
        assert f" {label} where there are " in str(caught.value)
    assert str(caught.value).count("(10 too many)") == 5
    check_fits("it", small, board)
