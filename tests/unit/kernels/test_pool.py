"""Pooled rows: broken kernels are noticed."""

from pathlib import Path

import pytest

from fastprefill.checks import contract
from fastprefill.checks.contract import Contract
from fastprefill.errors import FastprefillError
from fastprefill.frontend import load_module
from fastprefill.golden import pool as golden
from fastprefill.kernels import pool
from fastprefill.system.system import link

SOURCE = Path(pool.__file__)
SIZE = (8, 8, 2)
BROKEN = (
    ("top = max(top, exponent)", "top = exponent"),
    ("top: Int(8) = -128", "top: Int(8) = 0"),
    ("min(below, 16)", "min(below, 15)"),
    ("below: UInt(8) = top - own", "below: UInt(8) = own - top"),
    ("if t > 0:", "if t > 1:"),
    ("if w == 0:", "if t == 0:"),
    ("if t == length - 1:", "if t == block - 1:"),
    ("share = total * factors[length]", "share = total * factors[block]"),
    ("(share + HALF) >> RECIPROCAL_FRACTION", "share >> RECIPROCAL_FRACTION"),
    ("row[32 * e : 32 * e + 32]", "row[0:32]"),
    ("exponent + top - ALIGNMENT", "exponent + top"),
)  # fmt: skip


@pytest.mark.mutants
@pytest.mark.parametrize(("old", "new"), BROKEN)
def test_a_broken_kernel_is_noticed(old: str, new: str, tmp_path: Path) -> None:
    text = SOURCE.read_text()
    assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in the kernel"
    (tmp_path / "broken.py").write_text(text.replace(old, new))
    module = load_module(tmp_path / "broken.py")
    built = link(module.system(*SIZE))
    made = Contract("pool", lambda: built, lambda seed: golden.cases(seed, *SIZE))
    with pytest.raises(FastprefillError, match="pool"):
        contract.check(made, "interpreter", seed=4, folder=tmp_path)
