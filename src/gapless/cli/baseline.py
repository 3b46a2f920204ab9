"""`gapless baseline`: algorithms beside the flow on the same instances."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from gapless.cli.answer import print_json, print_text
from gapless.cli.memory import check_memory
from gapless.cli.meter import meter
from gapless.cli.options import (
    EntriesOption,
    Json,
    LikeGaussianOption,
    PrintSize,
    SensingOption,
    Whole,
)
from gapless.cli.saved import check_writable, save_picture
from gapless.cli.tables import outcome_table
from gapless.page.panels import PLAIN, Print

_HIDDEN = {"index", "design", "runs", "in_numpy"}
"""Parameters of a point that its answer gives under other names, or not at all."""

app = App(
    name="baseline",
    help="Message passing, SGD and Langevin dynamics on the instances of the flow.",
)


@app.command
def amp(
    *,
    n: Whole,
    alpha: float,
    sensing: LikeGaussianOption = "gaussian",
    runs: Whole = 1,
    iterations: Whole = 200,
    seed: Whole = 0,
    start: str = "overlap:0.1",
    noise: float = 0.0,
    dtype: str = "float32",
    runs_per_design: Whole | None = None,
    plot: Path | None = None,
    size: PrintSize = PLAIN,
    as_json: Json = False,
) -> None:
    """Run Bayes-optimal message passing and print overlap, variance and outcome of each run.

    It recovers from α = 1.13 on, and its limit N → ∞ is state evolution, in JSON
    `state_evolution`. `variance` is the algorithm's own estimate of |Ŵ − W*|²/N, and the energy is
    that of its estimate Ŵ scaled to the sphere. Runs share X, teacher and start with gapless flow.

    Example: gapless baseline amp --n 1000 --alpha 1.5 --runs 8 --iterations 40 --seed 0

    Parameters
    ----------
    n
        Input dimension N.
    alpha
        Samples per dimension, α = M/N.
    runs
        Number of runs, each with its own teacher and start; K of them share sensing vectors.
    iterations
        Number of iterations, of the cost of a gradient each.
    seed
        The same seed gives the same numbers.
    start
        overlap:0.1 with the teacher, and the algorithm is given this value; or random, for which
        it assumes 1/√N.
    noise
        Variance Δ of noise added to each label; the algorithm is given it.
    dtype
        float32 or float64.
    runs_per_design
        K, the number of runs on one sensing matrix; by default all, up to 64 (fewer for N > 2048).
    plot
        File (.png, .pdf, .svg) for a picture of overlap and variance by iteration, with state
        evolution.
    as_json
        Print one JSON object.
    """
    from gapless.figures.message_passing import exact, picture
    from gapless.measure.message_passing import AMPPoint

    given = dict(n=n, alpha=alpha, seed=seed, runs=runs_per_design, sensing=sensing)
    given |= dict(start=start, noise=noise, dtype=dtype, iterations=iterations)
    point, records = _measured(AMPPoint, given, runs, plot)
    if as_json:
        more = {"state_evolution": exact(records[0]).tolist()}
        more |= {"energy": [record["energy"] for record in records]}
        print_json(_answer(point, records, more, ("overlap", "variance")))
    else:
        print_text(outcome_table(records, ("energy", "overlap", "variance")))
    save_picture(plot, size, picture, records)


@app.command
def sgd(
    *,
    n: Whole,
    alpha: float,
    labels: str = "teacher",
    sensing: EntriesOption = "gaussian",
    runs: Whole = 1,
    batch: Whole | None = None,
    rate: float = 1e-3,
    replacement: Annotated[bool, Parameter(negative="")] = False,
    t_max: float | None = None,
    seed: Whole = 0,
    loss: str = "quartic",
    start: str = "random",
    noise: float = 0.0,
    sphere: bool = True,
    dtype: str = "float32",
    runs_per_design: Whole | None = None,
    plot: Path | None = None,
    size: PrintSize = PLAIN,
    as_json: Json = False,
) -> None:
    """Run mini-batch gradient descent and print energy, overlap and outcome of each run.

    Time is rate × steps, in units of Eq. 2, and values are those of the full loss. Runs share X,
    teacher and start with gapless flow, and all runs of a design share the batches.

    Example: gapless baseline sgd --n 256 --alpha 8 --runs 8 --batch 256 --rate 1e-3 --seed 0

    Parameters
    ----------
    n
        Input dimension N.
    alpha
        Samples per dimension, α = M/N.
    labels
        teacher, shuffled (a permutation of a teacher's) or gaussian (fresh noise).
    runs
        Number of runs, each with its own teacher and start; K of them share sensing vectors.
    batch
        Samples in a step, from 1 to M; M/8 by default.
    rate
        Step size η. The largest stable one falls with the batch.
    replacement
        Draw every batch anew, instead of cutting random permutations of the samples into batches.
    t_max
        Time budget in units of Eq. 2; 0.3 log2 N by default.
    seed
        The same seed gives the same numbers.
    loss
        quartic, amplitude, normalised:a=1, or module:name of your own (a function value(yhat, y)).
    start
        random, spectral (top eigenvector of Σ T(y) x xᵀ), or overlap:0.3 with the teacher.
    noise
        Variance of noise added to each label.
    sphere
        Keep W on the sphere of radius √N; with --no-sphere there is no μ, and its norm is free.
    dtype
        float32 or float64.
    runs_per_design
        K, the number of runs on one sensing matrix; by default all, up to 64 (fewer for N > 2048).
    plot
        File (.png, .pdf, .svg) for a picture of energy and overlap against time, with the 1RSB
        threshold energy.
    as_json
        Print one JSON object.
    """
    from gapless.measure.noisy import SGDPoint

    given = dict(n=n, alpha=alpha, seed=seed, runs=runs_per_design, sensing=sensing, labels=labels)
    given |= dict(loss=loss, start=start, noise=noise, sphere=sphere, dtype=dtype, t_max=t_max)
    given |= dict(rate=rate, batch=batch, replacement=replacement)
    _noisy(SGDPoint, given, runs, plot, size, as_json)


@app.command
def langevin(
    *,
    n: Whole,
    alpha: float,
    labels: str = "teacher",
    sensing: SensingOption = "gaussian",
    runs: Whole = 1,
    temperature: float = 0.2,
    rate: float = 1e-3,
    t_max: float | None = None,
    seed: Whole = 0,
    loss: str = "quartic",
    start: str = "random",
    noise: float = 0.0,
    sphere: bool = True,
    dtype: str = "float32",
    runs_per_design: Whole | None = None,
    plot: Path | None = None,
    size: PrintSize = PLAIN,
    as_json: Json = False,
) -> None:
    """Run Langevin dynamics and print energy, overlap and outcome of each run.

    The stationary measure is ∝ exp(−L/T), L the extensive loss of Eq. 1, up to errors linear in the
    rate. Time is rate × steps, in units of Eq. 2. Runs share X, teacher and start with gapless
    flow.

    Example: gapless baseline langevin --n 256 --alpha 8 --runs 8 --temperature 0.2 --seed 0

    Parameters
    ----------
    n
        Input dimension N.
    alpha
        Samples per dimension, α = M/N.
    labels
        teacher, shuffled (a permutation of a teacher's) or gaussian (fresh noise).
    runs
        Number of runs, each with its own teacher and start; K of them share sensing vectors.
    temperature
        T, in units of the extensive loss L; 0 is gradient descent.
    rate
        Step size h.
    t_max
        Time budget in units of Eq. 2; 0.3 log2 N by default.
    seed
        The same seed gives the same numbers.
    loss
        quartic, amplitude, normalised:a=1, or module:name of your own (a function value(yhat, y)).
    start
        random, spectral (top eigenvector of Σ T(y) x xᵀ), or overlap:0.3 with the teacher.
    noise
        Variance of noise added to each label.
    sphere
        Keep W on the sphere of radius √N; with --no-sphere there is no μ, and its norm is free.
    dtype
        float32 or float64.
    runs_per_design
        K, the number of runs on one sensing matrix; by default all, up to 64 (fewer for N > 2048).
    plot
        File (.png, .pdf, .svg) for a picture of energy and overlap against time, with the 1RSB
        threshold energy.
    as_json
        Print one JSON object.
    """
    from gapless.measure.noisy import LangevinPoint

    given = dict(n=n, alpha=alpha, seed=seed, runs=runs_per_design, sensing=sensing, labels=labels)
    given |= dict(loss=loss, start=start, noise=noise, sphere=sphere, dtype=dtype, t_max=t_max)
    given |= dict(rate=rate, temperature=temperature)
    _noisy(LangevinPoint, given, runs, plot, size, as_json)


def _noisy(
    kind: Any, given: dict[str, Any], runs: int, plot: Path | None, size: Print, as_json: bool
) -> None:
    """Measure, draw and print SGD or Langevin dynamics."""
    from gapless.figures.trajectories import picture

    point, records = _measured(kind, given, runs, plot)
    if as_json:
        more = {"t": records[0]["t"], "steps": point.steps}
        columns = ("energy", "overlap", "mu", "rho")
        print_json(_answer(point, records, more, columns))
    else:
        # on the sphere ρ is 1, and off it μ is 0
        shown = ("energy", "overlap", "mu" if point.sphere else "rho", "steps")
        print_text(outcome_table(records, shown))
    save_picture(plot, size, picture, records)


def _measured(kind: Any, given: dict[str, Any], runs: int, plot: Path | None) -> tuple[Any, Any]:
    """Return the point of the first design, and the records of all runs."""
    from gapless.measure.design_point import check_runs, points_of_few

    check_runs(runs, given["runs"])
    if plot is not None:
        check_writable(plot, "plot")
    points = points_of_few(kind.model_validate(given), runs)
    check_memory(points[0].bytes)
    records: list[dict[str, Any]] = []
    with meter(kind.__name__.removesuffix("Point"), len(points)) as progress:
        for here in points:
            records += here.measure(progress.advance).to_pylist()
    return points[0], records[:runs]


def _answer(
    point: Any, records: Sequence[dict[str, Any]], more: dict[str, Any], columns: Sequence[str]
) -> dict[str, Any]:
    """Return the parameters, the columns over time and the ends of the runs, as one object."""
    # as measured: `identity` has what was left to a default, such as the batch
    given = {name: getattr(point, name) for name in type(point).model_fields} | point.identity()
    over_time: dict[str, Any] = {
        name: [record[f"{name}_t"] for record in records] for name in columns
    }
    if records[0]["overlap"] is not None:
        over_time["overlap"] = [[abs(m) for m in one] for one in over_time["overlap"]]
    else:
        over_time["overlap"] = None
    ends = {name: [record[name] for record in records] for name in ("outcome", "design", "run")}
    parameters = {name: given[name] for name in given if name not in _HIDDEN}
    return parameters | {"runs_per_design": point.design.k} | more | over_time | ends
