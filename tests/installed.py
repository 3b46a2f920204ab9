"""Use of an installed wheel from another folder: `make release` runs this in a fresh environment.

The script is typed as a user's, so that a type checker that reads it needs the package's types.
"""

import subprocess
import sys
from contextlib import chdir
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

import gapless as gl


def followed(n: int, alpha: float) -> tuple[float, int]:
    """Return the mean energy at the start, and the number of runs that recover."""
    design = gl.Design(n=n, alpha=alpha, seed=0, runs=4)
    run = gl.integrate(gl.draw_problem(design), design.start(), t_max=2.0)
    return float(run.start.energy.mean()), sum(
        str(outcome) == "recovered" for outcome in run.outcome
    )


def gapless(*words: str) -> str:
    """Run a command of the command line; return what it prints."""
    command = [sys.executable, "-m", "gapless", *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def main() -> None:
    """Follow runs, solve theory, and run each kind of verb, in the current folder."""
    place = files("gapless")
    assert "site-packages" in str(place), f"{place} is a checkout"
    assert (place / "py.typed").is_file()
    start, recovered = followed(64, 16.0)
    assert abs(start / 32 - 1) < 0.5, start
    assert recovered > 0
    energy: float = gl.threshold_state(gl.quartic, alpha=10).energy
    assert abs(energy - 6.967) < 1e-3, energy
    gapless("theory", "threshold")
    gapless("flow", "--n", "64", "--alpha", "10", "--runs", "2", "--plot", "flow.png")
    gapless("success", "--n", "16", "--alpha", "8", "--runs", "64", "--out", "sweep/success")
    gapless("report", "sweep")
    gapless("explore", "--alpha", "8,12", "--export", "explorer")
    for made in ("flow.png", "sweep/report.html", "explorer/index.html"):
        assert Path(made).stat().st_size > 10_000, made


if __name__ == "__main__":
    with TemporaryDirectory() as folder, chdir(folder):
        main()
    sys.stdout.write("the wheel works from another folder\n")
