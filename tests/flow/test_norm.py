"""A norm that is not known is fitted, from any estimate, for every loss."""

import numpy as np
import pytest

from gapless.flow import fit_norm, integrate
from gapless.flow.norm import TOLERANCE, radial_change
from gapless.losses import amplitude, normalised, quartic
from gapless.problem import problem_from_arrays

M, N = 160, 16
RNG = np.random.default_rng(8)
X = RNG.standard_normal((M, N))
SIGNAL = RNG.standard_normal(N)
NORM = float(np.linalg.norm(SIGNAL))
NEAR = SIGNAL + 0.1 * RNG.standard_normal((2, N))


@pytest.mark.parametrize(
    ("loss", "error"),
    [
        *((quartic, 0.9), (amplitude, 1.1)),
        pytest.param(normalised(1.0), 1.2, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_the_norm_is_that_of_the_signal_whatever_the_estimate(loss, error):
    """At α = 10 all runs from near the signal find it; the estimate is off by tens of per cent."""
    own = problem_from_arrays(X, (X @ SIGNAL) ** 2, loss=loss, start=NEAR)
    own = own.of_norm(error * NORM / own.norm)
    run = integrate(own.problem, own.start, 50.0)
    found = fit_norm(own, run, 50.0)
    assert found.fitted.all()
    np.testing.assert_allclose(found.own.norm, NORM, rtol=1e-4)
    w = found.own.signal(found.run.state.w)
    # zero energy is L/N ≤ 1e-8 s, and λ₁ > 0.1 s
    np.testing.assert_allclose(w * np.sign(w @ SIGNAL)[:, None], [SIGNAL] * 2, atol=2e-3)
    assert [str(one) for one in found.run.outcome] == ["interpolated"] * 2
    assert (found.run.gradients > run.gradients).all()
    assert (found.run.stopped_at > run.stopped_at).all()


def test_a_norm_that_is_right_is_left_alone():
    own = problem_from_arrays(X, (X @ SIGNAL) ** 2, norm=NORM, start=NEAR)
    run = integrate(own.problem, own.start, 50.0)
    assert np.abs(radial_change(own.problem, run.state.w)).max() < 10 * TOLERANCE
    found = fit_norm(own, run, 50.0)
    np.testing.assert_allclose(found.own.norm, NORM, rtol=1e-5)


def test_a_run_that_still_moves_keeps_its_estimate():
    own = problem_from_arrays(X, (X @ SIGNAL) ** 2, runs=2)
    run = integrate(own.problem, own.start, 0.01)
    found = fit_norm(own, run, 0.01)
    assert not found.fitted.any()
    np.testing.assert_array_equal(found.own.norm, own.norm)
    assert found.run is run


def test_the_radial_step_is_the_zero_of_the_slope():
    """Σ ℓ(sŷ, y) of the quartic loss is least at s² = Σŷ²y²/Σŷ⁴."""
    own = problem_from_arrays(X, (X @ SIGNAL) ** 2, start=NEAR)
    yhat, y = np.asarray(own.problem.student_labels(own.start)), np.asarray(own.problem.labels)
    w = own.problem.states(own.start) * 1.0
    exact = np.sqrt((yhat**2 * y**2).sum(axis=1) / (yhat**4).sum(axis=1))
    np.testing.assert_allclose(1 + radial_change(own.problem, w), exact, rtol=1e-6)
