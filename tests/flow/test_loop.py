"""The loop: first passages, batches that shrink, and returns to Python."""

import numpy as np
import pytest

from gapless.design import Design
from gapless.flow import (
    FLOW,
    SWEEP,
    CannotResume,
    GradientDescent,
    GradientFlow,
    Stop,
    integrate,
    loop,
)
from gapless.problem import can_be_widened, draw_problem, widened


def test_first_passages_bracket_the_energy():
    design = Design(n=64, alpha=12, seed=0, runs=8)
    problem, start = draw_problem(design, dtype="float64"), design.start()
    run = integrate(problem, start, 1.8)
    solved = np.isfinite(run.passage).all(axis=1)
    assert solved.sum() >= 6
    assert (np.diff(run.passage[solved, :4], axis=1) > 0).all()
    for k in np.flatnonzero(solved)[:2]:
        for level, when in zip(run.levels[:3], run.passage[k], strict=False):
            again = integrate(problem, start, float(when), solver=FLOW)
            # the interpolation inside a step is of the order of the step's own error
            assert again.end.energy[k] == pytest.approx(level, rel=0.2)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "runs"), [(64, 64), (256, 64)])
def test_a_shrinking_batch_changes_no_outcome(n, runs):
    """Runs that go on in a smaller batch end as they do in the whole one."""
    design = Design(n=n, alpha=7, seed=2, runs=runs)
    problem, start = draw_problem(design), design.start()
    whole = integrate(problem, start, 1.8, save_at=[1.8])
    shrinking = integrate(problem, start, 1.8)
    assert len(set(whole.outcome)) > 1
    assert whole.outcome == shrinking.outcome
    np.testing.assert_allclose(whole.passage[:, 0], shrinking.passage[:, 0], rtol=1e-2)


@pytest.mark.parametrize("solver", [FLOW, SWEEP, GradientDescent(1e-3)])
def test_how_often_the_loop_comes_back_changes_nothing(solver, monkeypatch):
    """It comes back so that interrupts are answered: here after every four gradients."""
    design = Design(n=32, alpha=8, seed=1, runs=4)
    problem, start = draw_problem(design), design.start()
    once = integrate(problem, start, 0.5, solver=solver)
    monkeypatch.setattr(loop, "MOST_GRADIENTS_PER_CALL", 3)
    often = integrate(problem, start, 0.5, solver=solver)
    for one, other in zip(once.state, often.state, strict=True):
        np.testing.assert_array_equal(one, other)


def test_runs_to_rest_in_float32_end_in_the_minima_of_float64():
    """They are at rest, at the right time and energy: the last part is in float64."""
    design = Design(n=32, alpha=4, seed=0, runs=4, in_numpy=True)
    narrow, wide = (draw_problem(design, "shuffled", dtype=d) for d in ("float32", "float64"))
    run = integrate(narrow, design.start(), 400.0, solver=GradientFlow(1e-3))
    exact = integrate(wide, design.start(), 400.0, solver=GradientFlow(2e-5))
    assert run.at_rest.all()
    assert run.state.w.dtype == np.float32
    same = np.abs(run.end.energy / exact.end.energy - 1) < 1e-4
    assert same.sum() >= 3
    # 5e-7 is what float32 leaves of an energy
    np.testing.assert_allclose(run.end.energy[same], exact.end.energy[same], rtol=2e-6)
    # errors of 2 % of the way of each step, of either sign (docs/architecture.md)
    late = run.stopped_at[same] / exact.stopped_at[same] - 1
    assert np.median(np.abs(late)) < 0.1


@pytest.mark.parametrize("kind", ["gaussian", "fast"])
def test_a_widened_problem_is_the_one_drawn_in_float64(kind):
    design = Design(n=64, alpha=3, seed=1, runs=3, in_numpy=True, sensing=kind)
    narrow = draw_problem(design)
    assert can_be_widened(narrow)
    wide, w = widened(narrow), np.asarray(narrow.teacher, float) + 0.1
    here, there = wide.evaluate(w), narrow.evaluate(w.astype(np.float32))
    assert here.velocity.dtype == np.float64
    # float32: sums of M and N terms of order one
    scale = float(np.finfo(np.float32).eps) * design.m
    np.testing.assert_allclose(np.asarray(there.velocity), np.asarray(here.velocity), atol=scale)
    if kind == "gaussian":
        # X is stored in float32 and widened by blocks: the products are those of X in float64
        other = draw_problem(design, dtype="float64")
        yhat = w @ np.asarray(other.sensing, float).T
        np.testing.assert_allclose(wide.student_labels(w), yhat, atol=1e-12)


def test_runs_near_rest_come_closer_than_float32_can():
    """Rounding of float32, 8 ε √α, would keep the squared speed above 1e-13."""
    design = Design(n=32, alpha=4, seed=0, runs=2, in_numpy=True)
    run = integrate(
        draw_problem(design, "shuffled"), design.start(), 400.0, stop=Stop(speed2=1e-16)
    )
    assert run.at_rest.all()


def test_a_run_near_a_noisy_signal_comes_to_rest():
    """It is left by the linear flow, and then slow: it must not be left to no one."""
    design = Design(n=32, alpha=10, seed=0, runs=2, in_numpy=True)
    problem = draw_problem(design, noise=1e-6)
    assert problem.teacher is not None
    start = np.asarray(problem.teacher) + 1e-3 * np.asarray(design.start())
    run = integrate(problem, start, 400.0, solver=SWEEP)
    assert (run.at_rest | (run.stopped_at == 400.0)).all()


def test_passages_follow_an_energy_whose_logarithm_bends_within_a_step():
    """For e = 1/(1 + t²) over a step of 0.2: the slopes at both ends are used, not e's alone."""
    design = Design(n=8, alpha=2, seed=0, runs=1, in_numpy=True)
    state = loop.initial_state(draw_problem(design), design.start(), FLOW)

    def at(t: float):
        energy = np.array([1 / (1 + t**2)])
        return state._replace(t=np.array([t]), energy=energy, speed2=2 * t * energy**2)

    old, new, goal = at(0.65), at(0.85), 0.75
    level = 1 / (1 + goal**2)
    found = loop._note_passages(old, new, np.array([[level] * state.passage.shape[1]])).passage
    linear = 0.65 + 0.2 * np.log(level / old.energy[0]) / np.log(new.energy[0] / old.energy[0])
    assert abs(found[0, 0] - goal) < 0.1 * abs(linear - goal)


def test_the_clock_takes_the_error_along_the_flow():
    """Without it, times to a solution are 0.7 % too long at this tolerance, and not 0.1 %."""
    design = Design(n=64, alpha=8, seed=0, runs=64, in_numpy=True)
    problem, start = draw_problem(design), design.start()
    loose, exact = (
        integrate(problem, start, 1.8, solver=GradientFlow(tolerance)).passage[:, 2]
        for tolerance in (2e-2, 1e-3)
    )
    both = np.isfinite(loose) & np.isfinite(exact)
    assert both.sum() > 32
    assert abs(np.median(loose[both] / exact[both] - 1)) < 3e-3


def _cuts(problem, start, t_max, monkeypatch):
    """Return the states between two calls of the loop, and where the runs end."""
    monkeypatch.setattr(loop, "MOST_GRADIENTS_PER_CALL", 20)
    cuts = []
    whole = integrate(problem, start, t_max, on_save=lambda now: cuts.append(now()))
    assert len(cuts) > 4
    assert not any(cut.saved for cut in cuts[:-1])
    return cuts[1:-1:3], whole


@pytest.mark.parametrize("in_numpy", [True, False])
def test_what_is_resumed_between_two_save_times_ends_as_if_never_cut(in_numpy, monkeypatch):
    """Also from a batch that has shrunk."""
    design = Design(n=128, alpha=6, seed=0, runs=64, in_numpy=in_numpy)
    problem, start = draw_problem(design), design.start()
    cuts, whole = _cuts(problem, start, 2.0, monkeypatch)
    for cut in cuts:
        again = integrate(problem, start, 2.0, resume=cut)
        for one, other in zip(again.state, whole.state, strict=True):
            np.testing.assert_array_equal(one, other)


def test_what_is_resumed_near_rest_ends_in_the_same_minima(monkeypatch):
    """There the runs are in float64, and their states are kept in float32."""
    design = Design(n=128, alpha=6, seed=0, runs=8, in_numpy=True)
    problem, start = draw_problem(design, "shuffled"), design.start()
    cuts, whole = _cuts(problem, start, 30.0, monkeypatch)
    for cut in cuts:
        again = integrate(problem, start, 30.0, resume=cut)
        assert again.outcome == whole.outcome
        np.testing.assert_allclose(again.end.energy, whole.end.energy, rtol=1e-5)


def test_a_state_of_another_call_is_not_resumed():
    design = Design(n=24, alpha=5, seed=0, runs=2, in_numpy=True)
    problem, start, kept = draw_problem(design), design.start(), []
    times = [0.5, 1.0, 2.0]
    integrate(problem, start, 2.0, save_at=times, on_save=lambda now: kept.append(now()))
    another = draw_problem(Design(n=24, alpha=5, seed=1, runs=2, in_numpy=True))
    for given, t_max, times, what in (
        (problem, 2.0, [0.7, 1.0, 2.0], "save times"),
        (problem, 0.6, [0.3, 0.6], "save times"),
        (another, 2.0, [0.5, 1.0, 2.0], "energies"),
    ):
        with pytest.raises(CannotResume, match=f"^resume: .*{what}"):
            integrate(given, start, t_max, save_at=times, resume=kept[-1])
