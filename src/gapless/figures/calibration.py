"""Readings of α_BBP tried on the spiked matrix–tensor model, whose transition is known.

The estimators of the figure `late` are applied to a model with an exact transition and an exact
growth rate, at the same times. Their error there, at equal x = ±√(ΛT), is taken as their systematic
error for phase retrieval (docs/derivations/spiked.md).
"""

from dataclasses import dataclass
from functools import cache
from math import nan
from typing import Any

import numpy as np
import pandas as pd

from gapless.analyse.calibration import Calibration, edge_rate, matched
from gapless.analyse.late_times import (
    alignment_exponent,
    at_time,
    corner_of_curve,
    energy_limit,
    zero_of_line,
)
from gapless.figures.experiment import Experiment, Scale
from gapless.figures.late import STRAIGHT_FROM, WINDOWS
from gapless.losses import quartic
from gapless.measure.spiked import SpikedPoint
from gapless.page.panels import GREY, Axis, Mark, Panel, Picture, Series
from gapless.theory.minima import minima
from gapless.theory.spiked import SpikedModel, at_rate


@dataclass(frozen=True)
class Models:
    """Models of one p and Δ_p at several Δ₂, followed to one time.

    Parameters
    ----------
    x
        (Q″(0) − √Q″(1))/√Q″(0)·√t_max of each.
    """

    p: int
    delta_p: float
    t_max: float
    step: float
    waiting: float
    x: tuple[float, ...]


_X = tuple(float(x) for x in np.arange(-4.0, 5.6, 0.5))
SIZES: dict[Scale, tuple[Models, ...]] = {
    "smoke": (Models(3, 1.0, 16.0, 0.05, 2.0, _X[::2]),),
    "desk": (
        Models(3, 1.0, 16.0, 0.02, 2.0, _X),
        Models(3, 1.0, 30.0, 0.025, 2.0, _X),
        Models(3, 1.0, 60.0, 0.04, 7.5, _X),
        Models(3, 4.0, 16.0, 0.02, 2.0, _X),
        Models(4, 1.0, 16.0, 0.02, 2.0, _X),
    ),
    "paper": (
        Models(3, 1.0, 16.0, 0.01, 2.0, _X),
        Models(3, 1.0, 146.0, 0.04, 18.0, _X),
        Models(3, 4.0, 60.0, 0.02, 7.5, _X),
        Models(4, 1.0, 60.0, 0.02, 7.5, _X),
    ),
}
"""t_max 16 from t_w = 2, and 30, are the times of the figure `late`. In units of τ, after which
the response of a marginal state has begun its power law, phase retrieval's 16 is 685 and
the model's is 74: 146 is the same in these units."""
PURE_P_SPIN = {"smoke": 16.0, "desk": 60.0, "paper": 146.0}
"""Last time of the model without a matrix, whose threshold energy is known."""
STEP = {"smoke": 0.05, "desk": 0.04, "paper": 0.04}

DESCENT = {10.0: 7.412, 12.0: 9.740, 14.0: 12.229}
"""e∞ of phase-retrieval runs, docs/results/fig4_large_limits.csv."""
SLOPE_ERROR = 0.043
"""Relative error of `rate_slope` that the errors of these energies make."""
T_LATE = 16.0
"""Last time of the probes of phase retrieval in the figure `late`."""
EXPONENTS = (
    {
        **{10.0: (-0.97, 0.33), 11.0: (-0.78, 0.18), 12.0: (-0.65, 0.11), 13.0: (-0.27, 0.08)},
        **{14.0: (-0.20, 0.045), 15.0: (-0.11, 0.044), 16.0: (-0.10, 0.023)},
    },
    {
        **{10.0: (-0.65, 0.40), 11.0: (-0.66, 0.20), 12.0: (-0.45, 0.35), 13.0: (-0.36, 0.11)},
        **{14.0: (-0.27, 0.11), 15.0: (-0.05, 0.033), 16.0: (-0.08, 0.023)},
    },
)
"""Exponents of the share m/|δw| of phase retrieval over the windows of `late`, with errors: 71 sets
of 32768 paths (docs/derivations/dmft.md §8)."""
GAINS = {
    **{10.0: (0.8, 0.85), 11.0: (0.4, 1.2), 12.0: (0.9, 1.0)},
    **{13.0: (2.1, 0.9), 14.0: (4.2, 1.1), 15.0: (6.7, 1.1), 16.0: (9.3, 1.1)},
}
"""Gain of ln m over ln |δw| of a random perturbation from t = 8 to 16, of the same sets."""
READ = {"exponent_1": (14.28, 0.72), "gain": (12.14, 0.38)}
"""α and error that were read off them by a corner, and by a straight line from α = 13 on."""
TRIED = tuple(float(alpha) for alpha in np.arange(10.5, 13.6, 0.5))
"""α_BBP at which the readings' bias is given."""


def points(scale: Scale, seed: int) -> list[SpikedPoint]:
    """Return the models; nothing is drawn, so that the seed changes nothing."""
    del seed
    found = []
    for models in SIZES[scale]:
        for x in models.x:
            model = at_rate(models.p, models.delta_p, x / models.t_max**0.5)
            found.append(
                SpikedPoint(
                    p=models.p,
                    delta_p=models.delta_p,
                    delta_2=model.delta_2,
                    t_max=models.t_max,
                    step=models.step,
                    waiting=models.waiting,
                )
            )
    end = PURE_P_SPIN[scale]
    tensor = dict(p=3, delta_p=1.0, delta_2=None, t_max=end, step=STEP[scale], waiting=end / 8)
    return [*found, SpikedPoint.model_validate(tensor)]


@cache
def rate_slope() -> tuple[float, float]:
    """Return α_BBP of phase retrieval's minima at descent's energies, and d√Λ/dα there.

    Kac–Rice minima at the energies `DESCENT`: a parabola through φ − μ has its zero at α_BBP, and
    its slope times `edge_rate` is d√Λ/dα.
    """
    found = {alpha: minima(quartic, alpha, energy=energy) for alpha, energy in DESCENT.items()}
    alphas = np.array(list(found))
    border = np.array([one.flags["border"] for one in found.values()])
    rates = [edge_rate(one.law, quartic, alpha, one.gamma) for alpha, one in found.items()]
    parabola = np.polynomial.Polynomial.fit(alphas, border, 2)
    inside = [
        root.real
        for root in parabola.roots()
        if abs(root.imag) < 1e-9 and alphas[0] < root.real < alphas[-1]
    ]
    (place,) = inside
    rate = float(np.interp(place, alphas, rates))
    return float(place), rate * abs(float(parabola.deriv()(place)))


@dataclass(frozen=True)
class Calibrated:
    """Readings of each kind of model against x, their bias, and phase retrieval's put on them.

    Parameters
    ----------
    curves
        Of each model: see `model_table`.
    calibrations
        (name of the models, reading) → its curve.
    bias
        What the readings of `late` would say, less α_BBP: see `bias_table`.
    corrected
        See `corrected_table`.
    energies
        See `threshold_table`.
    """

    curves: pd.DataFrame
    calibrations: dict[tuple[str, str], Calibration]
    bias: pd.DataFrame
    corrected: pd.DataFrame
    energies: pd.DataFrame


READINGS = ("exponent_1", "exponent_2", "gain")


def reduce(table: pd.DataFrame) -> Calibrated:
    """Return the curves of all models, the readings' bias, and phase retrieval's corrected."""
    good = table[table.outcome == "followed"]
    spiked = good[good.delta_2.notna()]
    curves = model_table(spiked)
    calibrations = {
        (str(name), reading): Calibration(here.x.to_numpy(), here[reading].to_numpy())
        for name, here in (curves.groupby("models") if len(curves) else ())
        for reading in READINGS
    }
    return Calibrated(
        curves,
        calibrations,
        bias_table(calibrations),
        corrected_table(calibrations),
        threshold_table(good[good.delta_2.isna()]),
    )


def model_table(records: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each model, by models and x.

    Columns: Δ₂, x, exact Λ and share; μ − 2√Q″(1) at the end; exponents of the share over the
    windows of `late`; what ln m and ln |δw| of a random perturbation gain in the second half, and
    their difference `gain`; rate: d ln m/dt at the end; the share at the end.
    """
    rows = []
    for one in records.to_dict("records"):
        model, last = SpikedModel(one["p"], one["delta_p"], one["delta_2"]), one["t_max"]
        t = np.array(one["t"], float)
        growth, random, share = (
            np.array(one[f"{name}_t"], float)
            for name in ("growth", "perturbation_growth", "alignment")
        )
        mine, other = (at_time(t, c, last) - at_time(t, c, last / 2) for c in (growth, random))
        root = model.distance / model.spike**0.5
        row = {
            "models": f"p = {model.p}, Δ_p = {model.delta_p:g}, t = {last:g}",
            "delta_2": model.delta_2,
            "x": root * last**0.5,
            "growth_rate": model.growth_rate,
            "rate": (growth[-1] - growth[-2]) / (t[-1] - t[-2]),
            "outlier_overlap": model.outlier_overlap,
            "share": share[-1],
            "mu_gap": one["mu_t"][-1] - model.threshold_multiplier,
            "ln_m": mine,
            "ln_random": other,
            "gain": mine - other,
        }
        for index, window in enumerate(WINDOWS, start=1):
            times = (window[0] * last, window[1] * last)
            row[f"exponent_{index}"] = alignment_exponent(t, share, times)
        rows.append(row)
    return pd.DataFrame(rows).sort_values(["models", "x"]) if rows else pd.DataFrame()


def _by_line(alphas: np.ndarray, gains: np.ndarray) -> float:
    above = alphas >= STRAIGHT_FROM
    return zero_of_line(alphas[above], gains[above])


def _expected(reading: str, curve: Calibration, alpha_c: float, scale: float) -> float:
    """Return α by a reading of `late` over its α, were the transition at α_c."""
    read = _by_line if reading == "gain" else corner_of_curve
    return curve.expected(read, np.array(sorted(GAINS)), alpha_c, scale)


def bias_table(calibrations: dict[tuple[str, str], Calibration]) -> pd.DataFrame:
    """Return the bias of each reading of `late` for several α_BBP: α as read, less α_BBP.

    Rows: models and reading; columns: α_BBP. `null`: α − α_BBP where the gain itself is zero.
    """
    rows, scale = [], rate_slope()[1] * T_LATE**0.5 if calibrations else nan
    for (models, reading), curve in calibrations.items():
        row: dict[str, Any] = {"models": models, "reading": reading}
        row["null"] = curve.zero() / scale if reading == "gain" else nan
        for alpha_c in TRIED:
            row[f"{alpha_c:g}"] = _expected(reading, curve, alpha_c, scale) - alpha_c
        rows.append(row)
    return pd.DataFrame(rows)


def corrected_table(calibrations: dict[tuple[str, str], Calibration]) -> pd.DataFrame:
    """Return α_BBP of phase retrieval by each reading, with the bias found here taken off.

    `read`, `read_error`: the reading as it stands; `alpha`, `alpha_error`: the α_BBP at which it
    would say that. `matched`, `error`, χ²: the α_BBP that puts the numbers of all α on the curve;
    `scale_error`: how far the error of `rate_slope` moves it.
    """
    rows, scale = [], rate_slope()[1] * T_LATE**0.5 if calibrations else nan
    for (models, reading), curve in calibrations.items():
        measured = GAINS if reading == "gain" else EXPONENTS[int(reading[-1]) - 1]
        fit = matched(curve, measured, scale)
        ends = [matched(curve, measured, scale * (1 + s * SLOPE_ERROR)).alpha for s in (-1, 1)]
        value, error = READ.get(reading, (nan, nan))
        grid = np.arange(9.9, 14.5, 0.05)
        said = np.array([_expected(reading, curve, alpha_c, scale) for alpha_c in grid])
        alpha, *ends_of = (_crossed(grid, said, value + s * error) for s in (0, -1, 1))
        # one end may lie beyond what is known
        sides = [abs(end - alpha) for end in ends_of if np.isfinite(end)]
        rows.append(
            {
                **{"models": models, "reading": reading, "read": value, "read_error": error},
                **{"alpha": alpha, "alpha_error": float(np.mean(sides)) if sides else nan},
                **{"matched": fit.alpha, "error": fit.error, "chi2": fit.chi2, "dof": fit.dof},
                "scale_error": abs(ends[1] - ends[0]) / 2,
            }
        )
    return pd.DataFrame(rows)


def _crossed(x: np.ndarray, y: np.ndarray, level: float) -> float:
    """Return the mean of all x at which a sampled curve takes a value; NaN if it never does."""
    above = y - level
    at = np.flatnonzero(above[:-1] * above[1:] <= 0)
    between = above[at] / (above[at] - above[at + 1])
    return float((x[at] + between * (x[at + 1] - x[at])).mean()) if len(at) else nan


def threshold_table(records: pd.DataFrame) -> pd.DataFrame:
    """Return e∞ by the power law of `late` beside the exact threshold energy of the pure tensor.

    Its threshold states have μ = −p e, so e = −2√Q″(1)/p. `in_drops`: the error of e∞ in units of
    e(t/2) − e(t), which can be taken over to another model.
    """
    rows = []
    for one in records.to_dict("records"):
        model, last = SpikedModel(one["p"], one["delta_p"]), one["t_max"]
        tensor = SpikedModel(model.p, model.delta_p, np.inf)
        exact = -tensor.threshold_multiplier / model.p
        t, energy = np.array(one["t"], float), np.array(one["energy_t"], float)
        end, half = at_time(t, energy, last), at_time(t, energy, last / 2)
        limit, _, window = energy_limit(t, [energy])
        rows.append(
            {
                "p": model.p,
                "t": last,
                "threshold": exact,
                "energy": end,
                "limit": limit,
                "limit_error_window": window,
                "in_drops": (limit - exact) / (half - end),
                "left_in_drops": (end - exact) / (half - end),
            }
        )
    return pd.DataFrame(rows)


def picture(found: Calibrated) -> Picture:
    """Return share, exponent and gain against x, with phase retrieval's numbers put on them."""
    shares, exponents, gains = [], [], []
    axis = Axis("x = ±√(ΛT)")
    grouped = found.curves.groupby("models") if len(found.curves) else ()
    for colour, (models, here) in enumerate(grouped):
        given: dict[str, Any] = dict(style="lines", colour=colour, legend=str(models))
        shares.append(Series(str(models), here.x, here.share, **given))
        exact = f"{models}: the outlier's overlap"
        shares.append(
            Series(exact, here.x, here.outlier_overlap, **{**given, "dash": "dot", "legend": ""})
        )
        exponents.append(Series(str(models), here.x, here.exponent_2, **given))
        gains.append(Series(str(models), here.x, here.gain, **given))
    if len(found.curves):
        place, slope = rate_slope()
        for numbers, panel in ((EXPONENTS[1], exponents), (GAINS, gains)):
            alphas = np.array(sorted(numbers))
            value, error = np.array([numbers[alpha] for alpha in alphas]).T
            x = slope * T_LATE**0.5 * (alphas - place)
            name = f"phase retrieval, were α_BBP = {place:.1f}"
            panel.append(
                Series(
                    *(name, x, value, value - error, value + error, "± one standard error"),
                    style="markers",
                    colour=GREY,
                )
            )
    at = (Mark("x", 0.0, "BBP", dash="dot"),)
    zero = (*at, Mark("y", 0, dash="solid"))
    return Picture(
        "Spiked matrix–tensor model, N = ∞: readings of a transition that is known",
        (
            (
                Panel(
                    *("Share m/|δw| at the end; dotted: exact", axis, Axis("share"), shares, at),
                    legend="above",
                ),
                Panel(
                    *("Its exponent, t = T/4 … T", axis, Axis("exponent"), exponents, zero),
                    legend="above",
                ),
                Panel("Gain over a random perturbation, T/2 … T", axis, Axis("gain"), gains, zero),
            ),
        ),
        "exact equations: no loss, N = ∞, no seed",
    )


def tables(found: Calibrated) -> list[tuple[str, pd.DataFrame]]:
    """Return models, bias and corrected readings."""
    return [
        ("Models with a known transition", found.curves),
        ("What a reading would say, less α_BBP", found.bias),
        ("Phase retrieval with this bias taken off", found.corrected),
        ("Energy at the end and e∞ of a pure tensor", found.energies),
    ]


EXPERIMENT = Experiment(
    name="calibration",
    title="Readings of α_BBP on a model whose transition is known",
    version=1,
    points=points,
    reduce=reduce,
    picture=picture,
    tables=tables,
    caption=(
        "Three readings of α_BBP, tried on the spiked matrix–tensor model ({sizes}), whose "
        "transition is known to lie at x = 0 (x = ±√(ΛT), Λ the growth rate of the outlier, T "
        "the last time): the share of a small perturbation that still points to the signal, the "
        "exponent of the decay of this share, and the gain over a random perturbation. The "
        "distance of the full line from the dotted exact one is the error of such a reading; grey "
        "points are phase retrieval."
    ),
)
