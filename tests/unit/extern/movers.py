"""The movers under test, and the module that puts them side by side: readers a, b, c and writers a, b, c."""

from fastprefill.extern.axi import Port

READERS = {
    "a": Port(),
    "b": Port(data_bits=32, ids=2, burst=4, outstanding=4, buffer=8, boundary=64),
    "c": Port(data_bits=64, ids=1, burst=3, outstanding=3, buffer=4),
}
WRITERS = {
    "a": Port(buffer=64),
    "b": Port(data_bits=32, ids=3, burst=4, outstanding=2, buffer=4, boundary=64),
    "c": Port(data_bits=64, ids=1, burst=1, outstanding=1, buffer=1),
}
ALL = " ".join([f"r{name}" for name in READERS] + [f"w{name}" for name in WRITERS])
ADDRESS_BITS, LENGTH_BITS = 40, 24

# Held: once VALID is high it stays, with what it offers, until READY (AXI4, A3.2.1).
_HELD = """
module held #(parameter int WIDTH = 1) (
    input wire clk, input wire forget, input wire valid, input wire ready, input wire [WIDTH-1:0] payload);
  logic waiting = 0;
  logic [WIDTH-1:0] offered;
  always_ff @(posedge clk) begin
    if (waiting && !(valid && payload == offered)) $error("held %m: an offer fell or changed before it was taken");
    waiting <= valid && !ready && !forget;
    offered <= payload;
  end
endmodule
"""


# The clock may start high, before the testbench is there: that edge resets.
_POWERED = "logic powered = 0;\n  always_ff @(posedge clk) powered <= 1;\n  "


def _ports(name: str, port: Port, reads: bool) -> list[tuple[str, str, int]]:
    """Direction, name and width of the ports of one mover."""
    wide, ids = port.data_bits, max((port.ids - 1).bit_length(), 1)
    axi = "r" if reads else "w"
    common = [
        ("input", "cmd_valid", 1), ("output", "cmd_ready", 1), ("input", "cmd_address", ADDRESS_BITS),
        ("input", "cmd_bytes", LENGTH_BITS), ("output", "idle", 1), ("input", "clear_error", 1), ("output", "error", 2),
        ("output", f"m_axi_a{axi}id", ids), ("output", f"m_axi_a{axi}addr", ADDRESS_BITS),
        ("output", f"m_axi_a{axi}len", 8), ("output", f"m_axi_a{axi}size", 3), ("output", f"m_axi_a{axi}burst", 2),
        ("output", f"m_axi_a{axi}cache", 4), ("output", f"m_axi_a{axi}prot", 3), ("output", f"m_axi_a{axi}valid", 1),
        ("input", f"m_axi_a{axi}ready", 1),
    ]  # fmt: skip
    if reads:
        return [*common,
            ("output", "out_valid", 1), ("input", "out_ready", 1), ("output", "out_data", wide),
            ("output", "out_keep", wide // 8), ("output", "out_last", 1),
            ("input", "m_axi_rid", ids), ("input", "m_axi_rdata", wide), ("input", "m_axi_rresp", 2),
            ("input", "m_axi_rlast", 1), ("input", "m_axi_rvalid", 1), ("output", "m_axi_rready", 1),
        ]  # fmt: skip
    return [*common,
        ("input", "in_valid", 1), ("output", "in_ready", 1), ("input", "in_data", wide), ("output", "done", 1),
        ("output", "m_axi_wdata", wide), ("output", "m_axi_wstrb", wide // 8), ("output", "m_axi_wlast", 1),
        ("output", "m_axi_wvalid", 1), ("input", "m_axi_wready", 1),
        ("input", "m_axi_bid", ids), ("input", "m_axi_bresp", 2), ("input", "m_axi_bvalid", 1),
        ("output", "m_axi_bready", 1),
    ]  # fmt: skip


def top(names: str = ALL) -> str:
    """``module movers``: port p of reader a is ``ra_p``, of writer b ``wb_p``; each has its own ``rst``.

    Args:
        names: which movers, such as ``"ra wb"``.
    """
    declared = ["input wire clk", "input wire bus_rst"]
    body = []
    for reads, group in ((True, READERS), (False, WRITERS)):
        for name, port in group.items():
            prefix = f"{'r' if reads else 'w'}{name}"
            if prefix not in names.split():
                continue
            ports = _ports(name, port, reads)
            declared += [f"input wire {prefix}_rst"]
            declared += [f"{way} wire [{width - 1}:0] {prefix}_{what}" for way, what, width in ports]
            values = {**(port.reader() if reads else port.writer()), "ADDRESS_WIDTH": ADDRESS_BITS,
                      "LENGTH_WIDTH": LENGTH_BITS}  # fmt: skip
            given = ", ".join(f".{key}({value})" for key, value in values.items())
            wired = ", ".join(f".{what}({prefix}_{what})" for _, what, _ in ports)
            part = f"fp_axi_{'reader' if reads else 'writer'}"
            body.append(
                f"{part} #({given}) {prefix} (.clk(clk), .rst({prefix}_rst || !powered), "
                f".bus_rst(bus_rst || !powered), {wired});"
            )
            watched = {"ar": ("arid", "araddr", "arlen")} if reads else {
                "aw": ("awid", "awaddr", "awlen"), "w": ("wdata", "wstrb", "wlast")}  # fmt: skip
            for channel, payload in watched.items():
                bits = sum(width for _, what, width in ports if what.removeprefix("m_axi_") in payload)
                words = ", ".join(f"{prefix}_m_axi_{word}" for word in payload)
                body.append(
                    f"held #({bits}) {prefix}_{channel}_held (clk, bus_rst, {prefix}_m_axi_{channel}valid, "
                    f"{prefix}_m_axi_{channel}ready, {{{words}}});"
                )
    ports = ",\n    ".join(declared)
    return f"{_HELD}\nmodule movers (\n    {ports}\n);\n  {_POWERED}" + "\n  ".join(body) + "\nendmodule\n"
