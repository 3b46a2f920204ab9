"""A picture of trajectories: energy and overlap against time, for `gapless flow --plot`."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from gapless.analyse.plateaus import prediction
from gapless.page.panels import Axis, Mark, Panel, Picture, Series, source_of

COLOURS = {"recovered": 0, "trapped": 1, "interpolated": 2}
OTHERWISE = 3
"""Colours of the outcomes."""


def picture(records: Sequence[dict[str, Any]], field: str = "real") -> Picture:
    """Return e(t) and q(t) of records of simulations, coloured by how each run ended.

    The horizontal line is the threshold energy of 1RSB at M/N (Eqs. 12, 13), where a shuffled twin
    comes to rest as N → ∞; there is none for a loss whose theory is not known, nor for complex
    signals.
    """
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
    # complex signals have no 1RSB state (complex.md §5)
    known = () if field == "complex" else (prediction(first["loss"], first["m"] / first["n"]),)
    threshold = [Mark("y", state.energy, "1RSB threshold") for state in known]
    energy = Axis("energy e = L/N", range=(0, None))
    panels = [Panel("Energy", time, energy, curves("energy_t"), threshold)]
    if first["labels"] != "gaussian":
        overlap = Axis("overlap q", range=(0, 1.02))
        panels.append(Panel("Overlap with the signal", time, overlap, curves("overlap_t")))
    runs = f"{len(records)} runs, coloured by how they" if len(records) > 1 else "one run: how it"
    return Picture(
        f"α = {first['alpha']:g}, {first['labels']} labels; {runs} ended",
        (panels,),
        source_of({name: [one[name] for one in records] for name in ("loss", "n", "seed")}),
    )
