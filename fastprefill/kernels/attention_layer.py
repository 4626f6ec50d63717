"""One layer's attention: walker, KV cache, attention engine and quantisation between the movers of a memory.

    job lists --> lists --> walker --requests--> kv_cache --blocks--> load --> engine --> rows --> memory
                    |         |                     ^                  ^                             |
                    |         +-- q commands -----> |  movers  --------+                 finish <-- rows
                    +-- list commands               +-- addresses                          +--> quantise --> memory

What is in memory is of ``docs/layout.md``; the golden model is ``golden/attention_layer.py``. `movers` says which
streams go through which mover, and ``extern.memory_top`` makes a module of the system and its movers.
"""

from dataclasses import asdict

from fastprefill.golden.attention_layer import Size
from fastprefill.kernels import kv_cache, list_reader, walker, window_walker
from fastprefill.kernels.attention import engine, finish, load
from fastprefill.kernels.attention import rows as write_rows
from fastprefill.kernels.sfu import quantise
from fastprefill.system.mover import Memory, Mover
from fastprefill.system.system import System


def movers(size: Size) -> dict[str, Mover]:
    """The movers by name; each has a memory port of its own."""
    return {
        "lists": Mover("list_commands", "list_beats", "lists"),
        "next": Mover("next_commands", "next_beats", "lists"),
        "queries": Mover("query_commands", "query_beats", "queries"),
        "blocks": Mover("block_addresses", "block_beats", "keys_values", bytes=size.record.size),
        "rows": Mover("row_commands", "row_beats", "rows", writes=True, done="written"),
        "again": Mover("again_commands", "again_beats", "rows"),
        "result": Mover("result_commands", "result_beats", "result", writes=True),
    }


OF_WINDOWS = (
    ("walker.uses", "operands.uses", 2),
    ("walker.query_job", "operands.job", 2),
    ("walker.scale_job", "load.job", 2),
)
"""Connections that a window of one query block does without."""


def system(
    rows: int,
    columns: int,
    k_parallel: int,
    drain_rows: int,
    dim: int,
    block: int,
    beat_bits: int,
    blocks: int,
    group: int,
    lines: int,
    look_ahead: int = 4,
    window: int = 1,
    dsp_columns: int = 0,
    most_words: int = 1024,
) -> System:
    """From queries, keys, values and job lists in memory to the quantised result in memory.

    Scalars: ``tokens``, ``kv_heads``, ``group`` (query heads of a KV head); ``lists`` and ``list_stride``, ``queries``,
    ``keys_values``, ``rows`` and ``result``, byte addresses of what ``golden.attention_layer`` puts there; ``fraction``
    bits of attention's output, ``groups``, its scales for a token, and ``group_words`` of `beat_bits` / 32 elements for
    each; ``capacity`` and ``hot`` of the cache; and what follows from the lists: ``jobs``, ``query_blocks`` (those with
    jobs), with windows ``visits``. Outputs
    ``statistics``, of the cache, and ``fault``, of the walker: a job list with a fault ends the walk, and rows of query
    blocks not reached are zeros.

    Args:
        rows, columns, k_parallel, drain_rows, dim, block: of the engine, as for ``golden.attention_size.Size``.
        beat_bits: of all ports.
        blocks: most blocks of a prompt.
        group: most query heads of a KV head.
        lines: of the cache.
        look_ahead: requests that the cache looks ahead.
        window: query blocks that are open at a time with all heads of the group; with 1 the heads take turns.
        dsp_columns: columns of the matrix unit that are built on DSP slices.
        most_words: words of `beat_bits` / 32 elements that share a scale of the result, at most.

    Raises:
        FastprefillError: a size that one of the units cannot serve.
    """
    size = Size(
        rows, columns, k_parallel, drain_rows, dim, block, beat_bits, blocks, group, lines, look_ahead, window
    )
    attention, record = asdict(size.engine), size.record
    if window == 1:
        walks = walker.unit(blocks, group, block, dim, beat_bits, look_ahead)
    else:
        walks = window_walker.unit(blocks, group, block, dim, beat_bits, window, look_ahead)
    units = {
        "lists": list_reader.unit(blocks, group, block, beat_bits),
        "walker": walks,
        "kv_cache": kv_cache.unit(
            lines, look_ahead, record.size * 8 // beat_bits, beat_bits, size.record_stride
        ),
        "load": load.unit(**attention, beat_bits=beat_bits, window=size.states),
        **engine.parts(size.engine, dsp_columns, size.states),
        "rows": write_rows.unit(**attention, beat_bits=beat_bits, group=group, window=window),
        "finish": finish.unit(dim, beat_bits),
        "quantise": quantise.unit(beat_bits // 32, 32, most_words),
    }
    visits = "visits" if window > 1 else "jobs"
    connections = (
        *engine.connections(size.engine),
        ("lists.lengths", "walker.lengths", 2),
        ("lists.entries", "walker.entries", 2),
        ("lists.in_lists", "walker.in_lists", 2),
        ("walker.requests", "kv_cache.requests", 2),
        *(OF_WINDOWS if window > 1 else (("walker.count", "operands.count", 2),)),
        ("walker.repeats", "load.repeats", 2),
        ("walker.score_job", "softmax.job", 2),
        ("walker.state_job", "accumulate.job", 2),
        ("walker.targets", "rows.targets", 2),
        ("kv_cache.blocks", "load.kv_beats", 2),
        ("load.k", "operands.k", 2),
        ("load.v", "operands.v", 2),
        ("load.q", "operands.q", 2),
        ("load.key_scale", "softmax.key_scale", 2),
        ("load.row_scale", "softmax.row_scale", 2),
        ("load.value_sum", "accumulate.value_sum", 2 * size.engine.dim_tiles),
        ("normalise.y", "rows.y", 2),
        ("quantise.codes", "finish.codes", 2),
        ("quantise.scales", "finish.scales", 2),
    )
    names = {
        **{
            f"{unit}.{name}": name
            for unit in ("lists", "walker", "rows", "finish")
            for name in ("tokens", "kv_heads", "group")
        },
        **{f"{unit}.jobs": "jobs" for unit in ("operands", "turns", *size.engine.halves, "softmax", "accumulate")},
        **({"load.jobs": "jobs"} if window > 1 else {}),
        "operands.visits": visits,
        "load.visits": visits,
        **({"walker.visits": visits} if window > 1 else {}),
        **{f"{unit}.blocks": "query_blocks" for unit in ("load", "operands", "accumulate", "normalise")},
        "kv_cache.n": visits,
        "normalise.fraction": "fraction",
        "quantise.fraction": "fraction",
        "quantise.rows": "tokens",
        "quantise.groups": "groups",
        "quantise.words": "group_words",
        "finish.words": "group_words",
        "finish.groups": "groups",
        "lists.lists": "lists",
        "lists.list_stride": "list_stride",
        "walker.queries": "queries",
        "walker.jobs": "jobs",
        "walker.query_blocks": "query_blocks",
        "walker.fault": "fault",
        "kv_cache.base": "keys_values",
        "kv_cache.capacity": "capacity",
        "kv_cache.hot": "hot",
        "kv_cache.statistics": "statistics",
        "rows.base": "rows",
        "finish.base": "rows",
        "finish.result": "result",
        "lists.list_commands": "list_commands",
        "lists.list_beats": "list_beats",
        "lists.next_commands": "next_commands",
        "walker.next_beats": "next_beats",
        "walker.query_commands": "query_commands",
        "load.q_beats": "query_beats",
        "kv_cache.addresses": "block_addresses",
        "kv_cache.fetched": "block_beats",
        "rows.commands": "row_commands",
        "rows.beats": "row_beats",
        "finish.written": "written",
        "finish.row_commands": "again_commands",
        "quantise.x": "again_beats",
        "finish.commands": "result_commands",
        "finish.beats": "result_beats",
    }
    memory = Memory(
        movers(size),
        buffers={"lists": 0, "queries": group, "keys_values": 2, "rows": 4 * group, "result": group},
        status={"fault": 1, "statistics": 4},
    )
    return System(
        "attention_layer", units, connections, {**asdict(size), "dsp_columns": dsp_columns}, names, memory
    )
