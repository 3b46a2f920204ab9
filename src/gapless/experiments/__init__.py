"""The experiments, one file a figure; loaded when used."""

from importlib import import_module

from gapless.experiments._experiment import Claim, Cost, Experiment, Point, Row, Scale

NAMES = ("fig1", "fig2", "fig3", "fig5")
"""All figures, in the paper's order."""


def load(name: str) -> Experiment:
    """Return the experiment of that name.

    Raises ``ValueError`` that lists the known names.
    """
    if name not in NAMES:
        raise ValueError(f"figures: {name!r} is not one of {', '.join(NAMES)}, all")
    return import_module(f"gapless.experiments.{name}").EXPERIMENT


__all__ = ["NAMES", "Claim", "Cost", "Experiment", "Point", "Row", "Scale", "load"]
