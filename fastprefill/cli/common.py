"""What the verbs share: errors in one sentence, text or JSON, options, lists."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any, NoReturn

import click

from fastprefill import api
from fastprefill.errors import FastprefillError

_JSON = "fastprefill.json"


class Group(click.Group):
    """Turns errors of the user's into one sentence and exit status 1: on stderr, or on stdout as JSON with --json."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[_JSON] = "--json" in args  # before the verb's own options are looked at, which may be wrong
        return super().parse_args(ctx, args)

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
            _fail(ctx, f"{error.filename or _somewhere()}: {error.strerror or error}", 1)
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
        try:
            click.echo(json.dumps({"ok": False, "error": sentence, "place": place}, indent=1))
        except OSError:  # what is printed goes to a disk that is full
            click.echo(f"fastprefill: {sentence}", err=True)
    else:
        click.echo(f"fastprefill: {sentence}", err=True)
    _drop_output()
    ctx.exit(status)


def _drop_output() -> None:
    """Python tries to write what is still buffered when it ends, and complains where that fails again."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _somewhere() -> str:
    """Where a write without a name may have failed."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return (
        f"the standard output, the folder for temporary files ({tempfile.gettempdir()}; TMPDIR names another) or the "
        f"cache ({cache}; XDG_CACHE_HOME names another)"
    )


def _json_wanted(ctx: click.Context) -> bool:
    return bool(ctx.find_root().meta.get(_JSON))


as_json = click.option(
    "--json",
    "as_json",
    is_flag=True,
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


def listed(given: str, kind: type, option: str) -> list[Any]:
    """What is between commas."""
    try:
        return [kind(text.strip()) for text in given.split(",") if text.strip()]
    except ValueError:
        what = "whole numbers" if kind is int else "numbers"
        raise click.BadParameter(
            f"'{given}' is not a list of {what} with commas", param_hint=option
        ) from None


def show(as_json: bool, data: object, text: str) -> None:
    """Print a result, as one JSON object or as text."""
    click.echo(json.dumps(data, indent=1) if as_json else text)


def show_written(as_json: bool, made: api.Generated) -> None:
    """Say which folder was written, and what to do with it next."""
    show(
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


def show_result(as_json: bool, result: Any) -> None:
    """What a check found; a level that failed gives exit status 1."""
    show(as_json, result.as_dict(), result.text())
    if not result.ok:
        raise click.exceptions.Exit(1)


def kernel_arguments(given: tuple[str, ...]) -> dict[str, int]:
    """What --param gives, by name.

    Raises:
        click.BadParameter: one that is not NAME=VALUE with a whole number.
    """
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
