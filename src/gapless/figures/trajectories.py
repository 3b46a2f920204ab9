"""A picture of trajectories: energy, ρ and overlap against time, for `gapless flow --plot`."""

from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from gapless.analyse.plateaus import prediction
from gapless.page.panels import Axis, Mark, Panel, Picture, Series, source_of
from gapless.sensing import LIKE_GAUSSIAN

COLOURS = {"recovered": 0, "trapped": 1, "interpolated": 2}
OTHERWISE = 3
"""Colours of the outcomes."""


def coloured(records: Sequence[dict[str, Any]], column: str, at: Any = None) -> list[Series]:
    """Return a curve of the size of a column for each record, coloured by how the run ended.

    Its values stand at the times `at`, or at those of the record.
    """
    ended = Counter(record["outcome"] for record in records)
    return [
        Series(
            *(f"design {record['design']}, run {record['run']}", record["t"] if at is None else at),
            np.abs(np.array(record[column], float)),  # a run may find −W*
            style="lines",
            colour=COLOURS.get(outcome, OTHERWISE),
            legend=f"{ended[outcome]} {outcome}".replace("_", " "),
            width=0.7,
        )
        for record in sorted(records, key=lambda record: record["outcome"])
        for outcome in (record["outcome"],)
    ]


def picture(records: Sequence[dict[str, Any]], field: str = "real") -> Picture:
    """Return e(t) and q(t) of records of simulations, coloured by how each run ended.

    The horizontal line is the threshold energy of 1RSB at M/N (Eqs. 12, 13), where a shuffled twin
    comes to rest as N → ∞; there is none for a loss whose theory is not known, for complex signals,
    and for an X of another limit (`gapless.sensing.LIKE_GAUSSIAN`). Without the sphere, of which
    that theory is, ρ(t) = |W|²/N stands beside the energy instead.
    """
    first, curves = records[0], partial(coloured, records)
    path = first["protocol"].startswith("normalised-descent")
    time = Axis("length of the path, in √N" if path else "time t")
    energy = Axis("energy e = L/N", range=(0, None))
    if first["sphere"]:
        # complex signals have no 1RSB state (complex.md §5)
        has_state = field == "real" and first["sensing"] in (None, *LIKE_GAUSSIAN)
        known = (prediction(first["loss"], first["m"] / first["n"]),) if has_state else ()
        ends = np.array([record["energy"] for record in records], float)  # missing where one failed
        threshold = [
            # on the other side of the line than the runs that end above it
            Mark("y", state.energy, "1RSB threshold", side="below" if over else "above")
            for state in known
            for over in (np.any(ends > state.energy),)
        ]
        panels = [Panel("Energy", time, energy, curves("energy_t"), threshold)]
    else:
        square = Axis("ρ = |W|²/N", range=(0, None))
        signal = Mark("y", 1.0, "signal")
        panels = [Panel("Energy", time, energy, curves("energy_t"))]
        panels.append(Panel("Norm", time, square, curves("rho_t"), (signal,)))
    if first["labels"] != "gaussian":
        overlap = Axis("overlap q", range=(0, 1.02))
        panels.append(Panel("Overlap with the signal", time, overlap, curves("overlap_t")))
    runs = f"{len(records)} runs, coloured by how they" if len(records) > 1 else "one run: how it"
    domain = "" if first["sphere"] else ", no sphere"
    return Picture(
        f"α = {first['alpha']:g}, {first['labels']} labels{domain}; {runs} ended",
        (panels,),
        source_of({name: [one[name] for one in records] for name in ("loss", "n", "seed")}),
    )
