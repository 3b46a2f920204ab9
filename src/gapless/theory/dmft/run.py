"""Integration at N = ∞: steps between saved times, and probes that start at waiting times."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gapless.flags import as_ever
from gapless.shapes import Float
from gapless.theory.dmft.paths import PathDraws
from gapless.theory.dmft.solution import Snapshot, Solution
from gapless.theory.dmft.solvers import Solver
from gapless.theory.dmft.state import RESIDUAL, Dynamics, State

SCALARS = ("t", "energy", "mu", "speed2", "signed_overlap")
"""Fields of a snapshot that are numbers."""


@dataclass(frozen=True, eq=False)
class Run:
    """Integration of a dynamics, between two steps.

    Parameters
    ----------
    solver
        Solver of the steps.
    save_at
        Ascending save times, from 0 on.
    state
        Present state.
    saved
        States at the save times so far.
    """

    solver: Solver
    save_at: Float[np.ndarray, " S"]
    state: State
    saved: tuple[Snapshot, ...] = ()

    @classmethod
    def begin(
        cls,
        dynamics: Dynamics,
        draws: PathDraws,
        solver: Solver,
        save_at: Sequence[float] | Float[np.ndarray, " S"],
        residual: float = RESIDUAL,
    ) -> "Run":
        """Return a run at t = 0.

        Raises ``ValueError`` if times do not ascend from 0, if waiting times are not among them,
        or if there are too few paths for α.
        """
        times = np.asarray(save_at, float)
        _check_times(times, dynamics.waiting, solver)
        return cls(solver, times, State.begin(dynamics, draws, residual))._saving()

    @property
    def is_finished(self) -> bool:
        """Whether the states at all save times are saved."""
        return len(self.saved) == len(self.save_at)

    def advanced(self) -> "Run":
        """Return the run after one step. Raises `Unstable` if no step is stable."""
        goal = float(self.save_at[len(self.saved)])
        # a step that is far too long overflows; its energy, which is not finite, tells
        with np.errstate(over="ignore", invalid="ignore"):
            return replace(self, state=self.solver.step(self.state, goal))._saving()

    def _saving(self) -> "Run":
        """Return the run with its state saved and its probes started, if those are due."""
        state, goal = self.state, float(self.save_at[len(self.saved)])
        if not self.solver.is_at(state.t, goal):
            return self
        snapshot = _snapshot(state)
        dynamics = state.system.dynamics
        # each waiting time starts the same number of probes: their count tells how many have come
        started = len(state.log_norms) // len(dynamics.probes)
        due = dynamics.waiting[started : started + 1]
        if due and self.solver.is_at(state.t, due[0]):
            state = state.with_probes()
            # the student has not moved: of the new state only the probes are saved
            snapshot = replace(snapshot, probes=_snapshot(state).probes)
        return replace(self, state=state, saved=(*self.saved, snapshot))

    @property
    def solution(self) -> Solution:
        """Solution of the saved states."""
        system = self.state.system
        directions = tuple(one.count for one in system.sensing)
        return Solution(
            system.dynamics, system.draws, system.y, self.saved, directions, system.gradients
        )

    def packed(self) -> dict[str, np.ndarray]:
        """Return the arrays from which `with_packed` restores the run."""
        # Rows of different lengths (directions are drawn on the way, probes start late) go end to
        # end, with their counts beside them: NumPy's format holds rectangular arrays only.
        saved = self.saved
        return {
            "scalars": np.array([[getattr(one, name) for name in SCALARS] for one in saved]),
            "labels": np.array([one.labels for one in saved]),
            "components": np.concatenate([one.components for one in saved]),
            "component_counts": np.array([one.components.size for one in saved]),
            "probes": np.concatenate([np.ravel(one.probes) for one in saved]),
            "probe_counts": np.array([len(one.probes) for one in saved]),
            **self.state.packed(),
        }

    def with_packed(self, arrays: dict[str, np.ndarray]) -> "Run":
        """Return the run that `packed` returned, bit by bit, from a run with the same start.

        Raises ``KeyError`` or ``ValueError`` for arrays of another run.
        """
        # a file may be of another run: all shapes are compared before one number is used
        _check_fit(arrays, self.packed(), len(self.save_at))
        components = np.split(arrays["components"], np.cumsum(arrays["component_counts"])[:-1])
        probes = arrays["probes"].reshape(-1, 2)
        probes = np.split(probes, np.cumsum(arrays["probe_counts"])[:-1])
        saved = []
        for numbers, labels, row, one in zip(
            arrays["scalars"], arrays["labels"], components, probes, strict=True
        ):
            t, energy, mu, speed2, overlap = map(float, numbers)
            pairs = tuple((float(along), float(log)) for along, log in one)
            saved.append(Snapshot(t, energy, mu, speed2, overlap, labels, row, pairs))
        return replace(self, state=self.state.with_packed(arrays), saved=tuple(saved))


@as_ever(loading=False)
def solve(
    dynamics: Dynamics,
    draws: PathDraws,
    solver: Solver,
    save_at: Sequence[float] | Float[np.ndarray, " S"],
    *,
    residual: float = RESIDUAL,
    observe: Callable[[Run], object] = lambda _: None,
) -> Solution:
    """Integrate a dynamics at N = ∞ on one set of paths; return its states at the save times.

    Parameters
    ----------
    solver
        `GradientDescent` or `GradientFlow`.
    save_at
        Ascending save times, from 0 on, which include the waiting times.
    residual
        Relative length above which a residual becomes a direction (`RESIDUAL`).
    observe
        Function of the run, called after every step.

    Raises
    ------
    ValueError
        If times do not ascend, or there are too few paths for α; `Unstable` if no step is stable.
    """
    run = Run.begin(dynamics, draws, solver, save_at, residual)
    while not run.is_finished:
        run = run.advanced()
        observe(run)
    return run.solution


def _snapshot(state: State) -> Snapshot:
    here = state.here
    # component 0 of a probe is along its own first direction, in which it started: W* or random
    probes = tuple(
        (float(one.components[0]) / one.norm, log)
        for one, log in zip(here.vectors[1:], state.log_norms, strict=True)
    )
    return Snapshot(
        state.t,
        here.energy,
        here.mu,
        here.speed2,
        state.signed_overlap,
        here.labels,
        here.vectors[0].components,
        probes,
    )


def _check_fit(found: dict[str, np.ndarray], begun: dict[str, np.ndarray], states: int) -> None:
    """Raise ``ValueError`` unless arrays have the shapes of a later state of `begun`."""
    # names that end in a number are arrays of one vector each: the student's 0, then the probes
    kinds = {name.removesuffix("_0") for name in begun if name.endswith("_0")}
    names = {name for name in begun if name.rpartition("_")[0] not in kinds}
    # the student stays on the sphere and has no log norm: one vector more
    vectors = range(len(found["log_norms"]) + 1)
    if found.keys() != names | {f"{kind}_{index}" for kind in kinds for index in vectors}:
        raise ValueError("holds other arrays")
    for name, array in found.items():
        kind, _, index = name.rpartition("_")
        like = begun[f"{kind}_0" if kind in kinds else name]
        # the first axis counts directions or states and grows on the way, but for these two
        grows = name != "clock" and kind != "residual"
        shapes = array.shape[grows:], like.shape[grows:]
        if array.dtype != like.dtype or array.ndim != like.ndim or shapes[0] != shapes[1]:
            raise ValueError(f"{name} is {array.dtype}{array.shape}")
        if kind in kinds and grows and len(array) != len(found[f"components_{index}"]):
            raise ValueError(f"{name} has {len(array)} directions")
    done = len(found["scalars"])
    if not 0 < done <= states:
        raise ValueError(f"{done} states are done of {states}")
    for name, counts, width in (("components", "component", 1), ("probes", "probe", 2)):
        parts = found[f"{counts}_counts"]
        lengths = len(found["labels"]), len(parts), (parts < 0).any(), width * parts.sum()
        if lengths != (done, done, False, len(found[name])):
            raise ValueError(f"{name} of the states are of another number")


def _check_times(save_at: np.ndarray, waiting: tuple[float, ...], solver: Solver) -> None:
    """Raise ``ValueError`` unless times ascend from 0 and waiting times are among them."""
    if not (save_at.ndim == 1 and save_at.size > 1 and save_at[0] == 0):
        raise ValueError("save_at: times must begin with 0, at least two")
    ascending = np.isfinite(save_at).all() and (np.diff(save_at) > 0).all()
    # two times within one step of descent would be one state, saved twice
    if not ascending or any(map(solver.is_at, save_at[1:], save_at[:-1])):
        raise ValueError("save_at: times must be finite and ascend, at least a step apart")
    # a probe that starts at the end is followed nowhere
    if waiting and waiting[-1] >= save_at[-1]:
        raise ValueError(f"waiting: times must be before the end, {save_at[-1]:g}")
    # the driver stops at saved times and nowhere else
    for time in waiting:
        if not any(solver.is_at(time, t) for t in save_at):
            raise ValueError(f"waiting: {time:g} is not among the saved times")
