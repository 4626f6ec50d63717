"""Values that one body computes and another, or a loop bound, uses."""

from __future__ import annotations

from dataclasses import dataclass, field

from xdsl.dialects import arith, memref, scf
from xdsl.dialects.builtin import IndexType, IntegerType, MemRefType, StringAttr, i32
from xdsl.ir import Attribute, BlockArgument, Operation, SSAValue

from fastprefill.ir.pipe import StoreOp
from fastprefill.ir.query import PURE_ARITH, is_scalar_argument
from fastprefill.passes.flattening.nodes import Leaf, Node, drop_dead, leaves, loops

MAX_RECOMPUTED_OPS = 8
"""A pure value used in another body is computed again there when it takes at most this many ops."""


@dataclass
class CrossBodies:
    """Brings values to where they are used.

    Attributes:
        declarations: variables made on the way are added here.
        bounds: ops that compute a loop's bounds, to be placed in front of the loop.
    """

    declarations: list[Operation]
    bounds: dict[scf.ForOp, list[Operation]] = field(default_factory=dict)
    home: dict[SSAValue, Leaf] = field(default_factory=dict)
    variables: dict[SSAValue, SSAValue] = field(default_factory=dict)

    def run(self, nodes: list[Node]) -> None:
        """Make every leaf use only values of its own, loop variables and what is declared at the top."""
        home = self.home
        for leaf in leaves(nodes):
            for op in leaf.ops:
                for result in op.results:
                    home[result] = leaf
        for leaf in leaves(nodes):
            fresh: list[Operation] = []
            copies: dict[SSAValue, SSAValue] = {}
            for op in leaf.ops:
                for inner in op.walk():
                    for position, operand in enumerate(inner.operands):
                        source = home.get(operand)
                        if source is None or source is leaf:
                            continue
                        inner.operands[position] = self.bring(operand, copies, fresh)
            leaf.ops[:0] = fresh
        for loop in loops(nodes):
            for position, operand in enumerate(loop.new.operands):
                if operand in home:
                    fresh = []
                    loop.new.operands[position] = self.bring(operand, {}, fresh)
                    self.bounds.setdefault(loop.new, []).extend(fresh)
        for leaf in leaves(nodes):
            drop_dead(leaf)

    def bring(
        self,
        value: SSAValue,
        copies: dict[SSAValue, SSAValue],
        fresh: list[Operation],
    ) -> SSAValue:
        """A value of another body: computed again when cheap and stable, else through a variable."""
        if value in copies:
            return copies[value]
        chain = _stable_chain(value)
        if chain is not None and len(chain) <= MAX_RECOMPUTED_OPS:
            for op in chain:
                if op.results[0] not in copies:
                    copy = op.clone(copies)
                    copy.results[0].name_hint = op.results[0].name_hint
                    copies[op.results[0]] = copy.results[0]
                    fresh.append(copy)
            return copies[value]
        if value not in self.variables:
            kind = MemRefType(_storable(value), [])
            variable = memref.AllocOp([], [], kind)
            variable.attributes["name"] = StringAttr(value.name_hint or "value")
            self.declarations.append(variable)
            self.variables[value] = variable.memref
            leaf = self.home[value]
            assert isinstance(value.owner, Operation)
            at = leaf.ops.index(value.owner)
            stored, extra = _to_storable(value)
            leaf.ops[at + 1 : at + 1] = [*extra, StoreOp(stored, variable.memref, [])]
        load = memref.LoadOp.get(self.variables[value], [])
        load.res.name_hint = value.name_hint
        fresh.append(load)
        result, extra = _from_storable(load.res, value)
        fresh += extra
        copies[value] = result
        return result


def _stable_chain(value: SSAValue) -> list[Operation] | None:
    """Ops that compute a value from constants, run-time scalars and loop variables alone, or None."""
    if isinstance(value, BlockArgument):
        return []
    op = value.owner
    assert isinstance(op, Operation)
    if isinstance(op, memref.LoadOp):
        if not is_scalar_argument(op.memref):
            return None
    elif type(op) not in PURE_ARITH or isinstance(op, arith.MuliOp):
        return None
    chain: list[Operation] = []
    for operand in op.operands:
        if isinstance(operand.type, MemRefType):
            continue
        part = _stable_chain(operand)
        if part is None or isinstance(operand, BlockArgument):
            return None
        chain += [o for o in part if o not in chain]
    return [*chain, op]


def _storable(value: SSAValue) -> Attribute:
    return IntegerType(32) if isinstance(value.type, IndexType) else value.type


def _to_storable(value: SSAValue) -> tuple[SSAValue, list[Operation]]:
    if not isinstance(value.type, IndexType):
        return value, []
    cast = arith.IndexCastOp(value, i32)
    return cast.result, [cast]


def _from_storable(loaded: SSAValue, value: SSAValue) -> tuple[SSAValue, list[Operation]]:
    if not isinstance(value.type, IndexType):
        return loaded, []
    cast = arith.IndexCastOp(loaded, IndexType())
    cast.result.name_hint = value.name_hint
    return cast.result, [cast]
