"""The explorer: sliders for α (threshold states) and for time (one run's spectrum)."""

from gapless.explore.grid import ALPHAS, theory_grid
from gapless.explore.replay import replay
from gapless.explore.site import explorer_page, server

__all__ = ["ALPHAS", "explorer_page", "replay", "server", "theory_grid"]
