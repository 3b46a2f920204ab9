"""Failed points: told by every answer, measured again where the cause passes, and only there."""

import numpy as np
import pyarrow as pa
import pytest

from gapless.store import Failure, Store, failures, passes, reason_of, status
from gapless.sweep import plan, run_in_process
from toy_experiment import EXPERIMENT, Toy


def table(address: str, reason: str | None = None, runs: int = 2) -> pa.Table:
    reasons = pa.array([reason] * runs, pa.string())
    return pa.table({"address": [address] * runs, "run": list(range(runs)), "reason": reasons})


@pytest.fixture
def store(tmp_path):
    return Store.open(tmp_path / "s", {"experiment": "toy"}, {"version": "0"})


def test_what_is_missing_is_what_this_plan_lacks(store):
    for address in "abc":
        store.append(table(address))
    store.note_plan(["c", "d"])
    assert (status(store).planned, status(store).missing) == (2, 1)
    (store.path / "plan.json").write_text('{"points": 5}')  # as version 0.1 noted it
    assert (status(store).planned, status(store).missing) == (5, 2)


def test_failures_of_this_plan_are_counted_by_reason(store):
    store.append(table("a", "MemoryError: 1"))
    store.append(table("b", "MemoryError: 1", runs=1))
    store.append(table("c", "ValueError: 2"))
    store.append(table("d", "ValueError: of another plan"))
    store.append(table("e", "OSError: before the try that did better"))
    store.append(table("e"))
    store.note_plan(["a", "b", "c", "e"])
    found = status(store)
    assert found.failures == (
        Failure("MemoryError: 1", 2, True),
        Failure("ValueError: 2", 1, False),
    )
    assert (found.failed, found.missing) == (3, 0)


class DiskGone(OSError):
    """A kind that only this module has."""


class Stubborn(ValueError):
    """An error of a measurement."""


def numpys_own() -> Exception:
    with pytest.raises(MemoryError) as raised:
        np.empty(2**56)
    return raised.value


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("no room"),
        numpys_own(),
        OSError(24, "Too many open files"),
        OSError(28, "No space left on device"),
        DiskGone("unplugged"),
        pa.ArrowMemoryError("realloc failed"),
        ConnectionResetError("peer"),
        RuntimeError("can't start new thread"),
        RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 8 bytes"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_causes_that_pass(error):
    assert passes(reason_of(error))


@pytest.mark.parametrize(
    "error",
    [
        Stubborn("MemoryError: is only what it says"),
        ArithmeticError("no square today"),
        RuntimeError("did not converge"),
        KeyError("OSError"),
        AssertionError(""),
    ],
    ids=lambda error: type(error).__name__,
)
def test_causes_that_stay(error):
    assert not passes(reason_of(error))


def test_a_cause_that_passes_is_tried_again_and_another_when_asked(store, monkeypatch):
    points = [Toy(number=i) for i in range(3)]
    broken = {1: MemoryError("full"), 2: ArithmeticError("no square today")}
    measured = []

    def measure(point):
        measured.append(point.number)
        if point.number in broken:
            raise broken[point.number]
        return squared(point)

    squared = Toy.measure
    monkeypatch.setattr(Toy, "measure", measure)

    def run(**options):
        measured.clear()
        todo = plan(EXPERIMENT, points, store, **options)
        run_in_process(todo.tasks(), store.path, lambda receipt: None)
        return measured.copy()

    assert run() == [0, 1, 2]
    assert run() == [1]  # still no memory
    assert {f.points for f in failures(store.outcomes())} == {1}
    del broken[1]
    assert run() == [1]
    assert run() == []
    assert run(retry_failed=True) == [2]
    broken.clear()
    assert run(retry_failed=True) == [2]
    assert run(retry_failed=True) == []
    assert failures(store.outcomes()) == []
    assert store.read().num_rows == 6
    assert store.conflicts() == []
