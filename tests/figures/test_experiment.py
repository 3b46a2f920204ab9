"""Experiments: from points to table, picture and claims."""

import pyarrow as pa
import pytest

from gapless.figures import NAMES, load
from gapless.page.image import render


@pytest.mark.slow
@pytest.mark.parametrize("name", ["fig2", "fig3"])
def test_the_smoke_scale_runs_through_table_drawing_and_claims(name: str) -> None:
    experiment = load(name)
    points = experiment.points("smoke", 0)
    reduced = experiment.reduce(pa.concat_tables([p.measure() for p in points]).to_pandas())
    render(experiment.picture(reduced)).canvas.draw()
    assert experiment.claims(reduced)
    nothing = experiment.reduce(points[0].failed("reason").to_pandas())
    assert experiment.picture(nothing).panels == []


@pytest.mark.parametrize("name", NAMES)
def test_every_experiment_plans_distinct_points_with_a_cost(name):
    experiment = load(name)
    for scale in ("smoke", "desk"):
        points = experiment.points(scale, 3)
        assert len({experiment.address(point) for point in points}) == len(points)
        assert all(point.cost().flops > 0 for point in points[::1000])
    assert experiment.points("smoke", 3) == experiment.points("smoke", 3)
    drawn = name != "calibration"  # exact equations
    assert (experiment.points("smoke", 3)[0] != experiment.points("smoke", 4)[0]) == drawn


@pytest.mark.parametrize("name", NAMES)
def test_points_that_all_failed_still_make_a_picture(name):
    experiment = load(name)
    points = experiment.points("smoke", 0)
    failed = [point.failed("why") for point in (points[0], points[-1])]
    reduced = experiment.reduce(pa.concat_tables(failed, promote_options="default").to_pandas())
    assert render(experiment.picture(reduced))
    exact = name == "baselines"  # its first claim is about a number of the limit N → ∞
    verdicts = {claim.verdict for claim in experiment.claims(reduced)[exact:]}
    assert verdicts <= {"cannot tell", "cannot tell at this size"}
    assert all(title for title, _ in experiment.tables(reduced))
