"""The band of minima from points to page."""

import numpy as np
import pyarrow as pa
import pytest

from full_rsb_laws import COARSE_ENERGY
from gapless.figures import band, load
from gapless.measure.landscape import LandscapePoint
from gapless.measure.mean_field import MeanField
from gapless.measure.simulation import Simulation
from gapless.page.image import render
from gapless.theory.full_rsb import state


def few():
    """Points of all three kinds, few and short."""
    shuffled = dict(labels="shuffled", runs=4, seed=0, t_max=4.0, save_at=(2.0, 4.0))
    paths = dict(alpha=10.0, t_max=1.0, step=None, paths=512, seed=0)
    return [
        *(LandscapePoint(alpha=alpha, levels=3) for alpha in (9.0, 13.0)),
        *(MeanField.model_validate(paths | dict(path_set=path_set)) for path_set in range(2)),
        *(
            Simulation.model_validate(shuffled | dict(n=n, alpha=10.0, index=index, in_numpy=True))
            for n in (24, 32)
            for index in range(2)
        ),
    ]


@pytest.mark.slow
def test_the_band_goes_from_points_to_page(monkeypatch):
    for name, resolution in COARSE_ENERGY.items():
        monkeypatch.setattr(state, name, resolution)
    points = few()
    tables = [point.measure() for point in points]
    records = pa.concat_tables(tables, promote_options="default").to_pandas()
    found = band.reduce(records)
    assert found.band is not None
    names = [source.name for source in found.sources]
    assert names == ["runs, N = 24", "runs, N = 32", "runs, N → ∞", "N = ∞, t = 1"]
    axes = render(band.picture(found)).axes
    assert len(axes) == 2
    assert len(band.claims(found)) == len(found.sources)
    states, ends, lost = (table for _, table in band.tables(found))
    assert len(states) == 2 * (3 + 3)
    assert set(ends.source) == set(lost.source) == set(names)
    # no sign changes within the one α of these runs
    assert np.isnan(lost.alpha_bbp).all()
    # half-way through a sweep
    for part in (records[:6], records[12:], records[:0]):
        assert band.reduce(part).band is None
        assert not render(band.picture(band.reduce(part))).axes
    kinds = {type(point) for point in load("band").points("smoke", 0)}
    assert kinds == {type(point) for point in points}
