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
    assert len(tasks) == 3  # 3 × 4e10 operations fill a task of 1e11
    assert sum(task.flops for task in tasks) == todo.flops


def test_an_address_is_that_of_the_parameters_and_the_version():
    one, other = Toy(number=1), Toy(number=2)
    assert EXPERIMENT.address(one) == EXPERIMENT.address(Toy(number=1))
    assert EXPERIMENT.address(one) != EXPERIMENT.address(other)
    assert replace(EXPERIMENT, version=2).address(one) != EXPERIMENT.address(one)
