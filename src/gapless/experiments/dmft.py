"""N = ∞ dynamics with checkpoints: one point a set of paths and a step; rows and a picture."""

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from pydantic import model_validator

from gapless.experiments import drawing
from gapless.experiments._experiment import Point
from gapless.experiments.checkpoint import Checkpoint
from gapless.losses import parse_loss
from gapless.theory import NotConverged, threshold_state
from gapless.theory.dmft import (
    Draws,
    Dynamics,
    Estimate,
    Paths,
    Solution,
    begin,
    sweep,
    sweep_bytes,
    sweep_flops,
)
from gapless.theory.dmft.history import History
from gapless.theory.dmft.solver import Labels

FEWEST_PATHS, MOST_STEPS = 64, 20_000


class MeanField(Point):
    """One set of `paths` sampled paths, `t_max`/`step` steps of gradient descent at N = ∞.

    `labels` shuffled and gaussian are the same there; `overlap` is the teacher's at t = 0. Sets
    that differ in `replica` are independent.
    """

    alpha: float
    t_max: float
    step: float
    paths: int
    seed: int
    labels: Labels = "shuffled"
    overlap: float = 0.0
    loss: str = "quartic"
    replica: int = 0

    @model_validator(mode="after")
    def _check(self) -> "MeanField":
        object.__setattr__(self, "loss", parse_loss(self.loss).name)
        if not (np.isfinite(self.step) and self.step > 0):
            raise ValueError(f"step: must be a positive number, not {self.step}")
        if not (np.isfinite(self.t_max) and self.t_max >= self.step):
            raise ValueError(
                f"t_max: must be a finite time of at least one step {self.step:g}, not {self.t_max}"
            )
        if self.t_max / self.step > MOST_STEPS:
            raise ValueError(
                f"step: {self.step:g} makes more than {MOST_STEPS} steps until t = {self.t_max:g}; "
                "raise --step or lower --t-max"
            )
        if not FEWEST_PATHS <= self.paths <= 2**30:
            raise ValueError(f"paths: must be from {FEWEST_PATHS} to 2**30, not {self.paths}")
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed: must be an integer from 0 to 2**32 - 1, not {self.seed}")
        if self.labels == "teacher" and self.overlap == 0:
            raise ValueError(
                "overlap: without one, a teacher is never found at N = ∞; give --overlap 0.3 "
                "(the growth of a small one is in the answer of shuffled labels)"
            )
        _ = self.dynamics
        return self

    @property
    def steps(self) -> int:
        """T, the number of steps."""
        return max(1, round(self.t_max / self.step))

    @property
    def dynamics(self) -> Dynamics:
        """What is followed."""
        steps = np.full(self.steps, self.step)
        return Dynamics(parse_loss(self.loss), self.alpha, steps, self.labels, self.overlap)

    @property
    def draws(self) -> Draws:
        """Where the paths come from."""
        return Draws(self.paths, self.seed, self.replica)

    @property
    def bytes(self) -> float:
        """Expected peak memory."""
        return sweep_bytes(self.steps, self.paths)

    @property
    def flops(self) -> float:
        """Expected floating-point operations."""
        return sweep_flops(self.steps, self.paths)

    def coarse(self) -> "MeanField":
        """Return the same on steps twice as long, with the same random numbers."""
        return self.model_copy(update={"step": 2 * self.step})


def solve(point: MeanField, progress: Callable[[float], object] = lambda _: None) -> Solution:
    """Return the solution of a point, from its checkpoint on if there is one.

    `progress` is called with the operations done. Raises `Unstable`.
    """
    checkpoint = Checkpoint(point)
    paths = point.paths
    done = 0

    def watch(state: Paths) -> None:
        nonlocal done
        now = state.done - 1
        progress(sweep_flops(now, paths) - sweep_flops(done, paths))
        done = now
        if checkpoint.due:
            checkpoint.write(_packed(state))

    found = checkpoint.read()
    state = None if found is None else _unpacked(begin(point.dynamics, point.draws), found)
    return Solution(point.dynamics, sweep(point.dynamics, point.draws, state, watch))


_ARRAYS = [one.name for one in fields(Paths) if one.name not in ("history", "done")]


def _packed(state: Paths) -> dict[str, np.ndarray]:
    arrays = {name: getattr(state, name) for name in _ARRAYS}
    arrays |= {"basis": state.history.basis, "rows": state.history.coordinates}
    return arrays | {"done": np.array(state.done)}


def _unpacked(fresh: Paths, found: dict[str, np.ndarray]) -> Paths | None:
    """Return the state of a checkpoint, None if it is not one of this computation."""
    expected = _packed(fresh)
    if expected.keys() != found.keys() or any(
        expected[name].shape != found[name].shape for name in expected
    ):
        return None
    arrays = {name: found[name] for name in _ARRAYS}
    history = History(found["basis"], found["rows"])
    return replace(fresh, history=history, done=int(found["done"]), **arrays)


def spectrum(solution: Solution, times: int = 9) -> dict[str, list[Any]]:
    """Return bulk edge and outlier, before μ, at some of the times (shuffled labels only)."""
    states = np.unique(np.linspace(0, solution.states - 1, times).astype(int))
    found = [solution.spectrum(int(k)) for k in states]
    return {
        "t": solution.t[states].tolist(),
        "bulk_edge": [edge for edge, _, _ in found],
        "outlier": [outlier for _, outlier, _ in found],
        "edge_from_one_atom": [one for _, _, one in found],
    }


def draw(point: MeanField, estimate: Estimate) -> Figure:
    """Draw e(t), μ and C(t, 0), and the growth of a small overlap or the overlap itself."""
    figure, (energy, others, growth) = drawing.panels(3)
    t = estimate.t

    def curve(axes, name: str, label: str, index: int) -> None:
        value, error = estimate.value[name], estimate.paths[name]
        axes.plot(t, value, color=drawing.colour(index), label=label)
        band = np.nan_to_num(error)
        axes.fill_between(t, value - band, value + band, color=drawing.colour(index), alpha=0.25)

    curve(energy, "energy", r"$N=\infty$", 0)
    if point.labels != "teacher":
        _draw_threshold(energy, point)
    energy.set(xlabel=r"time $t$", ylabel=r"energy $e=\mathcal{L}/N$", ylim=(0, None))
    energy.legend()
    curve(others, "correlation_0", r"$C(t,0)$", 0)
    others.plot(
        t,
        estimate.value["mu"] / estimate.value["mu"][0],
        color=drawing.colour(1),
        label=r"$\mu(t)/\mu(0)$",
    )
    others.set(xlabel=r"time $t$", ylim=(None, 1.02))
    others.legend()
    if point.labels == "teacher":
        curve(growth, "signed_overlap", "overlap", 2)
        growth.set(xlabel=r"time $t$", ylabel=r"overlap $m$")
    else:
        curve(growth, "growth_rate", "rate", 2)
        growth.axhline(0, color="0.6", lw=0.8)
        growth.set(xlabel=r"time $t$", ylabel=r"growth of a small overlap, $d\ln m/dt$")
    figure.suptitle(
        rf"$\alpha$ = {point.alpha:g}, {point.loss}, {point.labels} labels, $N=\infty$: "
        f"{point.paths} paths, step {point.step:g}",
        fontsize=9.5,
    )
    return figure


def _draw_threshold(axes, point: MeanField) -> None:
    try:
        level = threshold_state(parse_loss(point.loss), point.alpha).energy
    except (NotConverged, ValueError):
        return  # a loss that the replica theory does not cover
    axes.axhline(level, color="black", lw=0.8, ls="--", label="1RSB, marginal")


def answer(
    point: MeanField, estimate: Estimate, solutions: Sequence[Solution], notes: Sequence[str]
) -> dict[str, Any]:
    """Return the record of an estimate, for JSON."""
    teacher = point.labels == "teacher"
    names = ["energy", "mu", "correlation_0"]
    names += ["signed_overlap"] if teacher else ["growth", "growth_rate"]
    return {
        "alpha": point.alpha,
        "labels": point.labels,
        "overlap": point.overlap if teacher else None,
        "loss": point.loss,
        "step": point.step,
        "paths": point.paths,
        "replicas": len(solutions),
        "seed": point.seed,
        "t": estimate.t.tolist(),
        **{name: estimate.value[name].tolist() for name in names},
        "spectrum": None if teacher else spectrum(solutions[0]),
        "error": {
            name: {"paths": estimate.paths[name].tolist(), "steps": estimate.steps[name].tolist()}
            for name in names
        },
        "notes": list(notes),
    }
