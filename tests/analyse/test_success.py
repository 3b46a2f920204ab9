"""Solved and recovered runs, counted."""

import pandas as pd

from gapless.analyse.success import success_table


def test_a_run_may_be_solved_without_the_signal_and_find_it_unsolved():
    """M < N: the energy of every run is zero, at a state that is not the signal."""
    rows = pd.DataFrame(
        {"n": 32, "m": 16, "alpha": 0.5, "design": 0, "run": run, "t_max": 1.5, "steps": 9}
        | {"gradients": 10, "outcome": outcome, "overlap": overlap, "t_1e-8": passage}
        for run, (outcome, overlap, passage) in enumerate(
            [
                ("recovered", -1.0, None),  # the sign of the signal is not observed
                ("recovered", 0.2, 0.1),  # as an earlier measurement called an interpolation
                ("interpolated", 0.2, 0.1),
                ("trapped", 0.2, None),
                ("failed", None, None),
            ]
        )
    )
    (row,) = success_table(rows).to_dict("records")
    assert (row["runs"], row["failed"], row["trapped"]) == (4, 1, 1)
    assert (row["successes"], row["recovered"]) == (2, 1)
