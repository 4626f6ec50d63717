"""The walker behind the reader of job lists: lists in memory to requests, jobs and commands; lists with faults."""

from dataclasses import asdict

from fastprefill.golden import list_faults
from fastprefill.golden import walker as golden
from fastprefill.golden.walker import Walk
from fastprefill.kernels import list_reader, walker
from fastprefill.system.case import Case
from fastprefill.system.system import System
from fastprefill.system.unit import Unit

WALK = Walk(blocks=9, group=3, block=16, dim=8, beat_bits=128)


def units() -> dict[str, Unit]:
    sizes = {name: value for name, value in asdict(WALK).items() if name != "window"}
    reader = list_reader.unit(WALK.blocks, WALK.group, WALK.block, WALK.beat_bits)
    return {"lists": reader, "walker": walker.unit(**sizes)}


def joined(name: str, units: dict[str, Unit]) -> System:
    """A reader and a walker, whose ports and scalars have their own names."""
    reader, orders = units["lists"], units["walker"]
    between = ("lengths", "entries", "in_lists")
    names = {
        f"{instance}.{port}": port
        for instance, unit in units.items()
        for port in (*unit.inputs, *unit.outputs, *unit.limits)
        if port not in between
    }
    for instance, scalar in (("lists", "lists"), ("lists", "list_stride"), ("walker", "queries")):
        names[f"{instance}.{scalar}"] = scalar
    connections = tuple((f"lists.{stream}", f"walker.{stream}", 2) for stream in between)
    return System(name, {"lists": reader, "walker": orders}, connections, {}, names)


def system() -> System:
    return joined("both", units())


def refused(sound: Case) -> list[Case]:
    """Starts that are refused: more query blocks, or visits, than jobs."""
    most = sound.scalars["jobs"]
    return [
        sound.refused(f"{count}_above_jobs", **{count: most + 1})
        for count in ("query_blocks", "visits")
        if count in sound.scalars
    ]


def cases(seed: int) -> list[Case]:
    sound = golden.cases(seed, WALK)
    return refused(sound[-1]) + sound + list_faults.cases(seed, WALK)
