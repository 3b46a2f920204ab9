"""Where curves of P(s < 0) cross: planted transitions are found within their errors."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from gapless.analyse.border import border_table, minima_table, transitions

CENTRE, OFFSET, SLOPE = 12.5, -0.1, 0.06
DRAWS = 16


def records(seed, centre=CENTRE, sizes=(64, 512, 4096), designs=16, runs=16):
    """Return minima whose s follows the law of finite sizes, with what runs of a design share."""
    rng = np.random.default_rng(seed)
    rows = []
    for n in sizes:
        for alpha in (10.0, 11.0, 12.0, 13.0, 14.0, 15.0):
            height = OFFSET + SLOPE * (alpha - centre) * n ** (1 / 3)
            for design in range(designs):
                common = 0.3 * rng.standard_normal()
                for run in range(runs):
                    own = common + (1 - 0.3**2) ** 0.5 * rng.standard_normal()
                    s = -(height + own) + 0.1 * rng.standard_normal(DRAWS)
                    rows.append(
                        {"n": n, "alpha": alpha, "seed": 0, "design": design, "run": run}
                        | {"outcome": "minimum", "schur": s, "energy": alpha, "limit": -height}
                        | {"lambda_1": 0.1, "time": 5.0}
                    )
    return pd.DataFrame(rows)


def test_a_planted_transition_is_found_within_its_error():
    # 0.1 of noise on top of a unit normal: slope and offset shrink, the crossing does not
    found = transitions(minima_table(records(0)))
    assert [one.sizes for one in found] == [(64, 512), (512, 4096), (64, 512, 4096)]
    # five standard errors: one false alarm in two million
    for one in found:
        assert abs(one.alpha - CENTRE) < 5 * one.error
    joint = found[-1]
    assert joint.error < found[0].error
    assert joint.level == pytest.approx(norm.cdf(OFFSET), abs=0.1)


@pytest.mark.slow
def test_the_error_is_that_of_repetitions():
    found = [transitions(minima_table(records(i, designs=8, runs=4)))[-1] for i in range(8)]
    spread = np.std([one.alpha for one in found], ddof=1)
    stated = np.mean([one.error for one in found])
    # spread/σ of 8 lies between 0.207 and 2.07 but for one in ten thousand each (χ² of 7)
    assert 1 / 2.07 < stated / spread < 1 / 0.207


def test_a_shift_of_alpha_shifts_the_transition():
    here = minima_table(records(0))
    moved = here.assign(alpha=here.alpha + 3)
    for one, other in zip(transitions(here), transitions(moved), strict=True):
        assert other.alpha == pytest.approx(one.alpha + 3, abs=1e-6)


def test_a_single_size_has_no_crossing_and_a_single_design_no_error():
    assert transitions(minima_table(records(0, sizes=(128,)))) == []
    found = transitions(minima_table(records(0, designs=1, runs=64)))
    assert all(np.isnan(one.error) for one in found)


def test_runs_that_are_no_minima_are_counted_apart():
    table = records(0, sizes=(128,), designs=2, runs=4)
    table.loc[table.index[:2], "outcome"] = ["saddle", "time_out"]
    row = border_table(table).iloc[0]
    assert row.minima == 6
    assert row.rest == pytest.approx(7 / 8)
    assert row.low <= row.unstable <= row.high


def test_the_error_of_a_share_is_that_of_repetitions_and_not_binomial():
    """Draws of signs of one minimum agree in the mean only: their share varies by less than 0/1."""
    rng = np.random.default_rng(1)

    def minima(n):
        # every minimum has s < 0 at each draw with chance P: Var(share) is P(1 − P)/16
        height = 0.06 * (np.repeat([10.0, 12.0, 14.0], 64) - 12) * n ** (1 / 3)
        s = rng.standard_normal((len(height), DRAWS)) - height[:, None]
        return pd.DataFrame(
            {"n": n, "alpha": np.repeat([10.0, 12.0, 14.0], 64), "seed": 0}
            | {"design": np.tile(np.arange(64) // 4, 3), "draws": DRAWS}
            | {"unstable": (s < 0).mean(axis=1)}
        )

    found = [transitions(pd.concat([minima(n) for n in (64, 512, 4096)]))[-1] for _ in range(8)]
    # binomial errors are four times too large, and χ² is a sixteenth of its degrees of freedom;
    # that of noisy errors, of 16 designs, is 15/13 of them
    mean = np.mean([one.chi2 / one.dof for one in found])
    assert abs(mean - 15 / 13) < 4 * 15 / 13 * np.sqrt(2 / (8 * found[0].dof))


def test_a_law_that_does_not_fit_has_a_larger_error():
    here = minima_table(records(0))
    # the smallest size has a floor: no law of one α_c and one slope
    bent = here.assign(unstable=here.unstable.where(here.n > 64, np.clip(here.unstable, 0.4, 1)))
    straight, crooked = transitions(here)[-1], transitions(bent)[-1]
    assert crooked.chi2 > 4 * crooked.dof
    # by five seeds 1.3 to 2.4; resampling alone gives 0.7 to 1.0
    assert crooked.error > 1.1 * straight.error


def test_shares_that_all_agree_have_a_finite_error():
    here = minima_table(records(0, sizes=(64, 512)))
    found = transitions(here.assign(unstable=here.unstable.where(here.alpha < 15, 1.0)))
    assert np.isfinite([one.alpha for one in found]).all()
