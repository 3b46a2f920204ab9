"""One run's spectrum along the flow, from the records of Figure 2 or measured here."""

from os.path import lexists
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gapless.figures import load
from gapless.figures.fig2 import along_the_run, followed_run
from gapless.files import reason, shown, tell
from gapless.measure.followed import SpectralPoint
from gapless.page.panels import plain
from gapless.store import Store

SMALL = SpectralPoint(n=256, alpha=10.0, seed=0, runs=8, frames=41)
"""Point that is measured if no Figure 2 is stored."""
LISTS = {
    "t": "t",
    "energy": "energy_t",
    "overlap": "overlap_t",
    "lambda_1": "eigenvalue_1_t",
    "lambda_2": "eigenvalue_2_t",
    "overlap_1": "vector_overlap_1_t",
    "share_1": "top_sample_share_1_t",
    "edge": "hessian_edge_t",
    "outlier": "hessian_outlier_t",
    "negative": "negative_t",
}


def stored_run(folder: Path) -> pd.DataFrame | None:
    """Return Figure 2's records if one of their runs was followed; None if a folder has none.

    Raises ``ValueError`` if they cannot be read.
    """
    store = Store(Path(folder) / load("fig2").name)
    if not lexists(store.spec_file):
        return None
    table = store.read().to_pandas()
    return table if "followed" in table and followed_run(table) is not None else None


def replay(folder: Path | None = None, point: SpectralPoint = SMALL) -> dict[str, Any]:
    """Return frames of one run, ready for JSON.

    Keys: n, alpha, loss, runs, ``stored``, crossing ``time``, ``threshold_energy``; `LISTS` over
    frames; ``bins`` (edges of the histogram's bins, Eq. 4 after −μ) and ``density`` for each frame;
    ``panels`` with the same against time.

    Parameters
    ----------
    folder
        Folder of ``reproduce fig2 --out``. Without a followed run in it, `point` is measured.

    Raises ``ValueError`` if no run of `point` crosses the energy of its twin.
    """
    if folder is not None:
        try:
            if (table := stored_run(folder)) is not None:
                return frames(table, stored=True)
        except Exception as error:  # somebody's records: what they make a reader raise
            place = shown(folder / load("fig2").name)
            tell(f"{place} cannot be replayed ({reason(error)}); a small run is measured instead")
    return frames(point.measure().to_pandas(), stored=False)


def frames(table: pd.DataFrame, *, stored: bool) -> dict[str, Any]:
    """Return the frames of the followed run for the page; `stored` if they are from a folder."""
    run = followed_run(table)
    if run is None:
        raise ValueError("dir: no run crossed the energy of its twin; give a folder with fig2")
    frames = len(run.t)
    density = np.array(run.density_t, float).reshape(frames, -1)
    return {
        "n": int(run.n),
        "alpha": float(run.alpha),
        "loss": str(run.loss),
        "runs": len(table),
        "stored": stored,
        "time": float(run.time),
        "threshold_energy": float(run.threshold_energy),
        **{name: plain(run[column]) for name, column in LISTS.items()},
        "bins": plain(run.bin_edges),
        "density": [plain(row, 4) for row in density],
        "panels": [panel.record() for panel in along_the_run(run)],
    }
