"""The walker in windows, behind the reader of job lists: three query blocks of three heads, the last window smaller."""

from dataclasses import asdict
from pathlib import Path

from fastprefill.frontend import load_module
from fastprefill.golden import window_walker as golden
from fastprefill.golden.walker import Walk
from fastprefill.kernels import list_reader, window_walker
from fastprefill.system.case import Case
from fastprefill.system.system import System
from fastprefill.system.unit import Unit

WALKER = load_module(Path(__file__).parent / "walker.py")
WALK = Walk(blocks=8, group=3, block=16, dim=8, beat_bits=128, window=3)


def units() -> dict[str, Unit]:
    reader = list_reader.unit(WALK.blocks, WALK.group, WALK.block, WALK.beat_bits)
    return {"lists": reader, "walker": window_walker.unit(**asdict(WALK))}


def system() -> System:
    joined: System = WALKER.joined("both", units())
    return joined


def cases(seed: int) -> list[Case]:
    made = golden.cases(seed, WALK)
    return [*WALKER.refused(made[4]), *made]
