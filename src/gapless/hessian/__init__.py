"""Spectra of the Hessian on the sphere, H = ½ Σ ℓ″(ŷ, y) x xᵀ − μ 1 (Eq. 4).

Eigenvalues are those of Eq. 4 as printed: μ is subtracted and the radial direction W is not
projected out (projecting would put an exact 0 inside a gapless spectrum). `deflate_radial` moves
its eigenvalue into the bulk instead. Overlaps of eigenvectors with the
signal are |⟨v, W*⟩|/(|v||W*|), between 0 and 1, never squared.

Each file has one subject: `operator` has H on blocks of vectors and as a matrix, `eigenpairs` its
lowest ones, `density` that of all eigenvalues, `overlaps` those of eigenvectors.
"""

from gapless.hessian.density import smoothed, spectral_density
from gapless.hessian.eigenpairs import DENSE_BELOW, lowest_eigenpairs
from gapless.hessian.operator import (
    Deflated,
    hessian_matrix,
    hessian_operator,
    negative_count,
    spectrum,
)
from gapless.hessian.overlaps import signal_overlap, top_sample_share

__all__ = [
    "DENSE_BELOW",
    "Deflated",
    "hessian_matrix",
    "hessian_operator",
    "lowest_eigenpairs",
    "negative_count",
    "signal_overlap",
    "smoothed",
    "spectral_density",
    "spectrum",
    "top_sample_share",
]
