"""How a path's force answers to a push of its field in the past, by backward substitution."""

from typing import Any

import numpy as np
from scipy.linalg import get_blas_funcs

_gemm: Any = get_blas_funcs("gemm", dtype=np.float32)

SEQUENTIAL = 8
"""Blocks of so many times are substituted one by one; larger ones are matrix products."""
CHUNK = 4096
"""Paths are worked on in chunks whose blocks stay in cache."""


def mean_response(
    slope: np.ndarray,
    kernel: np.ndarray,
    step: np.ndarray,
    weight: np.ndarray,
    score: np.ndarray,
    coordinates: np.ndarray,
) -> np.ndarray:
    """Return ⟨weight d_k(s)⟩ over paths for s = 0 … k, with d_k(s) = ∂F_k/∂ζ_s; shape (W, k + 1).

    d_k(k) = F′_k and, back in time, d_k(s) = δ_s F′_s Σ_{s<r≤k} d_k(r) R(r, s). Only row k is ever
    needed, so a chunk of paths needs memory P (k + 1), not P k²/2. Halving the time interval
    makes nearly all of the work matrix products.

    A path that starts close to ŷ = 0 decides late for one side, and its derivative grows
    exponentially: ⟨d²⟩ is dominated by few paths. Stein's identity says that
    g_j = Σ_s d_k(s) L(s, j) − F_k ξ_j has mean zero, and it carries the same tail: the averages
    are taken with g_0 … g_{J−1} as control variates (docs/derivations/dmft.md §5).

    Parameters
    ----------
    slope : float32, shape (k + 1, P)
        F′_s = ∂F/∂h of every path.
    kernel : float32, shape (k + 1, k + 1)
        R(r, s).
    step : float32, shape (k + 1,)
        δ_s; the last is not used.
    weight : float32, shape (W, P)
        What the responses are averaged with: ones, y².
    score : float32, shape (J, P)
        F_k ξ_j of every path.
    coordinates : float32, shape (k + 1, J)
        L(s, j).
    """
    times, paths = slope.shape
    # δ_s goes into the kernel and F′_s onto the sum: column s of δR
    scaled = np.asfortranarray(kernel * step)
    plain = np.zeros((len(weight), times))
    mean = np.zeros((len(weight), len(score)))
    square = np.zeros((len(weight), len(score), len(score)))
    cross = np.zeros((len(weight), len(score), times))
    for first in range(0, paths, CHUNK):
        part = slice(first, first + CHUNK)
        d = np.zeros((slope[:, part].shape[1], times), np.float32, order="F")
        d[:, -1] = 1
        _substitute(d, slope[:, part], scaled, 0, times)
        plain += weight[:, part] @ d
        g = (d @ coordinates).T - score[:, part]
        for i, one in enumerate(weight[:, part]):
            here = g * one
            mean[i] += here.sum(axis=1)
            square[i] += here @ here.T
            cross[i] += (here * one) @ d
    plain, mean = plain / paths, mean / paths
    for i in range(len(weight)):
        # regression of weight d on the controls: the covariances are taken about the means
        among = square[i] / paths - np.outer(mean[i], mean[i])
        between = cross[i] / paths - np.outer(mean[i], plain[i])
        plain[i] -= mean[i] @ np.linalg.lstsq(among, between, rcond=1e-8)[0]
    return plain


def _substitute(
    d: np.ndarray, slope: np.ndarray, kernel: np.ndarray, first: int, last: int
) -> None:
    """Turn columns [first, last) of d, which hold the sums over r ≥ last, into d_k(s).

    Shapes: d (P, k + 1), column-major; slope (k + 1, P); kernel δ_s R(r, s), column-major.
    """
    if last - first > SEQUENTIAL:
        middle = (first + last) // 2
        _substitute(d, slope, kernel, middle, last)
        block = kernel[middle:last, first:middle]
        _gemm(1.0, d[:, middle:last], block, beta=1.0, c=d[:, first:middle], overwrite_c=1)
        _substitute(d, slope, kernel, first, middle)
        return
    for s in range(last - 1, first - 1, -1):
        column = d[:, s]
        if s + 1 < last:
            column += d[:, s + 1 : last] @ kernel[s + 1 : last, s]
        column *= slope[s]
