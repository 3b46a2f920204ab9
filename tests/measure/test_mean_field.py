"""Points of the N → ∞ dynamics: their checkpoints."""

import numpy as np
import pytest

from gapless.measure import mean_field as experiment
from gapless.measure.checkpoint import checkpoints_in


@pytest.mark.parametrize("step", [0.01, None])
def test_a_checkpoint_continues_to_the_same_bits(step, tmp_path, monkeypatch):
    point = experiment.MeanField(alpha=6, t_max=0.2, step=step, paths=256, seed=3, waiting=(0, 0.1))
    whole = experiment.solution_of(point)
    monkeypatch.setattr("gapless.measure.checkpoint.EVERY_S", 0.0)

    class Killed(Exception):
        pass

    def kill(_done=[0]):  # noqa: B006
        _done[0] += 1
        if _done[0] == 18:
            raise Killed

    with checkpoints_in(tmp_path), pytest.raises(Killed):
        experiment.solution_of(point, lambda _: kill())
    assert list(tmp_path.iterdir())
    with checkpoints_in(tmp_path):
        again = experiment.solution_of(point)
    np.testing.assert_array_equal(again.energy, whole.energy)
    np.testing.assert_array_equal(again.growth, whole.growth)
    np.testing.assert_array_equal(again.correlation, whole.correlation)
