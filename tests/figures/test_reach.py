"""The figure of sizes and budgets: limits of its lines, and a picture of few records."""

import numpy as np
import pandas as pd

from gapless.figures.reach import (
    ALPHAS_OF_RATE,
    BUDGETS,
    claims,
    growth_rate,
    limit,
    picture,
    reduce,
)
from gapless.losses import quartic
from gapless.theory.minima import minima


def test_the_limits_are_where_the_growth_at_minima_suffices():
    """Λ between the grid's α is that of the minima there, to the error of a cubic spline."""
    for budget in BUDGETS:
        alpha = limit(budget)
        one = minima(quartic, alpha)
        assert one.outlier is not None
        assert np.isclose(one.mu - one.outlier, np.log(2) / (2 * budget), rtol=2e-3)
        assert ALPHAS_OF_RATE[0] < alpha < ALPHAS_OF_RATE[-1]
    assert (np.diff(growth_rate()(np.array(ALPHAS_OF_RATE))) > 0).all()


def test_without_a_crossing_there_is_no_verdict_and_no_curve():
    n, runs = 64, 8
    table = pd.DataFrame(
        {
            **{"n": n, "m": 640, "alpha": 10.0, "seed": 0, "design": 0, "run": np.arange(runs)},
            **{"sensing": None, "outcome": "time_out", "t_max": 7.2, "t_1e-8": np.nan},
            **{"stopped_at": 7.2, "overlap_start": 0.1},
        }
    )
    reduced = reduce(table)
    assert {claim.verdict for claim in claims(reduced)} == {"cannot tell"}
    assert not any(panel.series for row in picture(reduced).rows for panel in row)
