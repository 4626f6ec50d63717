"""Pooled rows of SIGU in small: rows of 8 elements, blocks of 8 tokens, two elements a cycle."""

from fastprefill.golden import pool as golden
from fastprefill.kernels import pool
from fastprefill.system.case import Case
from fastprefill.system.system import System

SMALL = (8, 8, 2)


def system() -> System:
    return pool.system(*SMALL)


def cases(seed: int) -> list[Case]:
    return golden.cases(seed, *SMALL)
