"""Job lists: both halves hold the jobs of the mask, in memory and back, in the order of the attention engine."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastprefill.errors import FastprefillError
from fastprefill.golden import jobs


@st.composite
def masks(draw, largest=14):
    heads, blocks = draw(st.integers(1, 5)), draw(st.integers(1, largest))
    seed, density = draw(st.integers(0, 2**32 - 1)), draw(st.sampled_from([0.0, 0.1, 0.5, 1.0]))
    random = np.random.default_rng(seed)
    return (random.random((heads, blocks, blocks)) < density) & np.tri(blocks, dtype=bool)


@settings(deadline=None)
@given(masks())
def test_rows_and_columns_hold_the_jobs_of_the_mask(mask):
    listed = jobs.job_list(mask)
    heads, blocks, _ = mask.shape
    pairs = {}
    for number in range(blocks):
        row = listed.row_entries[listed.row_start[number] : listed.row_start[number + 1]]
        column = listed.column_entries[listed.column_start[number] : listed.column_start[number + 1]]
        for half, entries in (("row", row), ("column", column)):
            others = [int(entry) & 0xFFFF for entry in entries]
            assert others == sorted(set(others))
            for other, entry in zip(others, entries, strict=True):
                pair = (number, other) if half == "row" else (other, number)
                pairs.setdefault(pair, []).append(int(entry) >> 16)
        used = sum((int(entry) >> 16).bit_count() for entry in column)
        assert listed.use_count[number] == used == mask[:, :, number].sum()
    for (query, key), seen in pairs.items():
        assert seen == [sum(1 << h for h in range(heads) if mask[h, query, key])] * 2
    assert len(pairs) == mask.any(axis=0).sum()
    assert listed.jobs == mask.sum()
    np.testing.assert_array_equal(listed.mask(), mask)


@settings(deadline=None)
@given(masks())
def test_packed_and_unpacked_is_the_same(mask):
    listed = jobs.job_list(mask)
    image = jobs.pack(listed)
    assert len(image) % 4096 == 0
    assert jobs.unpack(image) == listed
    assert jobs.pack(jobs.unpack(image)) == image


def test_the_words_in_memory():
    mask = np.zeros((2, 3, 3), bool)
    mask[:, [0, 1, 2], [0, 1, 2]] = True
    mask[1, 2, 0] = True
    words = np.frombuffer(jobs.pack(jobs.job_list(mask)), "<u4").reshape(-1, 1024)
    assert words[0, :11].tolist() == [0x4C4A5046, 1, 3, 2, 4, 4096, 8192, 12288, 16384, 20480, 0]
    assert words[1, :4].tolist() == [0, 1, 2, 4]
    assert words[2, :4].tolist() == [0x30000, 0x30001, 0x20000, 0x30002]
    assert words[3, :4].tolist() == [0, 2, 3, 4]
    assert words[4, :4].tolist() == [0x30000, 0x20002, 0x30001, 0x30002]
    assert words[5, :3].tolist() == [3, 2, 2]


@settings(deadline=None)
@given(masks(6), st.data())
def test_a_flipped_bit_of_an_array_is_noticed(mask, data):
    listed = jobs.job_list(mask)
    words = np.frombuffer(jobs.pack(listed), "<u4").copy()
    lengths = (
        listed.blocks + 1,
        len(listed.row_entries),
        listed.blocks + 1,
        len(listed.row_entries),
        listed.blocks,
    )
    places = [int(words[5 + n]) // 4 + i for n, length in enumerate(lengths) for i in range(length)]
    words[data.draw(st.sampled_from(places))] ^= np.uint32(1 << data.draw(st.integers(0, 31)))
    with pytest.raises(FastprefillError, match="the job list"):
        jobs.unpack(words.tobytes())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda words: words[:8], "32 bytes; its header alone has 64"),
        (lambda words: np.r_[words[:1] + 1, words[1:]], "not a job list"),
        (
            lambda words: np.r_[words[:1], np.uint32([2]), words[2:]],
            "version 2; this program reads version 1",
        ),
        (lambda words: np.r_[words[:3], np.uint32([17]), words[4:]], "17 heads"),
        (lambda words: words[:2048], "does not fit there"),
        (lambda words: np.r_[words[:-1024], np.uint32([9]), words[-1023:]], "damaged"),
        (lambda words: np.r_[words[:2048], np.uint32([0x10003]), words[2049:]], "damaged"),
    ],
)
def test_a_bad_image_is_refused(change, message):
    words = np.frombuffer(jobs.pack(jobs.job_list(np.tri(4, dtype=bool)[None])), "<u4")
    with pytest.raises(FastprefillError, match=message):
        jobs.unpack(change(words).astype("<u4").tobytes())


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.ones((1, 2, 2), bool), "query block 0 has a job with key block 1"),
        (np.ones((2, 2), bool), r"shape \[2, 2\]"),
        (np.ones((1, 2, 3), bool), r"shape \[1, 2, 3\]"),
        (np.ones((17, 1, 1), bool), "17 heads and 1 blocks"),
        (np.ones((0, 1, 1), bool), "it must be"),
    ],
)
def test_a_bad_mask_is_refused(mask, message):
    with pytest.raises(FastprefillError, match=message):
        jobs.job_list(mask)


@settings(deadline=None)
@given(masks(), st.integers(1, 6), st.booleans(), st.booleans())
def test_requests_visit_every_job_once(mask, window, together, alternate):
    order = jobs.requests(jobs.job_list(mask), window, together=together, alternate=alternate).tolist()
    expected = []
    for part in [mask.any(axis=0)] if together else mask:
        for number, first in enumerate(range(0, mask.shape[1], window)):
            needed = [k for k in range(mask.shape[1]) if part[first : first + window, k].any()]
            expected += needed[::-1] if alternate and number % 2 else needed
    assert order == expected


def test_a_window_needs_a_query_block():
    with pytest.raises(FastprefillError, match="a window has 0 query blocks"):
        jobs.requests(jobs.job_list(np.ones((1, 1, 1), bool)), 0)
