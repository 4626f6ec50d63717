"""Small processes as MLIR text, and a pass applied to them with verification behind it."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

import pytest
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation
from xdsl.passes import ModulePass

from fastprefill.ir.text import context, parse, to_text


@pytest.fixture
def process() -> Callable[..., ModuleOp]:
    """``process(body, "x: !fp.stream<i8, 2>", ...)``: a module with one process of these arguments.

    ``%c0`` to ``%c8`` are index constants; `body` stands between them and the return.
    """

    def build(body: str, *arguments: str, directions: str = "") -> ModuleOp:
        pairs = [argument.split(": ", 1) for argument in arguments]
        names = ", ".join(f'"{name}"' for name, _ in pairs)
        listed = ", ".join(f"%{name}: {kind}" for name, kind in pairs)
        constants = "\n".join(f"%c{n} = arith.constant {n} : index" for n in range(9))
        return parse(
            f"builtin.module {{ func.func @u_k({listed}) attributes {{fp.process, arg_names = [{names}], "
            f'itypes = "{"s" * len(pairs)}", directions = "{directions or "i" * len(pairs)}"}} {{\n'
            f"{constants}\n{body}\nfunc.return }} }}"
        )

    return build


@pytest.fixture
def apply() -> Callable[..., str]:
    """``apply(module, Pass(), ...)``: the text after the passes, which is verified and reads back the same."""

    def run(module: ModuleOp, *passes: ModulePass) -> str:
        ctx: Context = context()
        for step in passes:
            step.apply(ctx, module)
            module.verify()
        text = to_text(module)
        assert to_text(parse(text)) == text
        return text

    return run


@pytest.fixture
def ops() -> Callable[[ModuleOp | str, type[Operation]], list[Operation]]:
    """``ops(module, kind)``: the operations of a kind, in order, at any depth."""

    read_once = lru_cache(parse)

    def find(module: ModuleOp | str, kind: type[Operation]) -> list[Operation]:
        read = read_once(module) if isinstance(module, str) else module
        return [op for op in read.walk() if isinstance(op, kind)]

    return find


@pytest.fixture
def lines() -> Callable[[str], list[str]]:
    """``lines(text)``: the operations of a process as printed, without attributes, constants and brackets."""

    def clean(text: str) -> list[str]:
        inner = text.split("{\n", 2)[2]
        found = [
            re.sub(r" ?\{[a-z_]+( = |\}|,).*?\}(?= |$)", "", line).strip() for line in inner.splitlines()
        ]
        return [line for line in found if line and line != "}" and "arith.constant" not in line]

    return clean
