"""What the flow loses between the transitions."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from gapless.figures import bbp
from gapless.measure.frames import FramesPoint
from gapless.page.image import render
from sampling import SIGMAS


def test_errors_of_runs_are_those_of_their_designs():
    """Runs of one X that agree count as one; times without a value have none."""
    of_designs = np.random.default_rng(3).normal(size=(5, 1))
    values = np.repeat(of_designs, 4, axis=0) * [1.0, 2.0, np.nan]
    group = pd.DataFrame({"design": np.repeat(np.arange(5), 4), "seed": 0, "x_t": list(values)})
    mean, error = bbp.series(group, "x_t")
    expected = of_designs.std(ddof=1) / 5**0.5
    np.testing.assert_allclose(mean, of_designs.mean() * np.array([1, 2, np.nan]))
    np.testing.assert_allclose(error, expected * np.array([1, 2, np.nan]))


@pytest.mark.slow
def test_information_is_lost_between_the_transitions_and_kept_above_both():
    # N is large enough for the overlap of the state to stay small while the outlier goes
    points = [
        FramesPoint(n=400, alpha=alpha, seed=0, runs=8, frames=9, loss=bbp.LOSS.name)
        for alpha in (3.5, 10.0)
    ]
    table = pa.concat_tables([point.measure() for point in points]).to_pandas()
    reduced = bbp.reduce(table)
    lost, kept = (claim.verdict for claim in bbp.claims(reduced))
    # eight runs cannot tell 38 % from a half
    assert lost in ("agrees", "cannot tell")
    assert kept == "agrees"
    assert len(render(bbp.picture(reduced)).axes) == 4
    for _, group in table.groupby("alpha"):
        # at t = 0 (q = 0 exactly) theory from the run's own labels holds; finite N adds a
        # bias of order N^(−2/3) ≈ 0.02 to the statistical error
        measured = np.array([values[0] for values in group.vector_overlap_1_t])
        exact = np.array([values[0] for values in group.outlier_overlap_t])
        error = (measured - exact).std(ddof=1) / len(group) ** 0.5
        assert abs((measured - exact).mean()) < SIGMAS * error + 400 ** (-2 / 3)
