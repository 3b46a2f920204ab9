"""The baseline: the paper's protocol as a straightforward NumPy script, one run at a time.

Gradient descent on the sphere in float64 with learning rate 2e-4, 1500 log2 N steps at most, a
fresh sensing matrix for each run. Written as one would write it, without waste: three passes over
vectors of M, two matrix-vector products a step, and it stops when the loss is below 1e-8.
"""

import numpy as np

RATE = 2e-4


def textbook_run(n: int, alpha: float, rng: np.random.Generator) -> tuple[bool, int]:
    """Return whether one run recovers the signal (L/N < 1e-8) and after how many steps."""
    m = round(alpha * n)
    x = rng.standard_normal((m, n)) / np.sqrt(n)
    teacher, w = rng.standard_normal((2, n))
    teacher *= np.sqrt(n) / np.linalg.norm(teacher)
    w *= np.sqrt(n) / np.linalg.norm(w)
    y2 = (x @ teacher) ** 2
    budget = round(1500 * np.log2(n))
    for step in range(budget):
        yhat = x @ w
        difference = yhat * yhat - y2
        if difference @ difference / (2 * n) < 1e-8:
            return True, step
        gradient = 2 * (difference * yhat) @ x
        w -= RATE * (gradient - (gradient @ w) / n * w)
        w *= np.sqrt(n) / np.linalg.norm(w)
    return False, budget
