"""Points of the N → ∞ dynamics: their checkpoints."""

import numpy as np
import pytest

from gapless.figures import load
from gapless.measure import mean_field as experiment
from gapless.measure.checkpoint import checkpoints_in
from gapless.theory.dmft import combine


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


def test_the_error_from_steps_of_the_flow_contains_the_error() -> None:
    """Steps end at saved times: with the same ones, early steps of both accuracies are the same."""
    point = experiment.MeanField(alpha=4, t_max=0.2, step=None, paths=1024, seed=1, waiting=(0.1,))
    coarse = point.coarse()
    # the start, the waiting time and the end are among its times
    assert set(coarse.save_at) <= set(point.save_at)
    assert {0.0, 0.1, 0.2} <= set(coarse.save_at)
    assert len(coarse.save_at) < 0.6 * len(point.save_at)
    fine = experiment.solution_of(point)
    exact = experiment.solution_of(point.model_copy(update={"accuracy": 1e-4}))
    steps = combine([fine], [experiment.solution_of(coarse)]).steps["energy"]
    # third order: twice the step has eight times the error, and the difference seven
    late = point.save_at > 0.01
    inside = abs(fine.energy - exact.energy)[late] <= steps[late]
    # 0.75 to 1 of the times by seed; with the same saved times a third, the others' error being 0
    assert inside.mean() > 0.5


def test_a_set_of_paths_keeps_its_stored_name() -> None:
    """Records of older stores are found by their addresses, and read by their columns."""
    common = dict(alpha=6, t_max=0.2, step=0.01, paths=256, seed=3)
    point = experiment.MeanField.model_validate(common | {"path_set": 2})
    # the hash of the parameters under their stored names, at measurement version 1
    assert load("escape").address(point) == "8a119bafd9ab1ceb"
    assert point.identity()["replica"] == 2
    assert point.measure()["replica"].to_pylist() == [2]
