"""A program that is terminated stops what it runs, as with Ctrl-C."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

PROGRAM = """
from fastprefill import tools
from fastprefill.cli import main

@main.command()
def wait():
    tools.run(["sh", "-c", "echo $$ > pid.new; mv pid.new pid; sleep 600"], timeout_s=600)

main()
"""


def test_a_terminated_verb_stops_the_program_it_runs(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "wait"], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    while not (tmp_path / "pid").exists():
        assert process.poll() is None, process.stderr and process.stderr.read()
        time.sleep(0.02)
    process.terminate()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said == "fastprefill: interrupted; nothing was left half-written\n"
    child = int((tmp_path / "pid").read_text())
    assert not Path(f"/proc/{child}").exists(), "the program runs on"
