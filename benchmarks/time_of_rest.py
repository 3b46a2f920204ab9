"""When trapped runs come to rest: how far the time depends on tolerance, precision, K, rounding.

    python benchmarks/time_of_rest.py --n 64 --alpha 3,4,5,6 --runs 32

One design for each α and kind of labels (teacher, shuffled), followed to rest or t = 400 by several
solvers. Each is compared with `GradientFlow(2e-5)` in float64, run by run, where both end in the
same minimum: energies within 1e-4. The last line compares the way from |∇L − μW|²/N = 1e-8 to
1e-10 with ln(100)/(2λ₁), λ₁ the lowest eigenvalue of the Hessian at rest.
"""

import argparse
from typing import NamedTuple

import numpy as np
import scipy.linalg

from gapless.design import Design
from gapless.flow import GradientFlow, Outcome, Stop, Trajectory, integrate
from gapless.hessian import hessian_matrix
from gapless.inputs import LabelKind
from gapless.precision import Dtype
from gapless.problem import draw_problem

LATEST = 400.0
SAME = 1e-4
"""Relative difference of energies up to which two runs are in one minimum."""


class Way(NamedTuple):
    """A way to follow runs: what is varied."""

    tolerance: float
    dtype: Dtype
    ulp: bool = False
    """Whether the components of the starts are moved by one unit in the last place of float32."""
    compiled: bool = False
    runs: int | None = None
    """So many of the first runs alone, as a batch."""
    linear_below: float = 0.0

    def __str__(self) -> str:
        extra = ["start + 1 ulp"] * self.ulp + ["compiled"] * self.compiled
        extra += [f"K = {self.runs}"] * (self.runs is not None)
        extra += ["Krylov"] * (self.linear_below > 0)
        return ", ".join([self.dtype, f"{self.tolerance:g}", *extra])


REFERENCE, FLOW = Way(2e-5, "float64"), Way(2e-2, "float32")
PAIRS = (
    (REFERENCE, Way(2e-5, "float64", ulp=True)),
    *((REFERENCE, Way(tolerance, "float64")) for tolerance in (1e-3, 2e-2)),
    *((REFERENCE, Way(tolerance, "float32")) for tolerance in (2e-5, 1e-3, 2e-2)),
    (REFERENCE, Way(4e-2, "float32", compiled=True, linear_below=1e-4)),
    (FLOW, Way(2e-2, "float32", ulp=True)),
    (FLOW, Way(2e-2, "float32", compiled=True)),
    (FLOW, Way(2e-2, "float32", runs=8)),
)


def followed(design: Design, labels: LabelKind, way: Way, speed2: float = 1e-10) -> Trajectory:
    """Return the runs of a design at rest."""
    design = Design(design.n, design.alpha, design.seed, runs=design.k, in_numpy=not way.compiled)
    problem, start = draw_problem(design, labels, dtype=way.dtype), np.asarray(design.start())
    if way.ulp:
        start = np.nextafter(start, np.float32(np.inf))
    if way.runs is not None:
        problem, start = problem.of_runs(np.arange(way.runs)), start[: way.runs]
    solver = GradientFlow(way.tolerance, way.linear_below, max_steps=10**6)
    return integrate(problem, start, LATEST, solver=solver, stop=Stop(speed2=speed2))


def rates(design: Design, labels: LabelKind) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return λ₁, λ_max and the time from 1e-8 to 1e-10 of the trapped runs, times 2λ₁/ln 100."""
    early, late = (followed(design, labels, REFERENCE, speed2) for speed2 in (1e-8, 1e-10))
    problem = draw_problem(design, labels, dtype="float64")
    trapped = [run for run, end in enumerate(late.outcome) if end is Outcome.trapped]
    spectra = [
        scipy.linalg.eigvalsh(hessian_matrix(problem, late.state.w, run, deflate_radial=True))
        for run in trapped
    ]
    lowest, highest = (np.array([found[place] for found in spectra]) for place in (0, -1))
    took = (late.stopped_at - early.stopped_at)[trapped]
    return lowest, highest, took * 2 * lowest / np.log(100)


def main() -> None:
    """Print the table and the law of the approach."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--n", type=int, default=64)
    parser.add_argument("--alpha", default="3,4,5,6")
    parser.add_argument("--runs", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    kinds: tuple[LabelKind, LabelKind] = ("teacher", "shuffled")
    designs: list[tuple[Design, LabelKind]] = [
        (Design(options.n, float(alpha), options.seed, runs=options.runs, in_numpy=True), labels)
        for labels in kinds
        for alpha in options.alpha.split(",")
    ]
    found: dict[Way, list[Trajectory]] = {}
    for way in dict.fromkeys(way for pair in PAIRS for way in pair):
        found[way] = [followed(design, labels, way) for design, labels in designs]
    print(
        "| beside | of | trapped | elsewhere | median | half within | 90 % within | largest | e |"
    )
    for reference, way in PAIRS:
        time, energy, trapped, elsewhere = [], [], 0, 0
        for one, other in zip(found[reference], found[way], strict=True):
            for run, end in enumerate(other.outcome):
                if not one.outcome[run] == end == Outcome.trapped:
                    elsewhere += Outcome.trapped in (one.outcome[run], end)
                    continue
                trapped += 1
                change = abs(other.end.energy[run] / one.end.energy[run] - 1)
                if change > SAME:
                    elsewhere += 1
                    continue
                energy.append(change)
                time.append(100 * (other.stopped_at[run] / one.stopped_at[run] - 1))
        size = np.abs(time)
        print(
            f"| {reference} | {way} | {trapped} | {elsewhere} | {np.median(time):+.1f} % | "
            f"{np.median(size):.1f} % | {np.percentile(size, 90):.1f} % | {size.max():.2g} % | "
            f"{max(energy):.0e} |"
        )
    parts = zip(*(rates(*design) for design in designs), strict=True)
    lowest, highest, law = (np.concatenate(part) for part in parts)
    print(
        f"\nλ₁ {np.median(lowest):.2f}, λ_max/λ₁ {np.median(highest / lowest):.0f} (medians); the "
        f"way from 1e-8 to 1e-10 takes ln(100)/(2λ₁) times {np.median(law):.3f} (10 % to 90 %: "
        f"{np.percentile(law, 10):.2f} to {np.percentile(law, 90):.2f}; {len(law)} runs)"
    )


if __name__ == "__main__":
    main()
