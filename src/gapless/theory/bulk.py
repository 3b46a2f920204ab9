"""Spectrum of Σ_m d_m x_m x_mᵀ as N → ∞, on arrays (docs/derivations/bbp.md).

x_m ~ N(0, 1/N) in N dimensions, m = 1 … αN, and weights d that depend on x only through its
component y along one direction W*. In the project d = ∂²ℓ/∂ŷ²/2, so this is the Hessian of Eq. 4
before μ is subtracted. With γ = lim tr(M − λ)⁻¹/N, which is α/λ in the letters of Eq. 5,

    ψ(γ) = α E[d/(1+γd)] − 1/γ,   φ(γ) = α E[d y²/(1+γd)],   F(γ) = α E[(γd/(1+γd))²],

which are (B1), (B3) and (B2). ψ is −Ψ_α and φ is −Φ of Eq. 5; F = 1 is Eq. 6.
"""

from dataclasses import dataclass
from math import inf

import numpy as np

from gapless.inputs import number, ratio, real_array
from gapless.theory.roots import root_between

ONE_ATOM = 0.9
"""Above this ratio γ̄/γ_pole the edge of a finite law is set by its most negative atom."""


@dataclass(frozen=True, eq=False)
class Curvatures:
    """Weighted atoms of (d, y²) at a ratio α, which determine the spectrum.

    Parameters
    ----------
    d, y2, weight : float64, shape (A,)
        Weights ½∂²ℓ/∂ŷ² of the sensing vectors, squared teacher's labels, probabilities.
    alpha
        Sensing vectors per dimension, M/N.
    """

    d: np.ndarray
    y2: np.ndarray
    weight: np.ndarray
    alpha: float

    def __post_init__(self) -> None:
        # the one check of α for everything below
        object.__setattr__(self, "alpha", ratio(self.alpha))
        if self.d.size == 0 or not self.d.shape == self.y2.shape == self.weight.shape:
            raise ValueError(
                "curvatures, squared labels and weights need one common length, at least one: "
                f"got {self.d.shape}, {self.y2.shape}, {self.weight.shape}"
            )
        if not (np.isfinite(self.d).all() and np.isfinite(self.y2).all()):
            raise ValueError("curvatures and labels must be finite")

    @property
    def pole(self) -> float:
        """γ at which 1 + γ d first vanishes: −1/min d, ∞ for d ≥ 0."""
        lowest = float(self.d.min())
        return -1 / lowest if lowest < 0 else inf

    def psi(self, gamma: float) -> float:
        """Return ψ(γ) = α E[d/(1+γd)] − 1/γ, the eigenvalue λ where lim tr(M − λ)⁻¹/N = γ (B1)."""
        return self.alpha * float(self.weight @ (self.d / (1 + gamma * self.d))) - 1 / gamma

    def phi(self, gamma: float) -> float:
        """Return φ(γ) = α E[d y²/(1+γd)], the counterpart of ψ along the direction W* (B3)."""
        return self.alpha * float(self.weight @ (self.d * self.y2 / (1 + gamma * self.d)))

    def marginality(self, gamma: float) -> float:
        """Return F(γ) = α E[(γd/(1+γd))²] = 1 − γ² ψ′(γ) (B2); Eq. 6 is F = 1."""
        ratio = gamma * self.d / (1 + gamma * self.d)
        return self.alpha * float(self.weight @ ratio**2)


@dataclass(frozen=True)
class BulkEdge:
    """Left edge λ₋ of the bulk, before μ is subtracted.

    Parameters
    ----------
    value
        λ₋ = ψ(γ̄).
    gamma
        γ̄: the root of F = 1 below the pole, or the pole.
    pole
        −1/min d (∞ when no weight is negative).
    square_root
        False when F stays below 1 up to the pole, or reaches it only there (a 1RSB state with a
        corner): λ₋ is then no square-root edge.
    edge_from_one_atom
        γ̄/γ_pole > 0.9: in a finite law the edge is set by its single most negative weight, and
        at finite N it fluctuates like that sample and not like Tracy–Widom.
    """

    value: float
    gamma: float
    pole: float
    square_root: bool
    edge_from_one_atom: bool


@dataclass(frozen=True)
class Outlier:
    """Eigenvalue below the bulk along W*, before μ is subtracted; all None without one.

    Parameters
    ----------
    value
        The eigenvalue.
    overlap
        |⟨v, W*⟩|/√N of its unit vector v, between 0 and 1, not squared.
    gamma
        Where φ(γ) = ψ(γ).
    """

    value: float | None
    overlap: float | None
    gamma: float | None


def edge(curvatures: Curvatures, gamma_bar: float | None = None) -> BulkEdge:
    """Return the left bulk edge λ₋ = ψ(γ̄), Eqs. 5 and 6.

    γ̄ is the root of F(γ) = α E[(γd/(1+γd))²] = 1 (B2) in (0, γ_pole), else −1/min d. With
    d ≥ 0 and α P(d > 0) ≤ 1 there is neither: the spectrum then has (1 − α P(d > 0)) N zero modes
    and the edge is 0.

    Parameters
    ----------
    gamma_bar
        γ̄ where it is known, χ at a 1RSB marginal state. Its nodes cannot be searched, because
        root and pole coincide and F has infinite slope there.
    """
    pole = curvatures.pole
    if gamma_bar is not None:
        # γ > 0 is the branch left of the bulk: λ → −∞ as γ → 0⁺
        number("gamma_bar", gamma_bar, above=0)
        # beyond the pole ψ is no branch of the inverse of the resolvent
        if gamma_bar > pole * (1 + 1e-9):
            raise ValueError(f"gamma_bar: must be at most the pole {pole:g}, not {gamma_bar:g}")
        # At a corner root and pole coincide up to the nearest node, and F has infinite slope.
        regular = bool(gamma_bar < 0.999 * pole)
        return BulkEdge(curvatures.psi(gamma_bar), gamma_bar, pole, regular, False)
    gamma = _root_of_marginality(curvatures)
    if gamma is not None:
        # close to the pole a single term of F, that of the lowest atom, makes it reach 1
        one_atom = bool(np.isfinite(pole) and gamma > ONE_ATOM * pole)
        return BulkEdge(curvatures.psi(gamma), gamma, pole, True, one_atom)
    # d ≥ 0 with zero modes: no eigenvalue is negative, and γ → ∞ as λ → 0 from the left
    return BulkEdge(0.0, inf, inf, False, False)


def _root_of_marginality(curvatures: Curvatures) -> float | None:
    """Return the root of F = 1 below the pole; None if d ≥ 0 and α P(d > 0) ≤ 1.

    F increases from 0. With a negative atom it diverges at the pole, so a finite law has a root.
    """
    # in units of the pole, or of 1/max d, so that one search serves losses of every size
    low, high = 0.0, 0.5
    if np.isfinite(curvatures.pole):
        scale = curvatures.pole
        # towards the pole by halving the distance left: F has its root near it for heavy tails
        while curvatures.marginality(scale * high) < 1:
            low, high = high, (1 + high) / 2
            # the root lies within rounding of the pole: they are one number
            if high >= 1 - 4e-16:
                return scale
    else:
        # F → α P(d > 0) as γ → ∞
        if curvatures.alpha * curvatures.weight[curvatures.d > 0].sum() <= 1:
            return None
        scale = 1 / float(curvatures.d.max())
        while curvatures.marginality(scale * high) < 1:
            low, high = high, 4 * high
            # α P(d > 0) exceeds 1 by rounding only: the root is at infinity, as without it
            if high > 1e30:
                return None

    def excess(t: float) -> float:
        return curvatures.marginality(scale * t) - 1

    return scale * root_between(excess, low, high)


def outlier(curvatures: Curvatures, gamma_bar: float | None = None) -> Outlier:
    """Return the eigenvalue below the bulk along W* and its overlap, Eq. 5 (Φ = Ψ).

    On (0, γ̄) ψ increases from −∞ and φ decreases, so they meet once iff ψ(γ̄) > φ(γ̄). The
    overlap follows from (M − λ)⁻¹ along W*, 1/(φ(γ(λ)) − λ): its residue is

        |⟨v, W*⟩|²/N = 1/(1 − φ′(γ)/ψ′(γ)),

    which is (B4). It assumes labels that are symmetric under y → −y at fixed ŷ (student without
    overlap with the teacher): docs/derivations/limits.md §4.
    """
    bulk = edge(curvatures, gamma_bar)
    if not np.isfinite(bulk.gamma):
        # d ≥ 0 and no root: nothing can lie below the zero modes.
        return Outlier(None, None, None)

    def difference(gamma: float) -> float:
        return curvatures.psi(gamma) - curvatures.phi(gamma)

    # ψ(γ̄) ≤ φ(γ̄): the two do not meet on (0, γ̄), and W* has no eigenvalue of its own
    if not difference(bulk.gamma) > 0:
        return Outlier(None, None, None)
    # ψ → −∞ as γ → 0⁺ while φ stays finite: going down must end
    low = bulk.gamma / 2
    while difference(low) > 0:
        low /= 4
    gamma = root_between(difference, low, bulk.gamma)
    # φ′ = −α E[d²y²/(1+γd)²], the residue's numerator (bbp.md §2)
    response = 1 / (1 + gamma * curvatures.d)
    slope_phi = -curvatures.alpha * float(
        curvatures.weight @ (curvatures.d**2 * curvatures.y2 * response**2)
    )
    # F = 1 − γ² ψ′
    slope_psi = (1 - curvatures.marginality(gamma)) / gamma**2
    # ψ′ = 0 at the edge itself, where the overlap vanishes and rounding decides on the sign
    if slope_psi <= 0:
        return Outlier(None, None, None)
    # power −½: the residue is the squared overlap, and overlaps are reported linear
    return Outlier(curvatures.psi(gamma), (1 - slope_phi / slope_psi) ** -0.5, gamma)


def density(curvatures: Curvatures, grid: np.ndarray) -> np.ndarray:
    """Return the bulk density ρ(λ) at ``grid``, before μ is subtracted.

    With u = −1/γ the self-consistent Stieltjes equation reads λ = u + α E[d u/(u−d)]. For each
    real x there is one v ≥ 0 at which it is real, the root of α E[d²/((d−x)²+v²)] = 1 (B10), and
    x ↦ λ(x + i v(x)) increases (docs/derivations/bbp.md §5): no branch has to be chosen and no
    imaginary part is added. Then ρ = Im γ/π = v/(π|u|²).

    Zero modes, a fraction max(0, 1 − α P(d ≠ 0)) at λ = 0, are not part of it.
    """
    grid = np.asarray(real_array("grid", grid), float)
    if not grid.size:
        return np.zeros(grid.shape)
    slim = _essential_atoms(curvatures)
    flat = grid.ravel()
    # the bulk lies within max|d| (1 + √α)²; four times that holds the grid's images too
    reach = 4 * (1 + np.sqrt(slim.alpha)) ** 2 * float(np.abs(slim.d).max()) + np.abs(flat).max()
    # Known points of the increasing map; every round adds the best guess for each grid value.
    nodes = np.linspace(-reach, reach, 129)
    values, heights = _on_the_curve(slim, nodes)
    found, height = np.interp(flat, values, nodes), np.zeros(flat.size)
    # relative to λ, with a floor for λ = 0
    tolerance = 1e-11 * (np.abs(flat) + reach * 1e-4)
    todo = np.arange(flat.size)
    # all grid values at once: each round evaluates the map at one new x for each that is open
    for iteration in range(120):
        found[todo] = np.interp(flat[todo], values, nodes)
        if iteration % 3 == 2:
            # The map is flat just outside an edge, where false position alone would crawl.
            right = np.clip(np.searchsorted(values, flat[todo]), 1, values.size - 1)
            found[todo] = (nodes[right - 1] + nodes[right]) / 2
        near = np.interp(found[todo], nodes, heights)
        image, height[todo] = _on_the_curve(slim, found[todo], near)
        order = np.argsort(np.concatenate([nodes, found[todo]]), kind="stable")
        nodes = np.concatenate([nodes, found[todo]])[order]
        heights = np.concatenate([heights, height[todo]])[order]
        # the map increases; rounding must not undo it, or interpolation would fold
        values = np.maximum.accumulate(np.concatenate([values, image])[order])
        todo = todo[np.abs(image - flat[todo]) > tolerance[todo]]
        if todo.size == 0:
            break
    # γ = −1/u with u = x + iv, hence Im γ/π = v/(π|u|²)
    modulus = found**2 + height**2
    result = np.divide(height, np.pi * modulus, out=np.zeros(flat.size), where=height > 0)
    return result.reshape(grid.shape)


# a round costs atoms × grid points: beyond this, merging pays
_MANY_ATOMS = 20_000


def _essential_atoms(curvatures: Curvatures) -> Curvatures:
    """Return the law without its lightest atoms, 1e-13 of the weight in all.

    More than 20,000 atoms (a replica law) are merged at their centroid where they differ by less
    than 0.2 % of their distance to the lowest; that moves the density by about 2e-6.
    """
    order = np.argsort(curvatures.weight)
    keep = order[np.cumsum(curvatures.weight[order]) > 1e-13]
    d, weight = curvatures.d[keep], curvatures.weight[keep]
    if keep.size > _MANY_ATOMS:
        lowest = float(d.min())
        # arcsinh: cells of equal relative width, but equal absolute width next to the lowest atom,
        # which sets the left edge and is kept apart
        spread = np.arcsinh((d - lowest) / (1e-4 * float(weight @ np.abs(d - lowest))))
        _, group = np.unique(np.floor(spread / 2e-3).astype(int), return_inverse=True)
        # centroids keep the weight and E d as they are
        merged = np.bincount(group, weight)
        d, weight = np.bincount(group, weight * d) / merged, merged
    # the bulk does not depend on y: any y² serves
    return Curvatures(d, np.ones_like(d), weight, curvatures.alpha)


def _on_the_curve(
    curvatures: Curvatures, x: np.ndarray, near: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return λ(x + i v(x)) and v(x), computed in chunks whose temporaries take at most 30 MB.

    `near` are guesses of v(x), zero where there is none.
    """
    near = np.zeros(x.shape) if near is None else near
    chunk = max(1, 4_000_000 // curvatures.d.size)
    images, heights = [], []
    for k in range(0, x.size, chunk):
        part = x[k : k + chunk]
        v = _height(curvatures, part, near[k : k + chunk])
        weight = curvatures.alpha * curvatures.weight * curvatures.d
        distance = part[:, None] - curvatures.d
        square = distance**2 + v[:, None] ** 2
        # Re[u/(u − d)] with u = x + iv; on an atom outside the support the term is dropped.
        real = np.divide(
            part[:, None] * distance + v[:, None] ** 2,
            square,
            out=np.zeros(square.shape),
            where=square > 0,
        )
        images.append(part + real @ weight)
        heights.append(v)
    return np.concatenate(images), np.concatenate(heights)


def _height(curvatures: Curvatures, x: np.ndarray, near: np.ndarray) -> np.ndarray:
    """Return v(x) ≥ 0 with α E[d²/((d−x)²+v²)] = 1, 0 where no v solves it.

    The left side decreases in v and is at most α E d²/v², which bounds the root. Newton's method in
    log v is safeguarded by bisection, and starts at `near` where that is positive.
    """
    mass = curvatures.alpha * curvatures.weight * curvatures.d**2
    square = (curvatures.d[None, :] - x[:, None]) ** 2
    # α E d²/v² = 1: the bound on the root
    top = float(np.sqrt(mass.sum()))
    low, high = np.full(x.shape, top * 1e-12), np.full(x.shape, top * (1 + 1e-12))
    inside = (1 / (square + low[:, None] ** 2)) @ mass > 1
    start = np.where(near > 0, np.clip(near, low, high), high)
    v = np.where(inside, start, 0.0)
    rows = np.flatnonzero(inside)
    for _ in range(100):
        if rows.size == 0:
            break
        kernel = 1 / (square[rows] + v[rows, None] ** 2)
        total = kernel @ mass
        # d log(total)/d log v: in logarithms the tail α E d²/v² is a straight line, on which
        # Newton's step is exact
        slope = -2 * v[rows] ** 2 * (kernel**2 @ mass) / total
        low[rows] = np.where(total > 1, v[rows], low[rows])
        high[rows] = np.where(total > 1, high[rows], v[rows])
        step = v[rows] * np.exp(np.clip(-np.log(total) / slope, -50, 50))
        held = (step >= low[rows]) & (step <= high[rows])
        # the geometric mean halves the bracket in decades, of which it has twelve
        step = np.where(held, step, np.sqrt(low[rows] * high[rows]))
        settled = (np.abs(step - v[rows]) <= 1e-13 * v[rows]) | (np.abs(total - 1) < 1e-14)
        v[rows] = step
        rows = rows[~settled]
    return v
