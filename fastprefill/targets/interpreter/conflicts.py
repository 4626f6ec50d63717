"""Whether the lanes of a nest may run statement by statement: no lane uses what another lane writes.

Two accesses to one array, at least one of them a store, conflict when two different lanes name the same
element and the order of the lanes would be changed: unrolled loops run lane after lane, vectors run statement
after statement. So a conflict is harmless when the earlier lane's access is also the earlier statement.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.ir import Operation, SSAValue

from fastprefill.targets.interpreter.values import NotVector, Value

_PAIRS = 1 << 22
"""Pairs of lanes that are compared one by one; larger nests must be told apart by cheaper means."""


@dataclass(frozen=True)
class Lane:
    """A loop of a nest with its number of iterations."""

    loop: Operation
    count: int


@dataclass(frozen=True)
class Access:
    """A load or store in a nest.

    Attributes:
        op: the op.
        array: what it accesses.
        index: its subscripts.
        path: the loops around it, outermost first.
        store: True for a store.
        private: loops around the declaration of the variable; each of their iterations has its own.
        mask: lanes that execute it, when known.
        kind: of a reduction: accesses of one kind commute with each other.
    """

    op: Operation
    array: SSAValue
    index: tuple[Value, ...]
    path: tuple[Lane, ...]
    store: bool
    private: int
    mask: NDArray[Any] | None
    kind: str


def check(accesses: list[Access]) -> None:
    """Raise ``NotVector`` when lanes depend on each other."""
    by_array: dict[SSAValue, list[Access]] = {}
    for access in accesses:
        by_array.setdefault(access.array, []).append(access)
    for group in by_array.values():
        for position, first in enumerate(group):
            for second in group[position:]:
                if (first.store or second.store) and not (first.kind and first.kind == second.kind):
                    _check_pair(first, second)


def _check_pair(first: Access, second: Access) -> None:
    """Compare two accesses, `first` not after `second` in the order of statements."""
    keys = _keys(first, second)
    (first_keys, first_lanes), (second_keys, second_lanes) = keys
    same_place = first.path == second.path and np.array_equal(first_keys, second_keys)
    if same_place and len(np.unique(first_keys)) == len(first_keys):
        return
    if len(first_keys) * len(second_keys) > _PAIRS:
        raise NotVector("too many lanes to compare")
    a, b = np.nonzero(first_keys[:, None] == second_keys[None, :])
    if first is second:
        if len(a) > len(first_keys):
            raise NotVector("two lanes write one element")
        return
    common = _common(first, second)
    earlier = _order(first_lanes[a, :common], first, common)
    later = _order(second_lanes[b, :common], second, common)
    if (earlier > later).any():  # the later statement's lane comes first: vectors would swap them
        raise NotVector("a lane uses what another lane writes")


def _order(lanes: NDArray[np.int64], access: Access, common: int) -> NDArray[np.int64]:
    position = np.zeros(len(lanes), dtype=np.int64)
    for axis in range(common):
        position = position * access.path[axis].count + lanes[:, axis]
    return position


def _common(first: Access, second: Access) -> int:
    count = 0
    for a, b in zip(first.path, second.path, strict=False):
        if a.loop is not b.loop:
            break
        count += 1
    return count


def _keys(first: Access, second: Access) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """For each access a number per lane, equal when the same element may be meant, and the lanes' positions."""
    columns: list[list[NDArray[np.int64]]] = [[], []]
    lanes = [_lanes(first), _lanes(second)]
    for axis in range(min(first.private, len(first.path), len(second.path))):
        for side in (0, 1):
            columns[side].append(lanes[side][:, axis])
    for a, b in zip(first.index, second.index, strict=True):
        parts = [
            _offsets(value, access, lane)
            for value, access, lane in ((a, first, lanes[0]), (b, second, lanes[1]))
        ]
        if parts[0] is not None and parts[1] is not None and parts[0][0] == parts[1][0]:
            columns[0].append(parts[0][1])
            columns[1].append(parts[1][1])
    keys = [np.zeros(len(lane), dtype=np.int64) for lane in lanes]
    for left, right in zip(*columns, strict=True):
        low = min(left.min(initial=0), right.min(initial=0))
        size = max(left.max(initial=0), right.max(initial=0)) - low + 1
        keys = [key * size + column - low for key, column in zip(keys, (left, right), strict=True)]
    return (keys[0], lanes[0]), (keys[1], lanes[1])


def _lanes(access: Access) -> NDArray[np.int64]:
    """Positions of the active lanes, [lanes, loops]."""
    shape = tuple(lane.count for lane in access.path)
    lanes = np.indices(shape, dtype=np.int64).reshape(len(shape), -1).T
    if access.mask is not None:
        extra = access.mask.ndim - len(shape)
        mask = access.mask.reshape(access.mask.shape[: len(shape)]) if extra > 0 else access.mask
        lanes = lanes[np.broadcast_to(mask, shape).ravel()]
    return lanes


def _offsets(value: Value, access: Access, lanes: NDArray[np.int64]) -> tuple[str, NDArray[np.int64]] | None:
    """A subscript as the name of a Python int and an offset for each lane; None when it depends on data."""
    if not value.axes:
        name, offset = (value.text, 0) if value.known is None else ("", int(value.known))
        return name, np.full(len(lanes), offset, dtype=np.int64)
    start, offsets = value.base if value.base else ("", value.known)
    if not isinstance(offsets, np.ndarray):
        return None
    shape = tuple(lane.count for lane in access.path)
    lane_offsets = np.broadcast_to(offsets.reshape(offsets.shape[: len(shape)]), shape)
    return start, np.asarray(lane_offsets[tuple(lanes.T)], dtype=np.int64)
