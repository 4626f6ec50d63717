"""What is installed here, what each part gives the user, and what to do about those that are missing."""

from __future__ import annotations

import importlib.metadata
import platform
import sys
from dataclasses import dataclass

from fastprefill.errors import FastprefillError
from fastprefill.tools import TOOLS, Tool

_EXTRA = "pip install 'fastprefill[sim]'"

# Python packages that are found by their version: distribution -> what it enables.
_PACKAGES = {
    "numpy": "golden models and the interpreter",
    "xdsl": "the intermediate representation",
    "pycde": "SystemVerilog through CIRCT",
    "cocotb": "driving RTL simulations",
    "cocotbext-axi": "AXI transactions in RTL simulations",
}
_CORE = ("numpy", "xdsl", "pycde")


@dataclass(frozen=True)
class Finding:
    """One tool or package.

    Attributes:
        name: of the tool, or of the distribution on PyPI.
        found: whether it can be used.
        version: ``""`` when it is missing or does not tell.
        path: where it is; ``""`` for Python packages and what is missing.
        enables: what the user gets with it.
        advice: what to do when it is missing; ``""`` when nothing is.
    """

    name: str
    found: bool
    version: str
    path: str
    enables: str
    advice: str

    @property
    def line(self) -> str:
        """One row of the report."""
        state = self.version or "yes" if self.found else "MISSING"
        return f"{self.name:14} {state:12} {self.enables}" + (f": {self.advice}" if self.advice else "")


def doctor() -> list[Finding]:
    """Python, the packages and the tools, the needed before the optional; no tool missing is an error."""
    python = Finding("python", True, platform.python_version(), sys.executable, "fastprefill itself", "")
    packages = [_package(name) for name in _PACKAGES]
    return [python, *packages, _headers(), *(_tool(tool) for tool in TOOLS.values())]


def _package(name: str) -> Finding:
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        advice = "pip install fastprefill" if name in _CORE else _EXTRA
        return Finding(name, False, "", "", _PACKAGES[name], advice)
    return Finding(name, True, version, "", _PACKAGES[name], "")


def _headers() -> Finding:
    # The front door of the module that uses them, so that doctor and the C-sim cannot disagree.
    from fastprefill.tools import csim

    enables = "integer types of the C-sim"
    try:
        folder = csim.headers()
    except FastprefillError:
        return Finding("ap_int headers", False, "", "", enables, f"{_EXTRA} (the da4ml package carries them)")
    return Finding("ap_int headers", True, "", str(folder), enables, "")


def _tool(tool: Tool) -> Finding:
    path = tool.find()
    if path is None:
        return Finding(tool.name, False, "", "", tool.enables, tool.install)
    return Finding(tool.name, True, tool.version(), str(path), tool.enables, "")
