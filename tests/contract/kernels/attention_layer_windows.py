"""A layer's attention in windows: two query blocks of two heads of a group, from memory to memory."""

from dataclasses import replace
from pathlib import Path

from fastprefill.frontend import load_module
from fastprefill.system.case import Case
from fastprefill.system.system import System

LAYER = load_module(Path(__file__).parent / "attention_layer.py")
SIZE = replace(LAYER.SIZE, window=2)


def system() -> System:
    made: System = LAYER.system(SIZE)
    return made


def cases(seed: int) -> list[Case]:
    made: list[Case] = LAYER.cases(seed, SIZE)
    return made
