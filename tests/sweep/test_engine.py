"""Sweeps: the same records whatever the engine, the order and the interruptions."""

import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from gapless.figures.fig5 import EXPERIMENT as FIG5
from gapless.measure.simulation import Simulation
from gapless.store import Store, status
from gapless.store.records import PROVENANCE
from gapless.sweep import (
    Receipt,
    Task,
    WorkerLostError,
    engine,
    orderly_interrupt,
    plan,
    run_in_process,
    run_on_workers,
    shard,
)
from toy_experiment import EXPERIMENT, Toy


def records(store: Store):
    table = store.read()
    return table.drop_columns([name for name in PROVENANCE if name in table.column_names])


def open_store(path) -> Store:
    return Store.open(path, {"experiment": "test"}, {})


def run_all(experiment, points, store, workers=1, **options):
    receipts = []
    todo = plan(experiment, points, store)
    if workers == 1:
        run_in_process(todo.tasks(), store.path, receipts.append)
    else:
        run_on_workers(todo.tasks(), store.path, workers, receipts.append, **options)
    assert sum(receipt.points for receipt in receipts) == len(todo.missing)
    return records(store)


@pytest.mark.slow
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


@pytest.mark.slow
def test_poisoned_points_cost_only_themselves(tmp_path, importable):
    reasons = {
        "raises": "ArithmeticError: no square today",
        "segfaults": "the worker died with exit code -11, in 3 tries",
        "never ends": "took longer than 4 s, in 3 tries",
        "takes all memory": "MemoryError: ",
    }
    good = [Toy(number=i) for i in range(8)] + [Toy(number=8, ending="NaN")]
    poisoned = [Toy(number=9 + i, ending=ending) for i, ending in enumerate(reasons)]
    points = [*poisoned, *good]
    rows = run_all(EXPERIMENT, points, open_store(tmp_path), 2, time_limit=4.0).to_pylist()
    assert {r["number"]: r["reason"] for r in rows if r["reason"] is not None} == {
        point.number: reasons[point.ending] for point in poisoned
    }
    computed = [r for r in rows if r["reason"] is None]
    assert sorted(r["number"] for r in computed) == sorted(2 * [*range(9)])
    assert all(np.isnan(r["square"]) == (r["number"] == 8) for r in computed)


class PoisonedCrew:
    """One worker that number 1 takes down."""

    def __init__(self):
        self.order: list[Task] = []
        self.task: Task | None = None

    def room(self):
        return 1

    def submit(self, task):
        self.task = task
        self.order.append(task)

    def busy(self):
        return self.task is not None

    def finished(self):
        task, self.task = self.task, None
        assert task is not None
        poisoned = any(isinstance(point, Toy) and point.number == 1 for point in task.points)
        receipt = Receipt(len(task.points), 0, task.flops, 0.0)
        return [(task, WorkerLostError("poisoned") if poisoned else receipt)]


def test_a_point_that_takes_its_worker_down_is_tried_three_times_in_all(monkeypatch):
    bundle = Task("toy", tuple(Toy(number=i) for i in range(3)), ("a", "b", "c"), 6.0)
    other = Task("toy", (Toy(number=7),), ("d",), 2.0)
    given_up = Receipt(1, 1, 2.0, 0.0)
    reasons, receipts = [], []
    monkeypatch.setattr(
        engine, "give_up", lambda task, store, reason: reasons.append(reason) or given_up
    )
    crew = PoisonedCrew()
    engine.drive(crew, [bundle, other], Path(), receipts.append, engine.never)
    tries = Counter(
        point.number for task in crew.order for point in task.points if isinstance(point, Toy)
    )
    assert tries == {0: 2, 1: 3, 2: 2, 7: 1}
    assert reasons == ["poisoned, in 3 tries"]
    assert crew.order[:2] == [bundle, other]  # what is fresh goes before what failed
    assert sum(receipt.flops for receipt in receipts) == bundle.flops + other.flops


@pytest.mark.parametrize("count", [1, 3, 8, 64])
def test_shards_in_any_order_make_the_same_table(tmp_path, count):
    points = [Toy(number=i) for i in range(20)]
    whole = run_all(EXPERIMENT, points, open_store(tmp_path / "whole"))
    store = open_store(tmp_path / "shards")
    for index in np.random.default_rng(count).permutation(count) + 1:
        mine = shard(points, int(index), count)
        run_in_process(plan(EXPERIMENT, mine, store).tasks(), store.path, lambda receipt: None)
    assert records(store).equals(whole)
    assert status(store).duplicates == 0


def test_an_orderly_interrupt_finishes_the_task_in_hand(tmp_path):
    store = open_store(tmp_path)
    todo = plan(EXPERIMENT, [Toy(number=i) for i in range(8)], store)
    with orderly_interrupt() as stopping:

        def interrupt(receipt):
            signal.raise_signal(signal.SIGINT)

        run_in_process(todo.tasks(), store.path, interrupt, stopping=stopping)
        assert stopping()
    assert len(store.present()) == 3  # the first task


@pytest.mark.parametrize("workers", [None, 1])
def test_the_second_interrupt_ends_at_once(tmp_path, importable, workers):
    code = (
        "import sys; from gapless.cli.running import Engine, run_plan\n"
        "from toy_experiment import EXPERIMENT as toy, Toy\n"
        "from pathlib import Path\n"
        "if __name__ == '__main__':\n"
        f"    run_plan(toy, [Toy(number=1, ending='never ends')], Path('s'), {{}}, "
        f"Engine(workers={workers}))\n"
    )
    (tmp_path / "sweep.py").write_text(code)
    with subprocess.Popen(
        [sys.executable, "sweep.py"], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        until(lambda: (tmp_path / "s/plan.json").exists())
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        assert "interrupt again" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=5) == 130


def until(condition, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_planning_and_looking_load_no_arrays():
    code = (
        "import sys, gapless.cli.main, gapless.store, gapless.sweep;"
        "heavy = {'jax', 'pandas', 'matplotlib', 'scipy', 'distributed'} & set(sys.modules);"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
