"""Losses: derivatives are those of the value, everything is even, names round-trip."""

import sys
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapless.design import Design
from gapless.flow import integrate
from gapless.loss_checks import check_float32
from gapless.losses import (
    amplitude,
    check_for_runs,
    loss_from_value,
    normalised,
    parse_loss,
    quartic,
)
from gapless.measure.simulation import Simulation
from gapless.problem import draw_problem
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


@pytest.mark.parametrize("loss", [*LOSSES, amplitude, normalised(0.123456789)], ids=repr)
def test_name_reads_back(loss):
    again = parse_loss(loss.name)
    assert again.name == loss.name
    assert again.value(1.3, 0.4) == loss.value(1.3, 0.4)


@pytest.mark.parametrize(
    "text", ["", "cubic", "normalised:b=1", "normalised:a=0", "normalised:a", "quartic:a=1"]
)
def test_unknown_losses_are_named(text):
    with pytest.raises(ValueError, match=r"^loss: "):
        parse_loss(text)


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


OWN = "def value(yhat, y):\n    return (yhat**2 - y**2) ** 2 / ({a} + y**2)\n\nnothing = 3\n"


def test_a_loss_of_ones_own_module_is_named_by_its_source(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*sys.path])
    (tmp_path / "my_first_losses.py").write_text(OWN.format(a=1))
    (tmp_path / "my_other_losses.py").write_text(OWN.format(a=2))
    own = parse_loss("my_first_losses:value")
    assert own.name.startswith("my_first_losses:value@")
    assert parse_loss(own.name) is parse_loss("my_first_losses:value") is own
    other = parse_loss("my_other_losses:value")
    assert other.name.partition("@")[2] != own.name.partition("@")[2]
    point = Simulation(n=16, alpha=4, seed=0, loss="my_first_losses:value")
    assert point.loss == own.name
    with pytest.raises(ValueError, match="not the one"):
        parse_loss("my_first_losses:value@0123456789ab")
    for text, words in (
        ("my_first_losses:nothing", "neither"),
        ("my_first_losses:missing", "has no missing"),
        ("no_such_module:value", "cannot import"),
    ):
        with pytest.raises(ValueError, match=f"^loss: .*{words}"):
            parse_loss(text)


def off(h, y):
    return h**2 - y**2


FORMS = {
    "root": (
        lambda h, y: jnp.sqrt(1 + off(h, y) ** 2) - 1,
        lambda h, y: off(h, y) ** 2 / (1 + jnp.sqrt(1 + off(h, y) ** 2)),
    ),
    "log cosh": (
        lambda h, y: jnp.logaddexp(off(h, y), -off(h, y)) - jnp.log(2.0),
        lambda h, y: jnp.where(
            jnp.abs(off(h, y)) < 4,
            jnp.log1p(2 * jnp.sinh(jnp.clip(off(h, y), -4, 4) / 2) ** 2),
            jnp.logaddexp(off(h, y), -off(h, y)) - jnp.log(2.0),
        ),
    ),
    "logarithm": (
        lambda h, y: jnp.log(1 + off(h, y) ** 2),
        lambda h, y: jnp.log1p(off(h, y) ** 2),
    ),
    "exponential": (
        lambda h, y: 1 - jnp.exp(-(off(h, y) ** 2)),
        lambda h, y: -jnp.expm1(-(off(h, y) ** 2)),
    ),
    "polynomial": (
        lambda h, y: h**4 - 2 * h**2 * y**2 + y**4,
        lambda h, y: off(h, y) ** 2,
    ),
}
"""Losses written as a difference of nearly equal numbers near ŷ = ±y, and without."""


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[pytest.mark.slow] * (n != "root")) for n in FORMS],
)
def test_float32_refuses_a_loss_whose_digits_cancel_and_takes_its_stable_form(name):
    cancelling, stable = (loss_from_value(form, name, -np.inf) for form in FORMS[name])
    check_for_runs(stable, "float32")
    with pytest.raises(ValueError, match=r"^loss: in float32 .* is off by .*log1p"):
        draw_problem(Design(16, 4, 0, runs=2), loss=cancelling)
    check_for_runs(cancelling, "float64")


def test_digits_that_cancel_are_missed_in_other_units_too():
    cancelling = loss_from_value(lambda h, y: 1e-9 * FORMS["root"][0](h, y), "root", -np.inf)
    with pytest.raises(ValueError, match=r"^loss: in float32 .* is off by"):
        check_for_runs(cancelling, "float32")


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMS)
def test_float32_passages_of_stable_forms_are_those_of_float64(name):
    loss = loss_from_value(FORMS[name][1], name)
    design = Design(n=64, alpha=12, seed=0, runs=16)
    narrow, wide = (
        integrate(draw_problem(design, loss=loss, dtype=dtype), design.start(), 6.0)
        for dtype in ("float32", "float64")
    )
    # a run that passes a saddle may part from its twin by rounding: the median is what is meant
    both = np.isfinite(narrow.passage[:, :3]) & np.isfinite(wide.passage[:, :3])
    assert (both.sum(axis=0) >= 8).all()
    for level in range(3):
        late = (narrow.passage / wide.passage)[both[:, level], level] - 1
        assert abs(np.median(late)) < 0.01
    assert (narrow.end.energy >= 0).all()


def test_built_in_losses_keep_their_digits_in_float32():
    for loss in (*LOSSES, amplitude, normalised(1e-12), normalised(1e11)):
        check_float32(loss.name, loss.functions)
        check_for_runs(loss, "float32")


@pytest.mark.slow
def test_losses_in_other_units_are_checked_alike():
    for scale in (1e-11, 1e11):
        own = loss_from_value(lambda h, y, s=scale: s * off(h, y) ** 2 / (0.1 + y**2), "scaled")
        assert own.curvature_infimum == pytest.approx(-4 * scale, rel=1e-6)
        with pytest.raises(ValueError, match="vanish at"):
            loss_from_value(lambda h, y, s=scale: s * (off(h, y) ** 2 + 1e-3), "scaled")
        with pytest.raises(ValueError, match="slope"):
            loss_from_value(lambda h, y, s=scale: s * jnp.abs(off(h, y)), "scaled")


def test_a_well_that_narrows_with_the_label_has_no_infimum():
    own = loss_from_value(lambda h, y: jnp.log1p(off(h, y) ** 2))
    assert own.curvature_infimum == -np.inf
