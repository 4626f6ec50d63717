"""Primitives of UltraScale+ as Yosys maps to them: what each takes on the part, and how signals pass through it.

The counts are of LUTs, flip-flops and so on. For the length of paths, every cell is described by the pins where a path
ends, the pins where one starts, and the arcs between pins that no clock interrupts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from fastprefill.errors import FastprefillError

# Look-up tables that one distributed RAM or shift register takes (UG574, tables of CLB memory configurations).
_LUTRAM = {
    "RAM32X1S": 1, "RAM64X1S": 1, "RAM128X1S": 2, "RAM256X1S": 4, "RAM512X1S": 8,
    "RAM32X1D": 2, "RAM64X1D": 2, "RAM128X1D": 4, "RAM256X1D": 8,
    "RAM32M": 4, "RAM64M": 4, "RAM32M16": 8, "RAM64M8": 8, "RAM64X8SW": 8,
}  # fmt: skip
_SRL = {"SRL16E": 1, "SRLC16E": 1, "SRLC32E": 1}
_LUT = {"LUT1", "LUT2", "LUT3", "LUT4", "LUT5", "LUT6", "LUT6_2"}
_FF = {"FDRE", "FDSE", "FDCE", "FDPE"}
_FREE = {"INV", "BUFG", "GND", "VCC", "$scopeinfo"}  # merged into neighbours or not in the fabric
_OTHER = {
    "CARRY4": ("carry4", 1.0), "CARRY8": ("carry4", 2.0),
    "MUXF7": ("mux", 1.0), "MUXF8": ("mux", 1.0), "MUXF9": ("mux", 1.0),
    "DSP48E2": ("dsp", 1.0),
    "RAMB36E2": ("bram36", 1.0), "RAMB18E2": ("bram36", 0.5), "URAM288": ("uram", 1.0),
}  # fmt: skip

_CLOCKS = {"C", "CLK", "WCLK", "CLKARDCLK", "CLKBWRCLK"}

# DSP48E2: the registers that stand between an input and P (UG579, block diagram). With any of them, a path ends there.
_DSP_REGISTERS = {
    "A": ("AREG", "MREG", "PREG"), "B": ("BREG", "MREG", "PREG"), "C": ("CREG", "PREG"),
    "D": ("DREG", "ADREG", "MREG", "PREG"), "ACIN": ("AREG", "MREG", "PREG"), "BCIN": ("BREG", "MREG", "PREG"),
    "PCIN": ("PREG",), "CARRYIN": ("CARRYINREG", "PREG"), "CARRYINSEL": ("CARRYINSELREG", "PREG"),
    "OPMODE": ("OPMODEREG", "PREG"), "ALUMODE": ("ALUMODEREG", "PREG"), "INMODE": ("INMODEREG", "MREG", "PREG"),
    "CARRYCASCIN": ("PREG",), "MULTSIGNIN": ("PREG",),
}  # fmt: skip

Cell = Mapping[str, Any]
"""A cell of Yosys' JSON netlist."""


@dataclass(frozen=True)
class Cells:
    """Primitives of one module or design. ``lut`` counts logic, distributed RAM and shift registers together."""

    lut: int = 0
    lutram: int = 0
    srl: int = 0
    ff: int = 0
    carry4: int = 0
    mux: int = 0
    dsp: int = 0
    bram36: float = 0.0
    uram: int = 0

    def __add__(self, other: Cells) -> Cells:
        return Cells(**{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(Cells)})

    def __mul__(self, count: int) -> Cells:
        return Cells(**{f.name: getattr(self, f.name) * count for f in fields(Cells)})


class Arc(NamedTuple):
    """A way through a cell: what it adds to a path."""

    source: int
    target: int
    luts: int = 0
    carry_bits: int = 0
    chains: int = 0
    dsps: int = 0


def count(kind: str, number: int) -> Cells:
    """What `number` cells of a type take.

    Raises:
        FastprefillError: a type that is no primitive of the part.
    """
    if kind in _LUT:
        return Cells(lut=number)
    if kind in _FF:
        return Cells(ff=number)
    if kind in _LUTRAM:
        return Cells(lut=_LUTRAM[kind] * number, lutram=_LUTRAM[kind] * number)
    if kind in _SRL:
        return Cells(lut=number, srl=number)
    if kind in _OTHER:
        name, each = _OTHER[kind]
        amount = each * number
        return Cells(bram36=amount) if name == "bram36" else Cells(**{name: int(amount)})
    if kind in _FREE:
        return Cells()
    raise FastprefillError(f"Yosys left {number} cells of type {kind!r}, whose size on the part is not known")


def pins(cell: Cell, direction: str) -> Iterator[tuple[str, int]]:
    """Pins of a direction with their nets, a bus bit by bit; without clocks, constants and open pins."""
    for pin, bits in cell["connections"].items():
        if cell["port_directions"][pin] == direction and pin not in _CLOCKS:
            for bit in bits:
                if isinstance(bit, int):
                    yield pin, bit


def is_end(cell: Cell, pin: str) -> bool:
    """Whether a path ends at an input pin: behind it is a register or a memory."""
    kind = cell["type"]
    if kind in _FF or kind.startswith(("RAMB", "URAM")):
        return True
    if kind in _LUTRAM:
        return not _read_address(pin) or _write_address(kind, pin)
    if kind in _SRL:
        return not pin.startswith("A")
    if kind == "DSP48E2":
        # Clock enables, resets and what is not in the table go to registers.
        return any(_set(cell, name) for name in _DSP_REGISTERS[pin]) if pin in _DSP_REGISTERS else True
    return False


def is_start(cell: Cell, pin: str) -> bool:
    """Whether a path starts at an output pin: it changes with the clock."""
    kind = cell["type"]
    if kind == "DSP48E2":
        if pin in ("ACOUT", "BCOUT"):
            return _set(cell, "ACASCREG" if pin == "ACOUT" else "BCASCREG")
        return any(_set(cell, name) for name in ("PREG", "MREG", "AREG", "BREG", "CREG"))
    return kind in _FF or kind in _LUTRAM or kind in _SRL or kind.startswith(("RAMB", "URAM"))


def arcs(cell: Cell, carries: frozenset[int] | set[int]) -> Iterator[Arc]:
    """Ways from inputs to outputs that no clock interrupts.

    Args:
        cell: of the netlist.
        carries: nets that a carry chain drives from its CO pins, which tell a chain that goes on from one that begins.
    """
    kind = cell["type"]
    if kind.startswith("CARRY"):
        yield from _carry_arcs(cell["connections"], carries)
        return
    outputs = list(pins(cell, "output"))
    for pin, source in pins(cell, "input"):
        for out, target in outputs:
            if kind in _LUT or (kind in _SRL and pin.startswith("A")):
                yield Arc(source, target, luts=1)
            elif kind in _LUTRAM:
                if _reads(kind, pin, out):
                    yield Arc(source, target, luts=1)
            elif kind == "DSP48E2":
                if not is_end(cell, pin) and out not in ("ACOUT", "BCOUT"):
                    yield Arc(source, target, dsps=1)
                elif (pin, out) in (("A", "ACOUT"), ("B", "BCOUT")) and not is_start(cell, out):
                    yield Arc(source, target)
            elif kind not in _FF and not kind.startswith(("RAMB", "URAM")) and kind not in _SRL:
                yield Arc(source, target)


def _carry_arcs(wires: Mapping[str, Sequence[Any]], carries: frozenset[int] | set[int]) -> Iterator[Arc]:
    """Bits travelled are counted with both ends: from S[i] to O[j] a carry passes j - i + 1 bits."""
    entries = [(pin, i, bit) for pin in ("S", "DI") for i, bit in enumerate(wires.get(pin, ()))]
    entries += [(pin, 0, bit) for pin in ("CI", "CYINIT") for bit in wires.get(pin, ())]
    for pin, i, source in entries:
        if not isinstance(source, int):
            continue
        begins = 0 if pin == "CI" and source in carries else 1
        for out in ("O", "CO"):
            for j, target in enumerate(wires.get(out, ())):
                # DI[i] is what CO[i] may pass on; O[i] is S[i] and the carry into the bit.
                if isinstance(target, int) and (j > i or (j == i and (pin, out) != ("DI", "O"))):
                    yield Arc(source, target, carry_bits=j - i + 1, chains=begins)


def _read_address(pin: str) -> bool:
    return pin.startswith(("ADDR", "DPRA", "A"))


def _write_address(kind: str, pin: str) -> bool:
    """Whether an address pin of a distributed RAM is also, or only, that of its clocked write."""
    shared = {"RAM32M": "ADDRD", "RAM64M": "ADDRD", "RAM32M16": "ADDRH", "RAM64M8": "ADDRH"}
    if kind in shared:
        return pin == shared[kind]
    return not pin.startswith("DPRA")


def _reads(kind: str, pin: str, out: str) -> bool:
    """Whether an address pin of a distributed RAM selects what is at an output pin."""
    if pin.startswith("ADDR"):
        return out == f"DO{pin.removeprefix('ADDR')}"
    if pin.startswith("DPRA"):
        return out == "DPO"
    return pin.startswith("A") and out != "DPO"


def _set(cell: Cell, register: str) -> bool:
    value = cell["parameters"].get(register, "1")  # the primitive's default
    return int(str(value), 2) != 0
