"""Points of a simulation: addresses and failures."""

from gapless.measure.simulation import Simulation


def test_records_of_random_noiseless_runs_keep_their_addresses():
    plain = Simulation(n=16, alpha=4, seed=0).model_dump(mode="json")
    assert "start" not in plain
    assert "noise" not in plain
    assert "sensing" not in plain
    other = Simulation(n=16, alpha=4, seed=0, start="overlap:.30", noise=0.1, sensing="fast")
    more = {"start": "overlap:0.3", "noise": 0.1, "sensing": "fast"}
    assert other.model_dump(mode="json") == plain | more
    assert Simulation.model_validate(other.model_dump()) == other


def test_failed_runs_are_rows_of_their_design():
    rows = Simulation(n=32, alpha=6, seed=0, runs=3).failed("why").to_pylist()
    assert [(r["run"], r["outcome"], r["reason"]) for r in rows] == [
        (k, "failed", "why") for k in range(3)
    ]
