"""Measurements as a problem: units are undone, X stays where it is, factors change nothing."""

import numpy as np
import pytest

import gapless as gl
from gapless.flow import fit_norm
from gapless.problem import Problem, problem_from_arrays

M, N, K = 96, 12, 3
RNG = np.random.default_rng(3)
X = 7.5 * RNG.standard_normal((M, N))
SIGNAL = RNG.standard_normal(N)
Y = X @ SIGNAL


def test_labels_of_the_signal_are_those_of_the_data():
    own = problem_from_arrays(X, y=Y, teacher=SIGNAL, runs=K)
    teacher = np.asarray(own.problem.teacher)
    np.testing.assert_allclose(own.signal(teacher), np.stack([SIGNAL] * K), rtol=1e-12)
    np.testing.assert_allclose(own.labels(teacher), np.stack([Y] * K), atol=1e-12 * abs(Y).max())
    assert own.misfit(teacher).max() < 1e-12
    np.testing.assert_allclose(np.linalg.norm(teacher, axis=1), N**0.5)
    assert own.problem.overlap(teacher).min() > 1 - 1e-12


def test_the_problem_is_that_of_a_scaled_copy():
    own = problem_from_arrays(X, Y**2, teacher=SIGNAL, runs=K)
    scaled = X / own.row_norm
    copy = Problem(scaled, np.asarray(own.problem.labels), np.asarray(own.problem.teacher))
    for name in ("energy", "gradient", "multiplier"):
        found, expected = (getattr(p, name)(own.start) for p in (own.problem, copy))
        np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-11 * np.abs(expected).max())


def test_energies_of_the_data_are_those_of_its_labels():
    """(1/2N) Σ (ŷ² − y²)² is homogeneous of degree four in the units of the labels."""
    own = problem_from_arrays(X, Y**2, runs=K)
    energy = np.asarray(own.problem.energy(own.start))
    np.testing.assert_allclose(own.energy(own.start), energy * own.label_norm**4, rtol=1e-11)
    y_hat = own.signal(own.start) @ X.T
    direct = ((y_hat**2 - Y**2) ** 2).sum(axis=1) / (2 * N)
    np.testing.assert_allclose(own.energy(own.start), direct, rtol=1e-11)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_factors_of_the_data_change_no_number(dtype):
    """Powers of two are exact: X by 2^a and the signal by 2^b leave every bit of the flow."""
    x = X.astype(dtype)
    runs = []
    for a, b in ((0, 0), (5, 0), (-3, 4), (0, -6)):
        own = problem_from_arrays(x * 2.0**a, Y**2 * 4.0 ** (a + b), runs=K)
        runs.append(gl.integrate(own.problem, own.start, t_max=0.1).end.energy)
        assert own.problem.dtype == dtype
    for run in runs[1:]:
        np.testing.assert_array_equal(run, runs[0])


@pytest.mark.parametrize(
    ("in_numpy", "dtype"), [(True, "float32"), (True, "float64"), (False, "float64")]
)
def test_x_is_not_copied_and_may_be_read_only(in_numpy, dtype):
    # a large array lies on a page, as one that is mapped from a file does
    room = np.zeros(M * N + 64, dtype)
    first = (-room.ctypes.data % 64) // room.itemsize
    x = room[first : first + M * N].reshape(M, N)
    x[:] = X
    before = x.copy()
    x.flags.writeable = False
    own = problem_from_arrays(x, Y**2, in_numpy=in_numpy)
    assert np.shares_memory(np.asarray(own.problem.sensing.matrix), x)
    own.problem.gradient(own.start)
    np.testing.assert_array_equal(x, before)


def test_both_libraries_give_one_flow():
    x = X.astype("float32")
    ends = []
    for in_numpy in (True, False):
        own = problem_from_arrays(x, Y**2, runs=K, in_numpy=in_numpy)
        assert own.problem.in_numpy == in_numpy
        ends.append(np.asarray(own.problem.gradient(own.start)))
    # two products with X in float32, of N and of M terms
    np.testing.assert_allclose(ends[0], ends[1], atol=64 * 2**-23 * np.abs(ends[1]).max())


def test_an_estimated_norm_is_right_within_its_error():
    """The relative error of Σ y² over M Gaussian rows is √(2/M), that of its root half of it."""
    norm = np.linalg.norm(SIGNAL)
    own = problem_from_arrays(X, Y**2)
    assert own.norm_from == "labels"
    assert abs(own.norm[0] / norm - 1) < 6 / (2 * M) ** 0.5
    np.testing.assert_allclose((np.asarray(own.problem.labels) ** 2).mean(), 1)
    for given in (norm, [norm, 2 * norm]):
        own = problem_from_arrays(X, Y**2, norm=given, runs=2)
        assert own.norm_from == "given"
        np.testing.assert_allclose(own.norm, np.broadcast_to(given, 2))


def test_integers_are_numbers_but_in_x():
    counts = np.rint(Y**2).astype(np.uint16)
    own = problem_from_arrays(X, counts)
    np.testing.assert_allclose(own.labels(own.start).shape, (1, M))
    with pytest.raises(ValueError, match=r"X: holds numbers of int64; .*astype\('float32'\)"):
        problem_from_arrays(np.sign(X).astype(int), counts)


def test_signals_on_one_x_have_their_own_norms_and_starts():
    signals = np.stack([SIGNAL, 5 * SIGNAL, SIGNAL[::-1]])
    start = RNG.standard_normal((K, N))
    own = problem_from_arrays(X, y=signals @ X.T, teacher=signals, start=start)
    np.testing.assert_allclose(own.norm, np.linalg.norm(signals, axis=1))
    np.testing.assert_allclose(own.signal(np.asarray(own.problem.teacher)), signals)
    np.testing.assert_allclose(own.start, start)
    for runs, some, named in ((2, None, "runs"), (None, start[:2], "start")):
        with pytest.raises(ValueError, match=named):
            problem_from_arrays(X, y=signals @ X.T, runs=runs, start=some)


def test_permuted_labels_are_those_of_the_data():
    own = problem_from_arrays(X, Y**2, runs=K, teacher=SIGNAL)
    twin = own.shuffled().problem
    assert not twin.has_signal
    for one, other in zip(np.asarray(twin.labels), np.asarray(own.problem.labels), strict=True):
        np.testing.assert_array_equal(np.sort(one), np.sort(other))
        assert (one != other).any()


def test_the_hash_is_that_of_the_content():
    own = problem_from_arrays(X, Y**2)
    assert problem_from_arrays(X.copy(), Y**2, seed=1, runs=2).digest == own.digest
    # columns first in memory: the same numbers
    assert problem_from_arrays(np.asfortranarray(X), Y**2).digest == own.digest
    other = X.copy()
    other[-1, -1] *= 1 + 2.0**-50
    digests = {
        own.digest,
        problem_from_arrays(other, Y**2).digest,
        problem_from_arrays(X, Y**2 * 2).digest,
        problem_from_arrays(X, Y**2, teacher=SIGNAL).digest,
        problem_from_arrays(X, Y**2, norm=1.0).digest,
        own.of_norm(np.array([1.5])).digest,
    }
    assert len(digests) == 5


def _complex_data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    matrix = rng.standard_normal((M, N)) + 1j * rng.standard_normal((M, N))
    return 3.0 * matrix, rng.standard_normal(N) + 1j * rng.standard_normal(N)


def test_complex_labels_of_the_signal_are_the_moduli_of_the_data():
    """A w and not ⟨a, w⟩: the rows are conjugated on the way in, and signals come out complex."""
    matrix, signal = _complex_data()
    y = np.abs(matrix @ signal)
    own = problem_from_arrays(matrix, y=y, teacher=signal, runs=K)
    teacher = np.asarray(own.problem.teacher)
    np.testing.assert_allclose(own.signal(teacher), np.stack([signal] * K), rtol=1e-12)
    np.testing.assert_allclose(own.labels(teacher), np.stack([y] * K), rtol=1e-12)
    assert np.asarray(own.problem.energy(teacher)).max() < 1e-24
    found = own.signal(own.start)
    expected = np.abs(found @ matrix.T)
    np.testing.assert_allclose(own.labels(own.start), expected, rtol=1e-12)
    direct = ((expected**2 - y**2) ** 2).sum(axis=1) / (2 * N)
    np.testing.assert_allclose(own.energy(own.start), direct, rtol=1e-11)


def test_a_complex_signal_without_a_norm_is_found_up_to_a_phase():
    matrix, signal = _complex_data()
    own = problem_from_arrays(matrix.astype("complex64"), np.abs(matrix @ signal) ** 2, runs=8)
    assert own.norm_from == "labels"
    run = gl.integrate(own.problem, own.start, t_max=30.0)
    fit = fit_norm(own, run, 30.0)
    w = fit.own.signal(fit.run.state.w)
    # a misfit of δ leaves errors of order δ in the norm, and of order δ² in the overlap
    there = fit.own.misfit(fit.run.state.w) < 1e-3
    assert there.any()
    overlap = np.abs(w.conj() @ signal) / np.linalg.norm(w, axis=1) / np.linalg.norm(signal)
    np.testing.assert_allclose(overlap[there], 1, atol=1e-4)
    np.testing.assert_allclose(fit.own.norm[there], np.linalg.norm(signal), rtol=1e-3)


def test_the_rank_of_a_complex_matrix_is_that_over_complex_numbers():
    """Columns a and ia have real and imaginary parts of rank two, and are one direction."""
    matrix, signal = _complex_data()
    matrix[:, 1] = 1j * matrix[:, 0]
    with pytest.raises(ValueError, match=f"X: has rank {N - 1}"):
        problem_from_arrays(matrix, y=np.abs(matrix @ signal))
    # real and imaginary part of one column, in two columns: two directions
    matrix[:, 0], matrix[:, 1] = np.real(matrix[:, 0]), 1j * np.imag(matrix[:, 0])
    assert problem_from_arrays(matrix, y=np.abs(matrix @ signal)).problem.field == "complex"


def test_states_and_norms_of_other_shapes_are_refused():
    own = problem_from_arrays(X, Y**2, runs=K)
    for call in (own.signal, own.labels):
        with pytest.raises(ValueError, match=r"^w: "):
            call(own.start[:1])
    for factor in (np.ones(1), -np.ones(K), np.zeros(K)):
        with pytest.raises(ValueError, match=r"^factor: "):
            own.of_norm(factor)
