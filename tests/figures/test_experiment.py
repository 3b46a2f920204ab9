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
    for scale in experiment.scales[:-1]:
        points = experiment.points(scale, 3)
        assert len({experiment.address(point) for point in points}) == len(points)
        assert all(point.cost().flops > 0 for point in points[::1000])
    assert experiment.points("smoke", 3) == experiment.points("smoke", 3)
    drawn = name != "calibration"  # exact equations
    assert (experiment.points("smoke", 3)[0] != experiment.points("smoke", 4)[0]) == drawn


@pytest.mark.parametrize(
    ("name", "n"),
    [("fig1", 16384), ("fig3", 8192), ("fig4", 2048), ("fig5", 4096), ("reach", 1048576)],
)
def test_the_large_scale_goes_to_the_papers_n_within_20_gib(name, n):
    points = load(name).points("large", 0)
    assert max(getattr(point, "n", 0) for point in points) == n
    assert max(point.cost().bytes for point in points) < 20 * 2**30


@pytest.mark.parametrize("name", NAMES)
def test_another_loss_changes_the_loss_alone_and_is_refused_by_figures_with_their_own(name):
    experiment, loss = load(name), "normalised:a=0.5"
    if not experiment.takes_loss:
        with pytest.raises(ValueError, match=f"loss: {name} has a loss of its own"):
            experiment.points_of("smoke", 0, loss)
        return
    others = experiment.points_of("smoke", 0, loss)
    for own, other in zip(experiment.points("smoke", 0), others, strict=True):
        changed = {key for key, value in own if getattr(other, key) != value}
        assert changed == {"loss"}
        assert experiment.address(own) != experiment.address(other)
    with pytest.raises(ValueError, match="loss"):
        experiment.points_of("smoke", 0, "no-such-loss")


@pytest.mark.parametrize(
    ("name", "own"), [*((f"fig{k}", "quartic") for k in range(1, 6)), ("bbp", "normalised:a=1.0")]
)
def test_a_figures_own_loss_is_no_other_loss(name, own):
    """Its points, and therefore their addresses, are those of the figure without the option."""
    experiment = load(name)
    assert experiment.points_of("smoke", 0, own) == list(experiment.points("smoke", 0))
    assert experiment.other_loss("smoke", 0, own) is None
    assert experiment.other_loss("smoke", 0, None) is None
    other = "normalised:a=0.5"
    assert experiment.other_loss("smoke", 0, other) == other


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
