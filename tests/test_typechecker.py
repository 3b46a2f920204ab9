"""Shapes are checked where a function or class names one, and nowhere else."""

from dataclasses import dataclass

import jaxtyping
import numpy as np
import pytest
from jaxtyping import Float

from typechecker import checked


def of_arrays(a: Float[np.ndarray, " N"], b: Float[np.ndarray, " N"] | None) -> float:
    return float(a.sum() if b is None else a @ b)


def of_numbers(a: float) -> float:
    return a


@dataclass
class Pair:
    """Two arrays of one length."""

    a: Float[np.ndarray, " N"]
    b: Float[np.ndarray, " N"]


# the decorator that the import hook puts before functions and classes of `gapless`
DECORATE = jaxtyping.jaxtyped(typechecker=checked)


@pytest.mark.parametrize("decorated", [of_arrays, Pair])
def test_lengths_that_differ_are_refused(decorated):
    decorated = DECORATE(decorated)
    decorated(np.ones(3), np.ones(3))
    with pytest.raises(jaxtyping.TypeCheckError):
        decorated(np.ones(3), np.ones(2))


def test_functions_of_numbers_stay_as_they_are():
    assert DECORATE(of_numbers) is of_numbers
