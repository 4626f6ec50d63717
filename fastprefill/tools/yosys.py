"""Yosys: resources of generated SystemVerilog on UltraScale+, without a vendor tool.

Yosys comes from PyPI as the library ``pyosys``; it runs in a process of its own, so that a crash or a design that is
too large cannot take the caller with it.

What its counts mean, beside Vivado's: no register is absorbed into a DSP48E2 and no DSP cascade is built; carry chains
are CARRY4 (two make a CARRY8); inverters are free. Hierarchy is kept: each distinct module is synthesised once and
counted as often as it is instantiated.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from fastprefill import tools
from fastprefill.errors import FastprefillError
from fastprefill.tools import netlist, tiers

MEMORY_LIMIT = 12 << 30
"""Bytes of address space that a Yosys process may take."""

# Look-up tables that one distributed RAM or shift register takes (UG574, tables of CLB memory configurations).
_LUTRAM = {
    "RAM32X1S": 1, "RAM64X1S": 1, "RAM128X1S": 2, "RAM256X1S": 4, "RAM512X1S": 8,
    "RAM32X1D": 2, "RAM64X1D": 2, "RAM128X1D": 4, "RAM256X1D": 8,
    "RAM32M": 4, "RAM64M": 4, "RAM32M16": 8, "RAM64M8": 8, "RAM64X8SW": 8,
}  # fmt: skip
_SRL = {"SRL16E": 1, "SRLC16E": 1, "SRLC32E": 1}
_LUT = {"LUT1", "LUT2", "LUT3", "LUT4", "LUT5", "LUT6", "LUT6_2"}
_FF = {"FDRE", "FDSE", "FDCE", "FDPE"}
_FREE = {"INV", "BUFG", "GND", "VCC", "$scopeinfo"}  # merged into neighbours or not in the fabric
_OTHER = {
    "CARRY4": ("carry4", 1.0), "CARRY8": ("carry4", 2.0),
    "MUXF7": ("mux", 1.0), "MUXF8": ("mux", 1.0), "MUXF9": ("mux", 1.0),
    "DSP48E2": ("dsp", 1.0),
    "RAMB36E2": ("bram36", 1.0), "RAMB18E2": ("bram36", 0.5), "URAM288": ("uram", 1.0),
}  # fmt: skip

# A multiplication whose variable, register, operator or module carries (* use_dsp = "no" *) stays in fabric, as in
# Vivado. Yosys ignores that attribute, so its multiplications are found (also behind one register) and built as
# Booth multipliers before the DSP mapping sees them.
_REGISTERS = ":+".join(f"${kind}[D,Q]" for kind in ("dff", "dffe", "sdff", "sdffe", "sdffce"))
MARK_FABRIC = (
    "proc",
    "opt_clean",
    f"select -set fabric a:use_dsp=no %ci5:+$mul[Y]:+{_REGISTERS} t:$mul %i A:use_dsp=no t:$mul %i %u",
    'setattr -set use_dsp "no" @fabric',
)

_RUNNER = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[2]), int(sys.argv[2])))
from pyosys import libyosys
design = libyosys.Design()
for line in open(sys.argv[1]):
    libyosys.run_pass(line.strip(), design)
"""


@dataclass(frozen=True)
class Cells:
    """Primitives of one module or design. ``lut`` counts logic, distributed RAM and shift registers together."""

    lut: int = 0
    lutram: int = 0
    srl: int = 0
    ff: int = 0
    carry4: int = 0
    mux: int = 0
    dsp: int = 0
    bram36: float = 0.0
    uram: int = 0

    def __add__(self, other: Cells) -> Cells:
        return Cells(**{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(Cells)})

    def __mul__(self, count: int) -> Cells:
        return Cells(**{f.name: getattr(self, f.name) * count for f in fields(Cells)})


@dataclass(frozen=True)
class Module:
    """One distinct module: how often the design has it, and what one of it takes without what it instantiates."""

    name: str
    instances: int
    own: Cells


@dataclass(frozen=True)
class Resources:
    """What a design takes, synthesised by Yosys.

    Attributes:
        top: name of the top module.
        total: the whole design.
        modules: each distinct module, in the order of their names. Variants of a parameterised module are
            numbered: ``fp_fifo``, ``fp_fifo#2``.
        paths: depth and fan-out of the mapped design.
        seconds: wall-clock time of the synthesis.
        version: of Yosys.
    """

    top: str
    total: Cells
    modules: tuple[Module, ...]
    paths: netlist.Paths
    seconds: float = field(compare=False)
    version: str = ""

    def to_json(self) -> dict[str, object]:
        """A JSON object; ``source`` names where the numbers come from."""
        return {"source": f"synthesised by Yosys {self.version}, synth_xilinx -family xcup", **asdict(self)}

    def table(self) -> str:
        """The same as text, one row for each module and one for the total."""
        names = [f.name for f in fields(Cells)]
        rows = [["module", "count", *names]]
        for module in self.modules:
            rows.append([module.name, str(module.instances), *_figures(module.own)])
        rows.append([f"{self.top} (total)", "", *_figures(self.total)])
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        return "\n".join(
            "  ".join([row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))])
            for row in rows
        )


def synthesise(
    sv_files: Sequence[Path],
    top: str,
    *,
    use_uram: bool = True,
    parameters: Mapping[str, int | str] | None = None,
    timeout_s: float = 1800.0,
) -> Resources:
    """Map a design to UltraScale+ primitives and count them.

    Args:
        sv_files: SystemVerilog files.
        top: top module.
        use_uram: whether the part has URAM.
        parameters: values for parameters of the top module.
        timeout_s: seconds after which Yosys is stopped.

    Raises:
        FastprefillError: Yosys is missing, or the design cannot be read or mapped.
    """
    options = "-family xcup -noiopad -noclkbuf" + (" -uram" if use_uram else "")
    script = [
        *read_commands(sv_files, top, parameters),
        *MARK_FABRIC,
        f"synth_xilinx {options} -run begin:map_dsp",
        "booth t:$mul a:use_dsp=no %i",
        f"synth_xilinx {options} -run map_dsp:",
        "tee -q -o stat.json stat -json",
        "flatten -noscopeinfo",
        "opt_clean",
        "select A:top",
        "write_json -selected mapped.json",
    ]
    with tempfile.TemporaryDirectory(prefix="fastprefill-yosys-") as scratch:
        seconds = run_script(script, Path(scratch), timeout_s)
        statistics = json.loads((Path(scratch) / "stat.json").read_text())["modules"]
        paths = netlist.paths(json.loads((Path(scratch) / "mapped.json").read_text()))
    modules, total = _count(statistics, top)
    return Resources(top, total, modules, paths, round(seconds, 1), tools.TOOLS["yosys"].version())


def structure(
    sv_files: Sequence[Path],
    top: str,
    *,
    parameters: Mapping[str, int | str] | None = None,
    timeout_s: float = 600.0,
) -> netlist.Structure:
    """Latches, combinational loops and paths from a ready to a ready or valid, in every module of a design.

    Arguments and errors are those of ``synthesise``; nothing is mapped, so this is much quicker.
    """
    script = [*read_commands(sv_files, top, parameters), "proc", "write_json design.json"]
    with tempfile.TemporaryDirectory(prefix="fastprefill-yosys-") as scratch:
        run_script(script, Path(scratch), timeout_s)
        return netlist.structure(json.loads((Path(scratch) / "design.json").read_text()))


def read_commands(
    sv_files: Sequence[Path], top: str, parameters: Mapping[str, int | str] | None = None
) -> list[str]:
    """Yosys commands that read `sv_files` and make `top` the top module."""
    if not re.fullmatch(r"[A-Za-z_]\w*", top):
        raise FastprefillError(f"top module {top!r} is not an identifier")
    for file in sv_files:
        if not file.is_file():
            raise FastprefillError(f"there is no SystemVerilog file {file}")
    overrides = ""
    for name, value in (parameters or {}).items():
        if isinstance(value, str):  # -chparam reads numbers only; a string is the number of its characters
            value = f"{8 * len(value)}'h{value.encode().hex()}"
        overrides += f" -chparam {name} {value}"
    return [
        *(f'read_verilog -sv -defer "{file.resolve()}"' for file in sv_files),
        f"hierarchy -check -top {top}{overrides}",
    ]


def run_script(commands: Sequence[str], folder: Path, timeout_s: float) -> float:
    """Run Yosys commands in `folder`, in a process with limited memory; returns its seconds.

    Raises:
        FastprefillError: Yosys is missing, took too long, or reported an error, which the text repeats.
    """
    tools.find("yosys")
    script = folder / "script.ys"
    script.write_text("".join(command + "\n" for command in commands))
    done = tools.run(
        [sys.executable, "-c", _RUNNER, script.name, str(MEMORY_LIMIT)],
        cwd=folder,
        timeout_s=timeout_s,
        check=False,
    )
    if done.status != 0:
        raise FastprefillError(f"Yosys: {_reason(done)}")
    tiers.note("yosys")
    return done.seconds


def _reason(done: tools.Completed) -> str:
    errors = re.findall(r"^(?:.*?: )?ERROR: (.*)$", done.output, re.MULTILINE)
    if errors:
        where = re.findall(r"^(.*?:\d+): ERROR: ", done.output, re.MULTILINE)
        return f"{where[-1]}: {errors[-1]}" if where else errors[-1]
    if "bad_alloc" in done.output or "MemoryError" in done.output:
        return f"the design needs more than {MEMORY_LIMIT >> 30} GiB of memory"
    last = done.output.rstrip().splitlines()[-1:] or ["it printed nothing"]
    return f"ended with status {done.status}: {last[0]}"


def _count(statistics: Mapping[str, dict[str, dict[str, int]]], top: str) -> tuple[tuple[Module, ...], Cells]:
    """Own cells of each module, times the number of its instances."""
    cells = {name.removeprefix("\\"): data["num_cells_by_type"] for name, data in statistics.items()}
    own: dict[str, Cells] = {}
    for name, types in cells.items():
        own[name] = sum((_cell(kind, n) for kind, n in types.items() if kind not in cells), Cells())
    (root,) = (name for name in cells if _base(name) == top)
    instances: Counter[str] = Counter()

    def visit(name: str, times: int) -> None:
        instances[name] += times
        for kind, n in cells[name].items():
            if kind in cells:
                visit(kind, times * n)

    visit(root, 1)
    seen: Counter[str] = Counter()
    modules = []
    for name in sorted(instances, key=lambda n: (_base(n), -instances[n], n)):
        seen[_base(name)] += 1
        label = _base(name) if seen[_base(name)] == 1 else f"{_base(name)}#{seen[_base(name)]}"
        modules.append(Module(label, instances[name], own[name]))
    return tuple(modules), sum((m.own * m.instances for m in modules), Cells())


def _cell(kind: str, count: int) -> Cells:
    if kind in _LUT:
        return Cells(lut=count)
    if kind in _FF:
        return Cells(ff=count)
    if kind in _LUTRAM:
        return Cells(lut=_LUTRAM[kind] * count, lutram=_LUTRAM[kind] * count)
    if kind in _SRL:
        return Cells(lut=count, srl=count)
    if kind in _OTHER:
        name, each = _OTHER[kind]
        amount = each * count
        return Cells(bram36=amount) if name == "bram36" else Cells(**{name: int(amount)})
    if kind in _FREE:
        return Cells()
    raise FastprefillError(f"Yosys left {count} cells of type {kind!r}, whose size on the part is not known")


def _base(name: str) -> str:
    """Module name as written: ``$paramod$<digest>\\fp_fifo`` and ``$paramod\\fp_fifo\\W=8`` are ``fp_fifo``."""
    if name.startswith("$paramod"):
        return name.split("\\")[1]
    return name


def _figures(cells: Cells) -> list[str]:
    return [f"{value:g}" for value in asdict(cells).values()]
