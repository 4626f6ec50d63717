"""The verbs that measure algorithms: accuracy, cache policies, compute time against memory time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fastprefill.api.progress import Show, quiet

if TYPE_CHECKING:
    from fastprefill.accuracy import Report
    from fastprefill.caching import Balance, Comparison


def accuracy(
    model: Path,
    tasks: tuple[str, ...],
    lengths: tuple[int, ...],
    gammas: tuple[float, ...],
    *,
    text: Path | None = None,
    samples: int = 8,
    seed: int = 1,
    tau: float = 0.1,
    min_budget: int = 512,
    max_budget: int | None = None,
    block: int = 128,
    corrected: bool = False,
    transform: str = "both",
    group: int | None = None,
    plant_outliers: float | None = None,
    out: Path | None = None,
    show: Show = quiet,
) -> Report:
    """Measure tasks in float and integers, dense and with chosen blocks.

    Args:
        model: folder of a checkpoint.
        tasks: names of `fastprefill.accuracy.TASKS`, or ``perplexity``.
        lengths: tokens of a prompt with its answer.
        gammas: shares of the attention mass to keep.
        text: file for perplexity and as filler.
        samples: prompts of each task and length.
        seed: of the prompts.
        tau: heads with a distance below this are query-aware.
        min_budget: least tokens to keep.
        max_budget: most tokens to keep; None: all.
        block: tokens per block.
        corrected: select without the errors of FlexPrefill's code.
        transform: before quantisation: ``plain``, ``balance``, ``rotate`` or ``both``.
        group: inputs that share a scale; None: all of a token's or channel's.
        plant_outliers: factor by which some channels are made larger; None: the weights as they are.
        out: folder for the results; what it holds of an earlier run is not measured again.
        show: gets lines of progress.

    Raises:
        FastprefillError: bad input, or a folder with results of other settings.
    """
    from fastprefill.accuracy import Selection, Settings, measure

    settings = Settings(
        model, tasks, lengths, gammas, text, samples, seed,
        Selection(tau, min_budget, max_budget, block, not corrected), transform, group, plant_outliers,
    )  # fmt: skip
    return measure(settings, out, show)


def cache_policies(
    names: tuple[str, ...],
    *,
    text: Path | None = None,
    window: int = 8,
    parts: tuple[int, ...] = (16, 8, 4, 2, 1),
    gamma: float = 0.9,
    min_budget: int = 1024,
    plot: Path | None = None,
    show: Show = quiet,
) -> Comparison:
    """Replay job lists under the KV cache's policy and others.

    Args:
        names: traces, see `fastprefill.caching.load`.
        text: what a checkpoint reads.
        window: open query blocks.
        parts: capacities as fractions of the key blocks.
        gamma: share of the attention mass that SIGU keeps where it selects.
        min_budget: least tokens that it keeps.
        plot: file for an SVG picture.
        show: gets lines of progress.

    Raises:
        FastprefillError: no such trace, or a file that cannot be written.
    """
    from fastprefill import caching
    from fastprefill.caching.plot import svg

    traces = []
    for name in names:
        show(f"loading {name}")
        traces += caching.load(name, text=text, gamma=gamma, min_budget=min_budget)
    found = caching.compare(traces, window=window, parts=parts, show=show)
    if plot is not None:
        plot.write_text(svg(found))
    return found


def cache_balance(
    names: tuple[str, ...],
    *,
    contexts: tuple[int, ...],
    densities: tuple[float, ...],
    windows: tuple[int, ...],
    head_dim: int = 64,
    show: Show = quiet,
) -> Balance:
    """Compute time against memory time of attention, and the cache that each board needs.

    Args:
        names: boards; none: those of the package.
        contexts: tokens.
        densities: of the block masks.
        windows: open query blocks.
        head_dim: width of a head.
        show: gets lines of progress.

    Raises:
        FastprefillError: an unknown board, or a number that cannot be.
    """
    from fastprefill import boards as data
    from fastprefill import caching

    return caching.balance(
        names or data.names(), contexts=contexts, densities=densities, windows=windows, head_dim=head_dim, show=show
    )
