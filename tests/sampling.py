"""How far a mean over draws may lie from its limit."""

import numpy as np

SIGMAS = 4.0
"""Standard errors allowed between a measured mean and its exact limit."""


def mean_over_designs(values):
    """Mean and standard error over designs (first axis): runs of a design share X."""
    values = np.asarray(values, float)
    return values.mean(axis=0), values.std(axis=0, ddof=1) / len(values) ** 0.5
