#!/usr/bin/env python3
"""Sends golden vectors through the unit and compares what comes back.

    python3 run.py [--device csim|card] [--bitstream FILE] [case folder ...]

The default is the C simulation (build it with `make csim`) and every case in ../vectors. Exit status: 0 all outputs as
expected, 1 one differs, 2 it could not run.
"""

import argparse
import json
import sys
from pathlib import Path

sys.dont_write_bytecode = True  # the project's folder stays as it was generated
import devices  # noqa: E402

HERE = Path(__file__).resolve().parent


def pack(tokens, stride):
    """Tokens as they lie in memory."""
    return b"".join(token.to_bytes(stride, "little") for token in tokens)


def read_case(folder, design):
    """Scalars, the memory of each stream (what is sent, and what is expected) and its number of tokens."""
    given = json.loads((folder / "case.json").read_text())["scalars"]
    # Also a scalar outside the limits of the unit is sent: then the unit does nothing and says so in first_error.
    scalars = {one["name"]: given[one["name"]] & ((1 << one["bits"]) - 1) for one in design["scalars"]}
    memory, counts = {}, {}
    for stream in design["streams"]:
        tokens = [int(line, 16) for line in (folder / f"{stream['name']}.hex").read_text().split()]
        memory[stream["name"]], counts[stream["name"]] = pack(tokens, stream["stride"]), len(tokens)
    return scalars, memory, counts


def run(device, design, folder):
    """One start; prints a line for each output and returns whether all are as expected."""
    scalars, memory, counts = read_case(folder, design)
    inputs = {s["name"]: memory[s["name"]] for s in design["streams"] if s["input"]}
    seen = device.start(scalars, inputs, counts)
    same = True
    for stream in design["streams"]:
        if stream["input"]:
            continue
        name, stride = stream["name"], stream["stride"]
        if seen[name] == memory[name]:
            print(f"{folder}: {name}: {counts[name]} tokens as expected")
            continue
        same = False
        token = next(
            i for i in range(counts[name])
            if seen[name][i * stride : (i + 1) * stride] != memory[name][i * stride : (i + 1) * stride]
        )  # fmt: skip
        expected, got = (
            int.from_bytes(m[name][token * stride : (token + 1) * stride], "little") for m in (memory, seen)
        )
        print(f"{folder}: {name} differs first in token {token}: expected {expected:#x}, got {got:#x}")
    return same


def main(arguments):
    parser = argparse.ArgumentParser(description="Send golden vectors through the unit and compare.")
    parser.add_argument("--device", choices=("csim", "card"), default="csim")
    parser.add_argument("--bitstream", type=Path, help="default: the one that ../bitstream builds")
    parser.add_argument("cases", nargs="*", type=Path, help="default: all of ../vectors")
    given = parser.parse_args(arguments)
    try:
        design = json.loads((HERE / "design.json").read_text())
        cases = given.cases or sorted(path for path in (HERE.parent / "vectors").glob("*") if path.is_dir())
        if not cases:
            raise devices.Error("there are no cases in ../vectors: name a case folder")
        device = devices.open_device(given.device, design, HERE, given.bitstream)
        results = [run(device, design, folder) for folder in cases]
    except (devices.Error, OSError, ValueError, KeyError) as error:
        print(f"run.py: {error}", file=sys.stderr)
        return 2
    verdict = "equal to the golden vectors" if all(results) else "DIFFERENT"
    print(f"{design['unit']} on {given.device}: {verdict}")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
