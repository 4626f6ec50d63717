"""The hand-written parts that streams pass between processes: FIFOs, and relays between super logic regions."""

from __future__ import annotations

from fastprefill.passes.storage import fifo_storage
from fastprefill.targets.rtl.hw import Part

RELAY_HOPS = 2
"""Register stages of a stream that crosses between super logic regions, each way."""

RELAY_BITS = 98
"""Most bits of one relay, as of a slice of a shallow FIFO: its control drives at most 64 pins."""


def fifo(width_: int, depth: int, taken: bool = False) -> Part:
    """The hand-written FIFO with credits towards its producer; `taken`: its consumer is ready with a token alone."""
    ports = (
        ("clk", "in", 1),
        ("rst", "in", 1),
        ("put", "in", 1),
        ("put_data", "in", width_),
        ("credit", "out", 1),
        ("valid", "out", 1),
        ("data", "out", width_),
        ("ready", "in", 1),
    )
    storage = fifo_storage(width_, depth)
    if not storage.slice_bits:
        more = (("TAKEN", 1),) if taken else ()
        return Part("fp_fifo", ports, (("WIDTH", width_), ("DEPTH", depth), *more))
    parameters = [("WIDTH", width_), ("DEPTH", depth), ("SLICE", storage.slice_bits)]
    if storage.memory == "block":
        parameters.append(("LARGEST_LUTRAM", 1))
    return Part("fp_wide_fifo", ports, tuple(parameters))


def relay(width_: int, hops: int) -> Part:
    """The hand-written crossing between super logic regions."""
    ports = (
        ("clk", "in", 1),
        ("rst", "in", 1),
        ("in_valid", "in", 1),
        ("in_data", "in", width_),
        ("in_ready", "out", 1),
        ("out_valid", "out", 1),
        ("out_data", "out", width_),
        ("out_ready", "in", 1),
    )
    parameters = (("WIDTH", width_), ("HOPS", hops))
    if width_ <= RELAY_BITS:
        return Part("fp_relay", ports, parameters)
    return Part("fp_wide_relay", ports, (*parameters, ("SLICE", RELAY_BITS)))
