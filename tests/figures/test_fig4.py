"""Figure 4: moments and energies in the record are those of the final labels; the reduction."""

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from gapless.analyse.plateaus import plateaus
from gapless.analyse.statistics import clustered_mean
from gapless.figures import fig4, load
from gapless.losses import quartic
from gapless.measure.simulation import MOMENTS, Simulation, label_moments, simulate
from gapless.page.image import save
from gapless.problem import draw_problem
from gapless.theory import threshold_state

POINT = Simulation(n=32, alpha=4, seed=3, runs=3, labels="shuffled", t_max=2, save_at=(1.0, 2.0))


@pytest.fixture(scope="module")
def records():
    return POINT.measure().to_pylist()


def test_moments_and_energy_of_a_record_are_those_of_the_final_labels(records):
    problem = draw_problem(POINT.design, "shuffled")
    w = simulate(POINT)[1].state.w
    for run, record in enumerate(records):
        law = problem.label_law(w, run)
        # ŷ is a float32 sum of N terms: a relative √N ε, times the power.
        bound = 4 * 4 * np.sqrt(POINT.n) * np.finfo(np.float32).eps
        moments = [record[name] for name in MOMENTS]
        np.testing.assert_allclose(moments, list(law.moments().values()), rtol=bound)
        energy = law.energy(quartic, problem.alpha)
        assert record["energy"] == pytest.approx(energy, rel=10 * bound)
        assert record["energy_t"][-1] == record["energy"]


def test_the_second_moment_of_orthogonal_sensing_vectors_is_one():
    # Σ_m ŷ² = |W|² = N for M = N orthonormal x: E ŷ² = 1 exactly.
    problem = draw_problem(POINT.design)
    w = POINT.design.start()
    identity = type(problem)(jnp.eye(POINT.n), problem.labels[:, : POINT.n], None)
    assert label_moments(identity, w)[:, 1] == pytest.approx(1, rel=1e-6)


def test_clusters_of_one_size_have_the_error_of_their_means():
    # Means 2, 4, 9 of clusters of two: SE² = var/3 with var = 13.
    found = clustered_mean(np.array([1, 3, 3, 5, 8, 10]), np.array([7, 7, 1, 1, 4, 4]))
    assert (found.size, found.clusters, found.mean) == (6, 3, 5)
    assert found.standard_error == pytest.approx(np.sqrt(13 / 3), rel=1e-14)
    # Student's t with two degrees of freedom has quantiles in closed form; scipy below 1.17 inverts
    # the distribution by iteration, to 1.2e-11 here
    quantile = 0.95 * np.sqrt(2 / (1 - 0.95**2))
    assert found.half_width(0.95) / found.standard_error == pytest.approx(quantile, rel=1e-10)


def test_clusters_of_single_runs_have_the_ordinary_error():
    values = np.array([1.0, 2.0, 4.0, 8.0])
    found = clustered_mean(values, np.arange(4))
    assert found.standard_error == pytest.approx(values.std(ddof=1) / 2, rel=1e-14)


def test_one_cluster_does_not_tell_an_error():
    found = clustered_mean(np.array([1.0, 2.0]), np.zeros(2))
    assert np.isnan(found.standard_error)
    assert found.half_width() == np.inf
    with pytest.raises(ValueError, match="at least one run"):
        clustered_mean(np.array([]), np.array([]))


def table_by_hand(excess, spread=0.0, n=100):
    """Four runs on two designs at α = 10, `excess` over 1RSB, the designs apart by `spread`."""
    state = threshold_state(quartic, 10.0)
    value = {"energy": state.energy} | dict(zip(MOMENTS, state.moments.values(), strict=True))
    return pd.DataFrame(
        [
            {name: number * (1 + excess + sign * spread) for name, number in value.items()}
            | {"n": n, "m": 10 * n, "seed": 0, "design": design, "loss": "quartic", "t_max": 20.0}
            | {"outcome": outcome, "energy_t": [8.08, 8.0]}
            for design, sign in ((0, -1), (1, 1))
            for outcome in ("trapped", "time_out")
        ]
    )


def test_plateaus_compare_runs_with_the_state_at_their_alpha():
    (plateau,) = plateaus(table_by_hand(0.08, 0.01))
    assert plateau.alpha == 10
    assert plateau.at_rest == 0.5
    assert plateau.drift == pytest.approx(0.01, rel=1e-12)
    for column in ("energy", *MOMENTS):
        assert plateau.excess(column) == pytest.approx(0.08, rel=1e-12)
        # Two design means 2 % apart: SE = 1 %, whatever the number of runs.
        error = plateau.measured[column].standard_error / plateau.theory.value(column)
        assert error == pytest.approx(0.01, rel=1e-12)
    assert plateau.theory.ground_energy > plateau.theory.energy


@pytest.mark.parametrize(
    ("excess", "spread", "verdict"),
    [(0.01, 0.001, "agrees"), (-0.08, 0.001, "differs"), (0.04, 0.01, "cannot tell")],
)
def test_claims_say_what_the_interval_allows(excess, spread, verdict):
    judged = fig4.claims(fig4.reduce(table_by_hand(excess, spread, n=2048)))
    assert [claim.verdict for claim in judged] == 5 * [verdict]
    elsewhere = fig4.claims(fig4.reduce(table_by_hand(excess, spread)))
    assert {claim.verdict for claim in elsewhere} == {"cannot tell at this size"}
    assert f"α = 10: {100 * excess:+.1f}".replace("-", "−") in judged[0].ours


def test_one_design_cannot_tell_and_failed_runs_are_left_out(records):
    failed = POINT.failed("out of memory").to_pylist()
    table = pd.DataFrame(records + failed)
    (plateau,) = plateaus(table)
    assert plateau.measured["energy"].size == POINT.design.k
    assert plateau.measured["energy"].half_width() == np.inf


def test_the_picture_draws_from_smoke_points(records, tmp_path):
    points = load("fig4").points("smoke", 0)
    known = {point.alpha for point in points if isinstance(point, Simulation)}
    assert {4, 10, 18} <= known
    picture = fig4.picture(fig4.reduce(pd.DataFrame(records)))
    assert [panel.inset is None for panel in picture.panels] == [True, False, True]
    save(picture, tmp_path / "fig4.png")


def test_the_floor_is_drawn_where_it_was_computed(records):
    floor = [{"state": "full RSB", "alpha": a, "energy": e} for a, e in ((10.0, 7.07), (4.0, 1.17))]
    other = {"state": "1RSB ground", "alpha": 4.0, "energy": 1.165}
    reduced = fig4.reduce(pd.DataFrame([*records, *floor, other]))
    assert reduced.floor.to_numpy().tolist() == [[4.0, 1.17], [10.0, 7.07]]
    assert len(reduced.plateaus) == 1
    energies = fig4.picture(reduced).panels[0].series
    drawn = [np.asarray(one.x).tolist() for one in energies if one.name == "full RSB, the floor"]
    assert drawn == [[4.0, 10.0]]
