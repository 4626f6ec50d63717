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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fastprefill import resources, tools
from fastprefill.errors import FastprefillError
from fastprefill.tools import fan_out, netlist, tiers, timing_proxy
from fastprefill.tools.fan_out import FanOut
from fastprefill.tools.primitives import Cells, count
from fastprefill.tools.timing_proxy import Depth

MEMORY_LIMIT = 12 << 30
"""Bytes of address space that a Yosys process may take."""

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

# Copies of registers that divide the loads of one between them are marked; Yosys looks for the attribute on the cell of
# a register, and would merge them. The same holds for registers that are to stay flip-flops.
KEEP_COPIES = (
    f"select -set copies a:keep=true a:shreg_extract=no %u %ci1:+{_REGISTERS} t:$*dff* %i",
    "setattr -set keep 1 @copies",
)

_ADD_ORDER = "add_order.v"

ORDER_ADDITIONS = (
    "select -set chosen t:$mux t:$pmux",
    *(f"select -set chosen_{pin} @chosen %co1:+[Y] %co1:+$add[{pin}] t:$add %i" for pin in "AB"),
    f"techmap -map {_ADD_ORDER} @chosen_B @chosen_A %d",
    f"techmap -D SWAP -map {_ADD_ORDER} @chosen_A @chosen_B %d",
)
"""Of an addition with a multiplexer before one operand, the other one becomes A: see the file. Yosys would order
operands of equal width by chance. Subtractions are left as they are: A is what is subtracted from."""

_RUNNER = """
import sys
from pyosys import libyosys
design = libyosys.Design()
for line in open(sys.argv[1]):
    libyosys.run_pass(line.strip(), design)
"""


@dataclass(frozen=True)
class Module:
    """One distinct module of a design.

    Attributes:
        name: as written; variants of a parameterised module are numbered: ``fp_fifo``, ``fp_fifo#2``.
        instances: how often the design has it.
        own: what one of it takes without what it instantiates.
        depth: its longest paths, ports counted as ends.
        parts: instance name -> name of the module, for what it instantiates.
    """

    name: str
    instances: int
    own: Cells
    depth: Depth
    parts: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True)
class Resources:
    """What a design takes, synthesised by Yosys.

    Attributes:
        top: name of the top module.
        total: the whole design.
        modules: each distinct module, in the order of their names.
        depth: the longest paths between registers, through modules too.
        fan_out: the nets with most loads.
        seconds: wall-clock time of the synthesis.
        version: of Yosys.
    """

    top: str
    total: Cells
    modules: tuple[Module, ...]
    depth: Depth
    fan_out: FanOut
    seconds: float = field(compare=False)
    version: str = ""

    @property
    def source(self) -> str:
        """Where the numbers come from."""
        return f"synthesised by Yosys {self.version}, synth_xilinx -family xcup"


def synthesise(
    sv_files: Sequence[Path],
    top: str,
    *,
    use_uram: bool = True,
    parameters: Mapping[str, int | str] | None = None,
    timeout_s: float = 1800.0,
) -> Resources:
    """Map a design to UltraScale+ primitives, count them, and measure paths and loads.

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
        *read_commands(sv_files, top, parameters, primitives=True),
        f"synth_xilinx {options} -run begin:prepare",
        *MARK_FABRIC,
        *KEEP_COPIES,
        f"synth_xilinx {options} -run prepare:map_dsp",
        "booth t:$mul a:use_dsp=no %i",
        f"synth_xilinx {options} -run map_dsp:coarse",
        *ORDER_ADDITIONS,
        f"synth_xilinx {options} -run coarse:",
        "write_json -selected mapped.json",
    ]
    with tempfile.TemporaryDirectory(prefix="fastprefill-yosys-") as scratch:
        seconds = run_script(script, Path(scratch), timeout_s)
        modules = json.loads((Path(scratch) / "mapped.json").read_text())["modules"]
    (root,) = (name for name in modules if _base(name) == top)
    return _measured(modules, root, _Lines(), seconds)


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
    sv_files: Sequence[Path],
    top: str,
    parameters: Mapping[str, int | str] | None = None,
    *,
    primitives: bool = False,
) -> list[str]:
    """Yosys commands that read `sv_files` and make `top` the top module.

    Where a part instantiates a primitive for synthesis and has a behavioural model beside it (``ifdef SYNTHESIS``), the
    model is read, or with `primitives` the primitive, which is then looked up when Yosys' library has been read.
    """
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
    read, check = ("", "") if primitives else (" -nosynthesis", " -check")
    return [
        *(f'read_verilog -sv -defer{read} "{file.resolve()}"' for file in sv_files),
        f"hierarchy{check} -top {top}{overrides}",
    ]


def run_script(commands: Sequence[str], folder: Path, timeout_s: float) -> float:
    """Run Yosys commands in `folder`, in a process with limited memory; returns its seconds.

    Raises:
        FastprefillError: Yosys is missing, took too long, or reported an error, which the text repeats.
    """
    tools.find("yosys")
    script = folder / "script.ys"
    script.write_text("".join(command + "\n" for command in commands))
    (folder / _ADD_ORDER).write_text(resources.path(f"tools/techmap/{_ADD_ORDER}").read_text())
    done = tools.run(
        [sys.executable, "-c", _RUNNER, script.name],
        cwd=folder,
        timeout_s=timeout_s,
        check=False,
        memory=MEMORY_LIMIT,
    )
    if done.status != 0:
        raise FastprefillError(f"Yosys: {_reason(done)}{tools.full_disk()}")
    tiers.note("yosys")
    return done.seconds


def _reason(done: tools.Completed) -> str:
    errors = re.findall(r"^(?:.*?: )?ERROR: (.*)$", done.output, re.MULTILINE)
    if errors:
        where = re.findall(r"^(.*?:\d+): ERROR: ", done.output, re.MULTILINE)
        return f"{where[-1]}: {errors[-1]}" if where else errors[-1]
    if "bad_alloc" in done.output or "MemoryError" in done.output:
        return f"the design needs more than {MEMORY_LIMIT / 2**30:g} GiB of memory"
    last = done.output.rstrip().splitlines()[-1:] or ["it printed nothing"]
    return f"ended with status {done.status}: {last[0]}"


def _measured(
    modules: Mapping[str, Any], root: str, line_of: Callable[[str], str], seconds: float
) -> Resources:
    """Counts, paths and loads of a mapped design."""
    instances = _instances(modules, root)
    labels = _labels(instances)
    whole, local = timing_proxy.depths(modules, root, line_of)
    loads = fan_out.fan_out(modules, root, instances, line_of)
    found = []
    for name, label in labels.items():
        cells = modules[name]["cells"]
        kinds = Counter(cell["type"] for cell in cells.values() if cell["type"] not in modules)
        own = sum((count(kind, n) for kind, n in kinds.items()), Cells())
        parts = {i: labels[cell["type"]] for i, cell in cells.items() if cell["type"] in modules}
        found.append(Module(label, instances[name], own, local[name], parts))
    total = sum((module.own * module.instances for module in found), Cells())
    nets = tuple(replace(net, module=labels[net.module]) for net in loads.nets)
    version = tools.TOOLS["yosys"].version()
    return Resources(
        _base(root), total, tuple(found), whole, FanOut(nets, loads.above), round(seconds, 1), version
    )


def _instances(modules: Mapping[str, Any], root: str) -> Counter[str]:
    """How often the design has each module."""
    instances: Counter[str] = Counter({root: 1})
    for name in reversed(netlist.bottom_up(modules)):
        for cell in modules[name]["cells"].values():
            if cell["type"] in modules and instances[name]:
                instances[cell["type"]] += instances[name]
    return instances


def _labels(instances: Mapping[str, int]) -> dict[str, str]:
    """Yosys' name of each module -> ours, in the order of ours."""
    seen: Counter[str] = Counter()
    labels = {}
    for name in sorted((n for n in instances if instances[n]), key=lambda n: (_base(n), -instances[n], n)):
        seen[_base(name)] += 1
        labels[name] = _base(name) if seen[_base(name)] == 1 else f"{_base(name)}#{seen[_base(name)]}"
    return labels


class _Lines:
    """Lines of the kernel that our SystemVerilog names in its comments: on the net's line, or at the module's head."""

    def __init__(self) -> None:
        self.files: dict[str, list[str]] = {}

    def __call__(self, src: str) -> str:
        place = re.match(r"(.*?\.sv):(\d+)\.", src)
        if not place:
            return ""
        file, line = place[1], int(place[2])
        if file not in self.files:
            path = Path(file)
            self.files[file] = path.read_text(errors="replace").splitlines() if path.is_file() else []
        lines = self.files[file]
        for text in (*lines[line - 1 : line], *lines[:1]):
            if named := re.search(r"//.*?(\S+\.py:\d+(?:-\d+)?)", text):
                return named[1].rstrip(".")
        return ""


def _base(name: str) -> str:
    """Module name as written: ``$paramod$<digest>\\fp_fifo`` and ``$paramod\\fp_fifo\\W=8`` are ``fp_fifo``."""
    if name.startswith("$paramod"):
        return name.split("\\")[1]
    return name
