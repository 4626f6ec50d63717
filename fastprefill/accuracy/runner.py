"""Measures tasks on runs, cell by cell; what is stored in a folder is not measured again."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprefill.accuracy.prompts import Sample
from fastprefill.accuracy.report import Cell, Key, Report, report
from fastprefill.accuracy.runs import DENSE, RUNS, TRANSFORMS, Run, Selection, runs
from fastprefill.accuracy.store import Store, described
from fastprefill.accuracy.tasks import PERPLEXITY, TASK_NAMES, samples
from fastprefill.errors import FastprefillError
from fastprefill.golden.sigu import Registers
from fastprefill.models import load, tokeniser
from fastprefill.quantisation import quantise
from fastprefill.quantisation.outliers import plant

_ROWS = 1024  # rows of logits whose exponentials are in memory at a time
_QUIET = 10.0  # seconds without a line of progress


@dataclass(frozen=True)
class Settings:
    """What to measure.

    Attributes:
        model: folder of a checkpoint.
        tasks: names of `tasks.TASK_NAMES`.
        lengths: tokens of a prompt, its answer included.
        gammas: shares of the attention mass to keep.
        text: file for perplexity and as filler; None: noise.
        samples: prompts of a task and length; of a text as many windows as it has, at most so many.
        seed: of the prompts.
        selection: of blocks, but for gamma.
        transform: name of `runs.TRANSFORMS`, what is done to the weights before they are quantised.
        group: inputs that share a scale; None: all of a token's or channel's.
        plant_outliers: factor by which some channels of norms, values, keys and up projections grow, others that
            read them shrink: same function; None: the weights as they are.
    """

    model: Path
    tasks: tuple[str, ...]
    lengths: tuple[int, ...]
    gammas: tuple[float, ...] = (0.9,)
    text: Path | None = None
    samples: int = 8
    seed: int = 1
    selection: Selection = field(default_factory=Selection)
    transform: str = "both"
    group: int | None = None
    plant_outliers: float | None = None

    def values(self) -> dict[str, Any]:
        """What a cell depends on beside its key and the checkpoint, as JSON has it."""
        return {
            "text": None if self.text is None else self.text.name,
            "samples": self.samples,
            "seed": self.seed,
            **asdict(self.selection),
            "transform": self.transform,
            "group": self.group,
            "plant_outliers": self.plant_outliers,
        }


def measure(settings: Settings, out: Path | None = None, show: Callable[[str], None] = print) -> Report:
    """Measure all runs on all tasks, lengths and gammas.

    Args:
        settings: what.
        out: folder for ``accuracy.json`` and ``accuracy.svg``; what its ``accuracy.json`` holds of the same
            settings, but for tasks, lengths and gammas, is not measured again.
        show: gets lines of progress.

    Raises:
        FastprefillError: a setting that cannot be, a model without weights, a folder with other settings.
    """
    _check(settings)
    model = load(settings.model)
    if model.source is None:
        raise FastprefillError(
            f"'{settings.model}' is a shape without weights, and the accuracy of random ones would mean nothing; "
            "give the folder of a checkpoint"
        )
    quantise(model, group=settings.group)  # nothing is computed yet, but a bad group is refused
    for length in settings.lengths:
        if not 2 <= length <= model.config.context:
            raise FastprefillError(
                f"a length is {length} tokens; it must be 2 to {model.config.context}, the model's context"
            )
        for share in settings.gammas:
            Registers.of(length, **settings.selection.with_gamma(share))
    text = _read(settings.text)
    token_source = tokeniser(model.config, model.folder)
    prompts = {
        (task, length): samples(task, token_source, length, settings.samples, settings.seed, text)
        for task in settings.tasks
        for length in settings.lengths
    }
    if settings.plant_outliers is not None:
        for kind in ("norms", "pairs"):
            model = plant(model, kind, settings.plant_outliers)
    given = described(settings.model, model.name, text, settings.values())
    store = Store(out, given)
    functions = runs(model, settings.selection, TRANSFORMS[settings.transform], settings.group)
    todo = [
        (name, task, length, gamma)
        for task, length in prompts
        for name in RUNS
        for gamma in ((None,) if name in DENSE else settings.gammas)
    ]
    progress = _Progress(show)
    for index, key in enumerate(todo, 1):
        name, task, length, gamma = key
        where = f"[{index}/{len(todo)}] {task}, {length} tokens, {RUNS[name]}"
        where += "" if gamma is None else f", gamma {gamma:g}"
        if key in store.cells:
            progress.line(f"{where}: stored")
            continue
        began = time.perf_counter()
        cell = _cell(key, prompts[task, length], functions[name], partial(progress.some, where))
        store.add(cell)
        progress.line(f"{where}: {cell.text}, {time.perf_counter() - began:.1f} s")
    found = report(given, [store.cells[key] for key in todo])
    store.finish(found)
    return found


class _Progress:
    """Lines as they come, and others when there has been none for a while."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show, self._last = show, time.perf_counter()

    def line(self, text: str) -> None:
        self._last = time.perf_counter()
        self._show(text)

    def some(self, where: str, text: str) -> None:
        if time.perf_counter() - self._last > _QUIET:
            self.line(where + text)


def _cell(key: Key, prompts: Sequence[Sample], run: Run, some: Callable[[str], None]) -> Cell:
    """One run on the samples of a task: values predicted right, and the mean loss of their tokens."""
    name, task, length, gamma = key
    right = values = tokens = 0
    loss, densities = 0.0, []
    for index, sample in enumerate(prompts):
        some(f": prompt {index + 1} of {len(prompts)}")
        first = min(start for start, _ in sample.spans) - 1
        inputs = sample.tokens[:-1]  # what predicts the last token is the one before it
        output = run(inputs, len(inputs) - first, gamma or 1.0)
        densities.append(output.density)
        for start, end in sample.spans:
            rows, wanted = output.logits[start - 1 - first : end - 1 - first], sample.tokens[start:end]
            hits = rows.argmax(axis=-1) == wanted
            # of a text each token counts, of an answer a value as a whole
            right += int(hits.sum()) if task == PERPLEXITY else int(hits.all())
            values += len(wanted) if task == PERPLEXITY else 1
            tokens += len(wanted)
            loss += _loss(rows, wanted)
    return Cell(
        name, task, length, gamma, len(prompts), right / values, loss / tokens, float(np.mean(densities))
    )


def _loss(rows: NDArray[np.floating], wanted: NDArray[np.int64]) -> float:
    """Sum of the negative log-likelihoods of tokens, in nats."""
    total = 0.0
    for start in range(0, len(rows), _ROWS):
        part = rows[start : start + _ROWS].astype(np.float64)
        top = part.max(axis=-1)
        sums = np.log(np.exp(part - top[:, None]).sum(axis=-1)) + top
        total += float((sums - part[np.arange(len(part)), wanted[start : start + _ROWS]]).sum())
    return total


def _check(settings: Settings) -> None:
    for name, given in (
        ("tasks", settings.tasks),
        ("lengths", settings.lengths),
        ("gammas", settings.gammas),
    ):
        if not given:
            raise FastprefillError(f"there are no {name}; give at least one")
        if len(set(given)) != len(given):  # type: ignore[arg-type]
            raise FastprefillError(f"one of the {name} is given twice; give each once")
    for task in settings.tasks:
        if task not in TASK_NAMES:
            raise FastprefillError(f"there is no task '{task}'; choose from {', '.join(TASK_NAMES)}")
    if settings.transform not in TRANSFORMS:
        raise FastprefillError(
            f"there is no transformation '{settings.transform}'; choose from {', '.join(TRANSFORMS)}"
        )
    if settings.samples < 1:
        raise FastprefillError(f"samples is {settings.samples}; at least 1 prompt of each task is needed")
    if settings.seed < 0:
        raise FastprefillError(f"the seed is {settings.seed}; it must be 0 or more")
    factor = settings.plant_outliers
    if factor is not None and not (factor > 0 and math.isfinite(factor)):
        raise FastprefillError(f"planted outliers grow by a positive finite factor, not by {factor}")


def _read(file: Path | None) -> str | None:
    if file is None:
        return None
    try:
        return file.read_text(errors="replace")
    except OSError as error:
        raise FastprefillError(f"the text '{file}' cannot be read: {error.strerror}") from None
