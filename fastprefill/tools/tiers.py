"""Tiers: the tools that a result was checked with, and those that it was not. Every run ends with their line."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

from fastprefill import tools

TIERS = ("python", "g++", "verilator", "icarus", "yosys", "vitis_hls", "vivado")

_LOG = "FASTPREFILL_TIERS"
_ran: set[str] = set()


def note(tier: str) -> None:
    """Remember that `tier` checked something in this run.

    Where the environment variable ``FASTPREFILL_TIERS`` names a file, the tier is added to it as well, so that
    a test run over several processes knows all of them.
    """
    if tier not in TIERS:
        raise ValueError(f"tier {tier!r} is not one of {', '.join(TIERS)}")
    if tier in _ran:
        return
    _ran.add(tier)
    if log := os.environ.get(_LOG):
        with Path(log).open("a") as file:
            file.write(tier + "\n")


def ran() -> set[str]:
    """Tiers noted in this process and, with a log, in those it started."""
    log = os.environ.get(_LOG)
    if log and Path(log).is_file():
        return _ran | set(Path(log).read_text().split())
    return set(_ran)


def line(done: Iterable[str]) -> str:
    """The line that ends a run, for example ``tiers: python, g++ ran; vivado NOT run: not installed``.

    Args:
        done: tiers that ran.
    """
    done = set(done)
    missing = [tier for tier in TIERS if tier not in done and not _installed(tier)]
    lacking = {tier: why for tier in TIERS if tier not in (*done, *missing) and (why := _lacks(tier))}
    unused = [tier for tier in TIERS if tier not in (*done, *missing, *lacking)]
    parts = [f"{', '.join(tier for tier in TIERS if tier in done) or 'nothing'} ran"]
    if unused:
        parts.append(f"{', '.join(unused)} NOT run: installed, not used here")
    parts += [f"{tier} NOT run: {why}" for tier, why in lacking.items()]
    if missing:
        parts.append(f"{', '.join(missing)} NOT run: not installed")
    return "tiers: " + "; ".join(parts)


def long_line(results: Path) -> str:
    """One line on the last long run, from the JSON file that ``make test-long`` wrote."""
    if not results.is_file():
        return "long runs: none recorded (make test-long)"
    try:
        recorded = json.loads(results.read_text())
        counts = recorded["counts"]
        text = ", ".join(f"{number} {outcome}" for outcome, number in sorted(counts.items()))
        changed = "" if recorded["clean"] else " with uncommitted changes"
        where = ", ".join(
            f"{commit[:9]}{f' ({number})' if len(recorded['commits']) > 1 else ''}"
            for commit, number in sorted(recorded["commits"].items(), key=lambda item: -item[1])
        )
        return f"long runs: {text} at commit {where}{changed} ({results.name})"
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"long runs: {results} cannot be read; run make test-long again"


def _lacks(tier: str) -> str | None:
    """What else a tool that is installed would need."""
    from fastprefill.tools import csim, verilator

    return {"g++": csim.missing, "verilator": verilator.missing}.get(tier, lambda: None)()


def _installed(tier: str) -> bool:
    return tier == "python" or tools.available(tier)
