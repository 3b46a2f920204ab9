"""Protocols by name: one spelling each, and mistakes by name."""

import pytest

from gapless.flow import PAPER, HeavyBall, NormalisedDescent, paper_budget, parse_protocol


def test_a_protocol_has_one_full_name_and_is_found_by_it():
    for text, solver in {
        "flow": None,
        "paper": PAPER,
        "heavy-ball": HeavyBall(2e-4, 0.9),
        "heavy-ball:momentum=.50": HeavyBall(2e-4, 0.5),
        "heavy-ball:momentum=0.5,rate=1e-3": HeavyBall(1e-3, 0.5),
        "normalised-descent:rate=0.01": NormalisedDescent(0.01),
    }.items():
        found = parse_protocol(text)
        assert found.solver == solver
        assert parse_protocol(found.name) == found
    assert parse_protocol("heavy-ball:momentum=.5,rate=2e-4").name == (
        parse_protocol("heavy-ball:rate=0.0002,momentum=0.5").name
    )


def test_the_time_of_normalised_descent_is_a_length_whatever_n():
    assert parse_protocol("heavy-ball").budget(256) == paper_budget(256)
    budgets = {parse_protocol("normalised-descent").budget(n) for n in (64, 256)}
    # of a path to the signal, an eighth of a great circle at least
    assert len(budgets) == 1
    assert budgets.pop() > 3.9


@pytest.mark.parametrize(
    "text",
    [
        *("", "sgd", "flow:rate=1", "heavy-ball:", "heavy-ball:rate", "heavy-ball:radius=2"),
        *("heavy-ball:rate=x", "heavy-ball:rate=1,rate=1", "heavy-ball:momentum=1"),
        *("normalised-descent:momentum=0.9", "normalised-descent:rate=0"),
    ],
)
def test_other_texts_are_refused_by_name(text):
    with pytest.raises(ValueError, match=r"^protocol: "):
        parse_protocol(text)
