"""The explorer: sliders for α (threshold states) and for time (runs and their spectra)."""

from gapless.explore.grid import ALPHAS, PARTS_BESIDE, theory_grid
from gapless.explore.replay import replay
from gapless.explore.runs import SIZES, dozen, runs_along_alpha
from gapless.explore.site import explorer_page, server
from gapless.explore.workers import Workers

__all__ = [
    "ALPHAS",
    "PARTS_BESIDE",
    "SIZES",
    "Workers",
    "dozen",
    "explorer_page",
    "replay",
    "runs_along_alpha",
    "server",
    "theory_grid",
]
