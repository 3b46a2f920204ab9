"""The experiments, one file a figure; loaded when used."""

from importlib import import_module

from gapless.experiments._experiment import Cost, Experiment, Point, Row, Scale
from gapless.experiments.verdict import Claim

NAMES = ("fig1", "fig2", "fig3", "fig4", "fig5", "bbp", "rivals")
"""All figures: the paper's in its order, then our own."""


def load(name: str) -> Experiment:
    """Return the experiment of that name: a figure, or ``package.module:attribute`` of a user's.

    Raises ``ValueError`` that lists the known names.
    """
    if name in NAMES:
        return import_module(f"gapless.experiments.{name}").EXPERIMENT
    module, colon, attribute = name.partition(":")
    if colon:
        return getattr(import_module(module), attribute)
    raise ValueError(f"figures: {name!r} is not one of {', '.join(NAMES)}, all")


__all__ = ["NAMES", "Claim", "Cost", "Experiment", "Point", "Row", "Scale", "load"]
