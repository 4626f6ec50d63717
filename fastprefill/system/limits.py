"""Limits of run-time scalars: a start with a scalar outside its limits is refused and reported.

The limits are the attribute ``limits`` of the top region (``docs/ir.md``, section 1), a dictionary from the name of
a scalar to ``"lowest..highest"``. They are checked where a run begins, so one bad parameter of a unit inside a system
keeps the whole system from starting, and no process waits for tokens that will not come.

Where a scalar is at most another one, or several, their names are the attribute ``at_most`` of the region, and its
highest in ``limits`` is no more than theirs: who wants to know its range looks at ``limits`` alone.

A unit that has to put out something even then says with which scalars it runs in a refused start; that is the attribute
``refused`` of its region, a dictionary from the name of a scalar to a number.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, ModuleOp, StringAttr
from xdsl.dialects.func import CallOp, FuncOp
from xdsl.ir import SSAValue

from fastprefill.errors import FastprefillError
from fastprefill.ir.query import element_type, is_scalar_argument, strings, text

ATTRIBUTE = "limits"
AT_MOST = "at_most"
REFUSED = "refused"
OUTSIDE = 1
"""Kind of error, bits 7 to 0 of ``first_error``: a run-time scalar is outside its limits. Bits 31 to 8 say which."""

Limits = dict[str, tuple[int, int]]
"""Name of a scalar -> lowest and highest legal value, both included."""

AtMost = dict[str, tuple[str, ...]]
"""Name of a scalar -> those of the scalars that it must not exceed."""


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


def attach(
    region: FuncOp,
    limits: Mapping[str, tuple[int, int | str]],
    at_most: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Give a region its limits.

    Args:
        region: of a unit or a system.
        limits: lowest and highest value of each scalar; for the highest also the name of another scalar.
        at_most: more scalars that a scalar with limits must not exceed.

    Raises:
        FastprefillError: a name that is no scalar of the region, limits that its type does not hold, scalars of two
            types to be compared, or a scalar that would be at most itself.
    """
    ranges = scalar_ranges(region)
    others = {name: list(names) for name, names in (at_most or {}).items()}
    for name, (_, end) in limits.items():
        if name not in ranges:
            raise FastprefillError(
                f"limits of '{name}': '{region.sym_name.data}' has no such run-time scalar; "
                f"it has {', '.join(ranges) or 'none'}"
            )
        if isinstance(end, str):
            others.setdefault(name, []).append(end)
    _check_others(region, others)

    def highest(name: str) -> int:
        end = limits[name][1] if name in limits else ranges[name][1]
        return min([ranges[name][1] if isinstance(end, str) else end, *map(highest, others.get(name, ()))])

    found: Limits = {}
    for name, (low, end) in limits.items():
        least, most = ranges[name]
        high = highest(name)
        found[name] = low, high
        if not least <= low <= high <= most:
            because = f", which is at most {high} as {', '.join(others[name])} is" if name in others else ""
            raise FastprefillError(
                f"limits {low}..{end} of the scalar '{name}' of '{region.sym_name.data}'{because}; its type holds "
                f"{least}..{most}, and the lower limit comes first"
            )
    if found:
        region.attributes[ATTRIBUTE] = DictionaryAttr(
            {name: StringAttr(f"{found[name][0]}..{found[name][1]}") for name in ranges if name in found}
        )
    if others:
        region.attributes[AT_MOST] = DictionaryAttr(
            {name: ArrayAttr(map(StringAttr, dict.fromkeys(others[name]))) for name in ranges if name in others}
        )


def _check_others(region: FuncOp, others: Mapping[str, Sequence[str]]) -> None:
    """Whether scalars can be compared with those that they are to be at most."""
    if not others:
        return
    ranges, where = scalar_ranges(region), region.sym_name.data
    for name, other in ((name, other) for name, names in others.items() for other in names):
        for one in (name, other):
            if one not in ranges:
                raise FastprefillError(
                    f"'{where}' is to have '{name}' at most '{other}'; it has no run-time scalar '{one}', only "
                    f"{', '.join(ranges) or 'none'}"
                )
        if ranges[name] != ranges[other]:
            raise FastprefillError(
                f"'{where}' is to have '{name}' at most '{other}'; the first holds {ranges[name][0]}.."
                f"{ranges[name][1]}, the second {ranges[other][0]}..{ranges[other][1]}: give both the same type"
            )

    def follow(path: list[str]) -> None:
        for other in others.get(path[-1], ()):
            if other in path:
                circle = " <= ".join([*path[path.index(other) :], other])
                raise FastprefillError(f"limits of '{where}' go round in a circle, {circle}; leave one of them out")
            follow([*path, other])

    for name in others:
        follow([name])


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


def at_most_of(region: FuncOp) -> AtMost:
    """The scalars of a region that must not exceed others."""
    found = region.attributes.get(AT_MOST)
    others: AtMost = {}
    for name, value in found.data.items() if isinstance(found, DictionaryAttr) else ():
        names = [each.data for each in value if isinstance(each, StringAttr)] if isinstance(value, ArrayAttr) else []
        if not names or not isinstance(value, ArrayAttr) or len(names) < len(value):
            raise FastprefillError(f"'{name}' is to be at most {value}; that is no list of names of scalars")
        others[name] = tuple(names)
    _check_others(region, others)
    return others


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
    limits, others = limits_of(region), at_most_of(region)
    if not limits and not others:
        return 0
    ranges = scalar_ranges(region)
    values = {
        name: (scalars[name] - least) % (most - least + 1) + least for name, (least, most) in ranges.items()
    }
    for number, name in enumerate(ranges):
        low, high = limits.get(name, ranges[name])
        if not low <= values[name] <= min([high, *(values[other] for other in others.get(name, ()))]):
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
