"""Spectral rows of runs at given states: eigenvalues, eigenvectors and theory beside them."""

from typing import Any

import jax
import numpy as np

from gapless.flow import State
from gapless.hessian import lowest_eigenpairs, signal_overlap, top_sample_share
from gapless.labels import LabelLaw
from gapless.losses import Loss
from gapless.problem import LabelKind, Problem
from gapless.theory.bbp import bulk_edge, outlier

Row = dict[str, Any]


def spectral_rows(
    problem: Problem,
    state: State,
    labels: LabelKind,
    *,
    key: jax.Array,
    lowest: int = 3,
    tolerance: float = 1e-5,
    deflate_radial: bool = False,
) -> list[Row]:
    """Return for each run what its Hessian looks like at its state.

    Keys: ``energy``, ``mu``, ``overlap`` (of the state); lists over the `lowest` eigenpairs
    ``eigenvalues`` (Eq. 4, after −μ), ``vector_overlap``, ``residual``, ``top_sample_share``;
    ``width``; ``converged``: every residual is within `tolerance`; and theory's prediction from the
    run's own labels, see `theory_of`.
    """
    w = state.w
    pairs = lowest_eigenpairs(
        problem, w, lowest, key=key, tolerance=tolerance, deflate_radial=deflate_radial
    )
    # shuffled labels share nothing with a direction of X: their teacher is no signal
    overlaps = signal_overlap(pairs.vectors, problem.teacher if labels == "teacher" else None)
    shares = np.asarray(top_sample_share(problem, pairs.vectors), float)
    q = np.asarray(problem.overlap(w), float)
    energy, mu = np.asarray(state.energy, float), np.asarray(state.mu, float)
    return [
        {
            "energy": number(energy[run]),
            "mu": number(mu[run]),
            "overlap": number(q[run]),
            "eigenvalues": numbers(pairs.values[run]),
            "vector_overlap": numbers(overlaps[run]),
            "residual": numbers(pairs.residuals[run]),
            "top_sample_share": numbers(shares[run]),
            "width": number(pairs.width[run]),
            "converged": bool(pairs.converged[run]),
            **theory_of(problem.label_law(w, run), problem.loss, problem.alpha, labels),
        }
        for run in range(w.shape[0])
    ]


def theory_of(law: LabelLaw, loss: Loss, alpha: float, labels: LabelKind) -> Row:
    """Return edge and outlier that a law of labels implies, after −μ of that law (Eqs. 3–5).

    ``hessian_edge``; ``edge_from_one_atom``: the finite law's edge sits on its most negative
    sample; ``edge_without_one``: the edge with that sample left out; ``hessian_outlier`` and
    ``outlier_overlap``: None without an outlier, and where labels are not a teacher's (y is then
    no direction of X). Edge and outlier are statements at zero overlap of the state (docs).
    """
    mu = law.multiplier(loss, alpha)
    edge = bulk_edge(law, loss, alpha)
    found = outlier(law, loss, alpha) if labels == "teacher" else None
    value = None if found is None else found.value
    return {
        "hessian_edge": number(edge.value - mu),
        "edge_from_one_atom": edge.edge_from_one_atom,
        "edge_without_one": number(bulk_edge(without_one(law, loss), loss, alpha).value - mu),
        "hessian_outlier": None if value is None else number(value - mu),
        "outlier_overlap": None if found is None else found.overlap,
    }


def without_one(law: LabelLaw, loss: Loss) -> LabelLaw:
    """Return the law without its atom of most negative curvature (the weight is spread)."""
    keep = np.ones(law.student.size, bool)
    keep[np.argmin(loss.d2(law.student, law.teacher))] = law.student.size == 1
    return LabelLaw(law.student[keep], law.teacher[keep], law.weight[keep])


def number(value: float) -> float | None:
    """Return a plain float, None where it is not finite."""
    return float(value) if np.isfinite(value) else None


def numbers(values: np.ndarray) -> list[float | None]:
    """Return plain floats, None where they are not finite."""
    return [number(value) for value in values]
