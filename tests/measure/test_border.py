"""The planted border against the Hessian of the problem with one more dimension."""

import jax.numpy as jnp
import numpy as np
import pytest

from gapless.design import Design
from gapless.flow import integrate
from gapless.hessian import hessian_matrix
from gapless.losses import divided, normalised, quartic
from gapless.measure.border import RECORDS, BorderPoint, longest, planted_border
from gapless.precision import precision
from gapless.problem import Problem, draw_problem

N, ALPHA, RUNS, SIGNS = 12, 10.0, 4, 6


@pytest.fixture(
    params=[quartic, pytest.param(normalised(1.0), marks=pytest.mark.slow)],
    ids=["quartic", "normalised"],
    scope="module",
)
def rest(request):
    """A float64 problem of few dimensions, its runs at rest, and signs."""
    design = Design(N, ALPHA, seed=3, runs=RUNS)
    problem = draw_problem(design, "shuffled", request.param, "float64")
    run = integrate(problem, design.start(), 200.0)
    signs = np.random.default_rng(3).choice([-1.0, 1.0], (SIGNS, problem.m))
    return problem, run, signs


def extended(problem, w, run, signs):
    """Return the Hessian at (W, 0) of N + 1 dimensions on the tangent space, and (N + 1)/N."""
    y = np.asarray(problem.labels[run])
    n, grown = problem.n, (problem.n + 1) / problem.n
    last = signs * y / n**0.5
    sensing = np.column_stack([np.asarray(problem.sensing), last])
    # x of variance 1/(N + 1), W on the sphere of N + 1 dimensions: the same labels ŷ
    state = np.append(np.asarray(w[run]), 0.0)[None] * grown**0.5
    with precision("float64"):
        arrays = (jnp.asarray(sensing / grown**0.5), jnp.asarray(y[None]))
        scaled = Problem(*arrays, None, problem.loss)
        hessian = np.asarray(hessian_matrix(scaled, jnp.asarray(state), 0))
    frame = np.linalg.svd(state)[2][1:]
    return frame @ hessian @ frame.T * grown, frame


def test_the_schur_complement_is_that_of_one_more_dimension(rest):
    problem, run, signs = rest
    w = run.state.w
    for index in np.flatnonzero(run.at_rest):
        found = planted_border(problem, w, int(index), signs)
        if found["schur"] is None:
            continue
        for epsilon, s in zip(signs, found["schur"], strict=True):
            whole, frame = extended(problem, w, index, epsilon)
            last = frame[:, -1]
            # 1/s is the entry of the inverse along the last dimension
            inverse = last @ np.linalg.solve(whole, last)
            assert 1 / inverse == pytest.approx(s, rel=1e-7)
            assert (np.linalg.eigvalsh(whole)[0] < 0) == (s < 0)


def test_the_border_lies_below_its_diagonal(rest):
    problem, run, signs = rest
    for index in np.flatnonzero(run.at_rest):
        found = planted_border(problem, run.state.w, int(index), signs)
        if found["schur"] is not None:
            assert found["lambda_1"] > 0
            assert (found["schur"] <= found["diagonal"]).all()


def test_all_signs_turned_change_nothing(rest):
    problem, run, signs = rest
    index = int(np.flatnonzero(run.at_rest)[0])
    once, again = (planted_border(problem, run.state.w, index, e) for e in (signs, -signs))
    np.testing.assert_allclose(once["schur"], again["schur"], rtol=1e-12)


def test_a_random_state_is_no_minimum(rest):
    problem, _, signs = rest
    start = Design(N, ALPHA, seed=3, runs=RUNS).start()
    found = planted_border(problem, start, 0, signs)
    # by a second route: the whole matrix of the larger problem, without its last dimension
    whole, frame = extended(problem, start, 0, signs[0])
    inside = np.linalg.svd(frame[:, -1:].T)[2][1:]
    lowest = np.linalg.eigvalsh(inside @ whole @ inside.T)[0]
    assert found["lambda_1"] == pytest.approx(lowest, rel=1e-6)
    assert lowest < 0
    assert found["schur"] is None


def test_signs_of_another_shape_are_named(rest):
    problem, run, signs = rest
    with pytest.raises(ValueError, match="signs"):
        planted_border(problem, run.state.w, 0, signs[:, 1:])


def test_runs_of_a_loss_of_another_unit_last_as_many_units_of_time():
    for loss in (quartic, normalised(0.5)):
        assert longest(divided(loss, 4.0)) == 4 * longest(loss)


def test_every_run_has_a_record_and_minima_have_all_columns():
    table = BorderPoint(n=24, alpha=11.0, seed=3, runs=4).measure()
    assert set(RECORDS.names) <= set(table.schema.names)
    assert len(table) == 4
    for row in table.to_pylist():
        complete = row["schur"] is not None
        assert complete == (row["outcome"] == "minimum")
        assert complete <= (row["lambda_1"] is not None and row["lambda_1"] > 0)
        assert complete <= (row["limit"] is not None)
