"""Estimates of a plan: seconds and memory."""

from pathlib import Path

import pytest

from gapless.measure import Cost
from gapless.sweep import (
    Calibration,
    Plan,
    calibrate,
)
from toy_experiment import EXPERIMENT, Toy


def test_a_plan_counts_the_programs_that_each_worker_compiles():
    points = [Toy(number=i, group=i % 3) for i in range(12)]
    todo = Plan(EXPERIMENT, 12, tuple(points), Path())
    here = Calibration(start=1.0, compilation=5.0, speed=4e10, bytes=1e8)
    assert here.seconds(todo, 1) == 1 + 12 + 3 * 5
    assert here.seconds(todo, 2) == 1 + (12 + 2 * 3 * 5) / 2
    assert here.seconds(todo, 100) == 1 + 1 + 5  # no more workers than points
    assert here.memory(todo, 2) == 2 * (1e8 + 1e3)
    nothing = Plan(EXPERIMENT, 12, (), Path())
    assert here.seconds(nothing, 2) == here.memory(nothing, 2) == 0


def test_a_calibration_tells_compilation_from_work(monkeypatch):
    compiled: set[int] = set()
    clock = [0.0]
    monkeypatch.setattr("gapless.sweep.estimate.time.process_time", lambda: clock[0])

    def measure(point):
        clock[0] += 0.02 if point.group in compiled else 0.12
        compiled.add(point.group)

    monkeypatch.setattr(Toy, "measure", measure)
    monkeypatch.setattr(Toy, "cost", lambda point: Cost(2e9, 1e3, point.group))
    here = calibrate(Plan(EXPERIMENT, 2, (Toy(number=0), Toy(number=1, group=1)), Path()))
    assert here.compilation == pytest.approx(0.1)
    assert here.speed == pytest.approx(1e11)
