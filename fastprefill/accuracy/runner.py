"""Measures tasks on runs, cell by cell; what is stored in a folder is not measured again."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from fastprefill import __version__
from fastprefill.accuracy.plot import svg
from fastprefill.accuracy.prompts import Sample
from fastprefill.accuracy.report import Cell, Report, report
from fastprefill.accuracy.runs import DENSE, RUNS, TRANSFORMS, Run, Selection, runs
from fastprefill.accuracy.tasks import TASK_NAMES, samples
from fastprefill.errors import FastprefillError
from fastprefill.models import Model, load, tokeniser
from fastprefill.quantisation.outliers import plant

RESULTS, PLOT = "accuracy.json", "accuracy.svg"

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
        samples: prompts of a task and length.
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
    _ = model.weights
    for length in settings.lengths:
        if not 2 <= length <= model.config.context:
            raise FastprefillError(
                f"a length is {length} tokens; it must be 2 to {model.config.context}, the model's context"
            )
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
    described = _described(settings, model, text)
    stored = {} if out is None else _stored(out, described)
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
        if key in stored:
            progress.line(f"{where}: stored")
            continue
        began = time.perf_counter()
        cell = _cell(key, prompts[task, length], functions[name], partial(progress.some, where))
        stored[key] = cell
        if out is not None:
            _write(out / RESULTS, _results(described, stored, None))
        progress.line(f"{where}: {cell.text}, {time.perf_counter() - began:.1f} s")
    found = report(described, [stored[key] for key in todo])
    if out is not None:
        _write(out / RESULTS, _results(described, stored, found))
        _write(out / PLOT, svg(found))
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


def _cell(
    key: tuple[str, str, int, float | None], prompts: Sequence[Sample], run: Run, some: Callable[[str], None]
) -> Cell:
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
            right += int(hits.sum()) if task == "perplexity" else int(hits.all())
            values += len(wanted) if task == "perplexity" else 1
            tokens += len(wanted)
            loss += _loss(rows, wanted)
    return Cell(
        name, task, length, gamma, len(prompts), right / values, loss / tokens, float(np.mean(densities))
    )


def _loss(rows: np.ndarray, wanted: np.ndarray) -> float:
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
    if len(set(settings.tasks)) != len(settings.tasks) or len(set(settings.lengths)) != len(settings.lengths):
        raise FastprefillError("a task or a length is given twice; give each once")
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
    for gamma in settings.gammas:
        settings.selection.check(gamma)


def _read(file: Path | None) -> str | None:
    if file is None:
        return None
    try:
        return file.read_text(errors="replace")
    except OSError as error:
        raise FastprefillError(f"the text '{file}' cannot be read: {error.strerror}") from None


def _described(settings: Settings, model: Model, text: str | None) -> dict[str, Any]:
    """Settings that a cell depends on beside its key, as JSON writes them."""
    return {
        "model": model.name,
        "checkpoint_sha256": _digest(model.folder),
        "text": None if settings.text is None else settings.text.name,
        "text_sha256": None if text is None else hashlib.sha256(text.encode()).hexdigest(),
        "samples": settings.samples,
        "seed": settings.seed,
        **asdict(settings.selection),
        "transform": settings.transform,
        "group": settings.group,
        "plant_outliers": settings.plant_outliers,
    }


def _digest(folder: Path) -> str:
    total = hashlib.sha256()
    for file in sorted([*folder.glob("*.json"), *folder.glob("*.safetensors")]):
        if file.name == RESULTS:
            continue
        with file.open("rb") as opened:
            total.update(hashlib.file_digest(opened, "sha256").digest())
    return total.hexdigest()


def _stored(out: Path, described: dict[str, Any]) -> dict[tuple[str, str, int, float | None], Cell]:
    file = out / RESULTS
    if not file.exists():
        return {}
    try:
        content = json.loads(file.read_text())
        earlier = content["settings"]
        cells = [Cell(**cell) for cell in content["cells"]]
    except (OSError, ValueError, KeyError, TypeError):
        raise FastprefillError(
            f"'{file}' is not a result of fastprefill accuracy; give another folder with --out"
        ) from None
    different = [name for name in described if earlier.get(name) != described[name]]
    if different:
        raise FastprefillError(
            f"'{file}' was measured with other settings ({', '.join(different)}); give another folder with --out, or "
            "remove the file"
        )
    return {(cell.run, cell.task, cell.length, cell.gamma): cell for cell in cells}


def _results(described: dict[str, Any], stored: dict[Any, Cell], found: Report | None) -> str:
    return (
        json.dumps(
            {
                "fastprefill": __version__,
                "settings": described,
                "runs": RUNS,
                "rows": [] if found is None else [asdict(row) for row in found.rows],
                "cells": [asdict(cell) for cell in stored.values()],
            },
            indent=1,
        )
        + "\n"
    )


def _write(file: Path, text: str) -> None:
    """Whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_name(f".{file.name}.new")
    aside.write_text(text)
    aside.replace(file)
