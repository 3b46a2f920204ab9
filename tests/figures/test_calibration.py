"""The figure of readings on a model whose transition is known, from points to tables."""

from pathlib import Path

import numpy as np
import pandas as pd

from gapless.figures import calibration, load
from gapless.page.image import render
from gapless.store import Store
from gapless.sweep import plan, run_in_process


def test_points_become_readings_with_their_bias(tmp_path, monkeypatch):
    # the measured zero lies where the models end, at x = 5.5
    monkeypatch.setitem(calibration.READ, "gain", (12.6, 0.38))
    figure = load("calibration")
    points = figure.points("smoke", 0)
    assert points == figure.points("smoke", 1)
    store = Store.open(tmp_path, {"experiment": "calibration"}, {})
    for count in (2, len(points)):  # cut, and resumed
        run_in_process(plan(figure, points[:count], store).tasks(), lambda receipt: None)
        table = store.read(figure.reads).to_pandas()
        found = figure.reduce(table)
        assert render(figure.picture(found)).axes
    curves = found.curves
    assert (np.diff(curves.x) > 0).all()
    assert (np.diff(curves.gain) > 0).all()
    # far above the transition the share has come to the outlier's overlap
    assert np.isclose(curves.share.iloc[-1], curves.outlier_overlap.iloc[-1], rtol=0.01)
    gain = found.corrected[found.corrected.reading == "gain"].iloc[0]
    # taking a bias off and putting it on again
    (line,) = found.bias[found.bias.reading == "gain"].to_dict("records")
    assert line["null"] < 0
    again = np.interp(gain.alpha, calibration.TRIED, [line[f"{a:g}"] for a in calibration.TRIED])
    assert np.isclose(gain.alpha + again, gain["read"], atol=0.1)
    (energy,) = found.energies.to_dict("records")
    assert energy["energy"] > energy["threshold"]


def test_the_distance_of_phase_retrieval_is_that_of_its_minima():
    place, slope = calibration.rate_slope()
    assert 11 < place < 13.5  # between the most numerous minima's and the deepest ones'
    assert 0.1 < slope < 0.4


def test_the_energies_of_descent_are_those_of_figure_4():
    """Their errors are those of the slope, so that a better table must be taken over."""
    results = Path(__file__).parents[2] / "docs/results"
    for row in pd.read_csv(results / "fig4_large_limits.csv").to_dict("records"):
        if row["alpha"] in calibration.DESCENT:
            assert abs(calibration.DESCENT[row["alpha"]] - row["limit"]) < row["limit_error"] / 4
