"""Random statements of a process that concern no other process."""

from __future__ import annotations

import random
from collections.abc import Callable

from expressions import Expressions
from shapes import ANY, PARTITIONS, STORAGE, Array, dense, width_of


class Statements(Expressions):
    """Statements over a process's own variables, arrays and ports."""

    def __init__(self, rng: random.Random, name: str, number: int, budget: int) -> None:
        super().__init__(rng)
        self.name, self.number, self.budget = name, number, budget
        self.globals: list[str] = []
        self.inputs = {f"x{number}_{k}": width_of(rng) for k in range(rng.choice((1, 1, 2)))}
        self.outputs = {f"y{number}_{k}": width_of(rng) for k in range(rng.choice((1, 2, 2)))}
        self.scalar_index: list[str] = []
        self.streams = True
        self.lanes = False

    def over(self, array: Array, body: Callable[[list[str]], None]) -> None:
        """A loop nest over all elements."""

        def level(indices: list[str]) -> None:
            if len(indices) == len(array.shape):
                body(indices)
                return
            low, high, step = (
                self.op(f"arith.constant {n} : index") for n in (0, array.shape[len(indices)], 1)
            )
            self.loop(
                low, high, step, array.shape[len(indices)] - 1, lambda i: level([*indices, i]), attributes=""
            )

        level([])

    # statements

    def statements(self, count: int) -> None:
        for _ in range(count):
            if self.budget > 0:
                self.budget -= 1
                self.statement()

    def statement(self) -> None:
        rng = self.rng
        choices: list[tuple[int, Callable[[], None]]] = [
            (4, self.assign),
            (4, self.store),
            (2, self.modify),
            (1, self.declare_variable),
            (1, self.fresh_variable),
            (3, self.if_statement),
        ]
        if not self.lanes:
            choices += [(1, self.declare_array), (3, self.lane_statement)]
        if self.streams:
            choices += [(3, self.get_statement), (4, self.put_statement)]
            if self.nest < 4 and not self.lanes:
                choices += [(4, self.for_statement), (2, self.while_statement)]
        weights = [w for w, _ in choices]
        rng.choices([c for _, c in choices], weights)[0]()

    def assign(self) -> None:
        variables = [v for s in self.scopes for v in s.variables]
        if not variables:
            return self.declare_variable()
        name, width = self.rng.choice(variables)
        self.emit(f"memref.store {self.expression(width, 3)}, {name}[] : memref<i{width}>")

    def store(self) -> None:
        arrays = [a for s in self.scopes for a in s.arrays if a.writes]
        if not arrays:
            return self.declare_array() if not self.lanes else self.assign()
        array = self.rng.choice(arrays)
        where = self.subscripts(array)
        self.emit(f"memref.store {self.expression(array.width, 2)}, {array.name}[{where}] : {array.type}")

    def modify(self) -> None:
        arrays = [a for s in self.scopes for a in s.arrays if a.writes and a.reads]
        if not arrays:
            return self.assign()
        array = self.rng.choice(arrays)
        where = self.subscripts(array)
        old = self.op(f"memref.load {array.name}[{where}] : {array.type}")
        new = self.op(
            f"arith.{self.rng.choice(('addi', 'xori', 'subi'))} {old}, {self.expression(array.width, 1)} : i{array.width}"
        )
        self.emit(f"memref.store {new}, {array.name}[{where}] : {array.type}")

    def declare_variable(self) -> None:
        width, name = width_of(self.rng), self.fresh("w")
        self.emit(f'{name} = memref.alloc() {{name = "{name[1:]}"}} : memref<i{width}>')
        self.emit(f"memref.store {self.expression(width, 1)}, {name}[] : memref<i{width}>")
        self.scopes[-1].variables.append((name, width))

    def fresh_variable(self) -> None:
        """A variable without initial value that both sides of a condition write."""
        width, name = width_of(self.rng), self.fresh("f")
        self.emit(f'{name} = memref.alloc() {{name = "{name[1:]}"}} : memref<i{width}>')

        def side() -> None:
            self.statements(self.rng.choice((0, 1)))
            self.emit(f"memref.store {self.expression(width, 1)}, {name}[] : memref<i{width}>")

        condition = self.condition()
        self.branch(condition, side, side)
        if self.rng.random() < 0.4:
            value = self.expression(width, 1)
            self.branch(
                condition, lambda: self.emit(f"memref.store {value}, {name}[] : memref<i{width}>"), None
            )
        self.scopes[-1].variables.append((name, width))

    def declare_array(self) -> None:
        rng = self.rng
        shape = rng.choice(((4,), (8,), (6,), (2, 4), (4, 4), (3, 5), (16,)))
        width, name = width_of(rng), self.fresh("a")
        partition = tuple(rng.choice(PARTITIONS) for _ in shape)
        array = Array(name, shape, width, partition)
        if rng.random() < 0.2 and width <= 64:
            self.constant_array(array)
            return
        parts = ", ".join(f'"{p}"' for p in partition)
        kind = ', storage_type = "RAM_1WNR"' if rng.random() < 0.1 else ""
        self.emit(
            f'{name} = memref.alloc() {{name = "{name[1:]}", partition = [{parts}], storage = "{rng.choice(STORAGE)}"{kind}}} : {array.type}'
        )
        if rng.random() < 0.6:
            self.emit(f"fp.fill {name}, {self.expression(width, 1)} : {array.type}, i{width}")
        else:
            self.over(
                array,
                lambda indices: self.emit(
                    f"memref.store {self.expression(width, 2)}, {name}[{', '.join(indices)}] : {array.type}"
                ),
            )
        self.scopes[-1].arrays.append(array)

    def constant_array(self, array: Array) -> None:
        size = 1
        for n in array.shape:
            size *= n
        half = 1 << (array.width - 1)
        numbers = [
            self.rng.randrange(-half, half) if array.width > 1 else self.rng.choice((0, -1))
            for _ in range(size)
        ]
        text = dense(numbers, array.shape)
        symbol = f"{self.name}_p{self.number}_{array.name[1:]}"
        parts = ", ".join('"none"' for _ in array.shape)
        tensor = array.type.replace("memref", "tensor")
        self.globals.append(
            f'  "memref.global"() <{{sym_name = "{symbol}", type = {array.type}, initial_value = dense<{text}> : {tensor}, '
            f'sym_visibility = "private", constant}}> {{name = "{array.name[1:]}", partition = [{parts}]}} : () -> ()'
        )
        self.emit(f'{array.name} = memref.get_global @{symbol} : {array.type} {{name = "{array.name[1:]}"}}')
        array.writes = False
        self.scopes[-1].arrays.append(array)

    def get_statement(self) -> None:
        name, width = self.rng.choice(list(self.inputs.items()))
        value = self.op(f"fp.get %{name} : !fp.stream<i{width}, 2> -> i{width}")
        self.scopes[-1].values.append((value, width))

    def put_statement(self) -> None:
        name, width = self.rng.choice(list(self.outputs.items()))
        self.put(name, self.expression(width, 2))

    def put(self, name: str, value: str) -> None:
        width = self.outputs[name]
        self.emit(f"fp.put %{name}, {value} : !fp.stream<i{width}, 2>, i{width}")

    def if_statement(self) -> None:
        def side() -> None:
            self.statements(self.rng.choice((1, 1, 2, 3)))

        self.branch(self.condition(), side, side if self.rng.random() < 0.5 else None)

    def branch(self, condition: str, then: Callable[[], None], other: Callable[[], None] | None) -> None:
        self.emit(f"scf.if {condition} {{")
        self.inside(then)
        if other is not None:
            self.emit("} else {")
            self.inside(other)
        self.emit("}")

    def for_statement(self) -> None:
        rng = self.rng
        step = self.op(f"arith.constant {rng.choice((1, 1, 1, 2, 3))} : index")
        kind = rng.random()
        attributes = ""
        if kind < 0.4:
            trips = rng.randrange(5)
            low = rng.randrange(3)
            lo, hi = (
                self.op(f"arith.constant {low} : index"),
                self.op(f"arith.constant {low + trips} : index"),
            )
            if rng.random() < 0.2:
                step = self.op("arith.constant 1 : index")
                attributes = (
                    f"unroll = {rng.choice([f for f in (0, 1, 2, 3) if f == 0 or trips % f == 0])} : i32"
                )
        elif kind < 0.6:
            lo = self.op(f"arith.constant {rng.randrange(2)} : index")
            hi = rng.choice(self.scalar_index)
        else:
            outer = [i for s in self.scopes for i, most in s.indices if most < ANY]
            lo = self.op("arith.constant 0 : index")
            if rng.random() < 0.5:
                lo = rng.choice(outer) if outer and rng.random() < 0.5 else self.small_index()
            hi = self.small_index()
        self.loop(lo, hi, step, 6, lambda i: self.statements(rng.choice((1, 2, 3))), attributes)

    def small_index(self) -> str:
        """An index from 0 to 3 out of data."""
        value = self.expression(2, 2)
        return self.op(f"arith.index_cast {self.op(f'arith.extui {value} : i2 to i32')} : i32 to index")

    def loop(
        self,
        low: str,
        high: str,
        step: str,
        most: int,
        body: Callable[[str], None],
        attributes: str | None = None,
    ) -> None:
        rng = self.rng
        variable = self.fresh("i")
        self.emit(f"scf.for {variable} = {low} to {high} step {step} {{")
        listed = [f'loop_name = "l{variable[1:]}"']
        if attributes:
            listed.append(attributes)
        elif rng.random() < 0.5:
            listed.append(f"pipeline_ii = {rng.choice((1, 1, 2, 3))} : i32")

        def inner() -> None:
            self.scopes[-1].indices.append((variable, most))
            body(variable)

        self.inside(inner)
        self.emit(f"}} {{{', '.join(listed)}}}")

    def while_statement(self) -> None:
        counter = self.fresh("k")
        self.emit(f'{counter} = memref.alloc() {{name = "{counter[1:]}"}} : memref<i2>')
        self.emit(f"memref.store {self.expression(2, 1)}, {counter}[] : memref<i2>")
        self.emit("scf.while () : () -> () {")
        self.depth += 1
        zero = self.op("arith.constant 0 : i2")
        value = self.op(f"memref.load {counter}[] : memref<i2>")
        condition = self.op(f"arith.cmpi ne, {value}, {zero} : i2")
        self.depth -= 1
        self.emit(f"  scf.condition({condition})")
        self.emit("} do {")

        def body() -> None:
            self.statements(self.rng.choice((0, 1, 2)))
            one = self.op("arith.constant 1 : i2")
            value = self.op(f"memref.load {counter}[] : memref<i2>")
            self.emit(f"memref.store {self.op(f'arith.subi {value}, {one} : i2')}, {counter}[] : memref<i2>")
            self.statements(self.rng.choice((0, 1, 2)))

        self.inside(body)
        self.emit("  scf.yield")
        ii = f", pipeline_ii = {self.rng.choice((1, 2, 3))} : i32" if self.rng.random() < 0.5 else ""
        self.emit(f'}} attributes {{loop_name = "k{counter[2:]}"{ii}}}')

    def lane_statement(self) -> None:
        """An unrolled loop without streams; its lanes are often independent."""
        rng = self.rng
        lanes = rng.choice((2, 3, 4, 4, 6))
        arrays = [
            a
            for s in self.scopes
            for a in s.arrays
            if a.partition and a.partition[0] == "complete" and a.shape[0] >= lanes
        ]
        low, high, step = (self.op(f"arith.constant {n} : index") for n in (0, lanes, 1))
        before, self.streams, self.lanes = (self.streams, self.lanes), False, True

        def body(i: str) -> None:
            if arrays and rng.random() < 0.7:
                array = rng.choice(arrays)
                rest = [self.subscript(n) for n in array.shape[1:]]
                where = ", ".join([i, *rest])
                value = self.expression(array.width, 2)
                if array.reads:
                    old = self.op(f"memref.load {array.name}[{where}] : {array.type}")
                    value = self.op(f"arith.addi {old}, {value} : i{array.width}")
                if array.writes:
                    self.emit(f"memref.store {value}, {array.name}[{where}] : {array.type}")
            if rng.random() < 0.6:
                self.statements(rng.choice((1, 2)))
            if rng.random() < 0.25:  # a nest
                inner = rng.choice((2, 4))
                lo, hi, st = (self.op(f"arith.constant {n} : index") for n in (0, inner, 1))
                self.loop(lo, hi, st, inner - 1, lambda j: self.statements(2), "unroll = 0 : i32")

        self.loop(low, high, step, lanes - 1, body, "unroll = 0 : i32")
        self.streams, self.lanes = before
