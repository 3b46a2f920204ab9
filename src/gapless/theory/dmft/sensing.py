"""The sensing matrix along the directions that a dynamics has reached, as P-vectors.

Gradient descent uses X only in products X w and Xᵀ f. Conditioned on all earlier products, X is
still Gaussian in the directions that they have not reached (Bolthausen's argument). X is therefore
drawn direction by direction. Let e_0, e_1, … be orthonormal directions of the student's space: e_0
is the start, and each later e_j is the new part of a product Xᵀ q_j, for a unit vector q_j ∈ R^P
that is orthogonal to q_1 … q_{j−1}. For P samples in N = P/α dimensions, and entries of X of
variance one,

    X e_j = ξ_j + a_j q_j,   a_j² = |new part of Xᵀq_j|² ~ χ²(N − j),
    ξ_j ~ N(0, 1) for each sample, in the directions orthogonal to q_1 … q_j,

which is (D4) (docs/derivations/dmft.md §2). The other N − j directions are never drawn. That is the
law of gradient descent at N; `PathDraws.sampling` replaces some of its variables by their means,
which reduces the distance from N = ∞. All objects are immutable: a method that draws a direction
returns a longer X.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from gapless.shapes import Float, Float32, Float64
from gapless.theory.dmft.paths import PathDraws

BLOCK = 64
"""Rows of a storage block; a new row leaves the stored blocks in place."""
ROUNDING = 3e-6
"""Relative length below which a residual is rounding (float32)."""
DEPENDENT = 1e-12
"""Relative length of the new part below which a vector lies in a span (float64)."""


@dataclass(frozen=True, eq=False)
class Vector:
    """A vector of the student's space, in units of the sphere's radius.

    Parameters
    ----------
    components
        Components along e_0 … e_{J−1}, the directions drawn when the vector was made.
    residual
        r ⊥ q_1 … q_{J−1}, for the remainder, which is along Xᵀr and of length |r|.
    """

    components: Float64[np.ndarray, " J"]
    residual: Float32[np.ndarray, " P"]

    def __matmul__(self, other: "Vector") -> float:
        # of vectors by the same directions only: numpy refuses others
        # the two parts are orthogonal: a residual stands for directions that are not drawn yet
        product = float(self.components @ other.components)
        return product + float(self.residual @ other.residual)

    @property
    def norm(self) -> float:
        """Length of the vector, with components and residual."""
        return float(np.sqrt(self @ self))


@dataclass(frozen=True, eq=False)
class Rows:
    """An immutable matrix to which rows can be added; matrices share their common rows.

    A free row of a block begins with NaN.
    """

    blocks: tuple[Float32[np.ndarray, "B P"], ...] = ()
    count: int = 0

    def added(self, row: Float32[np.ndarray, " P"]) -> "Rows":
        """Return the matrix with one more row."""
        full, place = divmod(self.count, BLOCK)
        if place == 0:
            last = np.empty((BLOCK, row.size), np.float32)
            # NaN marks a free row: no number that is drawn is one
            last[:, 0] = np.nan
        else:
            last = self.blocks[-1]
            if not np.isnan(last[place, 0]):
                last = last.copy()  # another matrix has gone on from this one
        last[place] = row
        return Rows((*self.blocks[:full], last), self.count + 1)

    def __iter__(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield the slice of row numbers and the rows of each block."""
        for first, block in zip(range(0, self.count, BLOCK), self.blocks, strict=True):
            used = min(BLOCK, self.count - first)
            yield slice(first, first + used), block[:used]

    def __getitem__(self, row: int) -> Float32[np.ndarray, " P"]:
        return self.blocks[row // BLOCK][row % BLOCK]

    def array(self) -> Float32[np.ndarray, "J P"]:
        """Return a contiguous copy."""
        return np.concatenate([rows for _, rows in self])


@dataclass(frozen=True, eq=False)
class Sensing:
    """X in the directions that were drawn, for P paths.

    Parameters
    ----------
    draws, stream
        Source of random numbers and its stream; different streams are independent.
    alpha
        M/N.
    labels
        Vectors of mean square one to which new ξ of exact moments are orthogonal.
    tolerance
        Relative length above which a residual becomes a direction before a product with X. A
        shorter residual still acts on its own path, by √(N − J) r: only its ξ, of variance |r|²,
        is left out.
    """

    draws: PathDraws
    stream: int
    alpha: float
    labels: Float32[np.ndarray, "A P"]
    tolerance: float
    images: Rows = Rows()
    """X e_j."""
    basis: Rows = Rows()
    """q_j, zero for directions that are no product Xᵀq."""
    lengths: tuple[float, ...] = ()
    """a_j."""
    span: tuple[Float64[np.ndarray, " P"], ...] = ()
    """Orthonormal basis of the vectors to which ξ of exact moments are orthogonal. It is float64,
    because vectors that are dependent to float32 rounding do occur (a force linear in ŷ)."""

    @classmethod
    def begin(
        cls,
        draws: PathDraws,
        stream: int,
        alpha: float,
        labels: Float32[np.ndarray, "A P"],
        tolerance: float,
    ) -> "Sensing":
        """Return an X without drawn directions."""
        # below rounding every vector would seem to have a part that is new
        empty = cls(draws, stream, alpha, labels, max(tolerance, ROUNDING))
        # orthogonal to the ones is mean zero
        return empty._spanning(np.ones(draws.paths), *labels)

    @property
    def count(self) -> int:
        """J, the number of directions drawn."""
        return len(self.lengths)

    @cached_property
    def dimension(self) -> float:
        """N = P/α."""
        return self.draws.paths / self.alpha

    def with_image(self, image: Float32[np.ndarray, " P"]) -> "Sensing":
        """Return X with one more direction of a given image: the signal, with X W* = y."""
        # no product Xᵀq led there: q = 0 and a = 0, and the image is known without drawing
        return self._added(image, np.zeros(self.draws.paths, np.float32), 0.0)

    def with_direction(self, q: Float32[np.ndarray, " P"] | None = None) -> "Sensing":
        """Return X with the direction of Xᵀq, or (None) one that no product has reached."""
        number = self.draws.normal(self.stream, self._index)
        length = 0.0
        if q is None:
            q = np.zeros(self.draws.paths, np.float32)
        else:
            # |Xᵀq| is known in law only: its N − J undrawn components are Gaussian
            length = self.draws.length(self.stream, self._index, self._left(self.count))
        if self._has_exact_moments:
            # exact moments: orthogonal to labels, earlier ξ and q, then scaled to mean square one
            outside = _outside(number, self._spanning(q).span)
            xi = (outside / np.sqrt(np.mean(outside**2))).astype(np.float32)
        else:
            # ξ is independent of all products that were made: its parts along the q_j are known
            xi = number - np.float32(float(q @ number)) * q
            for _, basis in self.basis:
                xi -= (basis @ xi) @ basis
        return self._added(xi + np.float32(length) * q, q, length)

    @property
    def _index(self) -> int:
        # the student's stream begins with y, which is one of `labels` or an image
        return self.count + len(self.labels)

    @property
    def _has_exact_moments(self) -> bool:
        return self.draws.has_exact_moments(self.stream, self._index)

    def _left(self, count: int) -> float:
        """Return N − j, the mean square length of a new part."""
        # a system of N dimensions has no more than N directions
        return max(self.dimension - count, 0.0)

    def _added(self, image: np.ndarray, q: np.ndarray, length: float) -> "Sensing":
        longer = replace(
            self,
            images=self.images.added(image),
            basis=self.basis.added(q),
            lengths=(*self.lengths, length),
        )
        # q and X e span what q and ξ do
        return longer._spanning(q, image)

    def _spanning(self, *vectors: np.ndarray) -> "Sensing":
        """Return X with these vectors in `span`, which stays empty without exact moments."""
        span = list(self.span)
        for vector in vectors if self._has_exact_moments else ():
            outside = _outside(vector, span)
            length = float(np.linalg.norm(outside))
            # of what is in the span already only rounding is left
            if length > DEPENDENT * float(np.linalg.norm(vector)):
                span.append(outside / length)
        return replace(self, span=tuple(span) if self._has_exact_moments else ())

    def unit_vector(self) -> Vector:
        """Return the latest direction, as a vector."""
        return Vector(np.eye(self.count)[-1], np.zeros(self.draws.paths, np.float32))

    def times(self, w: Vector) -> Float32[np.ndarray, " P"]:
        """Return X w, without the ξ of the residual."""
        w = self.rebased(w)
        # in the precision of the images, which a float64 vector would have copied and widened
        components = w.components.astype(np.float32)
        # a residual acts on its own path through the N − J components that are not drawn
        found = w.residual * np.float32(np.sqrt(self._left(self.count)))
        # this reads 4 P J bytes of the 16 P J of a gradient; `times_transpose` reads the rest
        for part, images in self.images:
            found += components[part] @ images
        return found

    def times_transpose(self, force: Float32[np.ndarray, " P"]) -> Vector:
        """Return XᵀF/N: α⟨F X e_j⟩ along e_j, and a residual.

        By Stein's lemma α⟨F ξ_j⟩ is the response of the mean-field equations, Σ_s M_R(k, s) w_s,
        and √(α/P) F · q_j is the noise u_k (docs/derivations/dmft.md §2).
        """
        # α⟨F X e_j⟩ is (1/N) F·(X e_j), since P samples stand for αN (dmft.md §2)
        components = np.empty(self.count)
        # what undrawn directions hold of XᵀF/N has the length √(N − J)|F|/N
        residual = force * np.float32(np.sqrt(self._left(self.count)) / self.dimension)
        inside = np.zeros(self.draws.paths, np.float32)
        for (part, images), (_, basis) in zip(self.images, self.basis, strict=True):
            components[part] = (images @ force) / self.dimension
            # the part along the q_j is counted in the components, by the a_j q_j of X e_j
            inside += (basis @ residual) @ basis
        return Vector(components, residual - inside)

    def rebased(self, w: Vector) -> Vector:
        """Return the same vector in components along all directions drawn so far."""
        components, residual = list(w.components), w.residual
        for j in range(len(components), self.count):
            q = self.basis[j]
            # direction j took the part of the residual along q_j when it was drawn
            part = float(q @ residual)
            left, after = self._left(j), self._left(j + 1)
            # the residual took a_j at its mean √(N − j); what was drawn replaces it
            components.append(part * self.lengths[j] / np.sqrt(left) if left else 0.0)
            # the rest of Xᵀr has one direction fewer to lie in
            shrunk = np.float32(np.sqrt(after / left) if left else 0)
            residual = (residual - np.float32(part) * q) * shrunk
        return w if residual is w.residual else Vector(np.array(components), residual)

    def resolved(self, w: Vector) -> tuple["Sensing", Vector]:
        """Return X and w; a residual of w above the tolerance becomes a direction of X."""
        w = self.rebased(w)
        # only a residual that seems long is worth two passes over the q_j
        if self._is_short(w):
            return self, w
        # rounding along the q_j grows like e^{∫μ}, since no product answers to a residual
        components, residual = w.components.copy(), w.residual.copy()
        for part, basis in self.basis:
            along = basis @ residual
            components[part] += along
            residual -= along @ basis
        w = Vector(components, residual)
        if self._is_short(w):
            return self, w
        # the new q is the residual's own direction, so `rebased` moves all of it to a component
        longer = self.with_direction(residual / np.float32(np.linalg.norm(residual)))
        return longer, longer.rebased(w)

    def _is_short(self, w: Vector) -> bool:
        return float(np.linalg.norm(w.residual)) <= self.tolerance * w.norm

    def combined(self, factors: Sequence[float], vectors: Sequence[Vector]) -> Vector:
        """Return Σ factor × vector."""
        components = np.zeros(self.count)
        residual = np.zeros(self.draws.paths, np.float32)
        # vectors made before the latest direction was drawn have fewer components
        for factor, one in zip(factors, map(self.rebased, vectors), strict=True):
            components += factor * one.components
            residual += np.float32(factor) * one.residual
        return Vector(components, residual)

    def packed(self) -> dict[str, np.ndarray]:
        """Return X e_j and q_j of every direction, (J, P), and a_j, (J,)."""
        arrays = {"images": self.images.array(), "basis": self.basis.array()}
        return arrays | {"lengths": np.array(self.lengths)}

    def with_packed(
        self,
        images: Float32[np.ndarray, "J P"],
        basis: Float32[np.ndarray, "J P"],
        lengths: Float[np.ndarray, " J"],
    ) -> "Sensing":
        """Return X with the directions that `packed` returned, bit by bit."""
        longer = self
        # `span` is not stored: it is made again from the same vectors in the same order
        for image, q, length in zip(images, basis, lengths, strict=True):
            longer = longer._added(image, q, float(length))
        return longer


def _outside(
    vector: Float[np.ndarray, " P"], span: Sequence[Float64[np.ndarray, " P"]]
) -> Float64[np.ndarray, " P"]:
    """Return the part of a vector that is orthogonal to an orthonormal basis."""
    vector = vector.astype(float)
    for _ in range(2):  # once leaves rounding relative to the vector, not to what is left
        for unit in span:
            vector = vector - (unit @ vector) * unit
    return vector
