"""Random programs in the IR of ``docs/ir.md``: legal, free of deadlocks, with every subscript in range.

A program is first a *choreography*: loops and conditions that all processes share (over constants, run-time scalars
and shared loop variables), with tokens and blocks that go from one process to another. Each process is then its
projection, filled up with statements of its own. What one process sends, the other receives at the same place of
the same control structure, so no depth is too small and no token is left over.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

SCALARS = ("n", "m")
TOKENS = 3000
"""Tokens on offer at each input of a case; more than any program reads."""


@dataclass
class Program:
    """A random module.

    Attributes:
        name: of the unit.
        text: MLIR text.
        scalars: names of the run-time scalars, 32 bits wide.
        inputs: bits of each input stream.
        outputs: bits of each output stream.
    """

    name: str
    text: str
    scalars: tuple[str, ...]
    inputs: dict[str, int]
    outputs: dict[str, int]


@dataclass
class _Array:
    name: str
    shape: tuple[int, ...]
    width: int
    partition: tuple[str, ...] = ()
    reads: bool = True
    writes: bool = True

    @property
    def type(self) -> str:
        return f"memref<{''.join(f'{n}x' for n in self.shape)}i{self.width}>"


@dataclass
class _Ring:
    name: str
    array: _Array
    depth: int
    storage: str
    writer: int
    reader: int

    @property
    def type(self) -> str:
        return f"!fp.blocks<{self.array.type}, {self.depth}>"


@dataclass
class _Channel:
    name: str
    width: int
    depth: int
    writer: int
    reader: int

    @property
    def type(self) -> str:
        return f"!fp.stream<i{self.width}, {self.depth}>"


# The choreography.


@dataclass
class _Token:
    channel: _Channel


@dataclass
class _Block:
    ring: _Ring
    written: list[object]
    read: list[object]


@dataclass
class _For:
    low: tuple[str, int]
    high: tuple[str, int]
    step: int
    body: list[object]


@dataclass
class _If:
    value: tuple[str, int]
    predicate: str
    bound: int
    then: list[object]
    other: list[object]


@dataclass
class _Scope:
    values: list[tuple[str, int]] = field(default_factory=list)
    indices: list[tuple[str, int]] = field(default_factory=list)
    """Loop variables with an upper bound; they are never negative."""
    variables: list[tuple[str, int]] = field(default_factory=list)
    arrays: list[_Array] = field(default_factory=list)


ANY = 1 << 30
"""Upper bound of loop variables that may also be negative."""

PARTITIONS = ("none", "none", "complete", "cyclic 2", "block 2")
STORAGE = ("AUTO", "AUTO", "LUTRAM", "BRAM", "BRAM", "URAM")


def width_of(rng: random.Random) -> int:
    return rng.choice((1, 2, 3, 5, 7, 8, 8, 8, 13, 16, 16, 24, 32, 32, 33, 47, 64, 80))


def generate(seed: int, name: str, size: int = 14) -> Program:
    """A random program.

    Args:
        seed: of the generator.
        name: of the unit.
        size: statements that each process gets of its own, roughly.
    """
    return _Generator(random.Random(seed), name, size).build()


class _Generator:
    def __init__(self, rng: random.Random, name: str, size: int) -> None:
        self.rng, self.name, self.size = rng, name, size
        self.count = rng.choice((1, 1, 1, 2, 2, 3))
        self.channels: list[_Channel] = []
        self.rings: list[_Ring] = []
        self.loops = 0

    def build(self) -> Program:
        rng = self.rng
        plan = self.plan(0, [])
        if self.count > 1:  # every process takes part
            for k in range(1, self.count):
                plan.insert(rng.randrange(len(plan) + 1), _Token(self.channel(k - 1, k)))
        inputs: dict[str, int] = {}
        outputs: dict[str, int] = {}
        functions, calls, globals_ = [], [], []
        for k in range(self.count):
            process = _Process(self, k)
            text = process.build(plan)
            functions.append(text)
            globals_ += process.globals
            inputs |= process.inputs
            outputs |= process.outputs
            args = ", ".join(f"%{a}" for a, _, _ in process.arguments)
            types = ", ".join(t for _, t, _ in process.arguments)
            calls.append(
                f'    func.call @{self.name}_p{k}({args}) {{instance = "p{k}", slr = {rng.choice((0, 0, 0, k))} : i32, '
                f'domain = "kernel"}} : ({types}) -> ()'
            )
        creates = [f'    %{c.name} = fp.create "{c.name}" : {c.type}' for c in self.channels]
        for ring in self.rings:
            parts = ", ".join(f'"{p}"' for p in ring.array.partition)
            creates.append(
                f'    %{ring.name} = fp.create "{ring.name}" {{partition = [{parts}], storage = "{ring.storage}"}} : {ring.type}'
            )
        ports = [(s, "memref<1xi32>", "i") for s in SCALARS]
        ports += [(n, f"!fp.stream<i{w}, 2>", "i") for n, w in inputs.items()]
        ports += [(n, f"!fp.stream<i{w}, 2>", "o") for n, w in outputs.items()]
        lines = [
            f'builtin.module attributes {{fp.unit = "{self.name}"}} {{',
            *globals_,
            *functions,
            f"  func.func @{self.name}({_signature(ports)}) attributes {{fp.region, {_names(ports)}}} {{",
            *creates,
            *calls,
            "    func.return",
            "  }",
            "}",
        ]
        return Program(self.name, "\n".join(lines) + "\n", SCALARS, inputs, outputs)

    def channel(self, writer: int, reader: int) -> _Channel:
        known = [c for c in self.channels if (c.writer, c.reader) == (writer, reader)]
        if known and self.rng.random() < 0.6:
            return self.rng.choice(known)
        made = _Channel(
            f"c{len(self.channels)}", width_of(self.rng), self.rng.choice((1, 1, 2, 5)), writer, reader
        )
        self.channels.append(made)
        return made

    def ring(self, writer: int, reader: int, busy: list[_Ring]) -> _Ring | None:
        rng = self.rng
        known = [r for r in self.rings if (r.writer, r.reader) == (writer, reader)]
        if known and rng.random() < 0.6:
            found = rng.choice(known)
            return None if found in busy else found
        shape = rng.choice(((4,), (8,), (2, 4), (3,)))
        array = _Array("", shape, width_of(rng), tuple(rng.choice(PARTITIONS) for _ in shape))
        made = _Ring(
            f"b{len(self.rings)}", array, rng.choice((1, 2, 2, 3)), rng.choice(STORAGE), writer, reader
        )
        self.rings.append(made)
        return made

    def plan(self, depth: int, busy: list[_Ring]) -> list[object]:
        """Shared statements of one level."""
        rng, found = self.rng, list[object]()
        for _ in range(rng.choice((1, 2, 2, 3)) if depth else rng.choice((2, 3, 4))):
            kind = rng.random()
            pair = rng.sample(range(self.count), 2) if self.count > 1 else None
            if pair and kind < 0.4:
                found.append(_Token(self.channel(*pair)))
            elif pair and kind < 0.55:
                ring = self.ring(pair[0], pair[1], busy)
                if ring is not None:
                    inner = [*busy, ring]
                    found.append(
                        _Block(
                            ring,
                            self.plan(depth + 1, inner) if depth < 2 and rng.random() < 0.4 else [],
                            self.plan(depth + 1, inner) if depth < 2 and rng.random() < 0.3 else [],
                        )
                    )
            elif kind < 0.8 and depth < 2:
                low = rng.choice((("const", 0), ("const", 0), ("const", 1), ("scalar", rng.randrange(2)), ("loop", 0)))
                high = rng.choice(
                    (
                        ("const", rng.randrange(5)),
                        ("const", rng.randrange(1, 4)),
                        ("scalar", rng.randrange(2)),
                        ("loop", 0),
                    )
                )
                found.append(_For(low, high, rng.choice((1, 1, 1, 2)), self.plan(depth + 1, busy)))
            elif depth < 2:
                value = rng.choice((("scalar", rng.randrange(2)), ("loop", 0)))
                found.append(
                    _If(
                        value,
                        rng.choice(("eq", "ne", "slt", "sge")),
                        rng.randrange(4),
                        self.plan(depth + 1, busy),
                        self.plan(depth + 1, busy) if rng.random() < 0.5 else [],
                    )
                )
        return found


def _signature(arguments: list[tuple[str, str, str]]) -> str:
    return ", ".join(f"%{name}: {kind}" for name, kind, _ in arguments)


def _names(arguments: list[tuple[str, str, str]]) -> str:
    names = ", ".join(f'"{name}"' for name, _, _ in arguments)
    directions = "".join(direction for _, _, direction in arguments)
    return f'arg_names = [{names}], itypes = "{"s" * len(arguments)}", directions = "{directions}"'


class _Process:
    """One process: the projection of the choreography with statements of its own in between."""

    def __init__(self, generator: _Generator, number: int) -> None:
        self.g, self.rng, self.number = generator, generator.rng, number
        self.lines: list[str] = []
        self.depth = 2
        self.fresh_count = 0
        self.scopes = [_Scope()]
        self.shared: list[str] = []
        self.budget = generator.size
        self.nest = 0
        self.globals: list[str] = []
        self.inputs = {f"x{number}_{k}": width_of(self.rng) for k in range(self.rng.choice((1, 1, 2)))}
        self.outputs = {f"y{number}_{k}": width_of(self.rng) for k in range(self.rng.choice((1, 2, 2)))}
        self.arguments: list[tuple[str, str, str]] = [(s, "memref<1xi32>", "i") for s in SCALARS]
        self.scalar_index: list[str] = []
        self.streams = True
        self.lanes = False

    # text

    def emit(self, text: str) -> None:
        self.lines.append("  " * self.depth + text)

    def fresh(self, base: str = "v") -> str:
        self.fresh_count += 1
        return f"%{base}{self.fresh_count}"

    def op(self, text: str) -> str:
        name = self.fresh()
        self.emit(f"{name} = {text}")
        return name

    def inside(self, body: Callable[[], None]) -> None:
        self.depth += 1
        self.nest += 1
        self.scopes.append(_Scope())
        body()
        self.scopes.pop()
        self.nest -= 1
        self.depth -= 1

    def build(self, plan: list[object]) -> str:
        used = self.used(plan)
        for c in self.g.channels:
            if c in used and self.number in (c.writer, c.reader):
                self.arguments.append((c.name, c.type, "o" if c.writer == self.number else "i"))
        for r in self.g.rings:
            if r in used and self.number in (r.writer, r.reader):
                self.arguments.append((r.name, r.type, "o" if r.writer == self.number else "i"))
        self.arguments += [(n, f"!fp.stream<i{w}, 2>", "i") for n, w in self.inputs.items()]
        self.arguments += [(n, f"!fp.stream<i{w}, 2>", "o") for n, w in self.outputs.items()]
        zero = self.op("arith.constant 0 : index")
        for s in SCALARS:
            value = self.op(f"memref.load %{s}[{zero}] : memref<1xi32>")
            self.scopes[0].values.append((value, 32))
            self.scalar_index.append(self.op(f"arith.index_cast {value} : i32 to index"))
        for _ in range(self.rng.choice((1, 2, 3))):
            self.declare_variable()
        for _ in range(self.rng.choice((0, 1, 2))):
            self.declare_array()
        self.project(plan)
        for name, width in self.inputs.items():
            self.scopes[0].values.append(
                (self.op(f"fp.get %{name} : !fp.stream<i{width}, 2> -> i{width}"), width)
            )
        for name, width in self.outputs.items():
            self.emit(f"fp.put %{name}, {self.expression(width, 2)} : !fp.stream<i{width}, 2>, i{width}")
        self.dump()
        head = f"  func.func @{self.g.name}_p{self.number}({_signature(self.arguments)}) attributes {{fp.process, {_names(self.arguments)}}} {{"
        return "\n".join([head, *self.lines, "    func.return", "  }"])

    def dump(self) -> None:
        """Everything that is left in variables and arrays goes out."""
        name, width = next(iter(self.outputs.items()))
        for variable, bits in self.scopes[0].variables:
            value = self.op(f"memref.load {variable}[] : memref<i{bits}>")
            self.put(name, self.resize(value, bits, width))
        for array in self.scopes[0].arrays:
            if not array.writes:
                continue

            def at(indices: list[str], array: _Array = array) -> None:
                value = self.op(f"memref.load {array.name}[{', '.join(indices)}] : {array.type}")
                self.put(name, self.resize(value, array.width, width))

            self.over(array, at)

    def over(self, array: _Array, body: Callable[[list[str]], None]) -> None:
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

    def used(self, plan: list[object]) -> list[object]:
        found: list[object] = []
        for node in plan:
            match node:
                case _Token():
                    found.append(node.channel)
                case _Block():
                    found += [node.ring, *self.used(node.written), *self.used(node.read)]
                case _For():
                    found += self.used(node.body)
                case _If():
                    found += self.used(node.then) + self.used(node.other)
        return found

    # the projection

    def project(self, plan: list[object]) -> None:
        self.statements(self.rng.choice((0, 1, 2)))
        for node in plan:
            match node:
                case _Token():
                    self.token(node.channel)
                case _Block():
                    self.block(node)
                case _For():
                    low, high = self.bound(node.low), self.bound(node.high)
                    step = self.op(f"arith.constant {node.step} : index")

                    def body(i: str, node: _For = node) -> None:
                        self.shared.append(i)
                        self.project(node.body)
                        self.shared.pop()

                    self.loop(low, high, step, 3 if node.low[0] in ("const", "loop") else ANY, body)
                case _If():
                    value = self.bound(node.value)
                    limit = self.op(f"arith.constant {node.bound} : index")
                    condition = self.op(f"arith.cmpi {node.predicate}, {value}, {limit} : index")
                    self.branch(
                        condition, lambda n=node: self.project(n.then), lambda n=node: self.project(n.other)
                    )
            self.statements(self.rng.choice((0, 0, 1, 2)))

    def bound(self, what: tuple[str, int]) -> str:
        kind, number = what
        if kind == "scalar":
            return self.scalar_index[number]
        if kind == "loop" and self.shared:
            return self.shared[-1]
        return self.op(f"arith.constant {number + (2 if kind == 'loop' else 0)} : index")

    def token(self, channel: _Channel) -> None:
        if channel.writer == self.number:
            value = self.expression(channel.width, 2)
            self.emit(f"fp.put %{channel.name}, {value} : {channel.type}, i{channel.width}")
        elif channel.reader == self.number:
            value = self.op(f"fp.get %{channel.name} : {channel.type} -> i{channel.width}")
            self.scopes[-1].values.append((value, channel.width))

    def block(self, node: _Block) -> None:
        ring = node.ring
        writes, reads = ring.writer == self.number, ring.reader == self.number
        if writes:
            array = self.acquire(ring, "write")
            if self.rng.random() < 0.3:
                self.emit(
                    f"fp.fill {array.name}, {self.expression(array.width, 1)} : {array.type}, i{array.width}"
                )
            else:
                self.over(
                    array,
                    lambda indices: self.emit(
                        f"memref.store {self.expression(array.width, 2)}, {array.name}[{', '.join(indices)}] : {array.type}"
                    ),
                )
        self.project(node.written)
        if writes:
            self.release(ring, array)
        if reads:
            array = self.acquire(ring, "read")
        self.project(node.read)
        if reads:
            if self.rng.random() < 0.6:
                name, width = self.rng.choice(list(self.outputs.items()))
                self.over(
                    array,
                    lambda indices: self.put(
                        name,
                        self.resize(
                            self.op(f"memref.load {array.name}[{', '.join(indices)}] : {array.type}"),
                            array.width,
                            width,
                        ),
                    ),
                )
            self.release(ring, array)

    def acquire(self, ring: _Ring, mode: str) -> _Array:
        name = self.fresh("block")
        self.emit(f'{name} = fp.acquire "{mode}" %{ring.name} : {ring.type} -> {ring.array.type}')
        array = _Array(
            name, ring.array.shape, ring.array.width, ring.array.partition, mode == "read", mode == "write"
        )
        self.scopes[-1].arrays.append(array)
        return array

    def release(self, ring: _Ring, array: _Array) -> None:
        self.scopes[-1].arrays.remove(array)
        self.emit(f"fp.release %{ring.name}, {array.name} : {ring.type}, {array.type}")

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
        array = _Array(name, shape, width, partition)
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

    def constant_array(self, array: _Array) -> None:
        size = 1
        for n in array.shape:
            size *= n
        half = 1 << (array.width - 1)
        numbers = [
            self.rng.randrange(-half, half) if array.width > 1 else self.rng.choice((0, -1))
            for _ in range(size)
        ]
        text = _dense(numbers, array.shape)
        symbol = f"{self.g.name}_p{self.number}_{array.name[1:]}"
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

    # expressions

    def condition(self) -> str:
        if self.rng.random() < 0.5:  # cheap enough to decide about a get
            kind = self.rng.random()
            indices = [i for s in self.scopes for i in s.indices]
            variables = [v for s in self.scopes for v in s.variables]
            if kind < 0.5 and indices:
                limit = self.op(f"arith.constant {self.rng.randrange(4)} : index")
                return self.op(
                    f"arith.cmpi {self.rng.choice(('eq', 'ne', 'slt', 'sge'))}, {self.rng.choice(indices)[0]}, {limit} : index"
                )
            if variables:
                name, width = self.rng.choice(variables)
                return self.resize(self.op(f"memref.load {name}[] : memref<i{width}>"), width, 1)
        return self.expression(1, 2)

    def subscripts(self, array: _Array) -> str:
        return ", ".join(self.subscript(n) for n in array.shape)

    def subscript(self, extent: int) -> str:
        rng = self.rng
        fits = [i for s in self.scopes for i, most in s.indices if most < extent]
        kind = rng.random()
        if fits and kind < 0.5:
            return rng.choice(fits)
        if kind < 0.65:
            return self.op(f"arith.constant {rng.randrange(extent)} : index")
        bits = (extent - 1).bit_length()
        if extent == 1 << bits:
            value, width = self.expression(bits, 2), bits
        else:
            limit = self.op(f"arith.constant {extent} : i8")
            value, width = self.op(f"arith.remui {self.expression(8, 2)}, {limit} : i8"), 8
        return self.op(f"arith.index_cast {self.op(f'arith.extui {value} : i{width} to i32')} : i32 to index")

    def resize(self, value: str, width: int, wanted: int) -> str:
        rng = self.rng
        if width == wanted:
            return value
        if wanted < width:
            if rng.random() < 0.4:
                at = self.op(f"arith.constant {rng.randrange(width)} : index")
                return self.op(f"fp.get_slice {value}[{at}] : i{width} -> i{wanted}")
            return self.op(f"arith.trunci {value} : i{width} to i{wanted}")
        return self.op(f"arith.{rng.choice(('extsi', 'extui'))} {value} : i{width} to i{wanted}")

    def leaf(self, width: int) -> str:
        rng = self.rng
        values = [v for s in self.scopes for v in s.values]
        variables = [v for s in self.scopes for v in s.variables]
        arrays = [a for s in self.scopes for a in s.arrays if a.reads]
        indices = [i for s in self.scopes for i in s.indices]
        kind = rng.random()
        if kind < 0.3 and variables:
            name, bits = rng.choice(variables)
            return self.resize(self.op(f"memref.load {name}[] : memref<i{bits}>"), bits, width)
        if kind < 0.5 and arrays:
            array = rng.choice(arrays)
            fits = [i for i, _ in indices]
            where = []
            for extent in array.shape:
                inside = [i for i, most in indices if most < extent]
                where.append(
                    rng.choice(inside)
                    if inside and fits and rng.random() < 0.6
                    else self.op(f"arith.constant {rng.randrange(extent)} : index")
                )
            return self.resize(
                self.op(f"memref.load {array.name}[{', '.join(where)}] : {array.type}"), array.width, width
            )
        if kind < 0.6 and indices:
            return self.resize(
                self.op(f"arith.index_cast {rng.choice(indices)[0]} : index to i32"), 32, width
            )
        if kind < 0.9 and values:
            name, bits = rng.choice(values)
            return self.resize(name, bits, width)
        half = 1 << (width - 1)
        number = rng.choice((rng.randrange(-half, half), -1, 1, 0)) if width > 1 else rng.choice((0, -1))
        return self.op(f"arith.constant {number} : i{width}")

    def expression(self, width: int, depth: int) -> str:
        rng = self.rng
        if depth == 0 or rng.random() < 0.25:
            return self.leaf(width)
        kind = rng.random()
        if kind < 0.45:
            name = rng.choice(("addi", "addi", "subi", "muli", "andi", "ori", "xori"))
            made = self.op(
                f"arith.{name} {self.expression(width, depth - 1)}, {self.expression(width, depth - 1)} : i{width}"
            )
        elif kind < 0.55:
            name = rng.choice(("shli", "shrsi", "shrui"))
            if rng.random() < 0.6:
                amount = self.op(f"arith.constant {rng.randrange(min(width, 1 << (width - 1)))} : i{width}")
            else:
                amount = self.expression(width, 0)
            made = self.op(f"arith.{name} {self.expression(width, depth - 1)}, {amount} : i{width}")
        elif kind < 0.63 and width > 2:
            divisor = self.op(
                f"arith.constant {rng.choice((1, 2, 3, rng.randrange(1, 1 << (width - 1))))} : i{width}"
            )
            made = self.op(
                f"arith.{rng.choice(('divui', 'remui'))} {self.expression(width, depth - 1)}, {divisor} : i{width}"
            )
        elif kind < 0.75:
            bits = width_of(rng)
            predicate = rng.choice(("eq", "ne", "slt", "sle", "sgt", "sge", "ult", "ule", "ugt", "uge"))
            c = self.op(
                f"arith.cmpi {predicate}, {self.expression(bits, depth - 1)}, {self.expression(bits, depth - 1)} : i{bits}"
            )
            if width == 1:
                made = c
            else:
                made = self.op(
                    f"arith.select {c}, {self.expression(width, depth - 1)}, {self.expression(width, depth - 1)} : i{width}"
                )
        elif kind < 0.85:
            bits = width_of(rng)
            at = self.position(bits)
            made = self.op(f"fp.get_slice {self.expression(bits, depth - 1)}[{at}] : i{bits} -> i{width}")
        elif kind < 0.92:
            part = rng.randrange(1, width + 1)
            at = self.position(width)
            made = self.op(
                f"fp.set_slice {self.expression(width, depth - 1)}[{at}], {self.expression(part, depth - 1)} : i{width}, i{part} -> i{width}"
            )
        else:
            bits = width_of(rng)
            made = self.resize(self.expression(bits, depth - 1), bits, width)
        if rng.random() < 0.3:
            self.scopes[-1].values.append((made, width))
        return made

    def position(self, width: int) -> str:
        indices = [i for s in self.scopes for i, most in s.indices if most < ANY]
        kind = self.rng.random()
        if kind < 0.4 and indices:
            return self.rng.choice(indices)
        if kind < 0.6:
            return self.small_index()
        return self.op(f"arith.constant {self.rng.randrange(width)} : index")


def _dense(numbers: list[int], shape: tuple[int, ...]) -> str:
    if len(shape) == 1:
        return "[" + ", ".join(str(n) for n in numbers) + "]"
    size = len(numbers) // shape[0]
    return (
        "[" + ", ".join(_dense(numbers[k * size : (k + 1) * size], shape[1:]) for k in range(shape[0])) + "]"
    )
