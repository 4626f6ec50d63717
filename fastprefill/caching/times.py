"""Compute time against memory time of a layer's attention, by board, context, density, window and cache capacity.

A job multiplies a block of queries with one of keys and weighs one of values: 2 * B^2 * d products. What memory gives
is the missed blocks of keys and values, and each query block and output block once. The matrix units run at
`UTILISATION` of their peak, memory at `EFFICIENCY` of its; both are assumptions, stated in the result.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from fastprefill import boards as board_data
from fastprefill import config
from fastprefill.boards import Board
from fastprefill.caching.traces import GROUP, LONGEST, random_mask
from fastprefill.errors import FastprefillError
from fastprefill.golden import jobs, kv_cache
from fastprefill.golden.layout import KvBlock, QueryBlock, StateBlock
from fastprefill.reports.tables import aligned

BLOCK = 128
UTILISATION = 0.85
EFFICIENCY = 0.8
SPARE = 4.0
"""Compute time over memory time at which attention counts as compute-bound."""

WINDOWS = {"u280": 8, "kv260": 4}
"""Open query blocks by board (docs/kv_cache.md says why); 4 on any other."""

URAM_BYTES = 4096 * 8
"""Of an UltraRAM, 4,096 words of 64 bits and 8 that would hold parity."""

FAST_PREFILL_BYTES = 16 << 20


@dataclass(frozen=True)
class Row:
    """One board, context, density, window and capacity.

    Attributes:
        board: its name.
        tokens: context.
        density: blocks kept of the causal ones, by each query head for itself.
        window: open query blocks.
        capacity: blocks that the cache holds.
        compute_ms: of the jobs of one KV head's group.
        memory_ms: of the bytes that they need.
        ratio: of the two.
    """

    board: str
    tokens: int
    density: float
    window: int
    capacity: int
    compute_ms: float
    memory_ms: float

    @property
    def ratio(self) -> float:
        """Compute time over memory time."""
        return self.compute_ms / self.memory_ms


@dataclass(frozen=True)
class Choice:
    """What a board gets.

    Attributes:
        board: its name.
        window: open query blocks.
        capacity: blocks: the smallest that leaves `SPARE` in every row of this window, None when none does.
        worst_ratio: of compute to memory time at that capacity.
        state_bytes: of the open windows, m, l and O of all query heads.
        buffer_bytes: of two blocks, the one in use and the next.
        uram: that both and the cache take.
        uram_of: the board's.
        uram_freed: against a cache of 16 MiB, or of all that the board has.
    """

    board: str
    window: int
    capacity: int | None
    worst_ratio: float
    state_bytes: int
    buffer_bytes: int
    uram: int
    uram_of: int
    uram_freed: int


@dataclass(frozen=True)
class Balance:
    """All rows, and what follows for each board."""

    head_dim: int
    rows: tuple[Row, ...]
    choices: tuple[Choice, ...]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "head_dim": self.head_dim, "group": GROUP, "utilisation": UTILISATION, "efficiency": EFFICIENCY,
            "spare": SPARE, "rows": [asdict(row) | {"ratio": row.ratio} for row in self.rows],
            "choices": [asdict(choice) for choice in self.choices],
        }  # fmt: skip

    def text(self) -> str:
        """Two tables and what was assumed."""
        head = ["board", "tokens", "density", "window", "capacity", "compute ms", "memory ms", "ratio"]
        lines = [
            [row.board, str(row.tokens), f"{row.density:g}", str(row.window), str(row.capacity),
             f"{row.compute_ms:.2f}", f"{row.memory_ms:.3f}", f"{row.ratio:.1f}"]
            for row in self.rows
        ]  # fmt: skip
        chosen = ["board", "window", "capacity", "worst ratio", "open state", "two blocks", "URAM", "freed"]
        choices = [
            [c.board, str(c.window), "none is enough" if c.capacity is None else str(c.capacity),
             f"{c.worst_ratio:.1f}", f"{c.state_bytes / 1024:.0f} KiB", f"{c.buffer_bytes / 1024:.0f} KiB",
             f"{c.uram} of {c.uram_of}", str(c.uram_freed)]
            for c in self.choices
        ]  # fmt: skip
        return "\n".join([
            f"one KV head, {GROUP} query heads of {self.head_dim}; matrix units at {UTILISATION:g} of their peak, "
            f"memory at {EFFICIENCY:g}, both assumed",
            *aligned([head, *lines]), "",
            f"the smallest capacity with a ratio of {SPARE:g} or more, what it takes on chip, and the URAM that it "
            "frees of 16 MiB or of all there is",
            *aligned([chosen, *choices]),
        ])  # fmt: skip


def balance(
    names: Sequence[str],
    *,
    contexts: Sequence[int] = (8192, 32_768, 131_072),
    densities: Sequence[float] = (0.01, 0.05, 0.2, 1.0),
    windows: Sequence[int] = (1, 4, 8),
    parts: Sequence[int] = (8, 2),
    head_dim: int = 64,
    show: Callable[[str], None] = lambda line: None,
) -> Balance:
    """Compare the two times, capacities from none up.

    Args:
        names: boards.
        contexts: tokens.
        densities: of the masks, which are random: the worst case for the cache.
        windows: open query blocks; that of each board is added.
        parts: capacities as fractions of the key blocks, after none at all: 2 for 1/2.
        head_dim: width of a head.
        show: gets lines of progress.

    Raises:
        FastprefillError: an unknown board, or a number that cannot be.
    """
    if max(contexts, default=0) > LONGEST:
        raise FastprefillError(f"a context of {max(contexts)} tokens; the longest is {LONGEST}")
    if min(contexts, default=0) < 1 or not all(0 <= d <= 1 for d in densities) or head_dim < 1:
        raise FastprefillError(
            f"contexts {list(contexts)}, densities {list(densities)}, heads of {head_dim}: contexts and heads are at "
            "least 1, densities 0 to 1"
        )
    boards = [board_data.load(name) for name in names]
    every = sorted({*windows, *(window_of(board) for board in boards)})
    rows: list[Row] = []
    for tokens in contexts:
        blocks = -(-tokens // BLOCK)
        for density in densities:
            show(f"{tokens} tokens, density {density:g}")
            listed = jobs.job_list(random_mask(density, blocks, GROUP))
            for window in every:
                requests = jobs.requests(listed, window)
                for capacity in sorted({0, *(max(blocks // part, 1) for part in parts)}):
                    misses = kv_cache.replay(requests, capacity).misses if capacity else len(requests)
                    rows += [
                        _row(board, tokens, density, window, capacity, listed.jobs, misses, blocks, head_dim)
                        for board in boards
                    ]
    ordered = sorted(
        rows, key=lambda row: (names.index(row.board), row.tokens, row.density, row.window, row.capacity)
    )
    return Balance(head_dim, tuple(ordered), tuple(_choice(board, rows, head_dim) for board in boards))


def window_of(board: Board) -> int:
    """Open query blocks on a board."""
    return WINDOWS.get(board.name, 4)


def _row(
    board: Board,
    tokens: int,
    density: float,
    window: int,
    capacity: int,
    count: int,
    misses: int,
    blocks: int,
    dim: int,
) -> Row:
    size = config.default_size(board)
    per_cycle = len(board.slrs) * size.rows * (size.dsp_columns + size.lut_columns) * size.k_parallel
    products = 2 * BLOCK * BLOCK * dim * count
    queries = GROUP * blocks * 2 * QueryBlock(BLOCK, dim).size  # in, and the output of the same size
    moved = misses * KvBlock(BLOCK, dim).size + queries
    compute = products / (per_cycle * UTILISATION * board.clock_mhz * 1e6)
    memory = moved / (board.memories[0].gigabytes_per_second * EFFICIENCY * 1e9)
    return Row(board.name, tokens, density, window, capacity, 1e3 * compute, 1e3 * memory)


def _choice(board: Board, rows: Sequence[Row], dim: int) -> Choice:
    """The smallest share of the key blocks that is enough for each context and density, in blocks of the longest."""
    window = window_of(board)
    mine = [row for row in rows if row.board == board.name and row.window == window]
    settings = {(row.tokens, row.density) for row in mine}

    def worst(capacity: int) -> float:
        """Over contexts and densities, each with what it can use of so many blocks."""
        return min(
            max(
                row.ratio for row in mine if (row.tokens, row.density) == setting and row.capacity <= capacity
            )
            for setting in settings
        )

    candidates = sorted({row.capacity for row in mine})
    capacity = next((blocks for blocks in candidates if worst(blocks) >= SPARE), None)
    ratio = worst(candidates[-1] if capacity is None else capacity)
    state = window * GROUP * StateBlock(BLOCK, dim).size
    buffer = 2 * KvBlock(BLOCK, dim).size
    cache = (capacity or 0) * KvBlock(BLOCK, dim).size
    uram = sum(-(-part // URAM_BYTES) for part in (state, buffer, cache))
    has = board.resources.uram
    freed = min(FAST_PREFILL_BYTES // URAM_BYTES, has) - -(-cache // URAM_BYTES)
    return Choice(board.name, window, capacity, ratio, state, buffer, uram, has, freed)
