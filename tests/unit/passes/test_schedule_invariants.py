"""What every schedule must hold, checked by rules of their own on all units of the contract, at several clocks."""

from __future__ import annotations

import textwrap
from collections import defaultdict
from dataclasses import replace
from heapq import heappop, heappush
from itertools import count, pairwise
from pathlib import Path

import pytest
from xdsl.dialects import memref
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation

from fastprefill import boards, frontend
from fastprefill.errors import KernelError
from fastprefill.ir.dialect import AcquireOp, GetOp, PutOp, ReleaseOp
from fastprefill.ir.pipe import CascadeOp, StoreOp, WindowOp
from fastprefill.ir.query import constant, is_scalar_argument, text
from fastprefill.kernels import mpu
from fastprefill.passes import placement
from fastprefill.passes.schedule import ProcessSchedule
from fastprefill.passes.storage import storage_of
from fastprefill.passes.tree import Body
from fastprefill.system.build import build_unit
from fastprefill.system.system import link
from fastprefill.targets import rtl
from tests.unit.passes.timing_rule import logic_fits_a_period, stable

KERNELS = Path(__file__).resolve().parents[2] / "contract" / "kernels"
UNITS = ["mpu_4x4", *sorted(path.stem for path in KERNELS.glob("*.py"))]


def build(name: str) -> ModuleOp:
    if name == "mpu_4x4":
        return build_unit(mpu.unit(4, 4))
    module = frontend.load_module(KERNELS / f"{name}.py")
    return link(module.system()) if hasattr(module, "system") else build_unit(module.unit())


TOO_FAST = {
    "addresses": r"addresses\.py:\d+: the bank and address of an element of 'many' take",
    "attention": r"attention/accumulate\.py:\d+: whether this reads its stream depends on a value",
    "attention_layer": r"kernels/list_reader\.py:\d+: whether this reads its stream depends on a value",
    "attention_layer_windows": r"kernels/list_reader\.py:\d+: whether this reads its stream depends on a value",
    "attention_shared": r"attention/accumulate\.py:\d+: whether this reads its stream depends on a value",
    "attention_window": r"attention/accumulate\.py:\d+: whether this reads its stream depends on a value",
    "condition_from_memory": r"condition_from_memory\.py:\d+: whether this reads its stream depends on a value",
    "sfu": r"sfu/rope\.py:\d+: whether this reads its stream depends on a value",
    "walker": r"kernels/list_reader\.py:\d+: whether this reads its stream depends on a value",
    "window_walker": r"kernels/list_reader\.py:\d+: whether this reads its stream depends on a value",
}
"""What takes more than a cycle at 400 MHz and cannot be spread over several; the units must say so."""


NOT_AT_250 = {"attention_layer", "attention_layer_windows", "walker", "window_walker", "condition_from_memory"}
"""Of those in `TOO_FAST`, the units that the KV260 refuses at 250 MHz already; its own clock is 200."""
LARGE = {
    "attention", "attention_layer", "attention_layer_windows", "attention_shared", "attention_softmax",
    "attention_window", "requant", "sfu", "window_walker"
}  # fmt: skip
"""Units that take minutes here; their parts are in smaller ones."""


def large_ones_long(names: list[str]) -> list[object]:
    return [pytest.param(name, marks=pytest.mark.long if name in LARGE else ()) for name in names]


@pytest.mark.parametrize("name", large_ones_long(UNITS))
def test_schedules_hold_at_a_slow_clock(name: str) -> None:
    schedules_hold(name, 100.0)


@pytest.mark.parametrize("name", large_ones_long([name for name in UNITS if name not in TOO_FAST]))
def test_schedules_hold_at_a_fast_clock(name: str) -> None:
    schedules_hold(name, 400.0)


@pytest.mark.parametrize("name", large_ones_long(sorted(TOO_FAST)))
def test_what_takes_longer_than_the_clock_is_refused(name: str) -> None:
    with pytest.raises(KernelError, match=f"^{TOO_FAST[name]}"):
        schedules_hold(name, 400.0)


def schedules_hold(name: str, mhz: float) -> None:
    board = replace(boards.load("kv260"), clock_mhz=mhz)
    found = rtl.schedules(build(name), board)
    assert found
    for _, schedule in found.values():
        for body in schedule.tree.bodies:
            assert schedule.ii[body] >= body.asked
            assert (schedule.ii[body] == body.asked) or schedule.reasons.get(body)
            values_are_ready(schedule, body)
            reads_are_done_at_issue(schedule, body)
            ports_are_used_once_a_cycle(schedule, body)
            loads_see_stores(schedule, body)
            buffers_are_handed_on_after_their_last_use(schedule, body)
            logic_fits_a_period(schedule, body, board)


def values_are_ready(schedule: ProcessSchedule, body: Body) -> None:
    for op in body.ops:
        for number, operand in enumerate(op.operands):
            owner = operand.owner
            if isinstance(owner, Operation) and owner in schedule.stages and not stable(operand):
                used = schedule.stages[op] + (op.lag(number) if isinstance(op, CascadeOp) else 0)
                assert used >= schedule.ready[operand], f"{op} before {owner}"


def reads_are_done_at_issue(schedule: ProcessSchedule, body: Body) -> None:
    for op in body.ops:
        if isinstance(op, GetOp | AcquireOp):
            assert schedule.stages[op] == 0
            if op.predicate is not None:
                assert schedule.ready.get(op.predicate, 0) == 0


def ports_are_used_once_a_cycle(schedule: ProcessSchedule, body: Body) -> None:
    """Uses of a port in one iteration, and in those that overlap with it."""
    slots: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for op in body.ops:
        if isinstance(op, PutOp | ReleaseOp):
            slots[op.stream, op.name].append(schedule.stages[op])
        elif isinstance(op, memref.LoadOp | StoreOp) and not is_scalar_argument(op.memref):
            storage = storage_of(op.memref)
            many = isinstance(op, memref.LoadOp) and text(op.memref.owner, "storage_type") == "RAM_1WNR"
            if storage.memory not in ("register", "rom") and storage.banks == 1 and not many:
                slots[op.memref, op.name].append(schedule.stages[op])
    again = comes_again(schedule, body)
    for stages in slots.values():
        assert len(stages) == len(set(stages))
        assert again is None or max(stages) < min(stages) + again


def comes_again(schedule: ProcessSchedule, body: Body) -> int | None:
    """Least cycles from an issue of a body to its next one, by the shortest way round; None where it has no next."""
    number = count()  # bodies are not compared
    ways: list[tuple[int, int, Body]] = [(0, next(number), body)]
    seen: set[Body] = set()
    while ways:
        cycles, _, at = heappop(ways)
        if at is body and seen:
            return cycles
        if at not in seen:
            seen.add(at)
            for edge in schedule.tree.edges:
                if edge[0] is at:
                    further = cycles + schedule.ii[at] + schedule.gaps.get(edge, 0)
                    heappush(ways, (further, next(number), edge[1]))
    return None


def loads_see_stores(schedule: ProcessSchedule, body: Body) -> None:
    """A load of the next iteration, and of this one behind the store, sees the store; one in front does not."""
    accesses = [
        (n, op)
        for n, op in enumerate(body.ops)
        if isinstance(op, memref.LoadOp | StoreOp) and not is_scalar_argument(op.memref)
    ]
    repeats = (body, body) in schedule.tree.edges
    for at_store, store in accesses:
        for at_load, load in accesses:
            if not isinstance(store, StoreOp) or not isinstance(load, memref.LoadOp) or distinct(store, load):
                continue
            seen = schedule.stages[load] + (load in schedule.forwarded)
            if repeats:
                assert seen + schedule.ii[body] >= schedule.stages[store] + 1
            if at_load > at_store:
                assert seen >= schedule.stages[store] + 1
            else:
                assert seen <= schedule.stages[store]


def distinct(one: StoreOp, other: memref.LoadOp) -> bool:
    if one.memref is not other.memref:
        return True
    pairs = zip(map(constant, one.indices), map(constant, other.indices), strict=True)
    return any(a is not None and b is not None and a != b for a, b in pairs)


def buffers_are_handed_on_after_their_last_use(schedule: ProcessSchedule, body: Body) -> None:
    for release in body.ops:
        if not isinstance(release, ReleaseOp):
            continue
        for op in body.ops:
            window = op.memref.owner if isinstance(op, memref.LoadOp | StoreOp) else None
            if isinstance(window, WindowOp) and window.stream is release.stream:
                assert schedule.stages[op] <= schedule.stages[release]


SLICES = """
from allo.ir.types import Int, Stream, UInt, int32
import allo.dataflow as df
from fastprefill.system.unit import Unit

@df.region()
def region():
    x: Stream[int32, 2]
    y: Stream[Int(64), 2]

    @df.kernel(mapping=[1], args=[])
    def p():
        for i in range(8):
            v: int32 = x.get()
            s: int32 = v + 77777
{statement}
            total: Int(64) = w + v
            y.put(total + w)

def unit():
    return Unit("u", region, inputs=("x",), outputs=("y",))
"""
"""Sums of 64 bits that start from some bits of a sum of 32."""


@pytest.mark.parametrize(
    "statement",
    [
        "w: int32 = s",
        "w: int32 = s >> 12",
        "w: UInt(20) = s[12:32]",
        "w: UInt(4) = s[28:32]",
        "w: Int(60) = 5\nw[3:35] = s",
        "w: Int(60) = s << 20",
        "w: UInt(40) = 0\nfor j in range(2, unroll=True):\n    w[20 * j : 20 * j + 20] = s[12:32]",
        "w: int32 = (s >> 16) + (v >> 3)",
    ],
)
def test_sums_of_some_bits_of_sums_hold(statement: str, tmp_path: Path) -> None:
    (tmp_path / "k.py").write_text(SLICES.format(statement=textwrap.indent(statement, " " * 12)))
    module = build_unit(frontend.load_module(tmp_path / "k.py").unit())
    stages = set()
    for mhz in range(60, 500, 10):
        board = replace(boards.load("kv260"), clock_mhz=float(mhz))
        ((_, schedule),) = rtl.schedules(module, board).values()
        for body in schedule.tree.bodies:
            logic_fits_a_period(schedule, body, board)
            stages.add(schedule.depth(body))
    assert len(stages) > 2


@pytest.mark.parametrize("name", large_ones_long(UNITS))
def test_ops_of_lanes_that_sink_make_nothing_later(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, board = build(name), replace(boards.load("kv260"), clock_mhz=200.0 if name in NOT_AT_250 else 250.0)

    def figures() -> list[tuple[int, int]]:
        found = rtl.schedules(module, board).values()
        return [(schedule.ii[b], schedule.depth(b)) for _, schedule in found for b in schedule.tree.bodies]

    sunk = figures()
    monkeypatch.setattr(placement, "MAX_SINKS", 0)
    assert sunk == figures()


def test_a_faster_clock_never_makes_a_pipeline_shorter() -> None:
    depths = []
    for mhz in (100.0, 200.0, 400.0):
        board = replace(boards.load("kv260"), clock_mhz=mhz)
        ((_, schedule), *_) = rtl.schedules(build("mpu_4x4"), board).values()
        depths.append(max(schedule.depth(body) for body in schedule.tree.bodies))
    assert all(slow <= fast for slow, fast in pairwise(depths))
