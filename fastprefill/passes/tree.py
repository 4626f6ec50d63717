"""A flattened process as a tree of bodies and loops, with the order in which bodies issue."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from xdsl.dialects import memref, scf
from xdsl.dialects.func import FuncOp
from xdsl.ir import Block, Operation, SSAValue

from fastprefill.ir.pipe import BodyOp, RepeatOp
from fastprefill.ir.query import is_lane_loop, is_scalar_argument, number


@dataclass(eq=False)
class Body:
    """One pipeline: `ops` in program order, those inside lane loops included."""

    op: BodyOp
    loops: list[Loop | Repeat]
    ops: list[Operation] = field(default_factory=list)
    asked: int = 1

    @property
    def name(self) -> str:
        return self.op.body_name.data


@dataclass(eq=False)
class Loop:
    """A counted loop; `variable` is its loop variable."""

    op: scf.ForOp
    children: list[Node] = field(default_factory=list)

    @property
    def variable(self) -> SSAValue:
        return self.op.body.block.args[0]


@dataclass(eq=False)
class Repeat:
    """A loop that its first body leaves."""

    op: RepeatOp
    children: list[Node] = field(default_factory=list)


Node = Body | Loop | Repeat


@dataclass
class Tree:
    """The control structure of a process."""

    nodes: list[Node]
    bodies: list[Body]
    edges: list[tuple[Body, Body]]


def build(func: FuncOp) -> Tree:
    """The tree of a process function after ``flatten``."""
    bodies: list[Body] = []

    def walk(block: Block, loops: list[Loop | Repeat]) -> list[Node]:
        nodes: list[Node] = []
        for op in block.ops:
            if isinstance(op, BodyOp):
                asked = number(loops[-1].op, "pipeline_ii") if loops else None
                body = Body(op, list(loops), list(lane_ops(op.body.block)), asked or 1)
                bodies.append(body)
                nodes.append(body)
            elif isinstance(op, scf.ForOp):
                loop = Loop(op)
                loop.children = walk(op.body.block, [*loops, loop])
                nodes.append(loop)
            elif isinstance(op, RepeatOp):
                repeat = Repeat(op)
                repeat.children = walk(op.body.block, [*loops, repeat])
                nodes.append(repeat)
        return nodes

    nodes = walk(func.body.block, [])
    return Tree(nodes, bodies, _edges(nodes))


def lane_ops(block: Block) -> list[Operation]:
    """The ops of a body, with those of lane loops in place; the loops and their terminators left out."""
    ops: list[Operation] = []
    for op in block.ops:
        if is_lane_loop(op):
            ops += lane_ops(op.regions[0].block)
        elif not isinstance(op, scf.YieldOp):
            ops.append(op)
    return ops


def entry(node: Node) -> Body:
    """The first body that a node issues; every loop issues at least once (see ``docs/ir.md``)."""
    return node if isinstance(node, Body) else entry(node.children[0])


def exit_of(node: Node) -> Body:
    """The body after whose issue the node is over."""
    if isinstance(node, Body):
        return node
    return entry(node) if isinstance(node, Repeat) else exit_of(node.children[-1])


def _edges(nodes: list[Node]) -> list[tuple[Body, Body]]:
    edges: list[tuple[Body, Body]] = []
    for one, other in pairwise(nodes):
        edges.append((exit_of(one), entry(other)))
    for node in nodes:
        if not isinstance(node, Body):
            edges += _edges(node.children)
            edges.append((exit_of(node.children[-1]), entry(node)))
    return edges


def bound_loads(loop: Loop) -> list[tuple[memref.LoadOp, bool]]:
    """Loads of variables that a loop's bounds need, with whether the lower bound needs them."""
    found: list[tuple[memref.LoadOp, bool]] = []
    for position, operand in enumerate(loop.op.operands):
        stack = [operand]
        while stack:
            owner = stack.pop().owner
            if isinstance(owner, memref.LoadOp):
                if not is_scalar_argument(owner.memref):
                    found.append((owner, position == 0))
            elif isinstance(owner, Operation):
                stack += owner.operands
    return found
