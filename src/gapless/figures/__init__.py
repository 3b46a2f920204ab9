"""The figures, one file each; loaded when used."""

from gapless.analyse.verdict import Claim
from gapless.figures.experiment import Experiment, Scale
from gapless.figures.load import NAMES, load

__all__ = ["NAMES", "Claim", "Experiment", "Scale", "load"]
