"""Random expressions of a process, as MLIR text."""

from __future__ import annotations

import random
from collections.abc import Callable

from shapes import ANY, Array, Scope, width_of


class Expressions:
    """Text of a process, its scopes, and expressions over what is in them."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.lines: list[str] = []
        self.depth = 2
        self.fresh_count = 0
        self.scopes = [Scope()]
        self.nest = 0

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
        self.scopes.append(Scope())
        body()
        self.scopes.pop()
        self.nest -= 1
        self.depth -= 1

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

    def subscripts(self, array: Array) -> str:
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
