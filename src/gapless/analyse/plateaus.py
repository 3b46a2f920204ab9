"""Plateau energies of runs with shuffled labels, compared with 1RSB at M/N, and their limit in N.

At finite N every run comes to rest, so no extrapolation in time is made; dynamical mean-field
theory has the limit N → ∞ before t → ∞. For every α with two sizes or more

    e(N) = e∞ + b N^(−k)

is fitted by weighted least squares with k = 1 and with k = 2/3. (The exponent of the corrections is
not known; these are that of a mean and that of a spectral edge.) e∞ is the mean of the two limits;
its error combines the larger of their standard errors and half of their difference in quadrature.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from gapless.analyse.statistics import ClusteredMean, clustered_mean, designs_of, weighted_line
from gapless.flow import Outcome
from gapless.losses import Loss, recorded_loss
from gapless.measure.simulation import MOMENTS
from gapless.theory import NotConverged, ground_state, threshold_state

if TYPE_CHECKING:
    import pandas as pd

EXPONENTS = (1.0, 2 / 3)
"""Powers k of 1/N."""
"""Outcome of a run with M < N whose energy fell to zero: its threshold energy is zero."""


@dataclass(frozen=True)
class Prediction:
    """1RSB prediction at one α.

    Parameters
    ----------
    energy, ground_energy
        e = L/N of the marginal state (Eqs. 12, 13) and of the ground state (Σ = 0).
    moments
        E|ŷ|^k, k = 1 … 4, at the marginal state.
    """

    energy: float
    ground_energy: float
    moments: tuple[float, ...]

    def value(self, column: str) -> float:
        """Return the predicted value of a column of the records."""
        return self.energy if column == "energy" else self.moments[MOMENTS.index(column)]


UNKNOWN = Prediction(np.nan, np.nan, (np.nan,) * len(MOMENTS))


def prediction(loss: str, alpha: float) -> Prediction:
    """Return the 1RSB marginal state's energy and moments at α = M/N, and the ground state's e₀.

    It is `UNKNOWN` without such a state, and for a loss of a user's module: its name is read from a
    record, and a record must not select the code that is run (see `recorded_loss`).
    """
    known = recorded_loss(loss)
    try:
        return UNKNOWN if known is None else marginal_prediction(known, alpha)
    # no state at this α, or none that is found: the runs stand alone in the picture
    except (ValueError, NotConverged):
        return UNKNOWN


@lru_cache(maxsize=1024)
def marginal_prediction(loss: Loss, alpha: float) -> Prediction:
    """Return the `Prediction` for a given loss: energies and moments of the marginal state."""
    # kept, since several figures ask for the same α
    state, ground = threshold_state(loss, alpha), ground_state(loss, alpha)
    return Prediction(state.energy, ground.energy, tuple(state.moments.values()))


@dataclass(frozen=True)
class Plateau:
    """Runs at one (N, α), compared with 1RSB.

    Parameters
    ----------
    n, m, loss
        N, M and the name of the loss; theory is evaluated at M/N.
    t_max
        Latest time of a run.
    at_rest
        Share of the runs with |∇L − μW|²/N < 1e-10 s² by `t_max` (outcome ``trapped``).
    interpolated
        Share of the runs whose energy fell to zero (M < N).
    drift
        Mean relative decrease of the energy between `t_max`/2 and `t_max`, over the runs whose
        energy is not zero.
    measured
        Mean, spread and clustered error of ``energy`` and of each of `MOMENTS`.
    theory
        1RSB at M/N; NaN where it is `UNKNOWN`.
    """

    n: int
    m: int
    loss: str
    t_max: float
    at_rest: float
    interpolated: float
    drift: float
    measured: dict[str, ClusteredMean]
    theory: Prediction

    @property
    def alpha(self) -> float:
        """M/N."""
        return self.m / self.n

    def excess(self, column: str) -> float:
        """Return (runs − 1RSB)/1RSB."""
        return self.measured[column].mean / self.theory.value(column) - 1

    def half_width(self, column: str) -> float:
        """Return half the width of the 95 % interval of `excess`; infinite with a single design."""
        return self.measured[column].half_width() / self.theory.value(column)

    def sentence(self, column: str) -> str:
        """Return "α = 10: +8.5 ± 0.4 %"."""
        half = 100 * self.half_width(column)
        excess = round(100 * self.excess(column), 1) + 0.0  # no −0.0
        error = f" ± {half:.1f}" if np.isfinite(half) else ""
        return f"α = {self.alpha:g}: {excess:+.1f}{error} %"


def plateaus(table: "pd.DataFrame") -> list[Plateau]:
    """Return the plateaus of all (N, M), in order; failed runs are left out."""
    # failed and infinite runs have no plateau; runs that are still moving have one, within `drift`
    good = table[~table.outcome.isin([Outcome.failed, Outcome.not_finite])]
    found = []
    # by M, not α: theory is taken at M/N, which differs from α where αN is no whole number
    for _, here in good.groupby(["n", "m"]):
        n, m = int(here.n.iloc[0]), int(here.m.iloc[0])
        # By position: energies at T/2 and T, held for a run that came to rest earlier.
        late = np.array([energies[-2:] for energies in here.energy_t], float)
        # a drift relative to an energy of zero would be anything
        positive = (here.outcome != Outcome.interpolated).to_numpy()
        design = designs_of(here)
        found.append(
            Plateau(
                n=n,
                m=m,
                loss=str(here.loss.iloc[0]),
                t_max=float(here.t_max.iloc[0]),
                at_rest=float((here.outcome == Outcome.trapped).mean()),
                interpolated=float((~positive).mean()),
                drift=float((late[positive, 0] / late[positive, 1] - 1).mean())
                if positive.any()
                else 0.0,
                measured={
                    column: clustered_mean(here[column].to_numpy(float), design)
                    for column in ("energy", *MOMENTS)
                },
                theory=prediction(str(here.loss.iloc[0]), m / n),
            )
        )
    return found


def plateau_limits(found: Sequence[Plateau]) -> "pd.DataFrame":
    """Return the `energy_limits` of plateaus."""
    import pandas as pd  # a picture of runs asks for a prediction alone

    energies = [(p, p.measured["energy"]) for p in found]
    columns = ("n", "alpha", "energy", "error", "energy_1rsb")
    rows = [(p.n, p.alpha, e.mean, e.standard_error, p.theory.energy) for p, e in energies]
    return energy_limits(pd.DataFrame(rows, columns=pd.Index(columns)))


def energy_limits(energies: "pd.DataFrame") -> "pd.DataFrame":
    """Return a table of e∞ with its error and the 1RSB energy, for α with two sizes or more.

    e(N) = e∞ + b N^(−k) is fitted for each k of `EXPONENTS`, 1 and 2/3, with weights 1/error².
    Energies are e = L/N.

    Parameters
    ----------
    energies
        Columns ``n``, ``alpha``; ``energy`` and ``error``, mean and standard error of runs;
        ``energy_1rsb``, that of the marginal 1RSB state.

    Returns
    -------
    Columns: α, number of sizes, largest size and the energy there with its standard error, e∞ for
    each exponent, their mean with its error, the 1RSB energy, and the relative excess of e∞ over it
    with its error, in percent.
    """
    import pandas as pd  # a picture of runs asks for a prediction alone

    rows = []
    for alpha, here in energies.groupby("alpha"):
        here = here.sort_values("n")
        n, mean, error = (here[name].to_numpy(float) for name in ("n", "energy", "error"))
        # of designs; without it a size has no weight
        if len(here) < 2 or not np.isfinite(error).all():
            continue
        # both laws: which correction is right is not known, and their difference enters the error
        fits = [weighted_line(n**-k, mean, error) for k in EXPONENTS]
        limits = [fit.parameters[0] for fit in fits]
        # theory at the largest size, whose M/N is nearest to α
        limit, theory = float(np.mean(limits)), float(here.energy_1rsb.iloc[-1])
        # half of the difference: the mean of two limits is off by no more if one of them is right
        both = float(np.hypot(max(f.errors[0] for f in fits), abs(limits[0] - limits[1]) / 2))
        rows.append(
            {
                "alpha": alpha,
                "sizes": len(here),
                "largest_n": int(n[-1]),
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
