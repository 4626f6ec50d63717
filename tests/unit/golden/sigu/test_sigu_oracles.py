"""SIGU against the selection of FlexPrefill's authors, as recorded in tests/data/flexprefill."""

import json
from pathlib import Path

import numpy as np
import pytest

from fastprefill.golden import sigu, traces

DATA = Path(__file__).resolve().parents[3] / "data" / "flexprefill"


@pytest.mark.parametrize("number", [1, 2, 3])
def test_the_recorded_selections(number):
    recorded = np.load(DATA / f"flexprefill_{number}.npz")
    parameters = json.loads(str(recorded["params"]))
    shape = tuple(recorded["mask_shape"])
    expected = np.unpackbits(recorded["mask"], count=int(np.prod(shape))).reshape(shape).astype(bool)
    made = traces.tensors(*(parameters[name] for name in ("seed", "tokens", "heads", "kv_heads", "head_dim")))
    chosen = sigu.select_blocks(
        made.q,
        made.k,
        **{name: parameters[name] for name in ("gamma", "tau", "min_budget", "block")},
    )
    assert chosen.mask.shape == shape
    np.testing.assert_allclose(chosen.sqrt_jsd, recorded["sqrt_jsd"], atol=0.002)
    np.testing.assert_array_equal(chosen.query_aware, recorded["sqrt_jsd"] < parameters["tau"])
    for head in range(shape[0]):
        common = (chosen.mask[head] & expected[head]).sum() / (chosen.mask[head] | expected[head]).sum()
        assert common >= 0.98, head
        assert chosen.mask[head].sum() <= 1.02 * expected[head].sum(), head
