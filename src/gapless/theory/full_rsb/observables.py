"""Observables of a maximum of f: the law of the labels, the conditions on a continuous z."""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np

from gapless.labels import LabelLaw
from gapless.quadrature import LEVELS, half_line
from gapless.theory import bulk
from gapless.theory.full_rsb.maximum import Maximum
from gapless.theory.full_rsb.mesh import FARTHEST, Mesh
from gapless.theory.full_rsb.recursion import label_at
from gapless.theory.label_measure import corners, evaluate, largest_root, refuse_other_jumps

Rule = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class Labels:
    """Law P(ŷ, y) of a maximum and its observables at the maximum's own last step.

    Parameters
    ----------
    law
        P(ŷ, y).
    kink
        2α E_y[p(r=0|y) h_min/χ], the mass of the kink after the last step.
    corner
        Whether J = 1 + χd vanishes inside the support of the labels, so that γ̄ = χ is the pole.
    marginality
        F(χ).
    values
        Numbers by their names in `gapless.theory.FullRSBState`.
    """

    law: LabelLaw
    kink: float
    corner: bool
    marginality: float
    values: dict[str, Any]


def label_values(found: Maximum) -> Labels:
    """Return the law of the labels of a maximum, and its observables.

    P(h|y) ∝ J e^{z φ_K(r(h))} E[(P_{K−1} e^{−z φ_{K−1}})(r(h) + √Δq x)] on h > h_min(y), where z
    and Δq are those of the last step.
    """
    of, chi, z = found.of, found.chi, found.z[-1]
    loss, mesh, y = of.loss, of.mesh, of.y
    column = y[:, None]
    # labels below are no minimisers of V at any field: the kink leaves a gap of 2 h_min
    h_min = largest_root(loss, chi, y)
    # the label of the last field of the mesh
    stop = label_at(loss, chi, np.array([[FARTHEST]]), y, h_min)[0]
    # graded to h_min, where J vanishes for y near y_c
    h, weight = half_line(h_min, stop, LEVELS[1])
    value, d1 = evaluate(loss.value, h, column), evaluate(loss.d1, h, column)
    d = evaluate(loss.d2, h, column) / 2
    # J < 0 beyond h_min means a jump elsewhere, which this scheme does not hold
    refuse_other_jumps(loss, chi, d)
    # ln P_{K−1} − zφ_{K−1}: in logarithms, since P spans many orders over the field
    flow = of.densities(found.action, found.z)[-1] - z * found.action.phi[-1]
    x, gaussian = mesh.gaussian
    width = np.sqrt(mesh.step[-1])

    def density(row: int, place: np.ndarray, v: np.ndarray) -> np.ndarray:
        ahead = mesh.at(flow[:, row], place[:, None] + width * x)
        # the largest term out of the sum: e^{zφ} over- and underflows where z is large
        top = ahead.max(1)
        return np.exp(top - z * v / 2) * (np.exp(ahead - top[:, None]) @ gaussian)

    # V at its minimiser: ℓ + (h − r)²/χ with r − h = χℓ′/2
    v = value + chi / 4 * d1**2
    place = h + chi / 2 * d1
    # row by row: each y has labels of its own
    at_place = np.stack([density(k, place[k], v[k]) for k in range(y.size)])
    # 2: both signs of the label on one half line; J = 1 + χd of dr = J dh
    weight = 2 * weight * (1 + chi * d) * at_place
    # normalised at each y: its distance from one is the quadrature's error alone
    norm = weight.sum(1)
    weight *= (of.weight / norm)[:, None]
    # the kink: the density at field zero times the jump of φ′ there, 2 h_min/χ
    v_zero = evaluate(loss.value, h_min, y) + chi / 4 * evaluate(loss.d1, h_min, y) ** 2
    at_zero = [density(k, np.zeros(1), v_zero[k : k + 1])[0] for k in range(y.size)]
    kink = of.alpha * float(of.weight @ (np.array(at_zero) / norm * 2 * h_min / chi))
    # no average sees them, and an edge that is looked for takes every atom for a pole
    keep = weight > 1e-40
    teacher = np.broadcast_to(column, h.shape)
    law = LabelLaw(h[keep], teacher[keep], weight[keep])
    return _labels(found, law, kink)


def _labels(found: Maximum, law: LabelLaw, kink: float) -> Labels:
    """Return the observables of a law of labels."""
    loss, alpha, chi = found.of.loss, found.of.alpha, found.chi
    d = evaluate(loss.d2, law.student, law.teacher) / 2
    atoms = bulk.Curvatures(d, law.teacher**2, law.weight, alpha)
    # at (y_c, 0): the smallest curvature of the labels is then −1/χ exactly (full-rsb.md §4)
    corner = any(
        abs(1 + chi * float(evaluate(loss.d2, np.zeros(1), np.full(1, y))[0]) / 2) < 1e-6
        for y in corners(loss, chi)
    )
    # searching the atoms would miss the corner, which no quadrature node hits
    gamma_bar = chi if corner else bulk.edge(atoms).gamma
    if gamma_bar == inf:
        raise ValueError(
            f"alpha: at {alpha:g} the spectrum of {loss.name} has zero modes and no edge; raise it"
        )
    spike = bulk.outlier(atoms, gamma_bar)
    psi = atoms.psi(gamma_bar)
    values = {
        "chi": chi,
        "mu": law.multiplier(loss, alpha),
        "bulk_edge": psi,
        "outlier": spike.value,
        "outlier_overlap": spike.overlap,
        "margin": psi - atoms.phi(gamma_bar),
        "moments": law.moments(),
    }
    return Labels(law, kink, corner, atoms.marginality(chi), values)


def profile(found: Maximum) -> dict[str, np.ndarray]:
    """Return λ and the conditions on a continuous z at the overlaps q_1 … q_{K−1} of a maximum.

    ``d`` is D(q) = ½∫₀^q dq/λ² − (α/2) E∫Pφ′² = δf/δz(q), (F5), which vanishes where z is
    continuous; ``replicon`` is αλ²E∫Pφ″², which is 1 there, (F6); ``multiplier`` is −αE∫Pφ″ − 1/λ,
    which is μ there, (F7).
    The result has these, ``q`` and ``lambda``, each of shape (K − 1,).
    """
    of, action = found.of, found.action
    mesh = of.mesh
    rise = found.z * mesh.step
    # λ at the beginning of each step
    level = found.chi + np.cumsum(rise[::-1])[::-1]
    # ∫ dq/λ² over a step, in closed form since λ is linear there
    squares = mesh.step / (level * (level - rise))
    first, second = _derivatives(mesh)
    slope, bend, square = [], [], []
    for log_p, phi in zip(of.densities(action, found.z), action.phi[1:], strict=True):
        # P dh at the nodes
        weight = mesh.rule[:, None] * np.exp(log_p)
        slope.append(of.weight @ (weight * first(phi) ** 2).sum(0))
        curvature = second(phi)
        bend.append(of.weight @ (weight * curvature).sum(0))
        square.append(of.weight @ (weight * curvature**2).sum(0))
    # at the ends of steps, where φ′ and φ″ of a step function z are those of a continuous one
    inner = level[1:]
    return {
        "q": mesh.q[1:-1],
        "lambda": inner,
        "d": np.cumsum(squares)[:-1] / 2 - of.alpha / 2 * np.array(slope),
        "replicon": of.alpha * inner**2 * np.array(square),
        "multiplier": -of.alpha * np.array(bend) - 1 / inner,
    }


def _derivatives(mesh: Mesh) -> tuple[Rule, Rule]:
    """Return ∂/∂h and ∂²/∂h² of even functions at the nodes, by differences of order six in u."""
    # dh/du: differences are taken in u, in which nodes are equally spaced
    slope = mesh.scale * np.cosh(mesh.spacing * np.arange(mesh.fields))[:, None]

    def padded(g: np.ndarray) -> np.ndarray:
        # held constant beyond the last field, where P has no weight
        tail = np.repeat(g[-1:], 3, axis=0)
        return np.concatenate([g[3:0:-1], g, tail])

    def by_u(g: np.ndarray, weights: tuple[float, ...], power: int) -> np.ndarray:
        wide, n = padded(g), g.shape[0]
        terms = [c * wide[k : k + n] for k, c in enumerate(weights)]
        return np.sum(terms, axis=0) / mesh.spacing**power

    # central differences of order six, as the interpolation
    one = tuple(c / 60 for c in (-1, 9, -45, 0, 45, -9, 1))
    two = tuple(c / 180 for c in (2, -27, 270, -490, 270, -27, 2))

    def first(g: np.ndarray) -> np.ndarray:
        return by_u(g, one, 1) / slope

    def second(g: np.ndarray) -> np.ndarray:
        return (by_u(g, two, 2) - mesh.h[:, None] * first(g)) / slope**2

    return first, second
