"""What all tests share: snapshots, the tier line at the end, and the record of long runs."""

from __future__ import annotations

import difflib
import json
import os
import platform
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

# before anything imports NumPy: tests run in several processes, whose BLAS threads would wait for each other
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from fastprefill.tools import TOOLS, tiers

ROOT = Path(__file__).resolve().parent.parent
LONG_RESULTS = ROOT / "results" / "test-long.json"

_reports: dict[str, dict[str, Any]] = {}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-snapshots", action="store_true", help="rewrite tests/snapshots")
    parser.addoption("--write-results", metavar="FILE", help="write outcomes and the commit as JSON")
    parser.addoption("--add-results", metavar="FILE", help="the same; tests that did not run keep their outcome")


def pytest_configure(config: pytest.Config) -> None:
    if _is_worker(config):
        return
    handle, log = tempfile.mkstemp(prefix="fastprefill-tiers-")
    os.close(handle)
    os.environ["FASTPREFILL_TIERS"] = log
    config.add_cleanup(lambda: Path(log).unlink(missing_ok=True))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    record = _reports.setdefault(report.nodeid, {"outcome": "passed", "seconds": 0.0})
    record["seconds"] = round(record["seconds"] + report.duration, 2)
    if report.outcome != "passed":
        record["outcome"] = report.outcome
        if report.skipped and isinstance(report.longrepr, tuple):
            record["reason"] = report.longrepr[2]
    if report.when == "call" and report.user_properties:
        record["measured"] = dict(report.user_properties)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if _is_worker(config):
        return
    if target := config.getoption("--write-results"):
        _write_results(Path(target), {})
    if target := config.getoption("--add-results"):
        before = json.loads(Path(target).read_text())["tests"] if Path(target).is_file() else {}
        _write_results(Path(target), before)
    if any(record["outcome"] == "passed" for record in _reports.values()):
        tiers.note("python")
    terminalreporter.write_line("")
    for line in _figures():
        terminalreporter.write_line(line)
    terminalreporter.write_line(tiers.long_line(LONG_RESULTS))
    terminalreporter.write_line(tiers.line(tiers.ran()))


@pytest.fixture
def snapshot(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """``snapshot(text, name)``: `text` must equal ``tests/snapshots/<name>``; ``make snapshots`` rewrites it."""

    def check(text: str, name: str) -> None:
        file = ROOT / "tests" / "snapshots" / name
        if request.config.getoption("--update-snapshots"):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
            return
        assert file.is_file(), f"no snapshot {file}; run make snapshots and look at the new file"
        expected = file.read_text()
        if text != expected:
            diff = difflib.unified_diff(expected.splitlines(), text.splitlines(), name, "now", lineterm="")
            pytest.fail("differs from the snapshot (make snapshots rewrites it):\n" + "\n".join(diff))

    return check


@pytest.fixture
def tool(request: pytest.FixtureRequest) -> Callable[[str], Path]:
    """``tool("verilator")``: path of a tool; skips the test, loudly, where it is missing."""

    def need(name: str) -> Path:
        found = TOOLS[name].find()
        if found is None:
            pytest.skip(f"{name} is not installed: {TOOLS[name].install}")
        return found

    return need


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


def _mutants(reports: dict[str, dict[str, Any]]) -> list[dict[str, str]]:
    """What became of each mutant that a test recorded."""
    measured = [record.get("measured", {}) for record in reports.values()]
    return [found["mutant"] for found in measured if "mutant" in found]


def _figures() -> list[str]:
    """What tests measured, one line each, and the table of mutants."""
    lines = []
    for test, record in sorted(_reports.items()):
        figures = {name: value for name, value in record.get("measured", {}).items() if name != "mutant"}
        if figures:
            lines.append(f"{test.rpartition('::')[2]}: " + ", ".join(f"{n} {v}" for n, v in figures.items()))
    if mutants := _mutants(_reports):
        from fastprefill.tools import mutate  # only now: it brings half of the compiler with it

        lines += mutate.table(mutants)
    return lines


def _write_results(target: Path, before: dict[str, dict[str, Any]]) -> None:
    """Outcomes, measurements and tool versions, with the commit at which each test ran last."""
    commit = _git("rev-parse", "HEAD")
    tests = before | {test: {**record, "commit": commit} for test, record in _reports.items()}
    result = {
        "commit": commit,
        "clean": not _git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!results"),
        "python": platform.python_version(),
        "tools": {name: found.version() for name, found in TOOLS.items() if found.find()},
        "tiers": sorted(tiers.ran()),
        "counts": dict(Counter(record["outcome"] for record in tests.values())),
        "commits": dict(Counter(record["commit"] for record in tests.values())),
        "mutants": dict(Counter(mutant["status"] for mutant in _mutants(tests))),
        "tests": dict(sorted(tests.items())),
    }
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(result, indent=1, sort_keys=True) + "\n")


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()
