"""State evolution: thresholds and fixed points."""

import numpy as np
import pytest

from gapless.channels import complex_score
from gapless.theory.state_evolution import (
    alpha_of_fixed_point,
    next_square,
    score_square,
    thresholds,
    uninformed_overlap,
)
from sampling import SIGMAS


def test_weak_recovery_begins_at_one_half():
    tiny = 1e-6
    assert next_square(tiny, 0.495) < tiny < next_square(tiny, 0.505)
    assert thresholds().weak_recovery == 0.5
    assert alpha_of_fixed_point(tiny) == pytest.approx(0.5, abs=1e-5)
    assert uninformed_overlap(0.495) == 0 < uninformed_overlap(0.505)


def test_the_uninformed_overlap_grows_like_a_root_from_weak_recovery_on():
    assert uninformed_overlap(0.5) == 0
    # α(s) − ½ is linear in s to order s: through the place where the linear piece ends
    above = np.array([1e-8, 1e-6, 2.4e-6, 2.6e-6, 1e-5])
    found = np.array([uninformed_overlap(0.5 + one) for one in above])
    assert np.allclose(found**2 / above, found[0] ** 2 / above[0], rtol=1e-4)


def test_the_uninformed_fixed_point_jumps_where_its_branch_ends():
    end = thresholds()
    assert end.error < 1e-8
    assert end.algorithmic == pytest.approx(1.12847, abs=1e-5)
    # 1e-3 apart: below, a fixed point stops the iteration from 0; above, none does before q = 1
    grid = np.concatenate([np.geomspace(1e-4, 0.1, 5), np.linspace(0.2, 0.999, 15)])
    below = np.array([next_square(s, end.algorithmic - 5e-4) - s for s in grid])
    above = np.array([next_square(s, end.algorithmic + 5e-4) - s for s in grid])
    stop = uninformed_overlap(end.algorithmic - 5e-4)
    assert (above > 0).all()
    assert (below[grid < 0.1] > 0).all()
    assert 0.8 < stop < end.jump_from < 1
    assert next_square(stop**2, end.algorithmic - 5e-4) == pytest.approx(stop**2, abs=1e-12)
    assert next_square(end.jump_from**2, end.algorithmic - 5e-4) < end.jump_from**2


def test_exact_recovery_is_stable_above_one():
    # noiseless, V → 0: V′ = V/α
    for alpha in (0.99, 1.01):
        v = 1e-4
        assert ((1 - next_square(1 - v, alpha)) < v) == (alpha > 1)
    assert alpha_of_fixed_point(1 - 1e-5) == pytest.approx(1, abs=0.01)


def test_complex_weak_recovery_begins_at_one_and_exact_recovery_is_stable_above_two():
    tiny = 1e-6
    below, above = (next_square(tiny, alpha, field="complex") for alpha in (0.99, 1.01))
    assert below < tiny < above
    assert uninformed_overlap(0.99, "complex") == 0 < uninformed_overlap(1.01, "complex")
    # noiseless, V → 0: V′ = 2V/α
    for alpha in (1.98, 2.02):
        v = 1e-4
        assert ((1 - next_square(1 - v, alpha, field="complex")) < v) == (alpha > 2)
    found = thresholds("complex")
    assert (found.weak_recovery, found.information_theoretic) == (1, 2)


def test_the_complex_algorithmic_threshold_is_that_of_the_literature():
    end = thresholds("complex")
    # to the digits that are published
    assert end.algorithmic == pytest.approx(2.027, abs=5e-4)
    assert end.error < 1e-9
    # 1e-3 apart: below, a fixed point stops the iteration from 0; above, none does before q = 1
    grid = np.concatenate([np.geomspace(1e-4, 0.1, 5), np.linspace(0.2, 0.999, 15)])
    for alpha, passes in ((end.algorithmic - 1e-3, False), (end.algorithmic + 1e-3, True)):
        rise = [next_square(s, alpha, field="complex") - s for s in [*grid, end.jump_from**2]]
        assert (min(rise) > 0) == passes


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_the_complex_score_has_the_mean_square_of_random_labels(noise):
    rng = np.random.default_rng(0)
    s, draws = 0.4, 200_000
    parts = rng.standard_normal((3, draws)) + 1j * rng.standard_normal((3, draws))
    deviations = np.array([s, 1 - s, noise])[:, None]
    omega, rest, added = parts * np.sqrt(deviations / 2)
    square = complex_score(np.abs(omega), np.abs(omega + rest + added), 1 - s + noise) ** 2
    error = square.std() / draws**0.5
    assert score_square(s, noise, "complex") == pytest.approx(square.mean(), abs=SIGMAS * error)
