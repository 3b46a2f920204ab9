"""The generalisation error of a student at a given overlap with its teacher."""

import numpy as np

from gapless.inputs import ratio, real_array
from gapless.losses import Loss
from gapless.quadrature import bivariate_gaussian


def generalisation_error(overlap: np.ndarray, loss: Loss, alpha: float) -> np.ndarray:
    """Return (α/2) E ℓ(ŷ, y) on fresh samples: (ŷ, y) Gaussian, unit variances, covariance q.

    Normalised like the energy e, so that the two meet at a random start (q = 0). For the
    quartic loss it is 2α(1 − q²). `overlap` may have any shape.

    Raises ``ValueError`` unless |q| ≤ 1 and α is a positive number, or where the mean cannot be
    made to a part in a thousand (a loss with a singularity).
    """
    q, alpha = np.asarray(real_array("overlap", overlap), float), ratio(alpha)
    # by quadrature for every loss: closed forms would be one more thing to keep in step
    means = [bivariate_gaussian(loss.value, float(one)) for one in q.ravel()]
    # near q = 1 the mean vanishes, so its error is judged against a part of that at q = 0
    at_random = abs(bivariate_gaussian(loss.value, 0.0)[0])
    for mean, error in means:
        if not error <= 1e-3 * max(abs(mean), 1e-3 * at_random):
            raise ValueError(
                f"loss: the mean of {loss.name} over Gaussian labels, {mean:.6g}, is not known "
                f"better than to {error:.2g}: it is singular, or oscillates faster than "
                "quadrature resolves"
            )
    return np.reshape(alpha / 2 * np.array([mean for mean, _ in means]), q.shape)
