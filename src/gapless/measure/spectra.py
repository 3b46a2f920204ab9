"""Spectra of runs at given states: eigenvalues, eigenvectors and theory beside them."""

import numpy as np

from gapless.arrays import Array
from gapless.flow import State
from gapless.hessian import (
    DENSE_BELOW,
    lowest_eigenpairs,
    signal_overlap,
    spectral_density,
    spectrum,
    top_sample_share,
)
from gapless.inputs import LabelKind
from gapless.labels import LabelLaw
from gapless.losses import Loss
from gapless.problem import Problem
from gapless.sensing import LIKE_GAUSSIAN, Ensemble
from gapless.sphere import SPHERE, Domain
from gapless.theory.bbp import bulk_density, bulk_edge, outlier

BINS, GRID = 40, 161
"""Bins of a measured density, and points of theory's."""


def spectral_columns(
    problem: Problem,
    state: State,
    labels: LabelKind,
    *,
    key: Array,
    lowest: int = 3,
    tolerance: float = 1e-5,
    deflate_radial: bool = False,
    vectors: bool = False,
    sensing: Ensemble = "gaussian",
) -> dict[str, np.ndarray]:
    """Return columns of the spectrum of each run's Hessian at its state; not-a-number for none.

    Names: ``energy``, ``mu``, ``overlap`` (of the state); over the `lowest` eigenpairs,
    (K, lowest), ``eigenvalues`` (Eq. 4, after −μ), ``vector_overlap``, ``residual``,
    ``top_sample_share``; ``width``; ``converged``: every residual is within `tolerance`; and
    theory's prediction from the run's own labels, see `theory_of`, not-a-number where theory is not
    that of the ensemble of X. With `vectors` also the ``eigenvectors``, (K, lowest, N).
    """
    w = state.w
    # not warm-started: states of a table are far apart, and one key gives one answer
    pairs = lowest_eigenpairs(
        problem, w, lowest, key=key, tolerance=tolerance, deflate_radial=deflate_radial
    )
    # shuffled labels share nothing with a direction of X: their teacher is no signal
    overlaps = signal_overlap(pairs.vectors, problem.signals if labels == "teacher" else None)
    theory = [
        # run by run: each law has its own edge, found by root finding in NumPy
        theory_of(problem.label_law(w, run), problem.loss, problem.alpha, labels, problem.domain)
        for run in range(w.shape[0])
    ]
    return {
        # float64 columns whatever was computed in: records of all precisions are one table
        "energy": np.asarray(state.energy, float),
        "mu": np.asarray(state.mu, float),
        # of the state, to tell an outlier toward the signal from one that follows it
        "overlap": np.asarray(problem.overlap(w), float),
        "eigenvalues": np.asarray(pairs.values, float),
        **({"eigenvectors": np.asarray(pairs.vectors)} if vectors else {}),
        "vector_overlap": np.asarray(overlaps, float),
        "residual": np.asarray(pairs.residuals, float),
        "top_sample_share": np.asarray(top_sample_share(problem, pairs.vectors), float),
        "width": np.asarray(pairs.width, float),
        "converged": np.asarray(pairs.converged, bool),
        **{name: np.array([one[name] for one in theory]) for name in theory[0]},
        **({} if sensing in LIKE_GAUSSIAN else dict.fromkeys(theory[0], np.full(len(w), np.nan))),
    }


def theory_of(
    law: LabelLaw, loss: Loss, alpha: float, labels: LabelKind, domain: Domain = SPHERE
) -> dict[str, float | bool]:
    """Return bulk edge and outlier of a law of labels, its μ subtracted (Eqs. 3–5).

    μ is zero in the domain without the sphere.

    ``hessian_edge``; ``edge_from_one_atom``: the finite law's edge sits on its most negative
    sample; ``edge_without_one``: the edge with that sample left out; ``hessian_outlier`` and
    ``outlier_overlap``: not-a-number without an outlier, and where labels are not a teacher's (y is
    then no direction of X). Edge and outlier are statements at zero overlap of the state (docs).
    """
    mu = float(domain.multiplier(np.asarray(law.multiplier(loss, alpha)), 1.0))
    edge = bulk_edge(law, loss, alpha)
    # shuffled y is no direction of X: the formula would give a number without a meaning
    found = outlier(law, loss, alpha) if labels == "teacher" else None
    value, overlap = (None, None) if found is None else (found.value, found.overlap)
    # not a number, for the columns are arrays; records turn it into null
    nan = float("nan")
    return {
        # −μ of the law, not of the run: edge and μ must come from the same labels
        "hessian_edge": edge.value - mu,
        "edge_from_one_atom": edge.edge_from_one_atom,
        # what the bulk's edge would be if the sample that it sits on were an outlier of its own
        "edge_without_one": bulk_edge(without_one(law, loss), loss, alpha).value - mu,
        "hessian_outlier": nan if value is None else value - mu,
        "outlier_overlap": nan if overlap is None else overlap,
    }


def density_columns(
    problem: Problem,
    w: Array,
    run: int,
    *,
    key: Array,
    deflate_radial: bool = False,
    sensing: Ensemble = "gaussian",
) -> dict[str, list[float]]:
    """Return columns of one run's whole spectrum at states W, and of theory's density for it.

    ``bin_edges`` (B + 1) and ``density`` (B): measured, from all eigenvalues up to the N of
    `DENSE_BELOW` and by stochastic Lanczos quadrature beyond; per unit of λ, all eigenvalues
    counted. ``grid`` and ``density_theory``, of one length: the bulk that the run's own labels
    imply (Eq. 5), which has no outlier; empty where theory is not that of the ensemble of X. Both
    after −μ, up to the 0.99 quantile.
    """
    loss, alpha = problem.loss, problem.alpha
    if problem.dimension <= DENSE_BELOW:
        nodes = spectrum(problem, w, run, deflate_radial=deflate_radial)
        weights = np.full(nodes.size, 1 / nodes.size)
    else:
        found = spectral_density(problem, w, key=key, deflate_radial=deflate_radial)
        nodes, weights = (np.asarray(one[run], float) for one in (found.nodes, found.weights))
        order = np.argsort(nodes)
        nodes, weights = nodes[order], weights[order] / weights.sum()
    # the tail of the quartic loss reaches far, and would leave the bulk a few bins
    high = float(nodes[np.searchsorted(np.cumsum(weights), 0.99)])
    # 1e-6 below: λ₁ lies exactly on the first edge
    edges = np.linspace(nodes[0] - 1e-6 * abs(nodes[0]), high, BINS + 1)
    density = np.histogram(nodes, edges, weights=weights)[0] / np.diff(edges)
    columns = {"bin_edges": edges.tolist(), "density": density.tolist()}
    if sensing not in LIKE_GAUSSIAN:
        return columns | {"grid": [], "density_theory": []}
    law = problem.label_law(w, run)
    mu = float(problem.domain.multiplier(np.asarray(law.multiplier(loss, alpha)), 1.0))
    edge = bulk_edge(law, loss, alpha).value
    low = min(edge - mu, high)
    # close to the edge, where the density rises like a square root, points are dense
    grid = low + (high - low) * np.linspace(0, 1, GRID) ** 2
    theory = np.nan_to_num(bulk_density(law, loss, alpha, grid + mu))
    return columns | {"grid": grid.tolist(), "density_theory": theory.tolist()}


def without_one(law: LabelLaw, loss: Loss) -> LabelLaw:
    """Return the law without its atom of most negative curvature (the weight is spread)."""
    keep = np.ones(law.student.size, bool)
    # by curvature, not by residual: d < 0 pushes λ₁ down; a law of one atom keeps it
    lowest = int(np.argmin(law.curvatures(loss)[0])) % law.student.size
    keep[lowest] = law.student.size == 1
    return type(law)(law.student[keep], law.teacher[keep], law.weight[keep])
