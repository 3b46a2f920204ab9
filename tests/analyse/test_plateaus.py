"""The threshold energy of runs in the limit N → ∞."""

import numpy as np
import pytest

from gapless.analyse.plateaus import Plateau, Prediction, plateau_limits
from gapless.analyse.statistics import ClusteredMean


def _plateau(n: int, energy: float, error: float = 0.01) -> Plateau:
    mean = ClusteredMean(size=64, clusters=8, mean=energy, std=0.1, standard_error=error)
    return Plateau(
        n=n,
        m=10 * n,
        loss="quartic",
        t_max=1.0,
        at_rest=1.0,
        interpolated=0.0,
        drift=0.0,
        measured={"energy": mean},
        theory=Prediction(7.0, 6.5, (1.0, 1.0, 1.0, 1.0)),
    )


@pytest.mark.parametrize(("k", "column"), [(1.0, "limit_1"), (2 / 3, "limit_0.67")])
def test_each_law_is_continued_exactly(k, column):
    found = plateau_limits([_plateau(n, 7.3 - 5 * n**-k) for n in (256, 512, 1024)])
    assert abs(found[column][0] - 7.3) < 1e-12
    # the other exponent's limit is counted in the error
    row = found.iloc[0]
    assert row.limit_error > abs(row["limit_1"] - row["limit_0.67"]) / 2
    assert np.isclose(row.over_1rsb_percent, 100 * (row.limit / 7 - 1), rtol=1e-12)


def test_an_alpha_of_one_size_or_one_design_has_no_limit():
    assert plateau_limits([_plateau(256, 7.0)]).empty
    assert plateau_limits([_plateau(256, 7.0, np.nan), _plateau(512, 7.0, np.nan)]).empty
