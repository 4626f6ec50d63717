"""Cuts without a sort, against sorting."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastprefill.golden.sigu.histogram import Histogram, fine_bin, largest, log_bin


def test_bins_have_eight_steps_per_octave_and_keep_the_order():
    values = np.array([0, 1, 255, 256, 287, 288, 511, 512, (1 << 39) - 1, 1 << 39, (1 << 40) - 1])
    assert log_bin(values).tolist() == [0, 0, 0, 0, 0, 1, 7, 8, 247, 248, 255]


def test_fine_bins_are_the_bits_below():
    # 1.001 1010 0101 1 in binary: three bits choose the bin, eight the place within it
    assert fine_bin(np.array([0b1001_1010_0101 << 20])).tolist() == [0b1010_0101]
    assert fine_bin(np.array([0b1001_1010_0101 >> 4])).tolist() == [0b1010_0000]


@settings(deadline=None)
@given(st.lists(st.integers(0, (1 << 40) - 1), min_size=1, max_size=60), st.integers(1, 1 << 16))
def test_the_cut_is_where_sorted_values_pass_the_target(values, gamma):
    array = np.array(values)
    histogram = Histogram()
    histogram.add(log_bin(array), array)
    cut = histogram.cut(histogram.target(gamma))
    target = sum(values) * gamma >> 16
    exact = int(np.count_nonzero(np.cumsum(np.sort(array)[::-1]) <= target))
    # values of one bin count as equal, so the two differ by no more than that bin holds
    assert abs(cut.count - exact) <= cut.inside
    assert 0 <= cut.share <= cut.inside
    assert cut.above == np.count_nonzero(log_bin(array) > cut.bin)
    if gamma == 1 << 16:
        assert cut.count == len(values)


def cut_of(values, gamma):
    histogram = Histogram()
    histogram.add(log_bin(values), values)
    return histogram.cut(histogram.target(round(gamma * 65536)))


def test_equal_values_are_shared_in_proportion():
    assert cut_of(np.full(1000, 1 << 20), 0.25).share == 250


@pytest.mark.parametrize("gamma", [0.1, 0.5, 0.9])
def test_values_that_are_spread_over_a_bin_are_counted_well(gamma):
    values = (2.0 ** (20 + np.arange(4000) / 32_000)).astype(np.int64)
    exact = np.count_nonzero(np.cumsum(np.sort(values)[::-1]) <= gamma * values.sum())
    cut = cut_of(values, gamma)
    assert cut.inside == 4000
    assert abs(cut.count - exact) <= 3
    assert cut.share - exact > 10


@settings(deadline=None)
@given(st.data())
def test_the_largest_are_those_of_a_stable_sort(data):
    few = st.sampled_from([0, 1, 255, 256, 65536, (1 << 32) - 1])
    values = np.array(
        data.draw(st.lists(st.one_of(few, st.integers(0, (1 << 32) - 1)), min_size=1, max_size=40))
    )
    count = data.draw(st.integers(0, len(values)))
    expected = np.zeros(len(values), bool)
    expected[np.argsort(-values, kind="stable")[:count]] = True
    np.testing.assert_array_equal(largest(values, count), expected)


@pytest.mark.parametrize("count", [0, 3, 8])
def test_the_first_of_equal_values_are_taken(count):
    assert largest(np.full(8, 77), count).tolist() == [i < count for i in range(8)]
