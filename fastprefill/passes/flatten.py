"""flatten: turn a process into a tree of loops around straight-line, predicated pipeline bodies.

Conditions become predicates, values that cross from one body to another become variables, and the statements
before and after an inner loop move into its first and last iteration where nothing forbids it, so that nests
cost no extra cycles. ``docs/ir.md`` section 4 describes the result.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from xdsl.context import Context
from xdsl.dialects import arith, memref, scf
from xdsl.dialects.builtin import (
    DenseArrayBase,
    IndexType,
    IntegerType,
    MemRefType,
    ModuleOp,
    StringAttr,
    UnitAttr,
    i32,
)
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Attribute, Block, BlockArgument, Operation, SSAValue
from xdsl.passes import ModulePass

from fastprefill.errors import KernelError
from fastprefill.ir.dialect import AcquireOp, GetOp, PutOp, ReleaseOp
from fastprefill.ir.pipe import BodyOp, ExitUnlessOp, FirstOp, LastOp, LiveOp, RepeatOp, StoreOp, WindowOp
from fastprefill.ir.query import (
    PURE_ARITH,
    is_lane_loop,
    is_scalar_argument,
    processes,
    text,
    trip_count,
)
from fastprefill.passes.storage import storage_of

MAX_RECOMPUTED_OPS = 8
"""A pure value used in another body is computed again there when it takes at most this many ops."""


@dataclass(frozen=True)
class Flatten(ModulePass):
    """Flatten loop nests into pipeline bodies.

    Attributes:
        merge: move statements around an inner loop into its first and last iteration.
    """

    name = "flatten"
    merge: bool = True

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for func in processes(op):
            _Process(func, self.merge).run()


@dataclass(eq=False)
class _Leaf:
    """Ops that become one body; `scope` is the loop (or None) whose iteration they belong to."""

    ops: list[Operation] = field(default_factory=list)
    scope: Operation | None = None


@dataclass(eq=False)
class _Loop:
    """A counted loop; `old` is the loop it comes from and gives bounds and attributes."""

    old: scf.ForOp
    new: scf.ForOp
    children: list[_Node] = field(default_factory=list)


@dataclass(eq=False)
class _Repeat:
    new: RepeatOp
    children: list[_Node] = field(default_factory=list)


_Node = _Leaf | _Loop | _Repeat


class _Process:
    def __init__(self, func: FuncOp, merge: bool) -> None:
        self.func = func
        self.merge = merge
        self.values: dict[SSAValue, SSAValue] = {}
        self.declarations: list[Operation] = []
        self.scope: Operation | None = None
        self.declared_in: dict[SSAValue, Operation | None] = {}

    def run(self) -> None:
        old = self.func.body.block
        nodes: list[_Node] = []
        self.convert(old, None, nodes)
        _split_stream_ops(nodes)
        self.cross_bodies(nodes)
        _drop_empty(nodes)
        self.mark_fresh(nodes)
        self.guard(nodes, [])
        if self.merge:
            self.merge_around_loops(nodes)
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

    def convert(self, block: Block, pred: SSAValue | None, nodes: list[_Node]) -> None:
        for op in block.ops:
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

    def leaf(self, nodes: list[_Node]) -> _Leaf:
        if not nodes or not isinstance(nodes[-1], _Leaf):
            nodes.append(_Leaf(scope=self.scope))
        last = nodes[-1]
        assert isinstance(last, _Leaf)
        return last

    def declare(self, op: Operation) -> None:
        copy = op.clone(self.values)
        self.map_results(op, copy)
        self.declarations.append(copy)
        self.declared_in[copy.results[0]] = self.scope

    def mark_fresh(self, nodes: list[_Node]) -> None:
        """Arrays declared and used in one iteration of one body hold nothing at its start."""
        users: dict[SSAValue, set[_Leaf]] = {}
        for leaf in _leaves(nodes):
            for outer in leaf.ops:
                for op in outer.walk():
                    if isinstance(op, memref.LoadOp | StoreOp):
                        users.setdefault(op.memref, set()).add(leaf)
        for array, leaves in users.items():
            if len(leaves) == 1 and isinstance(array.owner, memref.AllocOp) and array in self.declared_in:
                (leaf,) = leaves
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
        elif isinstance(op, (*PURE_ARITH, memref.LoadOp)):
            new = op.clone(self.values)
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
        inner: list[_Node] = []
        self.convert(op.body.block, pred, inner)
        for node in inner:
            assert isinstance(node, _Leaf)
            body.add_ops(node.ops)
        body.add_op(scf.YieldOp())
        new = scf.ForOp(self.get(op.lb), self.get(op.ub), self.get(op.step), [], body)
        new.attributes.update(op.attributes)
        return [new]

    def convert_loop(self, op: scf.ForOp, pred: SSAValue | None, nodes: list[_Node]) -> None:
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
        node = _Loop(op, new)
        nodes.append(node)
        outer, self.scope = self.scope, op
        self.convert(op.body.block, None, node.children)
        self.scope = outer

    def convert_while(self, op: scf.WhileOp, pred: SSAValue | None, nodes: list[_Node]) -> None:
        new = RepeatOp()
        new.attributes.update(op.attributes)
        node = _Repeat(new)
        outer, self.scope = self.scope, op
        self.convert(op.before_region.block, None, node.children)
        head = self.leaf(node.children)
        if len(node.children) != 1 or any(_streams(o) for o in head.ops):
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
        rest: list[_Node] = []
        self.convert(op.after_region.block, None, rest)
        if rest and isinstance(rest[0], _Leaf) and not _conflict(head, rest[0]):
            head.ops += _under(rest[0].ops, condition)
            rest = rest[1:]
        node.children += rest
        nodes.append(node)
        self.scope = outer

    def convert_if(self, op: scf.IfOp, pred: SSAValue | None, nodes: list[_Node]) -> None:
        condition = self.get(op.cond)
        then_pred = self.both(nodes, pred, condition)
        start = len(self.leaf(nodes).ops)
        leaf = self.leaf(nodes)
        if op.true_region.blocks:
            self.convert(op.true_region.block, then_pred, nodes)
        middle = len(leaf.ops)
        straight = leaf is nodes[-1]
        if op.false_region.blocks:
            one = arith.ConstantOp.from_int_and_width(1, 1)
            inverse = arith.XOrIOp(condition, one.result)
            self.leaf(nodes).ops += [one, inverse]
            else_pred = self.both(nodes, pred, inverse.result)
            self.convert(op.false_region.block, else_pred, nodes)
            if straight and leaf is nodes[-1]:
                _join_stream_ops(leaf.ops, start, middle, condition, pred)

    def both(self, nodes: list[_Node], pred: SSAValue | None, condition: SSAValue) -> SSAValue:
        if pred is None:
            return condition
        op = arith.AndIOp(pred, condition)
        self.leaf(nodes).ops.append(op)
        return op.result

    # values that one body computes and another uses

    def cross_bodies(self, nodes: list[_Node]) -> None:
        home: dict[SSAValue, _Leaf] = {}
        for leaf in _leaves(nodes):
            for op in leaf.ops:
                for result in op.results:
                    home[result] = leaf
        variables: dict[SSAValue, SSAValue] = {}
        for leaf in _leaves(nodes):
            fresh: list[Operation] = []
            copies: dict[SSAValue, SSAValue] = {}
            for op in leaf.ops:
                for inner in op.walk():
                    for position, operand in enumerate(inner.operands):
                        source = home.get(operand)
                        if source is None or source is leaf:
                            continue
                        inner.operands[position] = self.bring(operand, home, variables, copies, fresh)
            leaf.ops[:0] = fresh
        for loop in _loops(nodes):
            for position, operand in enumerate(loop.new.operands):
                if operand in home:
                    fresh = []
                    loop.new.operands[position] = self.bring(operand, home, variables, {}, fresh)
                    self.bounds.setdefault(loop.new, []).extend(fresh)
        for leaf in _leaves(nodes):
            _drop_dead(leaf)

    @property
    def bounds(self) -> dict[scf.ForOp, list[Operation]]:
        """Ops that compute a loop's bounds, placed in front of the loop."""
        if not hasattr(self, "_bounds"):
            self._bounds: dict[scf.ForOp, list[Operation]] = {}
        return self._bounds

    def bring(
        self,
        value: SSAValue,
        home: dict[SSAValue, _Leaf],
        variables: dict[SSAValue, SSAValue],
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
        if value not in variables:
            kind = MemRefType(_storable(value), [])
            variable = memref.AllocOp([], [], kind)
            variable.attributes["name"] = StringAttr(value.name_hint or "value")
            self.declarations.append(variable)
            variables[value] = variable.memref
            leaf = home[value]
            at = leaf.ops.index(value.owner)  # type: ignore[arg-type]
            stored, extra = _to_storable(value)
            leaf.ops[at + 1 : at + 1] = [*extra, StoreOp(stored, variable.memref, [])]
        load = memref.LoadOp.get(variables[value], [])
        load.res.name_hint = value.name_hint
        fresh.append(load)
        result, extra = _from_storable(load.res, value)
        fresh += extra
        copies[value] = result
        return result

    # loops that may have no iterations

    def guard(self, nodes: list[_Node], loops: list[_Loop]) -> None:
        """A loop without iterations issues its bodies once; what they do is predicated off."""
        for node in nodes:
            if isinstance(node, _Loop):
                self.guard(node.children, [*loops, node])
            elif isinstance(node, _Repeat):
                self.guard(node.children, loops)
            else:
                for loop in loops:
                    trips = trip_count(loop.new)
                    if trips is None or trips == 0:
                        live = LiveOp(loop.new.body.block.args[0])
                        live.result.name_hint = f"{_loop_name(loop)}_live"
                        node.ops[:] = [live, *_under(node.ops, live.result)]

    # statements around an inner loop

    def merge_around_loops(self, nodes: list[_Node]) -> None:
        for node in nodes:
            if not isinstance(node, _Leaf):
                self.merge_around_loops(node.children)
        position = 0
        while position < len(nodes):
            node = nodes[position]
            if isinstance(node, _Loop):
                if (
                    position > 0
                    and isinstance(before := nodes[position - 1], _Leaf)
                    and self.merge_before(before, node)
                ):
                    del nodes[position - 1]
                    position -= 1
                if position + 1 < len(nodes) and isinstance(after := nodes[position + 1], _Leaf):
                    following = nodes[position + 2] if position + 2 < len(nodes) else None
                    joins_next = isinstance(following, _Loop) and self.can_merge_before(after, following)
                    if not joins_next and self.merge_after(after, node):
                        del nodes[position + 1]
            position += 1

    def can_merge_before(self, leaf: _Leaf, loop: _Loop) -> bool:
        chain, first = _descend(loop, 0)
        if (
            first is None
            or _takes_cycles(leaf)
            or _conflict(leaf, first)
            or any(isinstance(op, ExitUnlessOp) for op in leaf.ops)
        ):
            return False
        written = {op.memref for outer in leaf.ops for op in outer.walk() if isinstance(op, StoreOp)}
        for inner in chain:
            for op in self.bounds.get(inner.new, []):
                if isinstance(op, memref.LoadOp) and op.memref in written:
                    return False
        return True

    def merge_before(self, leaf: _Leaf, loop: _Loop) -> bool:
        if not self.can_merge_before(leaf, loop):
            return False
        chain, first = _descend(loop, 0)
        assert first is not None
        head, predicate = _all_of([FirstOp(inner.new.body.block.args[0]) for inner in chain], chain, "first")
        first.ops[:0] = [*head, *_under(leaf.ops, predicate)]
        return True

    def merge_after(self, leaf: _Leaf, loop: _Loop) -> bool:
        chain, last = _descend(loop, -1)
        if (
            last is None
            or _takes_cycles(leaf)
            or _conflict(last, leaf)
            or any(isinstance(op, ExitUnlessOp) for op in leaf.ops)
        ):
            return False
        head, predicate = _all_of([LastOp(inner.new.body.block.args[0]) for inner in chain], chain, "last")
        last.ops += [*head, *_under(leaf.ops, predicate)]
        return True

    # the tree as IR

    def body_name(self, leaf: _Leaf) -> str:
        """A body is named after the loop it iterates in."""
        base = text(leaf.scope, "loop_name", "loop") if leaf.scope is not None else "once"
        name, count = base, 1
        while name in self.names:
            count += 1
            name = f"{base}_{count}"
        self.names.add(name)
        return name

    def build(self, nodes: list[_Node], block: Block) -> None:
        for node in nodes:
            if isinstance(node, _Leaf):
                body = BodyOp(self.body_name(node))
                if node.scope is not None and "src" in node.scope.attributes:
                    body.attributes["src"] = node.scope.attributes["src"]
                body.body.block.add_ops(node.ops)
                block.add_op(body)
            elif not _leaves([node]):
                continue
            elif isinstance(node, _Loop):
                for op in self.bounds.get(node.new, []):
                    block.add_op(op)
                inner = node.new.body.block
                self.build(node.children, inner)
                inner.add_op(scf.YieldOp())
                block.add_op(node.new)
            else:
                self.build(node.children, node.new.body.block)
                block.add_op(node.new)


def _leaves(nodes: list[_Node]) -> list[_Leaf]:
    found: list[_Leaf] = []
    for node in nodes:
        found += [node] if isinstance(node, _Leaf) else _leaves(node.children)
    return found


def _loops(nodes: list[_Node]) -> list[_Loop]:
    found: list[_Loop] = []
    for node in nodes:
        if isinstance(node, _Leaf):
            continue
        if isinstance(node, _Loop):
            found.append(node)
        found += _loops(node.children)
    return found


def _descend(loop: _Loop, end: int) -> tuple[list[_Loop], _Leaf | None]:
    """The counted loops down to the first (0) or last (-1) body of a nest, and that body."""
    chain = [loop]
    while chain[-1].children:
        node = chain[-1].children[end]
        if isinstance(node, _Leaf):
            return chain, node
        if isinstance(node, _Repeat):
            break
        chain.append(node)
    return chain, None


def _loop_name(loop: _Loop) -> str:
    return text(loop.new, "loop_name") or loop.new.body.block.args[0].name_hint or "loop"


def _all_of(
    facts: list[FirstOp] | list[LastOp], chain: list[_Loop], what: str
) -> tuple[list[Operation], SSAValue]:
    ops: list[Operation] = list(facts)
    value: SSAValue = facts[0].result
    for fact, loop in zip(facts, chain, strict=True):
        fact.result.name_hint = f"{_loop_name(loop)}_{what}"
    for fact in facts[1:]:
        both = arith.AndIOp(value, fact.result)
        both.result.name_hint = f"{_loop_name(chain[0])}_{what}"
        ops.append(both)
        value = both.result
    return ops, value


_Effect = StoreOp | GetOp | PutOp | AcquireOp | ReleaseOp


def _has_effect(op: Operation) -> bool:
    return any(isinstance(inner, (_Effect, ExitUnlessOp)) for inner in op.walk())


def _under(ops: list[Operation], predicate: SSAValue) -> list[Operation]:
    """The ops with their effects limited to where the predicate holds."""
    result: list[Operation] = []
    joined: dict[SSAValue, SSAValue] = {}
    for op in ops:
        for inner in list(op.walk()):
            if isinstance(inner, ExitUnlessOp):
                both = arith.AndIOp(inner.condition, predicate)
                result.append(both)
                inner.operands[0] = both.result
            if not isinstance(inner, _Effect):
                continue
            if inner.predicate is None:
                _set_predicate(inner, predicate)
            elif inner.predicate in joined:
                _set_predicate(inner, joined[inner.predicate])
            else:
                both = arith.AndIOp(inner.predicate, predicate)
                both.result.name_hint = predicate.name_hint
                if inner is op:
                    result.append(both)
                    joined[inner.predicate] = both.result
                else:
                    block = inner.parent_block()
                    assert block is not None
                    block.insert_op_before(both, inner)
                _set_predicate(inner, both.result)
        result.append(op)
    return result


def _set_predicate(op: _Effect, predicate: SSAValue) -> None:
    if op.predicate is not None:
        op.operands[len(op.operands) - 1] = predicate
        return
    if isinstance(op, StoreOp):
        sizes = DenseArrayBase.from_list(i32, [1, 1, len(op.indices), 1])
        op.operands = [*op.operands, predicate]
        op.properties["operandSegmentSizes"] = sizes
    else:
        op.operands = [*op.operands, predicate]


def _streams(op: Operation) -> set[tuple[SSAValue, str]]:
    """Stream ends used by an op and what is inside it: each serves one token or buffer per cycle."""
    return {use for inner in op.walk() for use in _streams_of(inner)}


def _streams_of(op: Operation) -> set[tuple[SSAValue, str]]:
    return {(op.stream, op.name)} if isinstance(op, GetOp | PutOp | AcquireOp | ReleaseOp) else set()


def _ports(op: Operation) -> set[tuple[SSAValue, str]]:
    """Memory ports used by an op and what is inside it; registers and ROMs have none."""
    return {use for inner in op.walk() for use in _ports_of(inner)}


def _ports_of(op: Operation) -> set[tuple[SSAValue, str]]:
    if not isinstance(op, memref.LoadOp | StoreOp) or is_scalar_argument(op.memref):
        return set()
    return set() if storage_of(op.memref).memory in ("register", "rom") else {(op.memref, op.name)}


def _takes_cycles(leaf: _Leaf) -> bool:
    """Whether a body uses one stream end or port several times: merged, it would slow every iteration down."""
    uses = [use for op in leaf.ops for inner in op.walk() for use in _streams_of(inner) | _ports_of(inner)]
    return len(uses) != len(set(uses))


def _conflict(first: _Leaf, second: _Leaf) -> bool:
    """Whether two bodies cannot issue together: one stream end or memory port for both, or a put before a read."""
    gives = any(isinstance(op, PutOp | ReleaseOp) for op in first.ops)
    if gives and any(isinstance(op, GetOp | AcquireOp) for op in second.ops):
        return True
    for uses in (_streams, _ports):
        mine = {use for op in first.ops for use in uses(op)}
        if any(mine & uses(op) for op in second.ops):
            return True
    return False


def _join_stream_ops(
    ops: list[Operation], start: int, middle: int, condition: SSAValue, pred: SSAValue | None
) -> None:
    """A put (or get) on the same stream in both branches of a condition is one put (or get)."""
    then_ops = {op.stream: op for op in ops[start:middle] if isinstance(op, PutOp)}
    else_ops = {op.stream: op for op in ops[middle:] if isinstance(op, PutOp)}
    for stream in then_ops.keys() & else_ops.keys():
        same = [op for op in ops[start:] if isinstance(op, PutOp) and op.stream is stream]
        if len(same) != 2:
            continue
        one, other = then_ops[stream], else_ops[stream]
        choice = arith.SelectOp(condition, one.value, other.value)
        put = PutOp(stream, choice.result, pred)
        put.attributes.update(one.attributes)
        at = ops.index(other)
        ops[at : at + 1] = [choice, put]
        ops.remove(one)
        one.erase()
        other.erase()
    first_gets = {op.stream: op for op in ops[start:middle] if isinstance(op, GetOp)}
    second_gets = {
        op.stream: op for op in ops[start:] if isinstance(op, GetOp) and op not in first_gets.values()
    }
    for stream in first_gets.keys() & second_gets.keys():
        same_gets = [op for op in ops[start:] if isinstance(op, GetOp) and op.stream is stream]
        if len(same_gets) != 2:
            continue
        one_get, other_get = first_gets[stream], second_gets[stream]
        get = GetOp(stream, pred)
        get.attributes.update(one_get.attributes)
        get.value.name_hint = one_get.value.name_hint
        ops[ops.index(one_get)] = get
        ops.remove(other_get)
        for gone in (one_get, other_get):
            gone.value.replace_all_uses_with(get.value)
            gone.erase()


def _split_stream_ops(nodes: list[_Node]) -> None:
    """Start a body of its own where a stream is read a second time, or read after something was put.

    A body issues when all its reads can be done; waiting with a put until then could wait for ever in a cycle.
    """
    position = 0
    while position < len(nodes):
        node = nodes[position]
        position += 1
        if not isinstance(node, _Leaf):
            _split_stream_ops(node.children)
            continue
        seen: set[tuple[SSAValue, str]] = set()
        gave = False
        for at, op in enumerate(node.ops):
            gave = gave or isinstance(op, PutOp | ReleaseOp)
            if not isinstance(op, GetOp | AcquireOp):
                continue
            if (op.stream, op.name) in seen or gave:
                nodes.insert(position, _Leaf(node.ops[at:], node.scope))
                del node.ops[at:]
                break
            seen.add((op.stream, op.name))


def _stable_chain(value: SSAValue) -> list[Operation] | None:
    """Ops that compute a value from constants, run-time scalars and loop variables alone, or None."""
    if isinstance(value, BlockArgument):
        return []
    op = value.owner
    assert isinstance(op, Operation)
    if isinstance(op, memref.LoadOp):
        if not is_scalar_argument(op.memref):
            return None
    elif not isinstance(op, PURE_ARITH) or isinstance(op, arith.MuliOp):
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


def _drop_empty(nodes: list[_Node]) -> None:
    """Remove bodies that have no effect: what others need of them has been brought there."""
    for node in list(nodes):
        if isinstance(node, _Leaf):
            if not any(_has_effect(op) for op in node.ops):
                nodes.remove(node)
        else:
            _drop_empty(node.children)


def _drop_dead(leaf: _Leaf) -> None:
    """Remove pure ops whose results nobody uses."""
    changed = True
    while changed:
        changed = False
        for op in reversed(leaf.ops):
            if isinstance(op, (*PURE_ARITH, memref.LoadOp)) and not any(r.uses for r in op.results):
                leaf.ops.remove(op)
                op.erase()
                changed = True
