"""Threshold states on a grid of α: every number that the α slider shows, computed beforehand."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gapless.explore.band import band_along
from gapless.explore.kept import kept
from gapless.explore.workers import Each, in_turn
from gapless.labels import LabelLaw
from gapless.losses import Loss, is_built_in, parse_loss
from gapless.page.panels import plain
from gapless.theory import (
    NotConverged,
    bbp_at_random_start,
    bbp_threshold,
    bulk_density,
    ground_state,
    threshold_state,
)

VERSION = 5
"""Version of a grid's content, raised by hand; cached grids of another version are made anew."""
PARTS_BESIDE = 2
"""Parts of a grid beside the state at each α: the band, whose first minima take a second, and the
readings."""
ALPHAS = tuple(np.arange(5.0, 17.25, 0.5).tolist())
LABELS = np.linspace(0.0, 4.0, 81)
"""Edges of the bins of |ŷ|."""
GIVEN = (0.5, 1.0, 2.0)
"""|y| at which the conditional law of ŷ is shown."""
CELLS = np.linspace(0.0, 3.0, 31)
"""Edges of the cells of |ŷ| and |y| in which their joint density is shown."""
FLAGS = ("negative_complexity", "below_ground_state", "outer_unstable")
"""Flags of a threshold state that are shown, as `gapless theory state` names them."""
DENSITY_POINTS = 60
VALUES = ("energy", "complexity", "chi", "z", "mu", "bulk_edge", "outlier", "outlier_overlap")


def theory_grid(
    loss: Loss,
    alphas: Sequence[float] = ALPHAS,
    progress: Callable[[float], object] = lambda _: None,
    cache: Path | None = None,
    each: Each = in_turn,
) -> dict[str, Any]:
    """Return the threshold states of a loss along α, ready for JSON.

    Keys: ``loss``; ``readings`` (α_BBP by reading) and ``random_start``; ``given``, ``labels``
    (middles of the bins of |ŷ|), ``teacher`` (density of |y|); ``alpha`` and columns beside it
    (`VALUES`, those of `band_along`, ``ground_energy``, ``hessian_edge`` and ``hessian_outlier``:
    after −μ, ``flags``); ``law``, ``conditional``, ``joint`` (rows of |ŷ| and columns of |y| in the
    cells of side ``cell``), ``eigenvalues`` (before −μ), ``hessian_eigenvalues`` and
    ``density`` for each α. None where there is none.

    Parameters
    ----------
    progress
        Called with 1 for each part: α, and `PARTS_BESIDE`.
    cache
        Folder in which grids are cached by loss and α.
    each
        Computes the items: `in_turn`, or `Workers`.

    Raises ``ValueError`` if the loss has no threshold state at any of these α.
    """

    def make() -> dict[str, Any]:
        # the workers know losses by name, and built-in ones only
        built_in = is_built_in(loss)
        spread = each if built_in else in_turn
        given = loss.name if built_in else loss
        # the longest first: what is left at the end is spread evenly
        parts = [("band", given, alphas), ("readings", given, ())]
        parts += [("state", given, (alpha,)) for alpha in alphas]
        band, readings, *found = spread(_part, parts, progress)
        # by column, of the α with a state
        states = [one | at for one, at in zip(found, band, strict=True) if isinstance(one, dict)]
        if not states:
            raise ValueError(
                f"loss: {loss.name} has no threshold state at these alpha: {found[-1]}"
            )
        middle = (LABELS[1:] + LABELS[:-1]) / 2
        return {
            "loss": loss.name,
            **readings,
            "given": list(GIVEN),
            "labels": plain(middle),
            "cell": float(CELLS[1]),
            "teacher": plain(np.sqrt(2 / np.pi) * np.exp(-(middle**2) / 2)),
            **{name: [state[name] for state in states] for name in states[0]},
        }

    grid, there = kept(cache, "grid", [VERSION, loss.name, list(alphas)], make)
    if there:
        progress(float(len(alphas) + PARTS_BESIDE))
    return grid


def _part(what: str, loss: Loss | str, alphas: Sequence[float]) -> Any:
    """Return the band along α, the readings, or the state at one α or why there is none."""
    loss = parse_loss(loss) if isinstance(loss, str) else loss
    if what == "band":
        return band_along(loss, alphas)
    if what == "readings":
        return {"readings": threshold_readings(loss), "random_start": random_start(loss)}
    try:
        return state_at(loss, *alphas)
    except (ValueError, NotConverged) as error:
        return str(error)


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
    size, weight, mass = label_masses(law, LABELS)
    nearest = [int(np.argmin(np.abs(size - y))) for y in GIVEN]
    return {
        "alpha": alpha,
        **{name: record[name] for name in VALUES},
        "ground_energy": ground_state(loss, alpha).energy,
        "hessian_edge": state.bulk_edge - state.mu,
        "hessian_outlier": outlier,
        "flags": {name: record["flags"][name] for name in FLAGS},
        "law": plain(mass.sum(axis=0) / np.diff(LABELS), 4),
        "conditional": [plain(mass[k] / weight[k] / np.diff(LABELS), 4) for k in nearest],
        "joint": [plain(row, 3) for row in joint_density(law)],
        "eigenvalues": plain(grid, 5),
        "hessian_eigenvalues": plain(grid - state.mu, 5),
        "density": plain(density, 4),
    }


def label_masses(law: LabelLaw, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the |y| of a law's nodes, (Y,), their weights, (Y,), and the mass of |ŷ| in bins.

    The mass has shape (Y, B) and sums to the weights. Each node represents the interval around it:
    at each |y| the distribution function is interpolated from its values midway through each
    weight, so that bins narrower than the nodes stay smooth.
    """
    student, size = np.abs(law.student), np.abs(law.teacher)
    order = np.lexsort((student, size))
    student, size, weight = student[order], size[order], law.weight[order]
    starts = np.flatnonzero(np.diff(size, prepend=-1.0) > 1e-9)
    total = np.add.reduceat(weight, starts)
    below = np.empty((starts.size, edges.size))
    for row, first, last in zip(range(starts.size), starts, [*starts[1:], size.size], strict=True):
        cumulative = np.cumsum(weight[first:last]) - weight[first:last] / 2
        below[row] = np.interp(edges, student[first:last], cumulative, 0.0, total[row])
    return size[starts], total, np.diff(below)


def joint_density(law: LabelLaw, edges: np.ndarray = CELLS) -> np.ndarray:
    """Return the density of (|ŷ|, |y|) on square cells, (B, B): |ŷ| along rows, |y| along columns.

    The law of |ŷ| at each node of y is averaged over the cells of |ŷ|, and interpolated in y to the
    middles of the cells of |y|, whose own law is that of a standard normal number.
    """
    size, weight, mass = label_masses(law, edges)
    given = (mass / weight[:, None] / np.diff(edges)).T
    middle = (edges[1:] + edges[:-1]) / 2
    across = np.array([np.interp(middle, size, column) for column in given])
    return across * np.sqrt(2 / np.pi) * np.exp(-(middle**2) / 2)


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
