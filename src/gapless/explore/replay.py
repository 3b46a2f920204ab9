"""The run that Figure 2 follows, from its records, for the time slider."""

from os.path import lexists
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gapless.files import reason, shown, tell
from gapless.page.panels import plain

if TYPE_CHECKING:
    import pandas as pd

# Figure 2 loads tables, of which the processes that compute the page need none
FIGURE = "fig2"

LISTS = {
    "t": "t",
    "lambda_1": "eigenvalue_1_t",
    "lambda_2": "eigenvalue_2_t",
    "overlap_1": "vector_overlap_1_t",
    "edge": "hessian_edge_t",
    "negative": "negative_t",
}
"""Keys of the page, and the records' columns."""


def stored_run(folder: Path) -> "pd.DataFrame | None":
    """Return Figure 2's records if one of their runs was followed; None if a folder has none.

    Raises ``ValueError`` if they cannot be read.
    """
    from gapless.figures.fig2 import followed_run
    from gapless.store import Store

    store = Store(Path(folder) / FIGURE)
    if not lexists(store.spec_file):
        return None
    table = store.read().to_pandas()
    return table if "followed" in table and followed_run(table) is not None else None


def replay(folder: Path) -> dict[str, Any] | None:
    """Return the run that Figure 2 follows, by the keys of `runs_at`; None without one.

    Keys beside those: ``time`` and ``threshold_energy`` of its crossing, and ``heat``, the density
    of eigenvalues over time (`gapless.page.panels.Heat`).

    Parameters
    ----------
    folder
        Folder of ``reproduce fig2 --out``. A fault of its records is reported in one line.
    """
    try:
        table = stored_run(folder)
        return None if table is None else frames(table)
    except Exception as error:  # somebody's records: what they make a reader raise
        place = shown(folder / FIGURE)
        tell(f"{place} cannot be replayed ({reason(error)}); its run is not on the page")
        return None


def frames(table: "pd.DataFrame") -> dict[str, Any] | None:
    """Return the frames of the run that Figure 2's records follow, None without one."""
    from gapless.figures.fig2 import along_the_run, followed_run

    run = followed_run(table)
    if run is None:
        return None
    density = np.array(run.density_t, float).reshape(len(run.t), -1)
    return {
        "n": int(run.n),
        "alpha": float(run.alpha),
        "loss": str(run.loss),
        "labels": "teacher",
        "seed": int(run.seed),
        "outcome": [str(run.outcome)],
        "energy": [plain(run.energy_t)],
        "overlap": [plain(run.overlap_t)],
        "time": float(run.time),
        "threshold_energy": float(run.threshold_energy),
        **{name: plain(run[column]) for name, column in LISTS.items()},
        "bins": plain(run.bin_edges),
        "density": [plain(row, 4) for row in density],
        "heat": along_the_run(run)[0].record()["heat"],
    }
