"""The verb that synthesises: resources, depth and loads of a project or kernel by Yosys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fastprefill.api.progress import Show, quiet, tier_line
from fastprefill.boards import Resources
from fastprefill.errors import FastprefillError

if TYPE_CHECKING:
    from fastprefill.reports.synth import Synthesis


def synth(
    what: str, *, parameters: Mapping[str, int] | None = None, board: str | None = None, show: Show = quiet
) -> Synthesis:
    """Synthesise the RTL of a project or kernel with Yosys: resources, depth between registers, loads.

    Args:
        what: a project's folder, a built-in kernel's name or a Python file with one unit or system.
        parameters: of a kernel: arguments of its ``unit``.
        board: of a kernel: name or board file, kv260 by default. A project has its own.
        show: gets lines of progress.

    Raises:
        FastprefillError: bad input, or no Yosys.
    """
    from fastprefill.build.kernel import builtin_kernels, is_kernel

    if not Path(what).is_dir() and not is_kernel(what):
        raise FastprefillError(
            f"there is no project folder '{what}'; make one with 'fastprefill generate', or name a kernel: "
            f"{', '.join(builtin_kernels())}, or the path of a .py file"
        )
    if Path(what).is_dir():
        if parameters or board is not None:
            raise FastprefillError(
                f"'{what}' is a project, which has its parameters and its board; --param and --board go with a kernel"
            )
        return _project_synthesis(Path(what), show)
    return _kernel_synthesis(what, parameters or {}, board or "kv260", show)


def _project_synthesis(folder: Path, show: Show) -> Synthesis:
    from fastprefill import tools
    from fastprefill.build.steps import Steps
    from fastprefill.checks.project import Project
    from fastprefill.ir.text import parse
    from fastprefill.reports import synth

    project = Project.open(folder)
    tools.find("yosys")
    if why := project.lacks("rtl"):
        raise FastprefillError(f"'{folder}' cannot be synthesised: {why}")
    project.need("rtl", "ir")
    steps = Steps("synth", show)
    board = project.manifest["board"]
    place = synth.Place(
        board["name"], board["clock_mhz"], tuple(Resources(**region) for region in board["resources"])
    )
    with steps.step("synthesis"):
        result = synth.measure(
            project.manifest["title"],
            sorted((folder / "rtl").glob("*.sv")),
            parse(project.ir(), project.unit["ir"]),
            project.unit["rtl_top"],
            place,
        )
    steps.save(folder)
    return replace(result, changes=project.changes, tiers=tier_line())


def _kernel_synthesis(kernel: str, parameters: Mapping[str, int], board: str, show: Show) -> Synthesis:
    from tempfile import TemporaryDirectory

    from fastprefill import boards as data
    from fastprefill import tools
    from fastprefill.build.kernel import build, load_kernel
    from fastprefill.build.steps import Steps
    from fastprefill.reports import synth
    from fastprefill.targets import rtl

    steps = Steps("synth", show)
    target = data.load(board)
    found = load_kernel(kernel, parameters)
    unit = found.only()
    tools.find("yosys")
    with steps.step("kernel to RTL"):
        module = build(unit)
        rtl.validate(module)
        texts = rtl.emit(module, target)
    with TemporaryDirectory(prefix="fastprefill-synth-") as scratch, steps.step("synthesis"):
        for name, text in texts.items():
            (Path(scratch) / name).write_text(text)
        files = [Path(scratch) / name for name in texts if name.endswith(".sv")]
        given = "".join(f", {name} = {value}" for name, value in found.parameters.items())
        place = synth.Place(target.name, target.clock_mhz, target.slrs)
        result = synth.measure(f"{unit.name} of {found.name}{given}", files, module, unit.name, place)
    return replace(result, tiers=tier_line())
