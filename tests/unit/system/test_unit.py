"""What a unit refuses when it is made."""

import pytest

from fastprefill.errors import FastprefillError
from fastprefill.system import Unit


def region() -> None:
    """Never read."""


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": 5}, "a unit named 5; give a string"),
        ({"inputs": "xy"}, "inputs of unit 'u' are 'xy'; give a tuple of names of streams"),
        ({"outputs": (1,)}, "outputs of unit 'u' are (1,); give a tuple of names of streams"),
        ({"slr": "a"}, "the SLR of unit 'u' is 'a'; give an index from 0"),
        ({"slr": -1}, "the SLR of unit 'u' is -1; give an index from 0"),
        *(
            (
                {"limits": {"n": ends}},
                f"limits of 'n' of unit 'u' are {ends!r}; give the lowest and the highest value, or for the highest "
                "the name of another scalar",
            )
            for ends in (3, (3, None), (3, 4.5), ("m", 4), (1, 4, "m"), (1,), [1, 4])
        ),
    ],
)
def test_fields_of_another_type(fields: dict[str, object], message: str) -> None:
    with pytest.raises(FastprefillError) as caught:
        Unit(**{"name": "u", "region": region, **fields})  # type: ignore[arg-type]
    assert str(caught.value) == message
