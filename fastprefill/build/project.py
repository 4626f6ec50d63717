"""A model, a board and sizes -> the files of a project. Nothing is written and no tool is run here."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import ModuleOp

from fastprefill import resources
from fastprefill.build.manifest import UnitEntry, manifest
from fastprefill.build.plan import MANIFEST, BuildPlan
from fastprefill.build.steps import Steps
from fastprefill.config import Parameters
from fastprefill.golden import projection, quantise, reference
from fastprefill.kernels import mpu
from fastprefill.models import Model
from fastprefill.system.case import Case
from fastprefill.system.ports import Ports, ports

CASE = "layer0_q_proj"
_STATUS = ("starved", "blocked")  # the counters that the RTL target's units feed


def plan(model: Model, tokens: NDArray[np.int64], parameters: Parameters, steps: Steps) -> BuildPlan:
    """The project for `model` on a board: C++, RTL, IR, registers, test vectors.

    Args:
        model: checkpoint; its layer-0 query projection becomes the test vectors.
        tokens: int64 [tokens], the prompt.
        parameters: sizes and board.
        steps: times each step.
    """
    from fastprefill.system.build import build_unit  # heavy imports, not needed by `fastprefill boards`

    files: dict[str, bytes] = {}
    with steps.step("kernel to IR"):
        unit = mpu.unit(parameters.rows, parameters.cols)
        module = build_unit(unit)
        entry = UnitEntry(unit, ports(module))
    files |= unit_files(unit.name, module, parameters, steps)
    with steps.step("test vectors"):
        files |= _vectors(model, tokens, parameters, entry.ports)
    files["README.md"] = _readme(model, parameters, unit.name).encode()
    files[MANIFEST] = manifest(parameters, model.folder.resolve().name, [entry], [f"vectors/{CASE}"], files)
    return BuildPlan(files)


def unit_files(name: str, module: ModuleOp, parameters: Parameters, steps: Steps) -> dict[str, bytes]:
    """IR, C++, RTL, register map and host header of one unit.

    Raises:
        KernelError: a target refuses the unit; nothing is emitted then.
    """
    from fastprefill.ir.text import to_text
    from fastprefill.system import registers
    from fastprefill.targets import rtl, vitis_hls

    files = {f"ir/{name}.mlir": to_text(module).encode()}
    with steps.step("check for the targets"):
        vitis_hls.validate(module)
        rtl.validate(module)
    with steps.step("Vitis HLS C++"):
        files |= _below("hls", vitis_hls.emit(module, board=parameters.board))
    with steps.step("RTL"):
        built = rtl.build(module, parameters.board)
        files |= _below("rtl", built.files)
        pipelines = [asdict(pipeline) for pipeline in built.pipelines]
        files["schedule.json"] = (json.dumps(pipelines, indent=1) + "\n").encode()
    with steps.step("registers, shell and host header"):
        register_map = registers.register_map(module)
        files[f"rtl/{name}_shell.sv"] = registers.render_shell(module, register_map, status=_STATUS).encode()
        files["rtl/fp_control.sv"] = resources.path("extern/sv/fp_control.sv").read_bytes()
        files["registers.json"] = (json.dumps(register_map, indent=1) + "\n").encode()
        files[f"host/{name}_registers.h"] = registers.host_header(register_map).encode()
    return files


def _below(folder: str, texts: Mapping[str, str]) -> dict[str, bytes]:
    return {f"{folder}/{path}": text.encode() for path, text in texts.items()}


def _vectors(
    model: Model, tokens: NDArray[np.int64], parameters: Parameters, unit_ports: Ports
) -> dict[str, bytes]:
    """The quantised layer-0 query projection as a case, with what is needed to judge its error."""
    activations = reference.query_projection_input(model, tokens)
    weights = model.weights.layer(0).query
    x, w = quantise.rows(activations), quantise.rows(weights)
    case, shape = projection.case(CASE, x, w, parameters.rows, parameters.cols)
    exact = (activations.astype(np.float64) @ weights.astype(np.float64).T).astype(np.float32)
    files = {f"vectors/{CASE}/{name}": content for name, content in _saved(case, unit_ports.widths).items()}
    files[f"vectors/{CASE}/projection.json"] = (json.dumps(asdict(shape), indent=1) + "\n").encode()
    for name, array in (("token_scales", x.scales), ("channel_scales", w.scales), ("float32", exact)):
        files[f"vectors/{CASE}/{name}.npy"] = _npy(array)
    return files


def _saved(case: Case, widths: Mapping[str, int]) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as scratch:
        case.save(Path(scratch), widths)
        return {file.name: file.read_bytes() for file in sorted(Path(scratch).iterdir())}


def _npy(array: NDArray[np.float32]) -> bytes:
    out = io.BytesIO()
    np.save(out, array, allow_pickle=False)
    return out.getvalue()


def _readme(model: Model, parameters: Parameters, unit: str) -> str:
    board, config = parameters.board, model.config
    return f"""# {unit} for {model.folder.resolve().name} on {board.title}

Generated by fastprefill. `manifest.json` says from what, and has the digest of every file.

- Unit `{unit}`: output-stationary int8 x int8 -> int32 matrix unit, {parameters.rows} x {parameters.cols} outputs.
- Board: {board.title}, part {board.part}, clock {board.clock_mhz:g} MHz. Status: {board.status}.
- Model: {config.model_type}, {config.layers} layers, hidden size {config.hidden}.

| folder | content |
|---|---|
| `hls/` | C++ kernel for Vitis HLS, self-checking testbench, Tcl |
| `rtl/` | SystemVerilog of the same kernel, vendor-neutral: `{unit}.sv` is the unit, `{unit}_shell.sv` gives it AXI |
| `schedule.json` | initiation interval and stages of each pipeline of the RTL |
| `ir/` | the intermediate representation that both were made from |
| `host/`, `registers.json` | register map: offsets for the host |
| `vectors/{CASE}/` | the checkpoint's layer-0 query projection on a prompt, quantised to int8, cut into tiles |

Check everything that can be checked on this machine, again, with `fastprefill verify .`
"""
