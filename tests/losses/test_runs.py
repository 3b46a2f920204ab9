"""Losses in the precision of runs: float32 keeps the digits of ℓ, or refuses the loss."""

import jax.numpy as jnp
import numpy as np
import pytest

from gapless.design import Design
from gapless.flow import integrate
from gapless.loss_checks import check_float32
from gapless.losses import amplitude, check_for_runs, loss_from_value, normalised, quartic
from gapless.problem import draw_problem


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
    for loss in (quartic, amplitude, *map(normalised, (1e-12, 0.01, 1.0, 5.0, 1e11))):
        check_float32(loss.name, loss.functions)
        check_for_runs(loss, "float32")
