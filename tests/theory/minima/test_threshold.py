"""α_BBP of the minima: where the border turns."""

import pytest

from gapless.losses import normalised, quartic
from gapless.theory.minima import minima, minima_threshold


def test_thresholds_are_where_the_border_turns():
    found = minima_threshold(normalised(1.0))
    for state, deepest in ((found.most_numerous, False), (found.deepest, True)):
        assert state is not None
        assert state.flags["border"] == pytest.approx(0, abs=1e-8)
        at = [minima(normalised(1.0), state.alpha * x, deepest=deepest) for x in (0.999, 1.001)]
        assert [one.flags["unstable"] for one in at] == [False, True]
        assert [one.outlier is None for one in at] == [True, False]


def test_published_thresholds_of_the_quartic_loss():
    # The paper's Figure 5: runs escape "in general before α ≈ 11".
    found = minima_threshold(quartic)
    assert found.most_numerous is not None
    assert found.deepest is not None
    assert found.most_numerous.alpha == pytest.approx(11.1613613, abs=1e-6)
    assert found.most_numerous.complexity > 0.03
    assert found.deepest.alpha == pytest.approx(13.4294352, abs=1e-6)
