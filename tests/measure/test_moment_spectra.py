"""Moments of a run at which its spectrum is taken."""

import pytest

from gapless.measure.moment_spectra import Moment, parse_moment


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("random", Moment("random")),
        ("threshold", Moment("threshold")),
        ("time:0.5", Moment("time", 0.5)),
        ("energy:7", Moment("energy", 7.0)),
    ],
)
def test_a_moment_is_what_its_name_says(text: str, moment: Moment) -> None:
    assert parse_moment(text) == moment
    assert str(moment) == text


@pytest.mark.parametrize("text", ["", "now", "time", "time:x", "energy:-1", "random:3", "time:nan"])
def test_other_moments_are_refused_with_the_list(text: str) -> None:
    with pytest.raises(ValueError, match="at:"):
        parse_moment(text)
