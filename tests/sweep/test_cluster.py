"""The Dask engine: the same records, whatever happens to workers."""

import os
import random
import signal
import threading
from concurrent.futures import Future

import pytest
from distributed import Client, LocalCluster

from gapless.store import Store, status
from gapless.sweep import plan
from gapless.sweep.cluster import Cluster, connect, run_on_cluster
from gapless.sweep.engine import WorkerLostError
from toy_experiment import EXPERIMENT, Toy

pytestmark = [
    pytest.mark.slow,
    # an error out of a warning would stop Dask's own event loop
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture
def client(monkeypatch, importable):
    """Two workers of one thread each; points of some ms."""
    monkeypatch.setenv("TOY_SLEEP", "0.005")
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


def run(client, points, store, **options):
    receipts = []
    tasks = plan(EXPERIMENT, points, store).tasks()
    run_on_cluster(tasks, client, receipts.append, **options)
    return receipts


@pytest.mark.campaign
def test_killed_workers_cost_only_their_tasks(client, tmp_path):
    store = Store.open(tmp_path, {"experiment": "toy"}, {})
    points = [Toy(number=i) for i in range(9000)]  # three a task
    assert len(list(plan(EXPERIMENT, points, store).tasks())) == 3000
    killed, over = [], threading.Event()

    def kill_twelve():
        chance = random.Random(0)
        while len(killed) < 12 and not over.wait(2.0):
            # a call to the workers themselves would wait for a dead one
            alive = sorted(nanny.pid for nanny in client.cluster.workers.values() if nanny.pid)
            if alive:
                os.kill(chance.choice(alive), signal.SIGKILL)
                killed.append(alive)

    killer = threading.Thread(target=kill_twelve)
    killer.start()
    receipts = run(client, points, store)
    over.set()
    killer.join()
    assert len(killed) == 12
    assert sum(receipt.points for receipt in receipts) == len(points)
    found = status(store)
    assert (found.points, found.failed, found.conflicts) == (9000, 0, 0)
    assert found.duplicates <= 0.05 * found.records


def test_poisoned_points_cost_only_themselves(client, tmp_path):
    store = Store.open(tmp_path, {"experiment": "toy"}, {})
    endings = ["segfaults", "never ends", "raises"]
    points = [Toy(number=i, ending=ending) for i, ending in enumerate(endings)]
    run(client, [*points, *(Toy(number=i) for i in range(3, 9))], store, time_limit=3.0)
    rows = store.read().to_pylist()
    reasons = {row["number"]: row["reason"] for row in rows if row["reason"] is not None}
    assert sorted(reasons) == [0, 1, 2]
    assert all("in 3 tries" in reasons[number] for number in (0, 1))
    assert sum(row["square"] is not None for row in rows) == 2 * 6


class _Deaf:
    """A client whose workers never answer; at first there are none."""

    def __init__(self) -> None:
        self.looks = 0

    def get_executor(self, pure):
        return self

    def submit(self, *_):
        return Future()

    def nthreads(self):
        self.looks += 1
        return {"worker": 1} if self.looks > 3 else {}


def test_a_task_of_which_no_word_comes_is_taken_back(tmp_path, monkeypatch):
    monkeypatch.setattr("gapless.sweep.cluster.PULSE", 0.01)
    monkeypatch.setattr("gapless.sweep.cluster.RESTART", 0.05)
    store = Store.open(tmp_path, {"experiment": "toy"}, {})
    (task,) = plan(EXPERIMENT, [Toy(number=1)], store).tasks()
    client = _Deaf()
    crew = Cluster(client, 0.01)  # pyright: ignore[reportArgumentType]  a double
    crew.submit(task)
    ((lost, error),) = crew.finished()
    assert lost is task
    assert isinstance(error, WorkerLostError)
    assert client.looks > 3  # the time without workers does not count
    assert not crew.busy()


def test_workers_of_several_threads_are_refused():
    with (
        LocalCluster(
            n_workers=1, threads_per_worker=2, dashboard_address=":0", processes=False
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
        pytest.raises(ValueError, match="one thread each"),
    ):
        run_on_cluster([], client, print)


@pytest.mark.parametrize("address", ["foo://bar", "nonsense", "tls://127.0.0.1:1", "tcp://x:y", ""])
def test_no_client_is_made_for_an_address_without_a_scheduler(address, monkeypatch):
    """A client that has failed prints a traceback when it is collected."""
    monkeypatch.setattr("gapless.sweep.cluster.Client", pytest.fail)
    with pytest.raises(ValueError, match="no Dask scheduler"):
        connect(address)


def test_a_scheduler_that_answers_has_a_client(client):
    with connect(client.cluster.scheduler_address) as other:
        assert Cluster(other, None).idle() == [0] * 4  # two tasks for each worker
