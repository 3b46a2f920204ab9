"""Runs stopped where they cross an energy, and states on the way."""

import numpy as np
import pytest

from gapless.design import Design
from gapless.flow import PAPER, AtEnergy, GradientFlow, Outcome, Stop, Trajectory, integrate
from gapless.hessian import hessian_matrix
from gapless.problem import draw_problem

DESIGN = Design(64, 10, seed=2, runs=16)


def to_energy(problem, energy, t_max: float = 20.0, tolerance: float = 1e-3):
    return integrate(problem, DESIGN.start(), t_max, stop=AtEnergy(energy, tolerance))


@pytest.fixture(scope="module")
def problem():
    return draw_problem(DESIGN)


def test_every_run_is_stopped_within_1e_3_of_its_own_energy(problem) -> None:
    energy = np.linspace(4.0, 9.0, 16)
    crossing = to_energy(problem, energy)
    at = np.asarray(problem.energy(crossing.state.w), float)
    assert crossing.crossed.sum() >= 12
    assert np.abs(at - energy)[crossing.crossed].max() <= 1e-3 + 1e-5
    assert np.isfinite(crossing.stopped_at[crossing.crossed]).all()


def test_the_flow_at_the_time_of_the_crossing_has_that_energy(problem) -> None:
    # two routes: the crossing, and the flow asked for that very time. They step differently, so
    # they differ by the flow's own error; early on, before runs can part, that is small
    crossing = to_energy(problem, 12.0)
    assert crossing.crossed.all()
    for run in (0, 7):
        there = integrate(problem, DESIGN.start(), float(crossing.stopped_at[run]))
        slope = there.state.speed2[run]
        assert (
            abs(there.energy[run, -1] - 12.0)
            < 1e-3 + 5e-3 * float(slope) * crossing.stopped_at[run]
        )


def test_a_finer_tolerance_moves_the_time_by_no_more_than_the_coarse_one_allows(problem) -> None:
    coarse = to_energy(problem, 12.0, tolerance=1e-2)
    fine = to_energy(problem, 12.0, tolerance=1e-4)
    allowed = 2 * 1e-2 / np.asarray(fine.state.speed2)
    assert (np.abs(coarse.stopped_at - fine.stopped_at) <= allowed).all()


def test_a_run_that_never_crosses_says_so_and_keeps_its_state(problem) -> None:
    late = to_energy(problem, -1.0, 0.3)
    assert not late.crossed.any()
    assert set(late.outcome) == {Outcome.time_out}
    np.testing.assert_allclose(late.stopped_at, 0.3, atol=1e-6)
    for energy in (1e6, np.full(16, np.nan)):  # it starts below, or there is nothing to cross
        never = to_energy(problem, energy, 0.3)
        assert not never.crossed.any()
        assert set(never.outcome) == {Outcome.stopped}
        assert (never.stopped_at == 0).all()
    assert set(to_energy(problem, 12.0).outcome) == {Outcome.stopped}


def test_runs_do_not_depend_on_each_others_targets(problem) -> None:
    one = to_energy(problem, 12.0)
    other = np.full(16, 12.0)
    other[::2] = 5.0
    two = to_energy(problem, other)
    # the number of stages is the batch's, so targets may change rounding and no more
    np.testing.assert_allclose(one.stopped_at[1::2], two.stopped_at[1::2], rtol=1e-3)


def test_what_is_observed_is_what_is_recorded(problem) -> None:
    times = [0.0, 0.05, 0.2]
    run = integrate(
        problem, DESIGN.start(), 0.2, save_at=times, observe=lambda t, state: (t, state.energy)
    )
    assert [t for t, _ in run.observed] == times
    np.testing.assert_array_equal(np.stack([e for _, e in run.observed], axis=1), run.energy)


def test_save_times_on_the_way_change_no_crossing_beyond_the_flows_error(problem) -> None:
    # other steps, so other errors: 1 % at tolerance 2e-2, and they fall like tolerance^(2/3)
    exact = GradientFlow(1e-3)
    times = {
        len(saved): integrate(
            problem, DESIGN.start(), 20.0, solver=exact, stop=AtEnergy(12.0), save_at=saved
        ).stopped_at
        for saved in ([20.0], [0.01, 0.02, 1.0])
    }
    np.testing.assert_allclose(times[1], times[3], rtol=5e-3)


def test_descent_has_no_states_between_its_steps(problem) -> None:
    with pytest.raises(ValueError, match=r"^solver: "):
        integrate(problem, DESIGN.start(), 1.0, solver=PAPER, stop=AtEnergy(12.0))


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("t_max", {"energy": 1.0, "t_max": 0.0}),
        ("tolerance", {"energy": 1.0, "t_max": 1.0, "tolerance": 0.0}),
        ("energy", {"energy": np.ones(3), "t_max": 1.0}),
    ],
)
def test_wrong_requests_name_the_parameter(name, arguments, problem) -> None:
    with pytest.raises(ValueError, match=name):
        to_energy(problem, **arguments)


@pytest.mark.slow
def test_rest_is_approached_at_the_rates_of_the_hessian() -> None:
    # Near a minimum V̇ = −HV, so −d ln|V|²/dt = 2VᵀHV/|V|², which falls as slow modes take over:
    # what |V|² loses lies between its values at both ends, times the time in between.
    design = Design(48, 4, seed=0, runs=4, in_numpy=True)
    problem = draw_problem(design, "shuffled", dtype="float64")
    solver, levels = GradientFlow(1e-6), (1e-8, 1e-10)

    def rate(run: Trajectory) -> np.ndarray:
        v = np.asarray(run.state.velocity)
        hessians = [hessian_matrix(problem, run.state.w, k, deflate_radial=True) for k in range(4)]
        images = np.stack([hessian @ one for hessian, one in zip(hessians, v, strict=True)])
        return 2 * (v * images).sum(axis=1) / (v * v).sum(axis=1)

    early, late = (
        integrate(problem, design.start(), 400.0, solver=solver, stop=Stop(speed2=level))
        for level in levels
    )
    assert {*early.outcome, *late.outcome} == {Outcome.trapped}
    lost = np.log(early.end.speed2 / late.end.speed2)
    time = late.stopped_at - early.stopped_at
    # the error that a step may make, in units of the radius, against the way left, |V|/λ₁ with λ₁
    # of order one: 10 % at the end (and far below before)
    slack = solver.tolerance / levels[-1] ** 0.5
    assert (lost >= (1 - slack) * rate(late) * time).all()
    assert (lost <= (1 + slack) * rate(early) * time).all()


def test_recovered_runs_end_where_rounding_keeps_them_above_the_strictest_criterion() -> None:
    """At this size labels of float32 leave twice 1e-8/N, which no run would reach."""
    design = Design(n=1024, alpha=12, seed=0, runs=2, in_numpy=True)
    problem = draw_problem(design)
    run = integrate(problem, design.start(), 6.0)
    assert set(run.outcome) == {Outcome.recovered}
    assert 1e-8 / problem.n < float(Stop().energy_for(problem))
    assert (run.stopped_at < 5.0).all()


@pytest.mark.parametrize(("n", "alpha", "seed"), [(16, 6.0, 14), (32, 8.0, 4), (16, 6.0, 83)])
def test_a_crossing_later_than_the_step_that_passed_it_is_found(n, alpha, seed) -> None:
    """A long step's clock is off by its error, and its bracket closed before the crossing."""
    design = Design(n, alpha, seed=seed, runs=8, in_numpy=True)
    target = integrate(draw_problem(design, "shuffled"), design.start(), 100.0).end.energy
    found = integrate(draw_problem(design), design.start(), 100.0, stop=AtEnergy(target))
    assert (np.abs(found.end.energy - target)[found.crossed] < 1.01e-3).all()
    # the others came to rest above
    assert set(np.array(found.outcome)[~found.crossed]) <= {Outcome.trapped}
    assert (found.end.energy > target)[~found.crossed].all()


def test_small_energies_are_met_to_a_relative_tolerance(problem) -> None:
    for energy in (1e-2, 1e-5, 1e-8):
        crossing = to_energy(problem, energy)
        assert crossing.crossed.sum() >= 8
        met = crossing.end.energy[crossing.crossed]
        np.testing.assert_allclose(met, energy, rtol=1.1e-3)


@pytest.mark.parametrize("in_numpy", [True, False])
def test_a_crossing_finer_than_the_clock_ends_the_run(in_numpy) -> None:
    """A goal between two times of the clock rounds up to the later one."""
    reasons = []
    for seed in range(4):
        design = Design(n=32, alpha=6, seed=seed, runs=3, in_numpy=in_numpy)
        stop = AtEnergy(1.0, tolerance=1e-8)
        found = integrate(draw_problem(design), design.start(), 1.0, stop=stop)
        late = ~found.crossed & (found.stopped_at < 1.0)
        reasons += np.array(found.reason)[late].tolist()
    # half of the runs or so: energies of order one are multiples of 6e-8 or 1.2e-7
    assert reasons
    assert all("tolerance" in reason for reason in reasons)


def test_a_run_that_starts_below_a_level_has_passed_it_at_the_start() -> None:
    design = Design(n=24, alpha=8, seed=0, runs=2, in_numpy=True)
    problem = draw_problem(design)
    for stop in (Stop(), AtEnergy(1.0)):
        found = integrate(problem, design.teacher(), 1.0, stop=stop)
        assert (found.passage == 0).all()
        assert (found.passage_gradients == 1).all()
