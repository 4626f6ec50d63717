"""The KV cache's decisions, and three other policies to compare them with.

The cache holds blocks of keys and values of one KV head. Its requests are known in advance - the job list is
frozen before attention starts - so a block's remaining uses and its next use are exact. What is decided depends on
the sequence of requests alone, never on when data arrive.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastprefill.errors import FastprefillError

Policy = Literal["liveness", "lru", "fifo", "belady"]

#: Requests that the cache looks ahead when it has room.
LOOK_AHEAD = 4


@dataclass(frozen=True)
class Statistics:
    """What a sequence of requests cost.

    Attributes:
        hits: requests whose block was there from an earlier use.
        misses: requests whose block was read from memory: hits + misses = requests.
        evictions: blocks with uses left that made room for another.
        streamed: misses that were not kept, because every block in the cache is needed earlier.
        ahead: misses that were read before their request, into free room.
        least: misses that no cache avoids: the number of different blocks.
    """

    hits: int
    misses: int
    evictions: int
    streamed: int
    ahead: int
    least: int

    @property
    def over_least(self) -> float:
        """Blocks read from memory over the least possible; 1 for no requests."""
        return self.misses / self.least if self.least else 1.0


def replay(requests: ArrayLike, capacity: int, policy: Policy = "liveness") -> Statistics:
    """Run requests through a cache.

    Args:
        requests: key block numbers in request order, at least 0 each.
        capacity: blocks that the cache holds, 0 and up.
        policy: "liveness" is the hardware's; "lru", "fifo", and "belady", the optimum with bypass (Belady, 1966).

    Raises:
        FastprefillError: a negative capacity or block, another policy.
    """
    if policy not in _POLICIES:
        raise FastprefillError(f"unknown cache policy {policy!r}; there are {', '.join(_POLICIES)}")
    return _POLICIES[policy](_checked(requests, capacity), capacity)


@dataclass
class _Line:
    """A resident block of the liveness policy.

    Attributes:
        next_use: number of the request that uses it next.
        hot: protected: not looked at when room is needed.
        pending: read ahead, and not requested yet.
    """

    next_use: int
    hot: bool
    pending: bool = False


def liveness(
    requests: ArrayLike, capacity: int, *, hot: int | None = None, look_ahead: int = LOOK_AHEAD
) -> Statistics:
    """The hardware's policy: two tiers by next use, dead blocks freed at once, look-ahead into free room.

    A *run* is a stretch of requests with ascending block numbers: the key blocks of one window. A block that is used
    again in this run or the next is put into the hot tier while that has room, every other one into the cold tier.
    A miss takes a free line; without one it replaces the cold block that is used last of all, if that is later than
    its own next use; else it is streamed. A block without uses left is never kept. After each request, misses among
    the next `look_ahead` are read into free lines.

    In hardware the order of two next uses is that of (window, block number), which the list by key block gives.

    Args:
        requests: as for `replay`.
        capacity: blocks of both tiers.
        hot: blocks of the hot tier; half of the capacity by default.
        look_ahead: requests, 0 and up.

    Raises:
        FastprefillError: a negative number, or a hot tier larger than the capacity.
    """
    order = _checked(requests, capacity)
    hot_lines = capacity // 2 if hot is None else hot
    if not 0 <= hot_lines <= capacity:
        raise FastprefillError(f"a hot tier of {hot_lines} blocks in a cache of {capacity}")
    if look_ahead < 0:
        raise FastprefillError(f"look_ahead is {look_ahead} requests; it cannot be negative")
    upcoming = _next_uses(order)
    run = np.cumsum(np.diff(order, prepend=-1) <= 0).tolist()
    ids: list[int] = order.tolist()
    never = len(ids)
    lines: dict[int, _Line] = {}
    cold: list[tuple[int, int]] = []  # (-next use, block), outdated ones among them
    hot_count = hits = evictions = streamed = ahead = 0

    def place(block: int, request: int) -> None:
        """Keep a block that is in use by `request`, with a next use that exists."""
        nonlocal hot_count
        later = upcoming[request]
        warm = hot_count < hot_lines and run[later] <= run[request] + 1
        lines[block] = _Line(later, warm)
        hot_count += warm
        if not warm:
            heapq.heappush(cold, (-later, block))

    for request, block in enumerate(ids):
        line = lines.pop(block, None)
        if line is not None:
            hot_count -= line.hot
            hits += not line.pending
            if upcoming[request] < never:
                place(block, request)
        elif upcoming[request] == never:
            streamed += 1
        elif len(lines) < capacity:
            place(block, request)
        else:
            while cold and not _current(lines, cold[0]):
                heapq.heappop(cold)
            if cold and -cold[0][0] > upcoming[request]:
                del lines[heapq.heappop(cold)[1]]
                evictions += 1
                place(block, request)
            else:
                streamed += 1
        for later in range(request + 1, min(request + 1 + look_ahead, never)):
            if len(lines) >= capacity:
                break
            if ids[later] not in lines:
                lines[ids[later]] = _Line(later, False, pending=True)
                ahead += 1
    return Statistics(hits, never - hits, evictions, streamed, ahead, len(set(ids)))


def _current(lines: dict[int, _Line], entry: tuple[int, int]) -> bool:
    line = lines.get(entry[1])
    return line is not None and not line.hot and not line.pending and line.next_use == -entry[0]


def _belady(order: NDArray[np.int64], capacity: int) -> Statistics:
    upcoming = _next_uses(order)
    never = len(order)
    resident: dict[int, int] = {}
    farthest: list[tuple[int, int]] = []
    hits = evictions = streamed = 0
    for request, block in enumerate(order.tolist()):
        later = upcoming[request]
        hit = resident.pop(block, None) is not None
        hits += hit
        if later == never:
            streamed += not hit
            continue
        if len(resident) >= capacity:
            while farthest and resident.get(farthest[0][1]) != -farthest[0][0]:
                heapq.heappop(farthest)
            if not farthest or -farthest[0][0] < later:
                streamed += 1
                continue
            del resident[heapq.heappop(farthest)[1]]
            evictions += 1
        resident[block] = later
        heapq.heappush(farthest, (-later, block))
    return Statistics(hits, never - hits, evictions, streamed, 0, len(np.unique(order)))


def _queue(order: NDArray[np.int64], capacity: int, *, refresh: bool) -> Statistics:
    """Replace the block at the head of a queue; a hit moves a block to its end when `refresh` is set."""
    upcoming = _next_uses(order)
    resident: OrderedDict[int, int] = OrderedDict()
    hits = evictions = 0
    for request, block in enumerate(order.tolist()):
        if block in resident:
            hits += 1
            if refresh:
                resident.move_to_end(block)
        elif capacity:
            if len(resident) == capacity:
                _, later = resident.popitem(last=False)
                evictions += later < len(order)
        else:
            continue
        resident[block] = upcoming[request]
    misses = len(order) - hits
    return Statistics(hits, misses, evictions, 0 if capacity else misses, 0, len(np.unique(order)))


_POLICIES: dict[str, Callable[[NDArray[np.int64], int], Statistics]] = {
    "liveness": liveness,
    "lru": lambda order, capacity: _queue(order, capacity, refresh=True),
    "fifo": lambda order, capacity: _queue(order, capacity, refresh=False),
    "belady": _belady,
}
POLICIES: Sequence[str] = tuple(_POLICIES)


def _next_uses(order: NDArray[np.int64]) -> list[int]:
    """For each request, the next one of the same block; the number of requests when there is none."""
    upcoming = [len(order)] * len(order)
    last: dict[int, int] = {}
    for request in range(len(order) - 1, -1, -1):
        block = int(order[request])
        upcoming[request] = last.get(block, len(order))
        last[block] = request
    return upcoming


def _checked(requests: ArrayLike, capacity: int) -> NDArray[np.int64]:
    order = np.asarray(requests)
    if order.size == 0:
        order = order.reshape(0).astype(np.int64)
    if order.ndim != 1 or order.dtype.kind not in "iu":
        raise FastprefillError(
            f"requests have shape {list(order.shape)} and type {order.dtype}; they must be a list of block numbers"
        )
    if (order < 0).any():
        raise FastprefillError(f"a request for block {order.min()}; blocks count from 0")
    if capacity < 0:
        raise FastprefillError(f"the capacity is {capacity} blocks; it must be 0 or more")
    return order.astype(np.int64)
