"""The command line. Each verb calls one function of `fastprefill.api` and prints what it returns."""

from __future__ import annotations

import gc
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

import click
from click.core import ParameterSource

from fastprefill import api
from fastprefill.errors import FastprefillError

_JSON = "fastprefill.json"


class _Group(click.Group):
    """Turns errors of the user's into one sentence and exit status 1: on stderr, or on stdout as JSON with --json."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except FastprefillError as error:
            _fail(ctx, str(error), 1, place=getattr(error, "src", None))
        except (KeyboardInterrupt, click.Abort):
            _fail(ctx, "interrupted; nothing was left half-written", 130)
        except click.exceptions.Exit:
            raise
        except click.ClickException as error:
            if not _json_wanted(ctx):
                raise
            _fail(ctx, error.format_message(), error.exit_code)
        except BrokenPipeError:  # the reader of our output, such as `head`, has gone
            sys.stderr.close()
            ctx.exit(0)
        except OSError as error:
            _fail(ctx, f"{error.filename or 'a file'}: {error.strerror or error}", 1)
        except Exception as error:  # a mistake of ours: still a sentence, with the way to its traceback
            if os.environ.get("FASTPREFILL_DEBUG"):
                raise
            _fail(
                ctx,
                f"internal error ({type(error).__name__}: {error}); please report it with what is "
                "printed when FASTPREFILL_DEBUG=1 is set",
                70,
            )


def _fail(ctx: click.Context, sentence: str, status: int, *, place: str | None = None) -> NoReturn:
    if _json_wanted(ctx):
        click.echo(json.dumps({"ok": False, "error": sentence, "place": place}, indent=1))
    else:
        click.echo(f"fastprefill: {sentence}", err=True)
    ctx.exit(status)


def _json_wanted(ctx: click.Context) -> bool:
    return bool(ctx.find_root().meta.get(_JSON))


def _remember_json(ctx: click.Context, option: click.Parameter, given: bool) -> bool:
    """Notes --json before the other options are looked at, so that what is wrong with them is JSON too."""
    ctx.find_root().meta[_JSON] = given
    return given


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="fastprefill")
def main() -> None:
    """Generate and check FPGA hardware for long-context LLM attention."""
    # What a verb makes lives until its end: looking for garbage after every 700 objects takes 7 % of a large design.
    gc.set_threshold(200_000)


as_json = click.option(
    "--json",
    "as_json",
    is_flag=True,
    is_eager=True,
    callback=_remember_json,
    help="Print one JSON object instead of text; an error is one with the key 'error'.",
)
kernel_parameters = click.option(
    "--param", "parameters", multiple=True, metavar="NAME=VALUE", help="Argument of the kernel's unit."
)
full = click.option(
    "--full",
    is_flag=True,
    help="Simulate a matrix unit of more than 4,096 products a cycle as it was generated, not smaller; slow.",
)
project = click.argument("folder", type=click.Path(path_type=Path))


def progress(line: str) -> None:
    """Progress goes to stderr, so that stdout stays clean."""
    click.echo(line, err=True)


@main.command()
@as_json
def doctor(as_json: bool) -> None:
    """Say which tools are here, and what to do about those that are not."""
    found = api.doctor()
    _print(as_json, [asdict(tool) for tool in found], "\n".join(tool.line for tool in found))


@main.command()
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
    _print(as_json, [asdict(board) for board in api.boards()], "\n".join(lines))


@main.command("compile")
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
    values = _parameters(parameters)
    if out is not None:
        if after is not None:
            raise FastprefillError(f"--after {after} prints the IR; it does not go with --out")
        made = api.compile_project(
            kernel, out, emit=emit, parameters=values, frontend=frontend, board=board, seed=seed, force=force,
            show=progress,
        )  # fmt: skip
        _print_written(as_json, made)
        return
    texts = api.compile_kernel(
        kernel, emit=emit or "mlir", after=after, parameters=values, frontend=frontend, board=board
    )
    if len(texts) == 1:
        text = next(iter(texts.values())).rstrip("\n")
    else:
        text = "\n".join(f"// ==== {path}\n{content}" for path, content in texts.items())
    _print(as_json, texts, text)


@main.command()
@click.argument("kernel")
@kernel_parameters
@click.option("--board", default="kv260", show_default=True, help="A board's name or a .toml file.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Of the cases, gaps and resets.")
@as_json
def check(kernel: str, parameters: tuple[str, ...], board: str, seed: int, as_json: bool) -> None:
    """Compare KERNEL with its golden model at every level.

    A kernel file says what goes in and what must come out in a function cases(seed). Without one, random inputs are
    played and the interpreter is what C++ and RTL are compared with.
    """
    _print_result(
        as_json,
        api.check(kernel, parameters=_parameters(parameters), board=board, seed=seed, show=progress),
    )


@main.command()
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
    _print_written(as_json, made)


@main.command()
@project
@as_json
def csim(folder: Path, as_json: bool) -> None:
    """Run the C++ of the project in FOLDER on its test vectors, compiled with g++."""
    _print_result(as_json, api.csim(folder, show=progress))


@main.command()
@project
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Of the gaps and resets.")
@full
@as_json
def cosim(folder: Path, seed: int, full: bool, as_json: bool) -> None:
    """Run the RTL of the project in FOLDER on its test vectors, in cocotb on Verilator."""
    _print_result(as_json, api.cosim(folder, seed=seed, full=full, show=progress))


@main.command()
@click.argument("what", metavar="FOLDER|KERNEL")
@kernel_parameters
@click.option("--board", help="Of a kernel: a board's name or a .toml file; default: kv260.")
@as_json
def synth(what: str, parameters: tuple[str, ...], board: str | None, as_json: bool) -> None:
    """Synthesise the project in FOLDER, or KERNEL, with Yosys.

    Counts LUT, FF, DSP, BRAM and URAM of each module and part against the board, compares them with what the compiler
    expected, and measures the depth between registers and the loads of nets.
    """
    _print_result(as_json, api.synth(what, parameters=_parameters(parameters), board=board, show=progress))


@main.command()
@project
@click.option(
    "--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Of the gaps and resets in RTL simulation."
)
@full
@as_json
def verify(folder: Path, seed: int, full: bool, as_json: bool) -> None:
    """Check the project in FOLDER at every level that can run here; one table, and the tiers."""
    _print_result(as_json, api.verify(folder, seed=seed, full=full, show=progress))


@main.command()
@project
@click.option("--dry-run", is_flag=True, help="Print the commands and run nothing.")
@as_json
def bitstream(folder: Path, dry_run: bool, as_json: bool) -> None:
    """Build the bitstream of the project in FOLDER with AMD's tools, step by step.

    Where a tool, its version or the platform is missing, nothing is run: what is missing is said, and the exit status
    is 2.
    """
    result = api.bitstream(folder, dry_run=dry_run, show=progress)
    _print(as_json, result.as_dict(), result.text())
    if not result.ran and not dry_run:
        raise click.exceptions.Exit(2)


@main.command()
@click.option("--model", type=click.Path(path_type=Path), required=True, help="Folder of the checkpoint.")
@click.option(
    "--tasks",
    default="niah_single",
    show_default=True,
    help="With commas: perplexity, code, niah_single, niah_multikey, niah_multivalue, niah_multiquery, vt, cwe, fwe.",
)
@click.option(
    "--lengths", default="1024", show_default=True, help="Tokens of a prompt with its answer; with commas."
)
@click.option(
    "--gamma", "gammas", default="0.9", show_default=True, help="Shares of attention to keep; with commas."
)
@click.option("--text", type=click.Path(path_type=Path), help="Text for perplexity, and to hide facts in.")
@click.option(
    "--samples", type=int, default=8, show_default=True, help="Prompts of each task and length, at most."
)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Of the prompts.")
@click.option(
    "--tau",
    type=float,
    default=0.1,
    show_default=True,
    help="Heads closer to their estimate are query-aware.",
)
@click.option("--min-budget", type=int, default=512, show_default=True, help="Least tokens to keep.")
@click.option("--max-budget", type=int, help="Most tokens to keep; default: all.")
@click.option("--block", type=int, default=128, show_default=True, help="Tokens per block.")
@click.option(
    "--corrected",
    is_flag=True,
    help="Select without the errors of FlexPrefill's code; wise unless --block is 128.",
)
@click.option(
    "--transform",
    default="both",
    show_default=True,
    help="Before quantisation: plain, balance, rotate or both.",
)
@click.option("--group", type=int, help="Inputs that share a scale; default: all of a token or channel.")
@click.option(
    "--plant-outliers", type=float, metavar="FACTOR", help="Make some channels so many times as large."
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder for accuracy.json and .svg; a run goes on there."
)
@as_json
def accuracy(
    model: Path, tasks: str, lengths: str, gammas: str, as_json: bool, out: Path | None, **options: Any
) -> None:
    """Measure what block selection, int8 and the integer datapath cost a model in accuracy."""
    result = api.accuracy(
        model,
        tuple(_list(tasks, str, "--tasks")),
        tuple(_list(lengths, int, "--lengths")),
        tuple(_list(gammas, float, "--gamma")),
        out=out,
        show=progress,
        **options,
    )
    _print(as_json, result.as_dict(), result.text())


@main.command()
@click.option(
    "--trace",
    "traces",
    multiple=True,
    metavar="TRACE",
    help="Job lists to replay: selected:TOKENS, random:DENSITY[:TOKENS], a .npz file or a job list, or a checkpoint's "
    "folder. May be given several times.",
)
@click.option("--balance", is_flag=True, help="Compute time against memory time instead, for each board.")
@click.option("--text", type=click.Path(path_type=Path), help="With --trace: what a checkpoint reads.")
@click.option("--window", "windows", default=None, help="Open query blocks; with --balance: with commas. [8; 1,4,8]")
@click.option(
    "--parts", default="16,8,4,2,1", show_default=True, help="With --trace: capacities; 2 is 1/2 of the key blocks."
)
@click.option("--gamma", type=float, default=0.9, show_default=True, help="With --trace: share that SIGU keeps.")
@click.option("--min-budget", type=int, default=1024, show_default=True, help="With --trace: least tokens to keep.")
@click.option("--plot", type=click.Path(path_type=Path), help="With --trace: write a picture, SVG.")
@click.option("--board", "boards", multiple=True, help="With --balance: a board; default: all.")
@click.option("--contexts", default="8192,32768,131072", show_default=True, help="With --balance: tokens.")
@click.option("--densities", default="0.01,0.05,0.2,1", show_default=True, help="With --balance: of the masks.")
@click.option("--head-dim", type=int, default=64, show_default=True, help="With --balance: width of a head.")
@as_json
def cache(
    traces: tuple[str, ...],
    balance: bool,
    text: Path | None,
    windows: str | None,
    parts: str,
    gamma: float,
    min_budget: int,
    plot: Path | None,
    boards: tuple[str, ...],
    contexts: str,
    densities: str,
    head_dim: int,
    as_json: bool,
) -> None:
    """Measure what the KV cache saves: policies on job lists, or compute time against memory time."""
    if balance == bool(traces):
        raise FastprefillError("give either --trace, once or several times, or --balance")
    _refuse_given(
        "--trace" if balance else "--balance",
        {"text", "parts", "gamma", "min_budget", "plot"}
        if balance
        else {"boards", "contexts", "densities", "head_dim"},
    )
    if balance:
        found = api.cache_balance(
            boards,
            contexts=tuple(_list(contexts, int, "--contexts")),
            densities=tuple(_list(densities, float, "--densities")),
            windows=tuple(_list(windows or "1,4,8", int, "--window")),
            head_dim=head_dim,
            show=progress,
        )
        _print(as_json, found.as_dict(), found.text())
        return
    chosen = _list(windows or "8", int, "--window")
    if len(chosen) != 1:
        raise FastprefillError(f"--window {windows} with --trace; give one number of query blocks")
    replayed = api.cache_policies(
        traces,
        text=text,
        window=chosen[0],
        parts=tuple(_list(parts, int, "--parts")),
        gamma=gamma,
        min_budget=min_budget,
        plot=plot,
        show=progress,
    )
    _print(as_json, replayed.as_dict(), replayed.text())


def _refuse_given(mode: str, options: set[str]) -> None:
    """Options of the other mode are refused rather than ignored."""
    context = click.get_current_context()
    for option in context.command.params:
        if option.name in options and context.get_parameter_source(option.name) is not ParameterSource.DEFAULT:
            raise FastprefillError(f"{option.opts[0]} goes with {mode}; leave it out")


def _list(given: str, kind: type, option: str) -> list[Any]:
    """What is between commas."""
    try:
        return [kind(text.strip()) for text in given.split(",") if text.strip()]
    except ValueError:
        what = "whole numbers" if kind is int else "numbers"
        raise click.BadParameter(
            f"'{given}' is not a list of {what} with commas", param_hint=option
        ) from None


def _print(as_json: bool, data: object, text: str) -> None:
    click.echo(json.dumps(data, indent=1) if as_json else text)


def _print_written(as_json: bool, made: api.Generated) -> None:
    _print(
        as_json,
        {
            "ok": True,
            "folder": str(made.folder),
            "digest": made.digest,
            "files": made.files,
            **({"note": made.note} if made.note else {}),
        },
        (f"note: {made.note}\n" if made.note else "")
        + f"wrote {made.files} files to {made.folder} (digest {made.digest[:16]})\n"
        f"next: fastprefill verify {made.folder}",
    )


def _print_result(as_json: bool, result: Any) -> None:
    """What a check found; a level that failed gives exit status 1."""
    _print(as_json, result.as_dict(), result.text())
    if not result.ok:
        raise click.exceptions.Exit(1)


def _parameters(given: tuple[str, ...]) -> dict[str, int]:
    values = {}
    for text in given:
        name, _, value = text.partition("=")
        try:
            values[name] = int(value, 0)
        except ValueError:
            raise click.BadParameter(
                f"'{text}' is not NAME=VALUE with a whole number", param_hint="--param"
            ) from None
    return values
