"""The report: made from the store alone, self-contained, honest about what is missing."""

import re

import pyarrow as pa
import pytest

from gapless.figures import NAMES, load
from gapless.figures.fig5 import EXPERIMENT
from gapless.measure.simulation import Simulation
from gapless.page.image import render
from gapless.report import write_report
from gapless.store import Store
from gapless.sweep import plan, run_in_process


def test_a_half_finished_sweep_has_a_report(tmp_path):
    store = Store.open(tmp_path / "fig5", {"experiment": "fig5"}, {"version": "0"})
    points = [Simulation(n=32, alpha=8.0, seed=0, index=i, runs=8) for i in range(2)]
    run_in_process(plan(EXPERIMENT, points, store).tasks(), lambda receipt: None)
    text = write_report(tmp_path).read_text()
    assert "<svg" in text
    assert "16 records" in text
    # nothing leaves the machine (what scripts do is seen in tests/test_browser.py)
    markup = re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)
    assert not re.search(r'(?:src|href)="(?:https?:)?//', markup)
    assert (tmp_path / "fig5.png").stat().st_size > 0
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))


def test_a_store_without_records_says_so(tmp_path):
    Store.open(tmp_path / "fig1", {"experiment": "fig1"}, {})
    assert "No records yet" in write_report(tmp_path).read_text()


def test_a_folder_without_stores_is_refused(tmp_path):
    with pytest.raises(ValueError, match="holds no records"):
        write_report(tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_every_experiment_plans_distinct_points_with_a_cost(name):
    experiment = load(name)
    for scale in ("smoke", "desk"):
        points = experiment.points(scale, 3)
        assert len({experiment.address(point) for point in points}) == len(points)
        assert all(point.cost().flops > 0 for point in points[::1000])
    assert experiment.points("smoke", 3) == experiment.points("smoke", 3)
    assert experiment.points("smoke", 3)[0] != experiment.points("smoke", 4)[0]


def test_failed_runs_are_rows_of_their_design():
    rows = Simulation(n=32, alpha=6, seed=0, runs=3).failed("why").to_pylist()
    assert [(r["run"], r["outcome"], r["reason"]) for r in rows] == [
        (k, "failed", "why") for k in range(3)
    ]


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
