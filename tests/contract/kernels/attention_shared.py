"""The attention engine as the second user of a matrix unit."""

from dataclasses import replace
from pathlib import Path

from fastprefill.frontend import load_module
from fastprefill.golden import mpu
from fastprefill.golden.mpu_shared import OPERANDS, RESULT
from fastprefill.kernels import mpu_shared
from fastprefill.kernels.attention import engine
from fastprefill.system.case import Case
from fastprefill.system.system import System

ATTENTION = load_module(Path(__file__).parent / "attention.py")
SIZE = ATTENTION.SIZE
USERS, USER = 2, 1


def system() -> System:
    array = mpu.Size(SIZE.rows, 2, SIZE.columns - 2, SIZE.k_parallel, SIZE.drained)
    units = {**engine.parts(SIZE, 2), "share": mpu_shared.share(USERS, array)}
    moved = {f"mpu.{what}": f"share.{what}_of_{USER}" for what in (*OPERANDS, RESULT)}
    connections = (
        *(
            (moved.get(source, source), moved.get(sink, sink), n)
            for source, sink, n in engine.connections(SIZE)
        ),
        *mpu_shared.connections(),
    )
    return System("attention_shared", units, connections)


def cases(seed: int) -> list[Case]:
    """Those of the engine alone; the other user gives nothing and gets nothing."""
    return [
        replace(
            case,
            scalars=dict(case.scalars) | {"share_user": USER},
            inputs=dict(case.inputs) | {f"share_{what}_of_0": [] for what in OPERANDS},
            outputs=dict(case.outputs) | {f"share_{RESULT}_of_0": []},
        )
        for case in ATTENTION.cases(seed)
    ]
