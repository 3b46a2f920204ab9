"""Laws of the bulk: its edge and its density."""

from math import inf, nan

import numpy as np
import pytest

from gapless.labels import LabelLaw
from gapless.losses import normalised, quartic
from gapless.theory import (
    Curvatures,
    bulk,
    bulk_density,
    bulk_edge,
    threshold_state,
)
from spectra import atoms, gaussian_law, planted, second_derivative


@pytest.mark.parametrize("alpha", [1.5, 4.0, 30.0])
@pytest.mark.parametrize("c", [2.0, 0.3])
def test_constant_curvature_has_the_marchenko_pastur_edge(c, alpha):
    edge = bulk.edge(atoms(c / 2, alpha))
    assert edge.value == pytest.approx(c / 2 * (np.sqrt(alpha) - 1) ** 2, abs=1e-10)
    assert edge.square_root
    assert edge.pole == inf
    assert not edge.edge_from_one_atom


@pytest.mark.parametrize("alpha", [0.5, 1.0, 4.0])
def test_constant_negative_curvature_has_the_upper_edge_reflected(alpha):
    edge = bulk.edge(atoms(-1.0, alpha))
    assert edge.value == pytest.approx(-((np.sqrt(alpha) + 1) ** 2), rel=1e-12)


@pytest.mark.parametrize("alpha", [0.3, 1.0])
def test_positive_curvature_at_alpha_below_one_leaves_zero_modes(alpha):
    # M < N: N − M exact zeros, no root of F = 1, the edge is 0 and is no square-root edge.
    edge = bulk.edge(atoms([1.0, 2.0], alpha))
    assert (edge.value, edge.gamma, edge.square_root) == (0.0, inf, False)
    assert bulk.outlier(atoms([1.0, 2.0], alpha)).value is None


@pytest.mark.parametrize(("c", "alpha"), [(3.0, 2.0), (1.0, 0.5), (-2.0, 6.0)])
def test_constant_curvature_has_the_marchenko_pastur_density(c, alpha):
    low, high = sorted(c * (np.sqrt(alpha) + np.array([-1, 1])) ** 2)
    # Chebyshev points and the weight of the semicircle make the mass exact.
    angle = (np.arange(64) + 0.5) * np.pi / 64
    grid = (low + high) / 2 - (high - low) / 2 * np.cos(angle)
    exact = np.sqrt((high - grid) * (grid - low)) / (2 * np.pi * abs(c) * np.abs(grid))
    ours = bulk.density(atoms(c, alpha), grid)
    np.testing.assert_allclose(ours, exact, rtol=1e-6)
    mass = (ours * np.sin(angle)).sum() * (high - low) / 2 * np.pi / 64
    assert mass == pytest.approx(min(1, alpha), rel=1e-6)
    assert (bulk.density(atoms(c, alpha), np.array([low - 0.1, high + 0.1])) == 0).all()


def test_density_integrates_to_one_and_starts_at_the_edge():
    law = planted()
    edge = bulk.edge(law).value
    # Cubic grading at both ends of [edge, top]: the square root becomes smooth.
    top = 20.0
    while bulk.density(law, np.array([top - 1]))[0] == 0:
        top -= 1
    u, weight = np.polynomial.legendre.leggauss(200)
    grid = edge + (top - edge) * ((u + 1) / 2) ** 2
    mass = (bulk.density(law, grid) * (u + 1) / 2 * weight).sum() * (top - edge)
    assert mass == pytest.approx(1, abs=1e-4)
    below, above = bulk.density(law, np.array([edge - 1e-7, edge + 1e-7]))
    assert below == 0
    assert above > 0


@pytest.mark.parametrize(("loss", "alpha"), [(normalised(1.0), 10.0), (quartic, 10.0)])
def test_density_of_a_threshold_state_integrates_to_one(loss, alpha):
    # Top far beyond the support; the tail of the quartic d ~ 6ŷ² is cut where e^{−ŷ²/2} is 1e-9.
    state = threshold_state(loss, alpha)
    top = 600.0
    u, weight = np.polynomial.legendre.leggauss(120)
    share = (u + 1) / 2
    grid = state.bulk_edge + (top - state.bulk_edge) * share**4
    density = bulk_density(state.law, loss, alpha, grid)
    mass = (density * 4 * share**3 * weight / 2).sum() * (top - state.bulk_edge)
    assert mass == pytest.approx(1, abs=1e-3)
    assert (
        bulk_density(state.law, loss, alpha, state.bulk_edge - np.array([1.0, 1e-3])) == 0
    ).all()
    assert bulk_density(state.law, loss, alpha, state.bulk_edge + np.array([1e-2]))[0] > 0


def test_density_near_a_regular_edge_is_a_square_root_with_the_predicted_amplitude():
    law = planted()
    edge = bulk.edge(law)
    distance = 1e-6
    amplitude = np.sqrt(2 / abs(second_derivative(law, edge.gamma))) / np.pi
    ours = bulk.density(law, np.array([edge.value + distance]))[0]
    assert ours == pytest.approx(amplitude * np.sqrt(distance), rel=1e-2)


def test_density_solves_the_stieltjes_equation():
    law = planted()
    grid = np.linspace(bulk.edge(law).value + 0.1, 4.0, 7)
    for value in grid:
        gamma = 1j
        for _ in range(20_000):  # the plain iteration, with a small imaginary part
            gamma = 1 / (3.0 * (law.weight * law.d / (1 + gamma * law.d)).sum() - value - 1e-6j)
        assert bulk.density(law, np.array([value]))[0] == pytest.approx(
            gamma.imag / np.pi, rel=1e-4
        )


@pytest.mark.parametrize("scale", [0.01, 7.0])
def test_the_spectrum_scales_with_the_curvature(scale):
    law = planted()
    scaled = Curvatures(scale * law.d, law.y2, law.weight, law.alpha)
    assert bulk.edge(scaled).value == pytest.approx(scale * bulk.edge(law).value, rel=1e-11)
    before, after = bulk.outlier(law), bulk.outlier(scaled)
    assert after.value == pytest.approx(scale * before.value, rel=1e-11)
    assert after.overlap == pytest.approx(before.overlap, rel=1e-9)


def test_splitting_an_atom_changes_nothing():
    law = planted(size=50)
    d, y2, weight = (np.tile(a, 2) for a in (law.d, law.y2, law.weight / 2))
    split = Curvatures(d, y2, weight, 3.0)
    assert bulk.edge(split).value == pytest.approx(bulk.edge(law).value, rel=1e-12)


def test_a_single_negative_sample_is_flagged():
    calm = LabelLaw.from_run(np.ones(500), np.ones(500))
    assert not bulk_edge(calm, quartic, 4.0).edge_from_one_atom
    student, teacher = np.ones(500), np.ones(500)
    student[0], teacher[0] = 0.0, 6.0
    edge = bulk_edge(LabelLaw.from_run(student, teacher), quartic, 4.0)
    assert edge.edge_from_one_atom
    assert edge.gamma > 0.9 * edge.pole


@pytest.mark.parametrize("alpha", [0, -1, nan, inf])
def test_alpha_of_a_spectrum_must_be_a_positive_number(alpha):
    with pytest.raises(ValueError, match="positive number"):
        bulk_edge(gaussian_law(), normalised(1.0), alpha)


def test_curvatures_must_match_and_exist():
    for d, y2 in ((np.zeros(0), np.zeros(0)), (np.ones(2), np.ones(3))):
        with pytest.raises(ValueError, match="common length"):
            Curvatures(d, y2, np.ones(d.size), 2.0)
    with pytest.raises(ValueError, match="finite"):
        Curvatures(np.array([nan]), np.ones(1), np.ones(1), 2.0)
    with pytest.raises(ValueError, match="grid"):
        bulk_density(gaussian_law(), normalised(1.0), 2.0, np.array([nan]))


def test_a_multiplier_beyond_the_pole_is_refused():
    law = gaussian_law()
    known = bulk_edge(law, quartic, 8.0)
    assert bulk_edge(law, quartic, 8.0, known.gamma).value == pytest.approx(known.value, rel=1e-12)
    with pytest.raises(ValueError, match=r"^gamma_bar: must be at most the pole"):
        bulk_edge(law, quartic, 8.0, 2 * known.pole)
