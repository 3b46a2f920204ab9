"""Minima by energy and overlap, by the formula of Kac and Rice (docs/derivations/landscape.md)."""

from gapless.theory.minima.states import Minima, minima
from gapless.theory.minima.threshold import MinimaThreshold, minima_threshold

__all__ = ["Minima", "MinimaThreshold", "minima", "minima_threshold"]
