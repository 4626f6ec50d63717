"""The doctor's report."""

from __future__ import annotations

import importlib.metadata
from dataclasses import replace

import pytest

from fastprefill import tools
from fastprefill.tools import doctor
from fastprefill.tools.doctor import Finding


def test_every_tool_is_reported_once() -> None:
    names = [finding.name for finding in doctor.doctor()]
    assert names[0] == "python"
    assert len(names) == len(set(names))
    assert set(tools.TOOLS) <= set(names)


def test_what_is_found_has_a_path_and_no_advice() -> None:
    for finding in doctor.doctor():
        assert finding.found == (finding.advice == ""), finding
        assert finding.found or not (finding.path or finding.version), finding


def test_installed_package_shows_its_version() -> None:
    (numpy,) = (f for f in doctor.doctor() if f.name == "numpy")
    assert numpy.version == importlib.metadata.version("numpy")
    assert numpy.line.split()[:2] == ["numpy", numpy.version]


def test_missing_tool_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    (vivado,) = (f for f in doctor.doctor() if f.name == "vivado")
    assert vivado == Finding(
        "vivado", False, "", "", "placed and routed results, bitstreams",
        "install AMD's Vivado and source its settings64.sh",
    )  # fmt: skip
    assert vivado.line == (
        "vivado         MISSING      placed and routed results, bitstreams: "
        "install AMD's Vivado and source its settings64.sh"
    )


def test_tool_that_tells_no_version_is_found_all_the_same() -> None:
    finding = Finding("x", True, "", "/bin/x", "something", "")
    assert finding.line.split() == ["x", "yes", "something"]
    assert replace(finding, found=False).line.split()[1] == "MISSING"
