"""Boards as data: part, clock, resources of each super logic region, memories, tool versions, delays."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from fastprefill.errors import FastprefillError

_FOLDER = Path(__file__).parent
_FIELDS = {
    "name", "title", "part", "speed_grade", "clock_mhz", "status", "platform", "build", "device", "slr", "memory",
    "tool_versions", "tool_ranges", "tool_note", "delays",
}  # fmt: skip


@dataclass(frozen=True)
class Resources:
    """Counts of primitives: CLB LUTs, flip-flops, DSP48E2, 36 Kb block RAMs, UltraRAMs."""

    lut: int = 0
    ff: int = 0
    dsp: int = 0
    bram36: int = 0
    uram: int = 0

    def __add__(self, other: Resources) -> Resources:
        return Resources(
            *(a + b for a, b in zip(self.as_dict().values(), other.as_dict().values(), strict=True))
        )

    def __sub__(self, other: Resources) -> Resources:
        return Resources(
            *(a - b for a, b in zip(self.as_dict().values(), other.as_dict().values(), strict=True))
        )

    def as_dict(self) -> dict[str, int]:
        """By name, in the order lut, ff, dsp, bram36, uram."""
        return asdict(self)


@dataclass(frozen=True)
class Memory:
    """A memory beside the FPGA.

    Attributes:
        name: what the vendor's scripts call it; its port 3 is ``HBM[3]``.
        bytes: capacity of all of it.
        ports: AXI ports: pseudo-channels of HBM, channels of DDR, HP ports of a Zynq.
        port_bits: width of the data of each port.
        mover_bits: width of a kernel's port that takes a port's bandwidth at the design's clock.
        gigabytes_per_second: peak of all ports together, in 10^9 bytes.
    """

    name: str
    bytes: int
    ports: int
    port_bits: int
    mover_bits: int
    gigabytes_per_second: float

    @property
    def port_gigabytes_per_second(self) -> float:
        """Peak of one port."""
        return self.gigabytes_per_second / self.ports


@dataclass(frozen=True)
class ToolRange:
    """Versions of a vendor tool that can build for a board; an empty `last` means that no end is known."""

    first: str
    last: str = ""

    def holds(self, version: str) -> bool:
        """Whether `version`, such as ``2023.2`` or ``2022.1.1``, is one of them."""
        wanted = release(version)
        return release(self.first) <= wanted and (not self.last or wanted <= release(self.last))

    def text(self) -> str:
        """For people: ``2022.1 to 2023.2``."""
        return f"{self.first} to {self.last}" if self.last else f"{self.first} or later"


@dataclass(frozen=True)
class Delays:
    """The scheduler's model of operator delays, in nanoseconds; see the comments in the board files."""

    lut: float
    carry_per_bit: float
    dsp: float
    bram: float
    ff_setup: float


@dataclass(frozen=True)
class Board:
    """A board, as its TOML file describes it.

    Attributes:
        name: what the user writes, such as ``kv260``.
        title: maker and model.
        part: the vendor's part name, package and speed grade included.
        speed_grade: such as ``-2L``.
        clock_mhz: clock of the design, in MHz.
        slrs: what each super logic region offers a design, from SLR 0; what a platform takes is not in it.
        device: the whole device.
        memories: off-chip (or in-package) memories; the first is where a design's data lies.
        tool_versions: vendor tool -> version that the generated scripts are written for.
        tool_ranges: vendor tool -> versions that can build for this board.
        tool_note: why these and no others, for whoever has another.
        delays: for scheduling.
        status: what has been shown on this board.
        platform: Vitis platform, or empty.
        build: folder of ``bitstreams/`` that holds its build; boards of a family share one.
    """

    name: str
    title: str
    part: str
    speed_grade: str
    clock_mhz: float
    slrs: tuple[Resources, ...]
    device: Resources
    memories: tuple[Memory, ...]
    tool_versions: Mapping[str, str]
    tool_ranges: Mapping[str, ToolRange]
    tool_note: str
    delays: Delays
    status: str
    platform: str = ""
    build: str = ""

    @property
    def resources(self) -> Resources:
        """All regions together."""
        return sum(self.slrs, Resources())

    @property
    def platform_share(self) -> Resources:
        """What a static platform takes of the device."""
        return self.device - self.resources

    @property
    def clock_ns(self) -> float:
        """Clock period in nanoseconds."""
        return 1000.0 / self.clock_mhz

    def refuses_tool(self, tool: str, version: str) -> str:
        """Why `version` of `tool` cannot build for this board, as a sentence; empty when it can."""
        supported = self.tool_ranges.get(tool)
        if supported is None or supported.holds(version):
            return ""
        return refusal(
            self.title,
            tool,
            version,
            supported,
            self.tool_versions.get(tool, supported.first),
            self.tool_note,
        )


def refusal(title: str, tool: str, version: str, supported: ToolRange, best: str, note: str) -> str:
    """The sentence for a version of a tool that cannot build for a board."""
    why = f" ({note})" if note else ""
    return (
        f"{tool} {version} cannot build for {title}; versions that can: {supported.text()}{why}; install one of them, "
        f"best {best}, and source its settings64.sh"
    )


def release(version: str) -> tuple[int, int]:
    """Year and number of a release of the vendor's tools: ``2022.1.1`` and ``2022.1`` are of the same.

    Raises:
        ValueError: it is not of this form.
    """
    found = re.fullmatch(r"(20\d\d)\.([1-9])(\.\d+)*", version)
    if found is None:
        raise ValueError(f"'{version}' is no version of the form 2023.2")
    return int(found[1]), int(found[2])


def names() -> tuple[str, ...]:
    """The boards that come with the package."""
    return tuple(sorted(file.stem for file in _FOLDER.glob("*.toml")))


def load(name: str) -> Board:
    """The board `name`; a name that ends in ``.toml`` is the path of a file of your own.

    A board of your own is known by the name inside its file from then on.

    Raises:
        FastprefillError: unknown board, or a file that does not describe one.
    """
    if name.endswith(".toml"):
        board = _read(Path(name))
        if board.name in names():
            raise FastprefillError(
                f"the board file '{name}' calls its board '{board.name}', which comes with the package; "
                "give it another name"
            )
        _own[board.name] = board
        return board
    if name in _own:
        return _own[name]
    if name not in names():
        raise FastprefillError(
            f"unknown board '{name}'; known boards: {', '.join(names())}, or the path of a .toml file"
        )
    return _shipped(name)


_own: dict[str, Board] = {}


@cache
def _shipped(name: str) -> Board:
    return _read(_FOLDER / f"{name}.toml")


def _read(path: Path) -> Board:
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FastprefillError(f"there is no board file '{path}'") from None
    except OSError as error:
        raise FastprefillError(f"the board file '{path}' cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FastprefillError(f"the board file '{path}' is not TOML: {error}") from None
    try:
        _known(data, _FIELDS)
        slrs = tuple(_resources(slr) for slr in data["slr"])
        versions = data.get("tool_versions", {})
        return _checked(Board(
            name=_text(data, "name"),
            title=_text(data, "title"),
            part=_text(data, "part"),
            speed_grade=str(data["speed_grade"]),
            clock_mhz=_positive(data, "clock_mhz"),
            slrs=slrs,
            device=_resources(data["device"]) if "device" in data else sum(slrs, Resources()),
            memories=tuple(_memory(entry) for entry in data.get("memory", [])),
            tool_versions={str(k): str(v) for k, v in versions.items()},
            tool_ranges={str(k): _range(v) for k, v in data.get("tool_ranges", {}).items()},
            tool_note=str(data.get("tool_note", "")),
            delays=Delays(**{f.name: _positive(data["delays"], f.name) for f in fields(Delays)}),
            status=str(data.get("status", "")),
            platform=str(data.get("platform", "")),
            build=str(data.get("build", data["name"])),
        ))  # fmt: skip
    except KeyError as error:
        raise FastprefillError(f"the board file '{path}' has no {error}; compare with kv260.toml") from None
    except (TypeError, ValueError, AttributeError) as error:
        raise FastprefillError(f"the board file '{path}' is wrong: {error}") from None


def _checked(board: Board) -> Board:
    """What no field shows alone."""
    if re.fullmatch(r"\w[\w.-]*", board.name) is None:
        raise ValueError(f"name is '{board.name}'; choose letters, digits, '_', '-' and '.'")
    if not board.slrs or not board.memories:
        raise ValueError("it has no [[slr]] or no [[memory]]; a design needs one of each at least")
    for name, value in board.platform_share.as_dict().items():
        if value < 0:
            raise ValueError(f"{name} of the device is {-value:,} less than that of its regions together")
    delays = board.delays
    least = delays.ff_setup + max(delays.lut, delays.dsp, delays.bram)
    if board.clock_ns <= least:
        raise ValueError(
            f"clock_mhz is {board.clock_mhz:g}: a cycle of {board.clock_ns:.2f} ns is not longer than ff_setup and the "
            f"slowest of lut, dsp and bram in [delays], {least:.2f} ns; lower the clock or correct the delays"
        )
    for tool, version in board.tool_versions.items():
        release(version)
        if why := board.refuses_tool(tool, version):
            raise ValueError(f"{tool} of [tool_versions] is outside [tool_ranges]: {why.partition(';')[0]}")
    return board


def _known(entry: Mapping[str, Any], names: set[str]) -> None:
    if unknown := sorted(set(entry) - names):
        raise ValueError(f"the field '{unknown[0]}' is unknown; there are {', '.join(sorted(names))}")


def _text(entry: Mapping[str, Any], name: str) -> str:
    value = entry[name]
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} is {value!r}; it must be a text")
    return value


def _whole(entry: Mapping[str, Any], name: str, least: int) -> int:
    value = entry[name]
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} is {value!r}; it must be a whole number of at least {least}")
    return value


def _resources(entry: Mapping[str, Any]) -> Resources:
    names = [f.name for f in fields(Resources)]
    _known(entry, set(names))
    return Resources(**{name: _whole(entry, name, 0) for name in names})


def _range(entry: object) -> ToolRange:
    if not isinstance(entry, list) or not 1 <= len(entry) <= 2:
        raise ValueError(f"a tool range is {entry!r}; it must be [first] or [first, last]")
    found = ToolRange(*(str(version) for version in entry))
    if found.last and release(found.last) < release(found.first):
        raise ValueError(f"the tool range {entry!r} ends before it begins")
    release(found.first)
    return found


def _positive(entry: Mapping[str, Any], name: str) -> float:
    value = entry[name]
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < math.inf:
        raise ValueError(f"{name} is {value!r}; it must be a number above 0")
    return float(value)


def _memory(entry: Mapping[str, Any]) -> Memory:
    _known(entry, {f.name for f in fields(Memory)})
    for name in ("port_bits", "mover_bits"):
        bits = _whole(entry, name, 8)
        if bits & (bits - 1) or bits > 1024:  # AXI4's widths
            raise ValueError(f"{name} is {bits}; it must be a power of two from 8 to 1024")
    return Memory(
        name=_text(entry, "name"),
        bytes=_whole(entry, "bytes", 1),
        ports=_whole(entry, "ports", 1),
        port_bits=entry["port_bits"],
        mover_bits=entry["mover_bits"],
        gigabytes_per_second=_positive(entry, "gigabytes_per_second"),
    )


def most_luts(clock_mhz: float) -> int:
    """LUTs on a path that the rule allows: 6 up to 200 MHz, 4 up to 300 MHz.

    One LUT and its net take 0.4 to 0.5 ns on these parts (the boards' delay models), so 4 of them with a carry
    chain, set-up and clock uncertainty fill a period of 3.3 ns, and 6 one of 5 ns, with a margin for the placement.
    """
    return 6 if clock_mhz <= 200 else 4
