"""Statements around an inner loop, moved into its first and last iteration."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.dialects import arith, memref, scf
from xdsl.ir import Operation, SSAValue

from fastprefill.ir.dialect import AcquireOp, GetOp, PutOp, ReleaseOp
from fastprefill.ir.pipe import ExitUnlessOp, FirstOp, LastOp, StoreOp
from fastprefill.passes.flattening.effects import ports, ports_of, streams, streams_of, under
from fastprefill.passes.flattening.nodes import Leaf, Loop, Node, descend, loop_name


@dataclass
class Merge:
    """Joins leaves with the loops beside them.

    Attributes:
        bounds: ops that compute a loop's bounds; a leaf that they need stays in front of the loop.
    """

    bounds: dict[scf.ForOp, list[Operation]]

    def run(self, nodes: list[Node], once: bool = True) -> None:
        """Join where nothing forbids it, inner loops first; `once`: the nodes run once in each start."""
        for node in nodes:
            if not isinstance(node, Leaf):
                self.run(node.children, once=False)
        position = 0
        while position < len(nodes):
            node = nodes[position]
            if isinstance(node, Loop):
                if (
                    position > 0
                    and isinstance(before := nodes[position - 1], Leaf)
                    and not (once and fills_lanes(before))
                    and self.merge_before(before, node)
                ):
                    del nodes[position - 1]
                    position -= 1
                if position + 1 < len(nodes) and isinstance(after := nodes[position + 1], Leaf):
                    following = nodes[position + 2] if position + 2 < len(nodes) else None
                    joins_next = isinstance(following, Loop) and self.can_merge_before(after, following)
                    if not joins_next and self.merge_after(after, node):
                        del nodes[position + 1]
            position += 1

    def can_merge_before(self, leaf: Leaf, loop: Loop) -> bool:
        chain, first = descend(loop, 0)
        if (
            first is None
            or takes_cycles(leaf)
            or conflict(leaf, first)
            or any(isinstance(op, ExitUnlessOp) for op in leaf.ops)
        ):
            return False
        written = {op.memref for outer in leaf.ops for op in outer.walk() if isinstance(op, StoreOp)}
        for inner in chain:
            for op in self.bounds.get(inner.new, []):
                if isinstance(op, memref.LoadOp) and op.memref in written:
                    return False
        return True

    def merge_before(self, leaf: Leaf, loop: Loop) -> bool:
        if not self.can_merge_before(leaf, loop):
            return False
        chain, first = descend(loop, 0)
        assert first is not None
        head, predicate = all_of([FirstOp(inner.new.body.block.args[0]) for inner in chain], chain, "first")
        first.ops[:0] = [*head, *under(leaf.ops, predicate)]
        return True

    def merge_after(self, leaf: Leaf, loop: Loop) -> bool:
        chain, last = descend(loop, -1)
        if (
            last is None
            or takes_cycles(leaf)
            or conflict(last, leaf)
            or any(isinstance(op, ExitUnlessOp) for op in leaf.ops)
        ):
            return False
        head, predicate = all_of([LastOp(inner.new.body.block.args[0]) for inner in chain], chain, "last")
        last.ops += [*head, *under(leaf.ops, predicate)]
        return True


def all_of(
    facts: list[FirstOp] | list[LastOp], chain: list[Loop], what: str
) -> tuple[list[Operation], SSAValue]:
    ops: list[Operation] = list(facts)
    value: SSAValue = facts[0].result
    for fact, loop in zip(facts, chain, strict=True):
        fact.result.name_hint = f"{loop_name(loop)}_{what}"
    for fact in facts[1:]:
        both = arith.AndIOp(value, fact.result)
        both.result.name_hint = f"{loop_name(chain[0])}_{what}"
        ops.append(both)
        value = both.result
    return ops, value


def fills_lanes(leaf: Leaf) -> bool:
    """Whether a body writes many registers at once. In every iteration of a loop that would cost each of them a
    multiplexer; on its own it costs one cycle."""
    return any(
        isinstance(op, scf.ForOp) and any(isinstance(o, StoreOp) for o in op.walk()) for op in leaf.ops
    )


def takes_cycles(leaf: Leaf) -> bool:
    """Whether a body uses one stream end or port several times: merged, it would slow every iteration down."""
    uses = [use for op in leaf.ops for inner in op.walk() for use in streams_of(inner) | ports_of(inner)]
    return len(uses) != len(set(uses))


def conflict(first: Leaf, second: Leaf) -> bool:
    """Whether two bodies cannot issue together: one stream end or memory port for both, or a put before a read."""
    gives = any(isinstance(op, PutOp | ReleaseOp) for op in first.ops)
    if gives and any(isinstance(op, GetOp | AcquireOp) for op in second.ops):
        return True
    for uses in (streams, ports):
        mine = {use for op in first.ops for use in uses(op)}
        if any(mine & uses(op) for op in second.ops):
            return True
    return False
