"""The matrix unit at full size: mixes of K, tiles back to back, utilisation, resources, the demo as it ships."""

from collections.abc import Callable
from dataclasses import asdict, fields, replace
from pathlib import Path

import numpy as np
import pytest

from fastprefill import api, boards, config, models, tools
from fastprefill.checks import contract, levels
from fastprefill.checks.contract import Contract
from fastprefill.checks.project import Project
from fastprefill.estimate import resources
from fastprefill.golden import mpu as golden
from fastprefill.golden.mpu import Size
from fastprefill.kernels import mpu, mpu_array
from fastprefill.system.build import build_unit
from fastprefill.system.case import Case
from fastprefill.targets import rtl
from fastprefill.tools import verilator, yosys
from tests.contract.test_contract import CONTRACTS
from tests.contract.test_contract import mpu as matrix_unit

SEEDS = (1, 2, 3, 4, 5)
TINY = Path(__file__).parents[2] / "examples" / "tiny-llama"
PROPERTY = Callable[[str, object], None]

pytestmark = pytest.mark.long


def needs(level: str) -> None:
    lacking = contract.missing(level)
    if lacking is not None:
        pytest.skip(f"{level} NOT run: {lacking}")


def random_case(name: str, size: Size, tiles: int, k: int, rng: np.random.Generator) -> Case:
    a = rng.integers(-128, 128, (tiles, size.rows, k), dtype=np.int8)
    b = rng.integers(-128, 128, (tiles, k, size.columns), dtype=np.int8)
    return golden.case(name, a, b, size)


def mix(size: Size, seed: int) -> list[Case]:
    """K from 1 to 512 on one to four tiles, back to back; the usual ones, and others that change with the seed."""
    rng = np.random.default_rng(seed)
    usual = (1, 2, 3, size.k_parallel + 1, size.rows - 1, size.rows, size.rows + 1, 64, 128, 512)
    drawn = [*usual, *rng.integers(1, 513, 6).tolist()]
    return [random_case(f"k{k}_{i}", size, int(rng.integers(1, 5)), k, rng) for i, k in enumerate(drawn)]


@pytest.mark.parametrize("size", [(16, 11, 5, 8, 4), (16, 16, 0, 1, 2), (32, 16, 8, 8, 8)])
@pytest.mark.parametrize("seed", SEEDS[:2])
def test_mixes_of_k(size: tuple[int, ...], seed: int, tmp_path: Path, record_property: PROPERTY) -> None:
    needs("rtl")
    mixed = replace(matrix_unit(*size), cases=lambda s: mix(Size(*size), s))
    passed = contract.check(mixed, "rtl", seed=seed, folder=tmp_path)
    record_property("tokens", passed.tokens)
    record_property("simulated cycles/s", round(passed.cycles_per_second))
    assert passed.cases > len(contract.STALL) * 16


@pytest.mark.parametrize("level", ["interpreter", "csim", "four_state"])
@pytest.mark.parametrize("name", CONTRACTS)
def test_contract_with_the_cases_of_five_seeds(name: str, level: str, tmp_path: Path) -> None:
    """All seeds in one run: what is built is the same."""
    needs(level)
    one = CONTRACTS[name]

    def cases(seed: int) -> list[Case]:
        return [
            Case(f"{case.name}_{drawn}", case.scalars, case.inputs, case.outputs)
            for drawn in SEEDS
            for case in one.cases(100 * seed + drawn)
        ]

    pooled = Contract(one.name, one.build, cases, one.board, one.cycles)
    assert contract.check(pooled, level, seed=1, folder=tmp_path).tokens > 0


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("demo") / "tiny"
    api.generate(TINY, "kv260", folder)
    return Project.open(folder)


def test_demo_passes_at_every_level(demo: Project, record_property: PROPERTY) -> None:
    for level in ("csim", "rtl", "structure"):
        needs(level)
    found = api.verify(demo.folder, seed=3)
    for level in found.levels:
        assert level.result == levels.PASSED, level.line()
    ran = {level.level: level for level in found.levels}
    assert set(ran) == {"golden", "interpreter", "C-sim", "lint", "RTL"}
    assert ran["RTL"].cycles is not None and ran["RTL"].utilisation is not None
    record_property("cycles", ran["RTL"].cycles)
    record_property("utilisation", round(ran["RTL"].utilisation, 4))
    assert found.resources is not None, found.resources_detail
    record_property("resources", found.resources.used.as_dict())
    # Full tiles back to back: what is not useful is the filling of the last tiles, and a few cycles at the end.
    (vectors,) = demo.vectors()
    assert vectors.projection is not None
    shape = vectors.projection.shape
    filling = shape.macs / (shape.tiles * shape.size.rows * shape.size.columns * shape.k)
    assert 0.99 * filling <= ran["RTL"].utilisation <= filling


def test_utilisation_of_the_demo(demo: Project, tmp_path: Path, record_property: PROPERTY) -> None:
    """Useful multiplications per multiplier and cycle on 128 full tiles for each K; tiles follow without a gap."""
    needs("rtl")
    size = Size(**{field.name: demo.manifest["parameters"][field.name] for field in fields(Size)})
    rng = np.random.default_rng(7)
    tiles = 128
    least = {64: 0.90, 128: 0.98, 512: 0.98}
    cases = {k: random_case(f"k{k}", size, tiles, k, rng) for k in least}
    build = verilator.build(demo.folder / "rtl", demo.ports)
    found = verilator.run(build, list(cases.values()), seed=7, stall=(0, 96), resets=1, folder=tmp_path)
    assert found.ok, found.failure and found.failure.describe()
    once = set()
    for k, case in cases.items():
        cycles = found.cycles(case.name)
        assert cycles is not None
        once.add(cycles - tiles * size.steps(k))
        utilisation = tiles * k / (size.k_parallel * cycles)
        record_property(f"K={k}", f"{utilisation:.4f} ({cycles} cycles)")
        # What is not useful is the start and the draining of the last tile.
        assert least[k] <= utilisation <= 1
    assert len(once) == 1, f"tiles do not follow each other without a gap: {once}"
    record_property("cycles of a run beside its steps", once.pop())
    record_property("simulated cycles/s", round(found.cycles_per_second))


@pytest.mark.parametrize(("board", "clock_mhz"), [("kv260", 200.0), ("u280", 250.0), ("u280", 300.0)])
def test_synthesis_at_the_default_size(
    board: str, clock_mhz: float, tmp_path: Path, record_property: PROPERTY
) -> None:
    """Counts against the model, and the rules of depth and loads, of each board's matrix unit as a whole."""
    needs("structure")
    target = replace(boards.load(board), clock_mhz=clock_mhz)
    chosen = config.resolve(models.load(TINY).config, target, size={})
    files = rtl.emit(build_unit(mpu.unit(**asdict(chosen.size))), target)
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    found = yosys.synthesise([tmp_path / name for name in files if name.endswith(".sv")], "mpu")
    for name, count in asdict(found.total).items():
        record_property(name, count)
    record_property("levels", found.depth.luts.luts)
    record_property("nets above the rule of loads", found.fan_out.above)
    record_property("seconds", found.seconds)
    assert found.depth.luts.luts <= boards.most_luts(clock_mhz), found.depth.luts.describe()
    assert found.depth.carry_bits.carry_bits <= 32, found.depth.carry_bits.describe()
    assert found.fan_out.above == 0, [net.describe() for net in found.fan_out.nets]
    size = chosen.size
    outputs = size.rows * size.columns
    assert found.total.dsp == size.rows // 2 * size.dsp_columns * size.k_parallel
    # An accumulator and its copy for the drain, 32 bits each, are the least; control and FIFO come on top.
    modelled = resources.matrix_unit(size)
    assert (found.total.bram36, found.total.uram) == (modelled.bram36, modelled.uram)
    assert 64 * outputs <= found.total.ff <= 1.15 * modelled.ff
    assert found.total.lut <= 1.15 * modelled.lut
    assert tools.available("yosys")


@pytest.mark.parametrize("clock_mhz", [250.0, 300.0])
def test_synthesis_of_the_dispatcher(clock_mhz: float, tmp_path: Path, record_property: PROPERTY) -> None:
    """The rules of depth and loads of what feeds the U280's three matrix units, with words of their size."""
    needs("structure")
    target = replace(boards.load("u280"), clock_mhz=clock_mhz)
    chosen = config.resolve(models.load(TINY).config, target, size={})
    files = rtl.emit(build_unit(mpu_array.dispatcher(3, chosen.size)), target)
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    found = yosys.synthesise([tmp_path / name for name in files if name.endswith(".sv")], "dispatch")
    for name, count in asdict(found.total).items():
        record_property(name, count)
    record_property("levels", found.depth.luts.luts)
    assert found.depth.luts.luts <= boards.most_luts(clock_mhz), found.depth.luts.describe()
    assert found.depth.carry_bits.carry_bits <= 32, found.depth.carry_bits.describe()
    assert found.fan_out.above == 0, [net.describe() for net in found.fan_out.nets]


@pytest.mark.parametrize("k_parallel", [1, 2, 4, 8])
@pytest.mark.parametrize("columns", range(4, 33))
def test_sizes_up_to_the_default_generate_and_lint(columns: int, k_parallel: int) -> None:
    """Every number of columns with every `k_parallel`; rows, DSP columns and the drain change with them."""
    needs("rtl")
    largest = config.resolve(models.load(TINY).config, boards.load("u280"), size={}).size
    assert largest.columns == 32
    all_rows = range(4, largest.rows + 1, 2)
    rows = all_rows[(columns + k_parallel) % len(all_rows)]
    dsp_columns = (7 * columns + k_parallel) % (columns + 1)
    drains = [n for n in range(2, rows + 1, 2) if rows % n == 0]
    size = Size(rows, dsp_columns, columns - dsp_columns, k_parallel, drains[columns % len(drains)])
    files = rtl.emit(build_unit(mpu.unit(**asdict(size))), boards.load("u280"))
    verilator.lint({name: text for name, text in files.items() if name.endswith(".sv")}, "mpu")
