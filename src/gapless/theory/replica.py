"""Threshold states of the 1RSB scheme: Eqs. 11–13 and the label law (docs/derivations/replica.md).

All energies are per dimension, e = L/N with the ½ of Eq. 1. The limits of the scheme are described
in docs/derivations/limits.md and reported in every state's flags.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gapless.flags import as_ever
from gapless.inputs import ratio
from gapless.labels import LabelLaw
from gapless.losses import Loss, check_consistent
from gapless.quadrature import LEVELS
from gapless.theory import bulk
from gapless.theory.branch import HIGHEST_ALPHA, large_alpha_guess, marginal_curve
from gapless.theory.label_measure import LabelMeasure
from gapless.theory.roots import NotConverged
from gapless.theory.saddle import (
    marginal_state,
    measure_at,
    outer_replicon,
    refine,
    solve_saddle,
)


@dataclass(frozen=True, eq=False)
class ThresholdState:
    """A marginal 1RSB state: Eqs. 12 and 13 solved at ``alpha``.

    Parameters
    ----------
    alpha
        Sensing vectors per dimension, M/N.
    chi, z
        χ and z of Eq. 11.
    energy, free_energy, complexity
        e = (α/2) E ℓ, f of Eq. 11, Σ = z(e − f); e = ∂(zf)/∂z.
    mu
        The multiplier of Eq. 3, (α/2) E[ŷ ∂ℓ].
    bulk_edge
        λ₋ = ψ(χ) of ½Σℓ″xxᵀ, before μ is subtracted (−Ψ of Eq. 5 at γ̄ = χ).
    outlier, outlier_overlap
        Eigenvalue below λ₋ along the signal, before μ is subtracted, and |⟨v, W*⟩|/√N of its
        unit vector; None where there is none.
    moments
        E|ŷ|^k, named ``abs``, ``2``, ``3``, ``4``.
    law
        P(ŷ, y) as quadrature atoms, folded to ŷ, y ≥ 0 (either sign is equally likely).
    flags
        ``negative_complexity`` (Σ < 0: not a consistent state), ``below_ground_state`` (its
        energy lies below the 1RSB ground state's), ``kink_mass`` (the delta in ∂²V that Eq. 13
        omits, which is the value of λ₋ − μ, (B8)), ``multiplier_mismatch`` (λ₋ − μ as computed),
        ``outer_replicon`` (α((χ+z)/z)² E_y[(⟨r²⟩_y − 1)²], (T2), at most 1 if states at overlap 0
        are stable), ``outer_unstable`` (the replicon is above 1) and ``other_branches`` (further
        marginal states at this α: χ, z, energy).
    error
        Estimated absolute error of each value, under the same keys.
    """

    alpha: float
    chi: float
    z: float
    energy: float
    free_energy: float
    complexity: float
    mu: float
    bulk_edge: float
    outlier: float | None
    outlier_overlap: float | None
    moments: dict[str, float]
    law: LabelLaw = field(repr=False)
    flags: dict[str, Any]
    error: dict[str, Any]

    def record(self) -> dict[str, Any]:
        """Return all but the law, ready for JSON."""
        return {name: value for name, value in vars(self).items() if name != "law"}


def free_energy(measure: LabelMeasure, alpha: float) -> float:
    """Return f = −log(1 + z/χ)/(2z) − (α/z) E_y log ∫Dr e^{−zV/2}, Eq. 11."""
    chi, z = measure.chi, measure.z
    # log1p: z/χ is small at large α, where f is a small difference
    entropy = np.log1p(z / chi) / 2
    # both terms carry −1/z: ½ log((χ+z)/χ) of the determinant, and α E_y log (replica.md §1)
    return float(-(entropy + alpha * (measure.y_weight @ measure.log_norm)) / z)


def energy(measure: LabelMeasure, alpha: float) -> float:
    """Return e = (α/2) E ℓ at the minimisers, Eq. 1; it is ∂(zf)/∂z where Eq. 12 holds (R4)."""
    # α/2: ½ of Eq. 1 and M/N; the mean runs over minimisers h, not over fields r
    return alpha / 2 * measure.mean(measure.value)


def complexity(measure: LabelMeasure, alpha: float) -> float:
    """Return Σ = z(e − f), the logarithm of the number of states over N (R5)."""
    # Σ = z² ∂f/∂z, so it vanishes where f is stationary in z: at the ground state
    return measure.z * (energy(measure, alpha) - free_energy(measure, alpha))


@as_ever(loading=False)
def threshold_state(loss: Loss, alpha: float) -> ThresholdState:
    """Return the marginal 1RSB state at ``alpha``, Eqs. 12 and 13.

    The branch is that continued from α → ∞; where it folds, the flags list the other states at this
    α. The first call for a loss follows the branch (about 0.2 s), later calls take about 0.05 s.

    Parameters
    ----------
    loss
        Loss, even in ŷ and y. The minimiser of V may jump at field zero, and nowhere else.
    alpha
        M/N, above the lower end of the branch (1.05 for the quartic loss).

    Raises
    ------
    ValueError
        If alpha is not a positive number up to 1e8, or has no marginal state; if the loss's
        functions are inconsistent (`gapless.losses.loss.check_consistent`).
    NotConverged
        With the last iterate.
    """
    alpha = ratio(alpha)
    guesses = marginal_guesses(loss, alpha)
    # the first guess is the state met first from large α; `other_branches` holds the rest
    found = refine(
        loss, marginal_state(alpha), lambda m: state_values(m, alpha), _natural_sizes, guesses[0]
    )
    # two guesses at one root: the solver went to the other state of the fold
    if any(np.abs(found.x - other).max() < 1e-3 for other in guesses[1:]):
        raise NotConverged(
            f"marginal state of {loss.name} at alpha={alpha:g}, too close to a fold of the branch",
            {"chi": found.measure.chi, "z": found.measure.z},
            np.zeros(2),
        )
    values = found.values
    replicon = alpha * outer_replicon(found.measure)
    flags = {
        "negative_complexity": values["complexity"] < 0,
        # what λ₋ − μ must be by an integration by parts (bbp.md §4), and what it is as computed:
        # two routes to one number, which therefore checks the quadrature
        "kink_mass": alpha * found.measure.kink(),
        "multiplier_mismatch": values["bulk_edge"] - values["mu"],
        # Σ grows with e along the curve (dΣ/de = z > 0) and vanishes at the ground state.
        "below_ground_state": values["complexity"] < 0,
        "outer_replicon": replicon,
        "outer_unstable": replicon > 1,
        "other_branches": _other_branches(loss, alpha, guesses[1:]),
    }
    return ThresholdState(
        alpha=float(alpha), law=found.measure.law(), flags=flags, error=found.error, **values
    )


def marginal_guesses(loss: Loss, alpha: float) -> list[np.ndarray]:
    """Return guesses of (log χ, log z) at alpha, the branch from large α first.

    Raises ``ValueError`` for a loss that is not even, or without a state at alpha.
    """
    check_loss(loss)
    # beyond the curve that is followed; there the limit is a good enough start
    if alpha >= HIGHEST_ALPHA:
        return [large_alpha_guess(loss, alpha)]
    curve = marginal_curve(loss)
    guesses = curve.crossings(alpha)
    if not guesses:
        raise ValueError(
            f"alpha: the {loss.name} loss has no marginal 1RSB state at {alpha:g}; the branch "
            f"continued from large alpha reaches down to {curve.alpha.min():.4g} "
            "(as alpha falls to 1, chi diverges and the energy vanishes); raise it"
        )
    return guesses


def check_loss(loss: Loss) -> None:
    """Raise ``ValueError`` unless ℓ is even in ŷ and in y, which folding to a quadrant needs."""
    if isinstance(loss, Loss):
        # nine pairs of labels of order one, on which no odd part vanishes by chance
        h, y = np.meshgrid([0.3, 1.1, 2.7], [0.2, 0.9, 2.3])
        value = loss.value(h, y)
        close = 1e-9 * np.abs(value).max()
        # (ŷ, −y) and (−ŷ, y): each of the two symmetries by itself
        if max(np.abs(loss.value(s * h, -s * y) - value).max() for s in (1, -1)) > close:
            raise ValueError(
                f"loss: {loss.name} is not even in ŷ and in y, which the replica theory needs"
            )
    check_consistent(loss)


def state_values(measure: LabelMeasure, alpha: float) -> dict[str, Any]:
    """Return the values of `ThresholdState` at one saddle point, by name."""
    # nodes are folded to h ≥ 0, so h is |ŷ| and the odd moments are those of |ŷ|
    size = measure.h
    moments = {str(k): measure.mean(size**k) for k in (2, 3, 4)}
    e, f = energy(measure, alpha), free_energy(measure, alpha)
    curvatures = curvatures_of(measure, alpha)
    # γ̄ = χ by Eqs. 6 and 13; searching the nodes would meet the corner
    spike = bulk.outlier(curvatures, gamma_bar=measure.chi)
    return {
        "chi": measure.chi,
        "z": measure.z,
        "energy": e,
        "free_energy": f,
        "complexity": measure.z * (e - f),
        "mu": measure.multiplier(alpha),
        # ψ(χ), since Eq. 13 is F(χ) = 1 (bbp.md §3)
        "bulk_edge": curvatures.psi(measure.chi),
        "outlier": spike.value,
        "outlier_overlap": spike.overlap,
        "moments": {"abs": measure.mean(size)} | moments,
    }


def curvatures_of(measure: LabelMeasure, alpha: float) -> bulk.Curvatures:
    """Return the atoms (d, y²) of a measure, unpruned, for the functions of `bulk`."""
    shape = measure.h.shape
    y2 = np.broadcast_to(measure.y[:, None] ** 2, shape).ravel()
    weight = (measure.y_weight[:, None] * measure.weight).ravel()
    return bulk.Curvatures(measure.d.ravel(), y2, weight, alpha)


def _natural_sizes(values: dict[str, Any]) -> dict[str, float]:
    """Return the scale of the terms of each value, which is their difference."""
    # Σ = z(e − f) is a small difference, at α = 10 −0.009 where z e is 0.7, so that its error is
    # measured against the terms; μ and ψ(χ) are differences with 1/χ (bbp.md §1, §4)
    terms = abs(values["energy"]) + abs(values["free_energy"])
    return {
        "free_energy": terms,
        "complexity": values["z"] * terms,
        "mu": abs(values["mu"]) + 1 / values["chi"],
        "bulk_edge": abs(values["bulk_edge"]) + 1 / values["chi"],
        "outlier": abs(values["outlier"] or 0) + 1 / values["chi"],
        "outlier_overlap": 1.0,
    }


def _other_branches(loss: Loss, alpha: float, guesses: list[np.ndarray]) -> list[dict[str, float]]:
    """Return χ, z and energy of the further marginal states at alpha."""
    found = []
    for guess in guesses:
        try:
            # the coarsest level made for results is enough for states that are only listed
            solution = solve_saddle(loss, marginal_state(alpha), guess, LEVELS[1])
        # next to a fold a guess may have no root; the list informs, the result is another state
        except NotConverged:
            continue
        measure = measure_at(loss, solution.x, LEVELS[1])
        found.append({"chi": measure.chi, "z": measure.z, "energy": energy(measure, alpha)})
    return found
