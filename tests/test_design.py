"""Designs: what is drawn depends on the key alone, and children are independent by name."""

import numpy as np
import pytest

from gapless.design import Design
from gapless.problem import draw_problem

DESIGN = Design(n=48, alpha=12.5, seed=3, index=2, runs=5)


def test_the_same_design_draws_the_same_numbers():
    again = Design(n=48, alpha=12.5, seed=3, index=2, runs=5)
    for name in ("sensing_matrix", "teacher", "start", "gaussian_labels"):
        assert (getattr(DESIGN, name)() == getattr(again, name)()).all()


def test_more_runs_leave_the_first_as_they_were():
    more = Design(n=48, alpha=12.5, seed=3, index=2, runs=9)
    assert (more.sensing_matrix() == DESIGN.sensing_matrix()).all()
    for name in ("teacher", "start", "gaussian_labels"):
        assert (getattr(more, name)()[:5] == getattr(DESIGN, name)()).all()
    few, many = (draw_problem(d, "shuffled").labels for d in (DESIGN, more))
    # products of other shapes may round differently; the permutation is the same
    np.testing.assert_allclose(few, many[:5], atol=1e-5)


@pytest.mark.parametrize("change", [{"seed": 4}, {"index": 3}, {"alpha": 12.4}, {"n": 47}])
def test_every_part_of_the_key_matters(change):
    fields = dict(n=48, alpha=12.5, seed=3, index=2, runs=5) | change
    other = Design(**fields)
    assert not np.allclose(other.start()[:, :40], DESIGN.start()[:, :40])
    assert not np.allclose(other.sensing_matrix()[:40, :40], DESIGN.sensing_matrix()[:40, :40])


def test_twins_share_sensing_vectors_teacher_and_squared_labels():
    teacher, twin = (draw_problem(DESIGN, kind) for kind in ("teacher", "shuffled"))
    assert (teacher.sensing == twin.sensing).all()
    assert (teacher.teacher == twin.teacher).all()
    one, other = (np.sort(np.asarray(p.labels) ** 2, axis=1) for p in (teacher, twin))
    assert (one == other).all()
    assert not np.allclose(teacher.labels, twin.labels)


def test_sensing_vectors_are_standard_and_cut_from_blocks():
    x = np.asarray(Design(n=256, alpha=5.01, seed=0).sensing_matrix(), float)
    m, n = x.shape
    assert m == 1283  # ⌊αN + ½⌋, not a multiple of a block
    z = x.ravel() * n**0.5
    count = z.size
    # four standard errors of mean, variance and kurtosis of count normal numbers
    assert abs(z.mean()) < 4 / count**0.5
    assert abs((z**2).mean() - 1) < 4 * (2 / count) ** 0.5
    assert abs((z**4).mean() - 3) < 4 * (96 / count) ** 0.5


def test_teachers_and_starts_lie_on_the_sphere():
    for w in (DESIGN.teacher(), DESIGN.start()):
        np.testing.assert_allclose((np.asarray(w, float) ** 2).sum(axis=1), 48, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_both_precisions_see_the_same_instances(dtype):
    problem = draw_problem(DESIGN, "teacher", dtype=dtype)
    assert problem.sensing.dtype == problem.labels.dtype == dtype
    assert (np.asarray(problem.sensing, np.float32) == DESIGN.sensing_matrix()).all()


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"n": 1}, "n"),
        ({"alpha": 0.0}, "alpha"),
        ({"alpha": -1.0}, "alpha"),
        ({"alpha": float("nan")}, "alpha"),
        ({"alpha": float("inf")}, "alpha"),
        ({"alpha": 1e-9}, "alpha"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**32}, "seed"),
        ({"runs": 0}, "runs"),
        ({"index": -1}, "index"),
    ],
)
def test_values_out_of_range_are_named(change, name):
    with pytest.raises(ValueError, match=f"^{name}: "):
        Design(**(dict(n=48, alpha=12.5, seed=3) | change))


def test_half_a_sample_is_rounded_up():
    """M = ⌊αN + ½⌋, and not to the even number."""
    assert [Design(n=5, alpha=alpha, seed=0).m for alpha in (0.5, 0.7)] == [3, 4]


def test_complex_sensing_vectors_are_other_draws_than_real_ones():
    real, parts = (
        np.asarray(Design(n=16, alpha=4, seed=0, field=field).sensing_matrix())
        for field in ("real", "complex")
    )
    assert parts.size == 2 * real.size
    for scale in (1, 2**0.5):
        # a few of two million pairs are equal by chance
        assert np.isin(np.float32(real / scale), parts).mean() < 0.01
