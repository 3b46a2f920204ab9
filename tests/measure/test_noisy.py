"""SGD and Langevin dynamics as points: agreement with the flow's descent, and cut time axes."""

from typing import Any

import numpy as np
import pytest

from gapless.algorithms import langevin, sgd
from gapless.measure.noisy import LangevinPoint, SGDPoint
from gapless.measure.simulation import Simulation
from gapless.problem import draw_problem

SMALL: dict[str, Any] = dict(n=24, alpha=6, seed=5, runs=3)


@pytest.mark.parametrize("sphere", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_without_noise_both_are_gradient_descent(sphere):
    """Whole batches, and temperature 0: the states of Euler's steps, up to their rounding."""
    common: dict[str, Any] = SMALL | dict(t_max=0.02, sphere=sphere, dtype="float64")
    m = SGDPoint(**common).design.m
    points = [SGDPoint(batch=m, **common), LangevinPoint(temperature=0.0, **common)]
    found = [point.measure().to_pylist() for point in points]
    # momentum 0 is descent, of the same rate here
    protocol = "heavy-ball:rate=1e-3,momentum=0"
    descent = Simulation(protocol=protocol, save_at=(0.0, 0.01, 0.02), **common)
    for run, expected in enumerate(descent.measure().to_pylist()):
        for records in found:
            record = records[run]
            at = [record["t"].index(pytest.approx(t)) for t in (0.0, 0.01, 0.02)]
            for name in ("energy_t", "overlap_t", "rho_t"):
                np.testing.assert_allclose(np.array(record[name])[at], expected[name], rtol=1e-9)
            assert record["outcome"] == expected["outcome"] == "time_out"


def test_parts_of_a_run_see_the_batches_and_the_noise_of_the_whole():
    point = SGDPoint(batch=50, **SMALL)  # two batches a pass, of 144 samples
    design = point.design
    problem, start, key = draw_problem(design, dtype="float64"), design.start(), design.key("x")
    sgd_of: dict[str, Any] = {"key": key, "rate": 1e-3, "batch": 50}
    for how in ({"replacement": False}, {"replacement": True}):
        whole = sgd(problem, start, steps=5, **sgd_of, **how)
        part = sgd(problem, start, steps=3, **sgd_of, **how)
        parts = sgd(problem, part, steps=2, first=3, **sgd_of, **how)
        np.testing.assert_allclose(parts, whole, rtol=1e-12, atol=1e-12)
        again = sgd(problem, part, steps=2, **sgd_of, **how)
        assert np.abs(np.asarray(again) - np.asarray(whole)).max() > 1e-3  # other batches
    thermal: dict[str, Any] = {"key": key, "rate": 1e-3, "temperature": 0.3}
    whole, energies = langevin(problem, start, steps=4, **thermal)
    part, early = langevin(problem, start, steps=2, **thermal)
    parts, late = langevin(problem, part, steps=2, first=2, **thermal)
    np.testing.assert_allclose(parts, whole, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(np.hstack([early, late]), energies, rtol=1e-12)


def test_the_mean_square_of_langevin_noise_without_the_sphere():
    """From one step, E|W(h) − W(0) − hV|² = 2ThN: noise on all N components, not on N − 1."""
    point = LangevinPoint(**{**SMALL, "runs": 64}, sphere=False, temperature=2.0)
    design, rate = point.design, 1e-4
    problem = draw_problem(design, dtype="float64", sphere=False)
    start = np.asarray(design.start(), float)
    drift = start + rate * np.asarray(problem.evaluate(start).velocity)
    found, _ = langevin(problem, start, key=design.key("x"), temperature=2.0, rate=rate, steps=1)
    square = ((np.asarray(found) - drift) ** 2).sum() / (2 * 2.0 * rate)
    # χ² of 64 × 24 degrees of freedom, within 5 standard deviations
    assert abs(square - 1536) < 5 * (2 * 1536) ** 0.5
