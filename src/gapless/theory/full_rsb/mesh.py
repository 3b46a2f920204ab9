"""Mesh of overlaps and fields of full replica symmetry breaking, with its interpolation rules.

Functions of the field are even in h and have features at h = 0 of width √(1 − q). They are stored
at nodes h = s sinh u ≥ 0 with uniform u, and interpolated by local polynomials in u
(docs/derivations/full-rsb.md §5).
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from gapless.inputs import number, whole

if TYPE_CHECKING:
    from scipy.sparse import csr_array

POINTS = 6
"""Number of nodes of a local polynomial."""
FARTHEST = 8.0
"""Last node of the field; a Gaussian field of variance one exceeds it with probability 1e-15."""
REACH = 6.5
"""Standard deviations at which the Gaussian of a step is cut; its tail is 8e-11."""
BEND = 0.6
"""Overlap up to which steps are equal; beyond it they shrink with 1 − q."""


@dataclass(frozen=True)
class Resolution:
    """Sizes of a mesh.

    Parameters
    ----------
    uniform
        Number of equal steps from q = 0 to 0.6.
    per_halving
        Number of steps in which 1 − q is halved, beyond 0.6.
    last
        1 − q at the start of the last step.
    fields
        Number of nodes of the field.
    order, depth
        Gauss–Legendre points per panel in the teacher's label, and number of halvings of a panel
        toward a singular point.
    """

    uniform: int
    per_halving: int
    last: float
    fields: int
    order: int
    depth: int = 0

    def __post_init__(self) -> None:
        for name in ("uniform", "per_halving"):
            whole(name, getattr(self, name), 1)
        if not number("last", self.last, above=0) < 1 - BEND:
            raise ValueError(f"last: must be below {1 - BEND:g}, not {self.last:g}")

    def overlaps(self) -> np.ndarray:
        """Return 0 = q₀ < … < q_K = 1, shape (K + 1,)."""
        beyond = 1 - BEND
        count = self.per_halving * round(np.log2(beyond / self.last))
        # z ∝ (1 − q)^(−5/8) at q → 1 where the loss has a kink: equal steps in ln(1 − q) resolve it
        shrinking = 1 - beyond * (self.last / beyond) ** (np.arange(count + 1) / count)
        equal = np.arange(self.uniform) * (BEND / self.uniform)
        return np.concatenate([equal, shrinking, [1.0]])


@dataclass(frozen=True, eq=False)
class Mesh:
    """Overlaps 0 = q₀ < … < q_K = 1, shape (K + 1,), and the number of nodes of the field.

    Raises ``ValueError`` for overlaps that do not rise from 0 to 1, or too few nodes.
    """

    q: np.ndarray
    fields: int

    def __post_init__(self) -> None:
        q = self.q
        if q.ndim != 1 or q.size < 2 or q[0] != 0 or q[-1] != 1 or not (np.diff(q) > 0).all():
            raise ValueError("q: overlaps must rise from 0 to 1")
        if self.fields < 4 * POINTS:
            raise ValueError(f"fields: at least {4 * POINTS} nodes are needed, not {self.fields}")

    @cached_property
    def step(self) -> np.ndarray:
        """Δq of each step, shape (K,)."""
        return np.diff(self.q)

    @cached_property
    def middle(self) -> np.ndarray:
        """Overlap in the middle of each step, shape (K,)."""
        return (self.q[1:] + self.q[:-1]) / 2

    @cached_property
    def scale(self) -> float:
        """The field s below which nodes are equally spaced: five widths of the last step."""
        return min(5 * float(np.sqrt(self.step[-1])), 1.0)

    @cached_property
    def spacing(self) -> float:
        """Spacing of u."""
        return float(np.arcsinh(FARTHEST / self.scale)) / (self.fields - 1)

    @cached_property
    def h(self) -> np.ndarray:
        """Fields at the nodes, shape (n,)."""
        return self.scale * np.sinh(self.spacing * np.arange(self.fields))

    @cached_property
    def rule(self) -> np.ndarray:
        """Weights of ∫ g(h) dh over the whole line, g even, at the nodes."""
        # dh = s cosh u du, and s cosh u = √(h² + s²); the trapezoidal rule in u
        weight = 2 * self.spacing * np.sqrt(self.h**2 + self.scale**2)
        # h = 0 lies on both halves of the line, and counts once
        weight[0] /= 2
        return weight

    @cached_property
    def gaussian(self) -> tuple[np.ndarray, np.ndarray]:
        """Nodes and weights of E g(x), x ~ N(0, 1): the trapezoidal rule with spacing ½.

        For entire g its error is e^(−8π²) = 5e-35; with a branch point of g at ±ia it is e^(−4πa).
        """
        x = np.arange(-REACH, REACH + 0.25, 0.5)
        weight = np.exp(-(x**2) / 2)
        # normalised on the cut line, so that E 1 = 1 and a flat φ stays flat
        return x, weight / weight.sum()

    @cached_property
    def smoothing(self) -> "list[csr_array]":
        """Matrices from nodes to fields h + √Δq x for each step but the last, shape (n m, n).

        The first step starts at h = 0 only, and its matrix has shape (m, n).
        """
        from scipy.sparse import csr_array  # here: most of theory does without

        x, _ = self.gaussian
        # the field starts at 0: of φ_0 no other value is asked for
        starts = [self.h[:1], *[self.h] * (self.step.size - 2)]
        found = []
        for start, width in zip(starts, np.sqrt(self.step[:-1]), strict=False):
            # sparse matrices, made once a mesh: each evaluation multiplies by them K times
            node, weight = self.interpolation((start[:, None] + width * x).ravel())
            rows = np.repeat(np.arange(node.shape[0]), POINTS)
            shape = (node.shape[0], self.fields)
            found.append(csr_array((weight.ravel(), (rows, node.ravel())), shape=shape))
        return found

    def interpolation(self, field: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return nodes and weights, shape (…, `POINTS`), of an even function's value at ``field``.

        The function is constant beyond the last node.
        """
        # |field|: functions are even
        u = np.arcsinh(np.minimum(np.abs(field), FARTHEST) / self.scale) / self.spacing
        # centred on the field, so that the error is that of the middle of six nodes
        first = np.minimum(np.floor(u).astype(int) - POINTS // 2 + 1, self.fields - POINTS)
        offset = u - first
        points = np.arange(POINTS)
        weight = np.ones((*offset.shape, POINTS))
        for j in points:
            # Lagrange's polynomials on equal spacing, in units of it
            for other in points[points != j]:
                weight[..., j] *= (offset - other) / (j - other)
        # nodes left of zero are mirrored
        return np.abs(first[..., None] + points), weight

    def at(self, values: np.ndarray, field: np.ndarray) -> np.ndarray:
        """Return an even function at other fields, from its values at the nodes, shape (n,)."""
        node, weight = self.interpolation(field)
        return np.einsum("...p,...p->...", values[node], weight)
