"""Laws of the outliers that labels and history imply together."""

import numpy as np
import pytest

from gapless.theory import bulk
from gapless.theory.joint import joint_spectrum
from sampling import SIGMAS
from spectra import completions, planted


def history(seed=0, n=200, alpha=8.0, directions=3, forces=2):
    """Weights that depend on the images along few directions, and forces that are spanned."""
    rng = np.random.default_rng(seed)
    m = int(alpha * n)
    images = rng.standard_normal((m, directions)) / np.sqrt(n)
    y = images * np.sqrt(n)
    d = 3 + rng.uniform(0, 2, m) - 6 * np.tanh((y[:, 0] ** 2 + y[:, 0] * y[:, 1]) / 2)
    basis = np.linalg.qr(d[:, None] * y[:, :forces])[0]
    # a product Xᵀq in the span of E gives the images a part along q, of length one
    images[:, 1 : 1 + forces] += basis[:, : directions - 1]
    return d, images, basis


def test_one_direction_and_no_force_is_the_outlier_along_the_signal():
    law = planted()
    n = law.d.size / law.alpha
    image = np.sqrt(law.y2 / n)[:, None]
    found = joint_spectrum(law.d, image, np.zeros((law.d.size, 0)), law.alpha)
    known = bulk.outlier(law)
    (one,) = found.outliers
    assert found.edge.value == pytest.approx(bulk.edge(law).value, rel=1e-14)
    assert one.value == pytest.approx(known.value, rel=1e-12)
    assert found.lowest() == pytest.approx((known.value, known.overlap), rel=1e-10)
    # where the signal is a direction like any other, nothing leaves the bulk
    ones = np.full((law.d.size, 1), n**-0.5)
    none = joint_spectrum(np.abs(law.d), ones, np.zeros((law.d.size, 0)), law.alpha)
    assert none.lowest() == (none.edge.value, 0.0)
    assert np.isnan(none.lowest(None)[1])


@pytest.mark.parametrize("seed", range(3))
def test_bases_of_the_two_spans_do_not_matter(seed):
    d, images, forces = history(seed)
    rng = np.random.default_rng(seed)
    turn, other = (np.linalg.qr(rng.standard_normal((k, k)))[0] for k in (3, 2))
    first = joint_spectrum(d, images, forces, 8.0)
    second = joint_spectrum(d, images @ turn, forces @ other, 8.0)
    assert len(first.outliers) == len(second.outliers) >= 1
    for one, two in zip(first.outliers, second.outliers, strict=True):
        assert one.value == pytest.approx(two.value, rel=1e-9)
        along = turn @ two.along
        assert np.abs(along @ one.along) == pytest.approx(one.along @ one.along, rel=1e-7)


@pytest.mark.parametrize("direction", range(3))
def test_the_squared_overlap_is_the_slope_in_a_spike(direction):
    # Hellmann–Feynman: dλ/dt of M + t v vᵀ. A sample of vanishing weight and large image along v
    # alone adds just that
    d, images, forces = history(4)
    n, tiny, step = 200, 1e-9, 1e-5

    def lowest(t):
        row = np.zeros((1, 3))
        row[0, direction] = np.sqrt(abs(t) / tiny)
        weights = np.append(d, np.sign(t) * tiny)
        basis = np.vstack([forces, np.zeros((1, 2))])
        return joint_spectrum(weights, np.vstack([images, row]), basis, (d.size + 1) / n)

    slope = (lowest(step).outliers[0].value - lowest(-step).outliers[0].value) / (2 * step)
    assert slope == pytest.approx(lowest(step).outliers[0].along[direction] ** 2, abs=1e-4)


def test_matrices_with_that_history_have_the_outlier():
    d, images, forces = history(1, n=240)
    (first, *_) = joint_spectrum(d, images, forces, 8.0).outliers
    values, along = completions(d, images, forces, 240, 24)
    shares = (along * np.sign(along @ first.along)[:, None]).mean(axis=0)
    # statistical error of the mean, and the bias of the next order in the directions, k/N
    error = values.std(ddof=1) / np.sqrt(len(values))
    assert abs(values.mean() - first.value) < SIGMAS * error + 5 / 240 * abs(first.value)
    assert np.abs(shares - first.along).max() < SIGMAS / np.sqrt(24 * 240) + 5 / 240
    # without the forces the same images imply another eigenvalue, which the matrices do not have
    wrong = joint_spectrum(d, images, forces[:, :0], 4.0).outliers[0].value
    assert abs(values.mean() - wrong) > 2 * abs(values.mean() - first.value)


def test_arrays_are_checked():
    d, images, forces = history()
    with pytest.raises(ValueError, match="orthonormal"):
        joint_spectrum(d, images, 2 * forces, 8.0)
    with pytest.raises(ValueError, match="images"):
        joint_spectrum(d, np.full_like(images, np.nan), forces, 8.0)
