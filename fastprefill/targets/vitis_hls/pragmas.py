"""The HLS pragmas that may be emitted, with their options and values.

The facts are from AMD UG1399, Vitis High-Level Synthesis User Guide, chapter "HLS Pragmas", one page per pragma;
docs/decisions/0003 says which release of it or which public example confirms each entry. Every pragma in generated
code is made by ``pragma``, which refuses what is not in the table, so a misspelt option fails here instead of being
ignored by the vendor's compiler.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from fastprefill.errors import FastprefillError

INTEGER = re.compile(r"-?\d+")
NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


@dataclass(frozen=True)
class Option:
    """What one option takes.

    Attributes:
        values: the words allowed; empty when it takes a number or a name.
        minimum: smallest number allowed, for options that take a number.
        name: it takes the name of a variable.
        flag: it stands alone, without a value.
    """

    values: tuple[str, ...] = ()
    minimum: int | None = None
    name: bool = False
    flag: bool = False


VARIABLE = Option(name=True)
FLAG = Option(flag=True)


@dataclass(frozen=True)
class Pragma:
    """One pragma of UG1399: its options and those that must be there."""

    section: str
    options: dict[str, Option]
    required: tuple[str, ...] = ()


INTERFACE_MODES = ("ap_ctrl_chain", "ap_ctrl_hs", "ap_ctrl_none", "ap_none", "axis", "m_axi", "s_axilite")

PRAGMAS: dict[str, Pragma] = {
    "ARRAY_PARTITION": Pragma(
        "pragma HLS array_partition",
        {
            "variable": VARIABLE,
            "type": Option(("cyclic", "block", "complete")),
            "factor": Option(minimum=2),
            "dim": Option(minimum=0),
        },
        ("variable", "type"),
    ),
    "BIND_OP": Pragma(
        "pragma HLS bind_op",
        {
            "variable": VARIABLE,
            "op": Option(("mul", "add", "sub")),
            "impl": Option(("dsp", "fabric")),
            "latency": Option(minimum=-1),
        },
        ("variable", "op", "impl"),
    ),
    "BIND_STORAGE": Pragma(
        "pragma HLS bind_storage",
        {
            "variable": VARIABLE,
            "type": Option(
                (
                    "fifo",
                    "ram_1p",
                    "ram_1wnr",
                    "ram_2p",
                    "ram_s2p",
                    "ram_t2p",
                    "rom_1p",
                    "rom_2p",
                    "rom_np",
                )
            ),
            "impl": Option(("auto", "bram", "lutram", "memory", "srl", "uram")),
            "latency": Option(minimum=-1),
        },
        ("variable", "type"),
    ),
    "DATAFLOW": Pragma("pragma HLS dataflow", {"disable_start_propagation": FLAG}),
    "DEPENDENCE": Pragma(
        "pragma HLS dependence",
        {
            "variable": VARIABLE,
            "class": Option(("array", "pointer")),
            "type": Option(("inter", "intra")),
            "direction": Option(("RAW", "WAR", "WAW")),
            "distance": Option(minimum=1),
            "dependent": Option(("true", "false")),
        },
        ("type",),
    ),
    "INLINE": Pragma("pragma HLS inline", {"recursive": FLAG, "off": FLAG}),
    "INTERFACE": Pragma(
        "pragma HLS interface",
        {
            "mode": Option(INTERFACE_MODES),
            "port": VARIABLE,
            "bundle": VARIABLE,
            "offset": Option(("slave", "direct", "off")),
            "register_mode": Option(("both", "forward", "reverse", "off")),
            "max_read_burst_length": Option(minimum=1),
            "max_write_burst_length": Option(minimum=1),
            "num_read_outstanding": Option(minimum=1),
            "num_write_outstanding": Option(minimum=1),
        },
        ("mode", "port"),
    ),
    "LOOP_TRIPCOUNT": Pragma(
        "pragma HLS loop_tripcount",
        {"min": Option(minimum=0), "max": Option(minimum=0), "avg": Option(minimum=0)},
        ("max",),
    ),
    "PIPELINE": Pragma(
        "pragma HLS pipeline",
        {
            "II": Option(minimum=1),
            "off": FLAG,
            "rewind": FLAG,
            "style": Option(("stp", "frp", "flp")),
        },
    ),
    "STREAM": Pragma(
        "pragma HLS stream",
        {
            "variable": VARIABLE,
            "type": Option(("fifo", "pipo", "shared", "unsync")),
            "depth": Option(minimum=1),
        },
        ("variable",),
    ),
    "UNROLL": Pragma(
        "pragma HLS unroll",
        {"factor": Option(minimum=2), "skip_exit_check": FLAG, "off": Option(("true",))},
    ),
}

# The memories that each type can be asked for; without `impl` the tool chooses.
STORAGE_IMPLEMENTATIONS: dict[str, tuple[str, ...]] = {
    "fifo": ("auto", "bram", "lutram", "memory", "srl", "uram"),
    "ram_1p": ("bram", "lutram", "uram"),
    "ram_1wnr": ("bram", "lutram", "uram"),
    "ram_2p": ("bram", "lutram", "uram"),
    "ram_s2p": ("bram", "lutram", "uram"),
    "ram_t2p": ("bram", "uram"),
    "rom_1p": ("bram", "lutram"),
    "rom_2p": ("bram", "lutram"),
    "rom_np": ("bram", "lutram"),
}


def pragma(name: str, **options: int | str | bool) -> str:
    """The line ``#pragma HLS <name> <options>``, checked against the table.

    Args:
        name: in capitals, ``"PIPELINE"``.
        options: in the order in which they are printed; ``True`` for an option without a value.

    Raises:
        FastprefillError: a pragma, option or value that UG1399 does not have.
    """
    _check(name, {key: None if value is True else str(value) for key, value in options.items()})
    words = [key if value is True else f"{key}={value}" for key, value in options.items()]
    return " ".join(["#pragma HLS", name, *words])


def check_line(line: str) -> None:
    """Check one ``#pragma HLS`` line of generated code against the table.

    Raises:
        FastprefillError: it is not a pragma of UG1399 in the form that ``pragma`` prints.
    """
    words = line.split()
    if words[:2] != ["#pragma", "HLS"] or len(words) < 3:
        raise FastprefillError(f"{line.strip()!r} is no HLS pragma: '#pragma HLS <NAME> ...' is expected")
    options: dict[str, str | None] = {}
    for word in words[3:]:
        key, equals, value = word.partition("=")
        options[key] = value if equals else None
    _check(words[2], options)


def _check(name: str, options: dict[str, str | None]) -> None:
    known = PRAGMAS.get(name)
    if known is None:
        raise FastprefillError(f"pragma HLS {name} is not in UG1399; known are {', '.join(sorted(PRAGMAS))}")
    for key, value in options.items():
        option = known.options.get(key)
        if option is None:
            raise FastprefillError(
                f"pragma HLS {name} has no option {key!r} (UG1399, {known.section}); "
                f"it has {', '.join(known.options)}"
            )
        _check_value(name, key, value, option)
    missing = [key for key in known.required if key not in options]
    if missing:
        raise FastprefillError(f"pragma HLS {name} needs the option {missing[0]!r} (UG1399, {known.section})")
    if name == "BIND_STORAGE" and options.get("impl") is not None:
        allowed = STORAGE_IMPLEMENTATIONS[str(options["type"])]
        if options["impl"] not in allowed:
            raise FastprefillError(
                f"pragma HLS BIND_STORAGE: type {options['type']} cannot be built as {options['impl']} "
                f"(UG1399, {known.section}); it can be {', '.join(allowed)}"
            )


def _check_value(name: str, key: str, value: str | None, option: Option) -> None:
    where = f"pragma HLS {name} {key}"
    if option.flag:
        if value is not None:
            raise FastprefillError(f"{where} takes no value, but {value!r} was given")
    elif value is None:
        raise FastprefillError(f"{where} needs a value")
    elif option.values:
        if value not in option.values:
            raise FastprefillError(f"{where}={value} is not allowed: it is one of {', '.join(option.values)}")
    elif option.minimum is not None:
        if not INTEGER.fullmatch(value) or int(value) < option.minimum:
            raise FastprefillError(
                f"{where}={value} is not allowed: a number from {option.minimum} is needed"
            )
    elif not NAME.fullmatch(value):
        raise FastprefillError(f"{where}={value} is not the name of a variable")
