"""Roots in a bracket: the sign changes within rounding, and few evaluations are made."""

import math

import numpy as np
import pytest

from gapless.theory.roots import root_between

CASES = {
    "cubic": (lambda x: x**3 - 2, 0.0, 5.0),
    "exponential": (lambda x: math.exp(x) - 1e5, -5.0, 50.0),
    "many orders of magnitude": (lambda x: math.log(x / 3e-40), 1e-60, 1e10),
    "steep": (lambda x: math.tanh(50 * (x - 0.3)), -1.0, 1.0),
    "flat": (lambda x: (x - 0.1) ** 9, -1.0, 3.0),
    "jump": (lambda x: 1.0 if x > 1 / 3 else -1.0, 0.0, 1.0),
    "falling": (lambda x: 1 / x - 7, 1e-6, 1e6),
}


@pytest.mark.parametrize("name", CASES)
def test_the_function_changes_sign_within_rounding_of_its_root(name):
    function, low, high = CASES[name]
    evaluations = []

    def seen(x: float) -> float:
        evaluations.append(x)
        return function(x)

    root = root_between(seen, low, high)
    near = 4e-15 * abs(root)
    signs = {np.sign(function(root + step)) for step in (-near, 0.0, near)}
    assert 0.0 in signs or len(signs) > 1
    assert all(low <= x <= high for x in evaluations)
    # bisection halves the logarithm of no bracket: what it takes for the widest bounds the others
    assert len(evaluations) < 300


def test_ends_that_are_roots_are_returned():
    assert root_between(lambda x: x - 2, 2.0, 3.0) == 2.0
    assert root_between(lambda x: x - 3, 2.0, 3.0) == 3.0


def test_a_bracket_without_a_change_of_sign_and_nan_are_refused():
    with pytest.raises(ValueError, match="different signs"):
        root_between(lambda x: 1 + x * x, 0.0, 1.0)
    with pytest.raises(ValueError, match="NaN"):
        root_between(lambda x: math.nan if 0 < x < 1 else x - 0.5, 0.0, 1.0)
