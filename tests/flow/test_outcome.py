"""How runs end: outcomes, units of the loss, budgets of steps, interrupts, starts, precision."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gapless.design import Design
from gapless.flow import (
    FLOW,
    SWEEP,
    AtEnergy,
    GradientDescent,
    GradientFlow,
    Outcome,
    integrate,
    loop,
    loss_scale,
)
from gapless.flow.outcome import outcomes
from gapless.losses import Loss, amplitude, normalised, quartic
from gapless.problem import draw_problem


def test_outcomes():
    design = Design(n=64, alpha=12, seed=0, runs=8)
    problem = draw_problem(design)
    assert set(integrate(problem, design.start(), 1.8).outcome) >= {Outcome.recovered}
    assert set(integrate(problem, design.start(), 1e-3).outcome) == {Outcome.time_out}
    shuffled = draw_problem(Design(n=32, alpha=6, seed=0, runs=8), "shuffled")
    run = integrate(shuffled, Design(n=32, alpha=6, seed=0, runs=8).start(), 100.0)
    trapped = np.array(run.outcome) == Outcome.trapped
    assert trapped.sum() >= 6
    assert (run.end.speed2[trapped] < 1e-10).all()
    assert (run.end.energy > 0.1).all()
    np.testing.assert_array_equal(run.at_rest, trapped)


@pytest.mark.parametrize("labels", ["teacher", "shuffled", "gaussian"])
def test_zero_energy_is_no_recovery_where_it_does_not_tell_the_signal(labels):
    """M < N: the labels are met on a whole manifold; shuffled and gaussian ones have no signal."""
    design = Design(n=32, alpha=0.25, seed=0, runs=4)
    problem = draw_problem(design, labels)
    run = integrate(problem, design.start(), 60.0)
    interpolated = np.array(run.outcome) == Outcome.interpolated
    assert interpolated.any()
    np.testing.assert_array_equal(interpolated, run.end.energy <= 1e-8)
    assert Outcome.recovered not in run.outcome


def test_one_function_decides_and_a_signal_comes_first():
    q = np.array([1.0, 1.0, 0.3, 0.3, 0.3, np.nan])
    zero = np.array([True, False, True, False, False, True])
    rest = np.array([False, True, True, True, False, False])
    finite = np.array([True, True, True, True, True, True])
    told = dict(overlap=q, zero=zero, at_rest=rest, finite=finite)
    told |= dict(stopped=np.zeros(6, bool))
    recovered, interpolated, trapped, time_out = list(Outcome)[:4]
    assert outcomes(has_signal=True, **told) == (
        *(recovered, recovered, interpolated),
        *(trapped, time_out, interpolated),
    )
    without = outcomes(has_signal=False, **told)
    assert without == (interpolated, trapped, interpolated, trapped, time_out, interpolated)
    ended = outcomes(has_signal=True, **(told | dict(stopped=np.ones(6, bool))))
    assert ended == (
        *(recovered, recovered, interpolated),
        *(trapped, Outcome.stopped, interpolated),
    )


def _times(loss: Loss, factor: float) -> Loss:
    """Return factor × ℓ."""
    return Loss(
        f"{factor:g} {loss.name}",
        lambda yhat, y: factor * loss.value(yhat, y),
        lambda yhat, y: factor * loss.d1(yhat, y),
        lambda yhat, y: factor * loss.d2(yhat, y),
        factor * loss.curvature_infimum,
    )


@pytest.mark.parametrize(
    ("loss", "factor"), [(normalised(0.3), 2.0**-30), (amplitude, 2.0**30)], ids=["small", "large"]
)
def test_a_loss_times_a_constant_has_the_same_flow_on_another_clock(loss, factor):
    """Powers of two round nothing: every bit of the path is the same, at c times the speed."""
    design = Design(n=32, alpha=8, seed=4, runs=4)
    start, t_max = design.start(), 4.0
    found = []
    for c in (1.0, factor):
        problem = draw_problem(design, loss=loss if c == 1 else _times(loss, c))
        run = integrate(problem, start, t_max / c, save_at=np.array([0.5, 4.0]) / c)
        found.append(
            {
                "outcome": run.outcome,
                "steps": run.steps,
                "energy": run.energy / c,
                "mu": run.mu / c,
                "speed2": run.end.speed2 / c**2,
                "levels": run.levels / c,
                "passage": run.passage * c,
                "stopped_at": run.stopped_at * c,
                "velocity": np.asarray(run.state.velocity, float) / c,
            }
        )
        if loss is amplitude:
            continue  # one loss is enough for those
        descent = integrate(problem, start, 0.5 / c, solver=GradientDescent(2.0**-9 / c))
        energy = run.energy[:, 0].min() * (1 - 1e-3)
        crossing = integrate(problem, start, t_max / c, stop=AtEnergy(energy))
        seen = integrate(problem, start, 0.5 / c, observe=lambda t, state: (t, state))
        found[-1] |= {
            "descent": descent.energy / c,
            "crossed": crossing.stopped_at * c,
            "at the crossing": np.asarray(crossing.state.energy, float) / c,
            "time observed": seen.observed[0][0] * c,
            "energy observed": np.asarray(seen.observed[0][1].energy, float) / c,
        }
    for name, value in found[0].items():
        np.testing.assert_array_equal(found[1][name], value, err_msg=name)


def test_rest_and_zero_energy_do_not_depend_on_the_units_of_a_loss():
    """ℓ of size 1e-8 is neither at rest at t = 0 nor solved there; in its own time it is solved."""
    design = Design(n=32, alpha=10, seed=0, runs=8)
    small, start = draw_problem(design, loss=normalised(1e8)), design.start()
    early = integrate(small, start, 1.0)
    assert set(early.outcome) == {Outcome.time_out}
    late = integrate(small, start, 20.0 / loss_scale(small.loss))
    assert Outcome.recovered in late.outcome
    solved = np.isfinite(late.passage[:, 2])
    assert (late.end.energy[solved] <= 1e-8 * 1.01e-8).all()


@pytest.mark.parametrize("loss", [normalised(1e38), _times(quartic, 1e20)])
def test_a_loss_that_float32_cannot_hold_is_refused_and_float64_takes_it(loss):
    design = Design(n=16, alpha=6, seed=0, runs=2)
    clock = 1 / loss_scale(loss)
    with pytest.raises(ValueError, match=r"^loss: .*float64"):
        integrate(draw_problem(design, loss=loss), design.start(), 0.1 * clock)
    wide = integrate(draw_problem(design, loss=loss, dtype="float64"), design.start(), 0.1 * clock)
    assert (wide.end.energy < wide.start.energy).all()


def test_a_loss_that_is_nothing_is_refused():
    def zero(yhat, y):
        return 0 * (yhat + y)

    nothing = Loss("nothing", zero, zero, zero, 0.0)
    with pytest.raises(ValueError, match=r"^loss: nothing "):
        loss_scale(nothing)


def test_a_stiff_run_ends_when_its_steps_do_and_says_so():
    design = Design(n=16, alpha=6, seed=0, runs=2)
    problem = draw_problem(design, noise=1e6)
    run = integrate(problem, design.start(), 1.8, solver=GradientFlow(max_steps=60))
    assert set(run.outcome) == {Outcome.time_out}
    assert (run.steps == 60).all()
    assert (run.stopped_at < 1.8).all()
    assert all("60 steps" in reason for reason in run.reason)
    enough = integrate(draw_problem(design), design.start(), 0.01)
    assert set(enough.reason) == {""}
    with pytest.raises(ValueError, match=r"^rate: "):
        integrate(problem, design.start(), 1.0, solver=GradientDescent(1e-12))


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


def test_a_start_is_a_direction_whatever_its_length():
    design = Design(n=32, alpha=6, seed=0, runs=2)
    problem, start = draw_problem(design), np.asarray(design.start())
    usual = integrate(problem, start, 0.1)
    for factor in (2.0**100, 2.0**-100, 2.0**-1000):
        run = integrate(problem, start.astype(float) * factor, 0.1)
        np.testing.assert_array_equal(run.state.w, usual.state.w)
    with jax.enable_x64(True):  # else a start in float64 is no array of jax
        long = integrate(problem, jnp.asarray(1e200 * start.astype(float)), 0.1)
    np.testing.assert_allclose(long.state.w, usual.state.w, rtol=1e-4)
    for bad in (0 * start, start[:1], start[:, :5], start[0], start + 0j, start * [[1], [np.nan]]):
        with pytest.raises(ValueError, match=r"^start: "):
            integrate(problem, bad, 0.1)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_problem_is_computed_in_its_own_precision_whatever_the_global_flag(dtype):
    design = Design(n=16, alpha=6, seed=0, runs=2)
    found = []
    for flag in (False, True):
        with jax.enable_x64(flag):
            problem, start = draw_problem(design, "shuffled", dtype=dtype), design.start()
            crossing = integrate(problem, start, 0.1, stop=AtEnergy(8.0))
            run = integrate(problem, start, 0.1, observe=lambda _, state: state)
            for state in (run.state, crossing.state, run.observed[0]):
                assert {str(part.dtype) for part in state if part.dtype.kind == "f"} == {dtype}
            found.append([run.state.w, crossing.state.w])
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_starting_at_the_solution_is_recovery():
    design = Design(n=32, alpha=6, seed=0, runs=4)
    problem = draw_problem(design)
    assert problem.teacher is not None
    run = integrate(problem, problem.teacher, 1.0)
    assert set(run.outcome) == {Outcome.recovered}
