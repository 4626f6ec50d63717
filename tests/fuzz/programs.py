"""Random programs in the IR of ``docs/ir.md``: legal, free of deadlocks, with every subscript in range.

A program is first a *choreography*: loops and conditions that all processes share (over constants, run-time scalars
and shared loop variables), with tokens and blocks that go from one process to another. Each process is then its
projection, filled up with statements of its own. What one process sends, the other receives at the same place of
the same control structure, so no depth is too small and no token is left over.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from shapes import (
    ANY,
    PARTITIONS,
    SCALARS,
    STORAGE,
    TOKENS,
    Array,
    Block,
    Channel,
    For,
    If,
    Ring,
    Token,
    names,
    signature,
    width_of,
)
from statements import Statements

__all__ = ["TOKENS", "Program", "generate"]


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
        self.channels: list[Channel] = []
        self.rings: list[Ring] = []
        self.loops = 0

    def build(self) -> Program:
        rng = self.rng
        plan = self.plan(0, [])
        if self.count > 1:  # every process takes part
            for k in range(1, self.count):
                plan.insert(rng.randrange(len(plan) + 1), Token(self.channel(k - 1, k)))
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
            f"  func.func @{self.name}({signature(ports)}) attributes {{fp.region, {names(ports)}}} {{",
            *creates,
            *calls,
            "    func.return",
            "  }",
            "}",
        ]
        return Program(self.name, "\n".join(lines) + "\n", SCALARS, inputs, outputs)

    def channel(self, writer: int, reader: int) -> Channel:
        known = [c for c in self.channels if (c.writer, c.reader) == (writer, reader)]
        if known and self.rng.random() < 0.6:
            return self.rng.choice(known)
        made = Channel(
            f"c{len(self.channels)}", width_of(self.rng), self.rng.choice((1, 1, 2, 5)), writer, reader
        )
        self.channels.append(made)
        return made

    def ring(self, writer: int, reader: int, busy: list[Ring]) -> Ring | None:
        rng = self.rng
        known = [r for r in self.rings if (r.writer, r.reader) == (writer, reader)]
        if known and rng.random() < 0.6:
            found = rng.choice(known)
            return None if found in busy else found
        shape = rng.choice(((4,), (8,), (2, 4), (3,)))
        array = Array("", shape, width_of(rng), tuple(rng.choice(PARTITIONS) for _ in shape))
        made = Ring(
            f"b{len(self.rings)}", array, rng.choice((1, 2, 2, 3)), rng.choice(STORAGE), writer, reader
        )
        self.rings.append(made)
        return made

    def plan(self, depth: int, busy: list[Ring]) -> list[object]:
        """Shared statements of one level."""
        rng, found = self.rng, list[object]()
        for _ in range(rng.choice((1, 2, 2, 3)) if depth else rng.choice((2, 3, 4))):
            kind = rng.random()
            pair = rng.sample(range(self.count), 2) if self.count > 1 else None
            if pair and kind < 0.4:
                found.append(Token(self.channel(*pair)))
            elif pair and kind < 0.55:
                ring = self.ring(pair[0], pair[1], busy)
                if ring is not None:
                    inner = [*busy, ring]
                    found.append(
                        Block(
                            ring,
                            self.plan(depth + 1, inner) if depth < 2 and rng.random() < 0.4 else [],
                            self.plan(depth + 1, inner) if depth < 2 and rng.random() < 0.3 else [],
                        )
                    )
            elif kind < 0.8 and depth < 2:
                low = rng.choice(
                    (("const", 0), ("const", 0), ("const", 1), ("scalar", rng.randrange(2)), ("loop", 0))
                )
                high = rng.choice(
                    (
                        ("const", rng.randrange(5)),
                        ("const", rng.randrange(1, 4)),
                        ("scalar", rng.randrange(2)),
                        ("loop", 0),
                    )
                )
                found.append(For(low, high, rng.choice((1, 1, 1, 2)), self.plan(depth + 1, busy)))
            elif depth < 2:
                value = rng.choice((("scalar", rng.randrange(2)), ("loop", 0)))
                found.append(
                    If(
                        value,
                        rng.choice(("eq", "ne", "slt", "sge")),
                        rng.randrange(4),
                        self.plan(depth + 1, busy),
                        self.plan(depth + 1, busy) if rng.random() < 0.5 else [],
                    )
                )
        return found


class _Process(Statements):
    """One process: the projection of the choreography with statements of its own in between."""

    def __init__(self, generator: _Generator, number: int) -> None:
        super().__init__(generator.rng, generator.name, number, generator.size)
        self.g = generator
        self.shared: list[str] = []
        self.arguments: list[tuple[str, str, str]] = [(s, "memref<1xi32>", "i") for s in SCALARS]

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
        head = f"  func.func @{self.g.name}_p{self.number}({signature(self.arguments)}) attributes {{fp.process, {names(self.arguments)}}} {{"
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

            def at(indices: list[str], array: Array = array) -> None:
                value = self.op(f"memref.load {array.name}[{', '.join(indices)}] : {array.type}")
                self.put(name, self.resize(value, array.width, width))

            self.over(array, at)

    def used(self, plan: list[object]) -> list[object]:
        found: list[object] = []
        for node in plan:
            match node:
                case Token():
                    found.append(node.channel)
                case Block():
                    found += [node.ring, *self.used(node.written), *self.used(node.read)]
                case For():
                    found += self.used(node.body)
                case If():
                    found += self.used(node.then) + self.used(node.other)
        return found

    # the projection

    def project(self, plan: list[object]) -> None:
        self.statements(self.rng.choice((0, 1, 2)))
        for node in plan:
            match node:
                case Token():
                    self.token(node.channel)
                case Block():
                    self.block(node)
                case For():
                    low, high = self.bound(node.low), self.bound(node.high)
                    step = self.op(f"arith.constant {node.step} : index")

                    def body(i: str, node: For = node) -> None:
                        self.shared.append(i)
                        self.project(node.body)
                        self.shared.pop()

                    self.loop(low, high, step, 3 if node.low[0] in ("const", "loop") else ANY, body)
                case If():
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

    def token(self, channel: Channel) -> None:
        if channel.writer == self.number:
            value = self.expression(channel.width, 2)
            self.emit(f"fp.put %{channel.name}, {value} : {channel.type}, i{channel.width}")
        elif channel.reader == self.number:
            value = self.op(f"fp.get %{channel.name} : {channel.type} -> i{channel.width}")
            self.scopes[-1].values.append((value, channel.width))

    def block(self, node: Block) -> None:
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
            array.reads = True  # everything has been written
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

    def acquire(self, ring: Ring, mode: str) -> Array:
        name = self.fresh("block")
        self.emit(f'{name} = fp.acquire "{mode}" %{ring.name} : {ring.type} -> {ring.array.type}')
        array = Array(
            name, ring.array.shape, ring.array.width, ring.array.partition, mode == "read", mode == "write"
        )
        self.scopes[-1].arrays.append(array)
        return array

    def release(self, ring: Ring, array: Array) -> None:
        self.scopes[-1].arrays.remove(array)
        self.emit(f"fp.release %{ring.name}, {array.name} : {ring.type}, {array.type}")
