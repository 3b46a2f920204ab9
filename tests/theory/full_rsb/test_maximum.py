"""The maximum of f: one step is 1RSB, f rises with every step, one maximum."""

from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from full_rsb_laws import LOSSES, maximum, rising
from gapless.losses import amplitude, quartic
from gapless.theory import ground_state
from gapless.theory.full_rsb.maximum import maximise
from gapless.theory.full_rsb.mesh import Resolution
from gapless.theory.full_rsb.recursion import entropy, recursion
from gapless.theory.roots import NotConverged


@pytest.mark.parametrize(("loss", "alpha"), LOSSES)
def test_one_step_is_the_ground_state_of_1rsb(loss, alpha):
    one = ground_state(loss, alpha)
    found = maximum(loss, alpha, Resolution(1, 1, 0.1, 30, 14), np.array([0.0, 1.0]))
    assert found.action.value == pytest.approx(one.energy, abs=1e-6)
    assert found.chi == pytest.approx(one.chi, rel=1e-4)
    assert found.z[0] == pytest.approx(one.z, rel=1e-4)


def test_f_rises_with_every_step():
    # Steps at nested overlaps: what one may do, the next may.
    fine = Resolution(1, 1, 0.1, 90, 10)
    nested = ([0, 1], [0, 0.6, 1], [0, 0.6, 0.9, 1], [0, 0.3, 0.6, 0.9, 1])
    f = [maximum(quartic, 10.0, fine, np.array(q, float)).action.value for q in nested]
    assert f[0] == pytest.approx(7.06390, abs=1e-5)
    # the mesh is right to 2e-6
    assert (np.diff(f) > 1e-5).all()
    assert f[-1] < 7.0706


@pytest.mark.slow
def test_two_steps_at_their_best_overlap():
    mesh = Resolution(1, 1, 0.1, 90, 9)

    def f(q):
        return -maximum(quartic, 10.0, mesh, np.array([0.0, q, 1.0])).action.value

    best: Any = minimize_scalar(f, bounds=(0.2, 0.7), method="bounded", options={"xatol": 0.03})
    assert f(best.x) == pytest.approx(-7.06977, abs=1e-5)


def test_the_maximum_is_one_and_its_z_rises():
    one = ground_state(quartic, 10.0)
    of = recursion(quartic, 10.0, Resolution(2, 1, 0.1, 60, 5), one.chi)
    starts = (np.full(of.mesh.middle.size, one.z), 3 * rising(of, one.z))
    first, second = (maximise(of, z, one.chi, one.z) for z in starts)
    assert first.action.value == pytest.approx(second.action.value, rel=1e-11)
    assert first.z == pytest.approx(second.z, rel=1e-3)
    assert (np.diff(first.z) > 0).all()
    # stationary in every rise of z: ∫_q^1 D dq = 0 at every q where z rises
    terms = entropy(of.mesh.step, first.z, first.chi)[1].sum()
    assert np.abs(np.cumsum(first.action.by_z[::-1])).max() < 1e-6 * terms


@pytest.mark.parametrize(("loss", "alpha"), [(quartic, 1.5), (amplitude, 4.0)])
def test_the_maximum_is_one_where_z_is_large_on_a_narrow_last_step(loss, alpha):
    # e^{zφ} pulls the field of the last step far; f without these fields has no maximum.
    one = ground_state(loss, alpha)
    of = recursion(loss, alpha, Resolution(2, 1, 1e-4, 60, 5), one.chi)
    starts = (np.full(of.mesh.middle.size, one.z), one.z * (0.5 + of.mesh.middle))
    first, second = (maximise(of, z, one.chi, one.z) for z in starts)
    assert first.action.value == pytest.approx(second.action.value, rel=1e-11)
    assert first.action.value > one.energy
    assert first.z[-1] > 10 * one.z


def test_the_maximum_is_found_from_where_f_is_not_concave():
    one = ground_state(amplitude, 10.0)
    of = recursion(amplitude, 10.0, Resolution(2, 1, 1e-3, 60, 5), one.chi)
    middle = of.mesh.middle
    starts = (one.z * (0.5 + middle), one.z * middle / (1 - middle) ** (5 / 8))
    first, second = (maximise(of, z, one.chi, one.z) for z in starts)
    assert first.action.value == pytest.approx(second.action.value, rel=1e-11)
    # BFGS updates keep it so
    assert np.linalg.eigvalsh(second.hessian)[0] > 0


def test_a_function_without_a_curvature_has_no_maximum_and_the_error_names_the_place():
    one = ground_state(quartic, 10.0)
    of = recursion(quartic, 10.0, Resolution(2, 1, 0.1, 60, 5), one.chi)
    z = np.full(of.mesh.middle.size, one.z)
    nothing = np.full((z.size + 1, z.size + 1), np.nan)
    with pytest.raises(NotConverged, match=r"alpha=10, chi=") as failed:
        maximise(of, z, one.chi, one.z, nothing)
    # a line of the terminal, and not a residual for each step
    assert len(str(failed.value)) < 200
    assert failed.value.residual.size == z.size + 1
