"""An experiment of a user's, in a file of theirs, is treated like ours from plan to page."""

import json
import os
import sys

import pandas as pd
import pytest

from gapless.cli import main
from gapless.store import Store

MODULE = """
from dataclasses import replace
import os
import pyarrow as pa
from gapless.figures import Claim, Experiment
from gapless.measure import Cost, Point
from gapless.page.panels import Axis, Panel, Picture, Series

if os.environ.get("UNSEEN"):
    raise RuntimeError("no command may import this")


class Throw(Point):
    SCHEMA = pa.schema({"number": pa.int64(), "height": pa.float64()})
    number: int
    seed: int = 0

    def measure(self):
        if os.environ.get("BROKEN") == str(self.number):
            raise MemoryError("full")
        return self.table(height=[float(self.number**2)] * 2)

    def cost(self):
        return Cost(flops=4e10, bytes=1e3)


class Nothing(Throw):
    def measure(self):
        return self.table(height=[])


class Wrong(Throw):
    def measure(self):
        return self.table(height=["no number"])


class Rows(Throw):
    def measure(self):
        return [{"number": self.number}]


class Other(Throw):
    def measure(self):
        return self.table(width=[1.0])


def picture(table):
    heights = Series("heights", table.number, table.height)
    return Picture("Heights", [[Panel("", Axis("number"), Axis("height"), [heights])]])


MINE = Experiment(
    name="throws",
    title="Throws & heights",
    version=1,
    # lambdas, which cannot be pickled
    points=lambda scale, seed: [Throw(number=i, seed=seed) for i in range(5)],
    reduce=lambda table: table,
    picture=picture,
    claims=lambda table: [Claim("Heights are squares.", f"{len(table)} of them", "agrees")],
)
TWIN = replace(MINE, title="Another of this name")
FAKE = replace(MINE, name="fig1")
UP = replace(MINE, name="../up")
NONE = replace(MINE, name="none", points=lambda scale, seed: [])
def of(name, kind):
    return replace(MINE, name=name, points=lambda scale, seed: [kind(number=i) for i in range(5)])


class Exits(Throw):
    def measure(self):
        raise SystemExit(5)


NOT_POINTS = replace(MINE, name="not", points=lambda scale, seed: [1, 2])
NO_LIST = replace(MINE, name="no", points=lambda scale, seed: None)
UNVERSIONED = replace(MINE, name="un", version=None)
UNNAMED = replace(MINE, name=5)
EXITS = of("exits", Exits)
EMPTY, WRONG = of("empty", Nothing), of("wrong", Wrong)
ROWS, OTHER = of("rows", Rows), of("other", Other)
NUMBER = 3
"""


@pytest.fixture
def mine(tmp_path, monkeypatch, capsys, unprinted):
    """Run commands where `mine.py` lies, which is not where Python looks."""
    (tmp_path / "mine.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry not in ("", os.curdir)])

    def run(*arguments, code=0, **environment):
        sys.modules.pop("mine", None)  # each command is a process of its own
        with monkeypatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            found = main(arguments)
        told = capsys.readouterr()
        assert found == code, told.err
        return told

    yield run
    sys.modules.pop("mine", None)


@pytest.mark.parametrize("workers", [[], pytest.param(["--workers", "2"], marks=pytest.mark.slow)])
def test_an_experiment_of_ones_own_is_measured_resumed_drawn_and_kept(mine, tmp_path, workers):
    reproduce = ["reproduce", "mine:MINE", "--out", "out", *workers]
    first = mine(*reproduce, "--json", BROKEN="3")
    answer = json.loads(first.out)
    reasons = [{"reason": "MemoryError: full", "points": 1, "passing": True}]
    assert answer["failures"] == {"throws": reasons}
    state = json.loads(mine("status", "out", "--json").out)["stores"][0]
    assert (state["store"], state["planned"], state["missing"]) == ("throws", 5, 0)
    assert state["failed"] == 1
    told = mine("report", "out", "--experiment", "mine:MINE", "--json")
    assert json.loads(told.out)["failures"] == {"throws": reasons}
    assert "1 of 5 points failed" in told.err
    assert "failed points" in (tmp_path / "out/report.html").read_text()
    again = mine(*reproduce)  # there is room again
    assert "4 of 5 points are there already" in again.err
    page = (tmp_path / "out/report.html").read_text()
    assert "Throws &amp; heights" in page
    assert "Heights are squares." in page
    assert "10 of them" in page
    assert '<svg role="img"' in page
    assert (tmp_path / "out/throws.png").exists()
    assert mine("compact", "out").out
    mine("export", "out/throws", "all.csv")
    table = pd.read_csv(tmp_path / "all.csv")
    assert sorted(table.height) == sorted(2 * [float(i**2) for i in range(5)])
    assert sorted(table.run) == 5 * [0] + 5 * [1]
    script = mine("reproduce", "mine:MINE", "--out", "out", "--print-slurm", "2").out
    assert "reproduce mine:MINE" in script


def test_a_report_imports_only_what_is_given_by_hand(mine, tmp_path):
    mine("reproduce", "mine:MINE", "--out", "out")
    mine("report", "out", UNSEEN="1")
    page = (tmp_path / "out/report.html").read_text()
    assert "throws" in page
    assert "--experiment" in page
    assert "height" in page
    assert '<svg role="img"' not in page
    mine("report", "out", "--experiment", "mine:MINE")
    assert "Heights are squares." in (tmp_path / "out/report.html").read_text()


def test_parts_of_a_job_array_meet_in_one_folder(mine, tmp_path):
    for part in ("1/2", "2/2"):
        mine("reproduce", "mine:MINE", "--out", "out", "--shard", part)
    assert len(Store(tmp_path / "out/throws").present()) == 5


def test_a_measurement_that_is_none_is_a_failure_with_its_reason(mine):
    reasons = {
        "EMPTY": "no rows",
        "WRONG": "ArrowInvalid",
        "ROWS": "self.table()",
        "EXITS": "5",
        "OTHER": "width not in the schema",
    }
    for name, reason in reasons.items():
        done = mine("reproduce", f"mine:{name}", "--out", name, code=1)
        assert "all 5 points" in done.err
        assert reason in done.err
        assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["mine:MINE", "mine:TWIN"], "throws"),
        (["mine:FAKE"], "fig1"),
        (["mine:UP"], "../up"),
        (["mine:NONE"], "no points"),
        (["mine:NOT_POINTS"], "points of not must be Points, not 1"),
        (["mine:NO_LIST"], "points of no cannot be made"),
        (["mine:UNVERSIONED"], "version of mine:UNVERSIONED"),
        (["mine:UNNAMED"], "the name 5"),
        (["mine:NUMBER"], "not an Experiment"),
        (["mine:NOTHING"], "not an Experiment"),
        (["nowhere:MINE"], "nowhere"),
        (["mine"], "module:NAME"),
    ],
)
def test_what_is_no_experiment_of_ones_own_is_one_line(mine, names, words):
    told = mine("reproduce", *names, code=2).err
    assert words in told
    assert len(told.splitlines()) == 1
