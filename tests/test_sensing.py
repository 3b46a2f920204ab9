"""Ensembles of X: adjoint products, prescribed singular values, rows of norm 1."""

from dataclasses import replace
from typing import get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gapless.algorithms import spectral_estimate
from gapless.cli.options import ENSEMBLES, EntriesOption, LikeGaussianOption, SensingOption
from gapless.design import Design
from gapless.draws import by_numpy
from gapless.hessian import hessian_matrix, lowest_eigenpairs, top_sample_share
from gapless.linalg import products as products_of_many
from gapless.linalg import through_rows, times, times_transpose
from gapless.losses import amplitude, normalised, quartic
from gapless.measure.border import BorderPoint, planted_border
from gapless.measure.frames import FramesPoint
from gapless.measure.median_run import SpectralPoint
from gapless.measure.message_passing import AMPPoint
from gapless.precision import precision
from gapless.problem import Problem, draw_problem
from gapless.problem.parts import made
from gapless.sensing import (
    LIKE_GAUSSIAN,
    OF_ENTRIES,
    OF_TRANSFORMS,
    Ensemble,
    ScaledSensing,
    TransformSensing,
    check_ensemble,
    draw_transforms,
    gaussian_singular_values,
)
from sampling import SIGMAS

KEY = by_numpy.key(0, (1,))
EXACT = ("fast", "orthogonal", "signs", "unit-norm")  # in the mean squared norm of their rows
OTHERS = [name for name in get_args(Ensemble) if name != "gaussian"]
# more samples than dimensions, fewer, as many, and lengths that are prime
SHAPES = [(120, 24), (17, 24), (24, 24), (101, 23)]
ROUNDING = 1e-12  # of float64 over a few transforms of some hundred numbers


def vectors(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape)


@pytest.fixture(params=SHAPES, ids=str)
def shape(request):
    return request.param


@pytest.mark.parametrize("ensemble", OF_TRANSFORMS)
def test_the_two_products_are_adjoint_and_those_of_the_matrix(ensemble, shape):
    m, n = shape
    x, w, r = draw_transforms(KEY, ensemble, m, n, "float64"), vectors(3, n), vectors(3, m)
    matrix, given = np.asarray(x), r.copy()
    image, back = x.times_transpose(w), x.times(r)
    np.testing.assert_allclose((image * r).sum(axis=1), (w * back).sum(axis=1), atol=ROUNDING * m)
    np.testing.assert_allclose(image, w @ matrix.T, atol=ROUNDING)
    np.testing.assert_allclose(back, r @ matrix, atol=ROUNDING)
    np.testing.assert_allclose(x.rows(np.array([m - 1, 3])), matrix[[m - 1, 3]], atol=ROUNDING)
    # products are made in place, but not in the caller's memory
    np.testing.assert_array_equal(r, given)


def test_singular_values_are_those_asked_for_and_rows_have_mean_squared_norm_1(shape):
    m, n = shape
    cases: tuple[tuple[Ensemble, np.ndarray], ...] = (
        ("fast", gaussian_singular_values(m, n)),
        # orthogonal columns, or rows where there are fewer of them
        ("orthogonal", np.full(min(m, n), max(m / n, 1) ** 0.5)),
    )
    for ensemble, expected in cases:
        matrix = np.asarray(draw_transforms(KEY, ensemble, m, n, "float64"))
        found = np.sort(np.linalg.svd(matrix, compute_uv=False))
        np.testing.assert_allclose(found, np.sort(expected), atol=ROUNDING)
        assert (matrix**2).sum() == pytest.approx(m, rel=ROUNDING)


@pytest.mark.parametrize("alpha", [0.5, 1.0, 6.0])
def test_quantiles_have_the_moments_of_the_marchenko_pastur_law(alpha):
    """E σ⁴ over N = α(1 + α), E σ⁶ = α(1 + 3α + α²), for i.i.d. entries of variance 1/N."""
    n = 4000
    squared = gaussian_singular_values(int(alpha * n), n) ** 2
    # R quantiles are a midpoint rule: its error is that of the density's steepest part, R^(−3/2)
    rough = 4 * len(squared) ** -1.5
    assert (squared**2).sum() / n == pytest.approx(alpha * (1 + alpha), rel=rough)
    cube = alpha * (1 + 3 * alpha + alpha**2)
    assert (squared**3).sum() / n == pytest.approx(cube, rel=rough)


@pytest.mark.parametrize("in_numpy", [True, False])
@pytest.mark.parametrize("ensemble", get_args(Ensemble))
def test_entries_are_of_variance_one_over_n_and_rows_of_norm_1(ensemble, in_numpy):
    design = Design(n=128, alpha=4, seed=0, in_numpy=in_numpy, sensing=ensemble)
    x = np.asarray(design.sensing_matrix(), float)
    rows, columns = (x**2).sum(axis=1), (x**2).sum(axis=0)
    # float32 entries are off by ε/2 each; norms are exact, or those of i.i.d. entries
    off = 4e-7 if ensemble in EXACT else SIGMAS * (2 / x.size) ** 0.5
    assert rows.mean() == pytest.approx(1, abs=off)
    assert columns.mean() == pytest.approx(4, abs=5 * off)
    if ensemble == "signs":
        np.testing.assert_array_equal(np.abs(x), np.float32(128**-0.5))
    if ensemble in ("signs", "unit-norm"):
        np.testing.assert_allclose(rows, 1, atol=4e-7)
    else:
        # delocalised singular vectors: squared norms of rows scatter as those of Gaussian rows do
        # or less, and the mean of the entries vanishes
        assert rows.std() < 2 * (2 / 128) ** 0.5
        assert abs(x.mean()) * 128**0.5 < SIGMAS / x.size**0.5


@pytest.mark.parametrize("ensemble", get_args(Ensemble))
def test_spectra_are_those_of_theory_for_the_ensembles_that_are_like_gaussian(ensemble):
    """Eigenvalues of Σ d x xᵀ have variance αE d²; with orthogonal columns α(E d² − (E d)²)."""
    n, alpha = 400, 3
    x = np.asarray(Design(n, alpha, 0, sensing=ensemble).sensing_matrix(), float)
    d = np.random.default_rng(1).uniform(0, 2, len(x))
    found = np.linalg.eigvalsh((x.T * d) @ x).var()
    # linear statistics of spectra scatter by a few 1/N
    like = found == pytest.approx(alpha * (d**2).mean(), rel=SIGMAS * 4 / n)
    assert like == (ensemble in LIKE_GAUSSIAN)
    if not like:
        assert found == pytest.approx(alpha * d.var(), rel=SIGMAS * 4 / n)


def test_the_help_names_the_ensembles_that_each_command_takes():
    assert set(ENSEMBLES) == set(get_args(Ensemble))
    options = [
        (SensingOption, get_args(Ensemble)),
        (LikeGaussianOption, LIKE_GAUSSIAN),
        (EntriesOption, OF_ENTRIES),
    ]
    for option, taken in options:
        named = {name for name in ENSEMBLES if f" {name}" in option.__metadata__[0].help}
        assert named == set(taken)


@pytest.mark.parametrize("kind", [AMPPoint, BorderPoint, FramesPoint, SpectralPoint])
def test_theory_of_a_gaussian_x_is_asked_of_no_other(kind):
    given = dict(n=16, alpha=4, seed=0, frames=3)
    given = {name: value for name, value in given.items() if name in kind.model_fields}
    for ensemble in LIKE_GAUSSIAN:
        assert kind(**given, sensing=ensemble).sensing == ensemble
    with pytest.raises(ValueError, match=r"sensing: .* orthogonal"):
        kind(**given, sensing="orthogonal")


def test_ensembles_of_one_design_share_all_but_the_sensing_matrix():
    design = Design(n=32, alpha=3, seed=1, runs=4)
    x = np.asarray(design.sensing_matrix())
    for ensemble in OTHERS:
        other = replace(design, sensing=ensemble)
        np.testing.assert_array_equal(other.teacher(), design.teacher())
        np.testing.assert_array_equal(other.start(), design.start())
    signs = np.asarray(replace(design, sensing="signs").sensing_matrix())
    np.testing.assert_array_equal(np.sign(signs), np.sign(x))
    unit = np.asarray(replace(design, sensing="unit-norm").sensing_matrix())
    np.testing.assert_allclose(unit, x / np.linalg.norm(x, axis=1, keepdims=True), rtol=1e-6)


def test_more_runs_leave_the_first_as_they_were():
    few, many = (
        draw_problem(Design(n=40, alpha=5, seed=2, runs=runs, in_numpy=True, sensing="fast"))
        for runs in (3, 7)
    )
    for one, other in zip(few.sensing.arrays, many.sensing.arrays, strict=True):
        np.testing.assert_array_equal(one, other)
    # batches of other sizes may round differently
    np.testing.assert_allclose(few.labels, many.labels[:3], atol=1e-5)


@pytest.mark.parametrize(("runs", "each"), [(2, 3), (5, 3), (11, 1), (2, 9)])
def test_products_of_linalg_are_those_of_the_matrix_in_both_libraries(runs, each, monkeypatch):
    """In NumPy runs are transformed and samples weighed by parts, whose sizes divide no count."""
    monkeypatch.setattr(products_of_many, "WEIGHED", 100)
    x = draw_transforms(KEY, "fast", 60, 20, "float32")
    matrix, v, d = np.asarray(x), vectors(runs, each, 20), vectors(runs, 60)
    images = v @ matrix.T
    expected = np.einsum("kpm,mn->kpn", images * d[:, None], matrix)

    def products(x, block, weight):
        sums, both = through_rows(lambda image, d: (image, image * d), x, weight, block)
        return sums, both, times_transpose(block[0], x), times(weight, x)

    compiled = x.map(jnp.asarray)
    for library, given, compute in ((np, x, products), (jnp, compiled, jax.jit(products))):
        block, weight = library.asarray(v, "float32"), library.asarray(d, "float32")
        sums, found, labels, combined = compute(given, block, weight)
        np.testing.assert_allclose(sums, images.sum(axis=2), atol=5e-5)
        np.testing.assert_allclose(found, expected, atol=2e-5)
        np.testing.assert_allclose(labels, v[0] @ matrix.T, atol=1e-5)
        np.testing.assert_allclose(combined, d @ matrix, atol=1e-5)


def test_what_has_no_rows_is_refused_where_rows_are_asked_for():
    design = Design(n=16, alpha=4, seed=0, sensing="fast")
    with pytest.raises(ValueError, match=r"^sensing, dtype: .* float16"):
        design.sensing_matrix("float16")
    with pytest.raises(ValueError, match=r"^sensing: "):
        next(design.sensing_blocks())
    with pytest.raises(ValueError, match=r"^sensing: "):
        check_ensemble("no-such-ensemble")


def test_signs_are_stored_in_float16_where_their_rows_have_norm_one():
    """At powers of 4; elsewhere all entries would round alike, and rows be too short."""
    stored = np.asarray(Design(64, 4.0, 0, sensing="signs").sensing_matrix("float16"), float)
    np.testing.assert_array_equal((stored**2).sum(axis=1), 1)
    with pytest.raises(ValueError, match=r"^sensing, dtype: ±1/√N .* N = 247"):
        Design(247, 4.0, 0, sensing="signs").sensing_matrix("float16")


def test_a_problem_takes_an_operator_from_outside():
    x, w = draw_transforms(KEY, "fast", 60, 20, "float64"), vectors(2, 20)
    labels = w @ np.asarray(x).T
    problem = Problem(x, labels, w)
    dense = Problem(np.asarray(x), labels, w)
    state = dense.array(vectors(2, 20)[::-1])
    with precision("float64"):
        energies = [jax.jit(Problem.energy)(one, state) for one in (problem, dense)]
    np.testing.assert_allclose(*energies, rtol=1e-12)


@pytest.mark.parametrize("loss", [quartic, amplitude, normalised(1.0)], ids=repr)
def test_an_evaluation_is_that_of_the_matrix_in_the_precision_of_the_problem(loss):
    design = Design(n=24, alpha=5, seed=0, runs=3, in_numpy=True, sensing="fast")
    fast = draw_problem(design, "shuffled", loss)
    dense = replace(fast, sensing=np.asarray(fast.sensing)).to_numpy()
    w = design.start()
    for one, other in zip(fast.evaluate(w), dense.evaluate(w), strict=True):
        assert one.dtype == other.dtype == "float32"
        # labels of order one are known to some ε, and so are sums of M of them
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("in_numpy", [True, False])
@pytest.mark.parametrize("stored", ["float32", "float64"])
def test_products_of_a_scaled_matrix_are_those_of_its_copy(in_numpy, stored):
    """Also where the vectors are wider than the matrix, which is widened block by block."""
    a, v, r = vectors(70, 9).astype(stored), vectors(2, 9), vectors(2, 70)
    put = np.asarray if in_numpy else jnp.asarray
    with precision("float64"):
        x, v, r = ScaledSensing(put(a), 0.3), put(v), put(r)
        copy = 0.3 * a.astype(float)
        np.testing.assert_allclose(times_transpose(v, x), np.asarray(v) @ copy.T, atol=1e-12)
        np.testing.assert_allclose(times(r, x), np.asarray(r) @ copy, atol=1e-12)
        sums, totals = through_rows(lambda i, s: (i * s, i - s), x, r, v[:, None])
        rows = x[np.array([5, 3])]
    image, labels = np.asarray(v) @ copy.T, np.asarray(r)
    np.testing.assert_allclose(sums[:, 0], (image * labels).sum(axis=1), atol=1e-11)
    np.testing.assert_allclose(totals[:, 0], (image - labels) @ copy, atol=1e-11)
    np.testing.assert_allclose(rows, copy[[5, 3]], rtol=1e-6)
    np.testing.assert_allclose(np.asarray(x), copy, rtol=1e-6)


def test_spectra_of_a_scaled_matrix_are_those_of_its_copy():
    design = Design(n=16, alpha=20, seed=0, runs=2, in_numpy=True)
    copy = draw_problem(design, dtype="float64")
    x = ScaledSensing(np.asarray(copy.sensing) * 4.0, 0.25)
    scaled = made(Problem, x, copy.labels, copy.teacher, copy.loss)
    w, signs = np.asarray(copy.teacher), design.signs(0, 3)

    def quantities(problem: Problem) -> list:
        pairs = lowest_eigenpairs(problem, w, 2, key=design.key("lanczos"))
        border = planted_border(problem, w, 0, signs)
        spectral, top = spectral_estimate(problem, key=design.key("spectral"))
        return [
            hessian_matrix(problem, w, 0),
            pairs.values,
            top_sample_share(problem, pairs.vectors),
            np.array(border["schur"]),
            np.abs(np.einsum("kn,kn->k", spectral, w)),
            top.values,
        ]

    for found, expected in zip(quantities(scaled), quantities(copy), strict=True):
        # a power of two is exact; only eigensolvers may take another way
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-11)


def test_an_operator_of_wrong_parts_is_refused():
    ones = np.ones(4)
    with pytest.raises(ValueError, match=r"^inner: must hold signs"):
        TransformSensing(7 * ones, ones, np.arange(4), ones, ones)
    with pytest.raises(ValueError, match=r"^place: .* once"):
        TransformSensing(ones, ones, np.array([0, 1, 2, 2]), ones, ones)
