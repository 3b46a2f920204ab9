"""What a sweep says: energy, μ, C, R, label laws, bulk edge, growth of a small overlap."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gapless.labels import LabelLaw
from gapless.theory import bulk
from gapless.theory.bbp import bulk_edge, curvatures
from gapless.theory.dmft.paths import Draws
from gapless.theory.dmft.state import TOLERANCE, Dynamics, Here, State
from gapless.theory.dmft.stepping import Descent, Flow

AVERAGES = ("energy", "mu", "speed2", "signed_overlap")
"""Columns of `Solution.averages`."""


@dataclass(eq=False)
class Solution:
    """A dynamics on one set of paths, at S saved states; filled by `advance`.

    Parameters
    ----------
    stepping
        How it is followed.
    state
        Where it is now, and of what dynamics, on which paths.
    done
        How many states are there; rows beyond are NaN.
    averages : shape (S, 4)
        `AVERAGES` at the saved states.
    student : float32, shape (S, P)
        Labels h of the paths.
    rows : list of S arrays
        The student's components along the revealed directions.
    probes : shape (S, W, kinds, 2)
        Of each waiting time and kind of probe (`Dynamics.kinds`): its component along the
        direction in which it started, divided by its length, and ln |δw|.
    """

    stepping: Descent | Flow
    state: State
    averages: np.ndarray
    student: np.ndarray
    probes: np.ndarray
    rows: list[np.ndarray]
    done: int = 0

    @classmethod
    def begin(
        cls,
        dynamics: Dynamics,
        draws: Draws,
        stepping: Descent | Flow,
        tolerance: float = TOLERANCE,
    ) -> "Solution":
        """Return a solution of which nothing is known yet."""
        last = stepping.t[-1]
        if dynamics.waiting and dynamics.waiting[-1] >= last:
            raise ValueError(f"waiting: times must be before the end, {last:g}")
        for waiting in dynamics.waiting:
            if not np.isclose(stepping.t, waiting, rtol=1e-9, atol=1e-12).any():
                raise ValueError(f"waiting: {waiting:g} is not among the saved times")
        states = len(stepping.t)
        return cls(
            stepping,
            State.begin(dynamics, draws, tolerance),
            np.full((states, len(AVERAGES)), np.nan),
            np.full((states, draws.paths), np.nan, np.float32),
            np.full((states, len(dynamics.waiting), len(dynamics.kinds), 2), np.nan),
            [],
        )

    def advance(self, watch: Callable[["Solution"], object] = lambda _: None) -> "Solution":
        """Follow the dynamics to its end; `watch` is called at every step.

        Raises `Unstable` if the step is too long.
        """
        # a step that is far too long overflows; its energy, which is not finite, tells
        with np.errstate(over="ignore", invalid="ignore"):
            for here, saved in self.stepping.run(self.state):
                if saved and self.done < len(self.stepping.t):
                    self._save(here)
                watch(self)
        return self

    def _save(self, here: Here) -> None:
        state, k = self.state, self.done
        self.student[k] = here.student
        self.averages[k] = here.energy, here.mu, here.speed2, state.signed_overlap
        self.rows.append(state.motions[0].along)
        for index, (one, log) in enumerate(zip(state.motions[1:], state.logs, strict=True)):
            waiting, kind = divmod(index, len(self.dynamics.kinds))
            self.probes[k, waiting, kind] = one.along[0] / one.length, log
        self.done = k + 1
        started = len(state.logs) // len(self.dynamics.kinds)
        due = self.dynamics.waiting[started:]
        if due and np.isclose(state.t, due[0], rtol=1e-9, atol=1e-12):
            state.probe()
            self.probes[k, started] = 1.0, 0.0

    @property
    def dynamics(self) -> Dynamics:
        """What is followed."""
        return self.state.dynamics

    @property
    def t(self) -> np.ndarray:
        """Times, shape (S,)."""
        return self.stepping.t

    @property
    def energy(self) -> np.ndarray:
        """e = (α/2)⟨ℓ⟩."""
        return self.averages[:, 0]

    @property
    def mu(self) -> np.ndarray:
        """μ of Eq. 3, (α/2)⟨h ℓ′⟩."""
        return self.averages[:, 1]

    @property
    def speed2(self) -> np.ndarray:
        """|dw/dt|² = |g_tan|²/N, which is −de/dt of the flow."""
        return self.averages[:, 2]

    @property
    def signed_overlap(self) -> np.ndarray:
        """m."""
        return self.averages[:, 3]

    @property
    def correlation(self) -> np.ndarray:
        """C(t, t′) = ⟨W, W′⟩/N, shape (S, S): positive; its diagonal is 1 to the tolerance².

        NaN beyond the states that are done.
        """
        width = max((len(row) for row in self.rows), default=0)
        rows = np.full((len(self.t), width), np.nan)
        for k, row in enumerate(self.rows):
            rows[k] = np.pad(row, (0, width - len(row)))
        return rows @ rows.T

    @property
    def correlation_0(self) -> np.ndarray:
        """C(t, 0)."""
        found = np.full(len(self.t), np.nan)
        first = self.rows[0] if self.rows else np.zeros(0)
        found[: self.done] = [row[: len(first)] @ first for row in self.rows]
        return found

    @property
    def response(self) -> np.ndarray:
        """R(t, t_w) of each waiting time, shape (W, S): what is left of a push along it.

        One coordinate of w is changed at t_w by η; it differs by η R at t. NaN before t_w.
        """
        along, log = self.probes[:, :, 0, 0], self.probes[:, :, 0, 1]
        return (along * np.exp(log)).T

    @property
    def spread(self) -> np.ndarray:
        """ln |δw(t)|/|δw(t_w)| of a random change at each waiting time, shape (W, S)."""
        return self.probes[:, :, 0, 1].T

    @property
    def growth(self) -> np.ndarray:
        """ln m(t)/m(t_w) of an infinitesimal overlap put in at each waiting time, shape (W, S).

        NaN before t_w, where m has another sign than at t_w, and with a teacher.
        """
        along, log = self._signal
        return np.log(np.where(along > 0, along, np.nan)) + log

    @property
    def growth_rate(self) -> np.ndarray:
        """d ln m/dt, shape (W, S), by differences between the saved times."""
        return np.gradient(self.growth, self.t, axis=1)

    @property
    def alignment(self) -> np.ndarray:
        """Share m/|δw| of the signal in the change that it made, shape (W, S), signed.

        At late times δw lies along the Hessian's lowest eigenvectors: below the BBP transition
        this vanishes, above it tends to the outlier's overlap (Eq. 5).
        """
        return self._signal[0]

    @property
    def _signal(self) -> tuple[np.ndarray, np.ndarray]:
        if "signal" not in self.dynamics.kinds:
            none = np.full((len(self.dynamics.waiting), len(self.t)), np.nan)
            return none, none
        return self.probes[:, :, 1, 0].T, self.probes[:, :, 1, 1].T

    def law(self, k: int) -> LabelLaw:
        """Return P(ŷ, y) at state k."""
        return LabelLaw.from_run(self.student[k], self.state.y)

    def spectrum(self, k: int) -> tuple[float, float | None, bool]:
        """Return bulk edge and outlier at state k, before μ, and whether one atom made the edge.

        Eqs. 5 and 6 on the label law: right for the dynamics without overlap (m = 0). Where ∂²ℓ
        is unbounded below there is no edge as N → ∞, and that of P paths is one path's.
        """
        law = self.law(k)
        edge = bulk_edge(law, self.dynamics.loss, self.dynamics.alpha)
        found = bulk.outlier(curvatures(law, self.dynamics.loss, self.dynamics.alpha))
        return edge.value, found.value, edge.edge_from_one_atom

    def packed(self) -> dict[str, np.ndarray]:
        """Return everything that going on needs, as arrays."""
        lengths = np.array([len(row) for row in self.rows], int)
        return {
            "averages": self.averages,
            "student": self.student[: self.done],
            "probes": self.probes,
            "rows": np.concatenate([*self.rows, np.zeros(0)]),
            "lengths": lengths,
            **self.state.packed(),
        }

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Go back to what `packed` returned; of a solution at its beginning."""
        self.done = len(arrays["lengths"])
        self.averages, self.probes = arrays["averages"], arrays["probes"]
        self.student[: self.done] = arrays["student"]
        ends = np.cumsum(arrays["lengths"])[:-1]
        self.rows = list(np.split(arrays["rows"], ends)) if self.done else []
        self.state.restore(arrays)
