"""Sweeps: the same records whatever the engine, the order and the interruptions."""

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapless.cli.running import Engine, Sweep, run_sweeps
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
    pool,
    run_in_process,
    run_on_workers,
    shard,
)
from gapless.sweep.lanes import Lanes
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
        run_in_process(todo.tasks(), receipts.append)
    else:
        run_on_workers(todo.tasks(), workers, receipts.append, **options)
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
        run_in_process(plan(FIG5, points[:2], cut).tasks(), stop_after_the_first)
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

    def idle(self):
        return [0]

    def submit(self, task, lane):
        self.task = task
        self.order.append(task)

    def busy(self):
        return self.task is not None

    def finished(self):
        task, self.task = self.task, None
        assert task is not None
        poisoned = any(isinstance(point, Toy) and point.number == 1 for point in task.points)
        receipt = Receipt(task.name, len(task.points), task.flops)
        return [(task, WorkerLostError("poisoned") if poisoned else receipt)]


def test_a_point_that_takes_its_worker_down_is_tried_three_times_in_all(monkeypatch):
    bundle = Task("toy", Path(), tuple(Toy(number=i) for i in range(3)), ("a", "b", "c"), 6.0)
    other = Task("toy", Path(), (Toy(number=7),), ("d",), 2.0)
    given_up = Receipt("toy", 1, 2.0)
    reasons, receipts = [], []
    monkeypatch.setattr(engine, "give_up", lambda task, reason: reasons.append(reason) or given_up)
    crew = PoisonedCrew()
    engine.drive(crew, [bundle, other], receipts.append, engine.never)
    tries = Counter(
        point.number for task in crew.order for point in task.points if isinstance(point, Toy)
    )
    assert tries == {0: 2, 1: 3, 2: 2, 7: 1}
    assert reasons == ["poisoned, in 3 tries"]
    assert crew.order[:2] == [bundle, other]  # what is fresh goes before what failed
    assert sum(receipt.flops for receipt in receipts) == bundle.flops + other.flops


def numbered(count: int, flops=lambda index: 1.0) -> list[Task]:
    return [Task("toy", Path(), (Toy(number=i),), (str(i),), flops(i)) for i in range(count)]


def addresses(tasks: Sequence[Task | None]) -> list[str]:
    return [task.addresses[0] for task in tasks if task is not None]


@given(st.integers(0, 40), st.lists(st.integers(0, 3), max_size=50))
def test_every_task_goes_to_one_lane_whoever_asks(count, asking):
    lanes = Lanes(numbered(count, lambda index: float(index % 5)))
    taken = [lanes.take(lane) for lane in asking]
    while (task := lanes.take(1)) is not None:
        taken.append(task)
    assert sorted(addresses(taken), key=int) == [str(i) for i in range(count)]
    assert all(lanes.take(lane) is None for lane in range(4))


def test_a_lane_takes_neighbours_and_two_lanes_meet_in_the_middle():
    tasks = numbered(64)
    alone = Lanes(tasks)
    assert [alone.take(0) for _ in tasks] == tasks
    both = Lanes(tasks)
    left, right = zip(*[(both.take(0), both.take(1)) for _ in range(31)], strict=True)
    assert addresses(left) == [str(i) for i in range(31)]
    # the second asks when the first has one task in hand: 63 are left
    assert addresses(right) == [str(i) for i in range(33, 64)]
    assert addresses([both.take(1), both.take(0)]) == ["32", "31"]


def test_a_lane_that_is_fast_takes_what_a_slow_one_has_left():
    lanes = Lanes(numbered(64))
    slow = [lanes.take(0)]
    fast = [lanes.take(1) for _ in range(63)]
    assert lanes.take(0) is None
    assert sorted(addresses(slow + fast), key=int) == [str(i) for i in range(64)]


def test_figures_share_their_workers(tmp_path, importable, monkeypatch, capsys):
    started = []

    class Counted(pool.Worker):
        def __init__(self):
            super().__init__()
            started.append(self)

    monkeypatch.setattr(pool, "Worker", Counted)
    points = [Toy(number=i) for i in range(9)]
    sweeps = [
        Sweep(replace(EXPERIMENT, name=name), points, tmp_path / name, {}) for name in ("a", "b")
    ]
    assert [one.store.read().num_rows for one in run_sweeps(sweeps, Engine(workers=2))] == [18, 18]
    assert len(started) == 2
    # nothing is left to do, and no process is started for it
    run_sweeps(sweeps, Engine(workers=2))
    assert len(started) == 2


@pytest.mark.parametrize("count", [1, 3, 8, 64])
def test_shards_in_any_order_make_the_same_table(tmp_path, count):
    points = [Toy(number=i) for i in range(20)]
    whole = run_all(EXPERIMENT, points, open_store(tmp_path / "whole"))
    store = open_store(tmp_path / "shards")
    for index in np.random.default_rng(count).permutation(count) + 1:
        mine = shard(points, int(index), count)
        run_in_process(plan(EXPERIMENT, mine, store).tasks(), lambda receipt: None)
    assert records(store).equals(whole)
    assert status(store).duplicates == 0


def test_an_orderly_interrupt_finishes_the_task_in_hand(tmp_path):
    store = open_store(tmp_path)
    todo = plan(EXPERIMENT, [Toy(number=i) for i in range(8)], store)
    with orderly_interrupt() as stopping:

        def interrupt(receipt):
            signal.raise_signal(signal.SIGINT)

        run_in_process(todo.tasks(), interrupt, stopping=stopping)
        assert stopping()
    assert len(store.present()) == 3  # the first task


@pytest.mark.parametrize("workers", [pytest.param(None, marks=pytest.mark.slow), 1])
def test_the_second_interrupt_ends_at_once(tmp_path, importable, workers):
    code = (
        "import sys; from gapless.cli.running import Engine, Sweep, run_sweeps\n"
        "from toy_experiment import EXPERIMENT as toy, Toy\n"
        "from pathlib import Path\n"
        "if __name__ == '__main__':\n"
        "    sweep = Sweep(toy, [Toy(number=1, ending='never ends')], Path('s'), {})\n"
        f"    run_sweeps([sweep], Engine(workers={workers}))\n"
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
