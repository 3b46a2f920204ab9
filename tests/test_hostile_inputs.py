"""Hostile inputs: a ``ValueError`` that names the argument, or the right answer; nothing else.

Checks of shapes by the tests' own type checker are off here: this is what a user meets.
"""

# lists, NumPy arrays and worse are passed where arrays of JAX are declared, on purpose
# pyright: reportArgumentType=false

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

import gapless.algorithms as alg
import gapless.hessian as hess
import gapless.linalg as lin
from gapless import theory
from gapless.channels import preprocessing, trimmed, weak_optimal
from gapless.design import Design
from gapless.draws import by_numpy
from gapless.flow import (
    AtEnergy,
    GradientDescent,
    HeavyBall,
    NormalisedDescent,
    Stop,
    integrate,
)
from gapless.generalisation import generalisation_error
from gapless.labels import LabelLaw
from gapless.losses import (
    Loss,
    amplitude,
    check_for_runs,
    loss_from_value,
    normalised,
    parse_loss,
    quartic,
)
from gapless.problem import Problem, draw_problem
from gapless.quadrature import bivariate_gaussian
from gapless.sensing import draw_transforms
from gapless.theory.spectral import best_overlap, spectral_overlap
from gapless.theory.state_evolution import state_evolution, uninformed_overlap
from settings import setting

K, M, N = 2, 48, 16
RNG = np.random.default_rng(5)
X = RNG.standard_normal((M, N)) / N**0.5
TEACHER = RNG.standard_normal((K, N))
TEACHER *= (N**0.5) / np.linalg.norm(TEACHER, axis=1, keepdims=True)
Y = TEACHER @ X.T
W = RNG.standard_normal((K, N))
W *= (N**0.5) / np.linalg.norm(W, axis=1, keepdims=True)
KEY = jax.random.key(0)
LAW = LabelLaw.from_run(W[0] @ X.T, Y[0])


@pytest.fixture(autouse=True)
def as_a_user_meets_it():
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


# what the cases are made of, and, by the fixture, every test of this file
jaxtyping.config.update("jaxtyping_disable", True)
PROBLEM = Problem(*(a.astype(np.float32) for a in (X, Y, TEACHER)))
DESIGN = Design(n=N, alpha=3, seed=0, runs=K)


def at(array: np.ndarray, value: Any) -> np.ndarray:
    """Return a copy with one entry changed."""
    changed = array.copy()
    changed[-1, -1] = value
    return changed


def bad_matrices(good: np.ndarray) -> dict[str, Any]:
    """Return what can be wrong with any matrix."""
    return {
        "rank 1": good[0],
        "rank 3": good[None],
        "no rows": good[:0],
        "transposed": good.T,
        "one row less": good[:-1],
        "one column less": good[:, :-1],
        "complex": good + 1j * good,
        "complex in name": good + 0j,
        "nan": at(good, np.nan),
        "inf": at(good, -np.inf),
        "text": np.full(good.shape, "1"),
        "objects": np.full(good.shape, None),
        "bool": good > 0,
        "masked": np.ma.masked_greater(good, 0.5),
        "number": 1.0,
        "word": "array",
        "ragged": [[1.0], [1.0, 2.0]],
        "dates": np.full(good.shape, np.datetime64("2020-01-01")),
    }


CASES: dict[str, Callable[[], Any]] = {}


def case(name: str, call: Callable[..., Any], *arguments: Any, **named: Any) -> None:
    assert name not in CASES, name
    CASES[name] = lambda: call(*arguments, **named)


for what, bad in bad_matrices(X).items():
    case(f"sensing: {what}", Problem, bad, Y, TEACHER)
for what, bad in bad_matrices(Y).items():
    case(f"labels: {what}", Problem, X, bad, TEACHER)
for what, bad in bad_matrices(TEACHER).items():
    case(f"teacher: {what}", Problem, X, Y, bad)
case("teacher: zero", Problem, X, Y, TEACHER * np.array([[1.0], [0.0]]))
case("teacher: three for two runs", Problem, X, Y, np.concatenate([TEACHER, TEACHER[:1]]))
case("labels: none", Problem, X, None, TEACHER)
case("labels: no run", Problem, X, Y[:0], None)
for what, factor in {"√N": N**0.5, "N": N, "1e30": 1e30, "0": 0.0, "1e-9": 1e-9}.items():
    case(f"sensing times {what}", Problem, factor * X, Y, TEACHER)
case("sensing: one row of 1e6", Problem, np.concatenate([X[:-1], 1e6 * X[-1:]]), Y, TEACHER)
case("sensing: one dimension", Problem, np.ones((M, 1)), Y, None)
case("sensing: integers", Problem, np.ones((M, N), int), Y, TEACHER)

wrong = {
    "no loss": None,
    "text": "quartic",
    "function": lambda h, y: (h**2 - y**2) ** 2,
    "d1 of half the size": Loss(
        "w", quartic.value, lambda h, y: quartic.d1(h, y) / 2, quartic.d2, 0.0
    ),
    "d2 of amplitude": Loss("w", quartic.value, quartic.d1, amplitude.d2, 0.0),
    "d1 that forgets a term": Loss(
        "w", normalised(1).value, lambda h, y: 4 * h**3 / (1 + y**2), normalised(1).d2, -4.0
    ),
    "complex": Loss("w", lambda h, y: quartic.value(h, y) + 0j, quartic.d1, quartic.d2, 0.0),
    "mean": Loss("w", lambda h, y: (h**2).mean() + 0 * y, quartic.d1, quartic.d2, 0.0),
    "not finite": Loss("w", lambda h, y: (h**2 - y**2) ** 2 / 0.0, quartic.d1, quartic.d2, 0.0),
    "zero": Loss("w", lambda h, y: 0 * h * y, lambda h, y: 0 * h * y, lambda h, y: 0 * h * y, 0.0),
    "numpy only": Loss(
        "w", lambda h, y: np.log1p((h**2 - y**2) ** 2), lambda h, y: 4 * h * (h**2 - y**2) /
        (1 + (h**2 - y**2) ** 2), lambda h, y: h * 0, 0.0
    ),
    "1e-30 of the quartic": Loss(
        "w", *(lambda h, y, f=f: 1e-30 * f(h, y) for f in quartic.functions), curvature_infimum=0.0
    ),
}  # fmt: skip
for what, bad in wrong.items():
    case(f"loss: {what}", Problem, X.astype("f4"), Y.astype("f4"), None, bad)
case("loss: a = 1e38 in float32", draw_problem, DESIGN, loss=normalised(1e38))
for a in (0, -1, np.nan, np.inf, 1e300, 1e-300, "1", None, 1j, True, [1.0]):
    case(f"normalised: {a!r}", normalised, a)
for text in (None, 3, "", "cubic", "normalised:a=1e300", "normalised:a=", "quartic:a=1", "a:b:c"):
    case(f"parse_loss: {text!r}", parse_loss, text)
case("Loss: infimum nan", Loss, "w", quartic.value, quartic.d1, quartic.d2, np.nan)
case("Loss: no function", Loss, "w", 1.0, quartic.d1, quartic.d2, 0.0)
case("Loss: name", Loss, None, quartic.value, quartic.d1, quartic.d2, 0.0)
case("loss_from_value: number", loss_from_value, 3)

STATES = bad_matrices(W) | {"1e30": 1e30 * W, "1e-30": 1e-30 * W, "zero": 0 * W, "none": None}
METHODS = ("student_labels", "energy", "gradient", "multiplier", "evaluate", "overlap")
for method in METHODS:
    for what, bad in STATES.items():
        if method in ("energy", "overlap") or what in ("rank 1", "one row less", "1e30", "nan"):
            case(f"{method}: {what}", getattr(PROBLEM, method), bad)
for what, bad in STATES.items():
    if what not in ("1e-30", "zero"):
        case(f"hessian_product of v: {what}", PROBLEM.hessian_product, W, bad)
    case(f"lowest_eigenpairs: {what}", hess.lowest_eigenpairs, PROBLEM, bad, key=KEY)
    case(f"amp: {what}", alg.amp, PROBLEM, bad, 0.3, iterations=2)
    case(f"sgd: {what}", alg.sgd, PROBLEM, bad, key=KEY, rate=0.01, batch=4, steps=1)
case("hessian_product at 1e30", PROBLEM.hessian_product, 1e30 * W, W)
case("langevin: 1e30", alg.langevin, PROBLEM, 1e30 * W, key=KEY, temperature=0.1, rate=0.1, steps=1)

for name, named in {
    "save_at no list": {"save_at": 0.05}, "save_at text": {"save_at": ["a"]},
    "t_max beyond float32": {"t_max": 1e39}, "solver": {"solver": "flow"}, "stop": {"stop": 1e-8},
}.items():  # fmt: skip
    case(f"integrate: {name}", integrate, PROBLEM, W, **({"t_max": 0.1} | named))

for run in (2, 99, -3, 1.5, True, "0", None, np.nan, np.array([0, 1]), 2**70):
    for name, call in {
        "label_law": PROBLEM.label_law,
        "spectrum": lambda w, run: hess.spectrum(PROBLEM, w, run),
        "negative_count": lambda w, run: hess.negative_count(PROBLEM, w, run),
    }.items():
        case(f"{name} of run {run!r}", call, W, run)
case("of_runs: 5", PROBLEM.of_runs, np.array([0, 5]))
case("of_runs: none", PROBLEM.of_runs, np.array([], int))
case("of_runs: halves", PROBLEM.of_runs, np.array([0.5]))

for name, named in {
    "count 0": {"count": 0}, "count 17": {"count": 17}, "count 1.5": {"count": 1.5},
    "tolerance 0": {"tolerance": 0}, "tolerance nan": {"tolerance": np.nan},
    "method": {"method": "sparse"}, "method None": {"method": None},
    "previous": {"previous": W, "method": "lanczos"}, "key": {"key": 0, "method": "lanczos"},
    "count too large for Lanczos": {"count": 8, "method": "lanczos"},
}.items():  # fmt: skip
    case(f"lowest_eigenpairs: {name}", hess.lowest_eigenpairs, PROBLEM, W, **({"key": KEY} | named))
for name, named in {"steps 0": {"steps": 0}, "probes 0": {"probes": 0}, "steps 2.5": {"steps": 2.5},
                    "key": {"key": "x"}}.items():  # fmt: skip
    case(f"spectral_density: {name}", hess.spectral_density, PROBLEM, W, **({"key": KEY} | named))
QUADRATURE = lin.Quadrature(np.zeros((1, 2)), np.ones((1, 2)) / 2)
case("smoothed: width 0", hess.smoothed, QUADRATURE, np.zeros(3), 0.0)
case("smoothed: grid nan", hess.smoothed, QUADRATURE, np.array([np.nan]), 1.0)
case("signal_overlap: shapes", hess.signal_overlap, W[:, None], TEACHER[:1])
case("signal_overlap: zero", hess.signal_overlap, 0 * W[:, None], TEACHER)
case("top_sample_share: shape", hess.top_sample_share, PROBLEM, W)

DESIGNS = {
    "seed": (0.5, True, -1, 2**32, "0", None, np.float64(1), 1j, np.array([1, 2])),
    "n": (16.0, 1, 0, "16", True, None, 2**40, -3),
    "alpha": ("4", np.nan, np.inf, 0, -1, True, 1j, 1e300, 1e-9, None, [4.0]),
    "index": (0.5, -1, True, 2**32, "0", None),
    "runs": (0, 1.5, True, "2", -1, 2**33),
}
for field, values in DESIGNS.items():
    for value in values:
        good = {"n": N, "alpha": 3.0, "seed": 0, "runs": K}
        case(f"Design: {field}={value!r}", Design, **(good | {field: value}))
for field, values in {
    "labels": ("random", None, 3, ["teacher"]),
    "dtype": ("float8", None, "int32"),
    "noise": (-1, np.nan, np.inf, 1e300, "1", None, True),
}.items():
    for value in values:
        case(f"draw_problem: {field}={value!r}", draw_problem, DESIGN, **{field: value})
case("draw_problem: no design", draw_problem, None)
case("draw_problem: sphere='no'", draw_problem, DESIGN, sphere="no")
case("sensing_matrix: int8", DESIGN.sensing_matrix, "int8")
case("integrate: a design for a problem", integrate, DESIGN, W, 0.1)
for hook in ("observe", "progress", "on_save"):
    case(f"integrate: {hook}=3", integrate, PROBLEM, W, 0.1, **{hook: 3})
for what, named in {
    "tolerance -1": {"tolerance": np.float32(-1)}, "tolerance text": {"tolerance": "a"},
    "speed2 nan": {"speed2": np.nan}, "energy 1j": {"energy": 1j}, "energy None": {"energy": None},
}.items():  # fmt: skip
    case(f"AtEnergy: {what}", AtEnergy, **({"energy": 1.0} | named))
for what, named in {
    "energy nan": {"energy": np.nan}, "energy text": {"energy": "a"},
    "energy of three": {"energy": np.ones(3)}, "speed2 -1": {"speed2": -1},
}.items():  # fmt: skip
    case(f"Stop: {what}", Stop, **named)
case("HeavyBall: momentum='a'", HeavyBall, 1e-3, momentum="a")
case("GradientDescent: method='euler'", GradientDescent, 1e-3, method="euler")
case("NormalisedDescent: time_of_radius=0", NormalisedDescent, 1e-3, time_of_radius=0)

ONES, WIDE_ONES = np.ones(3), np.ones((2, 3))
for name, parts in {
    "lengths": (ONES, ONES[:2], ONES),
    "shapes": (WIDE_ONES, WIDE_ONES.T, WIDE_ONES),
    "complex": (ONES + 1j, ONES, ONES),
    "nan": (ONES, ONES * np.nan, ONES),
    "none": (None, ONES, ONES),
    "negative": (ONES, ONES, -ONES),
    "no weight": (ONES, ONES, 0 * ONES),
    "text": ("abc", ONES, ONES),
    "empty": (ONES[:0], ONES[:0], ONES[:0]),
    "infinite weight": (ONES, ONES, ONES * np.inf),
}.items():
    case(f"LabelLaw: {name}", LabelLaw, *parts)
for alpha in (0, -1, np.nan, np.inf, "10", None, 1e300, 1j, True):
    case(f"threshold_state at {alpha!r}", theory.threshold_state, quartic, alpha)
    case(f"bulk_edge at {alpha!r}", theory.bulk_edge, LAW, quartic, alpha)
    case(f"energy of a law at {alpha!r}", LAW.energy, quartic, alpha)
    case(f"spectral_overlap at {alpha!r}", spectral_overlap, trimmed(), alpha)
for alpha in (0, np.nan, 1e300, "1"):
    case(f"ground_state at {alpha!r}", theory.ground_state, quartic, alpha)
    case(f"complexity_curve at {alpha!r}", theory.complexity_curve, quartic, alpha)
    case(f"generalisation_error at {alpha!r}", generalisation_error, 0.5, quartic, alpha)
    case(f"uninformed_overlap at {alpha!r}", uninformed_overlap, alpha)
    case(f"best_overlap at {alpha!r}", best_overlap, alpha)
    case(f"weak_optimal at {alpha!r}", weak_optimal, alpha)
case("threshold_state below the branch", theory.threshold_state, quartic, 1e-300)
for name, loss in {
    "none": None,
    "text": "quartic",
    "wrong d1": wrong["d1 of half the size"],
}.items():
    case(f"threshold_state: {name}", theory.threshold_state, loss, 10.0)
    case(f"bbp_threshold: {name}", theory.bbp_threshold, loss)
    case(f"bbp_at_random_start: {name}", theory.bbp_at_random_start, loss)
case("bulk_edge: gamma_bar", theory.bulk_edge, LAW, quartic, 3.0, -1.0)
case("bulk_density: grid", theory.bulk_density, LAW, quartic, 3.0, np.array([np.nan]))
case("bulk_density: complex", theory.bulk_density, LAW, quartic, 3.0, np.array([1j]))
case("complexity_curve: z", theory.complexity_curve, quartic, 10.0, np.array([2.0, 1.0]))
for q in (2.0, np.nan, 1j, "0.5", None, [0.1, np.inf]):
    case(f"generalisation_error: {q!r}", generalisation_error, q, quartic, 3.0)
    case(f"bivariate_gaussian: {q!r}", bivariate_gaussian, quartic.value, q)
for name, arguments in {
    "overlap 0": (0, 1, 1), "overlap 1": (1, 1, 1), "text": ("x", 1, 1), "alpha 0": (0.5, 0, 1),
    "iterations": (0.5, 1, -1), "iterations 1.5": (0.5, 1, 1.5), "noise": (0.5, 1, 1, -1),
    "noise nan": (0.5, 1, 1, np.nan), "noise 1e300": (0.5, 1, 1, 1e300),
}.items():  # fmt: skip
    case(f"state_evolution: {name}", state_evolution, *arguments)
for name in ("strong", None, 3):
    case(f"preprocessing: {name!r}", preprocessing, name, 1.0)
for cut in (0, -1, np.nan, np.inf, "3"):
    case(f"trimmed: {cut!r}", trimmed, cut)

AMP = {"overlap": 0.3, "iterations": 2, "noise": 0.0}
for field, values in {
    "overlap": (0, 1, np.nan, "x", None), "iterations": (0, 1.5, True, None),
    "noise": (-1, np.nan, np.inf, 1e300),
}.items():  # fmt: skip
    for value in values:
        case(f"amp: {field}={value!r}", alg.amp, PROBLEM, W, **(AMP | {field: value}))
SGD = {"key": KEY, "rate": 0.01, "batch": 4, "steps": 1}
for field, values in {
    "rate": (0, -1, np.nan, np.inf, "1"), "batch": (0, M + 1, 1.5, True), "steps": (-1, 0.5, 2**40),
    "key": (0, None, "x"),
}.items():  # fmt: skip
    for value in values:
        case(f"sgd: {field}={value!r}", alg.sgd, PROBLEM, W, **(SGD | {field: value}))
WALK = {"key": KEY, "temperature": 0.1, "rate": 0.01, "steps": 1}
for field, values in {
    "temperature": (-1, np.nan, np.inf, "1"), "rate": (0, np.nan, 1e30), "steps": (0, 1.5),
    "key": (0,),
}.items():  # fmt: skip
    for value in values:
        case(f"langevin: {field}={value!r}", alg.langevin, PROBLEM, W, **(WALK | {field: value}))
GAUSSIAN = Problem(X.astype("f4"), Y.astype("f4"), None)
case("amp: no teacher", alg.amp, GAUSSIAN, W, 0.3, iterations=2)
case("start_states: no teacher", alg.start_states, DESIGN, GAUSSIAN, alg.parse_start("overlap:0.1"))
case("start_states: text", alg.start_states, DESIGN, PROBLEM, "random")
case("start_states: other design", alg.start_states, Design(8, 3, 0), PROBLEM, alg.Start())
for text in (None, 1, "overlap:2", "overlap:nan", "spectral:strong", "warm"):
    case(f"parse_start: {text!r}", alg.parse_start, text)
case("warm_states: shapes", alg.warm_states, TEACHER, W[:1], 0.3)
case("warm_states: overlap", alg.warm_states, TEACHER, W, 2.0)
case("warm_states: twice the same", alg.warm_states, TEACHER, TEACHER, 0.3)
BAD_T = preprocessing("weak", 1.0).__class__("bad", lambda y: y / 0.0, ())
case("spectral_estimate: transform", alg.spectral_estimate, PROBLEM, key=KEY, transform=BAD_T)

FAST = draw_transforms(by_numpy.key(0, ()), "fast", M, N, "float64")
case("Design: sensing", Design, N, 3, 0, sensing="sparse")
for name, change in {
    "singular_values": {"singular_values": FAST.singular_values[1:]},
    "norm": {"singular_values": 2 * FAST.singular_values},
    "nan": {"singular_values": FAST.singular_values * np.nan},
    "place": {"place": FAST.place + M},
    "outer": {"outer": FAST.outer[1:]},
}.items():
    case(f"TransformSensing: {name}", replace, FAST, **change)

GRAM = lin.WeightedGram(jnp.asarray(X, "f4"), jnp.asarray(Y, "f4"), jnp.zeros(K))
BLOCK = np.asarray(RNG.standard_normal((K, 1, N)), np.float32)
case("WeightedGram: weight", lin.WeightedGram, PROBLEM.sensing, PROBLEM.labels.T, jnp.zeros(K))
case("WeightedGram: shift", lin.WeightedGram, PROBLEM.sensing, PROBLEM.labels, jnp.zeros(3))
case("WeightedGram: vectors", GRAM, jnp.ones((K, N)))
case("WeightedGram: other precision", GRAM, BLOCK.astype(np.float64))
for name, start in {"rank 2": W, "nan": BLOCK * np.nan, "runs": BLOCK[:1], "none": None}.items():
    case(f"lanczos_quadrature: {name}", lin.lanczos_quadrature, GRAM, start, 4)
case("lanczos_quadrature: steps", lin.lanczos_quadrature, GRAM, BLOCK, 17)
case("lanczos_quadrature: steps 0", lin.lanczos_quadrature, GRAM, BLOCK, 0)
case("krylov: rank", lin.krylov, GRAM, BLOCK, 4)
case("krylov: steps", lin.krylov, GRAM, BLOCK[:, 0], 0)
case("extreme_eigenpairs: count", lin.extreme_eigenpairs, GRAM, BLOCK, 0)
case("extreme_eigenpairs: which", lin.extreme_eigenpairs, GRAM, BLOCK, 1, which="middle")
case("extreme_eigenpairs: tolerance", lin.extreme_eigenpairs, GRAM, BLOCK, 1, tolerance=0)
case("times_transpose: shapes", lin.times_transpose, jnp.ones((2, 3)), PROBLEM.sensing)
case("times: shapes", lin.times, jnp.ones((2, 3)), PROBLEM.sensing)


jaxtyping.config.update("jaxtyping_disable", False)


@pytest.mark.parametrize("name", CASES)
def test_a_hostile_input_is_refused_by_name(name):
    with pytest.raises(ValueError, match=r":|^a label law needs") as caught:
        CASES[name]()
    message = str(caught.value)
    # of one line, and longer than what Python or a library says of its own accord
    assert "\n" not in message
    assert len(message) > 20


def test_there_are_more_than_two_hundred():
    assert len(CASES) > 200


def test_a_run_that_there_is_none_of_is_an_index_error_too():
    for run in (2, 99, -3):
        with pytest.raises(IndexError, match=r"^run: there are 2 runs, 0 to 1"):
            PROBLEM.label_law(W, run)
    assert (PROBLEM.label_law(W, -1).teacher == PROBLEM.label_law(W, 1).teacher).all()


ENERGY = ((((W @ X.T) ** 2 - Y**2) ** 2).sum(axis=1)) / (2 * N)


@pytest.mark.parametrize(
    "arrays",
    [
        (X.tolist(), Y.tolist(), TEACHER.tolist()),
        (np.asfortranarray(X), Y[:, ::-1][:, ::-1], TEACHER),
        (X.astype(np.float32), Y, None),
        (X, Y.astype(np.float32), TEACHER.astype(np.float32)),
        (X.astype(np.longdouble), Y.astype(np.longdouble), TEACHER),
    ],
    ids=["lists", "strides", "narrow X", "narrow labels", "long double"],
)
def test_arrays_of_other_kinds_are_taken_for_what_they_are(arrays):
    problem = Problem(*arrays)
    # the least of the arrays' digits: float32 is off by 2⁻²⁴ a label, of which ℓ has degree 4
    assert problem.dtype == "float64"
    np.testing.assert_allclose(problem.energy(W), ENERGY, rtol=1e-6)
    np.testing.assert_allclose(problem.energy(W.astype(np.float32).tolist()), ENERGY, rtol=1e-5)


def test_whole_numbers_are_numbers():
    labels = np.arange(K * M).reshape(K, M) % 3
    found = Problem(X, labels, None).energy(W)
    expected = Problem(X, labels.astype(float), None).energy(W)
    np.testing.assert_array_equal(found, expected)
    rows = np.eye(N, dtype=int)
    assert Problem(rows, np.ones((1, N), int), None).dtype == "float32"
    assert Design(np.int64(16), np.float32(3), np.uint32(7), np.int8(1), np.int16(2)) == Design(
        16, 3.0, 7, 1, 2
    )


@pytest.mark.parametrize("seed", range(5))
def test_x_of_every_ensemble_of_variance_1_over_n_is_taken(seed):
    rng = np.random.default_rng(seed)
    m, n = int(rng.integers(1, 60)), int(rng.integers(2, 40))
    normal = rng.standard_normal((m, n))
    columns = np.linalg.qr(rng.standard_normal((max(m, n), n)))[0] * (max(m, n) / n) ** 0.5
    for x in (
        normal / n**0.5,
        np.sign(normal) / n**0.5,
        normal / np.linalg.norm(normal, axis=1, keepdims=True),
        columns,
        rng.laplace(size=(m, n)) / (2 * n) ** 0.5,
        (normal / n**0.5).astype(np.float16),
    ):
        Problem(x, np.ones((1, len(x))), None)


def test_the_factor_that_an_x_is_off_by_is_named():
    with pytest.raises(ValueError, match=r"^sensing: .*divide X by (\S+)$") as caught:
        Problem(7 * X, Y, TEACHER)
    factor = float(str(caught.value).split()[-1])
    Problem(7 * X / factor, Y, TEACHER)


WIDE: dict[str, Callable[[Problem], Any]] = {
    "student_labels": lambda p: p.student_labels(W),
    "energy": lambda p: p.energy(W),
    "gradient": lambda p: p.gradient(W),
    "multiplier": lambda p: p.multiplier(W),
    "evaluate": lambda p: p.evaluate(W),
    "hessian_product": lambda p: p.hessian_product(W, TEACHER),
    "overlap": lambda p: p.overlap(W),
    "law": lambda p: p.label_law(W, 1).student,
    "dense": lambda p: hess.lowest_eigenpairs(p, W, 2, key=KEY)[:2],
    "lanczos": lambda p: (
        lin.extreme_eigenpairs(
            hess.hessian_operator(p, W), W[:, None].astype(p.dtype), 1, basis=12, tolerance=1e-9
        ).values
    ),
    "spectrum": lambda p: hess.spectrum(p, W, 0, deflate_radial=True),
    "density": lambda p: hess.spectral_density(p, W, key=KEY, steps=2, probes=1).nodes,
    "share": lambda p: hess.top_sample_share(p, W[:, None]),
    "amp": lambda p: alg.amp(p, W, 0.3, iterations=2).estimate,
    "sgd": lambda p: alg.sgd(p, W, key=KEY, rate=1e-3, batch=M, steps=2),
    "langevin": lambda p: alg.langevin(p, W, key=KEY, temperature=0, rate=1e-3, steps=2),
    "spectral": lambda p: jnp.abs(alg.spectral_estimate(p, key=KEY)[0]),
    "warm": lambda p: alg.warm_states(p.teacher, W.astype(p.dtype), 0.3),
    "times": lambda p: lin.times(p.labels, p.sensing),
    "krylov": lambda p: (
        lin.krylov(lin.WeightedGram(p.sensing, p.labels, p.labels[:, 0]), p.teacher, 2).nodes
    ),
}


SLOW = [
    "gradient",
    "multiplier",
    "evaluate",
    "density",
    "share",
    "amp",
    "sgd",
    "langevin",
    "lanczos",
]


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] * (n in SLOW)) for n in WIDE]
)
def test_float64_problems_compute_in_float64_whatever_the_global_flag(name):
    assert not setting("jax_enable_x64")
    wide = jax.tree.leaves(WIDE[name](Problem(X, Y, TEACHER)))
    with jax.enable_x64(True):
        expected = jax.tree.leaves(WIDE[name](Problem(X, Y, TEACHER)))
    for a, b in zip(wide, expected, strict=True):
        assert a.dtype == np.float64
        # eigenvectors may differ in sign
        np.testing.assert_allclose(np.abs(a), np.abs(b), rtol=1e-9, atol=1e-10)
    assert not setting("jax_enable_x64")


@pytest.mark.parametrize("name", ["energy", "hessian_product", "krylov"])
def test_float32_problems_compute_in_float32_whatever_the_global_flag(name):
    expected = jax.tree.leaves(WIDE[name](PROBLEM))
    with jax.enable_x64(True):
        found = jax.tree.leaves(WIDE[name](PROBLEM))
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


def test_a_loss_of_jax_functions_answers_theory_in_float64():
    def value(h, y):
        return jnp.log1p((h**2 - y**2) ** 2)

    made = loss_from_value(value)
    own = Loss("own", value, made.d1, made.d2, made.curvature_infimum)
    h, y = np.abs(W[0]), np.abs(W[1])
    found = own.value(h, y)
    assert isinstance(found, np.ndarray)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, np.log1p((h**2 - y**2) ** 2), rtol=1e-14)
    check_for_runs(own, "float32")
