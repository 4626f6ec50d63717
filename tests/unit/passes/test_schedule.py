"""schedule: initiation intervals with their reasons, stages that follow the clock, gaps between loops."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from xdsl.dialects import arith, memref
from xdsl.ir import Operation

from fastprefill import boards, frontend
from fastprefill.boards import Board
from fastprefill.errors import KernelError
from fastprefill.ir import query
from fastprefill.ir.dialect import GetOp
from fastprefill.ir.pipe import StoreOp
from fastprefill.passes.schedule import ProcessSchedule
from fastprefill.passes.tree import Body
from fastprefill.system.build import build_unit
from fastprefill.targets import rtl

HEAD = """
import allo.dataflow as df
from allo.customize import Partition
from allo.ir.types import Stream, int16, int32, uint8
from allo.memory import Memory
from fastprefill.system.unit import Unit

@df.region()
def region(n: int32[1]):
{streams}
    @df.kernel(mapping=[1], args=[n])
    def p(ln: int32[1]):
{body}
def schedule(s):
    {schedule}

def unit():
    return Unit("u", region, inputs={inputs}, outputs={outputs}, schedule=schedule, operators={operators})
"""


@dataclass
class Scheduled:
    """A scheduled process, by the names of its bodies; `line` finds a line of the kernel by what it says."""

    schedule: ProcessSchedule
    source: str

    def body(self, name: str) -> Body:
        (found,) = (body for body in self.schedule.tree.bodies if body.name == name)
        return found

    def ii(self, name: str) -> int:
        return self.schedule.ii[self.body(name)]

    def reason(self, name: str) -> str:
        return self.schedule.reasons.get(self.body(name), "")

    def depth(self, name: str) -> int:
        return self.schedule.depth(self.body(name))

    def gap(self, first: str, second: str) -> int:
        edge = (self.body(first), self.body(second))
        assert edge in self.schedule.tree.edges
        return self.schedule.gaps.get(edge, 0)

    def op(self, name: str, kind: type[Operation]) -> Operation:
        (found,) = (op for op in self.body(name).ops if isinstance(op, kind))
        return found

    def line(self, text: str) -> int:
        (found,) = (n for n, line in enumerate(self.source.splitlines(), 1) if text in line)
        return found


Make = Callable[..., Scheduled]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """``make(body)``: the kernel ``kernels/x.py`` with this body, scheduled.

    Streams ``x`` and, when it is named in `inputs` or `outputs`, ``z`` are of int32.
    """

    def build(
        body: str,
        schedule: str = 's.pipeline("p:i", initiation_interval=1)',
        *,
        inputs: tuple[str, ...] = ("x",),
        outputs: tuple[str, ...] = ("y",),
        board: Board | None = None,
        operators: dict[str, str] | None = None,
    ) -> Scheduled:
        folder = tmp_path / "kernels"
        folder.mkdir(exist_ok=True)
        (folder / "__init__.py").touch()
        source = HEAD.format(
            streams="".join(f"    {name}: Stream[int32, 2]\n" for name in (*inputs, *outputs)),
            body=textwrap.indent(textwrap.dedent(body), " " * 8),
            schedule=schedule,
            inputs=inputs,
            outputs=outputs,
            operators=operators or {},
        )
        (folder / "x.py").write_text(source)
        found = rtl.schedules(
            build_unit(frontend.load_module(folder / "x.py").unit()), board or boards.load("kv260")
        )
        ((_, result),) = found.values()
        return Scheduled(result, source)

    return build


def at(mhz: float) -> Board:
    return replace(boards.load("kv260"), clock_mhz=mhz)


# ports


def test_two_writes_of_one_port_take_two_cycles(make: Make) -> None:
    found = make(
        """
        acc: int32[4096] @ Memory(resource="URAM")
        for i in range(ln[0]):
            v: int32 = x.get()
            acc[v] = 1
            acc[v + 1] = 2
        for j in range(4096):
            y.put(acc[j])
        """
    )
    assert found.ii("i") == 2
    line = found.line("acc[v + 1] = 2")
    assert found.reason("i") == f"URAM 'acc' has one write port, 2 writes at kernels/x.py:{line}"
    assert (found.ii("j"), found.reason("j")) == (1, "")


TWO_READS = """
    h: int32[512] @ Memory(resource="BRAM"{kind})
    for i in range(512):
        v: int32 = x.get()
        h[i] = v
    for j in range(ln[0]):
        y.put(h[j] + h[j + 7])
    """
BOTH_LOOPS = 's.pipeline("p:i", initiation_interval=1); s.pipeline("p:j", initiation_interval=1)'


def test_two_reads_of_one_port_take_two_cycles(make: Make) -> None:
    found = make(TWO_READS.format(kind=""), BOTH_LOOPS)
    assert (found.ii("i"), found.ii("j")) == (1, 2)
    line = found.line("y.put")
    assert found.reason("j") == f"BRAM 'h' has one read port, 2 reads at kernels/x.py:{line}"


def test_a_memory_with_many_read_ports_is_read_twice_a_cycle(make: Make) -> None:
    found = make(TWO_READS.format(kind=', storage_type="RAM_1WNR"'), BOTH_LOOPS)
    assert (found.ii("j"), found.reason("j")) == (1, "")


@pytest.mark.parametrize(
    ("subscripts", "ii"), [("h[0] + h[1]", 1), ("h[2] + h[5]", 1), ("h[1] + h[3]", 2), ("h[j] + h[1]", 2)]
)
def test_known_banks_have_ports_of_their_own(subscripts: str, ii: int, make: Make) -> None:
    found = make(
        TWO_READS.format(kind="").replace("h[j] + h[j + 7]", subscripts),
        BOTH_LOOPS + '; s.partition("p:h", partition_type=Partition.Cyclic, dim=1, factor=2)',
    )
    assert found.ii("j") == ii


def test_two_puts_take_two_cycles(make: Make) -> None:
    found = make("for i in range(ln[0]):\n    v: int32 = x.get()\n    y.put(v)\n    y.put(v + 1)\n")
    assert found.ii("i") == 2
    line = found.line("y.put(v + 1)")
    assert found.reason("i") == f"stream 'y' takes one token per cycle, 2 puts at kernels/x.py:{line}"


def test_two_gets_are_two_bodies(make: Make) -> None:
    found = make("for i in range(ln[0]):\n    v: int32 = x.get()\n    w: int32 = x.get()\n    y.put(v + w)\n")
    assert (found.ii("i"), found.ii("i_2")) == (1, 1)


# recurrences

HISTOGRAM = """
    h: int32[256] @ Memory(resource="{memory}") = 0
    for i in range(ln[0]):
        v: uint8 = x.get()
        h[v] = {update}
    for j in range(256):
        y.put(h[j])
    """


@pytest.mark.parametrize("memory", ["BRAM", "URAM", "LUTRAM"])
def test_a_histogram_runs_at_one_element_a_cycle(memory: str, make: Make) -> None:
    found = make(HISTOGRAM.format(memory=memory, update="h[v] + 1"))
    assert (found.ii("i"), found.reason("i")) == (1, "")


def test_a_memory_that_is_not_read_in_the_loop_is_not_forwarded_through_it(make: Make) -> None:
    found = make(HISTOGRAM.format(memory="BRAM", update="v"))
    assert found.ii("i") == 1
    assert found.depth("i") == 1


@pytest.mark.parametrize("memory", ["BRAM", "URAM", "LUTRAM"])
def test_a_product_between_load_and_store_costs_cycles(memory: str, make: Make) -> None:
    found = make(HISTOGRAM.format(memory=memory, update="h[v] * 3 + 1"))
    assert found.ii("i") == 3
    line = found.line("h[v] * 3 + 1")
    assert found.reason("i") == f"recurrence through 'h' at kernels/x.py:{line}"


@pytest.mark.parametrize(("asked", "ii"), [(1, 3), (2, 3), (3, 3), (4, 4), (7, 7)])
def test_an_interval_is_as_asked_or_the_smallest_that_holds(asked: int, ii: int, make: Make) -> None:
    found = make(
        HISTOGRAM.format(memory="BRAM", update="h[v] * 3 + 1"),
        f's.pipeline("p:i", initiation_interval={asked})',
    )
    assert found.ii("i") == ii
    assert bool(found.reason("i")) is (ii > asked)


def test_a_sum_in_a_variable_runs_every_cycle_and_a_product_does_not(make: Make) -> None:
    text = "s: int32 = 1\nfor i in range(ln[0]):\n    v: int32 = x.get()\n    s = s {} v\n    y.put(s)\n"
    assert make(text.format("+")).ii("i") == 1
    found = make(text.format("*"))
    assert found.ii("i") == 2
    assert found.reason("i") == f"recurrence through 's' at kernels/x.py:{found.line('s = s * v')}"


def test_a_clock_too_fast_for_load_sum_and_store_in_a_cycle_costs_interval(make: Make) -> None:
    text = HISTOGRAM.format(memory="LUTRAM", update="h[v] + (v ^ 5)")
    assert make(text, board=at(100)).ii("i") == 1
    found = make(text, board=at(500))
    assert found.ii("i") > 1
    assert found.reason("i").startswith("recurrence through 'h' at kernels/x.py:")


# clocks and boards

CHAIN = "for i in range(ln[0]):\n    v: int32 = x.get()\n    y.put((((((v + 1) ^ v) + 7) ^ v) - 9) ^ v)\n"
"""Sums with an operation between them that waits for all of their bits."""


def test_a_faster_clock_makes_more_stages(make: Make) -> None:
    depths = [make(CHAIN, board=at(mhz)).depth("i") for mhz in (50, 100, 200, 300, 500)]
    assert depths == sorted(depths)
    assert depths[0] == 1
    assert len(set(depths)) >= 4


def test_a_board_with_slower_cells_makes_more_stages(make: Make) -> None:
    fast = boards.load("u280")
    slow = replace(fast, delays=replace(fast.delays, lut=2 * fast.delays.lut))
    assert make(CHAIN, board=slow).depth("i") > make(CHAIN, board=fast).depth("i")


def test_stages_do_not_change_the_interval(make: Make) -> None:
    assert all(make(CHAIN, board=at(mhz)).ii("i") == 1 for mhz in (50, 200, 500))


SUM = "for i in range(ln[0]):\n    v: int32 = x.get()\n    w: int32 = v + 7\n    y.put({})\n"


def test_the_carries_of_sums_in_a_row_overlap(make: Make) -> None:
    """Sums of 32 bits: one after the other, three of them would take 4.05 ns, and the period is 3.65 ns."""
    delays = boards.load("kv260").delays
    assert 3 * (delays.lut + 32 * delays.carry_per_bit) > 1000 / 250 - delays.ff_setup
    assert make(SUM.format("w + v + 3"), board=at(250)).depth("i") == 1
    assert make(SUM.format("(w ^ v) + 3"), board=at(250)).depth("i") == 2  # the last bit first, then from the lowest


def test_no_more_luts_in_a_row_than_the_rule_of_the_clock_allows(make: Make) -> None:
    """Sums of a few bits are quick, five of them fit the period; the rule has at most four LUTs above 200 MHz."""
    few = " + ".join(f"v[{4 * n} : {4 * n + 4}]" for n in range(6))
    body = f"for i in range(ln[0]):\n    v: int32 = x.get()\n    y.put({few})\n"
    card = boards.load("u280")  # at 250 MHz
    assert make(body, board=card).depth("i") == 2
    assert make(body, board=replace(card, clock_mhz=200.0)).depth("i") == 1


# loops in a row


def test_loops_with_nothing_in_common_overlap(make: Make) -> None:
    found = make(
        "for i in range(ln[0]):\n    v: int32 = x.get()\n    y.put(v * v * v)\nfor j in range(ln[0]):\n    z.put(j)\n",
        outputs=("y", "z"),
    )
    assert found.depth("i") > 3
    assert found.gap("i", "j") == 0
    assert found.depth("j") == 1


def test_a_loop_that_reads_what_the_one_before_writes_comes_after_its_stores(make: Make) -> None:
    found = make(
        """
        h: int32[256] @ Memory(resource="BRAM")
        for i in range(ln[0]):
            v: int32 = x.get()
            h[i] = v * v * v
        for j in range(ln[0]):
            y.put(h[j])
        """
    )
    store, load = found.op("i", StoreOp), found.op("j", memref.LoadOp)
    issue = found.ii("i") + found.gap("i", "j")
    stages = found.schedule.stages
    assert stages[store] > 1
    data = stages[load] + (1 if load in found.schedule.forwarded else 0)
    assert issue + data >= stages[store] + 1
    assert issue + data <= stages[store] + 1  # and no later


def test_a_bound_that_the_loop_before_computes_makes_a_gap(make: Make) -> None:
    found = make(
        "for i in range(ln[0]):\n    v: int32 = x.get()\n    for j in range(v * v):\n        y.put(j)\n",
        's.pipeline("p:j", initiation_interval=1)',
    )
    assert found.gap("i", "j") == found.depth("i") - 1 > 0
    assert found.reason("j").startswith("loop bound ")
    assert found.reason("j").endswith(" is computed in the pipeline")


def test_a_bound_that_is_known_makes_no_gap(make: Make) -> None:
    found = make("for i in range(ln[0]):\n    y.put(i)\nfor j in range(ln[0]):\n    y.put(j)\n", inputs=())
    assert found.gap("i", "j") == 0


# conditions of gets

CONDITIONAL = """
    for i in range({trips}):
        v: int32 = x.get()
        if {condition}:
            w: int32 = z.get()
            y.put(w)
    """
UNKNOWN = (
    "whether this reads its stream depends on a value that takes more than one cycle to compute; "
    "compute the condition in an iteration before, or read unconditionally"
)


def test_a_condition_of_one_comparison_is_known_at_issue(make: Make) -> None:
    found = make(CONDITIONAL.format(trips="ln[0]", condition="v > 100"), inputs=("x", "z"))
    assert found.ii("i") == 1


@pytest.mark.parametrize("trips", ["8", "ln[0]"])
def test_a_condition_that_takes_a_product_is_refused(trips: str, make: Make) -> None:
    body = CONDITIONAL.format(trips=trips, condition="v * v > 100")
    with pytest.raises(KernelError) as error:
        make(body, inputs=("x", "z"))
    source = HEAD.format(
        streams="".join(f"    {name}: Stream[int32, 2]\n" for name in "xzy"),
        body=textwrap.indent(textwrap.dedent(body), " " * 8), schedule="", inputs="", outputs="", operators="",
    )  # fmt: skip
    (line,) = (n for n, text in enumerate(source.splitlines(), 1) if "z.get()" in text)
    assert str(error.value) == f"kernels/x.py:{line}: {UNKNOWN}"


def test_a_condition_from_a_block_memory_is_refused(make: Make) -> None:
    body = """
        h: int32[256] @ Memory(resource="BRAM") = 0
        for i in range(ln[0]):
            if h[i] > 100:
                w: int32 = x.get()
                y.put(w)
                h[i] = w
        """
    with pytest.raises(KernelError, match=UNKNOWN):
        make(body)


def test_a_condition_from_the_iteration_before_is_known(make: Make) -> None:
    found = make(
        "go: int32 = 0\nfor i in range(ln[0]):\n    v: int32 = x.get()\n    if go > 100:\n"
        "        w: int32 = z.get()\n        y.put(w)\n    go = v * v\n",
        inputs=("x", "z"),
    )
    assert found.ii("i") > 1
    assert found.reason("i").startswith("recurrence through 'go' at kernels/x.py:")


def test_a_condition_that_just_fits_the_period_reads_at_issue(make: Make) -> None:
    """Xor, sum, xor and comparison take 4.4 of 4.65 ns."""
    condition = "((v ^ 3) + 1) ^ 5 > 100"
    found = make(CONDITIONAL.format(trips="8", condition=condition), inputs=("x", "z"), board=at(200))
    reads = [op for op in found.body("i").ops if isinstance(op, GetOp)]
    assert [found.schedule.stages[op] for op in reads] == [0, 0]


# while


def test_a_while_loop_waits_for_its_condition(make: Make) -> None:
    text = "s: int32 = ln[0]\nwhile s > 0:\n    v: int32 = x.get()\n    s = s - {}\ny.put(s)\n"
    assert make(text.format("v"), "pass").ii("while") == 1
    found = make(text.format("v * v"), "pass")
    assert found.ii("while") > 1
    assert found.reason("while")


# the annotations, for people


def test_bodies_say_interval_depth_and_reason(make: Make) -> None:
    found = make(HISTOGRAM.format(memory="BRAM", update="h[v] * 3 + 1"))
    body = found.body("i").op
    assert (query.number(body, "ii"), query.number(body, "depth")) == (3, found.depth("i"))
    assert query.text(body, "reason") == found.reason("i")
    stages = [query.number(op, "stage") for op in found.body("i").ops]
    assert max(s for s in stages if s is not None) == found.depth("i") - 1


# ops of lanes


def test_an_op_of_a_lane_waits_for_what_uses_it(make: Make) -> None:
    """It is made of words that all lanes share, and is needed with a product that comes later."""
    found = make(
        """
        acc: int32[8] = 0
        for i in range(ln[0]):
            v: int32 = x.get()
            square: int32 = v * v
            for j in range(8, unroll=True):
                chosen: int32 = v if v[j] == 1 else 5
                acc[j] += square + chosen
        for j in range(8):
            y.put(acc[j])
        """,
        's.pipeline("p:i", initiation_interval=1); s.partition("p:acc")',
    )
    stages = found.schedule.stages
    (choice,) = (op for op in found.body("i").ops if isinstance(op, arith.SelectOp))
    assert stages[choice] == min(stages[use.operation] for use in choice.result.uses) > 1
