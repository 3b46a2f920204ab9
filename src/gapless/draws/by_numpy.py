"""Draws in NumPy: the generator threefry-2x32 with 20 rounds, normal numbers, permutations.

Bit for bit the generator of JAX (with partitionable counters), whose normal numbers these are to
rounding. Source of the generator: J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
SC 2011; of erf⁻¹: M. Giles, "Approximating the erfinv function", GPU Computing Gems 2 (2010).
"""

from math import ceil, log

import numpy as np

from gapless.shapes import Float, Float32, UInt32

Key = UInt32[np.ndarray, "... 2"]

ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
PARITY = np.uint32(0x1BD11BDA)
CHUNK = 2**14
"""Numbers made at a time, so that intermediate arrays stay in cache."""
CENTRAL = (
    *(2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087),
    *(-0.00125372503, -0.00417768164, 0.246640727, 1.50140941),
)
TAIL = (
    *(-0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773),
    *(-0.0076224613, 0.00943887047, 1.00167406, 2.83297682),
)
"""Coefficients of erf⁻¹(u)/u in −log(1 − u²) − 2.5 below 5, and in √(−log(1 − u²)) − 3 from there,
the highest power first."""


def key(seed: int, children: tuple[int, ...]) -> Key:
    """Return the key of a seed's descendant, by the path of its children's numbers."""
    # as `jax.random.key` makes it: two words, the upper one 0 for seeds below 2³²
    found = np.array([0, seed], np.uint32)
    for child in children:
        found = fold_in(found, np.array(child, np.uint32))
    return found


def fold_in(parent: Key, child: UInt32[np.ndarray, "..."]) -> Key:
    """Return the key of each numbered child."""
    return np.stack(_threefry(parent, np.zeros_like(child), child), axis=-1)


def rows(parent: Key, block: int, count: int, n: int) -> Float32[np.ndarray, "B N"]:
    """Draw a block of `count` sensing vectors, entries N(0, 1/N)."""
    # a key for each block of rows: any block can be drawn without those before it
    return normal(fold_in(parent, np.array(block, np.uint32)), (count, n)) / np.float32(n**0.5)


def directions(parent: Key, k: int, n: int) -> Float32[np.ndarray, "K N"]:
    """Draw K vectors uniform on the sphere of radius √N."""
    # Gaussian vectors have no preferred direction, so only their length is divided out
    w = normals(parent, k, n)
    return w * (n**0.5 / np.linalg.norm(w, axis=1, keepdims=True))


def normals(parent: Key, k: int, m: int) -> Float32[np.ndarray, "K M"]:
    """Draw K vectors of M numbers N(0, 1), from a key for each."""
    return np.stack([normal(own, (m,)) for own in fold_in(parent, np.arange(k, dtype=np.uint32))])


def permuted(parent: Key, labels: Float[np.ndarray, "K M"]) -> Float[np.ndarray, "K M"]:
    """Permute each row at random, by sorting it by random bits until ties are negligible."""
    k, m = labels.shape
    # as `jax.random.permutation` does: equal bits among m keys then have chance m^(−1) at most
    sorts = ceil(3 * log(max(1, m)) / log(2**32 - 1))
    found = labels.copy()
    for run, own in enumerate(fold_in(parent, np.arange(k, dtype=np.uint32))):
        for _ in range(sorts):
            # `jax.random.split` of a key is its first two children
            own, sort = fold_in(own, np.arange(2, dtype=np.uint32))
            # stable, as XLA's sort: equal bits leave labels in their order on both routes
            found[run] = found[run][np.argsort(bits(sort, 0, m), kind="stable")]
    return found


def normal(own: Key, shape: tuple[int, ...]) -> Float32[np.ndarray, "..."]:
    """Return numbers N(0, 1)."""
    size = int(np.prod(shape))
    found = np.empty(size, np.float32)
    # counters do not depend on the chunks, so chunks change no bit
    for first in range(0, size, CHUNK):
        count = min(CHUNK, size - first)
        found[first : first + count] = _normal_of(bits(own, first, count))
    return found.reshape(shape)


def bits(own: Key, first: int, count: int) -> UInt32[np.ndarray, " count"]:
    """Return 32 random bits for each of `count` counters from `first` on."""
    # 64 bits: matrices may have more than 2³² entries
    counter = np.arange(first, first + count, dtype=np.uint64)
    high, low = _threefry(
        own, (counter >> np.uint64(32)).astype(np.uint32), counter.astype(np.uint32)
    )
    # partitionable counters: both words of one evaluation make one number
    return high ^ low


def _threefry(parent: Key, high: np.ndarray, low: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the encryption of the two words of each counter by a key."""
    # arithmetic modulo 2³² is meant
    with np.errstate(over="ignore"):
        words = (parent[..., 0], parent[..., 1], parent[..., 0] ^ parent[..., 1] ^ PARITY)
        x, y = high + words[0], low + words[1]
        # five groups of four rounds; after each a word of the key and the group's number are added
        for group in range(5):
            for rotation in ROTATIONS[group % 2]:
                x = x + y
                y = (y << np.uint32(rotation) | y >> np.uint32(32 - rotation)) ^ x
            x = x + words[(group + 1) % 3]
            y = y + (words[(group + 2) % 3] + np.uint32(group + 1))
    return x, y


def _normal_of(random: UInt32[np.ndarray, " n"]) -> Float32[np.ndarray, " n"]:
    """Return √2 erf⁻¹(u), u uniform between −1 and 1 by the upper 23 bits."""
    # u = −1 has no finite normal number
    lowest = np.nextafter(np.float32(-1), np.float32(0))
    # 23 bits as a mantissa: a float32 between 1 and 2, less 1
    unit = (random >> np.uint32(9) | np.uint32(0x3F800000)).view(np.float32) - np.float32(1)
    u = np.maximum(lowest, unit * (np.float32(1) - lowest) + lowest)
    # log1p, for u near zero; Giles' variable of both polynomials
    w = -np.log1p(-u * u)
    found = _polynomial(CENTRAL, w - np.float32(2.5))
    far = np.flatnonzero(w >= 5)
    found[far] = _polynomial(TAIL, np.sqrt(w[far]) - np.float32(3))
    return np.float32(np.sqrt(2)) * (found * u)


def _polynomial(coefficients: tuple[float, ...], w: np.ndarray) -> np.ndarray:
    found = np.full_like(w, coefficients[0])
    for coefficient in coefficients[1:]:
        # in place, in float32 as XLA evaluates it: the numbers are to agree to rounding
        found *= w
        found += np.float32(coefficient)
    return found
