"""flatten: turn a process into a tree of loops around straight-line, predicated pipeline bodies.

Conditions become predicates, values that cross from one body to another become variables, and the statements
before and after an inner loop move into its first and last iteration where nothing forbids it, so that nests
cost no extra cycles. ``docs/ir.md`` section 4 describes the result.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import arith, memref, scf
from xdsl.dialects.builtin import (
    ModuleOp,
    UnitAttr,
)
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Block, Operation, SSAValue

from fastprefill.errors import KernelError
from fastprefill.ir.dialect import AcquireOp, GetOp, PutOp, ReleaseOp
from fastprefill.ir.pipe import BodyOp, ExitUnlessOp, LiveOp, RepeatOp, StoreOp, WindowOp
from fastprefill.ir.query import (
    PURE_ARITH,
    array_name,
    constant,
    is_lane_loop,
    is_scalar_argument,
    processes,
    strip_casts,
    text,
    trip_count,
    width,
)
from fastprefill.passes.base import Pass
from fastprefill.passes.flattening.effects import streams_of, under
from fastprefill.passes.flattening.merge import Merge, conflict
from fastprefill.passes.flattening.nodes import Leaf, Loop, Node, Repeat, drop_empty, leaves, loop_name
from fastprefill.passes.flattening.streams import join_gets, join_puts, split_stream_ops
from fastprefill.passes.flattening.values import CrossBodies
from fastprefill.system.limits import Limits, process_limits


@dataclass(frozen=True)
class Flatten(Pass):
    """Flatten loop nests into pipeline bodies.

    Attributes:
        merge: move statements around an inner loop into its first and last iteration.
    """

    name = "flatten"
    summary = (
        "structured statements become a tree of loops around `pipe.body` ops; conditions become predicates"
    )
    merge: bool = True

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        limits = process_limits(op)
        for func in processes(op):
            _Process(func, self.merge, limits.get(func.sym_name.data, {})).run()


class _Process:
    def __init__(self, func: FuncOp, merge: bool, limits: Limits) -> None:
        self.func = func
        self.merge = merge
        self.limits = limits
        self.values: dict[SSAValue, SSAValue] = {}
        self.declarations: list[Operation] = []
        self.scope: Operation | None = None
        self.declared_in: dict[SSAValue, Operation | None] = {}

    def run(self) -> None:
        old = self.func.body.block
        nodes: list[Node] = []
        self.convert(old, None, nodes)
        split_stream_ops(nodes)
        crossing = CrossBodies(self.declarations)
        crossing.run(nodes)
        self.bounds = crossing.bounds
        drop_empty(nodes)
        self.mark_fresh(nodes)
        self.guard(nodes, [])
        if self.merge:
            Merge(self.bounds).run(nodes)
        new = Block(arg_types=[arg.type for arg in old.args])
        for before, after in zip(old.args, new.args, strict=True):
            after.name_hint = before.name_hint
            before.replace_all_uses_with(after)
        new.add_ops(self.declarations)
        self.names: set[str] = set()
        self.build(nodes, new)
        new.add_op(ReturnOp())
        self.func.body.detach_block(old)
        old.erase(safe_erase=False)
        self.func.body.add_block(new)

    # conversion of structured statements into nodes

    def convert(self, block: Block, pred: SSAValue | None, nodes: list[Node]) -> None:
        for op in list(block.ops):
            if isinstance(op, memref.AllocOp | memref.GetGlobalOp):
                self.declare(op)
            elif isinstance(op, scf.ForOp) and not is_lane_loop(op):
                self.convert_loop(op, pred, nodes)
            elif isinstance(op, scf.WhileOp):
                self.convert_while(op, pred, nodes)
            elif isinstance(op, scf.IfOp):
                self.convert_if(op, pred, nodes)
            elif not isinstance(op, scf.YieldOp | ReturnOp | scf.ConditionOp):
                self.leaf(nodes).ops += self.straight(op, pred)

    def leaf(self, nodes: list[Node]) -> Leaf:
        if not nodes or not isinstance(nodes[-1], Leaf):
            nodes.append(Leaf(scope=self.scope))
        last = nodes[-1]
        assert isinstance(last, Leaf)
        return last

    def declare(self, op: Operation) -> None:
        self.move(op)
        self.declarations.append(op)
        self.declared_in[op.results[0]] = self.scope

    def move(self, op: Operation) -> None:
        """Take an op that stays as it is out of its block: a copy of it would take several times as long."""
        op.detach()
        for position, operand in enumerate(op.operands):
            if operand in self.values:
                op.operands[position] = self.values[operand]

    def mark_fresh(self, nodes: list[Node]) -> None:
        """Arrays declared and used in one iteration of one body hold nothing at its start."""
        users: dict[SSAValue, set[Leaf]] = {}
        for leaf in leaves(nodes):
            for outer in leaf.ops:
                for op in outer.walk():
                    if isinstance(op, memref.LoadOp | StoreOp):
                        users.setdefault(op.memref, set()).add(leaf)
        for array, using in users.items():
            if len(using) == 1 and isinstance(array.owner, memref.AllocOp) and array in self.declared_in:
                (leaf,) = using
                if leaf.scope is self.declared_in[array]:
                    array.owner.attributes["fresh"] = UnitAttr()

    def map_results(self, old: Operation, new: Operation) -> None:
        for before, after in zip(old.results, new.results, strict=True):
            self.values[before] = after
            after.name_hint = before.name_hint

    def get(self, value: SSAValue) -> SSAValue:
        return self.values.get(value, value)

    def straight(self, op: Operation, pred: SSAValue | None) -> list[Operation]:
        """A straight-line op, or a lane loop, under a predicate."""
        if isinstance(op, scf.ForOp):
            return self.convert_lanes(op, pred)
        new: Operation
        if isinstance(op, memref.StoreOp):
            new = StoreOp(self.get(op.value), self.get(op.memref), [self.get(i) for i in op.indices], pred)
        elif isinstance(op, GetOp):
            new = GetOp(self.get(op.stream), pred)
        elif isinstance(op, PutOp):
            new = PutOp(self.get(op.stream), self.get(op.value), pred)
        elif isinstance(op, AcquireOp):
            new = AcquireOp(self.get(op.stream), op.mode.data, pred)
            new.attributes.update(op.attributes)
            self.values[op.block] = self.window(op, new)
            return [new]
        elif isinstance(op, ReleaseOp):
            new = ReleaseOp(self.get(op.stream), self.get(op.block), pred)
        elif type(op) in PURE_ARITH or isinstance(op, memref.LoadOp):
            self.move(op)
            return [op]
        else:
            raise KernelError(f"'{op.name}' cannot be built as hardware", text(op, "src") or None)
        new.attributes.update(op.attributes)
        self.map_results(op, new)
        return [new]

    def window(self, old: AcquireOp, new: AcquireOp) -> SSAValue:
        """The name under which every body accesses the buffers that this process acquires from a stream."""
        for op in self.declarations:
            if isinstance(op, WindowOp) and op.stream is new.stream and op.mode == new.mode:
                return op.window
        window = WindowOp(new.stream, new.mode.data)
        window.attributes.update(old.attributes)
        window.window.name_hint = old.block.name_hint
        self.declarations.append(window)
        return window.window

    def convert_lanes(self, op: scf.ForOp, pred: SSAValue | None) -> list[Operation]:
        body = Block(arg_types=[op.body.block.args[0].type])
        body.args[0].name_hint = op.body.block.args[0].name_hint
        self.values[op.body.block.args[0]] = body.args[0]
        inner: list[Node] = []
        self.convert(op.body.block, pred, inner)
        for node in inner:
            assert isinstance(node, Leaf)
            body.add_ops(node.ops)
        body.add_op(scf.YieldOp())
        new = scf.ForOp(self.get(op.lb), self.get(op.ub), self.get(op.step), [], body)
        new.attributes.update(op.attributes)
        return [new]

    def convert_loop(self, op: scf.ForOp, pred: SSAValue | None, nodes: list[Node]) -> None:
        low, high = self.get(op.lb), self.get(op.ub)
        if pred is not None:  # under a condition: no iterations when it does not hold
            guard = arith.SelectOp(pred, high, low)
            self.leaf(nodes).ops.append(guard)
            high = guard.result
        body = Block(arg_types=[op.body.block.args[0].type])
        body.args[0].name_hint = op.body.block.args[0].name_hint
        self.values[op.body.block.args[0]] = body.args[0]
        new = scf.ForOp(low, high, self.get(op.step), [], body)
        new.attributes.update(op.attributes)
        node = Loop(op, new)
        nodes.append(node)
        outer, self.scope = self.scope, op
        self.convert(op.body.block, None, node.children)
        self.scope = outer

    def convert_while(self, op: scf.WhileOp, pred: SSAValue | None, nodes: list[Node]) -> None:
        new = RepeatOp()
        new.attributes.update(op.attributes)
        node = Repeat(new)
        outer, self.scope = self.scope, op
        self.convert(op.before_region.block, pred, node.children)  # a helper in the condition may store
        head = self.leaf(node.children)
        if len(node.children) != 1 or any(streams_of(o) for o in head.ops):
            raise KernelError(
                "the condition of a while loop may not loop or touch a stream; compute it into a variable",
                text(op, "src") or None,
            )
        condition_op = op.before_region.block.last_op
        assert isinstance(condition_op, scf.ConditionOp)
        condition = self.get(condition_op.condition)
        if pred is not None:
            both = arith.AndIOp(condition, pred)
            head.ops.append(both)
            condition = both.result
        head.ops.append(ExitUnlessOp(condition))
        rest: list[Node] = []
        self.convert(op.after_region.block, None, rest)
        if rest and isinstance(rest[0], Leaf) and not conflict(head, rest[0]):
            head.ops += under(rest[0].ops, condition)
            rest = rest[1:]
        node.children += rest
        nodes.append(node)
        self.scope = outer

    def convert_if(self, op: scf.IfOp, pred: SSAValue | None, nodes: list[Node]) -> None:
        condition = self.get(op.cond)
        then_pred = self.both(nodes, pred, condition)
        start = len(self.leaf(nodes).ops)
        leaf = self.leaf(nodes)
        if op.true_region.blocks:
            self.convert(op.true_region.block, then_pred, nodes)
        straight = leaf is nodes[-1]
        if op.false_region.blocks:
            one = arith.ConstantOp.from_int_and_width(1, 1)
            inverse = arith.XOrIOp(condition, one.result)
            self.leaf(nodes).ops += [one, inverse]
            else_pred = self.both(nodes, pred, inverse.result)
            self.convert(op.false_region.block, else_pred, nodes)
            if straight and leaf is nodes[-1]:
                join_puts(leaf.ops, start, then_pred, else_pred, pred)
                join_gets(leaf.ops, start, then_pred, else_pred, pred)

    def both(self, nodes: list[Node], pred: SSAValue | None, condition: SSAValue) -> SSAValue:
        if pred is None:
            return condition
        op = arith.AndIOp(pred, condition)
        self.leaf(nodes).ops.append(op)
        return op.result

    # loops that may have no iterations

    def guard(self, nodes: list[Node], loops: list[Loop]) -> None:
        """A loop without iterations issues its bodies once; what they do is predicated off."""
        for node in nodes:
            if isinstance(node, Loop):
                self.guard(node.children, [*loops, node])
            elif isinstance(node, Repeat):
                self.guard(node.children, loops)
            else:
                for loop in loops:
                    if not self.iterates(loop):
                        live = LiveOp(loop.new.body.block.args[0])
                        live.result.name_hint = f"{loop_name(loop)}_live"
                        node.ops[:] = [live, *under(node.ops, live.result)]

    def iterates(self, loop: Loop) -> bool:
        """Whether a loop has at least one iteration, whatever the run-time scalars are inside their limits."""
        trips = trip_count(loop.new)
        if trips is not None:
            return trips > 0
        high = strip_casts(loop.new.ub)
        while isinstance(high.owner, arith.ExtSIOp | arith.ExtUIOp):
            high = high.owner.input
        if constant(loop.new.lb) != 0 or not isinstance(high.owner, memref.LoadOp):
            return False
        scalar = high.owner.memref
        if not is_scalar_argument(scalar):
            return False
        least, most = self.limits.get(array_name(scalar), (0, 0))
        return least >= 1 and most < 1 << (width(high) - 1)  # as a bound it is a signed number

    # the tree as IR

    def body_name(self, leaf: Leaf) -> str:
        """A body is named after the loop it iterates in."""
        base = text(leaf.scope, "loop_name", "loop") if leaf.scope is not None else "once"
        name, count = base, 1
        while name in self.names:
            count += 1
            name = f"{base}_{count}"
        self.names.add(name)
        return name

    def build(self, nodes: list[Node], block: Block) -> None:
        for node in nodes:
            if isinstance(node, Leaf):
                body = BodyOp(self.body_name(node))
                if node.scope is not None and "src" in node.scope.attributes:
                    body.attributes["src"] = node.scope.attributes["src"]
                body.body.block.add_ops(node.ops)
                block.add_op(body)
            elif not leaves([node]):
                continue
            elif isinstance(node, Loop):
                for op in self.bounds.get(node.new, []):
                    block.add_op(op)
                inner = node.new.body.block
                self.build(node.children, inner)
                inner.add_op(scf.YieldOp())
                block.add_op(node.new)
            else:
                self.build(node.children, node.new.body.block)
                block.add_op(node.new)
