"""Losses: derivatives are those of the value, everything is even, names round-trip."""

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapless.losses import normalised, parse_loss, quartic

LOSSES = [quartic, normalised(0.01), normalised(1.0), normalised(5.0)]
labels = st.floats(-6, 6)


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
@given(yhat=labels, y=labels)
def test_derivatives_are_those_of_automatic_differentiation(loss, yhat, y):
    with jax.enable_x64(True):
        d1 = jax.grad(loss.value)(yhat, y)
        d2 = jax.grad(loss.d1)(yhat, y)
    # sums of at most four terms of this size, each rounded once
    size = 1 + abs(yhat) ** 4 / 0.01 + y**4 / 0.01
    assert abs(float(d1) - loss.d1(yhat, y)) < 1e-14 * size
    assert abs(float(d2) - loss.d2(yhat, y)) < 1e-14 * size


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
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


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
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
