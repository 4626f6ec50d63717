"""The verb that builds a bitstream with AMD's tools."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fastprefill.api.progress import Show, quiet, tier_line

if TYPE_CHECKING:
    from fastprefill.reports.bitstream import Bitstream


def bitstream(folder: Path, *, dry_run: bool = False, show: Show = quiet) -> Bitstream:
    """Build the bitstream of a project with AMD's tools, step by step; nothing is run where something is missing.

    Args:
        folder: of a generated project.
        dry_run: only say what would be run, and what is missing.
        show: gets lines of progress.

    Raises:
        FastprefillError: not a project, no bitstream build for its board, or a step that failed: the text quotes the
            message of its log and explains it.
    """
    from fastprefill.reports.bitstream import Bitstream
    from fastprefill.tools import vendor

    build = vendor.open_build(folder)
    found = vendor.look(build)
    steps = tuple((step.name, tuple(words)) for step, words in vendor.commands(build, found))
    runs = not dry_run and not found.missing
    notes = vendor.run(build, found, show) if runs else []
    return Bitstream(
        build.folder / "build",
        build.folder / build.result,
        steps,
        found.missing,
        runs,
        tuple(notes),
        tier_line(),
    )
