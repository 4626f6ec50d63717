"""SIGU: from scores of the last block of queries to the list of jobs, for the query heads that share a KV head.

Every stage is a unit of its own, in a file of its own; `system` joins them.
"""

from __future__ import annotations

import inspect
from dataclasses import asdict

from fastprefill.golden.sigu.size import Size
from fastprefill.kernels.sigu_stages import (
    choose,
    cut,
    decide,
    entries,
    largest,
    lines,
    logs,
    means,
    order,
    scan,
    score,
    settle,
    tally,
    weigh,
)
from fastprefill.system.system import Connection, System
from fastprefill.system.unit import Unit

_PORTS = {
    "score.products": "products",
    "score.key_scales": "key_scales",
    "score.query_scales": "query_scales",
    "decide.aware_4": "aware",
    "rows.header": "header",
    "rows.starts": "row_start",
    "rows.entries": "row_entries",
    "columns.starts": "column_start",
    "columns.entries": "column_entries",
    "columns.uses": "use_count",
}


def units(size: Size, readers: int = decide.READERS) -> dict[str, Unit]:
    """The stages by name; `readers` are told which heads are query-aware."""
    tallies, cuts = tally.unit(size), cut.unit(size)
    return {
        "order": order.unit(size),
        "score": score.unit(size),
        "weigh": weigh.unit(size),
        "logs": logs.unit(size),
        "means": means.unit(size),
        "lines": lines.unit(size),
        "column_tally": tallies,
        "diagonal_tally": tallies,
        "column_cut": cuts,
        "diagonal_cut": cuts,
        "decide": decide.unit(size, readers),
        "vertical": largest.unit(size, "sigu_vertical", forced_last=False),
        "slash": largest.unit(size, "sigu_slash", forced_last=True),
        "choose": choose.unit(size),
        "settle": settle.unit(size),
        "scan": scan.unit(size),
        "rows": entries.unit(size, "sigu_rows", by_key=False),
        "columns": entries.unit(size, "sigu_columns", by_key=True),
    }


def connections(size: Size) -> tuple[Connection, ...]:
    """The streams between the stages."""
    heads, masses = size.group, size.blocks
    return (
        ("order.control", "score.control", 2),
        ("score.scored", "weigh.scored", 2),
        ("score.sums", "means.sums", 2),
        ("weigh.sums", "logs.sums", 2),
        ("logs.logs", "weigh.logs", 2),
        ("weigh.weights", "lines.weights", 2),
        # a tile's sums come together, and go into the histogram one by one
        ("lines.columns", "column_tally.lines", 2 * size.key_groups),
        ("lines.diagonals", "diagonal_tally.lines", 2 * size.key_groups),
        ("column_tally.entries", "column_cut.entries", 2),
        ("diagonal_tally.entries", "diagonal_cut.entries", 2),
        ("column_tally.masses", "decide.masses", 2),
        ("diagonal_tally.masses", "slash.masses", 2),
        ("means.means", "decide.means", 2),
        ("column_cut.counts", "decide.column_counts", 2),
        ("diagonal_cut.counts", "decide.diagonal_counts", 2),
        ("decide.vertical", "vertical.masses", 2),
        ("decide.columns", "vertical.number", 2),
        ("decide.diagonals", "slash.number", 2),
        ("decide.aware_0", "order.aware", heads),
        ("decide.aware_1", "choose.aware", heads),
        ("decide.aware_2", "settle.aware", heads),
        ("decide.aware_3", "scan.aware", heads),
        # the scan takes all vertical blocks of a head before its slash blocks
        ("vertical.kept", "scan.vertical", 2),
        ("slash.kept", "scan.slash", 2),
        ("weigh.pooled", "choose.pooled", 2),
        ("choose.entries", "settle.entries", 2),
        ("settle.cuts", "choose.cuts", 2),
        ("choose.chosen", "scan.chosen", masses),
        ("scan.row_words", "rows.words", 2),
        ("scan.column_words", "columns.words", 2),
    )


def system(
    rows: int,
    lanes: int,
    tile_keys: int,
    block: int = 128,
    group: int = 4,
    longest: int = 131_072,
    columns: int = 0,
    choices: int = 0,
) -> System:
    """The unit for one KV head's group; the parameters are those of ``golden.sigu.size.Size``.

    Inputs ``products``, ``key_scales``, ``query_scales``; outputs the job list: ``header``, ``row_start``,
    ``row_entries``, ``column_start``, ``column_entries``, ``use_count``; and ``aware``, for each head whether it needs
    the products of pooled queries and keys.

    Raises:
        FastprefillError: a combination that the unit is not made for.
    """
    size = Size(rows, lanes, tile_keys, block, group, longest, columns, choices)
    parts = units(size)
    return System("sigu", parts, connections(size), asdict(size), names(parts))


def names(parts: dict[str, Unit]) -> dict[str, str]:
    """Ports of the system without the stage's name, and scalars that the stages share."""
    found = dict(_PORTS)
    for name, unit in parts.items():
        scalars = inspect.signature(unit.region).parameters
        found |= {f"{name}.{scalar}": scalar for scalar in scalars}
    return found
