"""C simulation with g++: builds a generated HLS folder against the open ap_int headers and our stream shim."""

from __future__ import annotations

import importlib.util
import re
import tempfile
from pathlib import Path

from fastprefill import resources, tools
from fastprefill.errors import FastprefillError
from fastprefill.tools import tiers

# da4ml's wheel carries Xilinx' HLS_arbitrary_Precision_Types (Apache-2.0); the package itself is not imported.
_HEADER_PACKAGE = "da4ml"
_HEADER_FOLDER = Path("codegen/hls/source/ap_types/include")

_MISMATCH, _DEADLOCK, _UNBALANCED = 1, 3, 4
_TIMEOUT_S = 600.0
_MEMORY = 8 << 30
"""Bytes of data of a simulation; those of whole prompts take tens of megabytes."""


def version() -> str:
    """The version of g++, ``"12.2.0"``, or ``""`` where it is not installed."""
    return tools.TOOLS["g++"].version()


def headers() -> Path:
    """The folder of ``ap_int.h``.

    Raises:
        FastprefillError: the package that carries the headers is not installed.
    """
    spec = importlib.util.find_spec(_HEADER_PACKAGE)
    for location in (spec.submodule_search_locations or []) if spec is not None else []:
        folder = Path(location) / _HEADER_FOLDER
        if (folder / "ap_int.h").is_file():
            return folder
    raise FastprefillError(
        "C simulation needs the ap_int headers that the da4ml wheel carries, and they are not installed: "
        "run `pip install 'fastprefill[sim]'` or `pip install --no-deps da4ml`"
    )


def missing() -> str | None:
    """Why the C simulation cannot run here, or None when it can."""
    if not tools.available("g++"):
        return f"g++ is not installed ({tools.TOOLS['g++'].install})"
    try:
        headers()
    except FastprefillError:
        return "the ap_int headers of da4ml are not installed (pip install 'fastprefill[sim]')"
    return None


def build(folder: Path) -> Path:
    """Compile the kernel and testbench of a generated HLS folder.

    Args:
        folder: what ``targets.vitis_hls.emit`` made.

    Returns:
        The program, ``<folder>/build/csim``.

    Raises:
        FastprefillError: no g++, no headers, no C++ files, or the first error of the compiler.
    """
    compiler = tools.find("g++")
    sources = sorted(folder.glob("*.cpp"))
    if not sources:
        raise FastprefillError(f"{folder} holds no C++ files: generate the unit first")
    program = folder / "build" / "csim"
    try:
        program.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise FastprefillError(
            f"{program.parent} cannot be made: {error.strerror}; C simulation builds there"
        ) from error
    command: list[str | Path] = [compiler, "-std=c++17", "-O1", "-w", *flags(), f"-I{folder}"]
    # One translation unit: most of the time goes into the headers, which are then read once.
    *included, last = sources
    for source in included:
        command += ["-include", source]
    answer = tools.run([*command, last, "-o", program], timeout_s=_TIMEOUT_S, check=False)
    if answer.status != 0:
        first = next(
            (line for line in answer.output.splitlines() if re.search(r"\berror\b", line)), "no message"
        )
        raise FastprefillError(f"{compiler.name} does not compile {folder}: {first.strip()}")
    return program


def run(program: Path, case_folder: Path) -> dict[str, list[int]]:
    """Run one case.

    Args:
        program: from ``build``.
        case_folder: what ``Case.save`` wrote.

    Returns:
        The tokens of each output stream as unsigned patterns, as they came, whether expected or not.

    Raises:
        FastprefillError: a deadlock (who waits for what), tokens that are left in a stream, or a case that the
            testbench cannot read.
    """
    with tempfile.TemporaryDirectory() as output:
        _started(program, case_folder, [output])
        return {
            path.stem: [int(line, 16) for line in path.read_text().split()]
            for path in sorted(Path(output).glob("*.hex"))
        }


def run_memory(program: Path, case_folder: Path) -> str:
    """Run a case of a system with its movers, whose testbench compares the memory itself.

    Args:
        program: from ``build``.
        case_folder: ``MemoryCase.files``.

    Returns:
        The first difference as a sentence, empty where there is none.

    Raises:
        FastprefillError: as for ``run``.
    """
    return _started(program, case_folder, [])


def _started(program: Path, case_folder: Path, arguments: list[str]) -> str:
    """Run a testbench on a case; returns what it says last when something differs."""
    answer = tools.run([program, case_folder, *arguments], timeout_s=_TIMEOUT_S, check=False, memory=_MEMORY)
    if "bad_alloc" in answer.output:
        raise FastprefillError(
            f"C simulation of {case_folder.name} was stopped at {_MEMORY / 2**30:g} GiB of memory: a kernel that "
            "never ends fills a stream or an output; look for a loop whose condition stays true"
        )
    last = (answer.output.strip().splitlines() or ["no message"])[-1]
    if answer.status in (_DEADLOCK, _UNBALANCED):
        raise FastprefillError(f"C simulation of {case_folder.name}: {last}")
    if answer.status not in (0, _MISMATCH):
        raise FastprefillError(f"C simulation of {case_folder.name} ended with status {answer.status}: {last}")
    tiers.note("g++")
    return last if answer.status == _MISMATCH else ""


def flags() -> list[str]:
    """Options of the compiler that find our stream shim and the ap_int headers.

    Raises:
        FastprefillError: the package that carries the headers is not installed.
    """
    return [f"-I{resources.path('sim') / 'csim' / 'include'}", "-isystem", str(headers())]


if __name__ == "__main__":  # the Makefile of a project's host programs asks for them
    print(*flags())
