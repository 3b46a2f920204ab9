"""Figure 3: spectra at a crossing."""

import pandas as pd

from gapless.figures.fig3 import spectra_table


def test_runs_that_never_cross_are_counted_and_not_averaged() -> None:
    row = {"n": 64, "alpha": 5.0, "run": 0, "outcome": "crossed", "time": 0.1, "overlap": 0.3}
    row |= {"eigenvalues": [-3.0, -2.0, -1.5], "vector_overlap": [0.5, 0.1, 0.0]}
    row |= {"top_sample_share": [0.2, 0.1, 0.1]}
    lost = dict.fromkeys(row) | {"n": 64, "alpha": 5.0, "outcome": "not_crossed"}
    rows = [row | {"design": 0}, row | {"design": 1}, lost | {"design": 1}]
    table = spectra_table(pd.DataFrame(rows)).iloc[0]
    assert (table.runs, table.crossed, table.designs) == (3, 2, 2)
    assert (table.gap_12, table.gap_23, table.overlap_1) == (1.0, 0.5, 0.5)
    assert table.fluctuation == 0
