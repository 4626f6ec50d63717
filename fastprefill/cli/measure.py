"""The verbs that measure algorithms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from fastprefill import api
from fastprefill.cli.common import as_json, listed, progress, show
from fastprefill.errors import FastprefillError


@click.command()
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
        tuple(listed(tasks, str, "--tasks")),
        tuple(listed(lengths, int, "--lengths")),
        tuple(listed(gammas, float, "--gamma")),
        out=out,
        show=progress,
        **options,
    )
    show(as_json, result.as_dict(), result.text())


@click.command()
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
            contexts=tuple(listed(contexts, int, "--contexts")),
            densities=tuple(listed(densities, float, "--densities")),
            windows=tuple(listed(windows or "1,4,8", int, "--window")),
            head_dim=head_dim,
            show=progress,
        )
        show(as_json, found.as_dict(), found.text())
        return
    chosen = listed(windows or "8", int, "--window")
    if len(chosen) != 1:
        raise FastprefillError(f"--window {windows} with --trace; give one number of query blocks")
    replayed = api.cache_policies(
        traces,
        text=text,
        window=chosen[0],
        parts=tuple(listed(parts, int, "--parts")),
        gamma=gamma,
        min_budget=min_budget,
        plot=plot,
        show=progress,
    )
    show(as_json, replayed.as_dict(), replayed.text())


def _refuse_given(mode: str, options: set[str]) -> None:
    """Options of the other mode are refused rather than ignored."""
    context = click.get_current_context()
    for option in context.command.params:
        if option.name in options and context.get_parameter_source(option.name) is not ParameterSource.DEFAULT:
            raise FastprefillError(f"{option.opts[0]} goes with {mode}; leave it out")
