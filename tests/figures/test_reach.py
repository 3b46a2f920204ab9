"""The figure of sizes and budgets: limits of its lines, and a picture of few records."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.special import expit

from gapless.figures.reach import (
    ALPHAS_OF_RATE,
    BUDGETS,
    claims,
    growth_rate,
    limit,
    picture,
    reduce,
    tables,
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


def test_a_law_that_holds_is_agreed_with_and_one_that_bends_is_not():
    """Half of the runs are solved at a + b ln N, and at a + b (ln N)², at every budget."""

    def verdicts(law: Callable[[float], float]) -> list[str]:
        rng, parts = np.random.default_rng(0), []
        for n in (512, 4096, 32768, 262144):
            for alpha in np.arange(5.0, 13.0):
                solved = rng.random(1280) < expit(3 * (alpha - law(np.log(n / 512))))
                parts.append(
                    pd.DataFrame(
                        {
                            **{"n": n, "m": int(n * alpha), "alpha": alpha, "seed": 0},
                            **{"design": np.arange(1280) % 40, "run": np.arange(1280)},
                            **{"sensing": "fast", "outcome": "time_out", "overlap_start": 0.1},
                            **{"t_max": 1.2 * np.log2(n), "stopped_at": 1.2 * np.log2(n)},
                            "t_1e-8": np.where(solved, 0.1 * np.log2(n), np.nan),
                        }
                    )
                )
        reduced = reduce(pd.concat(parts, ignore_index=True))
        assert all(len(numbers) for _, numbers in tables(reduced)[:3])
        assert picture(reduced).rows
        return [claim.verdict for claim in claims(reduced)]

    assert verdicts(lambda x: 7 + 0.35 * x) == ["agrees"] * (len(BUDGETS) + 1)
    assert verdicts(lambda x: 6 + 0.1 * x * x) == ["differs"] * len(BUDGETS) + ["agrees"]


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
