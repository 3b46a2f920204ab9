"""Threshold states on a grid of α: every number that the α slider shows, computed beforehand."""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gapless.explore.band import band_at
from gapless.files import opened, read_whole, reason, sealed, shown, tell, write_durably
from gapless.labels import LabelLaw
from gapless.losses import Loss
from gapless.page.panels import plain
from gapless.theory import (
    NotConverged,
    bbp_at_random_start,
    bbp_threshold,
    bulk_density,
    ground_state,
    threshold_state,
)

VERSION = 3
"""Version of a grid's content, raised by hand; cached grids of another version are made anew."""
ALPHAS = tuple(np.arange(2.0, 30.25, 0.5).tolist())
LABELS = np.linspace(0.0, 4.0, 81)
"""Edges of the bins of |ŷ|."""
GIVEN = (0.5, 1.0, 2.0)
"""|y| at which the conditional law of ŷ is shown."""
DENSITY_POINTS = 120
VALUES = ("energy", "complexity", "chi", "z", "mu", "bulk_edge", "outlier", "outlier_overlap")


def theory_grid(
    loss: Loss,
    alphas: Sequence[float] = ALPHAS,
    progress: Callable[[float], object] = lambda _: None,
    cache: Path | None = None,
) -> dict[str, Any]:
    """Return the threshold states of a loss along α, ready for JSON.

    Keys: ``loss``; ``readings`` (α_BBP by reading) and ``random_start``; ``given``, ``labels``
    (middles of the bins of |ŷ|), ``teacher`` (density of |y|); ``alpha`` and columns beside it
    (`VALUES`, those of `band_at`, ``ground_energy``, ``hessian_edge`` and ``hessian_outlier``:
    after −μ); ``law``, ``conditional``, ``eigenvalues`` (before −μ), ``hessian_eigenvalues`` and
    ``density`` for each α. None where there is none.

    Parameters
    ----------
    progress
        Called with 1 for each α.
    cache
        Folder in which grids are cached by loss and α.

    Raises ``ValueError`` if the loss has no threshold state at any of these α.
    """
    identity = json.dumps([VERSION, loss.name, list(alphas)])
    kept = cache and cache / f"grid-{hashlib.sha256(identity.encode()).hexdigest()[:16]}"
    if kept and (found := _kept_grid(kept)) is not None:
        progress(float(len(alphas)))
        return found
    states, failure = [], None
    for alpha in alphas:
        try:
            states.append(state_at(loss, alpha))
        except (ValueError, NotConverged) as error:
            failure = error
        progress(1.0)
    if not states:
        raise ValueError(f"loss: {loss.name} has no threshold state at these alpha: {failure}")
    middle = (LABELS[1:] + LABELS[:-1]) / 2
    grid = {
        "loss": loss.name,
        "readings": threshold_readings(loss),
        "random_start": random_start(loss),
        "given": list(GIVEN),
        "labels": plain(middle),
        "teacher": plain(np.sqrt(2 / np.pi) * np.exp(-(middle**2) / 2)),
        **{name: [state[name] for state in states] for name in states[0]},
    }
    if kept:
        try:
            kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_durably(kept, sealed(json.dumps(grid).encode()), private=True)
        except OSError as error:
            tell(f"{shown(kept)} cannot be kept for the next time: {reason(error)}")
    return grid


def _kept_grid(path: Path) -> dict[str, Any] | None:
    """Return a cached grid, None if there is none; report a damaged one, which is made anew."""
    try:
        return json.loads(bytes(opened(read_whole(path, links=False))))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        tell(f"{shown(path)}: {reason(error)}; made anew")
        return None


def state_at(loss: Loss, alpha: float) -> dict[str, Any]:
    """Return the values and densities of the threshold state at one α."""
    state = threshold_state(loss, alpha)
    law, lowest = state.law, min(state.bulk_edge, state.outlier or np.inf)
    curvature = loss.d2(law.student, law.teacher) / 2
    reach = max(2.0, 1.5 * alpha * float(law.weight @ np.abs(curvature)))
    # close to the edge, where the density rises like a square root, points are dense
    above = state.bulk_edge + reach * np.linspace(0, 1, DENSITY_POINTS) ** 2
    grid = np.concatenate([[lowest - 0.1 * reach, state.bulk_edge], above[1:]])
    density = np.nan_to_num(bulk_density(law, loss, alpha, grid))
    record = state.record()
    outlier = None if state.outlier is None else state.outlier - state.mu
    return {
        "alpha": alpha,
        **{name: record[name] for name in VALUES},
        "ground_energy": ground_state(loss, alpha).energy,
        **band_at(loss, alpha),
        "hessian_edge": state.bulk_edge - state.mu,
        "hessian_outlier": outlier,
        "law": plain(label_density(law, LABELS), 4),
        "conditional": [plain(label_density(at(law, y), LABELS), 4) for y in GIVEN],
        "eigenvalues": plain(grid, 5),
        "hessian_eigenvalues": plain(grid - state.mu, 5),
        "density": plain(density, 4),
    }


def at(law: LabelLaw, y: float) -> LabelLaw:
    """Return the law of the student's label at the node of the teacher's label nearest to y."""
    values = np.unique(law.teacher)
    here = law.teacher == values[np.argmin(np.abs(values - y))]
    return LabelLaw(law.student[here], law.teacher[here], law.weight[here])


def label_density(law: LabelLaw, edges: np.ndarray) -> np.ndarray:
    """Return the mean density of |ŷ| in each bin, shape (B,), of a law on quadrature nodes.

    Each node represents the interval around it: at each y the distribution function is interpolated
    from its values midway through each weight, so that bins narrower than the nodes stay smooth.
    """
    order = np.lexsort((law.student, law.teacher))
    student, weight = np.abs(law.student[order]), law.weight[order]
    starts = np.flatnonzero(np.diff(law.teacher[order], prepend=np.nan) != 0)
    total = np.zeros(edges.size)
    for here in np.split(np.arange(student.size), starts[1:]):
        cumulative = np.cumsum(weight[here]) - weight[here] / 2
        total += np.interp(edges, student[here], cumulative, 0.0, float(weight[here].sum()))
    return np.diff(total) / np.diff(edges)


def threshold_readings(loss: Loss) -> dict[str, float | None]:
    """Return the readings of α_BBP at the threshold states; None for one without a transition."""
    try:
        return bbp_threshold(loss).record()["alpha_bbp"]
    except (ValueError, NotConverged):
        return dict.fromkeys(("edge", "multiplier", "unstable"))


def random_start(loss: Loss) -> float | None:
    """Return α_BBP at a random start; None without a transition."""
    try:
        return bbp_at_random_start(loss).alpha
    except (ValueError, NotConverged):
        return None
