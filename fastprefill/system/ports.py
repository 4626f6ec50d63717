"""The ports of a unit's top module, as every simulator, shell and host sees them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from xdsl.dialects.builtin import ArrayAttr, IntegerType, MemRefType, ModuleOp, StringAttr
from xdsl.dialects.func import FuncOp

from fastprefill.errors import FastprefillError
from fastprefill.ir.dialect import StreamType
from fastprefill.system.limits import at_most_of, limits_of

WIDEST_WORD = 4096
"""Bits of a word that AXI4-Stream (PG085) and an ap_int of Vitis HLS (UG1399) can hold."""


@dataclass(frozen=True)
class Ports:
    """Name and bits of each port, in the order of the region's arguments.

    Attributes:
        name: the top module.
        scalars: run-time scalars, sampled at start.
        inputs: streams into the unit.
        outputs: streams out of it.
        signed: the scalars whose type is signed.
        limits: lowest and highest legal value of the scalars that have limits.
        at_most: the scalars that others must not exceed, by the names of these.
    """

    name: str
    scalars: Mapping[str, int]
    inputs: Mapping[str, int]
    outputs: Mapping[str, int]
    signed: frozenset[str] = frozenset()
    limits: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    at_most: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def widths(self) -> dict[str, int]:
        """Bits of every stream."""
        return {**self.inputs, **self.outputs}


def top_region(module: ModuleOp) -> FuncOp:
    """The top of a module: its last function."""
    functions = [op for op in module.body.block.ops if isinstance(op, FuncOp)]
    if not functions or "fp.region" not in functions[-1].attributes:
        raise FastprefillError(
            "the module has no region: its last function must carry the attribute fp.region"
        )
    return functions[-1]


def ports(module: ModuleOp) -> Ports:
    """The ports of the top region of `module`.

    Raises:
        FastprefillError: an argument is neither a stream, nor a run-time scalar ``T[1]``.
    """
    top = top_region(module)
    names, directions = top.attributes["arg_names"], top.attributes["directions"]
    itypes = top.attributes["itypes"]
    assert (
        isinstance(names, ArrayAttr) and isinstance(directions, StringAttr) and isinstance(itypes, StringAttr)
    )
    scalars: dict[str, int] = {}
    inputs: dict[str, int] = {}
    outputs: dict[str, int] = {}
    signed: set[str] = set()
    for attribute, argument, letter, sign in zip(
        names, top.body.block.args, directions.data, itypes.data, strict=True
    ):
        assert isinstance(attribute, StringAttr)
        name, kind = attribute.data, argument.type
        if isinstance(kind, StreamType):
            (outputs if letter == "o" else inputs)[name] = kind.element_type.width.data
        elif isinstance(kind, MemRefType) and kind.get_shape() == (1,) and letter != "o":
            assert isinstance(kind.element_type, IntegerType)
            scalars[name] = kind.element_type.width.data
            if sign == "s":
                signed.add(name)
        else:
            raise FastprefillError(
                f"argument {name!r} of {top.sym_name.data} is {kind}; a unit's arguments are streams and "
                "run-time scalars T[1]: stream the array in or out"
            )
    return Ports(
        top.sym_name.data, scalars, inputs, outputs, frozenset(signed), limits_of(top), at_most_of(top)
    )
