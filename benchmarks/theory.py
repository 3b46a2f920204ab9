"""Theory against nested adaptive quadrature of the same equations, in one run.

    python benchmarks/theory.py            a few minutes
    python benchmarks/theory.py --quick    one evaluation of the equations instead of whole solves

Both routes solve Eqs. 12 and 13 at α = 10 and the edge reading of α_BBP from the same guesses. The
nested route (tests/nested_reference.py) integrates the printed equations over field and label with
QUADPACK; its tolerances are the loosest at which it reaches 1e-8 or better, ours reaches 1e-10.
Seconds are CPU seconds: a busy machine does not move the ratios. "First call" is the first call of
a fresh process, imports apart: it follows the marginal curve too, once for each loss.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
from scipy.optimize import root

from gapless.losses import normalised, quartic
from gapless.quadrature import LEVELS
from gapless.theory import bbp, bbp_at_random_start, bbp_threshold, saddle, threshold_state
from gapless.theory.branch import marginal_curve

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from nested_reference import nested

T = TypeVar("T")
STATE_TOLERANCE, THRESHOLD_TOLERANCE = 1e-4, 1e-5
READINGS = ("edge", "multiplier", "unstable")


def timed(function: Callable[[], T]) -> tuple[T, float]:
    start = time.process_time()
    return function(), time.process_time() - start


def best(function: Callable[[], object], repeats: int = 5) -> float:
    return min(timed(function)[1] for _ in range(repeats))


def first_call(call: str, repeats: int = 5) -> float:
    """Return the CPU seconds of a first call in a fresh process, without the imports."""
    program = (
        "import time; from gapless.losses import quartic; "
        "from gapless.theory import bbp_threshold, threshold_state; "
        f"start = time.process_time(); {call}; print(time.process_time() - start)"
    )
    command = [sys.executable, "-c", program]
    return min(
        float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        for _ in range(repeats)
    )


def nested_state(alpha: float, guess: np.ndarray) -> np.ndarray:
    """Return (χ, z) at alpha by nested quadrature and Powell's hybrid method."""

    def equations(x: np.ndarray) -> np.ndarray:
        chi, z = map(float, np.exp(x))
        found = nested(chi, z, STATE_TOLERANCE, readings=False)
        return np.log([alpha * found.stationarity, alpha * found.marginality])

    return np.exp(root(equations, guess, tol=1e-9).x)


def nested_threshold(guess: np.ndarray) -> float:
    """Return α_BBP (edge) by nested quadrature: Eqs. 12, 13 and ψ(χ) = φ(χ) in χ and z."""

    def equations(x: np.ndarray) -> np.ndarray:
        chi, z = map(float, np.exp(x))
        found = nested(chi, z, THRESHOLD_TOLERANCE)
        gap = chi * (found.psi - found.phi) / found.marginality - 1
        return np.array([np.log(found.stationarity / found.marginality), gap])

    solution = root(equations, guess, tol=1e-9).x
    chi, z = map(float, np.exp(solution))
    last = nested(chi, z, THRESHOLD_TOLERANCE, readings=False)
    return 1 / last.marginality


def ratios(quick: bool) -> None:
    rows = []
    if quick:
        chi, z = 0.0732, 0.0986
        reference, slow = timed(lambda: nested(chi, z, STATE_TOLERANCE, readings=False))
        x = np.log([chi, z])

        def ours() -> tuple[float, float]:
            measure = saddle.measure_at(quartic, x, LEVELS[1])
            return saddle.stationarity(measure), saddle.marginality(measure)

        value, fast = timed(ours)
        difference = max(
            abs(value[0] / reference.stationarity - 1), abs(value[1] / reference.marginality - 1)
        )
        rows.append(("Eqs. 12, 13 once", fast, slow, difference))
    else:
        alpha = 10.0
        curve = marginal_curve(quartic)
        guess = curve.crossings(alpha)[0]
        single = best(
            lambda: saddle.solve_saddle(quartic, saddle.marginal_state(alpha), guess, LEVELS[1])
        )
        state = threshold_state(quartic, alpha)
        fast = best(lambda: threshold_state(quartic, alpha))
        reference, slow = timed(lambda: nested_state(alpha, guess))
        difference = max(abs(reference[0] / state.chi - 1), abs(reference[1] / state.z - 1))
        rows.append(("state, one rule", single, slow, difference))
        rows.append(("state, errors too", fast, slow, difference))
        fast = first_call("threshold_state(quartic, 10.0)")
        rows.append(("state, first call", fast, slow, difference))
        threshold = bbp_threshold(quartic)
        fast = best(lambda: bbp_threshold(quartic))
        reference, slow = timed(lambda: nested_threshold(curve.crossings(13.8)[0]))
        assert threshold.edge is not None
        difference = abs(reference / threshold.edge - 1)
        rows.append(("alpha_BBP", fast, slow, difference))
        fast = first_call("bbp_threshold(quartic)")
        rows.append(("alpha_BBP, first call", fast, slow, difference))
    print(f"{'':22}{'ours s':>10}{'nested s':>10}{'ratio':>8}{'difference':>12}")
    for name, fast, slow, difference in rows:
        print(f"{name:22}{fast:10.4f}{slow:10.2f}{slow / fast:8.0f}{difference:12.1e}")
    if not quick:
        print("one rule: Eqs. 12, 13 solved once, as the nested route does; errors too: refined")
        print("until two rules agree, with every value, law and flag; first call: of a fresh")
        print("process, the branch followed too; alpha_BBP: ours gives three readings with errors,")
        print("the nested route one without.")


def refinement() -> None:
    """Print every reading of α_BBP at each level of the quadrature."""
    curve = marginal_curve(quartic)
    guess = curve.crossings(13.9)[0]
    print(f"\n{'level':6}" + "".join(f"{name:>22}" for name in READINGS))
    for number, level in enumerate(LEVELS):
        found = []
        for name in READINGS:
            solution = saddle.solve_saddle(quartic, bbp.threshold_equations(name), guess, level)
            found.append(1 / saddle.marginality(saddle.measure_at(quartic, solution.x, level)))
        print(f"{number:<6}" + "".join(f"{value:22.14f}" for value in found))


def values() -> None:
    """Print the states and thresholds with their estimated errors, and the time of each."""
    print(f"\n{'alpha':6}{'s':>7}{'chi':>14}{'z':>14}{'e':>15}{'Sigma':>15}{'mu':>15}{'edge':>15}")
    total = 0.0
    for alpha in (2, 4, 6, 10, 14, 18, 24):
        state, seconds = timed(lambda alpha=alpha: threshold_state(quartic, alpha))
        total += seconds
        numbers = (state.chi, state.z, state.energy, state.complexity, state.mu, state.bulk_edge)
        print(f"{alpha:<6}{seconds:7.3f}" + "".join(f"{value:15.9f}" for value in numbers))
        names = ("chi", "z", "energy", "complexity", "mu", "bulk_edge")
        print(f"{'':13}" + "".join(f"{'± ' + format(state.error[n], '.0e'):>15}" for n in names))
    for loss in (quartic, normalised(1.0)):
        threshold, seconds = timed(lambda loss=loss: bbp_threshold(loss))
        total += seconds
        for name in READINGS:
            value, error = getattr(threshold, name), threshold.error[name]
            print(f"alpha_BBP {loss.name:16}{name:12}{value:.10f} ± {error:.0e}")
    for a in (1.0, 5.0):
        start = bbp_at_random_start(normalised(a))
        print(f"alpha_BBP at a random start, a={a:g}: {start.alpha:.10f} ± {start.error:.0e}")
    print(f"ours in all: {total:.2f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one evaluation, not whole solves")
    ratios(parser.parse_args().quick)
    refinement()
    values()


if __name__ == "__main__":
    main()
