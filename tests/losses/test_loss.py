"""Losses: derivatives are those of the value, everything is even."""

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapless.losses import (
    Loss,
    amplitude,
    check_consistent,
    check_for_runs,
    loss_from_value,
    normalised,
    quartic,
)
from settings import setting

LOSSES = [quartic, normalised(0.01), normalised(1.0), normalised(5.0)]
labels = st.floats(-6, 6)


@cache
def slope(function):
    """Return the derivative in ŷ by automatic differentiation, compiled once."""
    return jax.jit(jax.grad(function))


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
@given(yhat=labels, y=labels)
def test_derivatives_are_those_of_automatic_differentiation(loss, yhat, y):
    with jax.enable_x64(True):
        d1 = slope(loss.value)(yhat, y)
        d2 = slope(loss.d1)(yhat, y)
    # sums of at most four terms of this size, each rounded once
    size = 1 + abs(yhat) ** 4 / 0.01 + y**4 / 0.01
    assert abs(float(d1) - loss.d1(yhat, y)) < 1e-14 * size
    assert abs(float(d2) - loss.d2(yhat, y)) < 1e-14 * size


@pytest.mark.parametrize("loss", [*LOSSES, amplitude], ids=repr)
@given(yhat=labels, y=labels)
def test_labels_carry_no_sign(loss, yhat, y):
    assert loss.value(yhat, y) == loss.value(-yhat, y) == loss.value(yhat, -y)
    assert loss.d1(-yhat, y) == -loss.d1(yhat, y)
    assert loss.d2(-yhat, y) == loss.d2(yhat, y)


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
@given(yhat=labels, y=labels)
def test_curvature_stays_above_its_infimum(loss, yhat, y):
    assert loss.d2(yhat, y) >= loss.curvature_infimum


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_zero_exactly_at_the_label(loss):
    y = np.linspace(-3, 3, 13)
    assert (loss.value(y, y) == 0).all()
    assert (loss.value(-y, y) == 0).all()


def test_amplitude_has_constant_curvature_and_a_kink_that_points_up():
    y = np.array([0.5, 1.0, 2.0])
    np.testing.assert_array_equal(amplitude.value(-3 * y, y), 4 * y**2)
    for yhat in (-3.0, -1e-6, 1e-6, 3.0):
        np.testing.assert_array_equal(amplitude.d2(yhat * np.ones(3), y), 2.0)
    # the jump of the slope at ŷ = 0, −4|y|, is what d2 leaves out
    jump = amplitude.d1(1e-9 * np.ones(3), y) - amplitude.d1(-1e-9 * np.ones(3), y)
    np.testing.assert_allclose(jump, -4 * y, atol=1e-8)


def test_a_loss_of_value_alone_is_the_loss_written_out():
    own = loss_from_value(lambda yhat, y: (yhat**2 - y**2) ** 2 / (0.1 + y**2), "own")
    written = normalised(0.1)
    rng = np.random.default_rng(0)
    yhat, y = 4 * rng.standard_normal((200, 90)), rng.standard_normal((200, 1))
    for name in ("value", "d1", "d2"):
        mine, theirs = getattr(own, name)(yhat, y), getattr(written, name)(yhat, y)
        assert mine.dtype == np.float64
        assert mine.shape == (200, 90)
        # float64 throughout: at most a few roundings of terms as large as these
        scale = 1 + (yhat**2 + y**2) ** 2 / 0.1
        assert (np.abs(mine - theirs) < 1e-15 * 20 * scale).all()
        traced = jax.jit(getattr(own, name))(jnp.float32(1.5), jnp.float32(0.5))
        assert traced.dtype == jnp.float32
        assert float(traced) == pytest.approx(float(getattr(written, name)(1.5, 0.5)), rel=1e-5)
    # far out the infimum is reached like a/y²; the extrapolation is good to its square
    assert own.curvature_infimum == pytest.approx(-4, abs=1e-8)
    assert not setting("jax_enable_x64")


def test_an_unbounded_curvature_is_found_to_be_unbounded():
    own = loss_from_value(lambda yhat, y: (yhat**2 - y**2) ** 2)
    assert own.curvature_infimum == -np.inf


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (lambda h, y: (h - y) ** 2, "even in ŷ"),
        (lambda h, y: (h**2 - y**2) ** 2 * (1 + (y > 0)), "even in y"),
        (lambda h, y: (h**2 - y**2) ** 2 + 0.1, "vanish at"),
        (lambda h, y: -((h**2 - y**2) ** 2), "vanish at|nowhere negative"),
        (lambda h, y: jnp.log(jnp.cosh(h**2 - y**2)), "not finite"),
        (lambda h, y: jnp.abs(h**2 - y**2), "slope"),
        (lambda h, y: (h**2 - y**2) ** 2 * jnp.abs(h), "points down"),
        (lambda h: h, "elementwise"),
        *(
            pytest.param(*one, marks=pytest.mark.slow)
            for one in (
                (lambda h, y: jnp.sqrt((h**2 - y**2) ** 2), "not finite|slope"),
                (lambda h, y: ((h**2 - y**2) ** 2).sum(), "elementwise|even"),
            )
        ),
    ],
)
def test_a_loss_that_cannot_be_treated_is_refused_with_the_reason(value, words):
    with pytest.raises(ValueError, match=f"^loss: .*({words})"):
        loss_from_value(value)


@pytest.mark.slow
def test_losses_in_other_units_are_checked_alike():
    for scale in (1e-11, 1e11):
        own = loss_from_value(lambda h, y, s=scale: s * (h**2 - y**2) ** 2 / (0.1 + y**2), "scaled")
        assert own.curvature_infimum == pytest.approx(-4 * scale, rel=1e-6)
        with pytest.raises(ValueError, match="vanish at"):
            loss_from_value(lambda h, y, s=scale: s * ((h**2 - y**2) ** 2 + 1e-3), "scaled")
        with pytest.raises(ValueError, match="slope"):
            loss_from_value(lambda h, y, s=scale: s * jnp.abs(h**2 - y**2), "scaled")


def test_a_well_that_narrows_with_the_label_has_no_infimum():
    own = loss_from_value(lambda h, y: jnp.log1p((h**2 - y**2) ** 2))
    assert own.curvature_infimum == -np.inf


def test_an_infimum_is_any_real_number_or_minus_infinity():
    functions = quartic.value, quartic.d1, quartic.d2
    numbers: list[Any] = [-4, np.int64(-4), np.array(-4.0), np.float32(-4)]
    for number in numbers:
        assert Loss("of four", *functions, number).curvature_infimum == -4
    assert Loss("unbounded", *functions, np.float64("-inf")).curvature_infimum == -np.inf
    others: list[Any] = [True, np.inf, np.nan, "-4", [-4.0]]
    for other in others:
        with pytest.raises(ValueError, match=r"^loss: curvature_infimum"):
            Loss("of none", *functions, other)


@pytest.mark.parametrize("given", [[1], {}, "quartic", 3, None])
def test_what_is_no_loss_is_refused_whether_it_can_be_hashed_or_not(given):
    for judge in (check_consistent, lambda loss: check_for_runs(loss, "float32")):
        with pytest.raises(ValueError, match=r"^loss: must be a Loss"):
            judge(given)
