"""A layer's attention from memory to memory at the smallest size: two heads of one group, and two KV heads."""

from dataclasses import asdict, replace

from fastprefill.golden import attention_layer_cases as golden
from fastprefill.golden.attention_layer import Size
from fastprefill.kernels import attention_layer
from fastprefill.system.case import Case
from fastprefill.system.system import System

SIZE = Size(
    rows=4, columns=4, k_parallel=2, drain_rows=2, dim=8, block=8, beat_bits=64, blocks=8, group=2, lines=3,
    look_ahead=6,
)  # fmt: skip
LARGER = replace(SIZE, block=16)
"""Two parts of a block's keys for each of the values' products."""


def system(size: Size = SIZE) -> System:
    return attention_layer.system(**asdict(size), dsp_columns=2, most_words=16)


def refused(sound: Case) -> list[Case]:
    """Starts with counts that contradict each other."""
    most = {"query_blocks": "jobs", "visits": "jobs", "hot": "capacity"}
    return [
        sound.refused(f"{count}_above_{other}", **{count: sound.scalars[other] + 1})
        for count, other in most.items()
        if count in sound.scalars
    ]


def cases(seed: int, size: Size = SIZE) -> list[Case]:
    made = [played.case(size) for played in golden.played(seed, size)]
    return [*refused(made[1]), *made]
