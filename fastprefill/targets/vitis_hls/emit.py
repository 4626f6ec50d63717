"""A module as a Vitis HLS project: C++ kernel, header, self-checking testbench and Tcl."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import jinja2
from xdsl.dialects import memref
from xdsl.dialects.builtin import DenseIntOrFPElementsAttr, IntegerType, MemRefType, ModuleOp

from fastprefill import resources
from fastprefill.targets.vitis_hls import expressions as cxx
from fastprefill.targets.vitis_hls.channels import Module, analyse, is_region
from fastprefill.targets.vitis_hls.names import Names
from fastprefill.targets.vitis_hls.operations import source
from fastprefill.targets.vitis_hls.pragmas import check_line, pragma
from fastprefill.targets.vitis_hls.process import ProcessWriter
from fastprefill.targets.vitis_hls.region import (
    calls_in_order,
    interfaces,
    outside_limits,
    ports,
    refused_body,
    region_body,
)
from fastprefill.targets.vitis_hls.validate import validate
from fastprefill.targets.vitis_hls.variables import Place

_WIDTH = 110


class BoardLike(Protocol):
    """What of a board goes into the Tcl."""

    @property
    def name(self) -> str: ...
    @property
    def part(self) -> str: ...
    @property
    def clock_mhz(self) -> float: ...
    @property
    def tool_versions(self) -> Mapping[str, str]: ...


def emit(module: ModuleOp, *, board: BoardLike) -> dict[str, str]:
    """The HLS project of a module.

    Args:
        module: structured IR (``docs/ir.md``, sections 1 to 3).
        board: gives the part, the clock and the version of the vendor's tool.

    Returns:
        Text by path: ``<top>.cpp``, ``<top>.h``, ``<top>_tb.cpp``, ``run.tcl``. The same input gives the same
        bytes.

    Raises:
        FastprefillError: what ``validate`` refuses.
    """
    validate(module)
    found = analyse(module)
    top = found.top.sym_name.data
    scalars, inputs, outputs = ports(found)
    context: dict[str, object] = {
        **common(module, found, board),
        "top": top,
        "signature": signature(found, top),
        "scalars": scalars,
        "inputs": inputs,
        "outputs": outputs,
        "arguments": found.arguments[top],
        "vectors": "../vectors",
    }
    kernel = [*constants(module, found), *functions(module, found, _top)]
    files = {
        f"{top}.cpp": "\n".join([f'#include "{top}.h"', *kernel]) + "\n",
        f"{top}.h": render("kernel.h.j2", context),
        f"{top}_tb.cpp": render("testbench.cpp.j2", context),
        "run.tcl": render("run.tcl.j2", context),
    }
    check_pragmas(files[f"{top}.cpp"])
    return files


def common(module: ModuleOp, found: Module, board: BoardLike) -> dict[str, object]:
    """What the templates know of a module and a board, whatever its top is."""
    version = tool_version(board)
    return {
        "blocks": [block.declaration() for block in found.blocks],
        "locks": bool(found.blocks),
        "streams": any(
            channel.block is not None and channel.block.streams for channel in found.created.values()
        ),
        "max_width": _max_width(module, found),
        "cyclic": any(
            calls_in_order(found, function)[1] for function in found.functions.values() if is_region(function)
        ),
        "board": board.name,
        "part": board.part,
        "period": f"{1000 / board.clock_mhz:.3f}",
        "version": version,
        "command": tool_command(version),
    }


def check_pragmas(text: str) -> None:
    """Refuse C++ with a pragma that is not in the table."""
    for line in text.splitlines():
        if line.lstrip().startswith("#pragma HLS"):
            check_line(line)


def tool_version(board: BoardLike) -> str:
    """The version of Vitis that the board's project is for."""
    return board.tool_versions.get("vitis_hls") or board.tool_versions.get("vitis") or "2024.2"


def tool_command(version: str) -> str:
    """How that version runs a Tcl file: ``vitis_hls`` is deprecated from 2024.1 on and gone in 2025.1."""
    year, _, minor = version.partition(".")
    if (int(year), int(minor or 0)) >= (2024, 1):
        return "vitis-run --mode hls --tcl run.tcl"
    return "vitis_hls -f run.tcl"


def signature(module: Module, name: str, shown: str = "") -> str:
    """``void name(parameters)``, broken over lines when it is long; `shown` replaces the name."""
    parameters = [argument.parameter() for argument in module.arguments[name]]
    shown = shown or name
    line = f"void {shown}({', '.join(parameters)})"
    if len(line) <= _WIDTH - 8:
        return line
    return f"void {shown}(\n    " + ",\n    ".join(parameters) + ")"


def functions(module: ModuleOp, found: Module, top: Callable[[Module, set[str]], list[str]]) -> list[str]:
    """All functions, callees first; `top` writes a region that is the top, given the names that are taken."""
    places = {op.sym_name.data: _constant_place(op, name) for op, name in _constant_names(module, found)}
    taken = {*found.functions, *(place.text for place in places.values())}
    lines = []
    for name, function in found.functions.items():
        src = source(function) or next((s for op in function.walk() if (s := source(op))), None)
        lines.append("")
        if src is not None and not is_region(function):
            lines.append(f"// {src.rsplit(':', 1)[0] if src.count(':') > 1 else src}")
        if function is found.top and is_region(function):
            lines += top(found, taken)
            continue
        prefix = "" if function is found.top else "static "
        lines.append(f"{prefix}{signature(found, name)} {{")
        if is_region(function):
            lines += region_body(found, function)
        else:
            lines += ProcessWriter(function, found.arguments[name], places).write()
        lines.append("}")
    return lines


def inner_top(found: Module, inner: str) -> list[str]:
    """The top as a dataflow region without interfaces, named `inner`."""
    name = found.top.sym_name.data
    return [
        f"static {signature(found, name, inner)} {{",
        pragma("INLINE", off=True),
        *region_body(found, found.top),
        "}",
    ]


def _top(found: Module, taken: set[str]) -> list[str]:
    """The top: a dataflow region, called by a function that checks the scalars where these have limits."""
    name = found.top.sym_name.data
    head = f"{signature(found, name)} {{"
    refused = outside_limits(found)
    if not refused:
        return [head, *interfaces(found), *region_body(found, found.top), "}"]
    arguments = {argument.name for argument in found.arguments[name]}
    names = Names(taken | arguments)
    inner = names.new(f"{name}_run")
    needed, instead = refused_body(found, inner)
    apart = names.new(f"{name}_refused")
    parameters = ", ".join(argument.parameter() for argument in needed)
    given = ", ".join(argument.name for argument in needed)
    what = "nothing runs"
    definition, called = [], []
    if instead:
        what = "only what puts out an empty result runs"
        definition = [f"static void {apart}({parameters}) {{", pragma("INLINE", off=True), *instead, "}", ""]
        called = [f"        {apart}({given});"]
    operands = ", ".join(argument.name for argument in found.arguments[name])
    return [
        *inner_top(found, inner),
        "",
        *definition,
        head,
        *interfaces(found),
        f"    // With a scalar outside its limits {what}.",
        f"    if ({refused}) {{",
        *called,
        "        return;",
        "    }",
        f"    {inner}({operands});",
        "}",
    ]


def _constant_names(module: ModuleOp, found: Module) -> list[tuple[memref.GlobalOp, str]]:
    taken = {a.name for arguments in found.arguments.values() for a in arguments}
    names = Names(taken | set(found.functions) | {block.name for block in found.blocks})
    return [(op, names.new(op.sym_name.data)) for op in module.body.ops if isinstance(op, memref.GlobalOp)]


def _constant_place(op: memref.GlobalOp, name: str) -> Place:
    kind = op.type
    assert isinstance(kind, MemRefType) and isinstance(kind.element_type, IntegerType)
    element = cxx.ap("unsigned" not in op.attributes, kind.element_type.width.data)
    return Place(name, element, kind.get_shape(), name)


def constants(module: ModuleOp, found: Module) -> list[str]:
    """Constant arrays at file scope."""
    lines = []
    for op, name in _constant_names(module, found):
        place = _constant_place(op, name)
        assert isinstance(op.initial_value, DenseIntOrFPElementsAttr)
        values = [
            cxx.literal(cxx.wrap(int(v), place.element.signed, place.element.width)).text
            for v in op.initial_value.get_values()
        ]
        if len(values) == 1:
            count = 1
            for size in place.shape:
                count *= size
            values *= count
        dimensions = "".join(f"[{size}]" for size in place.shape)
        lines += ["", f"static const {place.element.text} {name}{dimensions} = {{"]
        lines += _wrapped(_nested(values, place.shape))
        lines.append("};")
    return lines


def _nested(values: list[str], shape: tuple[int, ...]) -> list[str]:
    """The initialisers with braces around each row of the inner dimensions."""
    if len(shape) <= 1:
        return values
    rows: list[str] = []
    length = len(values) // shape[0]
    for i in range(shape[0]):
        inner = _nested(values[i * length : (i + 1) * length], shape[1:])
        inner[0], inner[-1] = "{" + inner[0], inner[-1] + "}"
        rows += inner
    return rows


def _wrapped(items: list[str]) -> list[str]:
    lines, line = [], "   "
    for item in items:
        if len(line) + len(item) + 2 > _WIDTH:
            lines.append(line)
            line = "   "
        line += f" {item},"
    return [*lines, line]


def _max_width(module: ModuleOp, found: Module) -> int | None:
    """AP_INT_MAX_W when intermediate results may pass the default of 1024 bits (UG1399)."""
    widest = max((token.width for token in found.tokens()), default=0)
    for op in module.walk():
        for value in (*op.operands, *op.results):
            if isinstance(value.type, IntegerType):
                widest = max(widest, value.type.width.data)
    return cxx.MAX_WIDTH if widest > 512 else None


def render(name: str, context: Mapping[str, object]) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(resources.path("hls_templates") / "vitis_hls"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    return environment.get_template(name).render(**context)
