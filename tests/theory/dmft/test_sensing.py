"""The sensing matrix, drawn direction by direction."""

import numpy as np
import pytest

from dmft_laws import finished, images, spread_bound, square
from gapless.losses import quartic
from gapless.theory.dmft import (
    Dynamics,
    GradientDescent,
    GradientFlow,
    PathDraws,
    Run,
    solve,
)
from gapless.theory.dmft.paths import QUASI
from gapless.theory.dmft.sensing import ROUNDING, Rows, Sensing, Vector


def test_residuals_bound_what_is_left_out():
    """Residuals shorter than ε lack their ξ: fields are off by a part ε of themselves at most."""
    dynamics, solver, times = Dynamics(square, 3.0), GradientDescent(0.05), 0.05 * np.arange(26)
    whole, rough = (
        [solve(dynamics, PathDraws(1024, 0, r), solver, times, residual=part) for r in range(16)]
        for part in (0.0, 1e-2)
    )
    change = np.array([b.energy / a.energy - 1 for a, b in zip(whole, rough, strict=True)])
    assert (abs(change.mean(axis=0)) < 1e-2 + spread_bound(change)).all()
    for a, b in zip(whole, rough, strict=True):
        assert b.directions < a.directions


@pytest.mark.parametrize("sampling", ["sobol", "random"])
@pytest.mark.parametrize("loss", [square, quartic], ids=lambda loss: loss.name)
def test_fields_are_orthonormal_to_their_sampling_error(loss, sampling):
    """ξ_j ⊥ q_1 … q_j; the Gram matrix of the ξ_j is 1 to 1/√P, and that of the first exactly.

    A force linear in ŷ makes each q_j depend, to rounding, on the fields before it.
    """
    alpha, paths = 3.0, 2**13
    draws, times = PathDraws(paths, 0, 0, sampling), np.array([0, 0.1, 0.4])
    begun = Run.begin(Dynamics(loss, alpha), draws, GradientFlow(1e-3), times, 0.0)
    system = finished(begun).state.system
    x = system.sensing[0]
    basis, lengths = x.basis.array().astype(float), np.array(x.lengths)
    fields = images(x) - lengths[:, None] * basis
    rounding = 20 * float(np.finfo(np.float32).eps)
    assert basis[1:] @ basis[1:].T == pytest.approx(np.eye(len(basis) - 1), abs=rounding)
    assert abs(np.tril(fields @ basis.T)).max() / np.sqrt(paths) < rounding
    gram = np.cov(np.vstack([system.y, fields]), ddof=0)
    # the square of a normal number has variance two; 7 errors are once in 10¹¹ entries
    assert abs(gram - np.eye(len(gram))).max() < 7 * np.sqrt(2 / paths)
    if sampling == "sobol":
        first = gram[:QUASI, :QUASI]
        assert first == pytest.approx(np.eye(QUASI), abs=rounding)
        assert abs(fields[: QUASI - 1].mean(axis=1)).max() < rounding


def test_products_with_x_and_its_transpose_are_adjoint():
    """⟨F, X w⟩ = N⟨XᵀF/N, w⟩ for a force whose product was drawn, to rounding."""
    paths, alpha = 512, 2.0
    x = Sensing.begin(PathDraws(paths, 3), 1, alpha, np.zeros((0, paths), np.float32), 0.0)
    x = x.with_direction()
    rng = np.random.default_rng(0)
    forces = rng.standard_normal((5, paths)).astype(np.float32)
    for one in forces:
        x, _ = x.resolved(x.times_transpose(one))
    w = Vector(rng.standard_normal(x.count), np.zeros(paths, np.float32))
    image, product = x.times(w), x.times_transpose(forces[-1])
    left, right = float(forces[-1] @ image), paths / alpha * (product @ w)
    rounding = 8 * float(np.finfo(np.float32).eps)
    assert abs(left - right) < rounding * np.linalg.norm(forces[-1]) * np.linalg.norm(image)
    # no part of it is left to be drawn
    assert float(np.linalg.norm(product.residual)) < 4 * ROUNDING * product.norm


def test_drawing_a_direction_leaves_the_matrix_as_it_was():
    """Two matrices that go on from one share its rows and nothing else."""
    rows = np.random.default_rng(0).standard_normal((70, 3)).astype(np.float32)
    one = Rows()
    versions = [one := one.added(row) for row in rows]
    other = versions[4].added(-rows[0])
    for count, version in enumerate(versions, 1):
        np.testing.assert_array_equal(version.array(), rows[:count])
    np.testing.assert_array_equal(other.array(), [*rows[:5], -rows[0]])
    np.testing.assert_array_equal([other[5], one[69]], [-rows[0], rows[69]])
