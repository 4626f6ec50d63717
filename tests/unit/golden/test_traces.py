"""Made-up heads: the same as those that the recorded selections were made with."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from fastprefill.errors import FastprefillError
from fastprefill.golden import traces

DATA = Path(__file__).resolve().parents[2] / "data" / "flexprefill"


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_seed_gives_the_recorded_tensors(number):
    recorded = np.load(DATA / f"flexprefill_{number}.npz")
    parameters = json.loads(str(recorded["params"]))
    made = traces.tensors(*(parameters[name] for name in ("seed", "tokens", "heads", "kv_heads", "head_dim")))
    digest = hashlib.sha256()
    for tensor in (made.q, made.k):
        digest.update(np.round(tensor * 1024).astype(np.int32).tobytes())
    assert digest.hexdigest()[:16] == str(recorded["digest"])


@pytest.mark.parametrize("sizes", [(0, 2, 1, 64), (100, 3, 2, 64), (100, 2, 1, 63), (100, 2, 0, 64)])
def test_sizes_that_do_not_fit_are_refused(sizes):
    with pytest.raises(FastprefillError, match="cannot make"):
        traces.tensors(1, *sizes)
