"""A process between statements and IR: leaves that become bodies, loops around them."""

from __future__ import annotations

from dataclasses import dataclass, field

from xdsl.dialects import memref, scf
from xdsl.ir import Operation

from fastprefill.ir.pipe import RepeatOp
from fastprefill.ir.query import PURE_ARITH, text
from fastprefill.passes.flattening.effects import has_effect


@dataclass(eq=False)
class Leaf:
    """Ops that become one body; `scope` is the loop (or None) whose iteration they belong to."""

    ops: list[Operation] = field(default_factory=list)
    scope: Operation | None = None


@dataclass(eq=False)
class Loop:
    """A counted loop; `old` is the loop it comes from and gives bounds and attributes."""

    old: scf.ForOp
    new: scf.ForOp
    children: list[Node] = field(default_factory=list)


@dataclass(eq=False)
class Repeat:
    new: RepeatOp
    children: list[Node] = field(default_factory=list)


Node = Leaf | Loop | Repeat


def leaves(nodes: list[Node]) -> list[Leaf]:
    found: list[Leaf] = []
    for node in nodes:
        found += [node] if isinstance(node, Leaf) else leaves(node.children)
    return found


def loops(nodes: list[Node]) -> list[Loop]:
    found: list[Loop] = []
    for node in nodes:
        if isinstance(node, Leaf):
            continue
        if isinstance(node, Loop):
            found.append(node)
        found += loops(node.children)
    return found


def descend(loop: Loop, end: int) -> tuple[list[Loop], Leaf | None]:
    """The counted loops down to the first (0) or last (-1) body of a nest, and that body."""
    chain = [loop]
    while chain[-1].children:
        node = chain[-1].children[end]
        if isinstance(node, Leaf):
            return chain, node
        if isinstance(node, Repeat):
            break
        chain.append(node)
    return chain, None


def loop_name(loop: Loop) -> str:
    return text(loop.new, "loop_name") or loop.new.body.block.args[0].name_hint or "loop"


def drop_empty(nodes: list[Node]) -> None:
    """Remove bodies that have no effect: what others need of them has been brought there."""
    for node in list(nodes):
        if isinstance(node, Leaf):
            if not any(has_effect(op) for op in node.ops):
                nodes.remove(node)
        else:
            drop_empty(node.children)


def drop_dead(leaf: Leaf) -> None:
    """Remove pure ops whose results nobody uses."""
    changed = True
    while changed:
        changed = False
        for op in reversed(leaf.ops):
            if (type(op) in PURE_ARITH or isinstance(op, memref.LoadOp)) and not any(r.uses for r in op.results):
                leaf.ops.remove(op)
                op.erase()
                changed = True
