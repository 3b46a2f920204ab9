"""The recursion: identities of f and of its gradient, one step as 1RSB, what is refused."""

from itertools import pairwise

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad

from full_rsb_laws import FEW, LOSSES, SMALL, rising
from gapless.losses import Loss, divided, loss_from_value, normalised, quartic
from gapless.quadrature import LEVELS
from gapless.theory import ground_state, replica
from gapless.theory.full_rsb.mesh import Resolution
from gapless.theory.full_rsb.recursion import entropy, label_at, recursion
from gapless.theory.label_measure import label_measure


def central_difference(function, x, step):
    far = function(x - 2 * step) - function(x + 2 * step)
    return (far + 8 * (function(x + step) - function(x - step))) / (12 * step)


def test_the_entropy_is_the_integral_of_one_over_lambda():
    rng = np.random.default_rng(1)
    step = rng.dirichlet(np.ones(5))
    z, chi = np.cumsum(rng.uniform(0.01, 2, 5)), 0.3
    ends = np.concatenate([[0], np.cumsum(step)])

    def level(p):
        beyond = np.clip(ends[1:] - np.maximum(ends[:-1], p), 0, None)
        return chi + float(z @ beyond)

    value, by_z, by_chi = entropy(step, z, chi)
    pieces = [quad(lambda p: 1 / level(p), a, b)[0] for a, b in pairwise(ends)]
    assert value == pytest.approx(-sum(pieces) / 2, rel=1e-12)
    for k in range(5):
        unit = np.eye(5)[k]
        slope = central_difference(lambda x, u=unit: entropy(step, z + x * u, chi)[0], 0.0, 1e-3)
        assert by_z[k] == pytest.approx(slope, rel=1e-9)
    slope = central_difference(lambda x: entropy(step, z, x)[0], chi, 1e-4)
    assert by_chi == pytest.approx(slope, rel=1e-9)


def test_the_entropy_of_small_z_does_not_cancel():
    step = np.array([0.2, 0.5, 0.3])
    for small in (1e-14, 1e-6):
        value, by_z, _ = entropy(step, np.full(3, small), 1.0)
        assert value == pytest.approx(-0.5, abs=small)
        # z → 0: ∂f/∂z_k = ½ ∫ q dq over step k
        ends = np.cumsum([0, *step])
        assert by_z == pytest.approx(np.diff(ends**2) / 4, rel=3 * small + 1e-12)


@pytest.mark.parametrize(("loss", "alpha"), LOSSES)
def test_the_adjoint_gradient_is_that_of_f(loss, alpha):
    # Nodes are fixed, so by_z is exact; by_chi is to the quadrature of the last step, 1e-8.
    unit = ground_state(loss, alpha)
    of = recursion(loss, alpha, Resolution(2, 1, 0.1, 70, 5), unit.chi)
    z, chi = rising(of, unit.z), 0.9 * unit.chi
    action = of.action(z, chi)
    for k in (0, z.size // 2, z.size - 1):
        step = 1e-3 * z[k]
        slope = central_difference(
            lambda x, k=k: of.action(np.where(np.arange(z.size) == k, x, z), chi).value, z[k], step
        )
        # rounding of f in the difference
        noise = 1e-14 * abs(action.value) / step
        assert action.by_z[k] == pytest.approx(slope, rel=1e-7, abs=10 * noise)
    slope = central_difference(lambda x: of.action(z, x).value, chi, 1e-3 * chi)
    assert action.by_chi == pytest.approx(slope, rel=1e-5)


@pytest.mark.parametrize(("loss", "alpha"), LOSSES)
def test_a_flat_z_is_one_step_of_breaking(loss, alpha):
    # f does not know where z might rise; at no saddle point either.
    fine = Resolution(1, 1, 0.1, fields=200, order=14)
    one = ground_state(loss, alpha)
    for chi, z in ((one.chi, one.z), (0.8 * one.chi, 1.4 * one.z)):
        of = recursion(loss, alpha, fine, chi, q=FEW)
        exact = replica.free_energy(label_measure(loss, chi, z, LEVELS[3]), alpha)
        assert of.action(np.full(5, z), chi).value == pytest.approx(exact, abs=1e-6)


@pytest.mark.parametrize(("loss", "alpha"), [(quartic, 2.5), *LOSSES])
def test_one_step_is_exact_where_a_large_z_pulls_the_field_out_of_its_gaussian(loss, alpha):
    # e^{zφ} moves the mean of the field by some of its standard deviations.
    one = ground_state(loss, alpha)
    of = recursion(loss, alpha, Resolution(1, 1, 0.1, 30, 14), one.chi, q=np.array([0.0, 1.0]))
    z = 10 * one.z
    exact = replica.free_energy(label_measure(loss, one.chi, z, LEVELS[3]), alpha)
    assert of.action(np.array([z]), one.chi).value == pytest.approx(exact, abs=1e-6)


@pytest.mark.parametrize(("loss", "alpha"), [(quartic, 10.0), (normalised(0.5), 4.0)])
def test_f_scales_with_the_loss(loss, alpha):
    # f of cℓ at (z, χ) is c f of ℓ at (cz, cχ).
    c = 0.25
    one = ground_state(loss, alpha)
    of = recursion(loss, alpha, SMALL, one.chi)
    scaled = recursion(divided(loss, 1 / c), alpha, SMALL, one.chi / c)
    z = rising(of, one.z)
    there = scaled.action(z / c, one.chi / c)
    here = of.action(z, one.chi)
    assert there.value == pytest.approx(c * here.value, rel=1e-9)
    assert there.by_z == pytest.approx(c**2 * here.by_z, rel=1e-6)


def test_a_jump_at_another_field_is_refused():
    wells = Loss(
        "wells",
        lambda h, y: ((h**2 - 1) * (h**2 - 9)) ** 2 / 64 + 0 * y,
        lambda h, y: h * (h**2 - 1) * (h**2 - 9) * (h**2 - 5) / 8 + 0 * y,
        lambda h, y: (7 * h**6 - 75 * h**4 + 177 * h**2 - 45) / 8 + 0 * y,
        -np.inf,
    )
    of = recursion(wells, 5.0, SMALL, 0.01)
    with pytest.raises(ValueError, match="field other than zero"):
        of.action(np.ones(of.mesh.step.size), 5.0)


def _robust(yhat, y):
    off = yhat**2 - y**2
    return off**2 / (1 + jnp.sqrt(1 + off**2))


@pytest.mark.parametrize("y", [1.9, 3.0, 5.0])
def test_a_label_is_found_past_a_bend_of_its_field(y: float) -> None:
    """r(h(place)) = place, also where Newton's steps leap to and fro across a bend of r."""
    loss, chi = loss_from_value(_robust), 0.5273
    place, teacher = np.linspace(0.01, 30.0, 997)[:, None], np.array([y])
    label = label_at(loss, chi, place, teacher, np.zeros(1))
    slope = 1 + chi / 2 * loss.d2(label, teacher)
    found = label + chi / 2 * loss.d1(label, teacher)
    # the label is exact to some units in its last place, which the slope of r enlarges
    assert np.all(np.abs(found - place) <= 1e-13 * (1 + label) * np.abs(slope))
