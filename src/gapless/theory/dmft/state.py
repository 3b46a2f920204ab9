"""The flow at N = ∞, or gradient descent, on sampled paths (docs/derivations/dmft.md).

With X as `dmft.sensing` reveals it, N = ∞ is gradient descent like any other,

    h = X w,   F = −½ ∂ℓ/∂ŷ(h, y),   dw/dt = XᵀF/N + μ w,   μ = −⟨w, XᵀF⟩/N = −α⟨F h⟩  (Eq. 3),

every step being followed by division by the norm. `Descent` takes Euler's steps of given lengths,
`Flow` stabilised steps that it chooses itself. A probe is an infinitesimal change δw of the
student, made at a waiting time t_w and orthogonal to all that happened: it moves by

    dδw/dt = Xᵀ(F′ X δw)/N + μ δw,   F′ = −½ ∂²ℓ/∂ŷ²,

with directions of its own. Along the signal it is the growth of a small overlap, along a random
direction the response R(t, t_w).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from gapless.losses import Loss
from gapless.theory.dmft.paths import Draws
from gapless.theory.dmft.sensing import Motion, Sensing
from gapless.theory.measure import evaluate

Labels = Literal["shuffled", "gaussian", "teacher"]
LEAST_ALPHA = 1e-8
"""Below, fields N(0, 1) drown in the rounding of a sample's own answer, which is 1/√α times as
large (float32)."""
TOLERANCE = 1e-3
"""Rests longer than this part of the student are revealed: an error of e far below those of the
paths (docs/derivations/dmft.md §6)."""


@dataclass(frozen=True, eq=False)
class Dynamics:
    """What is to be followed.

    Parameters
    ----------
    loss, alpha
        ℓ(ŷ, y) and M/N.
    labels
        ``shuffled`` and ``gaussian`` are the same as N → ∞: y is independent of everything else.
        ``teacher``: y = ⟨x, W*⟩, from the signed overlap `overlap`.
    overlap
        m_0, only with a teacher.
    waiting
        Waiting times t_w, ascending, at each of which two probes start: along a random direction
        and, unless there is a teacher, along the signal.
    """

    loss: Loss
    alpha: float
    labels: Labels = "shuffled"
    overlap: float = 0.0
    waiting: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        check_alpha(self.alpha)
        if self.alpha < LEAST_ALPHA:
            raise ValueError(f"alpha: must be at least {LEAST_ALPHA:g}, not {self.alpha:g}")
        if self.labels not in ("shuffled", "gaussian", "teacher"):
            raise ValueError(f"labels: {self.labels!r} is not one of teacher, shuffled, gaussian")
        if not abs(self.overlap) < 1:
            raise ValueError(f"overlap: must lie between −1 and 1, not {self.overlap}")
        if self.labels != "teacher" and self.overlap:
            raise ValueError(f"overlap: {self.labels} labels have no teacher; use --labels teacher")
        if not all(0 <= t < np.inf for t in self.waiting) or list(self.waiting) != sorted(
            set(self.waiting)
        ):
            raise ValueError(
                f"waiting: times must be finite, not negative and ascend, not {self.waiting}"
            )
        if self.waiting:
            _refuse_jumps(self.loss)

    @property
    def kinds(self) -> tuple[str, ...]:
        """What is probed at each waiting time."""
        return ("random",) if self.labels == "teacher" else ("random", "signal")


def check_alpha(alpha: float) -> None:
    """Raise ``ValueError`` unless α is a positive number."""
    if not (np.isfinite(alpha) and alpha > 0):
        raise ValueError(f"alpha: must be a positive number, not {alpha}")


def _refuse_jumps(loss: Loss) -> None:
    """Raise ``ValueError`` if ∂ℓ/∂ŷ jumps at ŷ = 0: probes, which use F′, would miss the jump."""
    y = np.array([0.5, 1.0, 2.0])
    tiny = np.full_like(y, 1e-6)
    jump = evaluate(loss.d1, tiny, y) - evaluate(loss.d1, -tiny, y)
    if (abs(jump) > 1e-3).any():
        raise ValueError(
            f"waiting: the slope of {loss.name} jumps at ŷ = 0, which small changes of sampled "
            "paths do not see; use --waiting none, or a smooth loss"
        )


@dataclass(frozen=True, eq=False)
class Here:
    """What is found at a state: velocities of the student and of its probes, and averages.

    `motions` are the state's vectors by what is revealed now.
    """

    motions: list[Motion]
    velocities: list[Motion]
    student: np.ndarray
    slope: np.ndarray
    energy: float
    mu: float

    @property
    def speed2(self) -> float:
        """|dw/dt|² = |g_tan|²/N = −de/dt of the flow."""
        return self.velocities[0] @ self.velocities[0]


@dataclass(eq=False)
class State:
    """A student with its probes on sampled paths, and what was revealed of X to get there."""

    dynamics: Dynamics
    draws: Draws
    y: np.ndarray
    views: list[Sensing]
    """The student's, and one of each probe."""
    motions: list[Motion]
    logs: list[float] = field(default_factory=list)
    """ln |δw| of each probe, whose motion is kept at length one."""
    tolerance: float = TOLERANCE
    t: float = 0.0
    steps: int = 0
    gradients: int = 0
    length: float = 1e-4
    """The flow's next step, if accuracy has its way."""
    stiffness: float = 0.0
    """The largest eigenvalue of the Hessian, as last found."""

    @classmethod
    def begin(cls, dynamics: Dynamics, draws: Draws, tolerance: float = TOLERANCE) -> "State":
        """Return the start; raises ``ValueError`` if there are too few paths for α."""
        draws.check_dimension(dynamics.alpha)
        y = _labels(draws)
        teacher = dynamics.labels == "teacher"
        apart = y[None][:0] if teacher else y[None]
        view = Sensing(draws, 0, dynamics.alpha, apart, tolerance)
        if teacher:
            view.know(y)
        view.reveal()
        m = dynamics.overlap
        along = [m, (1 - m**2) ** 0.5] if teacher else [1.0]
        start = Motion(np.array(along), np.zeros(draws.paths, np.float32))
        return cls(dynamics, draws, y, [view], [start], tolerance=tolerance)

    @property
    def begun(self) -> bool:
        """Whether anything was evaluated."""
        return self.gradients > 0

    def probe(self) -> None:
        """Start the probes of a waiting time, now."""
        for kind in self.dynamics.kinds:
            stream = len(self.views)
            view = Sensing(
                self.draws, stream, self.dynamics.alpha, self.y[None][:0], self.tolerance
            )
            if kind == "signal":
                view.know(self.y)
            else:
                view.reveal()
            self.views.append(view)
            self.motions = [*self.motions, view.start()]
            self.logs = [*self.logs, 0.0]

    @property
    def signed_overlap(self) -> float:
        """m."""
        return float(self.motions[0].along[0]) if self.dynamics.labels == "teacher" else 0.0

    @property
    def correlation_0(self) -> float:
        """C(t, 0)."""
        w, m = self.motions[0].along, self.dynamics.overlap
        if self.dynamics.labels != "teacher":
            return float(w[0])
        return float(w[0] * m + w[1] * (1 - m**2) ** 0.5)

    def evaluate(self, motions: Sequence[Motion]) -> Here:
        """Return velocities and averages at a student and its probes."""
        loss, alpha = self.dynamics.loss, self.dynamics.alpha
        self.gradients += 1
        opened = [view.opened(one) for view, one in zip(self.views, motions, strict=True)]
        student = self.views[0].image(opened[0])
        h, y = student.astype(float), self.y.astype(float)
        force = -evaluate(loss.d1, h, y) / 2
        slope = (-evaluate(loss.d2, h, y) / 2).astype(np.float32)
        forces = [force.astype(np.float32)]
        forces += [
            slope * view.image(one) for view, one in zip(self.views[1:], opened[1:], strict=True)
        ]
        answers = [view.answer(one) for view, one in zip(self.views, forces, strict=True)]
        w = opened[0]
        mu = -(answers[0] @ w) / (w @ w)
        velocities = [
            view.combined([1.0, mu], [answer, one])
            for view, answer, one in zip(self.views, answers, opened, strict=True)
        ]
        energy = alpha / 2 * float(evaluate(loss.value, h, y).mean())
        return Here(opened, velocities, student, slope, energy, mu)

    def combine(self, factors: Sequence[float], *states: Sequence[Motion]) -> list[Motion]:
        """Return Σ factor × state, for the student and each probe."""
        return [
            view.combined(factors, parts) for view, *parts in zip(self.views, *states, strict=True)
        ]

    def move(self, motions: Sequence[Motion]) -> None:
        """Go to `motions`, the student back on the sphere; probes are divided by its length too."""
        # only what is revealed has a length that is known
        motions = [view.opened(one) for view, one in zip(self.views, motions, strict=True)]
        c = 1 / motions[0].length
        lengths = [one.length for one in motions[1:]]
        self.logs = [log + np.log(c * size) for log, size in zip(self.logs, lengths, strict=True)]
        factors = [c, *(1 / size for size in lengths)]
        self.motions = [
            view.combined([factor], [one])
            for view, factor, one in zip(self.views, factors, motions, strict=True)
        ]

    def packed(self) -> dict[str, np.ndarray]:
        """Return everything that going on needs, as arrays."""
        clock = [self.t, self.steps, self.gradients, self.length, self.stiffness]
        arrays = {"clock": np.array(clock), "logs": np.array(self.logs)}
        for index, (view, one) in enumerate(zip(self.views, self.motions, strict=True)):
            one = view.settled(one)
            arrays |= {f"along_{index}": one.along, f"rest_{index}": one.rest}
            arrays |= {f"{name}_{index}": array for name, array in view.packed().items()}
        return arrays

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Go back to what `packed` returned; of a state at its beginning."""
        self.t, steps, gradients, self.length, self.stiffness = map(float, arrays["clock"])
        self.steps, self.gradients = int(steps), int(gradients)
        self.logs = list(arrays["logs"])
        self.motions = []
        for index in range(len(self.logs) + 1):
            apart = self.views[0].apart if index == 0 else self.y[None][:0]
            view = Sensing(self.draws, index, self.dynamics.alpha, apart, self.tolerance)
            names = ("images", "basis", "lengths")
            view.restore({name: arrays[f"{name}_{index}"] for name in names})
            self.views[index:] = [view]
            self.motions.append(Motion(arrays[f"along_{index}"], arrays[f"rest_{index}"]))


def _labels(draws: Draws) -> np.ndarray:
    """Return y; quasi-random ones have mean zero and mean square one."""
    y = draws.normal(0, 0)
    if not draws.matches(0, 0):
        return y
    y = y - np.float32(y.mean(dtype=float))
    return (y / np.sqrt(np.mean(y**2, dtype=float))).astype(np.float32)
