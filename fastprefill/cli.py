"""The command line. Each verb calls one function of `fastprefill.api` and prints what it returns."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from fastprefill import api
from fastprefill.errors import FastprefillError


class _Group(click.Group):
    """Turns errors of the user's into one sentence on stderr and exit status 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except FastprefillError as error:
            click.echo(f"fastprefill: {error}", err=True)
            ctx.exit(1)
        except (KeyboardInterrupt, click.Abort):
            click.echo("fastprefill: interrupted; nothing was left half-written", err=True)
            ctx.exit(130)
        except (click.ClickException, click.exceptions.Exit):
            raise
        except BrokenPipeError:  # the reader of our output, such as `head`, has gone
            sys.stderr.close()
            ctx.exit(0)
        except OSError as error:
            click.echo(f"fastprefill: {error.filename or 'a file'}: {error.strerror or error}", err=True)
            ctx.exit(1)
        except Exception as error:  # a mistake of ours: still a sentence, with the way to its traceback
            if os.environ.get("FASTPREFILL_DEBUG"):
                raise
            click.echo(
                f"fastprefill: internal error ({type(error).__name__}: {error}); please report it with what is "
                "printed when FASTPREFILL_DEBUG=1 is set",
                err=True,
            )
            ctx.exit(70)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="fastprefill")
def main() -> None:
    """Generate and check FPGA hardware for long-context LLM attention."""


as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
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
@click.option("--emit", type=click.Choice(api.EMITS), default="mlir", show_default=True)
@click.option("--after", metavar="PASS", help="With --emit mlir: show the IR after this pass.")
@click.option(
    "--param", "parameters", multiple=True, metavar="NAME=VALUE", help="Argument of the kernel's unit."
)
@click.option("--frontend", type=click.Choice(api.FRONTENDS), default="embedded", show_default=True)
@click.option("--board", default="kv260", show_default=True, help="A board's name or a .toml file.")
@as_json
def compile_kernel(
    kernel: str,
    emit: str,
    after: str | None,
    parameters: tuple[str, ...],
    frontend: str,
    board: str,
    as_json: bool,
) -> None:
    """Compile KERNEL, a built-in kernel such as mpu or a Python file, and print what it becomes."""
    texts = api.compile_kernel(
        kernel, emit=emit, after=after, parameters=_parameters(parameters), frontend=frontend, board=board
    )
    if len(texts) == 1:
        text = next(iter(texts.values())).rstrip("\n")
    else:
        text = "\n".join(f"// ==== {path}\n{content}" for path, content in texts.items())
    _print(as_json, texts, text)


@main.command()
@click.option("--model", type=click.Path(path_type=Path), required=True, help="Folder of the checkpoint.")
@click.option("--board", required=True, help="A board's name or a .toml file.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The project's folder.")
@click.option("--rows", type=int, help="Outputs of the matrix unit down a tile; default by board.")
@click.option("--cols", type=int, help="Outputs of the matrix unit across a tile; default by board.")
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
    cols: int | None,
    context: int | None,
    prompt: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Generate a project folder for a model on a board: C++, RTL, registers, host header, test vectors."""
    made = api.generate(
        model, board, out, rows=rows, cols=cols, context=context, prompt=prompt, force=force, show=progress
    )
    _print(
        as_json,
        {"folder": str(made.folder), "digest": made.digest, "files": made.files},
        f"wrote {made.files} files to {made.folder} (digest {made.digest[:16]})\n"
        f"next: fastprefill verify {made.folder}",
    )


@main.command()
@project
@as_json
def csim(folder: Path, as_json: bool) -> None:
    """Run the C++ of the project in FOLDER on its test vectors, compiled with g++."""
    _print_level(as_json, api.csim(folder, show=progress))


@main.command()
@project
@click.option("--seed", type=int, default=1, show_default=True, help="Of the gaps and resets.")
@as_json
def cosim(folder: Path, seed: int, as_json: bool) -> None:
    """Run the RTL of the project in FOLDER on its test vectors, in cocotb on Verilator."""
    _print_level(as_json, api.cosim(folder, seed=seed, show=progress))


@main.command()
@project
@as_json
def synth(folder: Path, as_json: bool) -> None:
    """Count the resources of the project in FOLDER with Yosys."""
    use = api.synth(folder, show=progress)
    _print(as_json, asdict(use), "\n".join([*use.lines(), "", api.tier_line()]))


@main.command()
@project
@click.option(
    "--seed", type=int, default=1, show_default=True, help="Of the gaps and resets in RTL simulation."
)
@as_json
def verify(folder: Path, seed: int, as_json: bool) -> None:
    """Check the project in FOLDER at every level that can run here; one table, and the tiers."""
    result = api.verify(folder, seed=seed, show=progress)
    _print(as_json, result.as_dict(), result.table())
    if not result.ok:
        raise click.exceptions.Exit(1)


def _print(as_json: bool, data: object, text: str) -> None:
    click.echo(json.dumps(data, indent=1) if as_json else text)


def _print_level(as_json: bool, level: Any) -> None:
    _print(as_json, asdict(level), f"{level.line()}\n\n{api.tier_line()}")
    if not level.ok:
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
