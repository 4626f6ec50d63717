"""The verbs that make and check hardware."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from fastprefill import api
from fastprefill.cli.common import (
    as_json,
    full,
    kernel_arguments,
    kernel_parameters,
    progress,
    project,
    show,
    show_result,
    show_written,
)  # fmt: skip
from fastprefill.errors import FastprefillError


@click.command()
@as_json
def doctor(as_json: bool) -> None:
    """Say which tools are here, and what to do about those that are not."""
    found = api.doctor()
    show(as_json, [asdict(tool) for tool in found], "\n".join(tool.line for tool in found))


@click.command()
@as_json
def boards(as_json: bool) -> None:
    """List the boards."""
    lines = []
    for board in api.boards():
        total = board.resources
        lines.append(
            f"{board.name:8} {board.title}, {board.part}, {board.clock_mhz:g} MHz: {total.lut:,} LUT, "
            f"{total.dsp:,} DSP, {total.bram36:,} BRAM36, {total.uram:,} URAM, {len(board.slrs)} SLR; {board.status}"
        )
    show(as_json, [asdict(board) for board in api.boards()], "\n".join(lines))


@click.command("compile")
@click.argument("kernel")
@click.option(
    "--emit", type=click.Choice(api.EMITS), help="Default: mlir to print, and with --out everything."
)
@click.option("--after", metavar="PASS", help="With --emit mlir: show the IR after this pass.")
@kernel_parameters
@click.option("--frontend", type=click.Choice(api.FRONTENDS), default="embedded", show_default=True)
@click.option("--board", default="kv260", show_default=True, help="A board's name or a .toml file.")
@click.option("--out", type=click.Path(path_type=Path), help="Write a project folder instead of printing.")
@click.option(
    "--seed", type=click.IntRange(min=0), default=1, show_default=True, help="With --out: of the test vectors."
)
@click.option(
    "--force", is_flag=True, help="With --out: replace an earlier project whose files were changed."
)
@as_json
def compile_kernel(
    kernel: str,
    emit: str | None,
    after: str | None,
    parameters: tuple[str, ...],
    frontend: str,
    board: str,
    out: Path | None,
    seed: int,
    force: bool,
    as_json: bool,
) -> None:
    """Compile KERNEL, a built-in kernel such as mpu or a Python file, and print what it becomes or write a project."""
    values = kernel_arguments(parameters)
    if out is not None:
        if after is not None:
            raise FastprefillError(f"--after {after} prints the IR; it does not go with --out")
        made = api.compile_project(
            kernel, out, emit=emit, parameters=values, frontend=frontend, board=board, seed=seed, force=force,
            show=progress,
        )  # fmt: skip
        show_written(as_json, made)
        return
    texts = api.compile_kernel(
        kernel, emit=emit or "mlir", after=after, parameters=values, frontend=frontend, board=board
    )
    if len(texts) == 1:
        text = next(iter(texts.values())).rstrip("\n")
    else:
        text = "\n".join(f"// ==== {path}\n{content}" for path, content in texts.items())
    show(as_json, texts, text)


@click.command()
@click.argument("kernel")
@kernel_parameters
@click.option("--board", default="kv260", show_default=True, help="A board's name or a .toml file.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Of the cases, gaps and resets.")
@click.option(
    "--level",
    "asked",
    multiple=True,
    help="Run interpreter, csim, rtl, four_state or structure alone (repeatable); default: all.",
)
@as_json
def check(
    kernel: str, parameters: tuple[str, ...], board: str, seed: int, asked: tuple[str, ...], as_json: bool
) -> None:
    """Compare KERNEL with its golden model at every level, or at those asked for.

    A kernel file says what goes in and what must come out in a function cases(seed). Without one, random inputs are
    played and the interpreter is what C++ and RTL are compared with.

    The exit status is 1 where a level fails. One whose tool is missing is NOT RUN, which the table and the tiers say
    and the exit status does not.
    """
    show_result(
        as_json,
        api.check(kernel, parameters=kernel_arguments(parameters), board=board, seed=seed, asked=asked, show=progress),
    )


@click.command()
@click.option(
    "--model",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder of the checkpoint, or a shape such as llama-3.2-1b, whose weights are then drawn at random.",
)
@click.option("--board", required=True, help="A board's name or a .toml file.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The project's folder.")
@click.option("--rows", type=int, help="Outputs of the matrix unit down a tile; default by board.")
@click.option("--dsp-columns", type=int, help="Its columns on packed DSP slices; default by board.")
@click.option("--lut-columns", type=int, help="Its columns on LUTs; default by board.")
@click.option("--k-parallel", type=int, help="Products of each output in a cycle: 1, 2, 4 or 8 (default).")
@click.option(
    "--drain-rows", type=int, help="Rows of a tile drained in a cycle; default from rows and k-parallel."
)
@click.option("--arrays", type=int, help="Matrix units; default: one for each SLR of the board.")
@click.option("--context", type=int, help="Longest sequence in tokens; default: the model's.")
@click.option(
    "--prompt", type=click.Path(path_type=Path), help="Text for the test vectors; default: MODEL/prompt.txt."
)
@click.option("--force", is_flag=True, help="Replace an earlier project even where its files were changed.")
@as_json
def generate(
    model: Path,
    board: str,
    out: Path,
    rows: int | None,
    dsp_columns: int | None,
    lut_columns: int | None,
    k_parallel: int | None,
    drain_rows: int | None,
    arrays: int | None,
    context: int | None,
    prompt: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Generate a project folder for a model on a board: C++, RTL, registers, host header, test vectors."""
    size = {
        "rows": rows,
        "dsp_columns": dsp_columns,
        "lut_columns": lut_columns,
        "k_parallel": k_parallel,
        "drain_rows": drain_rows,
    }
    made = api.generate(
        model, board, out, size=size, context=context, arrays=arrays, prompt=prompt, force=force,
        show=progress,
    )  # fmt: skip
    show_written(as_json, made)


@click.command()
@project
@as_json
def csim(folder: Path, as_json: bool) -> None:
    """Run the C++ of the project in FOLDER on its test vectors, compiled with g++."""
    show_result(as_json, api.csim(folder, show=progress))


@click.command()
@project
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Of the gaps and resets.")
@full
@as_json
def cosim(folder: Path, seed: int, full: bool, as_json: bool) -> None:
    """Run the RTL of the project in FOLDER on its test vectors, in cocotb on Verilator."""
    show_result(as_json, api.cosim(folder, seed=seed, full=full, show=progress))


@click.command()
@click.argument("what", metavar="FOLDER|KERNEL")
@kernel_parameters
@click.option("--board", help="Of a kernel: a board's name or a .toml file; default: kv260.")
@as_json
def synth(what: str, parameters: tuple[str, ...], board: str | None, as_json: bool) -> None:
    """Synthesise the project in FOLDER, or KERNEL, with Yosys.

    Counts LUT, FF, DSP, BRAM and URAM of each module and part against the board, compares them with what the compiler
    expected, and measures the depth between registers and the loads of nets.
    """
    show_result(as_json, api.synth(what, parameters=kernel_arguments(parameters), board=board, show=progress))


@click.command()
@project
@click.option(
    "--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Of the gaps and resets in RTL simulation."
)
@full
@as_json
def verify(folder: Path, seed: int, full: bool, as_json: bool) -> None:
    """Check the project in FOLDER at every level that can run here; one table, and the tiers.

    The exit status is 1 where a level fails. One whose tool is missing is NOT RUN, which the table and the tiers say
    and the exit status does not.
    """
    show_result(as_json, api.verify(folder, seed=seed, full=full, show=progress))


@click.command()
@project
@click.option("--dry-run", is_flag=True, help="Print the commands and run nothing.")
@as_json
def bitstream(folder: Path, dry_run: bool, as_json: bool) -> None:
    """Build the bitstream of the project in FOLDER with AMD's tools, step by step.

    Where a tool, its version or the platform is missing, nothing is run: what is missing is said, and the exit status
    is 2.
    """
    result = api.bitstream(folder, dry_run=dry_run, show=progress)
    show(as_json, result.as_dict(), result.text())
    if not result.ran and not dry_run:
        raise click.exceptions.Exit(2)
