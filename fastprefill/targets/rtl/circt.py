"""CIRCT: text in the hw/comb/seq dialects -> SystemVerilog text."""

from __future__ import annotations

import io

OPTIONS = ",".join(
    [
        "disallowLocalVariables",  # Yosys reads no `automatic logic` in always blocks
        "disallowPackedArrays",
        "explicitBitcast",
        "emittedLineLength=110",
        "locationInfoStyle=wrapInAtSquareBracket",
    ]
)
"""Lowering options whose output Yosys 0.70 and ``verilator -Wall`` both read (docs/decisions/0001)."""

PASSES = (
    "builtin.module(hw.module(canonicalize, cse, canonicalize), lower-seq-to-sv{disable-reg-randomization}, "
    "hw.module(canonicalize, cse, canonicalize, prettify-verilog, hw-cleanup))"
)


def export(text: str) -> str:
    """SystemVerilog of a module of hw/comb/seq ops given as MLIR text."""
    import pycde.circt as circt
    from pycde.circt import export_verilog, ir, passmanager

    with ir.Context() as ctx:
        circt.register_dialects(ctx)
        ctx.allow_unregistered_dialects = False
        module = ir.Module.parse(text)
        module.operation.attributes["circt.loweringOptions"] = ir.StringAttr.get(OPTIONS)
        passmanager.PassManager.parse(PASSES).run(module.operation)
        out = io.StringIO()
        export_verilog(module, out)
        return out.getvalue()
