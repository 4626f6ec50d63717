"""Limits of run-time scalars: a start with a scalar outside its limits is refused and reported.

The limits are the attribute ``limits`` of the top region (``docs/ir.md``, section 1), a dictionary from the name of
a scalar to ``"lowest..highest"``. They are checked where a run begins, so one bad parameter of a unit inside a system
keeps the whole system from starting, and no process waits for tokens that will not come.

A unit that has to put out something even then says with which scalars it runs in a refused start; that is the attribute
``refused`` of its region, a dictionary from the name of a scalar to a number.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from xdsl.dialects.builtin import DictionaryAttr, ModuleOp, StringAttr
from xdsl.dialects.func import CallOp, FuncOp
from xdsl.ir import SSAValue

from fastprefill.errors import FastprefillError
from fastprefill.ir.query import element_type, is_scalar_argument, strings, text

ATTRIBUTE = "limits"
REFUSED = "refused"
OUTSIDE = 1
"""Kind of error, bits 7 to 0 of ``first_error``: a run-time scalar is outside its limits. Bits 31 to 8 say which."""

Limits = dict[str, tuple[int, int]]
"""Name of a scalar -> lowest and highest legal value, both included."""


def error_code(scalar: int) -> int:
    """``first_error`` when the scalar of this number (from 0, in the order of the arguments) is outside its limits."""
    return scalar << 8 | OUTSIDE


def scalar_ranges(region: FuncOp) -> Limits:
    """Every scalar of a region, in order, with the lowest and highest value that its type holds."""
    ranges: Limits = {}
    kinds = zip(region.body.block.args, strings(region, "arg_names"), text(region, "itypes"), strict=True)
    for argument, name, letter in kinds:
        if is_scalar_argument(argument):
            bits = element_type(argument.type).width.data
            ranges[name] = (0, (1 << bits) - 1) if letter == "u" else (-(1 << bits - 1), (1 << bits - 1) - 1)
    return ranges


def attach(region: FuncOp, limits: Mapping[str, tuple[int, int]]) -> None:
    """Give a region its limits.

    Raises:
        FastprefillError: a name that is no scalar of the region, or limits that its type does not hold.
    """
    ranges = scalar_ranges(region)
    for name, (low, high) in limits.items():
        if name not in ranges:
            raise FastprefillError(
                f"limits of '{name}': '{region.sym_name.data}' has no such run-time scalar; "
                f"it has {', '.join(ranges) or 'none'}"
            )
        least, most = ranges[name]
        if not least <= low <= high <= most:
            raise FastprefillError(
                f"limits {low}..{high} of the scalar '{name}' of '{region.sym_name.data}'; its type holds "
                f"{least}..{most}, and the lower limit comes first"
            )
    if limits:
        region.attributes[ATTRIBUTE] = DictionaryAttr(
            {name: StringAttr(f"{limits[name][0]}..{limits[name][1]}") for name in ranges if name in limits}
        )


def limits_of(region: FuncOp) -> Limits:
    """The limits of a region, in the order of its scalars."""
    found = region.attributes.get(ATTRIBUTE)
    limits: Limits = {}
    for name, value in found.data.items() if isinstance(found, DictionaryAttr) else ():
        match = re.fullmatch(r"(-?\d+)\.\.(-?\d+)", value.data) if isinstance(value, StringAttr) else None
        if match is None:
            raise FastprefillError(f"limits of '{name}': {value} is not of the form \"lowest..highest\"")
        limits[name] = int(match[1]), int(match[2])
    return limits


def attach_refused(region: FuncOp, scalars: Mapping[str, int]) -> None:
    """Let a region run in refused starts, with these scalars; not when there are none.

    Raises:
        FastprefillError: a scalar of the region is missing, as it could have any value then; a name that is none of its
            scalars, or a value that its type does not hold.
    """
    ranges = scalar_ranges(region)
    for name in (*scalars, *(ranges if scalars else ())):
        if name not in ranges:
            raise FastprefillError(
                f"'{region.sym_name.data}' is to run in refused starts with '{name}'; it has no such run-time scalar, "
                f"only {', '.join(ranges) or 'none'}"
            )
        if name not in scalars:
            raise FastprefillError(
                f"'{region.sym_name.data}' runs in refused starts, but not with which '{name}'; give all its scalars"
            )
        least, most = ranges[name]
        if not least <= scalars[name] <= most:
            raise FastprefillError(
                f"'{region.sym_name.data}' is to run in refused starts with '{name}' = {scalars[name]}; its type holds "
                f"{least}..{most}"
            )
    if scalars:
        region.attributes[REFUSED] = DictionaryAttr({name: StringAttr(str(scalars[name])) for name in ranges})


def refused_of(region: FuncOp) -> dict[str, int] | None:
    """The scalars with which a region runs in a refused start; None when it does not run."""
    found = region.attributes.get(REFUSED)
    if not isinstance(found, DictionaryAttr):
        return None
    return {name: int(value.data) for name, value in found.data.items() if isinstance(value, StringAttr)}


def outside(region: FuncOp, scalars: Mapping[str, int]) -> int:
    """``first_error`` of a start with these scalars: the first that is outside its limits; 0 when none is.

    Negative numbers and the patterns of their two's complement mean the same.
    """
    limits = limits_of(region)
    if not limits:
        return 0
    for number, (name, (least, most)) in enumerate(scalar_ranges(region).items()):
        if name in limits:
            value = (scalars[name] - least) % (most - least + 1) + least
            if not limits[name][0] <= value <= limits[name][1]:
                return error_code(number)
    return 0


def process_limits(module: ModuleOp) -> dict[str, Limits]:
    """Name of each process -> limits that hold for its scalars whoever calls it, by the names of its arguments."""
    funcs = {op.sym_name.data: op for op in module.ops if isinstance(op, FuncOp)}
    called = {call.callee.string_value() for func in funcs.values() for call in _calls_of(func)}
    found: dict[str, list[Limits]] = {}

    def visit(func: FuncOp, limits: Limits) -> None:
        found.setdefault(func.sym_name.data, []).append(limits)
        arguments: Sequence[SSAValue] = func.body.block.args
        names = dict(zip(arguments, strings(func, "arg_names"), strict=True))
        for call in _calls_of(func):
            callee = funcs[call.callee.string_value()]
            passed = zip(strings(callee, "arg_names"), call.arguments, strict=True)
            inside = {n: limits[names[a]] for n, a in passed if a in names and names[a] in limits}
            visit(callee, _with_refused(inside, refused_of(callee)))

    for name, func in funcs.items():
        if name not in called:
            visit(func, _with_refused(limits_of(func), refused_of(func)))
    return {name: _joined(limits) for name, limits in found.items()}


def _with_refused(limits: Limits, scalars: Mapping[str, int] | None) -> Limits:
    """Limits of a region that also runs with these scalars."""
    if scalars is None:
        return limits
    return {
        name: (min(low, scalars[name]), max(high, scalars[name])) if name in scalars else (low, high)
        for name, (low, high) in limits.items()
    }


def _joined(several: list[Limits]) -> Limits:
    """Limits that hold wherever one of several holds."""
    common = [name for name in several[0] if all(name in limits for limits in several)]
    return {
        name: (min(limits[name][0] for limits in several), max(limits[name][1] for limits in several))
        for name in common
    }


def _calls_of(func: FuncOp) -> list[CallOp]:
    return [op for op in func.body.block.ops if isinstance(op, CallOp)]
