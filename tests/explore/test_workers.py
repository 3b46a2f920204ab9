"""Processes give what one process gives, in order, and cost only their own items when they die."""

import os
from multiprocessing import parent_process

from gapless.explore.workers import Workers, in_turn


def square(value: int) -> int:
    return value**2


def dies_in_a_worker(value: int) -> int:
    if parent_process() is not None and value == 1:
        os._exit(1)
    return value


def test_workers_return_what_one_process_does_and_survive_the_death_of_one():
    items = [(value,) for value in range(7)]
    told: list[float] = []
    with Workers(2) as each:
        assert each(square, items, told.append) == in_turn(square, items, told.append)
        assert sum(told) == 2 * len(items)
        started = [process for process, _ in each.started]
        assert each(dies_in_a_worker, items, lambda _: None) == list(range(7))
    for process in started:
        process.join(5)
        assert not process.is_alive()


def test_one_process_spawns_nothing():
    with Workers(1) as each:
        assert each(square, [(2,), (3,)], lambda _: None) == [4, 9]
        assert not each.started
