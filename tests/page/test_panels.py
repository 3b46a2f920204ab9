"""What a picture shows is plain numbers."""

import numpy as np
import pytest

from gapless.page.panels import Axis, Print, Series, source_of


def test_symlog_axes_say_zero_and_powers_of_ten():
    ticks = Axis("t", "symlog", linear=0.05).ticks
    assert ticks is not None
    assert {-1, -0.1, 0, 0.1, 1, 10} <= set(np.round(ticks, 12))
    assert min(np.abs(ticks)[np.abs(ticks) > 0]) >= 0.05
    assert Axis("t", "symlog", ticks=(0, 3)).ticks == (0, 3)


def test_a_curve_has_columns_of_one_length():
    with pytest.raises(ValueError, match="columns of"):
        Series("a", [1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match="one end"):
        Series("a", [1, 2], [1, 2], low=[0, 1])


def test_a_source_names_what_the_records_have():
    records = {"loss": ["quartic", "quartic"], "n": [128, 64], "seed": [0, 0]}
    assert source_of(records) == "quartic loss, N = 64 and 128, seed 0"
    assert source_of({"loss": ["mine:own@0123abcd"]}) == "mine:own loss"
    assert source_of({"loss": ["quartic"], "paths": [9], "seed": [1]}) == (
        "quartic loss, N = ∞, seed 1"
    )
    assert source_of({"n": [np.nan, *range(10)]}) == "N = 0 to 9"
    assert source_of({}) == ""


@pytest.mark.parametrize("size", [{"width": 1.0}, {"width": np.nan}, {"font_size": 0.0}])
def test_a_size_that_nobody_can_read_is_refused_by_name(size):
    with pytest.raises(ValueError, match=next(iter(size))):
        Print(**size)
