"""The threshold energy of runs in the limit N → ∞: plateaus of several sizes, extrapolated in N.

At finite N every run comes to rest, so there is nothing to extrapolate in time; N → ∞ before
t → ∞ is the business of dynamical mean-field theory. For every α with two sizes or more

    e(N) = e∞ + b N^(−k)

is fitted by weighted least squares with k = 1 and with k = 2/3 (the law of corrections is not
known; these are that of a mean and that of a spectral edge). e∞ is the mean of both; its error
holds the larger of their standard errors and half of their difference.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from gapless.experiments.plateau import Plateau
from gapless.experiments.statistics import weighted_line

EXPONENTS = (1.0, 2 / 3)


def plateau_limits(found: Sequence[Plateau]) -> pd.DataFrame:
    """Return e∞ with its error for every α that has two sizes or more, beside 1RSB.

    Columns: α, how many sizes and the largest, the energy there with its standard error, e∞ for
    either exponent, both together with their error, 1RSB's energy and e∞ over it, in percent.
    """
    rows = []
    for alpha in sorted({p.alpha for p in found}):
        here = sorted((p for p in found if p.alpha == alpha), key=lambda p: p.n)
        energy = [p.measured["energy"] for p in here]
        error = np.array([e.standard_error for e in energy])
        if len(here) < 2 or not np.isfinite(error).all():
            continue
        n, mean = np.array([p.n for p in here], float), np.array([e.mean for e in energy])
        fits = [weighted_line(n**-k, mean, error) for k in EXPONENTS]
        limits = [fit.parameters[0] for fit in fits]
        limit, theory = float(np.mean(limits)), here[-1].theory.energy
        both = float(np.hypot(max(f.errors[0] for f in fits), abs(limits[0] - limits[1]) / 2))
        rows.append(
            {
                "alpha": alpha,
                "sizes": len(here),
                "largest_n": here[-1].n,
                "energy": mean[-1],
                "standard_error": error[-1],
                **{f"limit_{k:.2g}": v for k, v in zip(EXPONENTS, limits, strict=True)},
                "limit": limit,
                "limit_error": both,
                "energy_1rsb": theory,
                "over_1rsb_percent": 100 * (limit / theory - 1),
                "over_1rsb_error": 100 * both / theory,
            }
        )
    return pd.DataFrame(rows)
