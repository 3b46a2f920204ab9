"""A design: one sensing matrix with K runs on it, and the tree of random keys behind it.

The design is the unit of scheduling and of reproducibility: every draw depends on
(seed, N, M, design index) and on a name (`sensing`, `teacher`, `start`, `labels`, `noise`), and not
on the protocol, the loss, the kind of labels, the precision or earlier runs. A shuffled twin
therefore shares sensing vectors, teacher and start with its run, and two protocols can be compared
on the same instances.
"""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from math import floor
from typing import Any
from zlib import crc32

import numpy as np

from gapless.amounts import memory
from gapless.arrays import Array, jnp
from gapless.draws import by_jax, by_numpy
from gapless.flags import as_ever
from gapless.inputs import Field, check_field, flag, number, whole
from gapless.sensing import (
    OF_ENTRIES,
    OF_TRANSFORMS,
    Ensemble,
    SensingMatrix,
    check_ensemble,
    check_storage,
    draw_transforms,
    in_ensemble,
    stored_numbers,
)
from gapless.shapes import Float, Float32

ROWS_PER_BLOCK = 512
"""Number of sensing vectors per block; each block is drawn with a key of its own."""


def default_runs_per_design(n: int) -> int:
    """Return K, the default number of runs on one sensing matrix.

    Larger K is faster per run, because one matrix product serves all runs, and slower where only a
    few runs are wanted. Sweeps have a larger K
    (`gapless.measure.design_point.sweep_runs_per_design`). K is a fixed function of N because
    rounding depends on it.
    """
    return 64 if n <= 2048 else 32 if n <= 4096 else 16 if n <= 8192 else 8


@dataclass(frozen=True)
class Design:
    """One draw of M = ⌊αN + ½⌋ sensing vectors with K teachers and starts on it.

    Parameters
    ----------
    n, alpha
        Input dimension N ≥ 2 and ratio α = M/N > 0 of samples to dimension.
    seed, index
        Seed of the experiment, 0 ≤ seed < 2³², and number of this design under it.
    runs
        K, the number of teachers and starts; None: `default_runs_per_design`. The draws of the
        first runs are the same for every K, to rounding. N, M, K and index are below 2³².
    in_numpy
        Draw in NumPy, without compilation; the numbers are the same to rounding. Problems drawn in
        NumPy are also integrated in NumPy (`gapless.flow.integrate`), which is faster for a few
        runs of one shape.
    sensing
        The ensemble of X, a name of the table of `gapless.sensing`.
    field
        ``real`` or ``complex`` signals. A complex vector is drawn as 2N real numbers: rows
        (Re x, Im x) with entries N(0, 1/2N), states √2 (Re W, Im W) on the sphere of radius √(2N).

    Raises
    ------
    ValueError
        For a value out of range; the message names the parameter and the remedy.
    """

    n: int
    alpha: float
    seed: int
    index: int = 0
    runs: int | None = None
    in_numpy: bool = dataclasses.field(default=False, compare=False, repr=False)
    sensing: Ensemble = "gaussian"
    field: Field = "real"

    def __post_init__(self) -> None:
        # kept as Python's own numbers: NumPy's wrap at 2³² or 2⁶⁴ in silence
        alpha = number("alpha", self.alpha, above=0)
        flag("in_numpy", self.in_numpy)
        check_ensemble(self.sensing)
        check_field(self.field)
        if self.field == "complex" and self.of_transforms:
            raise ValueError(
                f"field, sensing: a complex X has entries, and a {self.sensing} one has none; use "
                f"--sensing {', '.join(OF_ENTRIES)}"
            )
        most = 2**32 - 1  # what a key is made from
        values: dict[str, int | float] = {
            "n": whole("n", self.n, 2, most),
            "alpha": int(alpha) if isinstance(self.alpha, (int, np.integer)) else alpha,
            "seed": whole("seed", self.seed, 0, most),
            "index": whole("index", self.index, 0, most),
        }
        if self.runs is not None:
            values["runs"] = whole("runs", self.runs, 1, most)
        for name, value in values.items():
            object.__setattr__(self, name, value)
        if (samples := self.alpha * self.n) > most:
            size = 4.0 * stored_numbers(self.of_transforms, int(samples), self.n)
            raise ValueError(
                f"n, alpha: M = {samples:.3g} samples of N numbers need {memory(size)}, and "
                "a design has at most 2**32 - 1 samples; lower one of them"
            )
        if self.m < 1:
            raise ValueError(f"alpha: {self.alpha} leaves no sample at n={self.n}; raise it")

    @property
    def m(self) -> int:
        """M = ⌊αN + ½⌋, the number of samples."""
        # rounded half up, so that M is no matter of parity as with round()
        return floor(self.alpha * self.n + 0.5)

    @property
    def dimension(self) -> int:
        """Number of real components of a state: N, or 2N for complex signals."""
        return self.n if self.field == "real" else 2 * self.n

    @property
    def of_transforms(self) -> bool:
        """Whether X has products and no entries."""
        return self.sensing in OF_TRANSFORMS

    @property
    def k(self) -> int:
        """K, the number of runs on this design."""
        return default_runs_per_design(self.n) if self.runs is None else self.runs

    @property
    def _draws(self) -> Any:
        return by_numpy if self.in_numpy else by_jax

    def key(self, name: str) -> Array:
        """Return the key of the child `name`: seed → N → M → design → name."""
        # N and M, not α: designs of one shape are one, however α was written
        key = self._key(name)
        return key if self.in_numpy else by_jax.wrapped(key)

    def _key(self, name: str) -> by_numpy.Key:
        # a name of its own: complex draws of one shape are no real ones with others appended
        path = name if self.field == "real" else f"complex {name}"
        children = (self.n, self.m, self.index, crc32(path.encode()))
        return by_numpy.key(self.seed, children)

    def sensing_matrix(self, dtype: str = "float32") -> SensingMatrix:
        """Draw the sensing matrix X: rows of unit norm on average.

        X is drawn in float32 and rounded to `dtype` block by block, so that it is in memory once.

        Raises ``ValueError`` for another precision than float16, float32 or float64, for transforms
        in less than float32, and for signs in float16 where ±1/√N is no number of it.
        """
        if dtype not in ("float16", "float32", "float64"):
            raise ValueError(f"dtype: {dtype!r} is not one of float16, float32, float64")
        check_storage(self.sensing, dtype, self.n)
        if self.of_transforms:
            x = draw_transforms(self._key("sensing"), self.sensing, self.m, self.n, dtype)
            return x if self.in_numpy else x.map(jnp.asarray)
        dense: Any = np.zeros((self.m, self.dimension), dtype)
        for index, block in enumerate(self.sensing_blocks()):
            first = index * ROWS_PER_BLOCK
            if self.in_numpy:
                dense[first : first + ROWS_PER_BLOCK] = block
            else:
                dense = by_jax.placed(dense, block, first)
        return dense

    def sensing_blocks(self) -> Iterator[Float32[Array, "B N"]]:
        """Draw X block by block of rows, for matrices that do not fit in memory.

        Raises ``ValueError`` for an X that is made of transforms.
        """
        if self.of_transforms:
            raise ValueError(
                f"sensing: a {self.sensing} X has products and no rows to draw; use sensing_matrix"
            )
        key = self._key("sensing")
        for first in range(0, self.m, ROWS_PER_BLOCK):
            block = self._draws.rows(key, first // ROWS_PER_BLOCK, ROWS_PER_BLOCK, self.dimension)
            if self.sensing != "gaussian":
                block = self._in_ensemble(block)
            yield block[: self.m - first] if self.in_numpy else block

    @as_ever(loading=False)
    def _in_ensemble(self, block: Float[Array, "B N"]) -> Float[Array, "B N"]:
        return in_ensemble(self.sensing, block)

    def teacher(self) -> Float32[Array, "K N"]:
        """Draw the teachers W*, uniform on the sphere of radius √N."""
        return self._draws.directions(self._key("teacher"), self.k, self.dimension)

    def start(self) -> Float32[Array, "K N"]:
        """Draw the random starts W(0), uniform on the sphere of radius √N (Eq. 2)."""
        return self._draws.directions(self._key("start"), self.k, self.dimension)

    def gaussian_labels(self) -> Float32[Array, "K *P M"]:
        """Draw labels y ~ N(0, 1) that share no information with X; complex ones as their parts."""
        return self._labels("labels")

    def label_noise(self) -> Float32[Array, "K *P M"]:
        """Draw noise n of variance 1 of the labels, which twins and all variances Δ share.

        Complex noise is its real and imaginary parts, (K, 2, M), of variance ½ each.
        """
        return self._labels("noise")

    def _labels(self, name: str) -> Float32[Array, "K *P M"]:
        if self.field == "real":
            return self._draws.normals(self._key(name), self.k, self.m)
        both = self._draws.normals(self._key(name), self.k, 2 * self.m) * np.float32(0.5**0.5)
        return both.reshape(self.k, 2, self.m)

    def signs(self, run: int, count: int) -> Float32[np.ndarray, "S M"]:
        """Draw `count` vectors of signs ±1, one sign for each label of a run."""
        # in NumPy on both routes: they are made once, and cost little
        own = by_numpy.fold_in(self._key("signs"), np.array(run, np.uint32))
        drawn = by_numpy.bits(own, 0, count * self.m) & np.uint32(1)
        return (2 * drawn.astype(np.float32) - 1).reshape(count, self.m)

    def shuffle(self, labels: Float[Array, "K M"]) -> Float[Array, "K M"]:
        """Permute each run's labels at random (a permutation of its own for each run)."""
        return self._draws.permuted(self._key("labels"), labels)
