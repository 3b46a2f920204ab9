"""The flow at N = ∞, or gradient descent, on sampled paths (docs/derivations/dmft.md).

With X drawn by `dmft.sensing`, the dynamics at N = ∞ is gradient descent,

    h = X w,   F = −½ ∂ℓ/∂ŷ(h, y),   dw/dt = XᵀF/N + μ w,   μ = −⟨w, XᵀF⟩/N = −α⟨F h⟩  (Eq. 3),

and every step is followed by division by the norm (`dmft.solvers`). A probe is an infinitesimal
change δw of the student, made at a waiting time t_w and orthogonal to all directions so far. It
obeys

    dδw/dt = Xᵀ(F′ X δw)/N + μ δw,   F′ = −½ ∂²ℓ/∂ŷ²,

which is (D5), with an X of its own. A probe along the signal measures the growth of a small
overlap, one along a random direction the response R(t, t_w). All objects are immutable: a method
that draws a direction returns the system with that direction.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from gapless.inputs import check_labels, number
from gapless.losses import Loss, check_consistent, quartic
from gapless.shapes import Float32
from gapless.theory.dmft.paths import PathDraws
from gapless.theory.dmft.sensing import Sensing, Vector
from gapless.theory.label_measure import evaluate

FIRST_STEP = 1e-4
"""First step size of the flow, in inverse units of the loss."""
LARGEST_UNIT = 2.0**80
"""Largest ratio of a loss's size to the quartic one's, or of its inverse: the range of float32."""
LEAST_ALPHA = 1e-8
"""Smallest α: below it the fields N(0, 1) are less than the float32 rounding of a sample's own
response, which is 1/√α times as large."""
RESIDUAL = 1e-3
"""Relative length above which a residual becomes a direction. The error of e that it leaves is far
below that of the paths (docs/derivations/dmft.md §6)."""


@dataclass(frozen=True, eq=False)
class Dynamics:
    """Loss, ratio α, labels, start and waiting times of a dynamics at N = ∞.

    Parameters
    ----------
    loss, alpha
        ℓ(ŷ, y) and M/N.
    labels
        ``shuffled`` and ``gaussian`` are the same as N → ∞: y is independent of everything else.
        ``teacher``: y = ⟨x, W*⟩, and the student starts at the signed overlap `overlap`.
    overlap
        m_0; it is 0 without a teacher.
    waiting
        Ascending waiting times t_w. At each of them a probe starts along a random direction and,
        unless there is a teacher, another one along the signal.
    """

    loss: Loss
    alpha: float
    labels: str = "shuffled"
    overlap: float = 0.0
    waiting: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        number("alpha", self.alpha, above=0)
        if self.alpha < LEAST_ALPHA:
            raise ValueError(f"alpha: must be at least {LEAST_ALPHA:g}, not {self.alpha:g}")
        check_labels(self.labels)
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
        if not 1 / LARGEST_UNIT <= self.unit <= LARGEST_UNIT:
            size = check_consistent(self.loss)
            raise ValueError(f"loss: {self.loss.name} is of size {size:.1g}; rescale it")
        if self.waiting:
            _refuse_jumps(self.loss, self.unit)

    @cached_property
    def unit(self) -> float:
        """Size of the loss in units of the quartic one's, rounded to a power of 1024.

        Thresholds of energies are in this unit, and those of times in its inverse.
        """
        size = check_consistent(self.loss) / check_consistent(quartic)
        # a power of two, so that thresholds in this unit scale without rounding
        return 1024.0 ** round(np.log2(size) / 10)

    @property
    def probes(self) -> tuple[str, ...]:
        """Directions of the probes of each waiting time."""
        return ("random",) if self.labels == "teacher" else ("random", "signal")


def _refuse_jumps(loss: Loss, unit: float) -> None:
    """Raise ``ValueError`` if ∂ℓ/∂ŷ jumps at ŷ = 0, because F′ of the probes omits the jump."""
    y = np.array([0.5, 1.0, 2.0])
    tiny = np.full_like(y, 1e-6)
    # a smooth ℓ′ differs by 2e-6 ℓ″ between ±1e-6, far below the bound
    jump = evaluate(loss.d1, tiny, y) - evaluate(loss.d1, -tiny, y)
    if (abs(jump) > 1e-3 * unit).any():
        raise ValueError(
            f"waiting: the slope of {loss.name} jumps at ŷ = 0, and the probes of sampled paths "
            "omit the jump; use --waiting none, or a smooth loss"
        )


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Velocities of the student and of its probes, and averages over the paths, at some vectors.

    Parameters
    ----------
    vectors
        The student, then the probes, in components along all directions drawn so far.
    velocities
        Their time derivatives.
    labels
        ŷ = h of each path.
    slope
        F′ of each path.
    energy, mu
        e = (α/2)⟨ℓ⟩, and μ of Eq. 3.
    """

    vectors: tuple[Vector, ...]
    velocities: tuple[Vector, ...]
    labels: Float32[np.ndarray, " P"]
    slope: Float32[np.ndarray, " P"]
    energy: float
    mu: float

    @property
    def speed2(self) -> float:
        """|dw/dt|² = |g_tan|²/N = −de/dt of the flow."""
        return self.velocities[0] @ self.velocities[0]


@dataclass(frozen=True, eq=False)
class System:
    """A dynamics on sampled paths, with the directions of X that student and probes have reached.

    Parameters
    ----------
    dynamics, draws
        The dynamics and its paths.
    y
        Labels of the paths.
    residual
        Relative length above which a residual becomes a direction (`RESIDUAL`).
    sensing
        The student's X, then that of each probe.
    gradients
        Number of gradient evaluations.
    """

    dynamics: Dynamics
    draws: PathDraws
    y: Float32[np.ndarray, " P"]
    residual: float
    sensing: tuple[Sensing, ...]
    gradients: int = 0

    @classmethod
    def begin(cls, dynamics: Dynamics, draws: PathDraws, residual: float = RESIDUAL) -> "System":
        """Return a system with the direction of the start and, with a teacher, the signal's.

        Raises ``ValueError`` if there are too few paths for α.
        """
        draws.check_dimension(dynamics.alpha)
        y = draws.labels()
        teacher = dynamics.labels == "teacher"
        # with a teacher y is an image, X W*; without, ξ are only made orthogonal to it
        labels = y[None][:0] if teacher else y[None]
        x = Sensing.begin(draws, 0, dynamics.alpha, labels, residual)
        x = (x.with_image(y) if teacher else x).with_direction()
        return cls(dynamics, draws, y, residual, (x,))

    def start(self) -> Vector:
        """Return the student at t = 0."""
        # W* is the first direction drawn, the start's own part the second
        m = self.dynamics.overlap
        components = [m, (1 - m**2) ** 0.5] if self.dynamics.labels == "teacher" else [1.0]
        return Vector(np.array(components), np.zeros(self.draws.paths, np.float32))

    def with_probes(self) -> tuple["System", tuple[Vector, ...]]:
        """Return the system with the probes of one more waiting time, and their initial vectors."""
        started = []
        for stream, direction in enumerate(self.dynamics.probes, len(self.sensing)):
            empty = self.empty(stream)
            # X W* = y needs no drawing; an image along a random direction is fresh
            known = direction == "signal"
            started.append(empty.with_image(self.y) if known else empty.with_direction())
        sensing = (*self.sensing, *started)
        return replace(self, sensing=sensing), tuple(one.unit_vector() for one in started)

    def empty(self, stream: int) -> Sensing:
        """Return the X of the student (stream 0) or of a probe, without drawn directions."""
        # labels are what ξ of exact moments are made orthogonal to; only the student has such ξ
        labels = self.sensing[0].labels if stream == 0 else self.y[None][:0]
        return Sensing.begin(self.draws, stream, self.dynamics.alpha, labels, self.residual)

    def evaluate(self, vectors: Sequence[Vector]) -> tuple["System", Evaluation]:
        """Return the system after an evaluation, and velocities and averages at these vectors."""
        loss, alpha = self.dynamics.loss, self.dynamics.alpha
        sensing, vectors = self._resolved(vectors)
        student = sensing[0].times(vectors[0])
        # float64: a loss may cancel digits, and averages run over up to 10⁵ paths
        h, y = student.astype(float), self.y.astype(float)
        # F = −ℓ′/2, with the ½ of Eq. 1
        force = -evaluate(loss.d1, h, y) / 2
        # F′ = −d with d of the Hessian, Eq. 4
        slope = (-evaluate(loss.d2, h, y) / 2).astype(np.float32)
        forces = [force.astype(np.float32)]
        # of a probe: δF = F′ δŷ
        forces += [slope * x.times(one) for x, one in zip(sensing[1:], vectors[1:], strict=True)]
        pushes = [x.times_transpose(one) for x, one in zip(sensing, forces, strict=True)]
        w = vectors[0]
        # Eq. 3 with |w|² = 1 up to rounding: velocities are tangent exactly
        mu = -(pushes[0] @ w) / (w @ w)
        # probes move with the student's μ: its own change is odd in δw and vanishes (dmft.md §5)
        velocities = tuple(
            x.combined([1.0, mu], [push, one])
            for x, push, one in zip(sensing, pushes, vectors, strict=True)
        )
        # e = L/N: ½ of Eq. 1 times M/N
        energy = alpha / 2 * float(evaluate(loss.value, h, y).mean())
        system = replace(self, sensing=sensing, gradients=self.gradients + 1)
        return system, Evaluation(vectors, velocities, student, slope, energy, mu)

    def combined(self, factors: Sequence[float], *states: Sequence[Vector]) -> tuple[Vector, ...]:
        """Return Σ factor × vector for the student and for each probe."""
        return tuple(
            x.combined(factors, parts) for x, *parts in zip(self.sensing, *states, strict=True)
        )

    def normalised(
        self, vectors: Sequence[Vector]
    ) -> tuple["System", tuple[Vector, ...], tuple[float, ...]]:
        """Return the system, all vectors at length one, and the probes' increments of ln |δw|.

        The factor of the student's normalisation multiplies its probes too.
        """
        # only what is drawn has a length that is known
        sensing, vectors = self._resolved(vectors)
        c = 1 / vectors[0].norm
        norms = [one.norm for one in vectors[1:]]
        shortened = tuple(
            x.combined([factor], [one])
            for x, factor, one in zip(sensing, [c, *(1 / x for x in norms)], vectors, strict=True)
        )
        # the factor c of the student's division acts on δw too, or responses would not belong to
        # a C of unit diagonal (dmft.md §1)
        return replace(self, sensing=sensing), shortened, tuple(np.log(c * x) for x in norms)

    def _resolved(
        self, vectors: Sequence[Vector]
    ) -> tuple[tuple[Sensing, ...], tuple[Vector, ...]]:
        pairs = [x.resolved(one) for x, one in zip(self.sensing, vectors, strict=True)]
        return tuple(x for x, _ in pairs), tuple(one for _, one in pairs)


@dataclass(frozen=True, eq=False)
class State:
    """A student with its probes at time t.

    Parameters
    ----------
    system
        The dynamics on its paths, with the directions of X drawn so far.
    here
        Vectors, velocities and averages.
    log_norms
        ln |δw| of each probe, whose vector has length one.
    t, steps
        Time and number of steps.
    step_size, stiffness
        The flow's next step size by its tolerance alone, and the last value of the largest
        eigenvalue of the Hessian.
    """

    system: System
    here: Evaluation
    log_norms: tuple[float, ...] = ()
    t: float = 0.0
    steps: int = 0
    step_size: float = FIRST_STEP
    stiffness: float = 0.0

    @classmethod
    def begin(cls, dynamics: Dynamics, draws: PathDraws, residual: float = RESIDUAL) -> "State":
        """Return the initial state. Raises ``ValueError`` if there are too few paths for α."""
        system = System.begin(dynamics, draws, residual)
        # a loss s times larger runs s times faster
        return cls(*system.evaluate([system.start()]), step_size=FIRST_STEP / dynamics.unit)

    def with_probes(self) -> "State":
        """Return the state with the probes of one more waiting time."""
        system, started = self.system.with_probes()
        system, here = system.evaluate([*self.here.vectors, *started])
        # a probe starts at length one
        log_norms = (*self.log_norms, *(0.0 for _ in started))
        return replace(self, system=system, here=here, log_norms=log_norms)

    def moved(self, system: System, vectors: Sequence[Vector], t: float) -> "State":
        """Return the state at `vectors`, of length one, after a step that ended at t."""
        # the division by the norm is a part of the step, as at finite N
        system, vectors, gains = system.normalised(vectors)
        # probes grow by many decades: their lengths are kept as logarithms
        log_norms = tuple(x + gain for x, gain in zip(self.log_norms, gains, strict=True))
        system, here = system.evaluate(vectors)
        more = dict(log_norms=log_norms, t=t, steps=self.steps + 1)
        return replace(self, system=system, here=here, **more)

    @property
    def signed_overlap(self) -> float:
        """m, the overlap with the signal; 0 without a teacher."""
        # the signal is the first direction that was drawn
        teacher = self.system.dynamics.labels == "teacher"
        return float(self.here.vectors[0].components[0]) if teacher else 0.0

    def packed(self) -> dict[str, np.ndarray]:
        """Return the arrays from which `with_packed` restores the state."""
        clock = [self.t, self.steps, self.system.gradients, self.step_size, self.stiffness]
        arrays = {"clock": np.array(clock), "log_norms": np.array(self.log_norms)}
        for index, (x, one) in enumerate(zip(self.system.sensing, self.here.vectors, strict=True)):
            arrays |= {f"components_{index}": one.components, f"residual_{index}": one.residual}
            arrays |= {f"{name}_{index}": array for name, array in x.packed().items()}
        return arrays

    def with_packed(self, arrays: dict[str, np.ndarray]) -> "State":
        """Return the state that `packed` returned, bit by bit, from a state of the same system."""
        t, steps, gradients, step_size, stiffness = map(float, arrays["clock"])
        sensing, vectors = [], []
        for index in range(len(arrays["log_norms"]) + 1):
            names = ("images", "basis", "lengths")
            columns = [arrays[f"{name}_{index}"] for name in names]
            sensing.append(self.system.empty(index).with_packed(*columns))
            vectors.append(Vector(arrays[f"components_{index}"], arrays[f"residual_{index}"]))
        # the evaluation below was counted
        system = replace(self.system, sensing=tuple(sensing), gradients=int(gradients) - 1)
        system, here = system.evaluate(vectors)
        # velocities are not stored: the same vectors on the same X give them again, bit by bit
        log_norms = tuple(map(float, arrays["log_norms"]))
        return State(system, here, log_norms, t, int(steps), step_size, stiffness)
