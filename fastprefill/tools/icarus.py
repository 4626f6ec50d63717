"""Icarus Verilog: a slow four-state run of a unit's testbench that shows X where Verilator has random bits."""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from fastprefill.errors import FastprefillError
from fastprefill.system.ports import Ports
from fastprefill.tools import TOOLS, _verilated, testbench
from fastprefill.tools.testbench import Build


def find() -> Path | None:
    """The ``iverilog`` program on PATH, None when it or ``vvp`` is not installed."""
    found = shutil.which("iverilog")
    return Path(found) if found and shutil.which("vvp") else None


def version() -> str:
    """Version such as ``"11.0"``, empty when it is missing."""
    return TOOLS["icarus"].version()


def missing() -> str | None:
    """What a four-state run lacks here, as a reason for skipping it; None when it can run."""
    if find() is None:
        return "iverilog is not on PATH"
    if importlib.util.find_spec("cocotb") is None:
        return "cocotb is not installed (pip install 'fastprefill[sim]')"
    return None


def build(rtl: Mapping[str, str], ports: Ports) -> Build:
    """Compile the testbench of a unit; run it with ``testbench.run``.

    Args:
        rtl: texts of the ``.sv`` files by name. Parts of ``extern/sv`` are found by themselves.
        ports: of the unit; `ports.name` is the top module.

    Raises:
        FastprefillError: a tool is missing, or the sources do not compile.
    """
    lacking = missing()
    if lacking is not None:
        raise FastprefillError(f"cannot build a four-state simulation of {ports.name!r}: {lacking}")
    import cocotb_tools.config as cocotb_config

    texts = {name: text for name, text in rtl.items() if name.endswith((".sv", ".v"))}
    bench = testbench.sources(ports)
    parts = {path.name: path.read_text() for path in sorted(testbench.parts_folder().glob("*.sv"))}
    key = repr([sorted(texts.items()), sorted(bench.items()), sorted(parts.items()), version()])
    target = _verilated.cached("icarus", key)
    program = target / "tb.vvp"
    began = time.monotonic()
    built = not program.exists()
    if built:
        target.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target, prefix="making-") as made:
            files = []
            for name, text in {**bench, **texts}.items():
                (Path(made) / name).parent.mkdir(parents=True, exist_ok=True)
                (Path(made) / name).write_text(text)
                files.append(name)
            _verilated.run(
                [str(find()), "-g2012", "-o", "tb.vvp", "-s", "tb", "-y", testbench.parts_folder(), "-Y", ".sv",
                 "-DFP_CHECKS", *files],
                cwd=Path(made), what="iverilog",
            )  # fmt: skip
            (Path(made) / "tb.vvp").replace(program)
    command = ("vvp", "-m", cocotb_config.lib_entry("vpi", "icarus"), str(program), "-none")
    seconds = time.monotonic() - began if built else 0.0
    return Build("icarus", target, ports, command, seconds, texts)
