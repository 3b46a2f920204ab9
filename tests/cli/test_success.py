"""`gapless success`: fractions of runs, and the records that they are of."""

import json
import re
import sys
from typing import Any

import duckdb
import pytest

import examples
from commands import SUCCESS, answer
from gapless.cli import main
from gapless.measure.simulation import Simulation
from places import ROOT


def test_success_answers_rows_and_keeps_its_records(capsys, tmp_path):
    arguments = (*SUCCESS[:3], "--alpha", "6,12", "--runs", "20")
    arguments += ("--runs-per-design", "10", "--out", str(tmp_path / "s"))
    first = answer(capsys, *arguments)
    assert [row["alpha"] for row in first["rows"]] == [6, 12]
    assert (first["runs"], first["runs_per_design"]) == (20, 10)
    for row in first["rows"]:
        assert (row["n"], row["runs"], row["designs"]) == (32, 20, 2)
        assert row["low"] <= row["fraction"] == row["successes"] / 20 <= row["high"]
    assert first["rows"][0]["fraction"] < first["rows"][1]["fraction"]
    assert answer(capsys, *arguments) == first  # nothing is computed twice
    loose = answer(capsys, *arguments, "--tolerance", "1e-4")
    assert loose["rows"][0]["successes"] >= first["rows"][0]["successes"]
    assert main([*SUCCESS, "--seed", "9", "--out", str(tmp_path / "s")]) == 2
    assert "another spec" in capsys.readouterr().err


@pytest.mark.parametrize("engine", [(), ("--workers", "1")])
def test_what_a_loss_of_ones_own_prints_is_no_part_of_the_answer(
    engine, capfd, tmp_path, monkeypatch
):
    lines = "print('loading')", "def value(yhat, y):", "    print('called')"
    text = "\n".join([*lines, "    return (yhat**2 - y**2) ** 2"])
    (tmp_path / "own_noisy.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*sys.path])
    assert main([*SUCCESS, "--runs", "2", "--loss", "own_noisy:value", "--json", *engine]) == 0
    out, told = capfd.readouterr()
    assert len(json.loads(out)["rows"]) == 1
    assert "loading" in told
    assert "called" in told


def test_a_part_of_a_job_array_may_have_no_points(capsys, tmp_path):
    arguments = (*SUCCESS[:3], "--alpha", "3", "--runs", "4", "--out", str(tmp_path / "s"))
    empty = answer(capsys, *arguments, "--shard", "2/2")
    assert main([*arguments, "--shard", "2/2"]) == 0
    assert "no points in this part" in capsys.readouterr().err
    assert answer(capsys, *arguments, "--shard", "1/2") | {"rows": []} == empty


READING = ROOT / "docs" / "tutorials" / "reading.md"


def test_the_taught_query_gives_the_numbers_of_the_command(capsys, tmp_path, monkeypatch):
    """Both columns, solved and recovered, on one store; and they are different numbers."""
    monkeypatch.chdir(tmp_path)
    found = answer(capsys, *SUCCESS, "--runs", "128", "--seed", "0", "--out", "sweep")
    names: dict[str, Any] = {"duckdb": duckdb}
    for block in examples.blocks(READING):
        for name in ("once", "fractions"):
            if re.match(rf'{name} = f?"""', block.text):
                exec(block.text.split("for ")[0].split("print")[0], names)
    (row,), (queried,) = found["rows"], duckdb.execute(names["fractions"]).fetchall()
    columns = ("alpha", "runs", "successes", "fraction", "recovered", "recovered_fraction")
    assert queried == tuple(row[name] for name in columns)
    assert row["recovered"] == row["recovered_fraction"] * row["runs"]
    assert row["low"] < row["fraction"] < row["recovered_low"]  # 0.05 and 0.6, apart
    assert row["recovered_low"] < row["recovered_fraction"] < row["recovered_high"]


def test_success_says_what_failed_and_no_row_shrinks_in_silence(tmp_path, capsys, monkeypatch):
    def measure(point):
        if point.alpha == 7 or (point.alpha == 6 and point.index == 1):
            raise MemoryError("full")
        return unsolved(point)

    def unsolved(point):
        return point.table(outcome="time_out", steps=1, gradients=1, overlap=0.0)

    monkeypatch.setattr(Simulation, "measure", measure)
    arguments = ["success", "--n", "8", "--alpha", "5,6,7", "--runs", "8", "--runs-per-design", "4"]
    arguments += ["--t-max", "0.1", "--out", str(tmp_path / "s")]
    assert main([*arguments, "--json"]) == 0
    told = capsys.readouterr()
    answer = json.loads(told.out)
    assert [(r["alpha"], r["runs"], r["failed"]) for r in answer["rows"]] == [
        (5, 8, 0),
        (6, 4, 4),
        (7, 0, 8),
    ]
    assert answer["rows"][2]["fraction"] is None
    assert answer["failures"] == [{"reason": "MemoryError: full", "points": 3, "passing": True}]
    assert "3 of 6 points failed" in told.err
    assert "3: MemoryError: full" in told.err
    assert "--retry-failed" in told.err
    for verb in (["status"], ["status", "--json"], ["export"]):
        file = [str(tmp_path / "all.csv")] if verb == ["export"] else []
        assert main([verb[0], str(tmp_path / "s"), *file, *verb[1:]]) == 0
        told = capsys.readouterr()
        assert "MemoryError: full" in (told.out if "--json" in verb else told.err)
    # there is room again
    monkeypatch.setattr(Simulation, "measure", unsolved)
    assert main([*arguments, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert [(r["runs"], r["failed"]) for r in answer["rows"]] == [(8, 0)] * 3
    assert answer["failures"] == []


def test_times_are_of_the_runs_that_are_counted(capsys, tmp_path):
    picture = tmp_path / "times.png"
    arguments = [*SUCCESS[:3], "--alpha", "12", "--runs", "40", "--runs-per-design", "10"]
    found = answer(capsys, *arguments, "--by-time", "--plot", str(picture))
    (row,), (times,) = found["rows"], found["times"]
    assert times["solved_by_end"] == pytest.approx(row["fraction"], rel=1e-12)
    assert 0 < times["t_50_low"] <= times["t_50"] <= times["t_50_high"] < times["t_max"]
    assert picture.stat().st_size > 0
