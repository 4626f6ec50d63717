"""The body of a kernel in Allo's MLIR, op by op."""

from __future__ import annotations

from collections.abc import Mapping

from xdsl.dialects import affine, arith, memref, scf
from xdsl.dialects.builtin import (
    IndexType,
    IntegerAttr,
    IntegerType,
    MemRefType,
    StringAttr,
    UnitAttr,
    UnregisteredOp,
    i32,
)
from xdsl.dialects.linalg.ops import FillOp as LinalgFill
from xdsl.ir import Block, Operation, Region, SSAValue

from fastprefill.errors import KernelError
from fastprefill.frontend import allo_affine
from fastprefill.frontend.allo_dialect import (
    AffineIf,
    AffineLoad,
    AffineStore,
    AlloStream,
    GetBit,
    GetSlice,
    Global,
    SetBit,
    SetSlice,
    StreamGet,
    StreamPut,
)
from fastprefill.frontend.dtypes import Array, Scalar
from fastprefill.frontend.emit import INDEX, Emitter
from fastprefill.frontend.names import hint
from fastprefill.frontend.process import Local, Loop, Process
from fastprefill.ir.dialect import AcquireOp, FillOp, GetOp, GetSliceOp, PutOp, ReleaseOp, SetSliceOp
from fastprefill.ir.query import BINARY_ARITH

_CASTS = (arith.ExtSIOp, arith.ExtUIOp, arith.TruncIOp, arith.IndexCastOp)
_EXTREMES = {"arith.maxsi": "sgt", "arith.minsi": "slt", "arith.maxui": "ugt", "arith.minui": "ult"}


class Body:
    """Converts blocks of one kernel instance; `values` maps Allo's values to ours."""

    def __init__(
        self,
        emit: Emitter,
        process: Process,
        values: dict[SSAValue, SSAValue],
        contents: Mapping[str, Global],
        path: str,
    ) -> None:
        self._emit = emit
        self._process = process
        self._values = values
        self._contents = contents
        self._path = path

    def block(self, block: Block) -> None:
        """Convert the ops of a block; blocks of streams read in it are released at its end."""
        written = {
            op.data: op
            for op in block.ops
            if isinstance(op, StreamPut) and isinstance(op.data.type, MemRefType)
        }
        releases: list[tuple[SSAValue, SSAValue]] = []
        for op in block.ops:
            if isinstance(op, memref.AllocOp) and op.memref in written:
                put = written[op.memref]
                self._acquire(op.memref, put.stream, "write", _text(op, "name") or "block")
            elif isinstance(op, StreamGet) and isinstance(op.value.type, MemRefType):
                self._acquire(op.value, op.stream, "read", _text(op, "name") or "block")
                releases.append((self._values[op.stream], self._values[op.value]))
            else:
                self._op(op)
        for stream, buffer in releases:
            self._emit.add(ReleaseOp(stream, buffer))

    def _get(self, value: SSAValue) -> SSAValue:
        return self._values[value]

    def _error(self, message: str) -> KernelError:
        return KernelError(message, self._path)

    def _op(self, op: Operation) -> None:
        match op:
            case arith.ConstantOp():
                self._constant(op)
            case scf.YieldOp() | affine.YieldOp() | memref.DeallocOp():
                pass
            case scf.ConditionOp():
                self._emit.add(scf.ConditionOp(self._get(op.condition)))
            case memref.AllocOp():
                self._alloc(op)
            case memref.GetGlobalOp():
                self._table(op)
            case memref.LoadOp() | AffineLoad():
                self._load(op)
            case memref.StoreOp() | AffineStore():
                self._store(op)
            case LinalgFill():
                self._fill(op)
            case affine.ApplyOp():
                operands = [self._get(operand) for operand in op.mapOperands]
                self._values[op.result] = allo_affine.results(self._emit, op.map.data, operands)[0]
            case affine.ForOp() | scf.ForOp():
                self._for(op)
            case scf.WhileOp():
                self._while(op)
            case AffineIf() | scf.IfOp():
                self._if(op)
            case StreamGet() | StreamPut():
                self._stream(op)
            case GetSlice() | SetSlice() | GetBit() | SetBit():
                self._bits(op)
            case arith.CmpiOp() | arith.SelectOp():
                self._choose(op)
            case _ if type(op) in BINARY_ARITH or isinstance(op, _CASTS) or op.name in _EXTREMES:
                self._arith(op)
            case _ if op.name == "func.return":
                pass
            case _:
                name = op.op_name.data if isinstance(op, UnregisteredOp) else op.name
                raise self._error(
                    f"'{name}' in Allo's MLIR is not built; write the kernel in the subset of docs/language.md, or "
                    f"compile it without --frontend allo"
                )

    def _constant(self, op: arith.ConstantOp) -> None:
        value, type_ = op.value, op.result.type
        if not isinstance(value, IntegerAttr) or not isinstance(type_, IntegerType | IndexType):
            raise self._error(f"constant {value} in Allo's MLIR; only integers are built: scale and round it")
        self._values[op.result] = self._emit.constant(value.value.data, type_)

    def _arith(self, op: Operation) -> None:
        operands = [self._get(operand) for operand in op.operands]
        result = op.results[0]
        if op.name in _EXTREMES:
            smaller = self._emit.compare(_EXTREMES[op.name], *operands)
            self._values[result] = self._emit.select(smaller, *operands)
            return
        make = type(op)
        key = (op.name, *operands, result.type)
        self._values[result] = self._emit.pure(
            key, lambda: make.create(operands=operands, result_types=[result.type])
        )

    def _choose(self, op: Operation) -> None:
        operands = [self._get(operand) for operand in op.operands]
        if isinstance(op, arith.SelectOp):
            self._values[op.result] = self._emit.select(*operands)
            return
        assert isinstance(op, arith.CmpiOp)
        predicate = _PREDICATES[op.predicate.value.data]
        # Allo marks what is unsigned and then compares it as signed; here the declared signedness counts.
        if predicate[0] == "s" and all(_is_unsigned(operand) for operand in op.operands):
            predicate = "u" + predicate[1:]
        self._values[op.result] = self._emit.compare(predicate, *operands)

    def _alloc(self, op: memref.AllocOp) -> None:
        type_ = op.memref.type
        name = _text(op, "name") or f"v{len(self._process.locals)}"
        new = memref.AllocOp([], [], MemRefType(type_.element_type, type_.shape))
        new.memref.name_hint = hint(name)
        new.attributes["name"] = StringAttr(name)
        if "unsigned" in op.attributes:
            new.attributes["unsigned"] = UnitAttr()
        if type_.get_shape():
            new.attributes["partition"] = allo_affine.words(type_)
            allo_affine.place(new, type_)
            place = (self._path, len(self._process.locals), 0)
            self._process.locals.append(Local(name, place, type_.get_shape(), op=new))
        self._emit.add(new)
        self._values[op.memref] = new.memref

    def _table(self, op: memref.GetGlobalOp) -> None:
        symbol = op.name_.root_reference.data
        table = self._contents[symbol]
        type_ = op.memref.type
        assert isinstance(type_, MemRefType) and isinstance(type_.element_type, IntegerType)
        numbers = [int(value) for value in table.initial_value.get_values()]  # type: ignore[attr-defined]
        name = _text(op, "name") or symbol
        array = Array(
            Scalar(type_.element_type.width.data, "unsigned" not in op.attributes), type_.get_shape()
        )
        own = self._process.globals.symbol(name, array, numbers)
        allo_affine.place(self._process.globals.ops[own], type_)
        self._process.globals.ops[own].attributes["partition"] = allo_affine.words(type_)
        get = memref.GetGlobalOp(own, array.ir)
        get.attributes["name"] = StringAttr(name)
        self._emit.add(get)
        self._values[op.memref] = get.memref

    def _indices(self, op: Operation) -> list[SSAValue]:
        assert isinstance(op, AffineLoad | AffineStore | memref.LoadOp | memref.StoreOp)
        operands = [self._get(index) for index in op.indices]
        if isinstance(op, AffineLoad | AffineStore):
            return allo_affine.results(self._emit, op.map.data, operands)
        return operands

    def _load(self, op: memref.LoadOp | AffineLoad) -> None:
        new = memref.LoadOp.get(self._get(op.memref), self._indices(op))
        self._values[op.results[0]] = self._emit.add(new).results[0]

    def _store(self, op: memref.StoreOp | AffineStore) -> None:
        target = _text(op, "to")
        bind = self._process.operators.get(target) if target else None
        value = self._get(op.value)
        if bind and target:
            self._process.bound.add(target)
            _bind(value, bind)
        self._emit.add(memref.StoreOp.get(value, self._get(op.memref), self._indices(op)))

    def _fill(self, op: LinalgFill) -> None:
        value, target = self._get(op.inputs[0]), self._get(op.outputs[0])
        assert isinstance(target.type, MemRefType)
        if target.type.get_shape():
            self._emit.add(FillOp(target, value))
        else:
            self._emit.add(memref.StoreOp.get(value, target, []))

    def _for(self, op: affine.ForOp | scf.ForOp) -> None:
        static = False
        if isinstance(op, affine.ForOp):
            low, high = self._bound(op, "lower"), self._bound(op, "upper")
            step = self._emit.index(op.step.value.data)
            static = not op.lowerBoundOperands and not op.upperBoundOperands
        else:
            low, high, step = self._get(op.lb), self._get(op.ub), self._get(op.step)
        old, body = op.body.block, Block(arg_types=[IndexType()])
        name = _text(op, "loop_name") or f"loop_{len(self._process.loops)}"
        body.args[0].name_hint = hint(name)
        new = scf.ForOp(low, high, step, [], Region(body))
        new.attributes["loop_name"] = StringAttr(name)
        for key in ("pipeline_ii", "unroll"):
            number = op.attributes.get(key)
            if isinstance(number, IntegerAttr):
                new.attributes[key] = IntegerAttr(number.value.data, i32)
        self._emit.add(new)
        self._process.loops.append(Loop(name, (self._path, len(self._process.loops), 0), new, static))
        self._values[old.args[0]] = body.args[0]
        with self._emit.inside(body):
            self.block(old)
            self._emit.add(scf.YieldOp())

    def _bound(self, op: affine.ForOp, which: str) -> SSAValue:
        map_ = op.lowerBoundMap if which == "lower" else op.upperBoundMap
        operands = op.lowerBoundOperands if which == "lower" else op.upperBoundOperands
        results = allo_affine.results(self._emit, map_.data, [self._get(operand) for operand in operands])
        if len(results) != 1:
            raise self._error(
                "an affine.for with several bounds (max or min) in Allo's MLIR; write one bound"
            )
        return results[0]

    def _while(self, op: scf.WhileOp) -> None:
        before, after = Block(), Block()
        number = sum(loop.name.startswith("while") for loop in self._process.loops)
        name = _text(op, "loop_name") or ("while" if not number else f"while_{number}")
        new = scf.WhileOp([], [], Region(before), Region(after))
        new.attributes["loop_name"] = StringAttr(name)
        self._emit.add(new)
        self._process.loops.append(Loop(name, (self._path, len(self._process.loops), 0), new, False))
        with self._emit.inside(before):
            self.block(op.before_region.block)
        with self._emit.inside(after):
            self.block(op.after_region.block)
            self._emit.add(scf.YieldOp())

    def _if(self, op: AffineIf | scf.IfOp) -> None:
        if op.results:
            raise self._error(
                f"'{op.name}' with results in Allo's MLIR is not built; assign to a variable instead"
            )
        if isinstance(op, AffineIf):
            operands = [self._get(operand) for operand in op.args]
            test = allo_affine.condition(self._emit, op.condition.data, operands)
            yes, no = op.then_region, op.else_region
        else:
            test, yes, no = self._get(op.cond), op.true_region, op.false_region
        then, other = Block(), Block()
        self._emit.add(scf.IfOp(test, [], Region(then), Region(other) if no.blocks else None))
        for place, old in ((then, yes), (other, no)):
            if old.blocks:
                with self._emit.inside(place):
                    self.block(old.block)
                    self._emit.add(scf.YieldOp())

    def _acquire(self, name: SSAValue, stream: SSAValue, mode: str, text: str) -> None:
        argument = self._use(stream, "o" if mode == "write" else "i")
        op = AcquireOp(argument, mode)
        op.attributes["name"] = StringAttr(text)
        op.block.name_hint = hint(text)
        assert isinstance(name.type, MemRefType)
        actual = next(a.actual for a in self._process.arguments if a.ssa is argument)
        words = allo_affine.words(name.type)
        if any(word.data != "none" for word in words):
            self._process.block_partitions[actual] = words
        place = (self._path, len(self._process.locals), 0)
        self._process.locals.append(Local(text, place, name.type.get_shape(), stream=actual))
        self._emit.add(op)
        self._values[name] = op.block

    def _use(self, stream: SSAValue, direction: str) -> SSAValue:
        assert isinstance(stream.type, AlloStream)
        ssa = self._get(stream)
        argument = next(a for a in self._process.arguments if a.ssa is ssa)
        if argument.direction not in ("_", direction):
            raise self._error(
                f"kernel '{self._process.kernel}' both reads and writes stream '{argument.actual}'; a stream connects "
                f"two kernels: keep the value in a local variable"
            )
        argument.direction = direction
        return ssa

    def _stream(self, op: StreamGet | StreamPut) -> None:
        if op.indices.get_values():
            raise self._error("a subscripted stream in Allo's MLIR; kernels get single streams")
        if isinstance(op, StreamGet):
            self._values[op.value] = self._emit.add(GetOp(self._use(op.stream, "i"))).results[0]
            return
        stream, data = self._use(op.stream, "o"), self._get(op.data)
        block = isinstance(op.data.type, MemRefType)
        self._emit.add(ReleaseOp(stream, data) if block else PutOp(stream, data))

    def _bits(self, op: GetSlice | SetSlice | GetBit | SetBit) -> None:
        number = self._get(op.num)
        low = self._get(op.lo if isinstance(op, GetSlice | SetSlice) else op.index)
        if isinstance(op, GetSlice | GetBit):
            type_ = op.result.type
            assert isinstance(type_, IntegerType)
            width = type_.width.data
            key = ("slice", number, low, width)
            self._values[op.result] = self._emit.pure(key, lambda: GetSliceOp(number, low, width))
            return
        part = self._get(op.val)
        key = ("set slice", number, low, part)
        self._values[op.result] = self._emit.pure(key, lambda: SetSliceOp(number, low, part))


_PREDICATES = ("eq", "ne", "slt", "sle", "sgt", "sge", "ult", "ule", "ugt", "uge")


def _text(op: Operation, key: str) -> str | None:
    given = op.attributes.get(key)
    return given.data if isinstance(given, StringAttr) else None


def _is_unsigned(value: SSAValue) -> bool:
    owner = value.owner
    return isinstance(owner, Operation) and (
        "unsigned" in owner.attributes or isinstance(owner, arith.ExtUIOp)
    )


def _bind(value: SSAValue, where: str) -> None:
    """Bind the multiplications that a stored value is made of."""
    owner = value.owner
    if not isinstance(owner, Operation) or not owner.name.startswith("arith.") or value.type == INDEX:
        return
    if isinstance(owner, arith.MuliOp):
        owner.attributes["bind"] = StringAttr(where)
    for operand in owner.operands:
        _bind(operand, where)
