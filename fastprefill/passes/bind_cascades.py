"""bind-cascades: sums of products that the unit binds to ``dsp_cascade`` become chains of DSP slices."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import arith
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import Rewriter

from fastprefill.errors import KernelError
from fastprefill.ir.pipe import CascadeOp
from fastprefill.ir.query import processes, text, width
from fastprefill.passes.simplify import drop_dead

MOST_SLICES = 8
"""Slices in a chain: as many packed products as a 19-bit field holds (``docs/mpu.md``)."""


@dataclass(frozen=True)
class BindCascades(ModulePass):
    """Replace ``start + a * b + c * d ...`` by ``pipe.cascade`` where the products are bound to it."""

    name = "bind-cascades"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for func in processes(op):
            bound = [o for o in func.walk() if isinstance(o, arith.MuliOp) and text(o, "bind") == "dsp_cascade"]
            if not bound:
                continue
            in_chain: set[Operation] = set()
            for add in reversed([o for o in func.walk() if isinstance(o, arith.AddiOp)]):
                if add not in in_chain and _product(add) is not None:
                    in_chain |= _bind(add)
            for product in bound:
                if product not in in_chain:
                    raise KernelError(
                        "a product bound to 'dsp_cascade' must be added to a sum of at most 48 bits; write "
                        "total += a * b, or bind it to 'dsp'",
                        text(product, "src") or None,
                    )
            drop_dead(func.body.block)


def _product(add: arith.AddiOp) -> tuple[arith.MuliOp, SSAValue] | None:
    """The bound product that an addition adds, and the value it is added to."""
    for one, other in ((add.rhs, add.lhs), (add.lhs, add.rhs)):
        owner = _signed_source(one).owner
        if isinstance(owner, arith.MuliOp) and text(owner, "bind") == "dsp_cascade":
            return owner, other
    return None


def _signed_source(value: SSAValue) -> SSAValue:
    """The value before sign extensions."""
    while isinstance(value.owner, arith.ExtSIOp):
        value = value.owner.input
    return value


def _bind(root: arith.AddiOp) -> set[Operation]:
    """Build the chain that ends in an addition; the additions and products in it."""
    src, bits = text(root, "src") or None, width(root.result)
    if bits > 48:
        raise KernelError(f"a sum of {bits} bits in a DSP cascade; a DSP slice adds 48 bits", src)
    used: set[Operation] = set()
    left: list[SSAValue] = []
    right: list[SSAValue] = []
    start: SSAValue = root.result
    while isinstance(add := start.owner, arith.AddiOp) and (found := _product(add)) is not None:
        if add is not root and len(list(add.result.uses)) != 1:
            break
        product, start = found
        used |= {add, product}
        left.insert(0, _signed_source(product.lhs))
        right.insert(0, _signed_source(product.rhs))
    for number, (a, b) in enumerate(zip(left, right, strict=True)):
        if width(a) < width(b):
            left[number], right[number] = b, a
        a, b = left[number], right[number]
        if width(a) > 27 or width(b) > 18:
            raise KernelError(f"a product of {width(a)} x {width(b)} bits; a DSP slice multiplies 27 x 18", src)
    if len(left) > MOST_SLICES:
        raise KernelError(f"{len(left)} products in one DSP cascade; at most {MOST_SLICES} are chained", src)
    cascade = CascadeOp(_signed_source(start), left, right, bits)
    cascade.attributes.update({k: v for k, v in root.attributes.items() if k != "stage"})
    cascade.result.name_hint = root.result.name_hint
    block = root.parent_block()
    assert block is not None
    block.insert_op_before(cascade, root)
    root.result.replace_all_uses_with(cascade.result)
    Rewriter.erase_op(root, safe_erase=False)
    return used
