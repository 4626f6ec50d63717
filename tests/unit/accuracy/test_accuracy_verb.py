"""The verb `accuracy`."""

import json
from pathlib import Path

from click.testing import CliRunner, Result

from fastprefill.accuracy import RUNS
from fastprefill.accuracy.tasks import TASK_NAMES
from fastprefill.cli import main

TINY = Path(__file__).parents[3] / "examples" / "tiny-llama"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["accuracy", "--model", str(TINY), *map(str, arguments)])


def test_json_and_files(tmp_path: Path) -> None:
    result = run(
        "--tasks", "perplexity", "--lengths", "100, 130", "--gamma", "0.5", "--samples", "1", "--block", "16",
        "--min-budget", "16", "--text", TINY / "prompt.txt", "--out", tmp_path, "--json",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    printed, stored = json.loads(result.stdout), json.loads((tmp_path / "accuracy.json").read_text())
    assert printed["rows"] == stored["rows"] and [row["length"] for row in stored["rows"]] == [100, 130]
    assert set(stored["rows"][0]["values"]) == set(stored["runs"]) == set(RUNS)
    assert stored["settings"]["block"] == 16 and stored["settings"]["compat"] is True
    assert result.stderr.count("perplexity, 100 tokens, ") == len(RUNS)
    assert (tmp_path / "accuracy.svg").read_text().startswith("<svg")


def test_text(tmp_path: Path) -> None:
    result = run("--lengths", "280", "--samples", "1", "--block", "16", "--min-budget", "16", "--corrected")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[1].split() == ["task", "tokens", "prompts", "gamma", *RUNS]


def test_bad_input() -> None:
    result = run("--tasks", "qa")
    assert result.exit_code == 1 and result.stdout == ""
    assert result.stderr.startswith("fastprefill: there is no task 'qa'; choose from perplexity, ")
    refused = run("--lengths", "1k", "--json")
    assert refused.exit_code == 2
    assert json.loads(refused.stdout)["error"].endswith("'1k' is not a list of whole numbers with commas")


def test_help_names_the_tasks() -> None:
    help_text = " ".join(run("--help").stdout.split())
    assert f"With commas: {', '.join(TASK_NAMES)}." in help_text
