"""Instances of a kernel whose bodies must come out equal: lowered once, connected many times.

A mesh of 16 x 16 instances would otherwise be lowered 256 times to find that the bodies are the same. When the
position occurs only in subscripts of stream arrays and in compile-time conditions, a body is the same for
every position at which the conditions give the same answers and the accesses meet in the same way.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Container
from dataclasses import replace

from fastprefill.errors import KernelError
from fastprefill.frontend.annotations import evaluate
from fastprefill.frontend.dtypes import Stream
from fastprefill.frontend.process import Access, Process
from fastprefill.frontend.source import Source


def position_names(node: ast.FunctionDef, streams: Container[str]) -> list[str] | None:
    """The names that hold the position; None when one is used as a number, or given in a block of its own."""
    names: list[str] = []
    given = [s for s in ast.walk(node) if isinstance(s, ast.Assign) and _called(s.value) == "get_pid"]
    if any(statement not in node.body for statement in given):
        return None
    for statement in node.body:
        if statement in given:
            assert isinstance(statement, ast.Assign)
            target = statement.targets[0]
            elements = target.elts if isinstance(target, ast.Tuple) else [target]
            names += [element.id for element in elements if isinstance(element, ast.Name)]
    finder = _Numbers(frozenset(names), streams)
    for statement in node.body:
        finder.visit(statement)
    return None if finder.found else names


class _Numbers(ast.NodeVisitor):
    """Finds uses of the position outside of stream subscripts and compile-time conditions."""

    def __init__(self, names: frozenset[str], streams: Container[str]) -> None:
        self.names = names
        self.streams = streams
        self.found = False

    def visit_Name(self, node: ast.Name) -> None:
        if node.id in self.names and isinstance(node.ctx, ast.Load):
            self.found = True

    def visit_Subscript(self, node: ast.Subscript) -> None:
        base: ast.expr = node
        while isinstance(base, ast.Subscript):
            base = base.value
        if not (isinstance(base, ast.Name) and base.id in self.streams):
            self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if isinstance(node.annotation, ast.Constant):  # a type that is written as text
            self.found |= any(re.search(rf"\b{name}\b", str(node.annotation.value)) for name in self.names)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        if _called(node) not in ("meta_if", "meta_elif"):
            self.generic_visit(node)


def _called(node: ast.expr) -> str:
    if not isinstance(node, ast.Call):
        return ""
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def twin(
    first: Process, instance: str, position: dict[str, int], streams: dict[str, Stream], source: Source
) -> Process | None:
    """The process at another position with the body of `first`; None when the bodies may differ.

    Args:
        first: an instance that was lowered.
        instance: the other instance's name.
        position: the names of the position, with their values there.
        streams: the region's single streams by name.
    """
    try:
        for decision in first.decisions:
            if bool(evaluate(decision.node, {**decision.names, **position}, source)) != decision.answer:
                return None
        actuals: dict[int, str] = {}
        for access in first.accesses:
            actual = _actual(access, position, source)
            if actual not in streams or actuals.setdefault(access.argument, actual) != actual:
                return None
    except KernelError:
        return None  # lowering the instance itself gives the message with its place
    if len(set(actuals.values())) != len(actuals):
        return None
    renamed = {first.arguments[number].actual: actual for number, actual in actuals.items()}
    return replace(
        first,
        instance=instance,
        arguments=[replace(a, actual=actuals.get(i, a.actual)) for i, a in enumerate(first.arguments)],
        locals=[replace(local, stream=renamed.get(local.stream or "")) for local in first.locals],
        placed=[(renamed[stream], type_, place) for stream, type_, place in first.placed],
        twin=first,
    )


def _actual(access: Access, position: dict[str, int], source: Source) -> str:
    names = {**access.end.names, **position}
    return "_".join(
        [access.end.base, *(str(int(evaluate(part, names, source))) for part in access.end.subscripts)]
    )
