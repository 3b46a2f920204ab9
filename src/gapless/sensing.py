"""Ensembles of sensing matrices, and those of them that are products of fast transforms.

All have rows of mean squared norm 1, as i.i.d. N(0, 1/N) entries do on average:

==============  ==============================================================================
``gaussian``    i.i.d. N(0, 1/N) entries
``signs``       ±1/√N, the signs of the Gaussian entries
``unit-norm``   Gaussian rows, each divided by its norm
``fast``        the singular values of a Gaussian matrix, delocalised singular vectors
``orthogonal``  as ``fast``, all singular values √α: orthogonal columns (rows where M < N)
==============  ==============================================================================

The last two are X = C_M s₃ C_M s₂ E diag(σ) C_N s₁: C the orthonormal DCT-II, s random signs, E a
random injection of the smaller of N and M coordinates into the larger, σ in random order. (In
increasing order XᵀX would be nearly a band matrix.) No matrix is formed: a product with one vector
takes of the order of M log M operations.

Source of the class: R. Dudeja, Y. M. Lu and S. Sen, "Universality of approximate message passing
with semi-random matrices", Ann. Probab. 51 (2023) 1616.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import log2
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from gapless.arrays import Array, is_traced, jax, library, pytree
from gapless.draws import by_numpy
from gapless.inputs import shaped
from gapless.shapes import Float, Int

Ensemble = Literal["gaussian", "fast", "orthogonal", "signs", "unit-norm"]
OF_TRANSFORMS: tuple[Ensemble, ...] = ("fast", "orthogonal")
"""Ensembles whose X is a `TransformSensing`."""
OF_ENTRIES = tuple(name for name in get_args(Ensemble) if name not in OF_TRANSFORMS)
"""Ensembles whose X is a matrix."""
LIKE_GAUSSIAN: tuple[Ensemble, ...] = ("gaussian", "fast", "signs", "unit-norm")
"""Ensembles with the limit N → ∞ of a Gaussian X, which theory is of (docs/conventions.md)."""
OPERATIONS_OF_A_TRANSFORM = 2.5
"""Additions and multiplications of a real transform of length M, over M log₂ M."""


@pytree(data=["inner", "singular_values", "place", "middle", "outer"])
@dataclass(frozen=True, eq=False)
class TransformSensing:
    """X = C_M s₃ C_M s₂ E diag(σ) C_N s₁, (M, N), by its products alone.

    Arrays are NumPy's or JAX's; products are in the library and precision of the vectors, all of
    which are transformed in one batch.

    Parameters
    ----------
    inner : (N,)
        s₁, of ±1.
    singular_values : (R,)
        σ, R = min(M, N), Σσ² = M so that rows have mean squared norm 1.
    place : (R,)
        E: for M ≥ N the place of each of the N coordinates among M; for M < N the M coordinates
        of N that are kept.
    middle, outer : (M,)
        s₂ and s₃, of ±1.

    Raises
    ------
    ValueError
        For arrays that do not fit each other, signs that are none, places that are out of range or
        not distinct, or rows whose mean squared norm is not 1.
    """

    inner: Float[Array, " N"]
    singular_values: Float[Array, " R"]
    place: Int[Array, " R"]
    middle: Float[Array, " M"]
    outer: Float[Array, " M"]

    def __post_init__(self) -> None:
        # compiled functions also put it together from tracers, and from what is no array
        if is_traced(*self.arrays) or not all(hasattr(part, "shape") for part in self.arrays):
            return
        m, n = self.shape
        shaped("singular_values", self.singular_values, (min(m, n),))
        shaped("place", self.place, (min(m, n),))
        shaped("outer", self.outer, (m,))
        for name in ("inner", "middle", "outer"):
            if not (np.abs(np.asarray(getattr(self, name))) == 1).all():
                raise ValueError(f"{name}: must hold signs, 1 or -1")
        place = np.asarray(self.place)
        if place.dtype.kind != "i" or place.min() < 0 or place.max() >= max(m, n):
            raise ValueError(f"place: must hold integers from 0 to {max(m, n) - 1}")
        if len(np.unique(place)) < len(place):
            raise ValueError("place: must hold each integer once at most")
        mean = float((np.asarray(self.singular_values, float) ** 2).sum() / m)
        if not abs(mean - 1) < 1e-3:
            raise ValueError(
                f"singular_values: the rows of X have a mean squared norm of {mean:.6g} and must "
                f"have 1; divide by {mean**0.5:.6g}"
            )

    @property
    def shape(self) -> tuple[int, int]:
        """(M, N)."""
        return self.middle.shape[0], self.inner.shape[0]

    @property
    def dtype(self) -> Any:
        """The precision of signs and singular values."""
        return self.singular_values.dtype

    @property
    def arrays(self) -> tuple[Array, ...]:
        """All that X is made of."""
        return self.inner, self.singular_values, self.place, self.middle, self.outer

    def map(self, convert: Callable[[Array], Array]) -> "TransformSensing":
        """Return the same X with each array of real numbers converted."""
        inner, values, place, middle, outer = self.arrays
        parts = (convert(inner), convert(values), place, convert(middle), convert(outer))
        return TransformSensing(*parts)

    def times_transpose(self, v: Float[Array, "... N"]) -> Float[Array, "... M"]:
        """Return v Xᵀ."""
        xp, (m, n) = library(v), self.shape
        spectrum = _transform(_scaled(v, self.inner, ours=False))
        if m < n:
            image = _scaled(spectrum[..., self.place], self.singular_values)
        else:
            image = xp.zeros((*v.shape[:-1], m), v.dtype)
            image = _put(image, self.place, _scaled(spectrum, self.singular_values))
        return _transform(_scaled(_transform(_scaled(image, self.middle)), self.outer))

    def times(self, r: Float[Array, "... M"], *, ours: bool = False) -> Float[Array, "... N"]:
        """Return r X; r may be overwritten if it is `ours`."""
        xp, (m, n) = library(r), self.shape
        # Cᵀ is the inverse of C, and all factors come in reverse order
        image = _scaled(_inverse(_scaled(_inverse(r, ours=ours), self.outer)), self.middle)
        if m < n:
            spectrum = xp.zeros((*r.shape[:-1], n), r.dtype)
            spectrum = _put(spectrum, self.place, _scaled(image, self.singular_values))
        else:
            spectrum = _scaled(image[..., self.place], self.singular_values)
        return _scaled(_inverse(spectrum), self.inner)

    def rows(self, chosen: np.ndarray) -> Float[Array, "B N"]:
        """Return some rows of X, one transform of length M for each."""
        one = np.zeros((len(chosen), self.shape[0]), self.dtype)
        one[np.arange(len(chosen)), chosen] = 1
        return self.times(library(self.inner).asarray(one))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Return X as a matrix: N transforms, and M N numbers."""
        del copy
        in_numpy = self.map(np.asarray)
        columns = in_numpy.times_transpose(np.eye(self.shape[1], dtype=self.dtype))
        return np.ascontiguousarray(columns.T, dtype)


@pytree(data=["matrix", "factor"])
@dataclass(frozen=True, eq=False)
class ScaledSensing:
    """X = f A, (M, N), of a matrix A that is neither copied nor changed.

    Products scale the vectors, of which there are few: A may be mapped from a file, or read-only.

    Parameters
    ----------
    matrix : (M, N)
        A, in the array library and the precision in which it is stored.
    factor
        f, one over the root mean squared norm of the rows of A.
    """

    matrix: Float[Array, "M N"]
    factor: Any

    @property
    def shape(self) -> tuple[int, int]:
        """(M, N)."""
        return self.matrix.shape

    @property
    def dtype(self) -> Any:
        """The precision in which A is stored."""
        return self.matrix.dtype

    @property
    def arrays(self) -> tuple[Array, ...]:
        """All that X is made of."""
        return (self.matrix,)

    def map(self, convert: Callable[[Array], Array]) -> "ScaledSensing":
        """Return the same X with A converted."""
        return ScaledSensing(convert(self.matrix), self.factor)

    def __getitem__(self, rows: Any) -> Array:
        """Return some rows of X."""
        return self.matrix[rows] * self.factor

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Return X as a matrix, a scaled copy of A."""
        del copy
        return np.asarray(np.asarray(self.matrix) * self.factor, dtype)


if TYPE_CHECKING:
    # as arrays are, which may be of either library
    SensingMatrix = Any
else:
    SensingMatrix = Float[Array, "M N"] | TransformSensing | ScaledSensing
"""X, (M, N), by its entries, by their multiple, or by its products alone."""


def converted(x: SensingMatrix, convert: Callable[[Array], Array]) -> SensingMatrix:
    """Return an X of any kind with its real numbers converted."""
    return convert(x) if is_plain(x) else x.map(convert)


def is_plain(x: SensingMatrix) -> bool:
    """Return whether X is an array, and not an object of this module."""
    return not isinstance(x, TransformSensing | ScaledSensing)


def unscaled(x: SensingMatrix) -> tuple[Array, float]:
    """Return A and f of X = f A, without a copy; f = 1 for an X that is an array."""
    return (x.matrix, x.factor) if isinstance(x, ScaledSensing) else (x, 1.0)


def check_ensemble(name: Any) -> None:
    """Raise ``ValueError`` for a name that no ensemble has."""
    if not (isinstance(name, str) and name in get_args(Ensemble)):
        raise ValueError(f"sensing: {name!r} is not one of {', '.join(get_args(Ensemble))}")


def check_storage(ensemble: Ensemble, dtype: str, n: int) -> None:
    """Raise ``ValueError`` where a narrow precision stores no X, or one of another norm."""
    if ensemble in OF_TRANSFORMS and dtype not in ("float32", "float64"):
        raise ValueError(
            f"sensing, dtype: a {ensemble} X has no entries to store in {dtype}; use float32, or "
            "--sensing gaussian"
        )
    if ensemble == "signs" and dtype == "float16" and float(np.float16(n**-0.5)) != n**-0.5:
        # all entries round alike, where rounded Gaussian ones keep their norm to 4e-8
        raise ValueError(
            f"sensing, dtype: ±1/√N is no number of float16 at N = {n}, and every entry of X would "
            "be wrong by one factor; use float32, or a power of 4 for N"
        )


def stored_numbers(of_transforms: bool, m: int, n: int) -> float:
    """Return the count of numbers that X takes in memory: M N, or a few M for transforms."""
    return 2.0 * m + n + 2.0 * min(m, n) if of_transforms else 1.0 * m * n


def product_operations(of_transforms: bool, m: int, n: int) -> float:
    """Return the operations of a product of X with one vector: 2 M N, or of the order M log M."""
    if of_transforms:
        return OPERATIONS_OF_A_TRANSFORM * (2 * m * log2(m + 1) + n * log2(n))
    return 2.0 * m * n


def check_like_gaussian(ensemble: Ensemble, what: str) -> None:
    """Raise ``ValueError`` that says that something holds for `LIKE_GAUSSIAN` only."""
    if ensemble not in LIKE_GAUSSIAN:
        raise ValueError(
            f"sensing: {what} is that of a Gaussian X's singular values, and an {ensemble} X has "
            f"others; use {', '.join(LIKE_GAUSSIAN)}"
        )


def in_ensemble(ensemble: Ensemble, block: Float[Array, "B N"]) -> Float[Array, "B N"]:
    """Return sensing vectors of a dense ensemble, made of N(0, 1/N) entries.

    So ensembles of one key are correlated, and their differences scatter less than they do.
    """
    xp = library(block)
    if ensemble == "signs":
        return xp.where(block < 0, -1, 1).astype(block.dtype) / block.dtype.type(
            block.shape[1] ** 0.5
        )
    if ensemble == "unit-norm":
        return block / xp.linalg.norm(block, axis=1, keepdims=True)
    if ensemble == "gaussian":
        return block
    raise ValueError(f"sensing: a {ensemble} X has no entries to be drawn")


def draw_transforms(
    key: by_numpy.Key, ensemble: Ensemble, m: int, n: int, dtype: str
) -> TransformSensing:
    """Draw the X of an ensemble of transforms from children 0 … 4 of a key; in NumPy."""
    children = by_numpy.fold_in(key, np.arange(5, dtype=np.uint32))
    rank = min(m, n)
    if ensemble == "orthogonal":
        singular = np.full(rank, (m / rank) ** 0.5)
    else:
        singular = gaussian_singular_values(m, n)[_order(children[0], rank)]
    inner, middle, outer = (
        _signs(child, size).astype(dtype)
        for child, size in zip(children[1:4], (n, m, m), strict=True)
    )
    place = _order(children[4], max(m, n))[:rank]
    return TransformSensing(inner, singular.astype(dtype), place, middle, outer)


def gaussian_singular_values(m: int, n: int) -> Float[np.ndarray, " R"]:
    """Return the quantiles (i + ½)/R of the singular values of X with N(0, 1/N) entries.

    σ² = x max(M, N)/N, x of the Marchenko–Pastur law at c = min/max. With x = 1 + c + 2√c cos θ
    the share of the law above x is

        [(1 + c)θ − 2√c sin θ − 2(1 − c) arctan((1 − √c)/(1 + √c) tan(θ/2))]/2πc,

    solved for θ by Newton's iteration. Scaled so that Σσ² = M exactly.
    """
    rank, largest = min(m, n), max(m, n)
    c = rank / largest
    root = c**0.5

    def above(angle: np.ndarray) -> np.ndarray:
        bent = (
            2 * (1 - c) * np.arctan2((1 - root) * np.sin(angle / 2), (1 + root) * np.cos(angle / 2))
        )
        return ((1 + c) * angle - 2 * root * np.sin(angle) - bent) / (2 * np.pi * c)

    share = 1 - (np.arange(rank) + 0.5) / rank
    grid = np.linspace(0, np.pi, 4097)
    angle = np.interp(share, above(grid), grid)
    for _ in range(4):
        density = 2 * np.sin(angle) ** 2 / (np.pi * (1 + c + 2 * root * np.cos(angle)))
        angle = np.clip(angle - (above(angle) - share) / density, 1e-9, np.pi - 1e-9)
    squared = 1 + c + 2 * root * np.cos(angle)
    return np.sqrt(squared * (m / squared.sum()))


def _order(key: by_numpy.Key, count: int) -> Int[np.ndarray, " count"]:
    """Return the numbers below `count` in random order."""
    return by_numpy.permuted(key, np.arange(count, dtype=float)[None])[0].astype(np.int32)


def _signs(key: by_numpy.Key, count: int) -> Float[np.ndarray, " count"]:
    return 1.0 - 2.0 * (by_numpy.bits(key, 0, count) & np.uint32(1))


def _transform(v: Array) -> Array:
    """Return the orthonormal DCT-II along the last axis; v may be overwritten."""
    if library(v) is np:
        from scipy.fft import dct  # takes a while to load

        return dct(v, norm="ortho", overwrite_x=True)
    return jax.scipy.fft.dct(v, norm="ortho")


def _inverse(v: Array, *, ours: bool = True) -> Array:
    """Return the inverse of `_transform`, which is its transpose; v is overwritten if `ours`."""
    if library(v) is np:
        from scipy.fft import idct

        return idct(v, norm="ortho", overwrite_x=ours)
    return jax.scipy.fft.idct(v, norm="ortho")


def _scaled(v: Array, factor: Array, *, ours: bool = True) -> Array:
    """Return v times a factor, in place if v is `ours`: fresh memory costs more."""
    if ours and library(v) is np:
        v *= factor
        return v
    return v * factor.reshape((1,) * (v.ndim - 1) + factor.shape)


def _put(into: Array, place: Array, values: Array) -> Array:
    if library(into) is np:
        into[..., place] = values
        return into
    return into.at[..., place].set(values)
