"""Points of a simulation: addresses and failures."""

import pytest

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


def test_a_protocol_has_one_address_and_the_sphere_is_in_it_only_if_it_is_left() -> None:
    plain = Simulation(n=16, alpha=4, seed=0, sphere=True).model_dump(mode="json")
    assert "sphere" not in plain
    free = Simulation(n=16, alpha=4, seed=0, sphere=False).model_dump(mode="json")
    assert free == plain | {"sphere": False}
    names = ("heavy-ball:momentum=.5", "heavy-ball:rate=2e-4,momentum=0.5")
    found = [Simulation(n=16, alpha=4, seed=0, protocol=name) for name in names]
    assert found[0] == found[1]
    assert found[0].precision == "float64"  # its steps are below float32's rounding near zero


def test_failed_runs_are_rows_of_their_design():
    rows = Simulation(n=32, alpha=6, seed=0, runs=3).failed("why").to_pylist()
    assert [(r["run"], r["outcome"], r["reason"]) for r in rows] == [
        (k, "failed", "why") for k in range(3)
    ]


@pytest.mark.parametrize("save_at", [(), (0.5, 1.0)])
def test_the_expected_cost_is_that_of_coming_to_rest_where_the_limit_is_later(save_at):
    one = Simulation(n=256, alpha=4.0, seed=0, runs=8, save_at=save_at)
    costs = [one.model_copy(update={"t_max": t}).cost().flops for t in (1.0, 3.0, 1e3, 1e6)]
    assert costs[0] < costs[1] < costs[2] == costs[3]
