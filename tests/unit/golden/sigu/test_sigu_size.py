"""Parameters of the hardware unit: what is refused, and the numbers that follow."""

import pytest

from fastprefill.errors import FastprefillError
from fastprefill.golden.sigu.size import Size

GOOD = {"rows": 16, "lanes": 2, "tile_keys": 16}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"block": 100}, "block is 100; a block has 16, 32, 64, 128 tokens"),
        ({"lanes": 1}, "lanes is 1; index generation takes 2, 4, 8, 16, 32, 64, 128 keys in a cycle"),
        ({"lanes": 3}, "lanes is 3; index generation takes 2"),
        ({"tile_keys": 24}, "tiles of 24 keys; choose a power of two from lanes = 2 to block = 128"),
        ({"tile_keys": 256}, "tiles of 256 keys"),
        ({"rows": 15}, "15 query rows in a cycle; choose a multiple of lanes = 2"),
        ({"rows": 24, "columns": 23}, "24 query rows in a cycle; .* at most the 23 columns of the matrix unit"),
        ({"choices": 5}, "5 pooled weights in a cycle; choose a divisor of rows = 16"),
        ({"group": 17}, "a group of 17 query heads; it has 1 to 16"),
        ({"longest": 1000}, "a longest prompt of 1000 tokens; choose a multiple of block = 128 above 256"),
        ({"longest": 256}, "a longest prompt of 256 tokens"),
        ({"longest": 131_072 + 128}, "a longest prompt of 131200 tokens; .* at most 131072"),
        ({"lanes": 8}, "16 query rows by 8 keys .*, behind 16 columns, make words of pooled weights of 4352 bits"),
        ({"rows": 32, "lanes": 4}, "32 query rows by 4 keys .* 4352 bits; a word has at most 4096: choose fewer"),
        ({"columns": 65}, "behind 65 columns, make words of products of 4160 bits"),
        ({"rows": 68, "lanes": 2, "columns": 68}, "words of pooled weights of 4624 bits"),
        ({"block": 16}, "8192 blocks of 16 tokens; index generation counts up to 2048 blocks"),
    ],
)
def test_what_is_refused(changes: dict[str, int], message: str) -> None:
    with pytest.raises(FastprefillError, match=message):
        Size(**{**GOOD, **changes})


def test_rows_that_do_not_divide_the_block_are_filled_up() -> None:
    size = Size(20, 4, 32, columns=23)
    assert (size.row_tiles, size.padding, size.key_groups, size.blocks) == (7, 12, 8, 1024)
    assert size.slots == 52  # 1,024 pooled rows, 20 at a time
    assert Size(**GOOD).slots == 64
    assert Size(**GOOD).columns == 16
    assert Size(**GOOD).choices == 2
