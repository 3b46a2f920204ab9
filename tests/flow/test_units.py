"""Units of a loss: a constant factor is another clock."""

import numpy as np
import pytest

from gapless.design import Design
from gapless.flow import (
    AtEnergy,
    GradientDescent,
    Outcome,
    integrate,
    loss_scale,
)
from gapless.losses import Loss, amplitude, normalised, quartic
from gapless.problem import draw_problem


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
    ("loss", "factor"),
    [
        pytest.param(normalised(0.3), 2.0**-30, id="small", marks=pytest.mark.slow),
        pytest.param(amplitude, 2.0**30, id="large"),
    ],
)
def test_a_loss_times_a_constant_has_the_same_flow_on_another_clock(loss, factor):
    """Powers of two round nothing: every bit of the path is the same, at c times the speed."""
    design = Design(n=32, alpha=6, seed=4, runs=4)
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


TOO_SMALL, TOO_LARGE = normalised(1e38), _times(quartic, 1e20)


@pytest.mark.parametrize("loss", [TOO_SMALL, TOO_LARGE])
def test_a_loss_that_float32_cannot_hold_is_refused(loss):
    design = Design(n=32, alpha=6, seed=0, runs=4)
    with pytest.raises(ValueError, match=r"^loss: .*float64"):
        integrate(draw_problem(design, loss=loss), design.start(), 0.1 / loss_scale(loss))


@pytest.mark.parametrize("loss", [TOO_SMALL, pytest.param(TOO_LARGE, marks=pytest.mark.slow)])
def test_float64_takes_a_loss_that_float32_cannot_hold(loss):
    design = Design(n=32, alpha=6, seed=0, runs=4)
    clock = 1 / loss_scale(loss)
    wide = integrate(draw_problem(design, loss=loss, dtype="float64"), design.start(), 0.1 * clock)
    assert (wide.end.energy < wide.start.energy).all()


def test_a_loss_that_is_nothing_is_refused():
    def zero(yhat, y):
        return 0 * (yhat + y)

    nothing = Loss("nothing", zero, zero, zero, 0.0)
    with pytest.raises(ValueError, match=r"^loss: nothing "):
        loss_scale(nothing)
