"""Cases of a unit: whether they fit its ports; and random ones for a unit that has no golden model."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from xdsl.dialects.builtin import ModuleOp

from fastprefill.errors import FastprefillError
from fastprefill.system.case import Case
from fastprefill.system.ports import Ports, ports

STARTS = 12
SUPPLY = 4096
"""Tokens offered on each input; what a start leaves is cut off."""

MOST_TOKENS = 1 << 16
"""Tokens on an output after which a start counts as endless."""

_LARGEST_SCALAR = (1, 2, 4, 8, 20, 60)


def random_cases(module: ModuleOp, seed: int) -> list[Case]:
    """Starts with random scalars and tokens; those that do not come to their end are left out.

    Scalars are small, as most are counts, and inside the unit's limits. Tokens are uniform over their bits, with the
    lowest, the highest and small values mixed in.

    Raises:
        FastprefillError: no start comes to its end; the text repeats why the first one did not.
    """
    from fastprefill.targets.interpreter import Program

    program, found = Program(module), ports(module)
    rng = np.random.default_rng(seed)
    cases, problems = [], []
    for number in range(STARTS):
        most = _LARGEST_SCALAR[number % len(_LARGEST_SCALAR)]
        scalars = _scalars(rng, found, most)
        inputs = {name: [_token(rng, width) for _ in range(SUPPLY)] for name, width in found.inputs.items()}
        unread: dict[str, int] = {}
        case = Case(f"random_{number}", scalars, inputs, {})
        try:
            outputs = program.run(case, max_tokens=MOST_TOKENS, unread=unread)
        except FastprefillError as error:
            problems.append(str(error))
            continue
        used = {name: tokens[: SUPPLY - unread[name]] for name, tokens in inputs.items()}
        cases.append(Case(case.name, scalars, used, outputs))
    if not any(tokens for case in cases for tokens in case.outputs.values()):
        why = problems[0] if problems else "nothing came out of any of them"
        raise FastprefillError(
            f"random inputs do not exercise '{found.name}' ({why}); "
            "write a function cases(seed) beside unit() that returns inputs with expected outputs"
        )
    return cases


def check_cases(unit: str, cases: Sequence[Case], found: Ports) -> None:
    """Refuse cases that do not fit a unit.

    Raises:
        FastprefillError: there is none, two have one name, or one has other ports or tokens than the unit.
    """
    if not cases:
        raise FastprefillError(f"unit {unit!r} has no cases: a contract without any holds for everything")
    names = [case.name for case in cases]
    for name in names:
        if not re.fullmatch(r"\w[\w.-]*", name):
            raise FastprefillError(f"a case of unit {unit!r} is named {name!r}; use letters, digits, _ and -")
        if names.count(name) > 1:
            raise FastprefillError(f"unit {unit!r} has {names.count(name)} cases named {name!r}; rename one")
    for case in cases:
        for kind, given, wanted in (
            ("scalars", case.scalars, found.scalars),
            ("inputs", case.inputs, found.inputs),
            ("outputs", case.outputs, found.outputs),
        ):
            if set(given) != set(wanted):
                raise FastprefillError(
                    f"case {case.name!r} of unit {unit!r} has the {kind} {sorted(given)}; "
                    f"the unit has {sorted(wanted)}"
                )
        scalars = [(name, [value]) for name, value in case.scalars.items()]
        for port, numbers in (*scalars, *case.inputs.items(), *case.outputs.items()):
            for number in numbers:
                if isinstance(number, bool) or not isinstance(number, int | np.integer):
                    raise FastprefillError(
                        f"case {case.name!r} of unit {unit!r} has {number!r} for {port!r}; write integers"
                    )
        for stream, tokens in case.outputs.items():
            width = found.outputs[stream]
            for place, token in enumerate(tokens):
                if not 0 <= token < 1 << width:
                    raise FastprefillError(
                        f"case {case.name!r} of unit {unit!r} expects {token} as token {place} on {stream!r}; "
                        f"expected tokens are bit patterns: write value & (2**{width} - 1)"
                    )


def _scalars(rng: np.random.Generator, found: Ports, most: int) -> dict[str, int]:
    drawn = {name: _scalar(rng, found, name, most) for name in found.scalars}

    def lowered(name: str) -> int:
        return min([drawn[name], *map(lowered, found.at_most.get(name, ()))])

    return {name: lowered(name) for name in drawn}


def _scalar(rng: np.random.Generator, found: Ports, name: str, most: int) -> int:
    lowest, highest = found.limits.get(name, (0, (1 << found.scalars[name] - (name in found.signed)) - 1))
    return int(rng.integers(lowest, min(highest, max(lowest, 0) + most) + 1))


def _token(rng: np.random.Generator, width: int) -> int:
    kind = rng.integers(8)
    if kind == 0:
        return int(
            rng.choice(np.array([0, 1, (1 << width) - 1, 1 << width - 1, (1 << width - 1) - 1], dtype=object))
        )
    pattern = int.from_bytes(rng.bytes((width + 7) // 8), "little") & ((1 << width) - 1)
    return pattern & 15 if kind == 1 else pattern
