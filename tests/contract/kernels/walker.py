"""The walker: job lists in memory to requests, jobs and commands; lists and counts that contradict each other."""

from dataclasses import asdict

from fastprefill.golden import list_faults
from fastprefill.golden import walker as golden
from fastprefill.golden.walker import Walk
from fastprefill.kernels import walker
from fastprefill.system.case import Case
from fastprefill.system.unit import Unit

WALK = Walk(blocks=9, group=3, block=16, dim=8, beat_bits=128)


def unit() -> Unit:
    return walker.unit(**asdict(WALK))


def cases(seed: int) -> list[Case]:
    return golden.cases(seed, WALK) + list_faults.cases(seed, WALK)
