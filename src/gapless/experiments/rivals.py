"""Where gradient flow stands among algorithms: overlap with the signal against α, on one axis.

Every method sees the same instances (X, teacher, random start) of a design. Lines are exact
limits N → ∞: the spectral estimator's overlap and the uninformed fixed point of state evolution;
vertical lines are thresholds of inference (1/2, 1, 1.128) and of the Hessian (α_BBP, 1RSB).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from jaxtyping import Array, Float

from gapless.algorithms import amp, langevin, parse_start, sgd, start_states, warm_states
from gapless.channels import weak_optimal
from gapless.design import Design
from gapless.experiments._experiment import Cost, Experiment, Point, Row, Scale
from gapless.experiments.simulation import design_columns
from gapless.experiments.statistics import clustered_mean, student_half_width
from gapless.experiments.verdict import Claim, Sample, Statement, Verdict, judged, verdict
from gapless.flow import Outcome, integrate, paper_budget
from gapless.losses import amplitude, normalised, quartic
from gapless.page.panels import TWO_ERRORS, Axis, Mark, Panel, Picture, Series
from gapless.problem import Problem, draw_problem
from gapless.theory import bbp_threshold
from gapless.theory.spectral import spectral_overlap
from gapless.theory.state_evolution import Thresholds, alpha_of_fixed_point, thresholds

AMP_START, AMP_ITERATIONS = 0.1, 200
"""Message passing begins at this overlap, below every fixed point that is drawn."""
BATCHES, SGD_RATE = 8, 1e-3
"""A batch is M/8 samples. Stable while rate × (M/B) × |x|² d ≲ 2, and d reaches 100 at a start."""
TEMPERATURE, LANGEVIN_RATE = 0.2, 1e-3
NOISE = 0.1
HIGH = 0.9
"""A mean overlap that the table calls high."""


class RivalPoint(Point):
    """Parameters of K runs of one method on one design; see `METHODS`."""

    n: int
    alpha: float
    seed: int
    method: str
    index: int = 0
    runs: int | None = None

    def model_post_init(self, context: Any) -> None:
        """Refuse parameters that no design or method has."""
        del context
        _ = self.design
        if self.method not in METHODS:
            raise ValueError(f"method: {self.method!r} is not one of {', '.join(METHODS)}")

    @property
    def design(self) -> Design:
        """The design that the runs are on."""
        return Design(self.n, self.alpha, self.seed, self.index, self.runs)


States = Float[Array, "K N"]


def _flow(problem: Problem, start: States) -> States:
    """Return where Eq. 2 leads within the paper's budget."""
    return integrate(problem, start, paper_budget(problem.n)).state.w


def _flow_of(loss: Any = quartic, start: str = "random", noise: float = 0.0) -> Any:
    def run(design: Design) -> tuple[Problem, States]:
        problem = draw_problem(design, loss=loss, noise=noise)
        return problem, _flow(problem, start_states(design, problem, parse_start(start)))

    return run


def _spectral(design: Design) -> tuple[Problem, States]:
    problem = draw_problem(design)
    return problem, start_states(design, problem, parse_start("spectral"))


def _amp(design: Design) -> tuple[Problem, States]:
    problem = draw_problem(design)
    start = warm_states(design.teacher(), design.start(), AMP_START)
    return problem, amp(problem, start, AMP_START, iterations=AMP_ITERATIONS).estimate


def _sgd(design: Design) -> tuple[Problem, States]:
    problem = draw_problem(design)
    steps = round(paper_budget(design.n) / SGD_RATE)
    batch = max(1, design.m // BATCHES)
    key = design.key("batch")
    return problem, sgd(problem, design.start(), key=key, rate=SGD_RATE, batch=batch, steps=steps)


def _langevin(design: Design) -> tuple[Problem, States]:
    problem = draw_problem(design)
    steps = round(paper_budget(design.n) / LANGEVIN_RATE)
    w, _ = langevin(
        problem,
        design.start(),
        key=design.key("thermal"),
        temperature=TEMPERATURE,
        rate=LANGEVIN_RATE,
        steps=steps,
    )
    return problem, w


METHODS: dict[str, tuple[str, Callable[[Design], tuple[Problem, States]]]] = {
    "amp": (f"message passing from q = {AMP_START:g}", _amp),
    "spectral": ("spectral estimator", _spectral),
    "flow_spectral": ("flow, spectral start", _flow_of(start="spectral")),
    "flow_normalised": ("flow, normalised a = 0.1", _flow_of(normalised(0.1))),
    "flow": ("flow, quartic", _flow_of()),
    "sgd": ("SGD, quartic, batches of M/8", _sgd),
    "langevin": (f"Langevin, quartic, T = {TEMPERATURE:g}", _langevin),
    "flow_noise": (f"flow, quartic, label noise Δ = {NOISE:g}", _flow_of(noise=NOISE)),
    "flow_amplitude": ("flow, amplitude", _flow_of(amplitude)),
}
"""What is compared: name in the records → caption, and design → (problem, states at the end)."""

MARKERS: Any = (
    *("circle", "square", "triangle-up", "triangle-down", "diamond", "triangle-left"),
    *("triangle-right", "pentagon", "hexagon"),
)

ALPHAS: dict[Scale, tuple[float, ...]] = {
    "smoke": (0.8, 2.5, 8.0),
    "desk": (0.6, 0.8, 1.0, 1.2, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 14.0),
    "paper": tuple(np.geomspace(0.6, 16, 22).round(2).tolist()),
}
SIZES: dict[Scale, tuple[int, int, int]] = {
    "smoke": (96, 2, 16),
    "desk": (512, 4, 32),
    "paper": (4096, 8, 16),
}
"""N, designs, runs on each."""


def _measured(scale: Scale, alpha: float, method: str) -> bool:
    """Return whether a scale has this method at this α: at smoke scale compiling is what counts."""
    if scale != "smoke":
        return True
    extra = method in ("flow_noise", "flow_amplitude")
    return not extra and (alpha > 1 or method in ("amp", "spectral"))


SCHEMA = pa.schema(
    {name: pa.int64() for name in ("n", "m")}
    | {"alpha": pa.float64()}
    | {name: pa.int64() for name in ("seed", "design", "runs", "run")}
    | {name: pa.string() for name in ("method", "outcome", "reason")}
    | {"overlap": pa.float64(), "energy": pa.float64()}
)
"""Columns of a run: the point's parameters; `outcome` (``finished``: the method ran to its end,
``not_finite``, ``failed``) and a `reason`; at the end the overlap q with the signal and the
energy L/N of the state (message passing: of its estimate, scaled to the sphere)."""


def points(scale: Scale, seed: int) -> list[RivalPoint]:
    """Return the points of a scale; those of one α follow each other and share compiled code."""
    n, designs, runs = SIZES[scale]
    return [
        RivalPoint(n=n, alpha=alpha, seed=seed, method=method, index=index, runs=runs)
        for alpha in ALPHAS[scale]
        for method in METHODS
        if _measured(scale, alpha, method)
        for index in range(designs)
    ]


def measure(point: RivalPoint) -> list[Row]:
    """Return the rows of `SCHEMA`, one a run."""
    problem, w = METHODS[point.method][1](point.design)
    assert problem.teacher is not None
    # in NumPy: nothing is compiled for what is computed once a design
    state, signal = np.asarray(w, float), np.asarray(problem.teacher, float)
    state *= point.n**0.5 / np.linalg.norm(state, axis=1, keepdims=True)
    overlap = np.abs((state * signal).sum(axis=1)) / point.n
    yhat = state @ np.asarray(problem.sensing, float).T
    loss = problem.loss.value(yhat, np.asarray(problem.labels, float))
    energy = loss.sum(axis=1) / (2 * point.n)
    return [
        {
            **_parameters(point, run),
            "outcome": "finished" if np.isfinite(overlap[run]) else str(Outcome.not_finite),
            "overlap": float(overlap[run]),
            "energy": float(energy[run]),
        }
        for run in range(point.design.k)
    ]


def failed_rows(point: RivalPoint, reason: str) -> list[Row]:
    """Return the rows of runs that could not be computed."""
    return [
        {**_parameters(point, run), "outcome": str(Outcome.failed), "reason": reason}
        for run in range(point.design.k)
    ]


def _parameters(point: RivalPoint, run: int) -> Row:
    return design_columns(point.design, run) | {"method": point.method}


def cost(point: RivalPoint) -> Cost:
    """Return what a point is expected to take; 1e9 operations stand for compiling."""
    design = point.design
    budget = paper_budget(point.n)
    products = {
        "amp": AMP_ITERATIONS,
        "spectral": 100.0,
        "sgd": budget / SGD_RATE / BATCHES,
        "langevin": budget / LANGEVIN_RATE,
    }.get(point.method, 400.0)
    flops = 4.0 * (design.k + 20) * design.m * design.n * products
    return Cost(flops + 1e9, 4.0 * (2.0 * design.m * design.n + 8.0 * design.k * design.m))


def overlaps(table: pd.DataFrame) -> pd.DataFrame:
    """Return mean overlap and its error (clustered by design) for each method and α.

    A run that became infinite or failed is counted in ``runs`` and has no overlap; ``finished``
    are the others, whose method ran to its end.
    """
    rows = []
    for (method, alpha), group in table.groupby(["method", "alpha"]):
        good = group[group.outcome == "finished"]
        found = (
            clustered_mean(good.overlap.to_numpy(), good.design.to_numpy()) if len(good) else None
        )
        rows.append(
            {
                "method": method,
                "alpha": alpha,
                "runs": len(group),
                "finished": len(good),
                "designs": int(good.design.nunique()),
                "overlap": np.nan if found is None else found.mean,
                "error": np.nan if found is None else found.standard_error,
            }
        )
    return pd.DataFrame(rows)


def picture(table: pd.DataFrame) -> Picture:
    """Return overlap against α: methods as points, exact limits and thresholds as lines."""
    curves, end = overlaps(table), thresholds()
    series = [
        _measured_curve(curve, index, method)
        for index, method in enumerate(METHODS)
        if len(curve := curves[curves.method == method])
    ]
    alphas = np.geomspace(0.4, max(18.0, float(curves.alpha.max())), 120)
    exact = [spectral_overlap(weak_optimal(alpha), alpha)[0] for alpha in alphas]
    squares = np.linspace(1e-4, end.jump_from**2, 60)
    rise = [alpha_of_fixed_point(float(s)) for s in squares]
    at = [alphas[0], end.weak_recovery, *rise, end.algorithmic, alphas[-1]]
    fixed = [0, 0, *np.sqrt(squares), 1, 1]
    line: dict[str, Any] = dict(style="lines", legend="", width=1.0)
    series.append(Series("spectral estimator, N → ∞", alphas, exact, colour=1, **line))
    series.append(Series("state evolution, N → ∞", at, fixed, colour=0, **line))
    axes = (
        Axis("α = M/N", "log", ticks=(0.5, 1, 2, 5, 10)),
        Axis("overlap with the signal", range=(-0.02, 1.16)),
    )
    title, size = "Overlap at the end", (6.2, 4.8)
    return Picture(
        f"N = {table.n.max()}, time budget 0.3 log₂ N; lines without points: exact limits; "
        f"bars: {TWO_ERRORS}",
        ((Panel(title, *axes, series, _thresholds(end), size=size, legend="outside"),),),
    )


def _measured_curve(curve: pd.DataFrame, index: int, method: str) -> Series:
    half, mean = 2 * curve.error.to_numpy(float), curve.overlap.to_numpy(float)
    return Series(
        *(METHODS[method][0], curve.alpha, mean, mean - half, mean + half, TWO_ERRORS),
        style="markers" if method in ("amp", "spectral") else "lines+markers",
        colour=index,
        note=[f"{row.finished} of {row.runs} runs" for row in curve.itertuples()],
        marker=MARKERS[index],
        width=0.8,
    )


def _thresholds(end: Thresholds) -> list[Mark]:
    """Return where inference becomes possible, exact, exact by message passing, and BBP's α."""
    found = {
        "weak": end.weak_recovery,
        "IT": end.information_theoretic,
        "AMP": end.algorithmic,
        "BBP, a = 0.1": bbp_threshold(normalised(0.1)).edge,
        "BBP, quartic": bbp_threshold(quartic).edge,
    }
    return [
        Mark(
            *("x", alpha, name),
            # names of neighbours stand away from each other, and of the last two at two heights
            side="right" if name in ("AMP", "BBP, a = 0.1") else "left",
            at=0.95 if name == "BBP, quartic" else 1.0,
        )
        for name, alpha in found.items()
        if alpha is not None
    ]


def tables(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Return mean overlaps with clustered standard errors, and from which α they are high."""
    curves = overlaps(table)
    first = curves[curves.overlap > HIGH].groupby("method", as_index=False).alpha.min()
    found = [
        ("Mean overlaps and their standard errors", curves),
        (f"Smallest α measured with a mean overlap above {HIGH:g}", first),
    ]
    return [(title, numbers) for title, numbers in found if not numbers.empty]


EXACT = 0.05
"""A difference of mean overlaps that we read as none."""
SPECTRAL = Statement(low=-EXACT, high=EXACT, least_n=SIZES["desk"][0])
"""The spectral estimator's overlap less its limit N → ∞; smaller N are far from the limit."""
ALGORITHMIC = Statement(low=1.125, high=1.135)
"""The paper's ≈ 1.13, to the digits that it gives."""


def claims(table: pd.DataFrame) -> list[Claim]:
    """Judge what the paper says of the best possible."""
    curves, end, n = overlaps(table), thresholds(), int(table.n.max())
    exact = (end.algorithmic, end.algorithmic)
    found = [
        judged(
            "Weak recovery begins at 0.5, exact recovery by message passing at ≈ 1.13",
            f"state evolution: {end.weak_recovery:.4f} and {end.algorithmic:.5f}",
            # an exact number of the limit N → ∞: no runs, no error
            verdict(ALGORITHMIC, end.algorithmic, exact, Sample(np.inf, 1)),
        )
    ]
    chosen = curves[(curves.method == "spectral") & curves.overlap.notna()]
    if len(chosen):
        limit = [spectral_overlap(weak_optimal(alpha), alpha)[0] for alpha in chosen.alpha]
        gaps = chosen.overlap.to_numpy(float) - limit
        halves = [
            student_half_width(error, designs)
            for error, designs in zip(chosen.error, chosen.designs, strict=True)
        ]
        parts: list[Verdict] = [
            verdict(SPECTRAL, float(gap), (float(gap - half), float(gap + half)), Sample(n, runs))
            for gap, half, runs in zip(gaps, halves, chosen.finished, strict=True)
        ]
        worst = int(np.abs(gaps).argmax())
        found.append(
            judged(
                "The spectral estimator has its exact asymptotic overlap",
                f"N = {n}: largest difference {gaps[worst]:+.3f} ± {halves[worst]:.3f} (95 %), at "
                f"α = {chosen.alpha.iloc[worst]:g}; none is read as within {EXACT:g} at every α",
                *parts,
            )
        )
    return found


EXPERIMENT = Experiment(
    name="rivals",
    title="Rivals: losses, starts and algorithms on one axis",
    version=1,
    schema=SCHEMA,
    points=points,
    measure=measure,
    failed=failed_rows,
    cost=cost,
    picture=picture,
    claims=claims,
    tables=tables,
)
