"""Message passing as a point: its start, its records, and what it is refused."""

from typing import Any

import numpy as np
import pytest

from gapless.measure.message_passing import AMPPoint

SMALL: dict[str, Any] = dict(n=24, alpha=6, seed=5, runs=3)


def test_a_start_has_one_spelling_and_says_what_is_assumed():
    assert AMPPoint(**SMALL, start="overlap:.30").start == "overlap:0.3"
    assert AMPPoint(**SMALL, start="overlap:-0.3").assumed_overlap == 0.3
    assert AMPPoint(**SMALL, start="random").assumed_overlap == 24**-0.5
    for start in ("overlap:1", "overlap:0", "spectral"):
        with pytest.raises(ValueError, match="start: "):
            AMPPoint(**SMALL, start=start)


def test_records_hold_every_iteration_and_the_ends_are_the_last():
    records = AMPPoint(**SMALL, iterations=8).measure().to_pylist()
    assert [record["run"] for record in records] == [0, 1, 2]
    for record in records:
        assert len(record["overlap_t"]) == len(record["variance_t"]) == 9
        assert record["overlap"] == record["overlap_t"][-1]
        assert record["variance"] == record["variance_t"][-1]
        assert (np.array(record["variance_t"]) > 0).all()
        assert record["outcome"] == ("recovered" if record["overlap"] > 1 - 1e-6 else "time_out")
