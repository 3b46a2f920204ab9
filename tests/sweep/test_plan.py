"""Plans: every missing point once, at the address of its parameters."""

from dataclasses import replace

from gapless.store import Store
from gapless.sweep import (
    plan,
)
from toy_experiment import EXPERIMENT, Toy


def open_store(path) -> Store:
    return Store.open(path, {"experiment": "test"}, {})


def test_tasks_hold_every_missing_point_once(tmp_path):
    points = EXPERIMENT.points("smoke", 0)
    todo = plan(EXPERIMENT, points, open_store(tmp_path))
    tasks = list(todo.tasks())
    assert [p for task in tasks for p in task.points] == points
    assert sum(task.flops for task in tasks) == todo.flops


def test_tasks_are_of_seconds_and_small_shares_of_a_small_sweep(tmp_path):
    for count, size in ((40, 3), (16, 2), (8, 1), (3, 1)):
        points = [Toy(number=number) for number in range(count)]
        todo = plan(EXPERIMENT, points, open_store(tmp_path / str(count)))
        # 3 × 4e10 operations fill a task of 1e11
        assert [len(task.points) for task in todo.tasks()][:-1] == [size] * ((count - 1) // size)


def test_an_address_is_that_of_the_parameters_and_the_version():
    one, other = Toy(number=1), Toy(number=2)
    assert EXPERIMENT.address(one) == EXPERIMENT.address(Toy(number=1))
    assert EXPERIMENT.address(one) != EXPERIMENT.address(other)
    assert replace(EXPERIMENT, version=2).address(one) != EXPERIMENT.address(one)
