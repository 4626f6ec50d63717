"""bind-cascades: sums of products that the unit binds to ``dsp_cascade`` become chains of DSP slices."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import arith
from xdsl.dialects.builtin import IntegerType, ModuleOp
from xdsl.ir import Operation, SSAValue
from xdsl.rewriter import Rewriter

from fastprefill.errors import KernelError
from fastprefill.ir.pipe import CascadeOp
from fastprefill.ir.query import constant, processes, text, width
from fastprefill.passes.base import Pass
from fastprefill.passes.simplify import drop_dead

MOST_SLICES = 8
"""Slices in a chain; a 19-bit field holds fifteen packed products (``docs/mpu.md``)."""

SUM_BITS, LEFT_BITS, RIGHT_BITS = 48, 27, 18
"""Widths of a DSP48E2: the adder, and the two operands of the multiplier (UG579)."""


@dataclass(frozen=True)
class BindCascades(Pass):
    """Replace ``start + a * b + c * d ...`` by ``pipe.cascade`` where the products are bound to it."""

    name = "bind-cascades"
    summary = "sums of products that are bound to `dsp_cascade` become chains of DSP slices"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for func in processes(op):
            if not any(_is_bound(o) for o in func.walk()):
                continue
            in_chain: set[Operation] = set()
            for add in reversed([o for o in func.walk() if isinstance(o, arith.AddiOp)]):
                if add not in in_chain and _addends(add) is not None:
                    in_chain |= _bind(add)
            drop_dead(func.body.block)
            for product in func.walk():
                if _is_bound(product):
                    raise KernelError(
                        "a product bound to 'dsp_cascade' must be added to a sum, in all its bits, and used for "
                        "nothing else; write total += a * b, or bind it to 'dsp'",
                        text(product, "src") or None,
                    )


@dataclass(frozen=True)
class _Product:
    """A bound product; where `condition` does not hold, it counts as 0."""

    op: arith.MuliOp
    condition: SSAValue | None


def _is_bound(op: Operation) -> bool:
    return isinstance(op, arith.MuliOp) and text(op, "bind") == "dsp_cascade"


def _addends(add: arith.AddiOp) -> tuple[_Product, SSAValue] | None:
    """The bound product that an addition adds, and the value it is added to."""
    for one, other in ((add.rhs, add.lhs), (add.lhs, add.rhs)):
        product = _product(one)
        if product is not None:
            return product, other
    return None


def _product(value: SSAValue) -> _Product | None:
    """The bound product that a value is, extended or not, when no bit of it was cut off before the extension."""
    condition = None
    if isinstance(choice := value.owner, arith.SelectOp) and constant(choice.rhs) == 0:
        condition, value = choice.cond, choice.lhs
    inner = value
    while isinstance(inner.owner, arith.ExtSIOp | arith.ExtUIOp):
        inner = inner.owner.input
    product = inner.owner
    if not isinstance(product, arith.MuliOp) or not _is_bound(product):
        return None
    if inner is not value:  # else it is as wide as the sum, which is modulo its width
        factors = [_source(product.lhs), _source(product.rhs)]
        exact = sum(width(factor) for factor, _ in factors) <= width(inner)
        extension = arith.ExtSIOp if any(signed for _, signed in factors) else arith.ExtUIOp
        if not (exact and isinstance(value.owner, extension)):
            return None
    return _Product(product, condition)


def _exact_sum(value: SSAValue) -> SSAValue:
    """The sum that a value extends, when no bit of it was cut off before the extension; else the value itself."""
    inner = value
    while isinstance(inner.owner, arith.ExtSIOp):
        inner = inner.owner.input
    add = inner.owner
    if inner is value or not isinstance(add, arith.AddiOp):
        return value
    sources = [_source(operand) for operand in add.operands]
    exact = max(width(source) + (not signed) for source, signed in sources) < width(inner)
    return inner if exact else value


def _source(value: SSAValue) -> tuple[SSAValue, bool]:
    """The number before extensions, and whether it is a signed one."""
    while isinstance(value.owner, arith.ExtSIOp):
        value = value.owner.input
    if isinstance(value.owner, arith.ExtUIOp):
        return value.owner.input, False
    return value, True


def _bind(root: arith.AddiOp) -> set[Operation]:
    """Build the chain that ends in an addition; the additions in it."""
    src, bits = text(root, "src") or None, width(root.result)
    if bits > SUM_BITS:
        raise KernelError(f"a sum of {bits} bits in a DSP cascade; a DSP slice adds {SUM_BITS} bits", src)
    additions: set[Operation] = set()
    products: list[_Product] = []
    start: SSAValue = root.result
    while isinstance(add := start.owner, arith.AddiOp) and (found := _addends(add)) is not None:
        if add is not root and (add.result.has_more_than_one_use() or add.parent is not root.parent):
            break
        additions.add(add)
        products.insert(0, found[0])
        start = _exact_sum(found[1])
    first = _product(start)
    if first is not None:  # a sum that starts with a product
        products.insert(0, first)
        zero = arith.ConstantOp.from_int_and_width(0, bits)
        _insert(zero, root)
        start = zero.result
    if len(products) > MOST_SLICES:
        raise KernelError(
            f"{len(products)} products in one DSP cascade; at most {MOST_SLICES} are chained: add them up in two sums",
            src,
        )
    factors = [_factors(product, root, src) for product in products]
    while isinstance(start.owner, arith.ExtSIOp):
        start = start.owner.input
    cascade = CascadeOp(start, [left for left, _ in factors], [right for _, right in factors], bits)
    cascade.attributes.update(root.attributes)
    cascade.result.name_hint = root.result.name_hint
    _insert(cascade, root)
    root.result.replace_all_uses_with(cascade.result)
    Rewriter.erase_op(root, safe_erase=False)
    return additions


def _factors(product: _Product, root: Operation, src: str | None) -> tuple[SSAValue, SSAValue]:
    """The two factors of a product as signed numbers, the wider one first."""
    sources = [_source(product.op.lhs), _source(product.op.rhs)]
    sources.sort(key=lambda source: width(source[0]) + (not source[1]), reverse=True)
    bits = [width(value) + (not signed) for value, signed in sources]
    if bits[0] > LEFT_BITS or bits[1] > RIGHT_BITS:
        raise KernelError(
            f"a product of {bits[0]} x {bits[1]} bits, signs included, in a DSP cascade; a DSP slice multiplies "
            f"{LEFT_BITS} x {RIGHT_BITS}",
            src,
        )
    factors = []
    for (value, signed), wide in zip(sources, bits, strict=True):
        if not signed:
            extended = arith.ExtUIOp(value, IntegerType(wide))
            _insert(extended, root)
            value = extended.result
        factors.append(value)
    left, right = factors
    if product.condition is not None:
        zero = arith.ConstantOp.from_int_and_width(0, width(right))
        choice = arith.SelectOp(product.condition, right, zero.result)
        _insert(zero, root)
        _insert(choice, root)
        right = choice.result
    return left, right


def _insert(op: Operation, before: Operation) -> None:
    block = before.parent_block()
    assert block is not None
    block.insert_op_before(op, before)
