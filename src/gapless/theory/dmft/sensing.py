"""X as far as a dynamics has seen it: what makes N = ∞ a computation with P-vectors.

Gradient descent touches X only by fields X w and answers Xᵀ f. Conditioned on all that it has
seen, X is still Gaussian in the directions that it has not (Bolthausen's argument). So X is drawn
as it is needed. Let e_0, e_1, … be orthonormal directions of the student's space: e_0 is where it
started, and each later e_j is the new part of an answer, that of a unit vector q_j ∈ R^P which is
orthogonal to q_1 … q_{j−1}. For P samples in N = P/α dimensions, entries of X of variance one,

    X e_j = ξ_j + a_j q_j,   a_j² = |new part of Xᵀq_j|² ~ χ²(N − j),
    ξ_j ~ N(0, 1) for each sample, in the directions orthogonal to q_1 … q_j

(docs/derivations/dmft.md §2). The N − j directions that are left never have to be drawn. That is
the law of gradient descent at N; what of it is kept and what is replaced by its mean, to be closer
to N = ∞, is the business of `Draws.sampling`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from gapless.theory.dmft.paths import Draws

BLOCK = 64
"""Directions are stored in blocks of so many, so that nothing moves when more are revealed."""
ROUNDING = 3e-6
"""A rest shorter than this part of the vector is rounding (float32)."""
DEPENDENT = 1e-12
"""A vector of which no larger part is new lies in a span (float64)."""


@dataclass(frozen=True, eq=False)
class Motion:
    """A vector of the student's space, in units of the sphere's radius.

    Parameters
    ----------
    along : float64, shape (J,)
        Components along the directions that were revealed when it was made.
    rest : float32, shape (P,)
        r ⊥ q_1 … q_J, for what is left: along Xᵀr, of length |r|.
    """

    along: np.ndarray
    rest: np.ndarray

    def __matmul__(self, other: "Motion") -> float:
        # of vectors by the same directions only: numpy refuses others
        return float(self.along @ other.along) + float(self.rest @ other.rest)

    @property
    def length(self) -> float:
        """Its norm."""
        return float(np.sqrt(self @ self))


class Sensing:
    """The revealed part of X for P paths; it grows.

    Parameters
    ----------
    draws, stream
        Where fresh fields come from; different streams are independent.
    alpha
        M/N.
    apart : float32, shape (A, P)
        Vectors with which fresh fields are made uncorrelated, of mean square one: the labels.
    tolerance
        A rest longer than this part of its vector is revealed before its field is asked for. A
        shorter one still acts on its own path, by √(N − J) r: only its ξ, of variance |r|², is
        left out.
    """

    def __init__(
        self, draws: Draws, stream: int, alpha: float, apart: np.ndarray, tolerance: float
    ) -> None:
        self.draws, self.stream, self.alpha, self.apart = draws, stream, alpha, apart
        self.tolerance = max(tolerance, ROUNDING)
        self.paths = draws.paths
        self.dimension = draws.paths / alpha
        self.count = 0
        self._lengths: list[float] = []
        # blocks of X e_j and of q_j, each (BLOCK, P)
        self._images: list[np.ndarray] = []
        self._basis: list[np.ndarray] = []
        # an orthonormal basis of all that exact moments are orthogonal to: float64, since vectors
        # that depend on each other to float32 rounding are no exception (a force linear in ŷ)
        self._orthonormal: list[np.ndarray] = []
        for vector in (np.ones(self.paths), *apart):
            self._orthonormalise(vector)

    def know(self, field: np.ndarray) -> None:
        """Add a first direction whose field is given: the signal with X W* = y."""
        nothing = np.zeros(self.paths, np.float32)
        self._append(nothing, 0.0, field)

    def reveal(self, q: np.ndarray | None = None) -> None:
        """Add the direction of Xᵀq, or with None one that no answer has touched: the start."""
        # the student's stream begins with y, which is `apart` or a known direction
        index = self.count + len(self.apart)
        number = self.draws.normal(self.stream, index)
        length = 0.0
        if q is None:
            q = np.zeros(self.paths, np.float32)
        else:
            length = self.draws.length(self.stream, index, self._free(self.count))
        if self.draws.matches(self.stream, index):
            self._orthonormalise(q)
            field = self._outside(number)
            field = (field / np.sqrt(np.mean(field**2))).astype(np.float32)
        else:
            field = number - np.float32(float(q @ number)) * q
            for _, _, basis in self._blocks():
                field -= (basis @ field) @ basis
        self._append(q, length, field)

    def _free(self, known: int) -> float:
        """Return N − j, the square of the mean length of a new part."""
        return max(self.dimension - known, 0.0)

    def start(self) -> Motion:
        """Return the unit vector of the first direction."""
        return Motion(np.eye(self.count)[0], np.zeros(self.paths, np.float32))

    def image(self, w: Motion) -> np.ndarray:
        """Return X w, float32, shape (P,), without the ξ of the rest."""
        w = self.settled(w)
        along = w.along.astype(np.float32)
        found = w.rest * np.float32(np.sqrt(self._free(self.count)))
        for part, images, _ in self._blocks():
            found += along[part] @ images
        return found

    def answer(self, force: np.ndarray) -> Motion:
        """Return XᵀF/N for forces F, float32, shape (P,): α⟨F X e_j⟩ along e_j, and a rest.

        By Stein's lemma α⟨F ξ_j⟩ is the response of the mean-field equations, Σ_s M_R(k, s) w_s,
        and √(α/P) F · q_j the noise u_k (docs/derivations/dmft.md §2).
        """
        along = np.empty(self.count)
        rest = force * np.float32(np.sqrt(self._free(self.count)) / self.dimension)
        shadow = np.zeros(self.paths, np.float32)
        for part, images, basis in self._blocks():
            along[part] = (images @ force) / self.dimension
            shadow += (basis @ rest) @ basis
        return Motion(along, rest - shadow)

    def settled(self, w: Motion) -> Motion:
        """Return the same vector by all that is revealed now."""
        along, rest = list(w.along), w.rest
        for j in range(len(along), self.count):
            q = self._basis[j // BLOCK][j % BLOCK]
            part = float(q @ rest)
            free, left = self._free(j), self._free(j + 1)
            along.append(part * self._lengths[j] / np.sqrt(free) if free else 0.0)
            rest = (rest - np.float32(part) * q) * np.float32(np.sqrt(left / free) if free else 0)
        return w if rest is w.rest else Motion(np.array(along), rest)

    def opened(self, w: Motion) -> Motion:
        """Return w with its rest revealed, if that is longer than the tolerance."""
        w = self.settled(w)
        if self._is_short(w):
            return w
        # rounding along the q that are known grows like e^{∫μ}, since nothing answers to a rest
        along, rest = w.along.copy(), w.rest.copy()
        for part, _, basis in self._blocks():
            known = basis @ rest
            along[part] += known
            rest -= known @ basis
        w = Motion(along, rest)
        if self._is_short(w):
            return w
        self.reveal(rest / np.float32(np.linalg.norm(rest)))
        return self.settled(w)

    def _is_short(self, w: Motion) -> bool:
        return float(np.linalg.norm(w.rest)) <= self.tolerance * w.length

    def combined(self, factors: Sequence[float], motions: Sequence[Motion]) -> Motion:
        """Return Σ factor × motion."""
        along, rest = np.zeros(self.count), np.zeros(self.paths, np.float32)
        for factor, one in zip(factors, map(self.settled, motions), strict=True):
            along += factor * one.along
            rest += np.float32(factor) * one.rest
        return Motion(along, rest)

    def packed(self) -> dict[str, np.ndarray]:
        """Return X e_j and q_j of every direction, (J, P), and a_j, (J,)."""
        pairs = [(images, basis) for _, images, basis in self._blocks()]
        images, basis = (np.concatenate(one) for one in zip(*pairs, strict=True))
        return {"images": images, "basis": basis, "lengths": np.array(self._lengths)}

    def restore(self, packed: dict[str, np.ndarray]) -> None:
        """Take the directions that `packed` returned into an empty one, bit by bit."""
        columns = (packed[name] for name in ("images", "basis", "lengths"))
        for image, q, length in zip(*columns, strict=True):
            self._append(q, float(length), image, whole=True)

    def forget(self) -> None:
        """Free what was revealed; only `count` is left to ask for."""
        self._images, self._basis = [], []

    def _blocks(self) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
        """Yield which directions, their images and their basis, block by block."""
        for first in range(0, self.count, BLOCK):
            used = min(BLOCK, self.count - first)
            block = first // BLOCK
            part = slice(first, first + used)
            yield part, self._images[block][:used], self._basis[block][:used]

    def _append(self, q: np.ndarray, length: float, field: np.ndarray, whole: bool = False) -> None:
        """Add a direction: its q, a and ξ, or with `whole` its image X e instead of ξ."""
        matched = self.draws.matches(self.stream, self.count + len(self.apart))
        block, row = divmod(self.count, BLOCK)
        if row == 0:
            for store in (self._images, self._basis):
                store.append(np.empty((BLOCK, self.paths), np.float32))
        self._images[block][row] = field if whole else field + np.float32(length) * q
        self._basis[block][row] = q
        self._lengths.append(length)
        self.count += 1
        if matched:
            # q and X e span what q and ξ do
            self._orthonormalise(q)
            self._orthonormalise(self._images[block][row])

    def _orthonormalise(self, vector: np.ndarray) -> None:
        """Take a vector into the basis, unless it is in its span already."""
        outside = self._outside(vector)
        length = float(np.linalg.norm(outside))
        if length > DEPENDENT * float(np.linalg.norm(vector)):
            self._orthonormal.append(outside / length)

    def _outside(self, vector: np.ndarray) -> np.ndarray:
        """Return the part that is orthogonal to the basis, float64."""
        vector = vector.astype(float)
        for _ in range(2):  # once leaves rounding relative to the vector, not to what is left
            for unit in self._orthonormal:
                vector = vector - (unit @ vector) * unit
        return vector
