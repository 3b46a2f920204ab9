"""The picture of `gapless spectrum --plot`."""

import numpy as np

from gapless.figures.spectrum import picture
from gapless.losses import normalised
from gapless.measure.crossing import CrossingPoint
from gapless.measure.moment_spectra import design_spectra, parse_moment


def test_the_picture_holds_what_the_records_do() -> None:
    point = CrossingPoint(n=48, alpha=8.0, seed=0, runs=3, loss="normalised:a=1", in_numpy=True)
    moment, loss = parse_moment("random"), normalised(1.0)
    found = design_spectra(point.design, moment, "teacher", loss, densities=True)
    records = found.table.to_pylist()
    density, lowest = picture(records, point, "random", "teacher").panels
    theory = {mark.name: mark.value for mark in density.marks}
    first = records[0]
    assert theory["λ₁"] == first["eigenvalues"][0]
    assert theory["edge"] == first["hessian_edge"]
    # the loss has an outlier at a random start, and the picture shows it
    assert theory["outlier"] == first["hessian_outlier"]
    values = np.array([record["eigenvalues"] for record in records])
    for k, series in enumerate(lowest.series[-3:]):
        np.testing.assert_array_equal(series.y, values[:, k])
    assert all(record["density"] is None for record in records[1:])


def test_without_a_run_at_the_moment_the_picture_says_so() -> None:
    point = CrossingPoint(n=16, alpha=8.0, seed=0, runs=2, in_numpy=True)
    shown = picture([{"reached": False}], point, "energy:0", "teacher")
    assert shown.panels == []
    assert "no run reached it" in shown.title
