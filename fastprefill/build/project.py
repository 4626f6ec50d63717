"""A model or a kernel, a board and sizes -> the files of a project. Nothing is written and no tool is run here."""

from __future__ import annotations

import io
import json
import math
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import MemRefType, ModuleOp

from fastprefill import resources
from fastprefill.boards import Board
from fastprefill.build import deploy, in_memory
from fastprefill.build.kernel import Kernel, build
from fastprefill.build.manifest import GOLDEN, INTERPRETER, Source, UnitEntry, manifest
from fastprefill.build.plan import MANIFEST, BuildPlan
from fastprefill.build.steps import Steps
from fastprefill.config import Parameters
from fastprefill.errors import FastprefillError, counted
from fastprefill.golden import projection, quantise, reference
from fastprefill.ir.query import is_scalar_argument
from fastprefill.kernels import mpu, mpu_array
from fastprefill.models import Model
from fastprefill.system.case import Case
from fastprefill.system.ports import Ports, ports, top_region
from fastprefill.system.system import System
from fastprefill.system.unit import Unit

CASE = "layer0_q_proj"
TARGETS = ("hls", "rtl")
VECTOR_BYTES = 16 << 20
"""Most bytes of operands in the test vectors; a larger projection is cut."""


def plan(model: Model, tokens: NDArray[np.int64], parameters: Parameters, steps: Steps) -> BuildPlan:
    """The project for `model` on a board: C++, RTL, IR, registers, test vectors.

    Args:
        model: checkpoint, or a shape with random weights; its layer-0 query projection, or as much of it as
            `VECTOR_BYTES` hold, becomes the test vectors.
        tokens: int64 [tokens], the prompt.
        parameters: sizes and board.
        steps: times each step.
    """
    board, config = parameters.board, model.config
    with steps.step("kernel to IR"):
        unit = _matrix_units(parameters)
        module = build(unit)
        entry = UnitEntry(unit, ports(module))
    with steps.step("test vectors"):  # before the RTL, which takes longer: a weight may be unfit
        files, part = _vectors(model, tokens, parameters, entry.ports)
    files |= unit_files(unit.name, module, board, TARGETS, steps)
    shape = f"{config.model_type} ({config.layers} layers, hidden size {config.hidden})"
    shape += ", random weights" if model.drawn else ""
    details = {"model": asdict(config), "weights": "random" if model.drawn else "checkpoint"}
    source = Source(f"{parameters.title} for {shape}", details, parameters.as_dict())
    what = f"""- {_about(unit)}
- Model: {shape}; `vectors/{CASE}/` is its layer-0 query projection on a prompt, {part}, quantised to int8, cut into
  tiles."""
    if model.drawn:
        what += "\n- The weights were drawn at random: the vectors check the hardware and say nothing about the model."
    return _project(source, board, entry, TARGETS, [f"vectors/{CASE}"], GOLDEN, files, what)


def kernel_plan(
    kernel: Kernel, board: Board, targets: Sequence[str], seed: int, steps: Steps, frontend: str = "embedded"
) -> BuildPlan:
    """The project of a user's kernel: what `targets` emit, with test vectors.

    The vectors are the kernel's own cases; where it has none, random inputs with the interpreter's outputs, where
    those exercise the unit.

    Args:
        kernel: with one unit or system.
        board: clock, delays, resources, tool versions.
        targets: of `TARGETS`; none of them gives the IR alone.
        seed: of the cases.
        steps: times each step.
        frontend: see ``build_unit``.

    Raises:
        FastprefillError: a kernel outside the language, or one larger than the board; nothing is emitted then.
    """
    from fastprefill.build.cases import check_cases, random_cases

    unit = kernel.only()
    with steps.step("kernel to IR"):
        module = build(unit, frontend)
        module.verify()
    memory = unit.memory if isinstance(unit, System) else None
    files = unit_files(unit.name, module, board, targets, steps, streams=memory is None)
    if memory is not None and "hls" in targets:
        with steps.step("movers, memory and link"):
            played = kernel.memory_cases(seed) if kernel.memory_cases else []
            files |= in_memory.files(module, memory, played, board)
    expected = GOLDEN if kernel.cases else INTERPRETER
    found, cases = Ports(unit.name, {}, {}, {}), list[Case]()
    if all(
        is_scalar_argument(arg)
        for arg in top_region(module).body.block.args
        if isinstance(arg.type, MemRefType)
    ):
        found = ports(module)
        with steps.step("test vectors"):
            if kernel.cases:
                cases = kernel.cases(seed)
                check_cases(unit.name, cases, found)
            else:
                with suppress(FastprefillError):  # a unit that random inputs do not exercise gets no vectors
                    cases = random_cases(module, seed)
    for case in cases:
        files |= {f"vectors/{case.name}/{name}": text for name, text in _saved(case, found.widths).items()}
    given = ", ".join(f"{name} = {value}" for name, value in kernel.parameters.items())
    source = Source(
        f"{unit.name} of {kernel.name}" + (f" ({given})" if given else ""),
        {"kernel": {"name": kernel.name, "seed": seed}},
        kernel.parameters,
    )
    what = f"- Unit `{unit.name}` of `{kernel.name}`" + (f", {given}." if given else ".")
    if cases:
        what += f"\n- `vectors/`: {counted(len(cases), 'case')}; the expected outputs come from the {expected}."
    folders = [f"vectors/{case.name}" for case in cases]
    return _project(source, board, UnitEntry(unit, found), targets, folders, expected, files, what)


def unit_files(
    name: str, module: ModuleOp, board: Board, targets: Sequence[str], steps: Steps, *, streams: bool = True
) -> dict[str, bytes]:
    """IR of one unit; what `targets` emit from it; with ``rtl`` also its register map, shell and host header, and with
    both targets what takes it to the board, if `streams`: with a mover for each of its streams.

    Raises:
        FastprefillError: a target refuses the unit, or it is larger than the board; nothing is emitted then.
    """
    from fastprefill.estimate.unit import check_unit
    from fastprefill.ir.text import to_text
    from fastprefill.system import registers
    from fastprefill.targets import rtl, vitis_hls

    files = {f"ir/{name}.mlir": to_text(module).encode()}
    with steps.step("check for the targets"):
        check_unit(module, board)
        if "hls" in targets:
            vitis_hls.validate(module)
        if "rtl" in targets:
            rtl.validate(module)
    if "hls" in targets:
        with steps.step("Vitis HLS C++"):
            files |= _below("hls", vitis_hls.emit(module, board=board))
    if "rtl" in targets:
        with steps.step("RTL"):
            built = rtl.build(module, board)
            files |= _below("rtl", built.files)
            pipelines = [asdict(pipeline) for pipeline in built.pipelines]
            files["schedule.json"] = (json.dumps(pipelines, indent=1) + "\n").encode()
        with steps.step("registers, shell and host header"):
            register_map = registers.register_map(module)
            shell = registers.render_shell(module, register_map, status=registers.STATUS_OUTPUTS)
            files[f"rtl/{name}_shell.sv"] = shell.encode()
            files["rtl/fp_control.sv"] = resources.path("extern/sv/fp_control.sv").read_bytes()
            files["registers.json"] = (json.dumps(register_map, indent=1) + "\n").encode()
            files[f"host/{name}_registers.h"] = registers.host_header(register_map).encode()
    if streams and {"hls", "rtl"} <= set(targets):
        with steps.step("host programs and bitstream build"):
            files |= deploy.files(module, register_map, board)
    return files


def _matrix_units(parameters: Parameters) -> Unit | System:
    """The matrix unit, or the system of several with one dispatcher."""
    size = asdict(parameters.size)
    if parameters.arrays == 1:
        return mpu.unit(**size)
    return mpu_array.system(parameters.arrays, **size, regions=len(parameters.board.slrs))


def _about(unit: Unit | System) -> str:
    """A line of the project's README about what is built."""
    kind = "output-stationary int8 x int8 -> int32 matrix unit"
    if isinstance(unit, Unit):
        return f"Unit `{unit.name}`: {kind}."
    arrays = [name for name, part in unit.units.items() if part.name == "mpu"]
    places = ", ".join(f"`{name}` in SLR {unit.units[name].slr}" for name in arrays)
    return (
        f"System `{unit.name}`: {len(arrays)} times `mpu`, an {kind}\n"
        f"  ({places}), and `dispatch`, which hands each word of A to all of them and to each its words of B."
    )


def _project(
    source: Source, board: Board, entry: UnitEntry, targets: Sequence[str], vectors: Sequence[str], expected: str,
    files: Mapping[str, bytes], what: str,
) -> BuildPlan:  # fmt: skip
    whole = {**files, "README.md": _readme(source, board, entry.unit.name, files, what).encode()}
    whole[MANIFEST] = manifest(source, board, entry, targets, vectors, expected, whole)
    return BuildPlan(whole)


def _below(folder: str, texts: Mapping[str, str]) -> dict[str, bytes]:
    return {f"{folder}/{path}": text.encode() for path, text in texts.items()}


def _vectors(
    model: Model, tokens: NDArray[np.int64], parameters: Parameters, unit_ports: Ports
) -> tuple[dict[str, bytes], str]:
    """The quantised layer-0 query projection, or a corner of it, as a case, with what is needed to judge its error;
    and which part of it that is.
    """
    whole = projection.Shape(
        len(tokens), model.config.query_width, model.config.hidden, parameters.size, parameters.arrays
    )
    count, channels = _corner(whole)
    activations = reference.query_projection_input(model, tokens[:count])
    weights = model.weights.of_layer(0, "query")[:channels]
    x, w = quantise.rows(activations), quantise.rows(weights)
    case, shape = projection.case(CASE, x, w, parameters.size, parameters.arrays)
    exact = (activations.astype(np.float64) @ weights.astype(np.float64).T).astype(np.float32)
    files = {f"vectors/{CASE}/{name}": content for name, content in _saved(case, unit_ports.widths).items()}
    files[f"vectors/{CASE}/projection.json"] = (json.dumps(asdict(shape), indent=1) + "\n").encode()
    for name, array in (("token_scales", x.scales), ("channel_scales", w.scales), ("float32", exact)):
        files[f"vectors/{CASE}/{name}.npy"] = _npy(array)
    part = f"{count} tokens" + ("" if count == len(tokens) else f" of {len(tokens)}")
    part += f" by {channels} channels" + (
        "" if channels == model.config.query_width else f" of {model.config.query_width}"
    )
    return files, part


def _corner(whole: projection.Shape) -> tuple[int, int]:
    """How many of the tokens and channels of a projection, in whole tiles, make operands of at most `VECTOR_BYTES`."""
    tiles = max(1, VECTOR_BYTES // (whole.k * (whole.size.rows + whole.columns)))
    down = min(whole.token_tiles, max(math.isqrt(tiles), tiles // whole.channel_tiles))
    across = min(whole.channel_tiles, tiles // down)
    return min(whole.tokens, down * whole.size.rows), min(whole.channels, across * whole.columns)


def _saved(case: Case, widths: Mapping[str, int]) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as scratch:
        case.save(Path(scratch), widths)
        return {file.name: file.read_bytes() for file in sorted(Path(scratch).iterdir())}


def _npy(array: NDArray[np.float32]) -> bytes:
    out = io.BytesIO()
    np.save(out, array, allow_pickle=False)
    return out.getvalue()


def _readme(source: Source, board: Board, unit: str, files: Mapping[str, bytes], what: str) -> str:
    content = {
        "hls/": "C++ kernel for Vitis HLS, self-checking testbench, Tcl",
        "rtl/": f"vendor-neutral SystemVerilog: `{unit}.sv` is the unit, `{unit}_shell.sv` gives it AXI",
        "schedule.json": "initiation interval and stages of each pipeline of the RTL",
        "ir/": "the intermediate representation that everything was made from",
        "host/": "programs that send the vectors through the unit; register offsets, also as `registers.json`",
        "bitstream/": "what makes a bitstream: movers, Tcl, link configuration, Makefile",
        "memory/": "the system with its movers as a Vitis kernel, with a memory to test it on",
        "vectors/": "test vectors: inputs and expected outputs",
    }
    rows = [
        f"| `{name}` | {text} |"
        for name, text in content.items()
        if any(path == name or path.startswith(name) for path in files)
    ]
    table = "\n".join(["| here | content |", "|---|---|", *rows])
    return f"""# {source.title} on {board.title}

Generated by fastprefill. `manifest.json` says from what, and has the digest of every file.

{what}
- Board: {board.title}, part {board.part}, clock {board.clock_mhz:g} MHz. Status: {board.status}.

{table}

Check everything that can be checked on this machine, again, with `fastprefill verify .`
{in_memory.readme(unit, board, files) or deploy.readme(unit, board, files)}"""
