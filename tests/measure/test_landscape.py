"""States of the landscape as records."""

import pytest

from full_rsb_laws import COARSE_ENERGY
from gapless.losses import quartic
from gapless.measure.landscape import FLOOR, GROUND, MARGINAL, MINIMA, LandscapePoint
from gapless.theory import ground_state, threshold_state
from gapless.theory.full_rsb import state
from gapless.theory.minima import minima


@pytest.mark.slow
def test_records_are_the_states_at_one_alpha(monkeypatch):
    for name, resolution in COARSE_ENERGY.items():
        monkeypatch.setattr(state, name, resolution)
    point = LandscapePoint(alpha=10.0, levels=3)
    records = point.measure().to_pylist()
    assert len(records) == point.rows == len(point.failed("why").to_pylist())
    energies = [record["energy"] for record in records]
    top, bottom = minima(quartic, 10.0), minima(quartic, 10.0, deepest=True)
    assert [record["state"] for record in records] == [MINIMA] * 3 + [MARGINAL, GROUND, FLOOR]
    assert energies[1] == pytest.approx((top.energy + bottom.energy) / 2, rel=1e-9)
    known = [threshold_state(quartic, 10.0).energy, ground_state(quartic, 10.0).energy]
    assert energies[3:5] == pytest.approx(known, rel=1e-12)
    # the floor lies above the 1RSB ground state, which every further step raises
    assert energies[5] > energies[4]
    # Σ falls to zero on the way down, where dΣ/de = κ > 0
    sigma = [record["complexity"] for record in records[:3]]
    assert sigma[0] > sigma[1] > sigma[2] == pytest.approx(0, abs=1e-9)
    assert records[0]["border"] == pytest.approx(top.flags["border"], rel=1e-9)


def test_points_are_checked():
    with pytest.raises(ValueError, match="levels"):
        LandscapePoint(alpha=10.0, levels=1)
    with pytest.raises(ValueError, match="loss"):
        LandscapePoint(alpha=10.0, loss="nothing")
