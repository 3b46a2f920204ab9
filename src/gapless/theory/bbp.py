"""Bulk edge, outlier and BBP transition of the Hessian (docs/derivations/bbp.md).

Each function of a `LabelLaw` accepts the law of the theory and that of a run. ``bulk_edge`` and
``outlier`` are eigenvalues of ½ Σ ∂²ℓ x xᵀ, always before μ is subtracted.
"""

from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np

from gapless.flags import as_ever
from gapless.inputs import Field, check_field
from gapless.labels import ComplexLabelLaw, LabelLaw
from gapless.losses import Loss, check_consistent
from gapless.quadrature import LEVELS, Level, error_of, half_gaussian_pair, half_modulus_pair
from gapless.theory import bulk
from gapless.theory.branch import HIGHEST_ALPHA, along_curve
from gapless.theory.bulk import BulkEdge, Curvatures, Outlier
from gapless.theory.label_measure import LabelMeasure, has_kink
from gapless.theory.replica import curvatures_of
from gapless.theory.roots import root_between
from gapless.theory.saddle import Equations, marginality, measure_at, refine, stationarity

READINGS = ("edge", "multiplier", "unstable")


def curvatures(law: LabelLaw, loss: Loss, alpha: float) -> Curvatures:
    """Return the atoms d and y² of a label law: d = ½ℓ″, or both curvatures of complex labels.

    Raises ``ValueError`` unless alpha is a positive number.
    """
    return Curvatures(*law.curvatures(loss), alpha)


@as_ever(loading=False)
def bulk_edge(law: LabelLaw, loss: Loss, alpha: float, gamma_bar: float | None = None) -> BulkEdge:
    """Return the left edge λ₋ of the bulk of ½ Σ ∂²ℓ x xᵀ, Eqs. 5 and 6.

    Parameters
    ----------
    law
        The labels of a run (equal atoms) or the theory's.
    gamma_bar
        γ̄ where it is known. With the law of a marginal 1RSB state pass χ: root and pole of F
        coincide there, and a search over quadrature nodes finds neither.
        `ThresholdState.bulk_edge` is computed with γ̄ = χ.
    """
    return bulk.edge(curvatures(law, loss, alpha), gamma_bar)


@as_ever(loading=False)
def outlier(law: LabelLaw, loss: Loss, alpha: float, gamma_bar: float | None = None) -> Outlier:
    """Return the eigenvalue below the bulk along the signal and its overlap, None without one.

    It solves φ(γ) = ψ(γ), Eq. 5, and (B4) is its overlap. The result holds only while the student's
    overlap with the teacher vanishes; a run is compared with it at |q| < 0.1
    (docs/derivations/limits.md §4). ``gamma_bar`` is as in `bulk_edge`.
    """
    return bulk.outlier(curvatures(law, loss, alpha), gamma_bar)


@as_ever(loading=False)
def bulk_density(law: LabelLaw, loss: Loss, alpha: float, grid: np.ndarray) -> np.ndarray:
    """Return the density of eigenvalues of ½ Σ ∂²ℓ x xᵀ at ``grid``, shape of ``grid``.

    The self-consistent Stieltjes equation (B10) is solved without an added imaginary part. The
    density integrates to 1, or to α P(∂²ℓ ≠ 0) where that is below 1 and the other modes are zero
    modes.
    """
    return bulk.density(curvatures(law, loss, alpha), grid)


@dataclass(frozen=True)
class BBPThreshold:
    """α_BBP of the marginal 1RSB states in its readings (docs/derivations/bbp.md §6).

    Parameters
    ----------
    edge
        φ(γ̄) = ψ(γ̄): the outlier leaves the bulk (Ψ = Φ, Eq. 5).
    multiplier
        φ(γ̄) = μ: Eq. 7 as printed.
    unstable
        The outlier eigenvalue is μ: the Hessian gets a negative eigenvalue.
    error
        Estimated absolute error of each reading.

    A reading is None if the marginal curve does not cross it.
    """

    edge: float | None
    multiplier: float | None
    unstable: float | None
    error: dict[str, float | None]

    def record(self) -> dict[str, Any]:
        """Return ``alpha_bbp`` and ``error`` by reading, and the ``reason`` if all are None."""
        found = {name: getattr(self, name) for name in READINGS}
        none = not any(found.values())
        reason = {"reason": f"1RSB: no transition from α = {HIGHEST_ALPHA:g} down"} if none else {}
        return {"alpha_bbp": found, "error": self.error, **reason}


def _reading(name: str, measure: LabelMeasure, alpha: float) -> float:
    """Return χ times the reading's difference of eigenvalues, positive above the transition."""
    # χ carries the unit 1/ℓ: χ times an eigenvalue is a number, as both sides of Eq. 12 are
    chi = measure.chi
    atoms = curvatures_of(measure, alpha)
    # γ̄ = χ on the marginal curve: Eqs. 6 and 13 are one equation
    psi, phi = atoms.psi(chi), atoms.phi(chi)
    if name == "edge":
        return chi * (psi - phi)
    if name == "unstable":
        # the outlier at μ lies λ₋ − μ = α × kink mass below the edge
        # φ is an eigenvalue only where it equals ψ, so γ is moved to where ψ(γ) = μ (bbp.md §6)
        phi = atoms.phi(chi - _below_edge(atoms, chi, alpha * measure.kink()))
    return chi * (measure.multiplier(alpha) - phi)


def _below_edge(atoms: Curvatures, chi: float, gap: float) -> float:
    """Return χ − γ ≥ 0 where ψ(γ) lies ``gap`` below the edge ψ(χ).

    ψ(χ) − ψ(γ) = δ [1/(χγ) − α E(d²/((1+χd)(1+γd)))] with δ = χ − γ. Near the edge it is of order
    δ², so the difference of two rounded ψ would cost half of the digits.
    """
    slope_at_chi = atoms.alpha * atoms.weight * atoms.d**2 / (1 + chi * atoms.d)
    # Most nodes lie in the tails; those left out are below round-off at any γ that matters.
    seen = np.abs(slope_at_chi) > 1e-25 * np.abs(slope_at_chi).max()
    slope_at_chi, d = slope_at_chi[seen], atoms.d[seen]

    def excess(log_delta: float) -> float:
        delta = np.exp(log_delta)
        gamma = chi - delta
        bracket = 1 / (chi * gamma) - float(slope_at_chi @ (1 / (1 + gamma * d)))
        return delta * bracket - gap

    # log δ, since δ may lie many decades below χ; γ = χ − δ must stay positive at the upper end
    low, high = np.log(chi) - 30, np.log(chi) - 1e-6
    # without a kink, or with one that rounding hides, λ₋ = μ and the three readings coincide
    if gap <= 0 or excess(low) >= 0:
        return 0.0
    return float(np.exp(root_between(excess, low, high)))


@as_ever(loading=False)
def bbp_threshold(loss: Loss) -> BBPThreshold:
    """Return α_BBP in its three readings, each solved together with Eqs. 12 and 13.

    Where a reading is crossed more than once the largest α is returned, as in the paper. A call
    takes about 0.2 s.

    Raises `NotConverged` with the last iterate.
    """
    check_consistent(loss)
    guesses = _threshold_guesses(loss)
    found: dict[str, float | None] = dict.fromkeys(READINGS)
    error: dict[str, float | None] = dict.fromkeys(READINGS)
    # each reading has its own χ and z, so each is a system of two equations of its own
    for name, guess in guesses.items():
        found[name], error[name] = _refine_threshold(loss, name, guess)
    return BBPThreshold(**found, error=error)


def _threshold_guesses(loss: Loss) -> dict[str, np.ndarray]:
    """Return (log χ, log z) at the first crossing of each reading from large α on.

    The curve is followed up to the last of these crossings. A reading that it does not cross is
    left out.
    """
    found: dict[str, np.ndarray] = {}
    before: dict[str, float] = {}
    behind = np.zeros(2)
    for x, alpha in along_curve(loss):
        # the sketch level is enough to see a change of sign; `_refine_threshold` makes the digits
        measure = measure_at(loss, x, LEVELS[0])
        for name in READINGS:
            if name in found:
                continue
            here = _reading(name, measure, alpha)
            # from large α on: positive above the transition, so the first change of sign is the
            # largest α
            if before.get(name, 0.0) > 0 >= here:
                share = before[name] / (before[name] - here)
                found[name] = (1 - share) * behind + share * x
            before[name] = here
        if len(found) == len(READINGS):
            break
        behind = x
    return found


def threshold_equations(name: str) -> Equations:
    """Return the marginal curve (Eqs. 12 and 13 without α) and one reading, in χ and z."""

    def equations(measure: LabelMeasure) -> tuple[float, float]:
        # Eq. 13 yields α = 1/E[(χ ∂²V/2)²], which is put into Eq. 12 and the reading: α is no
        # unknown, and two equations for χ and z are left (replica.md §6)
        inverse = marginality(measure)
        off_curve = float(np.log(stationarity(measure) / inverse))
        return off_curve, _reading(name, measure, 1 / inverse)

    return equations


def _refine_threshold(loss: Loss, name: str, guess: np.ndarray) -> tuple[float, float]:
    """Solve one reading together with Eqs. 12 and 13; return α and its error."""

    def values(measure: LabelMeasure) -> dict[str, Any]:
        return {"alpha": 1 / marginality(measure)}

    found = refine(loss, threshold_equations(name), values, lambda _: {}, guess)
    return found.values["alpha"], found.error["alpha"]


@dataclass(frozen=True)
class RandomStart:
    """BBP transition of the Hessian at a random student, ŷ and y independent.

    Parameters
    ----------
    alpha
        Ratio M/N above which the outlier along the signal exists.
    gamma
        γ̄ at ``alpha``.
    square_root
        False if F has no root below the pole γ = −2/inf ∂²ℓ at this α, so that γ̄ is the pole.
    error
        Estimated absolute error of alpha.
    """

    alpha: float
    gamma: float
    square_root: bool
    error: float


@as_ever(loading=False)
def bbp_at_random_start(loss: Loss, field: Field = "real") -> RandomStart:
    """Return the α above which the Hessian at a random student has an outlier along the signal.

    With γ̄ = min(root of F = 1, pole), the condition φ(γ̄) = ψ(γ̄) is γ̄ E[d(1−y²)/(1+γ̄d)] = 1/α
    (B11).

    Parameters
    ----------
    field
        With ``complex`` signals d is either curvature of a sample with weight ½
        (docs/derivations/complex.md §3).

    Raises
    ------
    ValueError
        If the curvature is unbounded below (the quartic loss): the bulk has no edge as N → ∞;
        or if no transition exists.
    """
    check_consistent(loss)
    check_field(field)
    if field == "complex" and has_kink(loss):
        raise ValueError(
            f"loss: {loss.name} has a cone at ŷ = 0 for complex labels, where the curvature across "
            "the phase is unbounded below: its Hessian has no bulk edge as N → ∞; take a loss with "
            "a continuous slope, such as normalised:a=1"
        )
    if loss.curvature_infimum == -inf:
        raise ValueError(
            f"loss: {loss.name} has a curvature unbounded below: at a random start its Hessian "
            "has no bulk edge as N → ∞, so no BBP transition; take a bounded loss, such as "
            "normalised:a=1"
        )
    # LEVELS[0] is left out: it is good for starting points only
    result, error = _random_start(loss, random_law(LEVELS[1], field)), inf
    for level in LEVELS[2:]:
        previous, result = result, _random_start(loss, random_law(level, field))
        error = error_of(previous.alpha, result.alpha)
        if error < 1e-10 * result.alpha:
            break
    return RandomStart(result.alpha, result.gamma, result.square_root, error)


def random_law(level: Level, field: Field = "real") -> LabelLaw:
    """Return the law of a random student's labels: ŷ and y independent and Gaussian."""
    if field == "complex":
        return ComplexLabelLaw(*half_modulus_pair(level))
    return LabelLaw(*half_gaussian_pair(level))


def _random_start(loss: Loss, law: LabelLaw) -> RandomStart:
    d, y2, weight = law.curvatures(loss)
    lowest = loss.curvature_infimum / 2
    if d.min() < lowest - 1e-9 * abs(lowest):
        raise ValueError(
            f"loss: {loss.name} has ∂²ℓ = {2 * d.min():.6g} below its curvature_infimum "
            f"{loss.curvature_infimum:g}"
        )
    # from the stated infimum, not from the nodes: no node need be at the minimum
    pole = -1 / lowest if lowest < 0 else inf

    def over(values: np.ndarray, gamma: float) -> np.ndarray:
        """Return values/(1 + γd), without the nodes at the infimum where γ is the pole."""
        below = 1 + gamma * d
        return np.divide(values, below, out=np.zeros_like(below), where=below > 1e-12)

    def inverse_alpha(gamma: float) -> float:
        return gamma * float(weight @ over(d * (1 - y2), gamma))

    def excess(gamma: float) -> float:
        # F(γ) = 1 with α eliminated by φ(γ) = ψ(γ), so that γ is the one unknown
        return inverse_alpha(gamma) - float(weight @ over(gamma * d, gamma) ** 2)

    # with d ≥ 0 there is no pole; 10⁴/max d stands for infinity
    top = pole if pole < inf else 1e4 / float(d.max())
    grid = top * np.concatenate([np.geomspace(1e-4, 0.1, 30), np.linspace(0.1, 1, 60)[1:]])
    values = np.array([excess(g) for g in grid])
    # near γ = 0 the first term of `excess` is linear in γ and the second quadratic: it begins
    # positive where E[d(1 − y²)] > 0, and its first change of sign is γ̄
    crossed = np.flatnonzero((values[:-1] > 0) & (values[1:] <= 0))
    if crossed.size:
        k = crossed[0]
        gamma = root_between(excess, float(grid[k]), float(grid[k + 1]))
        return RandomStart(1 / inverse_alpha(gamma), gamma, True, inf)
    # F stays below 1 up to the pole, which then is γ̄, and the edge no square root (bbp.md §7)
    if pole < inf and values[-1] > 0:
        return RandomStart(1 / inverse_alpha(pole), pole, False, inf)
    raise ValueError(
        f"loss: for {loss.name} no outlier leaves the bulk at a random start, at any alpha"
    )
