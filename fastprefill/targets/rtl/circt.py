"""CIRCT: text in the hw/comb/seq dialects -> SystemVerilog text. Why these options: docs/decisions/0001."""

from __future__ import annotations

import io

OPTIONS = ",".join(
    [
        "disallowLocalVariables",
        "disallowPackedArrays",
        "caseInsensitiveKeywords",
        "omitVersionComment",
        "wireSpillingHeuristic=spillLargeTermsWithNamehints",
        "wireSpillingNamehintTermLimit=0",
        "maximumNumberOfTermsPerExpression=16",
        "emittedLineLength=110",
        "locationInfoStyle=none",
    ]
)
PASSES = (
    "builtin.module(hw.module(canonicalize, cse, canonicalize), lower-seq-to-sv{disable-reg-randomization}, "
    "hw.module(canonicalize, cse, canonicalize, prettify-verilog))"
)
CLEANUP_MAX_LINES = 6000
"""``hw-cleanup`` joins always blocks in quadratic time; modules with more ops than this do without."""


def export(text: str) -> str:
    """SystemVerilog of a module of hw/comb/seq ops given as MLIR text."""
    import pycde.circt as circt
    from pycde.circt import export_verilog, ir, passmanager

    with ir.Context() as ctx:
        circt.register_dialects(ctx)
        ctx.allow_unregistered_dialects = False
        module = ir.Module.parse(text)
        module.operation.attributes["circt.loweringOptions"] = ir.StringAttr.get(OPTIONS)
        passes, cleanup = map(passmanager.PassManager.parse, (PASSES, "hw.module(hw-cleanup)"))
        for manager in passes, cleanup:  # what we made was verified when it was parsed
            manager.enable_verifier(False)
        passes.run(module.operation)
        for op in module.body.operations:
            if (
                op.operation.name == "hw.module"
                and len(op.regions[0].blocks[0].operations) < CLEANUP_MAX_LINES
            ):
                cleanup.run(op.operation)
        out = io.StringIO()
        export_verilog(module, out)
        return out.getvalue()
