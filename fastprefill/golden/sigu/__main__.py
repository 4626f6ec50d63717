"""Print what SIGU holds for one query head: python -m fastprefill.golden.sigu --tokens 131072 --head-dim 64"""

from __future__ import annotations

import argparse
import sys

from fastprefill.errors import FastprefillError
from fastprefill.golden.selection import BLOCKS
from fastprefill.golden.sigu.registers import LANES, LONGEST
from fastprefill.golden.sigu.state import report


def main() -> int:
    """Read the arguments, print the table."""
    parser = argparse.ArgumentParser(prog="python -m fastprefill.golden.sigu", description=__doc__)
    parser.add_argument("--tokens", type=int, default=LONGEST)
    parser.add_argument("--head-dim", type=int, default=64)
    parser.add_argument("--block", type=int, default=128, choices=BLOCKS)
    parser.add_argument("--lanes", type=int, default=16, choices=LANES)
    asked = parser.parse_args()
    try:
        if not 1 <= asked.tokens <= LONGEST:
            raise FastprefillError(f"{asked.tokens} tokens; streaming index generation takes 1 to {LONGEST}")
        if asked.head_dim < 1:
            raise FastprefillError(f"head_dim is {asked.head_dim}; it must be at least 1")
    except FastprefillError as error:
        print(error, file=sys.stderr)
        return 1
    print(report(asked.tokens, asked.head_dim, asked.block, asked.lanes))
    return 0


if __name__ == "__main__":
    sys.exit(main())
