"""The folder of results: cells as they are measured, so that a run that was stopped goes on where it was."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fastprefill import __version__
from fastprefill.accuracy.plot import svg
from fastprefill.accuracy.report import Cell, Key, Report
from fastprefill.accuracy.runs import RUNS
from fastprefill.errors import FastprefillError

RESULTS, PLOT = "accuracy.json", "accuracy.svg"


class Store:
    """Cells by key, in memory and, where there is a folder, in its ``accuracy.json``.

    Args:
        folder: made if it does not exist; None: nothing is written.
        settings: what cells depend on beside their keys; cells of other settings are not taken.

    Raises:
        FastprefillError: a folder that cannot be used, or holds something else.
    """

    def __init__(self, folder: Path | None, settings: dict[str, Any]) -> None:
        self._folder, self._settings = folder, settings
        self.cells: dict[Key, Cell] = {}
        if folder is None:
            return
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FastprefillError(f"the folder '{folder}' cannot be made: {error.strerror}") from None
        if (folder / RESULTS).exists():
            self.cells = _read(folder / RESULTS, settings)

    def add(self, cell: Cell) -> None:
        """Keep a cell."""
        self.cells[cell.key] = cell
        self._write(None)

    def finish(self, report: Report) -> None:
        """Keep the report, and its picture."""
        self._write(report)
        if self._folder is not None:
            _replace(self._folder / PLOT, svg(report))

    def _write(self, report: Report | None) -> None:
        if self._folder is None:
            return
        content = {
            "fastprefill": __version__,
            "settings": self._settings,
            "runs": RUNS,
            "rows": [] if report is None else [asdict(row) for row in report.rows],
            "cells": [asdict(cell) for cell in self.cells.values()],
        }
        _replace(self._folder / RESULTS, json.dumps(content, indent=1) + "\n")


def described(folder: Path, name: str, text: str | None, values: dict[str, Any]) -> dict[str, Any]:
    """Settings with digests of what they name.

    Args:
        folder: of the checkpoint.
        name: of the model.
        text: content of the text file.
        values: the settings.
    """
    total = hashlib.sha256()
    for file in sorted([*folder.glob("*.json"), *folder.glob("*.safetensors")]):
        if file.name != RESULTS:
            with file.open("rb") as opened:
                total.update(hashlib.file_digest(opened, "sha256").digest())
    return {
        "model": name,
        "checkpoint_sha256": total.hexdigest(),
        "text_sha256": None if text is None else hashlib.sha256(text.encode()).hexdigest(),
        **values,
    }


def _read(file: Path, settings: dict[str, Any]) -> dict[Key, Cell]:
    try:
        content = json.loads(file.read_text())
        earlier = content["settings"]
        different = [name for name in settings if earlier.get(name) != settings[name]]
        cells = [Cell(**cell) for cell in content["cells"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise FastprefillError(
            f"'{file}' is not a result of fastprefill accuracy; give another folder with --out"
        ) from None
    if different:
        raise FastprefillError(
            f"'{file}' was measured with other settings ({', '.join(different)}); give another folder with --out, or "
            "remove the file"
        )
    return {cell.key: cell for cell in cells}


def _replace(file: Path, text: str) -> None:
    """Write a file whole or not at all."""
    aside = file.with_name(f".{file.name}.new")
    aside.write_text(text)
    aside.replace(file)
