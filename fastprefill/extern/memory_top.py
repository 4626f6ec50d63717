"""A system with its movers: a SystemVerilog module that has AXI4 ports where the system has commands and beats."""

from __future__ import annotations

from collections.abc import Mapping

from fastprefill.errors import FastprefillError
from fastprefill.extern.axi import Port
from fastprefill.system.mover import COMMAND_BITS, Mover, prefix
from fastprefill.system.ports import Ports

LENGTH_BITS = COMMAND_BITS - 64


def memory_top(
    name: str, ports: Ports, movers: Mapping[str, Mover], port: Port, address_bits: int = 64,
    fault: str | None = None,
) -> str:  # fmt: skip
    """Module `name`: the system of `ports`, a mover for each of `movers`, and wires between them.

    It has the system's ports but for those of the movers, an AXI4 port for each mover, and ``errors``, the sticky
    answers of the movers, two bits each, the first mover in the low ones. ``idle``: the system and all movers.

    Args:
        name: of the module.
        ports: of the system.
        movers: by name; their streams are ports of the system.
        port: parameters of each mover.
        address_bits: of the AXI ports.
        fault: an output of the system of 32 bits; a word other than 0 on it is shown on ``error`` for a cycle, and the
            module has no such port.

    Raises:
        FastprefillError: no such output; a mover whose stream the system does not have, or has in another width or
            direction.
    """
    inner = {**ports.inputs, **ports.outputs}
    taken: set[str] = set()
    declared = [
        "input  wire clk", "input  wire rst", "input  wire bus_rst", "input  wire start", "output wire idle",
        "output wire done", "output wire starved", "output wire blocked",
        "output wire [31:0] error", f"output wire [{2 * len(movers) - 1}:0] errors",
    ]  # fmt: skip
    declared += [f"input  wire [{bits - 1}:0] {scalar}" for scalar, bits in ports.scalars.items()]
    body: list[str] = []
    for number, (short, mover) in enumerate(movers.items()):
        _check(ports, short, mover, port)
        axi = prefix(short, mover)
        signals = _signals(mover, port, address_bits)
        declared += [f"{way} wire [{bits - 1}:0] {axi}_m_axi_{signal}" for way, signal, bits in signals]
        body += _mover(number, axi, mover, port, address_bits, [signal for _, signal, _ in signals])
        taken |= {mover.commands, mover.beats} | ({mover.done} if mover.done else set())
    if fault is not None and ports.outputs.get(fault) != 32:
        raise FastprefillError(f"'{ports.name}' has no stream '{fault}' that is an output of 32 bits")
    for stream, bits in inner.items():
        way, back = ("input ", "output") if stream in ports.inputs else ("output", "input ")
        handshake = [(way, 1, "valid"), (way, bits, "data"), (back, 1, "ready")]
        if stream in taken or stream == fault:
            body += [f"wire [{width - 1}:0] {stream}_{what};" for _, width, what in handshake]
        else:
            declared += [
                f"{towards} wire [{width - 1}:0] {stream}_{what}" for towards, width, what in handshake
            ]
    wired = [f".{scalar}({scalar})" for scalar in ports.scalars]
    wired += [f".{stream}_{what}({stream}_{what})" for stream in inner for what in ("valid", "data", "ready")]
    idles = " && ".join(["system_idle", *(f"{prefix(short, mover)}_idle" for short, mover in movers.items())])
    lines = [
        "wire system_idle;",
        "wire [31:0] system_error;",
        *sorted(body, key=lambda line: not line.startswith(("wire", "logic"))),
        f"{ports.name} system (.clk(clk), .rst(rst), .start(start), .idle(system_idle), .done(done), "
        f".starved(starved), .blocked(blocked), .error(system_error),\n    {', '.join(wired)});",
        f"assign idle = {idles};",
        *_errors(fault),
    ]
    listed = ",\n    ".join(declared)
    return (
        f"module {name} (\n    {listed}\n);\n  " + "\n  ".join(lines) + "\nendmodule\n"
    )


def _errors(fault: str | None) -> list[str]:
    """What ``error`` shows."""
    if fault is None:
        return ["assign error = system_error;"]
    return [
        f"assign {fault}_ready = 1'b1;",
        f"assign error = system_error | ({fault}_valid ? {fault}_data : 32'd0);",
    ]


def _check(ports: Ports, name: str, mover: Mover, port: Port) -> None:
    words = COMMAND_BITS if mover.bytes is None else 64
    wanted = [(ports.outputs, mover.commands, words, "an output")]
    beats = (ports.outputs, "an output") if mover.writes else (ports.inputs, "an input")
    wanted.append((beats[0], mover.beats, port.data_bits, beats[1]))
    if mover.done:
        wanted.append((ports.inputs, mover.done, 1, "an input"))
    for there, stream, bits, what in wanted:
        if there.get(stream) != bits:
            raise FastprefillError(
                f"mover '{name}': '{ports.name}' has no stream '{stream}' that is {what} of {bits} bits"
            )


def _signals(mover: Mover, port: Port, address_bits: int) -> list[tuple[str, str, int]]:
    """Direction, name and bits of a mover's AXI port."""
    ids, wide = max((port.ids - 1).bit_length(), 1), port.data_bits
    a = "aw" if mover.writes else "ar"
    out, back = "output", "input "
    common = [
        (out, f"{a}id", ids), (out, f"{a}addr", address_bits), (out, f"{a}len", 8), (out, f"{a}size", 3),
        (out, f"{a}burst", 2), (out, f"{a}cache", 4), (out, f"{a}prot", 3), (out, f"{a}valid", 1),
        (back, f"{a}ready", 1),
    ]  # fmt: skip
    if not mover.writes:
        return [
            *common, (back, "rid", ids), (back, "rdata", wide), (back, "rresp", 2), (back, "rlast", 1),
            (back, "rvalid", 1), (out, "rready", 1),
        ]  # fmt: skip
    return [
        *common, (out, "wdata", wide), (out, "wstrb", wide // 8), (out, "wlast", 1), (out, "wvalid", 1),
        (back, "wready", 1), (back, "bid", ids), (back, "bresp", 2), (back, "bvalid", 1), (out, "bready", 1),
    ]  # fmt: skip


def _mover(
    number: int, axi: str, mover: Mover, port: Port, address_bits: int, signals: list[str]
) -> list[str]:
    """Declarations and the instance of a mover."""
    values = {
        **(port.writer() if mover.writes else port.reader()),
        "ADDRESS_WIDTH": address_bits,
        "LENGTH_WIDTH": LENGTH_BITS,
    }
    length = (
        f"{LENGTH_BITS}'d{mover.bytes}" if mover.bytes else f"{mover.commands}_data[{COMMAND_BITS - 1}:64]"
    )
    wired = [
        ".clk(clk)", ".rst(rst)", ".bus_rst(bus_rst)", f".cmd_valid({mover.commands}_valid)",
        f".cmd_ready({mover.commands}_ready)", f".cmd_address({mover.commands}_data[{address_bits - 1}:0])",
        f".cmd_bytes({length})", f".idle({axi}_idle)", ".clear_error(1'b0)", f".error(errors[{2 * number} +: 2])",
    ]  # fmt: skip
    lines = [f"wire {axi}_idle;"]
    if mover.writes:
        pulse = f"{axi}_done" if mover.done else f"{axi}_unused_done"
        wired += [f".in_{what}({mover.beats}_{what})" for what in ("valid", "ready", "data")] + [
            f".done({pulse})"
        ]
        if mover.done is None:
            lines.append(f"wire {pulse};")
        else:
            # answers that the system has not taken yet
            lines += [
                f"wire {axi}_done;",
                f"logic [31:0] {axi}_waiting;",
                f"always_ff @(posedge clk)\n    {axi}_waiting <= rst ? '0 : {axi}_waiting + 32'({axi}_done) "
                f"- 32'({mover.done}_valid && {mover.done}_ready);",
                f"assign {mover.done}_valid = {axi}_waiting != '0;",
                f"assign {mover.done}_data = 1'b0;",
            ]
    else:
        wired += [f".out_{what}({mover.beats}_{what})" for what in ("valid", "ready", "data")]
        lines += [f"wire [{port.beat_bytes - 1}:0] {axi}_unused_keep;", f"wire {axi}_unused_last;"]
        wired += [f".out_keep({axi}_unused_keep)", f".out_last({axi}_unused_last)"]
    wired += [f".m_axi_{signal}({axi}_m_axi_{signal})" for signal in signals]
    given = ", ".join(f".{key}({value})" for key, value in values.items())
    part = f"fp_axi_{'writer' if mover.writes else 'reader'}"
    return [*lines, f"{part} #({given}) {axi} (\n    {', '.join(wired)});"]
