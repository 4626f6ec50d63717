"""Finding and running tools."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

import pytest

from fastprefill import tools
from fastprefill.errors import FastprefillError
from fastprefill.tools import Tool, csim, tiers


def test_find_missing_tool_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(FastprefillError, match=r"^g\+\+ is not installed; it is needed for C-sim .*: apt-get"):
        tools.find("g++")


def test_version_of_a_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "v++"
    program.write_text("#!/bin/sh\necho 'v++ v2023.2 (64-bit)'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    found = Tool("v++", ("v++",), "", "")
    assert found.find() == program
    assert found.version() == "2023.2"


def test_run_captures_output_and_status(tmp_path: Path) -> None:
    done = tools.run([sys.executable, "-c", "print('a'); import sys; sys.exit(3)"], timeout_s=20, check=False)
    assert (done.status, done.output) == (3, "a\n")


def test_run_failure_shows_the_last_lines() -> None:
    code = "import sys; [print(i) for i in range(99)]; sys.exit(2)"
    with pytest.raises(FastprefillError, match="failed with status 2") as caught:
        tools.run([sys.executable, "-c", code], timeout_s=20)
    assert str(caught.value).splitlines()[1:] == [str(i) for i in range(79, 99)]


def test_run_names_the_signal() -> None:
    with pytest.raises(FastprefillError, match="failed with signal SIGABRT"):
        tools.run([sys.executable, "-c", "import os; os.abort()"], timeout_s=20)


def test_run_missing_program() -> None:
    with pytest.raises(FastprefillError, match="no-such-tool cannot be started: No such file"):
        tools.run(["/nonexistent/no-such-tool"], timeout_s=1)


def test_run_stops_a_tool_and_its_children(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    started = time.monotonic()
    with pytest.raises(FastprefillError, match=r"sh did not finish within 0.3 s"):
        tools.run(["sh", "-c", f"(sleep 1; touch {flag}) & sleep 30"], timeout_s=0.3)
    assert time.monotonic() - started < 10
    time.sleep(1.2)
    assert not flag.exists()


def test_tier_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "available", lambda name: name in ("g++", "yosys", "verilator"))
    assert tiers.line(["g++", "python", "yosys"]) == (
        "tiers: python, g++, yosys ran; verilator NOT run: installed, not used here; "
        "icarus, vitis_hls, vivado NOT run: not installed"
    )


def test_the_tier_line_says_what_an_installed_tool_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "available", lambda name: name == "g++")
    monkeypatch.setattr(csim, "_HEADER_PACKAGE", "no_such_package")
    assert tiers.line(["python"]) == (
        "tiers: python ran; g++ NOT run: the ap_int headers of da4ml are not installed (pip install "
        "'fastprefill[sim]'); verilator, icarus, yosys, vitis_hls, vivado NOT run: not installed"
    )


def test_temporary_files_of_a_tool_go_with_it(tmp_path: Path) -> None:
    said = tools.run(["sh", "-c", 'touch "$TMPDIR/left"; echo "$TMPDIR"'], timeout_s=60).output.strip()
    assert said and not Path(said).exists()


def test_a_tool_that_fails_on_a_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")._replace(free=0)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(FastprefillError, match=r"the disk of .* is full: free some, or set TMPDIR to a folder"):
        tools.run(["false"], timeout_s=60)


def test_tiers_of_other_processes_are_read_from_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    monkeypatch.setenv("FASTPREFILL_TIERS", str(log))
    monkeypatch.setattr(tiers, "_ran", set())
    code = "from fastprefill.tools import tiers; tiers.note('yosys')"
    tools.run([sys.executable, "-c", code], timeout_s=60)
    tiers.note("python")
    assert log.read_text() == "yosys\npython\n"
    assert tiers.ran() == {"python", "yosys"}


def test_note_refuses_unknown_tiers() -> None:
    with pytest.raises(ValueError, match="'modelsim' is not one of"):
        tiers.note("modelsim")


def test_long_line(tmp_path: Path) -> None:
    file = tmp_path / "test-long.json"
    assert tiers.long_line(file) == "long runs: none recorded (make test-long)"
    counts = '"clean": true, "counts": {"passed": 3, "failed": 1}'
    file.write_text('{"commits": {"0123456789abcdef": 4}, ' + counts + "}")
    assert tiers.long_line(file) == "long runs: 1 failed, 3 passed at commit 012345678 (test-long.json)"
    file.write_text('{"commits": {"fedcba9876543210": 1, "0123456789abcdef": 3}, ' + counts + "}")
    assert "3 passed at commit 012345678 (3), fedcba987 (1) (test-long.json)" in tiers.long_line(file)
    file.write_text("{}")
    assert "cannot be read" in tiers.long_line(file)
