"""The body of one process as C++ statements: streams, blocks and control flow."""

from __future__ import annotations

from dataclasses import replace

from xdsl.dialects import arith, func, memref, scf
from xdsl.dialects.builtin import IntegerAttr, StringAttr
from xdsl.ir import Block as IRBlock
from xdsl.ir import Operation, SSAValue

from fastprefill.errors import KernelError
from fastprefill.ir.dialect import AcquireOp, FillOp, GetOp, PutOp, ReleaseOp, SetSliceOp
from fastprefill.targets.vitis_hls import expressions as cxx
from fastprefill.targets.vitis_hls import operations
from fastprefill.targets.vitis_hls.channels import Argument, Block
from fastprefill.targets.vitis_hls.names import clean
from fastprefill.targets.vitis_hls.pragmas import pragma
from fastprefill.targets.vitis_hls.variables import Place, VariableWriter


class ProcessWriter(VariableWriter):
    """Writes one function; ``lines`` is its body, without the signature and the braces."""

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
                self._define(
                    op.value, cxx.variable(f"{channel.name}.read()", channel.stream, effect=True), op
                )
            case PutOp():
                channel = self._arguments[op.stream]
                value = cxx.plain(self._use(op.value))
                self._flush(set())
                self._statement(f"{channel.name}.write({value.text});", op)
            case ReleaseOp():
                self._release(op)
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
                expr = replace(expr, bind=bind.data.removesuffix("_cascade"))
        elif keep_bind and self._values[op.operands[0]].bind and expr is not self._values[op.operands[0]]:
            # The cast goes around the product, so the product needs a name of its own.
            self._uses[op.operands[0]] += 1
            self._name(op.operands[0])
            expr = operations.translate(op, self._use)
        self._define(op.results[0], expr, op)

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
        hint = (
            wanted.data if isinstance(wanted, StringAttr) else op.block.name_hint or f"{channel.name}_block"
        )
        if block.registers:
            self._declare_registers(op, block, channel, hint)
            return position + 1
        last = all(isinstance(after, scf.YieldOp | func.ReturnOp) for after in ops[end + 1 :])
        if not last:
            self._hoist(ops[position + 1 : end], ops[end + 1 :])
            self._statement("{")
            self._open()
        name = self._names.new(hint)
        self._places[op.block] = Place(name, block.element, block.shape, name)
        lock = "write_lock" if op.mode.data == "write" else "read_lock"
        self._statement(f"hls::{lock}<{block.name}> {name}({channel.name});", op)
        self._sequence(ops[position + 1 : end])
        self._flush({name})
        if not last:
            for value in list(self._escaping):
                if value in self._values and self._values[value].constant is None:
                    self._name(value)
            self._escaping = {}
            self._close()
        return end + 1

    def _declare_registers(self, op: AcquireOp, block: Block, channel: Argument, hint: str) -> None:
        """A block of registers is a local array; one that is read comes out of its streams here."""
        name = self._names.new(hint)
        self._places[op.block] = Place(name, block.element, block.shape, name)
        self._statement(f"{block.element.text} {name}{block.dimensions};", op)
        self._pragma(pragma("ARRAY_PARTITION", variable=name, type="complete", dim=0))
        if op.mode.data == "read":
            self._cross(f"get_{name}", name, block, channel, op)

    def _release(self, op: ReleaseOp) -> None:
        """A block of registers that was written goes into its streams; a block in memory ends with its scope."""
        channel, place = self._arguments[op.stream], self._places[op.block]
        owner = op.block.owner
        if channel.block is None or not channel.block.registers:
            return
        if isinstance(owner, AcquireOp) and owner.mode.data == "write":
            self._flush(set())
            self._cross(f"put_{place.text}", place.text, channel.block, channel, op)

    def _cross(
        self, label: str, name: str, block: Block, channel: Argument, op: AcquireOp | ReleaseOp
    ) -> None:
        """Every token of a block of registers goes through its stream, all in one cycle."""
        write = isinstance(op, ReleaseOp)
        width, loops = block.element.width, len(block.streams)
        self._names.push()
        counters = [self._names.new(letter) for letter in _counters(len(block.shape))]
        stream = channel.name + "".join(f"[{c}]" for c in counters[:loops])
        element = name + "".join(f"[{c}]" for c in counters)
        label = self._labels.new(label)
        for counter, size in zip(counters[:loops], block.streams, strict=True):
            self._unrolled(counter, size, label, op)
            label = ""
        if not block.packed:
            self._statement(f"{stream}.write({element});" if write else f"{element} = {stream}.read();", op)
        else:
            word, last = self._names.new("word"), counters[-1]
            self._statement(f"{block.token.text} {word}" + (";" if write else f" = {stream}.read();"), op)
            self._unrolled(last, block.shape[-1], label, op)
            bits = (
                f"{word}({width} * {last} + {width - 1}, {width} * {last})"
                if width > 1
                else f"{word}[{last}]"
            )
            self._statement(f"{bits} = {element};" if write else f"{element} = {bits};", op)
            self._depth -= 1
            self._statement("}")
            if write:
                self._statement(f"{stream}.write({word});", op)
        for _ in block.streams:
            self._depth -= 1
            self._statement("}")
        self._names.pop()

    def _unrolled(self, counter: str, size: int, label: str, op: Operation) -> None:
        """The head of a loop whose rounds happen at once."""
        prefix = f"{label}: " if label else ""
        self._statement(f"{prefix}for (int {counter} = 0; {counter} < {size}; ++{counter}) {{", op)
        self._depth += 1
        self._pragma(pragma("UNROLL"))

    def _hoist(self, inside: list[Operation], after: list[Operation]) -> None:
        """Prepare for what is made in a scope and used behind it: variables are declared before the scope."""
        later = {operand for op in after for inner in op.walk() for operand in inner.operands}
        self._escaping = {result: None for op in inside for result in op.results if result in later}
        for op in inside:
            if isinstance(op, memref.AllocOp) and op.memref in later:
                self._early.add(op.memref)
                self._alloc(op)
        self._escape_line, self._escape_depth = len(self.lines), self._depth

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
        by = step.constant or 1
        past_int = min(ub.hi, cxx.INT_HI) - 1 + by > cxx.INT_HI  # the last step may leave int
        counter = self._names.new(f"{name}_wide") if past_int else name
        advance = f"++{counter}" if by == 1 else f"{counter} += {step.text}"
        _, ub = cxx.comparable(self._values[op.body.block.args[0]], ub, 32)
        limit = cxx.at(ub, cxx.COMPARE + 1)
        kind = "long long" if past_int else "int"
        self._statement(f"{label}: for ({kind} {counter} = {lb.text}; {counter} < {limit}; {advance}) {{", op)
        self._depth += 1
        self._loop_pragmas(op)
        if past_int:
            self._statement(f"const int {name} = {counter};")
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
        condition = operations.condition(cxx.plain(self._use(ending.operands[0])))
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
            style: dict[str, int | str] = {"style": "flp"} if _must_flush(op) else {}
            self._pragma(pragma("PIPELINE", II=interval.value.data, **style))
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
            if any(
                len(set(r.uses)) > 1 or any(u.operation.parent is not block for u in r.uses)
                for r in op.results
            ):
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


def _must_flush(loop: Operation) -> bool:
    """Whether a pipelined loop must finish what it has begun while a stream makes it wait.

    The tool's default pipeline stands still as a whole when one access waits (UG1448, "Pipeline Styles"), so a token
    that is already computed may never be put. Another process may need just that token to end the wait, in a cycle of
    processes or where two paths meet again. A loop with one stream, or one that gets all its tokens first, is safe.
    """
    accesses = [op for op in loop.walk() if isinstance(op, GetOp | PutOp | AcquireOp | ReleaseOp)]
    if len({op.stream for op in accesses}) < 2:
        return False
    conditional = any(isinstance(op.parent_op(), scf.IfOp) for op in accesses)
    return conditional or not all(isinstance(op, GetOp) for op in accesses)


def _counters(count: int) -> list[str]:
    """Names of nested loops over an array: ``row`` and ``column`` for the usual two dimensions."""
    return ["row", "column"][2 - count :] if count <= 2 else [f"i{position}" for position in range(count)]


def _loop_name(op: Operation) -> str:
    name = op.attributes.get("loop_name")
    return clean(name.data) if isinstance(name, StringAttr) else "loop"


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
