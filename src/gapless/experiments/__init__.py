"""The experiments, one file a figure; loaded when used."""

from gapless.experiments._experiment import Cost, Experiment, Point, Row, Scale
from gapless.experiments._load import NAMES, load
from gapless.experiments.verdict import Claim

__all__ = ["NAMES", "Claim", "Cost", "Experiment", "Point", "Row", "Scale", "load"]
