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
from fastprefill.golden.arguments import whole

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
        streamed: misses whose block was not kept: it has no use left, or every other one is needed earlier.
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
    if not isinstance(policy, str) or policy not in _POLICIES:
        raise FastprefillError(f"unknown cache policy {policy!r}; there are {', '.join(_POLICIES)}")
    capacity = whole("the capacity", capacity)
    return _POLICIES[policy](_checked(requests, capacity), capacity)


@dataclass(frozen=True)
class Decision:
    """What the liveness policy does at one request.

    Attributes:
        block: that is asked for.
        found: "hit", from an earlier use; "ahead", read ahead and now used for the first time; or "miss".
        kept: it stays in the cache after this use.
        victim: block that makes room for it, None for none.
        read_ahead: blocks that are read into free lines after this request, in this order.
    """

    block: int
    found: Literal["hit", "ahead", "miss"]
    kept: bool
    victim: int | None
    read_ahead: tuple[int, ...]


def liveness(
    requests: ArrayLike, capacity: int, *, hot: int | None = None, look_ahead: int = LOOK_AHEAD
) -> list[Decision]:
    """The hardware's policy: two tiers by next use, dead blocks freed at once, look-ahead into free room.

    A *run* is a stretch of requests with ascending block numbers: the key blocks of one window. A block that is used
    again in this run or the next is put into the hot tier while that has room, every other one into the cold tier.
    A miss takes a free line; without one it replaces the cold block that is used last of all, if that is later than
    its own next use; else it is streamed. A block without uses left is never kept. After each request, misses among
    the next `look_ahead` are read into free lines, where they stay until they are asked for.

    In hardware the order of two next uses is that of (window, block number), which the list by key block gives.

    Args:
        requests: as for `replay`.
        capacity: blocks of both tiers.
        hot: blocks of the hot tier; half of the capacity by default.
        look_ahead: requests, 0 and up.

    Raises:
        FastprefillError: a negative number, or a hot tier larger than the capacity.
    """
    capacity, look_ahead = whole("the capacity", capacity), whole("look_ahead", look_ahead)
    order = _checked(requests, capacity)
    hot_lines = capacity // 2 if hot is None else whole("hot", hot)
    if not 0 <= hot_lines <= capacity:
        raise FastprefillError(f"a hot tier of {hot_lines} blocks in a cache of {capacity}")
    if look_ahead < 0:
        raise FastprefillError(f"look_ahead is {look_ahead} requests; it cannot be negative")
    upcoming = _next_uses(order)
    run = np.cumsum(np.diff(order, prepend=-1) <= 0).tolist()
    ids: list[int] = order.tolist()
    lines = _Lines(capacity, hot_lines)
    decisions: list[Decision] = []
    for request, block in enumerate(ids):
        found, victim = lines.take(block), None
        later = upcoming[request]
        kept = later < len(ids)
        if kept and lines.full:
            victim = lines.evict(later)
            kept = victim is not None
        if kept:
            lines.put(block, later, soon=run[later] <= run[request] + 1)
        ahead = []
        for other in range(request + 1, min(request + 1 + look_ahead, len(ids))):
            if lines.full:
                break
            if ids[other] not in lines:
                lines.pend(ids[other])
                ahead.append(ids[other])
        decisions.append(Decision(block, found, kept, victim, tuple(ahead)))
    return decisions


class _Lines:
    """The resident blocks of the liveness policy, each hot, cold or read ahead."""

    def __init__(self, capacity: int, hot: int) -> None:
        self._capacity = capacity
        self._hot_lines = hot
        self._hot: set[int] = set()
        self._cold: dict[int, int] = {}  # block to next use
        self._pending: set[int] = set()
        self._farthest: list[tuple[int, int]] = []  # heap of (-next use, block), outdated entries among them

    def __contains__(self, block: int) -> bool:
        return block in self._hot or block in self._cold or block in self._pending

    @property
    def full(self) -> bool:
        return len(self._hot) + len(self._cold) + len(self._pending) >= self._capacity

    def take(self, block: int) -> Literal["hit", "ahead", "miss"]:
        """Use a block; it is out of the cache until it is put back."""
        if block in self._pending:
            self._pending.remove(block)
            return "ahead"
        if block in self._hot:
            self._hot.remove(block)
            return "hit"
        return "miss" if self._cold.pop(block, None) is None else "hit"

    def put(self, block: int, next_use: int, soon: bool) -> None:
        if soon and len(self._hot) < self._hot_lines:
            self._hot.add(block)
        else:
            self._cold[block] = next_use
            heapq.heappush(self._farthest, (-next_use, block))

    def pend(self, block: int) -> None:
        self._pending.add(block)

    def evict(self, next_use: int) -> int | None:
        """Drop the cold block with the farthest next use, if that is after `next_use`."""
        while self._farthest and self._cold.get(self._farthest[0][1]) != -self._farthest[0][0]:
            heapq.heappop(self._farthest)
        if not self._farthest or -self._farthest[0][0] <= next_use:
            return None
        block = heapq.heappop(self._farthest)[1]
        del self._cold[block]
        return block


def _liveness(order: NDArray[np.int64], capacity: int) -> Statistics:
    decisions = liveness(order, capacity)
    found = [decision.found for decision in decisions]
    return Statistics(
        hits=found.count("hit"),
        misses=len(found) - found.count("hit"),
        evictions=sum(decision.victim is not None for decision in decisions),
        streamed=sum(decision.found == "miss" and not decision.kept for decision in decisions),
        ahead=found.count("ahead"),
        least=len(set(order.tolist())),
    )


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
    "liveness": _liveness,
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
    try:
        order = np.asarray(requests)
    except ValueError:
        raise FastprefillError("requests are lists of unequal lengths; they must be a list of block numbers") from None
    if order.size == 0:
        order = order.reshape(0).astype(np.int64)
    if order.ndim != 1 or order.dtype.kind not in "iu":
        raise FastprefillError(
            f"requests have shape {list(order.shape)} and type {order.dtype}; they must be a list of block numbers"
        )
    if (order > np.iinfo(np.int64).max).any():
        raise FastprefillError(f"a request for block {order.max()}; block numbers are below 2**63")
    if (order < 0).any():
        raise FastprefillError(f"a request for block {order.min()}; blocks count from 0")
    if capacity < 0:
        raise FastprefillError(f"the capacity is {capacity} blocks; it must be 0 or more")
    return order.astype(np.int64)
