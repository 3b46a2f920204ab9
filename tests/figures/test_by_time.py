"""Runs by time: incidences with their bands."""

import numpy as np
import pandas as pd
import pytest

from gapless.figures import by_time


def records(designs: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    time, runs = rng.uniform(0.2, 2.0, 60), np.arange(60)
    return pd.DataFrame(
        {"n": 64, "alpha": 7.0, "seed": 0, "design": runs % designs, "t_max": 1.8}
        | {"outcome": np.where(time < 1.8, "recovered", "time_out"), "stopped_at": 1.8}
        | {"overlap_start": rng.normal(size=60) / 8, "t_1e-8": np.where(time < 1.8, time, np.nan)}
    )


def test_a_curve_ends_at_the_fraction_of_the_runs_within_its_band():
    table = records(6)
    (curve,) = by_time.incidence_curves(table).each
    end = curve.share["solved"][-1]
    assert end == pytest.approx(table["t_1e-8"].notna().mean(), rel=1e-12)
    assert curve.low["solved"][-1] <= end <= curve.high["solved"][-1]
    # thirds of the runs: their mean is the whole
    assert np.mean([share[-1] for share in curve.by_start]) == pytest.approx(end, rel=1e-12)
    (panels,) = by_time.picture(by_time.incidence_curves(table)).rows
    assert [len(panel.series) for panel in panels] == [2, 3]
