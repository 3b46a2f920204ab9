"""The figure of readings on a model whose transition is known, from points to tables."""

import numpy as np

from gapless.figures import calibration, load
from gapless.page.image import render
from gapless.store import Store
from gapless.sweep import plan, run_in_process


def test_points_become_readings_with_their_bias(tmp_path):
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
