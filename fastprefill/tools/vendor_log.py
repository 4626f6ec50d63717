"""Logs of Vivado, Vitis HLS and v++: the message that matters, its place, and what it means.

The forms of the messages are public (UG835, UG1393, answers in AMD's forum); no vendor tool has run here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_ERROR = re.compile(
    r"^\s*(ERROR|FATAL|terminate called)\b|\bKilled\b|No space left on device|std::bad_alloc", re.IGNORECASE
)

# What only says that something before it failed.
_FOLLOWS = re.compile(
    r"\[v\+\+ 60-(661|703|704|773|626|599|1489)\]|\[VPL 60-(773|704|806|1328)\]|\[Common 17-(39|69)\]|"
    r"caught Tcl error|failed to complete|see log file|please refer to|integration error",
    re.IGNORECASE,
)

# In the order of certainty: the first that fits explains a message.
_KNOWN = tuple(
    (re.compile(pattern, re.IGNORECASE), meaning)
    for pattern, meaning in (
        (
            r"\[Common 17-345\]|valid license was not found",
            "the tool has no licence for this part: set XILINXD_LICENSE_FILE to a licence that covers it",
        ),
        (
            r"No space left on device",
            "the disk is full; make room, or build on another disk",
        ),
        (
            r"\bKilled\b|std::bad_alloc|out of memory|signal 9",
            "the machine ran out of memory: use a larger machine, or fewer jobs at a time",
        ),
        (
            r"platform.*(not found|could not be found|cannot be found|does not exist|no .* matches)"
            r"|(no|unable to find) (device|platform)",
            "the platform is not installed where the tool looks: install its development package and put its folder "
            "into PLATFORM_REPO_PATHS",
        ),
        (
            r"\[Coretcl 2-106\]|part .*(could not be found|not found|is not (supported|available|installed))",
            "this installation does not know the part: add its device family in the installer, or use a release that "
            "still has it (`fastprefill boards --json` lists tool_ranges)",
        ),
        (
            r"\[DRC UTLZ-1\]|\[Place 30-(640|487|484)\]|over-utilized|more .* (cells )?than are available",
            "the design is larger than the board or its region: generate a smaller one (--rows, --dsp-columns, "
            "--lut-columns); `fastprefill synth` shows the share of each resource",
        ),
        (
            r"failed to route|\[Route 35-(2|7|162|1)\]|congestion",
            "the wires do not fit: generate a smaller design or a lower share of a region",
        ),
        (
            r"did not meet timing|timing is not met|\[Timing 38-282\]|unscalable",
            "the clock is too fast for this placement: lower clock_mhz in a copy of the board file and generate again",
        ),
        (
            r"\[CFGEN \d+-\d+\]|\bsp tag\b|stream_connect|--connectivity",
            "link.cfg and the kernels or the platform do not agree: see the names in bitstream/link.cfg",
        ),
        (
            r"VLNV .*(not supported|not found|could not be|cannot be)|\[BD 5-(216|390)\]",
            "the block design asks for an IP that this release does not have: use a release of the board's range",
        ),
        (
            r"\[Synth 8-\d+\]",
            "Vivado refused the RTL, which Verilator and Yosys accept: please report it with this line",
        ),
        (
            r"\[HLS 2\d\d-\d+\]|\[v\+\+ 213-\d+\]|\[HLS-\d+\]",
            "Vitis HLS refused the movers, which g++ compiles: please report it with this line",
        ),
        (
            r"\[IP_Flow 19-\d+\]|\[XO \d+-\d+\]|package_xo",
            "the RTL could not be packaged: please report it with this line",
        ),
    )
)

_SLOWER = re.compile(r"frequency is being automatically changed to ([\d.]+) MHz", re.IGNORECASE)


@dataclass(frozen=True)
class Message:
    """A message of a log.

    Attributes:
        file: name of the log.
        line: number of its line, from 1.
        quote: the line, without blanks around it.
        meaning: in words, with what to do; empty when it is not one of those we know.
    """

    file: str
    line: int
    quote: str
    meaning: str

    def text(self) -> str:
        """Place, quotation and explanation in one sentence."""
        told = f": {self.meaning}" if self.meaning else " (a message that fastprefill has no explanation for)"
        return f"{self.file}:{self.line} says “{self.quote}”{told}"


def first_error(logs: Iterable[Path]) -> Message | None:
    """The error that explains a failure: the first known one, otherwise the first that is no mere consequence.

    Args:
        logs: files in the order of trust; those that are missing are passed over.
    """
    first: Message | None = None
    for log in logs:
        for message in _errors(log):
            if message.meaning:
                return message
            first = first or message
    return first


def slower_clock(log: Path) -> float | None:
    """The clock in MHz to which v++ went down because timing was not met; None when it kept the one asked for."""
    found = _SLOWER.findall(_read(log))
    return min(float(clock) for clock in found) if found else None


def _errors(log: Path) -> list[Message]:
    found = []
    for number, line in enumerate(_read(log).splitlines(), start=1):
        if not _ERROR.search(line) or _FOLLOWS.search(line):
            continue
        meaning = next((meaning for pattern, meaning in _KNOWN if pattern.search(line)), "")
        found.append(Message(log.name, number, line.strip(), meaning))
    return found


def _read(log: Path) -> str:
    try:
        return log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
