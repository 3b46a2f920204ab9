"""A picture of trajectories: energy and overlap against time, for `gapless flow --plot`."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from gapless.page.panels import Axis, Panel, Picture, Series

COLOURS = {"recovered": 0, "trapped": 1, "interpolated": 2}
OTHERWISE = 3
"""Colours of the outcomes."""


def picture(records: Sequence[dict[str, Any]]) -> Picture:
    """Return e(t) and q(t) of records of simulations."""
    first = records[0]
    ended = Counter(record["outcome"] for record in records)

    def curves(column: str) -> list[Series]:
        return [
            Series(
                *(f"design {record['design']}, run {record['run']}", record["t"]),
                np.abs(np.array(record[column], float)),  # a run may find −W*
                style="lines",
                colour=COLOURS.get(outcome, OTHERWISE),
                legend=f"{ended[outcome]} {outcome}".replace("_", " "),
                width=0.7,
            )
            for record in sorted(records, key=lambda record: record["outcome"])
            for outcome in (record["outcome"],)
        ]

    time = Axis("time t")
    panels = [Panel("Energy", time, Axis("e = L/N", range=(0, None)), curves("energy_t"))]
    if first["labels"] != "gaussian":
        overlap = Axis("overlap q", range=(0, 1.02))
        panels.append(Panel("Overlap with the signal", time, overlap, curves("overlap_t")))
    return Picture(
        f"N = {first['n']}, α = {first['alpha']:g}, {first['labels']} labels: "
        f"how {len(records)} runs ended",
        (panels,),
    )
