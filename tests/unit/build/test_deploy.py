"""What takes a unit to a board: links, Tcl and steps agree; the host programs run on the C simulation."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from fastprefill import boards, tools
from fastprefill.build import deploy, movers
from fastprefill.build.kernel import build, load_kernel
from fastprefill.build.plan import changes, read_manifest
from fastprefill.cli import main
from fastprefill.errors import FastprefillError
from fastprefill.frontend import load_module
from fastprefill.system import System, registers
from fastprefill.system.ports import Ports, ports
from fastprefill.tools import csim, tiers, verilator

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "examples" / "moving-sum" / "moving_sum.py"
SIZES = {"moving-sum": (str(EXAMPLE), {"window": 4})}

# Scalars behind streams, streams of odd widths, a token wider than a word of memory.
ODD = """
import allo
import allo.dataflow as df
from allo.ir.types import Stream, UInt, int8, int32
from fastprefill.system.unit import Unit

Wide = UInt(600)
Odd = UInt(13)

@df.region()
def odd(count: int32[1]):
    x: Stream[Wide, 2]
    y: Stream[Odd, 2]
    z: Stream[int8, 2]

    @df.kernel(mapping=[1], args=[count])
    def cut(lcount: int32[1]):
        for i in range(lcount[0]):
            wide: Wide = x.get()
            low: Odd = wide[587:600]
            y.put(low)
            lowest: int8 = wide[0:8]
            z.put(lowest)

def unit():
    return Unit(name="odd", region=odd, inputs=("x",), outputs=("y", "z"))
"""


def made(board: str, kernel: str = "moving-sum") -> dict[str, str]:
    path, parameters = SIZES[kernel]
    module = build(load_kernel(path, parameters).only())
    files = deploy.files(module, registers.register_map(module), boards.load(board))
    return {name: content.decode() for name, content in files.items()}


def test_a_mover_for_each_stream() -> None:
    found = movers.movers(Ports("u", {}, {"a": 13, "b": 2048}, {"c": 96}), boards.load("u280"))
    assert [(m.name, m.memory, m.data_bits, m.word_bits, m.words, m.stride) for m in found] == [
        ("mm2s_a", "HBM[0]", 16, 32, 1, 4),
        ("mm2s_b", "HBM[1]", 2048, 512, 4, 256),
        ("s2mm_c", "HBM[2]", 96, 128, 1, 16),
    ]
    assert len({m.address for m in found}) == 3


def test_movers_share_the_ports_that_there_are() -> None:
    found = movers.movers(Ports("u", {}, {f"s{i}": 8 for i in range(6)}, {}), boards.load("kv260"))
    assert [m.memory for m in found] == ["HP[0]", "HP[1]", "HP[2]", "HP[3]", "HP[0]", "HP[1]"]


def test_a_stream_too_wide_for_axi() -> None:
    with pytest.raises(FastprefillError) as caught:
        movers.movers(Ports("u", {}, {"a": 4097}, {}), boards.load("u280"))
    assert str(caught.value) == (
        "stream 'a' of 'u' has tokens of 4097 bits; an AXI4-Stream takes at most 4096: make the unit smaller or split "
        "the stream"
    )


@pytest.mark.parametrize("board", boards.names())
def test_steps_make_what_the_next_ones_need(board: str) -> None:
    files = made(board)
    steps = tomllib.loads(files["bitstream/steps.toml"])
    there = {name.removeprefix("bitstream/") for name in files}
    for step in steps["step"]:
        assert set(step["needs"]) <= {*there, "../rtl/*.sv"}, step["name"]
        there.add(step["makes"])
    assert steps["result"] in there


def test_link_of_the_u280() -> None:
    files = made("u280")
    link, module = files["bitstream/link.cfg"], build(load_kernel(*SIZES["moving-sum"]).only())
    found = ports(module)
    kernels = re.findall(r"^nk=(\w+):1:\1_1$", link, re.MULTILINE)
    assert kernels[0] == found.name and len(kernels) == 1 + len(found.widths)
    for number, mover in enumerate(kernels[1:]):
        assert f"sp={mover}_1.memory:HBM[{number}]" in link
        assert f"slr={mover}_1:SLR0" in link
        assert f"void {mover}(" in files["bitstream/movers.cpp"]
    for stream in found.inputs:
        assert f"stream_connect=mm2s_{stream}_1.stream:{found.name}_1.{stream}:64" in link
    for stream in found.outputs:
        assert f"stream_connect={found.name}_1.{stream}:s2mm_{stream}_1.stream:64" in link
    assert "kernel_frequency=250" in link


def test_kernel_xml_has_the_registers() -> None:
    module = build(load_kernel("mpu", {"rows": 4, "dsp_columns": 4}).only())
    registers_of = registers.register_map(module)
    files = deploy.files(module, registers_of, boards.load("u280"))
    kernel = ElementTree.fromstring(files["bitstream/kernel.xml"]).find("kernel")
    assert kernel is not None
    arguments = {a.attrib["name"]: a.attrib for a in kernel.iter("arg")}
    for register in registers_of["registers"]:
        if register["kind"] == "argument":
            assert int(arguments[register["name"]]["offset"], 16) == register["offset"]
            assert arguments[register["name"]]["addressQualifier"] == "0"
    found = ports(module)
    for stream, bits in found.widths.items():
        assert arguments[stream]["addressQualifier"] == "4"
        port = next(p for p in kernel.iter("port") if p.attrib["name"] == stream)
        assert int(port.attrib["dataWidth"]) == (bits + 7) // 8 * 8
        assert port.attrib["mode"] == ("read_only" if stream in found.inputs else "write_only")
    assert [int(a["id"]) for a in arguments.values()] == list(range(len(arguments)))


def test_block_design_of_the_kv260() -> None:
    files = made("kv260")
    design, tcl = json.loads(files["host/design.json"]), files["bitstream/block_design.tcl"]
    for stream in design["streams"]:
        offset = f"-offset {stream['address']:#x} -range 64K"
        assert f"{offset} [get_bd_addr_segs -of_objects [get_bd_intf_pins {stream['mover']}/" in tcl
    assert f"-offset {design['address']:#x}" in tcl
    assert tcl.count("{") == tcl.count("}") and tcl.count("[") == tcl.count("]")
    assert f"CONFIG.NUM_MI {1 + len(design['streams'])}]" in tcl


def test_the_wrapper_passes_lint(tmp_path: Path) -> None:
    if not tools.available("verilator"):
        pytest.skip("verilator is not installed")
    project = written(tmp_path, "u280")
    (wrapper,) = (project / "bitstream").glob("*_ip.v")
    verilator.lint(
        {path.name: path.read_text() for path in [wrapper, *(project / "rtl").glob("*.sv")]}, wrapper.stem
    )


def test_a_board_named_after_another_folder_must_exist(tmp_path: Path) -> None:
    file = tmp_path / "odd.toml"
    text = (Path(boards.__file__).parent / "kv260.toml").read_text()
    file.write_text(text.replace('name = "kv260"', 'name = "odd"\nbuild = "zedboard"'))
    module = build(load_kernel("mpu", {"rows": 4, "dsp_columns": 4}).only())
    with pytest.raises(FastprefillError) as caught:
        deploy.files(module, registers.register_map(module), boards.load(str(file)))
    assert str(caught.value) == (
        "board 'odd' is built as 'zedboard', and bitstreams/ has no such folder; it has kv260, u280"
    )


def written(folder: Path, board: str, kernel: str | Path = EXAMPLE, *parameters: str) -> Path:
    """A project of a kernel."""
    given = parameters or ("window=4",) if kernel == EXAMPLE else parameters
    words = [word for value in given for word in ("--param", value)]
    result = CliRunner().invoke(
        main, ["compile", str(kernel), *words, "--board", board, "--out", str(folder / "project")]
    )
    assert result.exit_code == 0, result.output
    return folder / "project"


@pytest.fixture
def csim_here() -> None:
    if why := csim.missing():
        pytest.skip(why)
    if shutil.which("make") is None:
        pytest.skip("make is not installed")


def make(project: Path, *targets: str) -> subprocess.CompletedProcess[str]:
    tiers.note("g++")
    return subprocess.run(
        ["make", "-C", str(project / "host"), f"PYTHON={sys.executable}", *targets],
        capture_output=True, text=True, check=False, timeout=300, env=environment(),
    )  # fmt: skip


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "XILINX_HLS": "", "XILINX_VITIS": ""}


def host(project: Path, program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """run.py or run.cpp, which were built before."""
    command = [sys.executable, "run.py"] if program == "python" else ["build/run"]
    return subprocess.run(
        [*command, *map(str, arguments)],
        cwd=project / "host",
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def flip(file: Path, line: int) -> None:
    """Changes the lowest bit of a token."""
    lines = file.read_text().split()
    lines[line] = lines[line][:-1] + f"{int(lines[line][-1], 16) ^ 1:x}"
    file.write_text("\n".join(lines) + "\n")


@pytest.mark.slow
def test_host_programs_on_the_c_simulation(csim_here: None, tmp_path: Path) -> None:
    project = written(tmp_path, "kv260", "mpu", "rows=4", "dsp_columns=2", "lut_columns=2", "k_parallel=2")
    checked = make(project, "check")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    cases = sorted(path.name for path in (project / "vectors").iterdir())
    for case in cases:
        assert len(re.findall(rf"/{re.escape(case)}: c: \d+ tokens as expected", checked.stdout)) == 2
    assert checked.stdout.count("mpu on csim: equal to the golden vectors") == 2
    manifest = read_manifest(project)
    assert manifest is not None and not changes(project, manifest)

    largest = max((project / "vectors").iterdir(), key=lambda path: len((path / "c.hex").read_text()))
    for stream, line in (("c", -1), ("a", 0)):
        kept = (largest / f"{stream}.hex").read_text()
        flip(largest / f"{stream}.hex", line)
        for program in ("python", "C++"):
            result = host(project, program)
            assert result.returncode == 1, result.stdout + result.stderr
            assert f"{largest.name}: c differs first in token " in result.stdout
            assert result.stdout.endswith("mpu on csim: DIFFERENT\n")
        (largest / f"{stream}.hex").write_text(kept)
    for program in ("python", "C++"):
        assert host(project, program, largest).returncode == 0


@pytest.mark.slow
def test_odd_widths_and_signed_tokens_through_the_movers(csim_here: None, tmp_path: Path) -> None:
    kernel = tmp_path / "odd.py"
    kernel.write_text(ODD)
    rng = np.random.default_rng(5)
    tokens = [int.from_bytes(rng.bytes(75), "little") for _ in range(9)]
    project = written(tmp_path, "kv260", kernel)
    case = project / "vectors" / "own"
    case.mkdir(parents=True)
    (case / "case.json").write_text(json.dumps({"name": "own", "scalars": {"count": len(tokens)}}))
    (case / "x.hex").write_text("".join(f"{token:0150x}\n" for token in tokens))
    (case / "y.hex").write_text("".join(f"{token >> 587:04x}\n" for token in tokens))
    (case / "z.hex").write_text("".join(f"{token & 255:02x}\n" for token in tokens))
    design = json.loads((project / "host" / "design.json").read_text())
    assert {s["name"]: s["stride"] for s in design["streams"]} == {"x": 80, "y": 4, "z": 4}
    assert make(project, "csim").returncode == 0
    for program in ("python", "C++"):
        result = host(project, program, case)
        assert result.returncode == 0, result.stdout + result.stderr
        assert "own: y: 9 tokens as expected" in result.stdout


@pytest.mark.slow
def test_what_the_host_programs_say_when_they_cannot_run(csim_here: None, tmp_path: Path) -> None:
    project = written(tmp_path, "u280")
    before = host(project, "python")
    assert (before.returncode, before.stdout) == (2, "")
    assert re.fullmatch(r"run.py: there is no \S+/libcsim.so: run `make csim` in host/\n", before.stderr)
    assert make(project, "csim").returncode == 0
    shorter = next(iter(sorted((project / "vectors").iterdir())))
    streams = json.loads((project / "host/design.json").read_text())["streams"]
    (stream,) = [one["name"] for one in streams if not one["input"]]
    (shorter / f"{stream}.hex").write_text("0\n")
    for program in ("python", "C++"):
        short = host(project, program, shorter)
        assert short.returncode == 2 and f"stream {stream}: the unit gave " in short.stderr
        missing = host(project, program, "nowhere")
        assert missing.returncode == 2 and "nowhere/case.json" in missing.stderr
    card = host(project, "python", "--device", "card")
    assert card.returncode == 2 and "there is no bitstream " in card.stderr
    card = host(project, "C++", "--device", "card")
    assert card.returncode == 2 and "built without the card's driver" in card.stderr
    assert "unknown option --bits" in host(project, "C++", "--bits").stderr
    built = make(project, "card")
    assert built.returncode == 2 and "XRT is not installed" in built.stderr


def test_parts_and_movers_of_a_system_in_two_regions() -> None:
    crossing = load_module(ROOT / "tests" / "contract" / "kernels" / "slr_crossing.py")
    units = {"near": crossing.stage("near", 3, 1, 0), "far": crossing.stage("far", 5, 7, 1)}
    module = build(System("half", units, (("near.y", "far.x", 2),)))
    found = deploy.files(module, registers.register_map(module), boards.load("u280"))
    files = {name.removeprefix("bitstream/"): content.decode() for name, content in found.items()}
    assert re.findall(r"\*/unit/(\w+)\}|SLR_ASSIGNMENT SLR(\d)", files["slr.tcl"]) == [
        ("near", ""), ("", "0"), ("far", ""), ("", "1"),
    ]  # fmt: skip
    placed = dict(re.findall(r"^slr=(\w+)_1:SLR(\d)$", files["link.cfg"], re.MULTILINE))
    assert placed == {"mm2s_near_x": "0", "s2mm_far_y": "1"}  # the whole has no region of its own
    assert "OPT_DESIGN.TCL.PRE={here}/slr.tcl" in files["steps.toml"]
    assert "OPT_DESIGN.TCL.PRE=$(CURDIR)/slr.tcl" in files["Makefile"]


def test_more_streams_than_a_smartconnect_serves(tmp_path: Path) -> None:
    kernel = tmp_path / "many.py"
    names = [f"s{i}" for i in range(15)]
    lines = ["import allo", "import allo.dataflow as df", "from allo.ir.types import Stream, int8, int32"]
    lines += ["from fastprefill.system.unit import Unit", "@df.region()", "def many(count: int32[1]):"]
    lines += [f"    {name}: Stream[int8, 2]" for name in (*names, "total")]
    lines += ["    @df.kernel(mapping=[1], args=[count])", "    def add(lcount: int32[1]):"]
    lines += ["        for i in range(lcount[0]):", "            sum_: int8 = 0"]
    lines += [f"            sum_ += {name}.get()" for name in names] + ["            total.put(sum_)"]
    lines += [
        "def unit():",
        f"    return Unit(name='many', region=many, inputs={tuple(names)}, outputs=('total',))",
    ]
    kernel.write_text("\n".join(lines) + "\n")
    module = build(load_kernel(str(kernel), {}).only())
    assert deploy.files(module, registers.register_map(module), boards.load("u280"))
    with pytest.raises(FastprefillError) as caught:
        deploy.files(module, registers.register_map(module), boards.load("kv260"))
    assert str(caught.value) == (
        "'many' has 16 streams; on AMD Kria KV260 it can have at most 15, since one SmartConnect leads to the "
        "registers of the unit and of all movers"
    )
