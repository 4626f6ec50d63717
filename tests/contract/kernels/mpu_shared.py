"""One matrix unit for two users."""

from fastprefill.golden import mpu_shared as golden
from fastprefill.kernels import mpu_shared
from fastprefill.system.case import Case
from fastprefill.system.system import System

SIZE = (2, 4, 2, 2, 2, 2)


def system() -> System:
    return mpu_shared.system(*SIZE)


def cases(seed: int) -> list[Case]:
    return golden.cases(seed, *SIZE)
