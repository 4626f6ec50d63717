"""The body of one process as C++ statements.

Expressions are folded: a pure op prints nothing, its text goes where its value is used. A folded expression that
reads a variable is written out to a constant of its own when the variable is about to change before the last
use, and one that reads a stream when anything else is about to happen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from xdsl.dialects import arith, func, memref, scf
from xdsl.dialects.builtin import ArrayAttr, IndexType, IntegerAttr, IntegerType, MemRefType, StringAttr
from xdsl.ir import Block as IRBlock
from xdsl.ir import Operation, SSAValue

from fastprefill.errors import KernelError
from fastprefill.ir.dialect import AcquireOp, FillOp, GetOp, PutOp, ReleaseOp, SetSliceOp
from fastprefill.targets.vitis_hls import expressions as cxx
from fastprefill.targets.vitis_hls import operations
from fastprefill.targets.vitis_hls.channels import Argument, Block
from fastprefill.targets.vitis_hls.expressions import CType, Expr
from fastprefill.targets.vitis_hls.names import Names, clean
from fastprefill.targets.vitis_hls.pragmas import pragma
from fastprefill.targets.vitis_hls.storage import partition_pragmas, storage_pragmas

_CHEAP_LENGTH = 24


@dataclass
class Place:
    """A variable or array: how it is written, what its elements are; `key` names it in dependences."""

    text: str
    element: CType
    shape: tuple[int, ...]
    key: str


@dataclass(frozen=True)
class SliceUpdate:
    """A value with bits replaced, not yet written anywhere."""

    base: Expr
    lo: Expr
    part: Expr
    width: int


class ProcessWriter:
    """Writes one function; ``lines`` is its body, without the signature and the braces."""

    def __init__(self, function: func.FuncOp, arguments: list[Argument], constants: dict[str, Place]) -> None:
        self.lines: list[str] = []
        self._function = function
        self._constants = constants
        self._depth = 1
        taken = {a.name for a in arguments} | {function.sym_name.data} | {p.text for p in constants.values()}
        self._names = Names(taken)
        self._labels = Names()
        self._values: dict[SSAValue, Expr] = {}
        self._updates: dict[SSAValue, SliceUpdate] = {}
        self._uses: dict[SSAValue, int] = {}
        self._pending: dict[SSAValue, None] = {}
        self._places: dict[SSAValue, Place] = {}
        self._undeclared: set[SSAValue] = set()
        self._early: set[SSAValue] = set()
        self._bound_constants: set[str] = set()
        self._line: str | None = None
        self._arguments = dict(zip(function.body.block.args, arguments, strict=True))
        for value, argument in self._arguments.items():
            if argument.scalar is not None:
                self._places[value] = Place(argument.name, argument.scalar, (), argument.name)

    def write(self) -> list[str]:
        """The lines of the body."""
        self._sequence(list(self._function.body.block.ops))
        return self.lines

    # Statements

    def _sequence(self, ops: list[Operation]) -> None:
        position = 0
        while position < len(ops):
            op = ops[position]
            if isinstance(op, AcquireOp):
                position = self._acquire(ops, position)
                continue
            self._op(op)
            position += 1

    def _op(self, op: Operation) -> None:
        match op:
            case arith.ConstantOp():
                self._values[op.result] = operations.constant(op)
            case memref.AllocOp():
                self._alloc(op)
            case memref.GetGlobalOp():
                self._places[op.memref] = self._constant_array(op)
            case memref.LoadOp():
                self._load(op)
            case memref.StoreOp():
                self._store(op)
            case FillOp():
                self._fill(op)
            case GetOp():
                channel = self._arguments[op.stream]
                assert channel.stream is not None
                self._flush(set(), effects_only=True)
                self._define(op.value, cxx.variable(f"{channel.name}.read()", channel.stream, effect=True), op)
            case PutOp():
                channel = self._arguments[op.stream]
                value = cxx.plain(self._use(op.value))
                self._flush(set())
                self._statement(f"{channel.name}.write({value.text});", op)
            case SetSliceOp():
                self._set_slice(op)
            case scf.ForOp():
                self._for(op)
            case scf.WhileOp():
                self._while(op)
            case scf.IfOp():
                self._if(op)
            case scf.YieldOp() | func.ReturnOp():
                pass
            case _:
                self._pure(op)

    def _pure(self, op: Operation) -> None:
        keep_bind = op.name in ("arith.extsi", "arith.extui", "arith.trunci")
        expr = operations.translate(op, lambda value: self._use(value, keep_bind=keep_bind))
        bind = op.attributes.get("bind")
        if isinstance(bind, StringAttr):
            if expr.constant is None:
                expr = replace(expr, bind=bind.data)
        elif keep_bind and self._values[op.operands[0]].bind and expr is not self._values[op.operands[0]]:
            # The cast goes around the product, so the product needs a name of its own.
            self._uses[op.operands[0]] += 1
            self._name(op.operands[0])
            expr = operations.translate(op, self._use)
        self._define(op.results[0], expr, op)

    def _define(self, result: SSAValue, expr: Expr, op: Operation) -> None:
        uses = sum(1 for _ in result.uses)
        if uses == 0:
            if expr.effect:
                self._statement(f"{expr.text};", op)
            return
        self._values[result], self._uses[result] = expr, uses
        cheap = expr.level == cxx.PRIMARY and len(expr.text) <= _CHEAP_LENGTH
        if uses > 1 and (expr.effect or not cheap):
            self._name(result, op)
        elif expr.effect or expr.reads:
            self._pending[result] = None

    def _use(self, value: SSAValue, keep_bind: bool = False) -> Expr:
        """The expression of a value for one use of it."""
        if value in self._updates or (self._values[value].bind is not None and not keep_bind):
            self._name(value)
        if value in self._uses:
            self._uses[value] -= 1
            if self._uses[value] == 0:
                self._pending.pop(value, None)
        return self._values[value]

    def _name(self, value: SSAValue, op: Operation | None = None) -> None:
        """Give a value a constant of its own, so that it is evaluated here and once."""
        expr, update = self._values[value], self._updates.pop(value, None)
        width = operations.width_of(value.type)
        self._pending.pop(value, None)
        if expr.type.native:
            ctype, lo, hi = expr.type, expr.lo, expr.hi
        else:
            signed = expr.type.signed if not expr.within(False, width) else False
            ctype = cxx.ap(signed, width)
            lo, hi = (expr.lo, expr.hi) if expr.within(signed, width) else cxx.limits(signed, width)
        name = self._names.new(value.name_hint or "value")
        if update is not None:
            ctype = cxx.ap(False, width)
            lo, hi = cxx.limits(False, width)
            self._statement(f"{ctype.text} {name} = {update.base.text};", op)
            self._statement(f"{_assign_bits(name, update)};", op)
        else:
            self._statement(f"const {ctype.text} {name} = {expr.text};", op)
        if expr.bind is not None:
            self._pragma(pragma("BIND_OP", variable=name, op="mul", impl=expr.bind))
        self._values[value] = Expr(name, cxx.PRIMARY, ctype, lo, hi)

    def _flush(self, written: set[str], effects_only: bool = False) -> None:
        """Write out what would change its meaning if it were evaluated after the next statement."""
        for value in list(self._pending):
            if value not in self._pending:
                continue
            expr = self._values[value]
            if expr.effect or (not effects_only and expr.reads & written):
                self._name(value)

    def _statement(self, text: str, op: Operation | None = None) -> None:
        indent = "    " * self._depth
        self.lines.append(indent + text + self._comment(op))

    def _comment(self, op: Operation | None) -> str:
        """``  // mpu.py:41`` where the kernel's line changes."""
        src = operations.source(op) if op is not None else None
        if src is None or src == self._line:
            return ""
        self._line = src
        return f"  // {short_source(src)}"

    def _pragma(self, line: str) -> None:
        self.lines.append(line)

    # Variables

    def _alloc(self, op: memref.AllocOp) -> None:
        kind = op.memref.type
        assert isinstance(kind, MemRefType)
        if not op.memref.uses or op.memref in self._places:
            return
        if isinstance(kind.element_type, IndexType):
            element = cxx.INT
        else:
            assert isinstance(kind.element_type, IntegerType)
            element = cxx.ap("unsigned" not in op.attributes, kind.element_type.width.data)
        wanted = op.attributes.get("name")
        name = self._names.new(wanted.data if isinstance(wanted, StringAttr) else op.memref.name_hint or "local")
        self._places[op.memref] = Place(name, element, kind.get_shape(), name)
        if not kind.get_shape() and _first_use_stores(op) and op.memref not in self._early:
            self._undeclared.add(op.memref)
            return
        self._declare(op.memref, op)

    def _declare(self, value: SSAValue, op: Operation) -> None:
        place = self._places[value]
        dimensions = "".join(f"[{size}]" for size in place.shape)
        self._statement(f"{place.element.text} {place.text}{dimensions};", op)
        if place.shape:
            self.lines += partition_pragmas(place.text, op.attributes.get("partition"), place.shape)
            self.lines += storage_pragmas(place.text, op, rom=False)

    def _constant_array(self, op: memref.GetGlobalOp) -> Place:
        name = op.name_.string_value()
        if name not in self._constants:
            raise KernelError(f"constant array {name} is not in the module", operations.source(op))
        place = self._constants[name]
        if name not in self._bound_constants:
            self._bound_constants.add(name)
            module = self._function.parent_op()
            assert module is not None
            for sibling in module.regions[0].block.ops:
                if isinstance(sibling, memref.GlobalOp) and sibling.sym_name.data == name:
                    self.lines += partition_pragmas(place.text, sibling.attributes.get("partition"), place.shape)
                    self.lines += storage_pragmas(place.text, sibling, rom=True)
        return place

    def _element(self, array: SSAValue, indices: list[SSAValue]) -> tuple[str, frozenset[str], bool]:
        """The text of an element, what it reads besides the array, and whether that reads a stream."""
        place = self._places[array]
        subscripts = [cxx.plain(self._use(index)) for index in indices]
        reads: frozenset[str] = frozenset().union(*(s.reads for s in subscripts))
        if array in self._arguments:
            return place.text, frozenset(), False
        text = place.text + "".join(f"[{s.text}]" for s in subscripts)
        return text, reads, any(s.effect for s in subscripts)

    def _load(self, op: memref.LoadOp) -> None:
        text, reads, effect = self._element(op.memref, list(op.indices))
        place = self._places[op.memref]
        expr = cxx.variable(text, place.element, reads | {place.key}, effect)
        if op.memref in self._arguments:
            expr = replace(expr, reads=frozenset())
        self._define(op.res, expr, op)

    def _store(self, op: memref.StoreOp) -> None:
        place = self._places[op.memref]
        update = self._updates.get(op.value)
        if update is not None and self._uses[op.value] == 1:
            self._uses[op.value] = 0
            self._pending.pop(op.value, None)
            target, _, _ = self._element(op.memref, list(op.indices))
            self._flush({place.key})
            if op.memref in self._undeclared:
                self._undeclared.discard(op.memref)
                self._statement(f"{place.element.text} {target} = {update.base.text};", op)
            elif update.base.text != target:
                self._statement(f"{target} = {update.base.text};", op)
            self._statement(f"{_assign_bits(target, update)};", op)
            return
        value = self._use(op.value, keep_bind=not place.shape)
        target, _, _ = self._element(op.memref, list(op.indices))
        self._flush({place.key})
        if op.memref in self._undeclared:
            self._undeclared.discard(op.memref)
            self._statement(f"{place.element.text} {target} = {value.text};", op)
        elif value.parts is not None and value.parts[0] == target:
            self._statement(f"{target} {value.parts[1]}= {strip(value.parts[2])};", op)
        else:
            self._statement(f"{target} = {value.text};", op)
        if value.bind is not None:
            self._pragma(pragma("BIND_OP", variable=place.text, op="mul", impl=value.bind))

    def _set_slice(self, op: SetSliceOp) -> None:
        base, lo, part = self._use(op.value), cxx.exact(self._use(op.lo), True, 32), self._use(op.part)
        total, width = operations.width_of(op.value.type), operations.width_of(op.part.type)
        if lo.lo >= 0 and lo.hi + width <= total:
            if width == 1:
                part = cxx.exact(cxx.plain(part), False, 1)
            update = SliceUpdate(base, cxx.plain(lo), part, width)
            uses = sum(1 for _ in op.result.uses)
            if uses == 0:
                return
            self._updates[op.result], self._uses[op.result] = update, uses
            reads = base.reads | lo.reads | part.reads
            effect = base.effect or lo.effect or part.effect
            self._values[op.result] = Expr(
                base.text, cxx.PRIMARY, cxx.ap(False, total), *cxx.limits(False, total), reads, effect
            )
            if uses > 1:
                self._name(op.result, op)
            else:
                self._pending[op.result] = None
            return
        self._define(op.result, _masked_update(base, lo, part, total, width), op)

    def _fill(self, op: FillOp) -> None:
        place = self._places[op.array]
        if self._values[op.value].effect or self._values[op.value].reads:
            self._name(op.value)  # evaluated once, before the loop
        value = cxx.plain(self._use(op.value))
        self._flush({place.key})
        registers = _all_complete(op.array)
        label = self._labels.new(f"fill_{clean(place.text.split('.')[0])}")
        self._names.push()
        subscripts = []
        for position, size in enumerate(place.shape):
            name = self._names.new(f"i{position}")
            subscripts.append(name)
            prefix = f"{label}: " if position == 0 else ""
            self._statement(f"{prefix}for (int {name} = 0; {name} < {size}; ++{name}) {{", op)
            self._depth += 1
            if registers:
                self._pragma(pragma("UNROLL"))
            elif position == len(place.shape) - 1:
                self._pragma(pragma("PIPELINE", II=1))
        target = place.text + "".join(f"[{name}]" for name in subscripts)
        self._statement(f"{target} = {value.text};", op)
        for _ in place.shape:
            self._depth -= 1
            self._statement("}")
        self._names.pop()

    # Block streams

    def _acquire(self, ops: list[Operation], position: int) -> int:
        """One buffer from its acquire to its release; returns the position behind the release."""
        op = ops[position]
        assert isinstance(op, AcquireOp)
        channel = self._arguments[op.stream]
        block = channel.block
        assert block is not None
        end = next(
            (
                i
                for i in range(position + 1, len(ops))
                if isinstance(released := ops[i], ReleaseOp) and released.block == op.block
            ),
            None,
        )
        if end is None:
            raise KernelError("a block is acquired and not released in the same block", operations.source(op))
        self._flush(set())
        wanted = op.attributes.get("name")
        hint = wanted.data if isinstance(wanted, StringAttr) else op.block.name_hint or f"{channel.name}_block"
        if block.registers:
            self._register_block(op, ops, position, end, block, channel, hint)
            return end + 1
        last = all(isinstance(after, scf.YieldOp | func.ReturnOp) for after in ops[end + 1 :])
        if not last:
            self._hoist(ops[position + 1 : end], ops[end + 1 :])
            self._statement("{")
            self._depth += 1
            self._names.push()
        name = self._names.new(hint)
        self._places[op.block] = Place(name, block.element, block.shape, name)
        lock = "write_lock" if op.mode.data == "write" else "read_lock"
        self._statement(f"hls::{lock}<{block.name}> {name}({channel.name});", op)
        self._sequence(ops[position + 1 : end])
        self._flush({name})
        if not last:
            self._names.pop()
            self._depth -= 1
            self._statement("}")
        return end + 1

    def _register_block(
        self,
        op: AcquireOp,
        ops: list[Operation],
        position: int,
        end: int,
        block: Block,
        channel: Argument,
        hint: str,
    ) -> None:
        """A block of registers travels as one token."""
        name = self._names.new(hint)
        self._places[op.block] = Place(f"{name}.at", block.element, block.shape, name)
        value = f" = {channel.name}.read()" if op.mode.data == "read" else ""
        self._statement(f"{block.name} {name}{value};", op)
        self._pragma(pragma("ARRAY_PARTITION", variable=f"{name}.at", type="complete", dim=0))
        self._sequence(ops[position + 1 : end])
        if op.mode.data == "write":
            self._flush(set())
            self._statement(f"{channel.name}.write({name});", ops[end])

    def _hoist(self, inside: list[Operation], after: list[Operation]) -> None:
        """Declare before a scope what is made in it and used behind it."""
        later = {operand for op in after for inner in op.walk() for operand in inner.operands}
        for op in inside:
            for result in op.results:
                if result not in later:
                    continue
                if isinstance(op, memref.AllocOp):
                    self._early.add(result)
                    self._alloc(op)
                elif not isinstance(op, arith.ConstantOp):
                    raise KernelError(
                        "a value that is computed while a block is held is used after its release; "
                        "store it in a variable that is declared before",
                        operations.source(op),
                    )

    # Control flow

    def _for(self, op: scf.ForOp) -> None:
        lb, ub, step = (cxx.plain(self._use(v)) for v in (op.lb, op.ub, op.step))
        written = _written(op, self._places)
        self._flush(written)
        if ub.effect or ub.reads & written:
            name = self._names.new("end")
            self._statement(f"const int {name} = {ub.text};", op)
            ub = cxx.loop_variable(name, max(ub.lo, cxx.INT_LO), min(ub.hi, cxx.INT_HI))
        loop_name = _loop_name(op)
        label = self._labels.new(loop_name)
        self._names.push()
        name = self._names.new(loop_name)
        self._values[op.body.block.args[0]] = cxx.loop_variable(name, lb.lo, max(lb.lo, ub.hi - 1))
        advance = f"++{name}" if step.constant == 1 else f"{name} += {step.text}"
        limit = cxx.at(ub, cxx.COMPARE + 1)
        self._statement(f"{label}: for (int {name} = {lb.text}; {name} < {limit}; {advance}) {{", op)
        self._depth += 1
        self._loop_pragmas(op)
        self._sequence(list(op.body.block.ops))
        self._depth -= 1
        self._names.pop()
        self._statement("}")

    def _while(self, op: scf.WhileOp) -> None:
        self._flush(_written(op, self._places))
        label = self._labels.new(_loop_name(op))
        self._names.push()
        outer, self.lines = self.lines, []
        self._depth += 1
        before = op.before_region.block
        self._sequence([inner for inner in before.ops if not isinstance(inner, scf.ConditionOp)])
        ending = before.last_op
        assert isinstance(ending, scf.ConditionOp)
        condition = operations.condition(cxx.plain(self._use(ending.cond)))
        head, self.lines = self.lines, outer
        self._depth -= 1
        test = condition.text if not head else "true"
        self._statement(f"{label}: while ({test}) {{", op)
        self._depth += 1
        self._loop_pragmas(op)
        self.lines += head
        if head:
            self._statement(f"if ({cxx.invert(condition).text}) break;")
        self._sequence(list(op.after_region.block.ops))
        self._depth -= 1
        self._names.pop()
        self._statement("}")

    def _loop_pragmas(self, op: Operation) -> None:
        interval, unroll = op.attributes.get("pipeline_ii"), op.attributes.get("unroll")
        if isinstance(interval, IntegerAttr):
            self._pragma(pragma("PIPELINE", II=interval.value.data))
        if isinstance(unroll, IntegerAttr):
            factor = unroll.value.data
            if factor == 0:
                self._pragma(pragma("UNROLL"))
            elif factor > 1:
                self._pragma(pragma("UNROLL", factor=factor))

    def _if(self, op: scf.IfOp, chained: bool = False) -> None:
        condition = operations.condition(cxx.plain(self._use(op.cond)))
        if not chained:
            self._flush(_written(op, self._places))
        text = f"if ({condition.text}) {{"
        if chained:
            self.lines[-1] += f" else {text}{self._comment(op)}"
        else:
            self._statement(text, op)
        self._nested(op.true_region.block)
        self._statement("}")
        if not op.false_region.blocks or not _has_effects(op.false_region.block):
            return
        if self._else_if(op.false_region.block):
            return
        self.lines[-1] += " else {"
        self._nested(op.false_region.block)
        self._statement("}")

    def _else_if(self, block: IRBlock) -> bool:
        """``else if`` when nothing but a condition stands between the else and the if."""
        ops = [op for op in block.ops if not isinstance(op, scf.YieldOp)]
        if not ops or not isinstance(ops[-1], scf.IfOp):
            return False
        folded = (arith.ConstantOp, memref.LoadOp)
        if any(not isinstance(op, folded) and not op.name.startswith("arith.") for op in ops[:-1]):
            return False
        for op in ops[:-1]:
            if any(len(set(r.uses)) > 1 or any(u.operation.parent is not block for u in r.uses) for r in op.results):
                return False
        self._sequence(ops[:-1])
        self._if(ops[-1], chained=True)
        return True

    def _nested(self, block: IRBlock) -> None:
        self._names.push()
        self._depth += 1
        self._sequence(list(block.ops))
        self._depth -= 1
        self._names.pop()


def short_source(src: str) -> str:
    """``mpu.py:41`` of ``fastprefill/kernels/mpu.py:41:8``."""
    parts = src.rsplit("/", 1)[-1].split(":")
    return ":".join(parts[:2])


def strip(text: str) -> str:
    """Without the parentheses around the whole text."""
    if not text.startswith("("):
        return text
    depth = 0
    for position, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if depth == 0:
            return text[1:-1] if position == len(text) - 1 else text
    return text


def _assign_bits(target: str, update: SliceUpdate) -> str:
    if update.width == 1:
        return f"{target}[{update.lo.text}] = {update.part.text}"
    return f"{target}({cxx.range_of(update.lo, update.width)}) = {update.part.text}"


def _masked_update(base: Expr, lo: Expr, part: Expr, total: int, width: int) -> Expr:
    """Bits replaced at a position that may lie outside the value: what falls outside is dropped."""
    place = cxx.at(cxx.plain(lo), cxx.UNARY)
    mask = cxx.cast(cxx.literal((1 << min(width, total)) - 1), False, total).text
    pattern = cxx.cast(cxx.plain(base), False, total).text
    new = cxx.cast(cxx.cast(cxx.plain(part), False, width), False, total).text
    text = f"({pattern} & ~({mask} << {place})) | ({new} << {place})"
    reads, effect = base.reads | lo.reads | part.reads, base.effect or lo.effect or part.effect
    return Expr(text, cxx.OR, CType("base", False, total), *cxx.limits(False, total), reads, effect)


def _loop_name(op: Operation) -> str:
    name = op.attributes.get("loop_name")
    return clean(name.data) if isinstance(name, StringAttr) else "loop"


def _all_complete(array: SSAValue) -> bool:
    partition = array.owner.attributes.get("partition") if isinstance(array.owner, Operation) else None
    return isinstance(partition, ArrayAttr) and all(
        isinstance(p, StringAttr) and p.data == "complete" for p in partition
    )


def _first_use_stores(op: memref.AllocOp) -> bool:
    """Whether the first thing that happens to a variable, in its own block, is a store."""
    users = {use.operation for use in op.memref.uses}
    following = op.next_op
    while following is not None:
        if following in users:
            return isinstance(following, memref.StoreOp)
        if any(inner in users for region in following.regions for inner in region.walk()):
            return False
        following = following.next_op
    return False


def _written(op: Operation, places: dict[SSAValue, Place]) -> set[str]:
    """Keys of the variables that an op with regions may change."""
    keys = set()
    for inner in op.walk():
        target = None
        if isinstance(inner, memref.StoreOp):
            target = inner.memref
        elif isinstance(inner, FillOp):
            target = inner.array
        if target is not None and target in places:
            keys.add(places[target].key)
    return keys


def _has_effects(block: IRBlock) -> bool:
    return any(not isinstance(op, scf.YieldOp | arith.ConstantOp) for op in block.ops)
