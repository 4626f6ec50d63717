"""`fastprefill cache`: traces by name, policies with their gains apart, compute time against memory time."""

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from fastprefill import boards, caching, config
from fastprefill.caching import times
from fastprefill.caching.plot import svg
from fastprefill.cli import main
from fastprefill.errors import FastprefillError
from fastprefill.golden import jobs, kv_cache

ROOT = Path(__file__).resolve().parents[3]
RECORDED = ROOT / "tests/data/flexprefill/flexprefill_2.npz"


def run(*arguments: str) -> dict:
    result = CliRunner().invoke(main, ["cache", *arguments, "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_policies_on_a_recorded_trace(tmp_path: Path) -> None:
    picture = tmp_path / "cache.svg"
    found = run("--trace", str(RECORDED), "--parts", "4,1", "--plot", str(picture))
    trace = caching.load(str(RECORDED))[0]
    listed = jobs.job_list(trace.mask)
    rows = [row for row in found["rows"] if row["trace"] == trace.name]
    assert [(row["order"], row["setting"]) for row in rows] == [
        ("query-major", "1/4"), ("window 8", "1/4"), ("query-major", "1/1"), ("window 8", "1/1"),
    ]  # fmt: skip
    orders = {"query-major": jobs.requests(listed, 1, together=False), "window 8": jobs.requests(listed, 8)}
    for row in rows:
        requests = orders[row["order"]]
        assert row["requests"] == len(requests)
        for policy in kv_cache.POLICIES:
            result = kv_cache.replay(requests, row["capacity"], policy)
            assert row["hits"][policy] == result.hits / len(requests)
            assert row["over_least"][policy] == result.misses / result.least
        lru, ours = row["over_least"]["lru"], row["over_least"]["liveness"]
        assert row["policy_gain"] == lru / ours
    first, second = rows[:2]
    assert (first["order_gain"], second["order_gain"]) == (
        1,
        first["over_least"]["lru"] / second["over_least"]["lru"],
    )
    assert all(
        value == 1 for row in rows[2:] for value in row["over_least"].values()
    )  # the whole KV head fits
    drawn = ElementTree.parse(picture).getroot()
    assert len(drawn.findall(".//{*}polyline")) == 2 * 2 * 2 * len(kv_cache.POLICIES)


def test_kinds_of_traces(tmp_path: Path) -> None:
    packed = tmp_path / "list.jobs"
    mask = caching.traces.random_mask(0.3, 9, 3)
    packed.write_bytes(jobs.pack(jobs.job_list(mask)))
    assert np.array_equal(caching.load(str(packed))[0].mask, mask)
    made = caching.load("selected:2048", min_budget=256)[0]
    assert made.mask.shape == (4, 16, 16) and 0 < made.density <= 1
    sparse = caching.load("random:0.1:65536")[0]
    assert sparse.mask.shape == (1, 512, 512) and abs(sparse.density - 0.1) < 0.02
    assert sparse.mask[0].diagonal().all() and not np.triu(sparse.mask[0], 1).any()
    layers = caching.load(str(ROOT / "examples/tiny-llama"))
    assert len(layers) == 4 and all(trace.mask.shape == (2, 8, 8) for trace in layers)


@pytest.mark.long
def test_a_text_is_cut_at_the_context() -> None:
    """The longest that the small checkpoint reads; with our policy Belady's bytes on each layer."""
    layers = caching.load(str(ROOT / "examples/tiny-llama"), text=ROOT / "LICENSE", min_budget=256)
    assert [trace.blocks for trace in layers] == [32] * 4
    for row in caching.compare(layers, parts=(8, 4, 2)).rows:
        assert row.over_least["liveness"] <= 1.1 * row.over_least["belady"]


def test_the_setting_of_fast_prefill_is_added_at_128k() -> None:
    mask = np.eye(1024, dtype=bool)[None]
    found = caching.compare([caching.Trace("diagonal", "random", mask)], parts=(2,))
    settings = {row.setting: row.capacity for row in found.rows}
    # 16 MiB over strides of 17,408 and 33,792 bytes, an eighth for each KV head, or head after head
    assert settings == {
        "1/2": 512, "16 MiB / 8, d 64": 120, "16 MiB, d 64": 963, "16 MiB / 8, d 128": 62, "16 MiB, d 128": 496,
    }  # fmt: skip
    assert "16 MiB / 8, d 64" in found.text()
    assert svg(found).count("<polyline") == 16


def test_balance_by_hand() -> None:
    """One row computed anew, and the arithmetic of the last window at 128K."""
    found = run("--balance", "--contexts", "4096", "--densities", "0.2,1", "--window", "8")
    row = next(
        row for row in found["rows"]
        if (row["board"], row["density"], row["window"], row["capacity"]) == ("u280", 1, 8, 0)
    )  # fmt: skip
    # 32 x 33 / 2 pairs, 4 heads; windows of 8 visit 8, 16, 24 and 32 key blocks
    products = 528 * 4 * 2 * 128 * 128 * 64
    size = config.default_size(boards.load("u280"))
    rate = 3 * size.rows * size.columns * 8 * 250e6 * 0.85
    moved = 80 * 17_024 + 4 * 32 * 2 * 8448
    assert row["compute_ms"] == pytest.approx(1e3 * products / rate)
    assert row["memory_ms"] == pytest.approx(1e3 * moved / (0.8 * 460e9))
    assert 8 * 4 * 1024 * 2 * 128 * 128 * 64 == 68_719_476_736  # about 69 GMAC for 1,024 blocks
    for choice in found["choices"]:
        ratios = [
            row["ratio"] for row in found["rows"]
            if row["board"] == choice["board"] and row["window"] == choice["window"] and row["capacity"] == 0
        ]  # fmt: skip
        assert choice["capacity"] == 0 and choice["worst_ratio"] == min(ratios) >= 4
        assert choice["state_bytes"] == choice["window"] * 4 * 33_792


def test_a_slow_memory_needs_a_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """The choice is the smallest capacity that is enough, and none where none is."""
    arguments = {"contexts": (8192,), "densities": (0.2,), "windows": (4,), "parts": (8, 4, 2, 1)}
    ratios = {row.capacity: row.ratio for row in times.balance(["kv260"], **arguments).rows}
    assert sorted(ratios) == [0, 8, 16, 32, 64] and sorted(ratios.values()) == list(ratios.values())
    monkeypatch.setattr(times, "SPARE", (ratios[8] + ratios[16]) / 2)
    assert times.balance(["kv260"], **arguments).choices[0].capacity == 16
    monkeypatch.setattr(times, "SPARE", 1e9)
    found = times.balance(["kv260"], **arguments)
    assert found.choices[0].capacity is None and "none is enough" in found.text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give either --trace, once or several times, or --balance"),
        (["--trace", "random:0.1", "--balance"], "give either --trace"),
        (["--trace", "nothing"], "there is no trace 'nothing'; give selected:TOKENS (SIGU on made-up heads)"),
        (["--trace", "random:2"], "trace 'random:2': '2' is no number from 0 to 1"),
        (["--trace", "selected:many"], "'many' is no number from 128 to 1.04858e+06"),
        (["--trace", "random:0.1:1024", "--window", "1,2"], "--window 1,2 with --trace; give one number"),
        (
            ["--trace", "random:0.1:1024", "--window", "0"],
            "a window of 0 and capacities of 1/[16, 8, 4, 2, 1]",
        ),
        (["--balance", "--contexts", "99999999999"], "a context of 99999999999 tokens; the longest is 1048576"),
        (["--balance", "--parts", "3"], "--parts goes with --trace; leave it out"),
        (["--trace", "random:0.5:2048", "--board", "kv260"], "--board goes with --balance; leave it out"),
        (["--balance", "--contexts", "0"], "contexts [0], densities"),
        (["--balance", "--board", "zcu"], "zcu"),
    ],
)
def test_bad_input(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(main, ["cache", *arguments])
    assert result.exit_code == 1 and message in result.output


def test_recorded_masks_of_another_form(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", other=np.zeros(3))
    with pytest.raises(FastprefillError, match="holds other; recorded masks are mask, mask_shape and params"):
        caching.load(str(tmp_path / "x.npz"))
    with pytest.raises(FastprefillError, match="there is no trace to replay"):
        caching.compare([])
