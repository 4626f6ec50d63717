"""Job lists replayed under the hardware's policy and others, with what the order and what the policy gain apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprefill.caching.traces import Trace
from fastprefill.errors import FastprefillError
from fastprefill.golden import jobs, kv_cache
from fastprefill.golden.layout import KvBlock, stride
from fastprefill.reports.tables import aligned

POLICIES: tuple[kv_cache.Policy, ...] = ("liveness", "lru", "fifo", "belady")
QUERY_MAJOR = "query-major"
"""Each query head for itself, one query block after the other: the order of a cache that has to save everything."""

SHARED_BYTES, SHARED_HEADS, SHARED_TOKENS = 16 << 20, 8, 131_072
"""FAST-Prefill's setting: a cache of 16 MiB for 8 KV heads at 128K tokens, where it reports 65 % hits."""


@dataclass(frozen=True)
class Row:
    """One trace, order and capacity.

    Attributes:
        trace: its name.
        kind: of the trace.
        order: ``query-major`` or ``window 8``.
        blocks: key blocks of the KV head.
        capacity: blocks that the cache holds.
        setting: why this capacity: a share such as ``1/4``, or FAST-Prefill's setting.
        requests: block requests of the order.
        hits: policy -> share of the requests that hit.
        over_least: policy -> bytes from memory over the least possible (each needed block once).
        order_gain: bytes of the query-major order over those of this one, both under LRU; 1 for query-major.
        policy_gain: bytes under LRU over those under the hardware's policy, both in this order.
    """

    trace: str
    kind: str
    order: str
    blocks: int
    capacity: int
    setting: str
    requests: int
    hits: dict[str, float]
    over_least: dict[str, float]
    order_gain: float
    policy_gain: float


@dataclass(frozen=True)
class Comparison:
    """What was replayed."""

    window: int
    rows: tuple[Row, ...]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"window": self.window, "policies": list(POLICIES), "rows": [asdict(row) for row in self.rows]}

    def text(self) -> str:
        """Two tables: hit rates over block requests, and bytes over the least possible with both gains."""
        place = [
            [row.trace, row.order, row.setting, str(row.capacity), str(row.requests)] for row in self.rows
        ]
        head = ["trace", "order", "capacity", "blocks", "requests"]
        hits = [
            line + [f"{100 * row.hits[policy]:.1f} %" for policy in POLICIES]
            for line, row in zip(place, self.rows, strict=True)
        ]
        read = [
            line
            + [f"{row.over_least[policy]:.2f}" for policy in POLICIES]
            + [f"{row.order_gain:.2f}", f"{row.policy_gain:.2f}"]
            for line, row in zip(place, self.rows, strict=True)
        ]
        return "\n".join([
            "hits over block requests", *aligned([[*head, *POLICIES], *hits]), "",
            "bytes from memory over the least possible; gains of order (under LRU) and policy (over LRU)",
            *aligned([[*head, *POLICIES, "order", "policy"], *read]),
        ])  # fmt: skip


def compare(
    found: Sequence[Trace],
    *,
    window: int = 8,
    parts: Sequence[int] = (16, 8, 4, 2, 1),
    show: Callable[[str], None] = lambda line: None,
) -> Comparison:
    """Replay traces in query-major order and in windows with the group together.

    Args:
        found: the traces.
        window: open query blocks.
        parts: capacities as fractions of the key blocks: 2 for 1/2. FAST-Prefill's setting is added for 128K tokens.
        show: gets lines of progress.

    Raises:
        FastprefillError: no trace, a window or part below 1.
    """
    if not found:
        raise FastprefillError("there is no trace to replay; give at least one with --trace")
    if window < 1 or min(parts, default=0) < 1:
        raise FastprefillError(
            f"a window of {window} and capacities of 1/{list(parts)}; all must be at least 1"
        )
    rows: list[Row] = []
    for trace in found:
        show(f"replaying {trace.name}")
        listed = jobs.job_list(trace.mask)
        orders = {
            QUERY_MAJOR: jobs.requests(listed, 1, together=False),
            f"window {window}": jobs.requests(listed, window),
        }
        for setting, capacity in _capacities(trace, parts):
            rows += _replayed(trace, orders, setting, capacity)
    return Comparison(window, tuple(rows))


def _capacities(trace: Trace, parts: Sequence[int]) -> list[tuple[str, int]]:
    found = [(f"1/{part}", max(trace.blocks // part, 1)) for part in parts]
    if 128 * trace.blocks == SHARED_TOKENS:
        for dim in (64, 128):
            size = stride(KvBlock(128, dim).size)
            each, whole = SHARED_BYTES // SHARED_HEADS // size, SHARED_BYTES // size
            found.append((f"16 MiB / {SHARED_HEADS}, d {dim}", each))
            found.append((f"16 MiB, d {dim}", min(whole, trace.blocks)))
    return found


def _replayed(trace: Trace, orders: dict[str, NDArray[np.int64]], setting: str, capacity: int) -> list[Row]:
    rows: list[Row] = []
    for order, requests in orders.items():
        results = {policy: kv_cache.replay(requests, capacity, policy) for policy in POLICIES}
        lru = results["lru"]
        rows.append(
            Row(
                trace.name, trace.kind, order, trace.blocks, capacity, setting, len(requests),
                {policy: result.hits / len(requests) for policy, result in results.items()},
                {policy: result.over_least for policy, result in results.items()},
                rows[0].over_least["lru"] / lru.over_least if rows else 1.0,
                lru.over_least / results["liveness"].over_least,
            )
        )  # fmt: skip
    return rows
