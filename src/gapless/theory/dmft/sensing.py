"""X as far as a dynamics has seen it: what makes N = ∞ a computation with P-vectors.

Gradient descent touches X only by fields X w and answers Xᵀ f. Conditioned on all that it has
seen, X is still Gaussian in the directions that it has not (Bolthausen's argument). So X is drawn
as it is needed. Let e_0, e_1, … be orthonormal directions of the student's space: e_0 is where it
started, and each later e_j is the new part of an answer, that of a unit vector q_j ∈ R^P which is
orthogonal to q_1 … q_{j−1}. As N → ∞ at α, with the M samples represented by P paths,

    X e_j = ξ_j + √(P/α) q_j,    ξ_j ~ N(0, 1) for each path, orthogonal to q_1 … q_j:

the second term is |Xᵀq_j| = √N, and N is P/α (docs/derivations/dmft.md §2). The directions that
are left never have to be drawn.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from gapless.theory.dmft.paths import Draws
from gapless.theory.dmft.span import Span

BLOCK = 64
"""Directions are stored in blocks of so many, so that nothing moves when more are revealed."""
ROUNDING = 3e-6
"""A rest shorter than this part of the vector is rounding (float32)."""


@dataclass(frozen=True, eq=False)
class Motion:
    """A vector of the student's space, in units of the sphere's radius.

    Parameters
    ----------
    along : float64, shape (J,)
        Components along the directions that were revealed when it was made.
    rest : float32, shape (P,)
        r ⊥ q_1 … q_J, for what is left: the vector Xᵀr/√N, of length |r|.
    """

    along: np.ndarray
    rest: np.ndarray

    def __matmul__(self, other: "Motion") -> float:
        both = min(len(self.along), len(other.along))
        return float(self.along[:both] @ other.along[:both]) + float(self.rest @ other.rest)

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
        shorter one still acts on its own path, by √(P/α) r: only its ξ, of variance |r|², is
        left out.
    """

    def __init__(
        self, draws: Draws, stream: int, alpha: float, apart: np.ndarray, tolerance: float
    ) -> None:
        self.draws, self.stream, self.alpha, self.apart = draws, stream, alpha, apart
        self.tolerance = max(tolerance, ROUNDING)
        self.paths = draws.paths
        self.scale = float(np.sqrt(self.paths / alpha))
        self.count = 0
        # blocks of X e_j and of q_j, each (BLOCK, P)
        self._images: list[np.ndarray] = []
        self._basis: list[np.ndarray] = []
        # of `apart`, q_0, ξ_0, q_1, ξ_1, …, divided by their lengths
        self._span = Span()
        for index in range(len(apart)):
            self._span.add((apart[:index] @ apart[index]).astype(float) / self.paths)

    def know(self, field: np.ndarray) -> None:
        """Add a first direction whose field is given: the signal with X W* = y."""
        self._begin_direction(np.zeros(self.paths, np.float32))
        self._end_direction(field)

    def reveal(self, q: np.ndarray | None = None) -> None:
        """Add the direction Xᵀq/√N, or with None one that no answer has touched: the start."""
        self._begin_direction(np.zeros(self.paths, np.float32) if q is None else q)
        # the student's stream begins with y, which is `apart` or a known direction
        index = self.count - 1 + len(self.apart)
        field = self._matched(self.draws.normal(self.stream, index))
        image = field if q is None else field + np.float32(self.scale) * q
        self._end_direction(image)

    def unit(self, index: int) -> Motion:
        """Return the unit vector of a revealed direction."""
        return Motion(np.eye(self.count)[index], np.zeros(self.paths, np.float32))

    def image(self, w: Motion) -> np.ndarray:
        """Return X w, float32, shape (P,), without the ξ of the rest."""
        w = self.settled(w)
        along = w.along.astype(np.float32)
        found = w.rest * np.float32(self.scale)
        for part, images, _ in self._blocks():
            found += along[part] @ images
        return found

    def answer(self, force: np.ndarray) -> Motion:
        """Return Xᵀ F for forces F, float32, shape (P,): α⟨F X e_j⟩ along e_j, and a rest.

        By Stein's lemma α⟨F ξ_j⟩ is the response of the mean-field equations, Σ_s M_R(k, s) w_s,
        and √(α/P) F · q_j the noise u_k (docs/derivations/dmft.md §2).
        """
        along = np.empty(self.count)
        rest = force * np.float32(1 / self.scale)
        shadow = np.zeros(self.paths, np.float32)
        for part, images, basis in self._blocks():
            along[part] = (images @ force) * (self.alpha / self.paths)
            shadow += (basis @ rest) @ basis
        return Motion(along, rest - shadow)

    def settled(self, w: Motion) -> Motion:
        """Return the same vector by all that is revealed now."""
        along, rest = list(w.along), w.rest
        for j in range(len(along), self.count):
            q = self._basis[j // BLOCK][j % BLOCK]
            along.append(float(q @ rest))
            rest = rest - np.float32(along[-1]) * q
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

    def packed(self) -> np.ndarray:
        """Return X e_j and q_j of every direction, (2, J, P)."""
        pairs = [(images, basis) for _, images, basis in self._blocks()]
        return np.stack([np.concatenate(one) for one in zip(*pairs, strict=True)])

    def restore(self, packed: np.ndarray) -> None:
        """Take the directions that `packed` returned into an empty one, bit by bit."""
        for image, q in zip(*packed, strict=True):
            self._begin_direction(q)
            self._end_direction(image)

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

    def _begin_direction(self, q: np.ndarray) -> None:
        """Add a direction whose image is still that of its own answer, √(P/α) q."""
        products = self._products(q, basis_too=False)
        block, row = divmod(self.count, BLOCK)
        if row == 0:
            for store in (self._images, self._basis):
                store.append(np.empty((BLOCK, self.paths), np.float32))
        self._images[block][row], self._basis[block][row] = np.float32(self.scale) * q, q
        self.count += 1
        self._span.add(products, square=float(q.any()))

    def _end_direction(self, image: np.ndarray) -> None:
        """Put X e of the last direction in place; its ξ is orthogonal to all before it."""
        block, row = divmod(self.count - 1, BLOCK)
        self._images[block][row] = image
        self._span.add(np.zeros(self._span.seen))

    def _matched(self, values: np.ndarray) -> np.ndarray:
        """Return `values` with ⟨v⟩ = 0 and ⟨v²⟩ = 1, orthogonal to `apart`, all ξ_j and all q_j.

        The second moments of the fields are then exact, and a quadratic loss has no sampling
        error at all.
        """
        if self.draws.sampling == "random":
            return values
        v = values - np.float32(values.mean(dtype=float))
        if 4 * self.count < self.paths:
            found = self._span.coefficients(self._products(v)[: self._span.seen])
            # the present direction has no ξ yet
            found = np.append(found, np.zeros(len(self.apart) + 2 * self.count - len(found)))
            labels, pairs = np.split(found.astype(np.float32), [len(self.apart)])
            on_q, on_xi = pairs[::2], pairs[1::2] / np.float32(np.sqrt(self.paths))
            v = v - labels / np.float32(np.sqrt(self.paths)) @ self.apart
            for part, images, basis in self._blocks():
                v = v - on_xi[part] @ images
                v = v - (on_q[part] - np.float32(self.scale) * on_xi[part]) @ basis
        return (v / np.sqrt(np.mean(v**2, dtype=float))).astype(np.float32)

    def _products(self, v: np.ndarray, basis_too: bool = True) -> np.ndarray:
        """Return v's products with the unit vectors of `apart`, q_0, ξ_0, q_1, ξ_1, …

        ξ_j is X e_j − √(P/α) q_j. `basis_too` False: v is orthogonal to the q_j.
        """
        pairs = np.zeros((self.count, 2))
        for part, images, basis in self._blocks():
            if basis_too:
                pairs[part, 0] = basis @ v
            pairs[part, 1] = images @ v - self.scale * pairs[part, 0]
        pairs[:, 1] /= np.sqrt(self.paths)
        return np.append((self.apart @ v).astype(float) / np.sqrt(self.paths), pairs)
