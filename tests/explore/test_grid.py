"""The explorer's grids: what is shown is the library's, and the label densities are densities."""

import json

import numpy as np
import pytest

from gapless.explore import PARTS_BESIDE, theory_grid
from gapless.explore.grid import FLAGS, joint_density, label_masses
from gapless.losses import Loss, normalised, quartic
from gapless.theory import bbp_threshold, bulk_density, threshold_state

EDGES = np.linspace(0, 8, 161)


@pytest.mark.parametrize("loss", [quartic, normalised(1.0)], ids=lambda loss: loss.name)
def test_binned_labels_have_the_moments_of_the_law(loss):
    state = threshold_state(loss, 10.0)
    width = EDGES[1]
    density = label_masses(state.law, EDGES)[2].sum(axis=0) / width
    middle = EDGES[:-1] + width / 2
    assert abs(density.sum() * width - 1) < 1e-9
    # the midpoint rule of a bin: E ŷ² is short by width²/12, E|ŷ| by the kink at zero alone
    for power, name in ((1, "abs"), (2, "2")):
        assert abs((density * middle**power).sum() * width - state.moments[name]) < width**2


@pytest.mark.parametrize("loss", [quartic, normalised(1.0)], ids=lambda loss: loss.name)
def test_the_density_of_both_labels_has_the_law_of_each(loss):
    law = threshold_state(loss, 10.0).law
    density, width = joint_density(law, EDGES), EDGES[1]
    middle = EDGES[:-1] + width / 2
    teacher = np.sqrt(2 / np.pi) * np.exp(-(middle**2) / 2)
    # along |y| it is built from that law: the law of |ŷ| given y has mass 1
    np.testing.assert_allclose(density.sum(axis=0) * width, teacher, rtol=1e-6)
    # the midpoint rule in y, whose second derivatives are of order one
    alone = label_masses(law, EDGES)[2].sum(axis=0) / width
    assert abs(density.sum(axis=1) * width - alone).max() < width**2


def test_the_labels_given_y_are_those_of_its_nodes():
    law = threshold_state(quartic, 10.0).law
    size, weight, mass = label_masses(law, EDGES)
    np.testing.assert_array_equal(size, np.unique(np.abs(law.teacher)))
    # up to labels beyond the last edge, where y is large and its weight small
    np.testing.assert_allclose(mass.sum(axis=1), weight, rtol=1e-12, atol=1e-14)
    at = np.argmin(np.abs(size - 1.0))
    nodes = np.abs(law.teacher) == size[at]
    student, chance = np.abs(law.student[nodes]), law.weight[nodes] / weight[at]
    middle = (EDGES[1:] + EDGES[:-1]) / 2
    # a node lies in its interval, and both are within a bin of its middle
    error = abs(mass[at] @ middle / weight[at] - chance @ student)
    assert error < EDGES[1] + chance.max()


def test_a_grid_holds_what_theory_says(tmp_path):
    loss, alphas = normalised(1.0), (6.0, 10.0)
    told: list[float] = []
    grid = theory_grid(loss, alphas, told.append, tmp_path)
    assert sum(told) == len(alphas) + PARTS_BESIDE
    state = threshold_state(loss, 10.0)
    assert grid["alpha"] == list(alphas)
    assert grid["energy"][1] == state.energy
    assert grid["bulk_edge"][1] == state.bulk_edge
    # before and after −μ (Eq. 4)
    assert grid["hessian_edge"][1] == state.bulk_edge - state.mu
    assert grid["outlier"][0] is None
    assert grid["hessian_outlier"][1] == grid["outlier"][1] - grid["mu"][1]
    assert grid["readings"]["edge"] == bbp_threshold(loss).edge
    # the bulk begins at its edge; eigenvalues are kept with five digits, densities with four
    eigenvalues, density = np.array(grid["eigenvalues"][1]), np.array(grid["density"][1])
    assert density[eigenvalues < state.bulk_edge * (1 - 1e-5)].max() == 0
    inside = eigenvalues > state.bulk_edge + 0.1
    expected = bulk_density(state.law, loss, 10.0, eigenvalues[inside])
    np.testing.assert_allclose(density[inside], expected, rtol=1e-3)
    assert grid["flags"][1] == {name: state.flags[name] for name in FLAGS}
    # kept on disk, and the same when found there
    assert theory_grid(loss, alphas, cache=tmp_path) == json.loads(json.dumps(grid))
    assert len(list(tmp_path.iterdir())) == 1


def test_alpha_without_a_threshold_state_are_left_out():
    assert theory_grid(quartic, (0.5, 6.0))["alpha"] == [6.0]
    with pytest.raises(ValueError, match="no threshold state at these alpha"):
        theory_grid(quartic, (0.5,))


def test_an_odd_loss_is_refused():
    odd = Loss("odd", lambda h, y: h + y, lambda h, y: h, lambda h, y: h, 0.0)
    with pytest.raises(ValueError, match="not even"):
        theory_grid(odd, (6.0,))
