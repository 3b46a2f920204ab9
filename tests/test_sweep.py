"""Sweeps: the same records whatever the engine, the order and the interruptions."""

import pytest

import toy_experiment
from gapless.experiments.fig5 import EXPERIMENT as FIG5
from gapless.experiments.simulation import Simulation
from gapless.store import Store
from gapless.sweep import plan, run_in_process, run_on_workers
from toy_experiment import EXPERIMENT, Toy

TIMING = ["wall_s", "written_at"]


def records(store: Store):
    return store.read().drop_columns(TIMING)


def open_store(path) -> Store:
    return Store.open(path, {"experiment": "test"}, {})


def run_all(experiment, points, store, workers=1):
    receipts = []
    todo = plan(experiment, points, store)
    if workers == 1:
        run_in_process(todo.tasks(), store.path, receipts.append)
    else:
        run_on_workers(todo.tasks(), store.path, workers, receipts.append)
    assert sum(receipt.points for receipt in receipts) == len(todo.missing)
    return records(store)


def test_engine_order_and_interruption_do_not_change_a_number(tmp_path):
    points = [
        Simulation(n=32, alpha=alpha, seed=7, index=index, runs=4)
        for alpha in (5.0, 9.0)
        for index in range(3)
    ]
    whole = run_all(FIG5, points, open_store(tmp_path / "whole"))
    assert whole.num_rows == 24
    backwards = run_all(FIG5, points[::-1], open_store(tmp_path / "backwards"))
    assert backwards.equals(whole)

    cut = open_store(tmp_path / "cut")

    class Interrupt(Exception):
        pass

    def stop_after_the_first(receipt):
        raise Interrupt

    with pytest.raises(Interrupt):
        run_in_process(plan(FIG5, points[:2], cut).tasks(), cut.path, stop_after_the_first)
    assert 0 < len(cut.present()) < len(points)
    assert run_all(FIG5, points, cut, workers=2).equals(whole)
    assert cut.conflicts() == []
    assert plan(FIG5, points, cut).missing == ()


def test_a_point_that_raises_is_a_record_with_its_reason(tmp_path):
    points = [Toy(number=1), Toy(number=2, ending="raises"), Toy(number=3)]
    rows = run_all(EXPERIMENT, points, open_store(tmp_path)).to_pylist()
    assert [r["reason"] for r in rows if r["square"] is None] == [
        "ArithmeticError: no square today"
    ]
    assert sorted(r["square"] for r in rows if r["square"] is not None) == [1, 1, 9, 9]


def test_a_point_that_kills_its_worker_costs_only_itself(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(toy_experiment.__file__.rsplit("/", 1)[0]))
    points = [Toy(number=i) for i in range(8)] + [Toy(number=8, ending="dies")]
    rows = run_all(EXPERIMENT, points, open_store(tmp_path), workers=2).to_pylist()
    assert sorted(r["number"] for r in rows if r["square"] is not None) == sorted(2 * [*range(8)])
    (dead,) = (r for r in rows if r["square"] is None)
    assert dead["number"] == 8
    assert "died 3 times" in dead["reason"]


def test_tasks_hold_every_missing_point_once(tmp_path):
    points = EXPERIMENT.points("smoke", 0)
    todo = plan(EXPERIMENT, points, open_store(tmp_path))
    tasks = list(todo.tasks())
    assert [p for task in tasks for p in task.points] == points
    assert len(tasks) == 3  # 3 × 4e10 operations fill a task of 1e11
    assert sum(task.flops for task in tasks) == todo.flops


def test_an_address_is_that_of_the_parameters_and_the_version():
    from dataclasses import replace

    one, other = Toy(number=1), Toy(number=2)
    assert EXPERIMENT.address(one) == EXPERIMENT.address(Toy(number=1))
    assert EXPERIMENT.address(one) != EXPERIMENT.address(other)
    assert replace(EXPERIMENT, version=2).address(one) != EXPERIMENT.address(one)
