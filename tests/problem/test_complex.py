"""Complex signals: complex arithmetic, differences, the phase, and the values at random."""

import pickle

import numpy as np
import pytest

from gapless.algorithms import langevin, sgd
from gapless.design import Design
from gapless.linalg import times_i
from gapless.losses import amplitude, normalised, quartic
from gapless.measure.border import planted_border
from gapless.problem import (
    ComplexProblem,
    as_complex,
    as_real,
    complex_problem,
    draw_problem,
)
from gapless.sphere import normalise
from sampling import SIGMAS, mean_over_designs

N = 12
IN_NUMPY = Design(n=N, alpha=4, seed=1, runs=3, field="complex", in_numpy=True)
COMPILED = Design(n=N, alpha=4, seed=1, runs=3, field="complex")
LOSSES = [quartic, normalised(0.5), amplitude]


def drawn(design, loss=quartic):
    problem = draw_problem(design, "teacher", loss, dtype="float64")
    with problem.computing():
        # draws are in float32: on the sphere to the digits of float64
        return problem, normalise(problem.states(design.start()))


def turned(w, angle):
    return np.cos(angle) * np.asarray(w) + np.sin(angle) * times_i(np.asarray(w))


@pytest.mark.parametrize(
    ("design", "loss"),
    [
        *((IN_NUMPY, loss) for loss in LOSSES),
        pytest.param(COMPILED, quartic, marks=pytest.mark.slow),
    ],
)
def test_all_quantities_are_those_of_complex_arithmetic(design, loss):
    problem, state = drawn(design, loss)
    rows = np.asarray(problem.sensing)
    x, w, signal = rows[:, :N] + 1j * rows[:, N:], as_complex(state), as_complex(problem.teacher)
    np.testing.assert_allclose(np.linalg.norm(w, axis=1) ** 2, N, rtol=1e-6)
    yhat, y = w @ x.conj().T, signal @ x.conj().T
    r, s = np.abs(yhat), np.abs(y)
    np.testing.assert_allclose(problem.labels, s, rtol=1e-12)
    np.testing.assert_allclose(problem.student_labels(state), r, rtol=1e-12)
    here = problem.evaluate(state)
    energy, mu = loss.value(r, s).sum(axis=1) / (2 * N), (loss.d1(r, s) * r).sum(axis=1) / (2 * N)
    for found in (problem.energy(state), here.energy):
        np.testing.assert_allclose(found, energy, rtol=1e-12)
    for found in (problem.multiplier(state), here.mu):
        np.testing.assert_allclose(found, mu, rtol=1e-11, atol=1e-12)
    gradient = (loss.d1(r, s) / (2 * r) * yhat) @ x
    velocity = mu[:, None] * w - gradient
    np.testing.assert_allclose(as_complex(problem.gradient(state)), gradient, atol=1e-11)
    np.testing.assert_allclose(as_complex(here.velocity), velocity, atol=1e-11)
    np.testing.assert_allclose(here.speed2, (np.abs(velocity) ** 2).sum(axis=1) / N, rtol=1e-11)
    overlap = np.abs((signal.conj() * w).sum(axis=1)) / N
    np.testing.assert_allclose(problem.overlap(state), overlap, rtol=1e-6)
    law = problem.label_law(state, 0)
    assert law.energy(loss, problem.alpha) == pytest.approx(energy[0])
    assert law.multiplier(loss, problem.alpha) == pytest.approx(mu[0])


@pytest.mark.parametrize("loss", [quartic, normalised(0.5)], ids=repr)
def test_gradient_and_hessian_are_those_of_finite_differences(loss):
    problem, w = drawn(IN_NUMPY, loss)
    v = np.random.default_rng(0).standard_normal(w.shape)
    # truncation h² f‴/6 against rounding ε f/h: 1e-10 and 1e-11 at h = 1e-5, of values up to 1e3
    h = 1e-5
    slope = (problem.energy(w + h * v) - problem.energy(w - h * v)) / (2 * h)
    # L′ = Σ ℓ is N′e on the 2N components of a state
    exact = (problem.gradient(w) * v).sum(axis=1) / (2 * N)
    np.testing.assert_allclose(slope, exact, rtol=1e-6, atol=1e-7)
    image = (problem.gradient(w + h * v) - problem.gradient(w - h * v)) / (2 * h)
    image -= problem.multiplier(w)[:, None] * v
    np.testing.assert_allclose(problem.hessian_product(w, v), image, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_a_phase_is_not_observed_and_iw_is_its_zero_mode(loss):
    problem, w = drawn(IN_NUMPY, loss)
    here, there = problem.evaluate(w), problem.evaluate(turned(w, 0.7))
    np.testing.assert_allclose(there.energy, here.energy, rtol=1e-12)
    np.testing.assert_allclose(there.velocity, turned(here.velocity, 0.7), atol=1e-11)
    np.testing.assert_allclose(problem.overlap(turned(w, 0.7)), problem.overlap(w), rtol=1e-12)
    (mode,) = problem.zero_modes(w)
    image = problem.hessian_product(w, mode)
    # differentiated along the phase, ∇L(e^{iφ}W) = e^{iφ}∇L(W) reads H iW = i(∇L − μW): a zero of
    # the quadratic form at every W, and a zero mode where the flow is at rest
    np.testing.assert_allclose(image, -times_i(here.velocity), atol=1e-10)
    np.testing.assert_allclose((mode * image).sum(axis=1), 0, atol=1e-10)
    solution = turned(problem.teacher, 1.1)
    if loss is not amplitude:
        np.testing.assert_allclose(
            problem.hessian_product(solution, times_i(solution)), 0, atol=1e-10
        )
    np.testing.assert_allclose(problem.overlap(solution), 1, rtol=1e-14)
    np.testing.assert_allclose(problem.energy(solution), 0, atol=1e-24)


def test_the_nearest_solution_has_the_phase_of_the_state():
    problem, w = drawn(IN_NUMPY)
    signal, hessian = problem.near_signal(w)
    np.testing.assert_allclose(problem.overlap(signal), 1, rtol=1e-14)
    np.testing.assert_allclose((times_i(signal) * w).sum(axis=1), 0, atol=1e-12)
    assert ((signal * w).sum(axis=1) > 0).all()
    v = np.random.default_rng(1).standard_normal(w.shape)
    expected = problem.hessian_product(signal, v)
    np.testing.assert_allclose(hessian(v[:, None])[:, 0], expected, atol=1e-11)


def test_energy_multiplier_and_trace_at_random_are_the_closed_forms():
    """E e = α(1 − 1/N), E μ = 2α(1 − 1/N) and E tr H/N = 8α/N of W, W* and X at random."""
    n, measured = 8, []
    for index in range(100):
        design = Design(n, 5, seed=2, index=index, runs=16, field="complex", in_numpy=True)
        problem = draw_problem(design)
        w = design.start()
        curvature, mu = problem.curvature(w)
        norms = (problem.sensing**2).sum(axis=1)
        trace = ((curvature[:, 0] + curvature[:, 2]) * norms).sum(axis=1) - 2 * n * mu
        measured.append([problem.energy(w).mean(), mu.mean(), trace.mean() / n])
    mean, error = mean_over_designs(measured)
    # E r⁴ = 2, E r²s² = 1 + 1/N, and E r²|x|² = E s²|x|² = 1 + 1/N
    exact = [5 * (1 - 1 / n), 10 * (1 - 1 / n), 40 / n]
    assert (np.abs(mean - exact) < SIGMAS * error).all()
    assert (error < [0.3, 0.6, 1.5]).all()


def test_labels_of_every_kind_are_moduli():
    design = Design(16, 400, seed=3, runs=2, field="complex", in_numpy=True)

    def labels_of(problem):
        return np.asarray(problem.labels, float)

    y, shuffled = labels_of(draw_problem(design)), labels_of(draw_problem(design, "shuffled"))
    gaussian = labels_of(draw_problem(design, "gaussian"))
    noisy = labels_of(draw_problem(design, noise=0.5))
    np.testing.assert_array_equal(np.sort(shuffled), np.sort(y))
    assert (shuffled != y).any()
    # |y|² is exponential, of mean and deviation 1 + Δ: over 2M = 12,800 labels
    for labels, mean in ((y, 1), (gaussian, 1), (noisy, 1.5)):
        assert labels.min() >= 0
        allowed = SIGMAS * mean / labels.size**0.5
        # y of one X and W*: |x|² of each sample scatters by 1/√N besides
        assert (labels**2).mean() == pytest.approx(mean, abs=1.3 * allowed)


@pytest.mark.parametrize("design", [IN_NUMPY, COMPILED], ids=["numpy", "jax"])
def test_a_problem_of_complex_arrays_is_the_problem_drawn(design):
    problem, w = drawn(design)
    rows = np.asarray(problem.sensing)
    x, signal = rows[:, :N] + 1j * rows[:, N:], as_complex(problem.teacher)
    made = complex_problem(x, signal @ x.conj().T, signal)
    for other in (made, pickle.loads(pickle.dumps(problem)), problem.of_runs(np.arange(3))):
        assert isinstance(other, ComplexProblem)
        assert (other.n, other.dimension, other.m, other.k) == (N, 24, 48, 3)
        assert other.field == "complex"
        np.testing.assert_allclose(other.evaluate(np.asarray(w)).energy, problem.energy(w))
    np.testing.assert_allclose(as_real(as_complex(w)), w, rtol=1e-15)


def test_what_complex_signals_do_not_have_is_refused_by_name():
    problem, w = drawn(IN_NUMPY)
    key = COMPILED.key("noise")
    for call, words in (
        (lambda: sgd(problem, w, key=key, rate=0.1, batch=4, steps=1), "SGD"),
        (lambda: langevin(problem, w, key=key, temperature=0.1, rate=0.1, steps=1), "Langevin"),
        (lambda: planted_border(problem, w, 0, np.ones((1, problem.m))), "planted border"),
        (lambda: Design(8, 4, seed=0, field="complex", sensing="fast"), "field, sensing"),
        (lambda: ComplexProblem(np.eye(3), np.ones((1, 3)), None), "sensing: complex signals"),
    ):
        with pytest.raises(ValueError, match=words):
            call()
