"""Points: records with their columns, failures, and what a process that measures loads."""

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest

from gapless.figures import NAMES, load
from gapless.flow import Outcome
from gapless.measure import Cost, Point
from gapless.measure.point import FAILED, column, counts, finite
from gapless.measure.simulation import Simulation


class Throw(Point):
    SCHEMA = pa.schema(
        {"number": pa.int64(), "height": pa.float64(), "path": pa.list_(pa.float64())}
    )
    number: int
    unseen: float = 0.5

    def measure(self) -> pa.Table:
        return self.table(height=[1.0, np.nan], path=[[0.0, 1.0], []])

    def cost(self) -> Cost:
        return Cost(1.0, 1.0)


def test_records_have_the_parameters_of_their_schema_and_are_numbered():
    found = Throw(number=3).measure()
    assert found.schema.equals(Throw.record_schema())
    assert found.schema.names == ["number", "height", "path", "run", "reason"]
    assert found["number"].to_pylist() == [3, 3]
    assert found["run"].to_pylist() == [0, 1]
    assert np.isnan(found["height"].to_pylist()[1])
    assert found["reason"].null_count == 2


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"width": [1.0]}, "width"),
        ({"height": [1.0], "path": [[0.0], [1.0]]}, r"\[1, 2\]"),
        ({"height": ["high"]}, "high|string|convert"),
        ({"number": np.array([0.5])}, "truncated"),
    ],
)
def test_columns_that_do_not_fit_are_refused(columns, words):
    with pytest.raises(ValueError, match=words):
        Throw(number=3).table(**columns)


def test_what_is_missing_is_null_and_what_is_there_is_exact():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(50, 4))
    values[rng.random(values.shape) < 0.3] = np.inf
    present = rng.random(50) < 0.5
    for found, own in ((finite(values[:, 0], present), values[:, 0]), (finite(values), values)):
        for run, value in enumerate(found.to_pylist()):
            expected = [v if np.isfinite(v) else None for v in np.atleast_1d(own[run]).tolist()]
            if own.ndim == 1:
                assert value == (expected[0] if present[run] else None)
            else:
                assert value == expected
    lists = finite(values, present).to_pylist()
    assert [one is not None for one in lists] == present.tolist()
    assert counts(np.array([3, -1, 0])).to_pylist() == [3, None, 0]


@pytest.mark.parametrize("name", NAMES)
def test_a_failed_point_stands_for_its_runs_in_the_columns_of_measured_ones(name):
    for point in load(name).points("smoke", 0):
        found = point.failed("why")
        assert found.schema.equals(point.record_schema())
        assert found.num_rows == point.rows >= 1
        assert set(found["reason"].to_pylist()) == {"why"}
        assert set(found["outcome"].to_pylist()) == {FAILED} == {str(Outcome.failed)}
        assert found["run"].to_pylist() == list(range(point.rows))


def test_runs_of_a_failed_design_are_those_of_a_measured_one():
    point = Simulation(n=16, alpha=4, seed=0, runs=3, t_max=0.05)
    known = list(point.identity())
    assert (
        point.failed("why").select([*known, "run"]).equals(point.measure().select([*known, "run"]))
    )


@pytest.mark.parametrize(
    ("value", "kind"),
    [("a", pa.string()), (None, pa.string()), (0.5, pa.float64()), (3, pa.float64())],
)
def test_a_single_value_stands_for_all_rows(value, kind):
    assert column(value, kind, 4).equals(pa.array([value] * 4, kind))


CODE = """
import pickle, sys
from pathlib import Path
from gapless.sweep.work import work
import gapless.measure.baselines, gapless.measure.median_run, gapless.measure.frames
import gapless.measure.mean_field, gapless.measure.moment_spectra
task = pickle.loads(Path("task").read_bytes())
assert "pandas" not in sys.modules  # which pyarrow loads with its first array
assert work(task).points == 1
rooms = {".".join(name.split(".")[:2]) for name in sys.modules if name.startswith("gapless.")}
assert not rooms & {"gapless.page", "gapless.report", "gapless.explore"}, rooms
assert "matplotlib" not in sys.modules
assert not any(name.startswith("gapless.figures.fig") for name in sys.modules)
"""


def test_a_process_that_measures_loads_neither_tables_nor_pictures(tmp_path):
    import pickle

    from gapless.store import Store
    from gapless.sweep import plan

    store = Store.open(tmp_path / "store", {}, {})
    figure = load("fig5")
    points = [Simulation(n=8, alpha=4, seed=0, runs=2, t_max=0.05)]
    (task,) = plan(figure, points, store).tasks()
    (tmp_path / "task").write_bytes(pickle.dumps(task))
    subprocess.run([sys.executable, "-c", CODE], cwd=tmp_path, check=True)
