"""Spectra of runs at a chosen moment: at the start, at a time, at an energy, at the threshold."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa

from gapless.arrays import Array
from gapless.design import Design
from gapless.flow import AtEnergy, Outcome, State, integrate
from gapless.inputs import LabelKind
from gapless.losses import Loss, quartic
from gapless.measure.point import arrow, finite, words
from gapless.measure.spectra import density_columns, spectral_columns
from gapless.measure.threshold import T_TWIN, TwinThreshold, at_rest, threshold_of
from gapless.problem import Problem, draw_problem
from gapless.shapes import Float

Kind = Literal["random", "threshold", "time", "energy"]


@dataclass(frozen=True)
class Moment:
    """Point of a run at which its Hessian is computed.

    Parameters
    ----------
    kind
        ``random``: the start. ``time``: at t = `value`. ``energy``: where e falls to `value`.
        ``threshold``: with a teacher, where e falls to that of the run's own shuffled twin;
        without one, where the run itself is. The twin, or the run, is followed until it is at
        rest (|∇L − μW|²/N < 1e-10 s²) or t = 20; ``at_rest`` of a row says which.
    value
        A time or an energy.
    """

    kind: Kind
    value: float | None = None

    @property
    def gradients(self) -> float:
        """Expected number of gradients of a run to the moment."""
        # an order of magnitude: slow runs take most of their gradients near rest
        return {"random": 1, "threshold": 3000}.get(self.kind, 300)

    def __str__(self) -> str:
        return self.kind if self.value is None else f"{self.kind}:{self.value:g}"


def parse_moment(text: str) -> Moment:
    """Return the moment named ``random``, ``threshold``, ``time:0.5`` or ``energy:7``.

    Raises ``ValueError`` with these names for any other text.
    """
    kind, _, argument = text.partition(":")
    remedy = "is not one of random, threshold, time:0.5, energy:7"
    # an argument that a moment does not take is refused with the others
    if kind in ("random", "threshold") and not argument:
        return Moment(kind)
    if kind not in ("time", "energy"):
        raise ValueError(f"at: {text!r} {remedy}")
    try:
        value = float(argument)
    except ValueError:
        raise ValueError(f"at: {text!r} {remedy}") from None
    # negative energies exist for no loss that is zero at ŷ = ±y
    if not (np.isfinite(value) and value >= 0):
        raise ValueError(f"at: the {kind} must be a number ≥ 0, not {argument}")
    return Moment(kind, value)


class Spectra(NamedTuple):
    """Spectra of K runs at a moment."""

    problem: Problem
    table: pa.Table
    """One row per run: its state at the moment, and the Hessian's lowest eigenpairs there.

    Columns: ``design``, ``run``, ``reached``, ``time``, ``threshold_energy`` (the energy of the
    crossing, null without one); at the threshold ``outcome``, ``at_rest`` and ``speed2``
    (|∇L − μW|²/N) of the twin or, without a teacher, of the run itself, null elsewhere; and those
    of `spectral_columns`, all null for a run that did not reach the moment. With `densities` there
    are also those of `density_columns`, for the first run that reached it, null for the others.
    """
    state: State
    """States at the moment, or where a run ended that did not reach it."""
    time: np.ndarray
    """Times of the states, (K,); NaN for a run that did not reach the moment."""
    eigenvalues: np.ndarray
    """Lowest eigenvalues, (K, k)."""
    eigenvectors: np.ndarray
    """Their unit eigenvectors, (K, k, N)."""


def design_spectra(
    design: Design,
    moment: Moment,
    labels: LabelKind = "teacher",
    loss: Loss = quartic,
    *,
    start: Float[Array, "K N"] | None = None,
    lowest: int = 3,
    sphere: bool = True,
    **options: Any,
) -> Spectra:
    """Return the spectra of the runs of a design, from random or given starts.

    `sphere` is whether states stay on the sphere, and `options` are those of `spectra_of`.
    """
    # before anything is drawn: a flow to rest takes minutes
    check_lowest(lowest, design.dimension)
    problem = draw_problem(design, labels, loss, sphere=sphere)
    first = design.start() if start is None else problem.array(start)

    def twin() -> TwinThreshold:
        return threshold_of(draw_problem(design, "shuffled", loss, sphere=sphere), first)

    ours = twin if labels == "teacher" else None
    return spectra_of(problem, first, moment, design, ours, lowest=lowest, **options)


def check_lowest(lowest: int, n: int) -> None:
    """Raise ``ValueError`` unless an N × N matrix has this number of eigenpairs."""
    if not 1 <= lowest <= n:
        raise ValueError(f"lowest: must lie between 1 and n={n}, not {lowest}")


def spectra_of(
    problem: Problem,
    start: Float[Array, "K N"],
    moment: Moment,
    design: Design,
    twin: Callable[[], TwinThreshold] | None,
    *,
    lowest: int = 3,
    deflate_radial: bool = False,
    densities: bool = False,
) -> Spectra:
    """Return the spectra of the runs of a problem at a moment of their flow from `start`.

    Parameters
    ----------
    design
        Keys of what is drawn for Lanczos.
    twin
        Function that returns the threshold energies of the twins; None where the labels have no
        signal, and each run is its own twin.
    lowest, deflate_radial
        Number of eigenpairs, and whether the eigenvalue of W is moved into the bulk.
    densities
        Whether the density of the first run that reached the moment is computed.
    """
    check_lowest(lowest, problem.dimension)
    labels: LabelKind = "shuffled" if twin is None else "teacher"
    found = _at(problem, start, moment, twin)
    spectra = spectral_columns(
        problem,
        found.state,
        labels,
        key=design.key("lanczos"),
        lowest=lowest,
        deflate_radial=deflate_radial,
        vectors=True,
        sensing=design.sensing,
    )
    vectors = spectra.pop("eigenvectors")
    # null, not false: at a time or an energy nothing was followed to rest
    ended, none = found.outcome, pa.nulls(design.k)
    whole: dict[str, pa.Array] = {}
    if densities and np.any(found.reached):
        first = int(np.argmax(found.reached))
        columns = density_columns(
            problem,
            found.state.w,
            first,
            key=design.key("density"),
            deflate_radial=deflate_radial,
            sensing=design.sensing,
        )
        for name, values in columns.items():
            whole[name] = pa.array([values if run == first else None for run in range(design.k)])
    table = pa.table(
        {
            "design": arrow(np.full(design.k, design.index)),
            "run": arrow(np.arange(design.k)),
            "reached": arrow(np.asarray(found.reached)),
            "time": finite(found.time),
            "threshold_energy": none if found.energy is None else finite(found.energy),
            "outcome": none if ended is None else words([str(one) for one in ended]),
            "at_rest": none if ended is None else arrow(np.array([at_rest(one) for one in ended])),
            "speed2": none if found.speed2 is None else finite(found.speed2),
            # a run that did not get there has a state all the same, whose spectrum answers nothing
            **{name: finite(values, found.reached) for name, values in spectra.items()},
            **whole,
        }
    )
    return Spectra(problem, table, found.state, found.time, spectra["eigenvalues"], vectors)


@dataclass(frozen=True, eq=False)
class _Found:
    """States at a moment: times, mask of runs that reached it, energy of the crossing; (K,) each.

    `outcome` and `speed2` are those of the twins or runs to rest, None at other moments.
    """

    state: State
    time: np.ndarray
    reached: np.ndarray
    energy: np.ndarray | None = None
    outcome: Sequence[Outcome] | None = None
    speed2: np.ndarray | None = None


def _at(
    problem: Problem,
    start: Float[Array, "K N"],
    moment: Moment,
    twin: Callable[[], TwinThreshold] | None,
) -> _Found:
    """Return the state of each run at the moment."""
    k = problem.k
    if moment.kind in ("random", "time"):
        when = 0.0 if moment.kind == "random" else float(moment.value or 0.0)
        # a flow needs a positive budget: what is saved at 0 is the start itself
        run = integrate(
            problem, start, when or 1e-6, save_at=[when], observe=lambda _, state: state
        )
        state = run.observed[0]
        return _Found(state, np.full(k, when), np.asarray(state.finite))
    # without a signal the run is its own twin: its end is the threshold state
    if moment.kind == "threshold" and twin is None:
        run = integrate(problem, start, T_TWIN)
        # at rest or not: `at_rest` of the row says which
        reached = np.asarray(run.state.finite)
        return _Found(run.state, run.stopped_at, reached, None, run.outcome, run.end.speed2)
    if moment.kind == "threshold" and twin is not None:
        ended = twin()
        return _crossed(problem, start, ended.energy, ended.outcome, ended.speed2)
    return _crossed(problem, start, np.full(k, moment.value))


def _crossed(
    problem: Problem, start: Float[Array, "K N"], energy: np.ndarray, *ended: Any
) -> _Found:
    # T_TWIN: an energy given by hand may lie below where the run ends, and must not cost for ever
    run = integrate(problem, start, T_TWIN, stop=AtEnergy(energy))
    # where a run rests above the energy it has no time, not the time of its rest
    time = np.where(run.crossed, run.stopped_at, np.nan)
    return _Found(run.state, time, run.crossed, energy, *ended)
