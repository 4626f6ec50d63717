"""What SIGU holds: within its bound, and wide enough for the values that occur."""

import numpy as np
import pytest

from fastprefill.golden import traces
from fastprefill.golden.sigu import Registers, operands, state
from fastprefill.golden.sigu.__main__ import main
from fastprefill.golden.sigu.strip import Strip


@pytest.mark.parametrize("head_dim", [64, 128])
@pytest.mark.parametrize("block", [64, 128])
def test_at_most_32_kib_per_query_head_at_131072_tokens(head_dim, block):
    assert state.state_bytes(131_072, head_dim, block) <= 32 * 1024


def test_the_largest_arrays_grow_with_blocks_not_tokens():
    assert state.state_bytes(131_072, 64) < 10 * state.state_bytes(4096, 64)


def _bits(name, tokens):
    (found,) = [array.bits for array in state.arrays(tokens, 64) if array.name.startswith(name)]
    return found


@pytest.mark.parametrize("strength", [0.0, 1.0, 1000.0])
def test_values_fit_their_arrays(strength):
    """From uniform scores to saturated ones."""
    tokens = 2000
    made = traces.tensors(9, tokens, 1, 1, 64)
    queries, keys = operands.queries(strength * made.q[:, 0]), operands.keys(made.k[:, 0])
    registers = Registers.of(
        tokens, gamma=0.9, tau=0.1, min_budget=128, max_budget=None, block=128, compat=True, lanes=16
    )
    strip = Strip(queries, keys, registers)
    log_sum, means = strip.first_pass()
    mass = strip.second_pass(log_sum)
    signed = 1 << _bits("mean score", tokens) - 1
    assert np.abs(log_sum).max() < signed
    assert np.abs(means).max() < signed
    assert max(mass.vertical.max(), mass.slash.max()) < 1 << _bits("vertical mass", tokens)
    for line in mass.lines:
        assert line.mass.sum() < 1 << _bits("histogram of columns, later of pooled weights: sums", tokens)
        assert (
            line.count.sum()
            == tokens
            < 1 << _bits("histogram of columns, later of pooled weights: counts", tokens)
        )


def test_the_command_prints_the_table(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["sigu", "--tokens", "131072", "--head-dim", "128"])
    assert main() == 0
    printed = capsys.readouterr().out
    assert "1,024 x 32  vertical mass of each key block" in printed
    assert f"{state.state_bytes(131_072, 128):,} B  state in all" in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tokens", "0"], "0 tokens; streaming index generation takes 1"),
        (["--head-dim", "0"], "head_dim is 0"),
    ],
)
def test_the_command_refuses(arguments, message, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["sigu", *arguments])
    assert main() == 1
    assert message in capsys.readouterr().err
