"""What a user hands to a pool of their own arrives as what it was."""

import multiprocessing
import pickle
import subprocess
import sys
from dataclasses import fields, is_dataclass

import jax
import numpy as np
import pytest

import gapless
from gapless.channels import preprocessing
from gapless.figures import NAMES, load
from gapless.flow import ACCURATE, FLOW, PAPER, SWEEP
from gapless.losses import Loss, amplitude, loss_from_value, normalised, parse_loss, quartic
from gapless.store import Store
from gapless.sweep import Task, plan
from places import TESTS
from toy_experiment import EXPERIMENT as TOY
from toy_experiment import Toy


def saturating(yhat, y):
    return (yhat**2 - y**2) ** 2 / (1 + yhat**2 + y**2)


def quartic_by_hand(yhat, y):
    return (yhat**2 - y**2) ** 2


def slope(yhat, y):
    return 4 * yhat * (yhat**2 - y**2)


def curvature(yhat, y):
    return 12 * yhat**2 - 4 * y**2


def again(thing):
    return pickle.loads(pickle.dumps(thing))


def same(one, other) -> bool:
    if isinstance(one, (np.ndarray, jax.Array)):
        return type(one) is type(other) and np.array_equal(one, other, equal_nan=True)
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if is_dataclass(one) and not isinstance(one, Loss):
        return all(same(getattr(one, f.name), getattr(other, f.name)) for f in fields(one))
    return bool(one == other)


@pytest.mark.parametrize("loss", [quartic, amplitude, normalised(0.5), normalised(3)], ids=str)
def test_a_loss_with_a_name_stays_one_object(loss):
    assert again(loss) is loss
    assert parse_loss(loss.name) is loss


@pytest.mark.parametrize(
    "loss",
    [
        loss_from_value(saturating, "mine"),
        Loss("by hand", quartic_by_hand, slope, curvature, -np.inf),
    ],
    ids=str,
)
def test_a_loss_of_ones_own_computes_the_same(loss):
    found = again(loss)
    assert (found.name, found.curvature_infimum) == (loss.name, loss.curvature_infimum)
    yhat, y = np.meshgrid(np.linspace(-2, 2, 9), np.linspace(0, 3, 7))
    for function in ("value", "d1", "d2"):
        assert np.array_equal(getattr(found, function)(yhat, y), getattr(loss, function)(yhat, y))


def test_a_loss_that_borrows_a_name_keeps_its_functions():
    mine = Loss("quartic", quartic_by_hand, slope, curvature, -np.inf)
    assert again(mine).value is mine.value


def test_designs_problems_and_what_comes_of_them_make_the_round_trip():
    design = gapless.Design(8, 4.0, 0, runs=2)
    problem = gapless.draw_problem(design)
    trajectory = gapless.integrate(problem, design.start(), 0.01)
    law = problem.label_law(trajectory.state.w, 0)
    for thing in (design, problem, trajectory, law, FLOW, PAPER, SWEEP, ACCURATE):
        assert same(again(thing), thing)
    for name in ("weak", "best", "trimmed"):
        mine, y = preprocessing(name, 3.0), np.linspace(0.1, 4, 9)
        assert np.array_equal(again(mine).transform(y), mine.transform(y))


def test_points_of_every_figure_and_their_tasks_make_the_round_trip(importable, tmp_path):
    store = Store(tmp_path)
    for name in NAMES:
        experiment = load(name)
        (task, *_) = plan(experiment, experiment.points("smoke", 0)[:2], store).tasks()
        assert isinstance(task, Task)
        assert again(task) == task
        assert set(task.addresses) <= set(map(experiment.address, experiment.points("smoke", 0)))
    (task, *_) = plan(TOY, [Toy(number=1)], store).tasks()
    assert again(task) == task


def test_a_task_finds_the_module_of_its_points_in_the_current_folder(tmp_path):
    (tmp_path / "mine.py").write_text(
        "import pyarrow as pa\nfrom gapless.measure import Cost, Point\n"
        "class Throw(Point):\n"
        "    SCHEMA = pa.schema({'number': pa.int64()})\n"
        "    number: int\n"
        "    def measure(self): return self.table()\n"
        "    def cost(self): return Cost(1.0, 1.0)\n"
    )
    save = (
        "import pickle, sys; sys.path.insert(0, '.'); from mine import Throw\n"
        "from gapless.sweep import Task\n"
        "from pathlib import Path\n"
        "task = Task('x', Path(), (Throw(number=3),), ('a',), 1.0)\n"
        "open('task', 'wb').write(pickle.dumps(task))\n"
    )
    read = (
        "import pickle, sys; sys.path = [p for p in sys.path if p not in ('', '.')]\n"
        "import gapless; task = pickle.load(open('task', 'rb'))\n"
        "assert task.points[0].measure()['number'].to_pylist() == [3]\n"
    )
    for code in (save, read):
        subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)


def energy(problem):
    return np.asarray(problem.energy(problem.teacher + 1))


@pytest.mark.slow
def test_a_pool_of_ones_own_computes_with_problems(importable):
    losses = [quartic, normalised(0.5), loss_from_value(saturating)]
    problems = [
        gapless.draw_problem(gapless.Design(8, 4.0, 0, runs=2), loss=loss) for loss in losses
    ]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found = pool.map(energy, problems)
    for one, problem in zip(found, problems, strict=True):
        assert np.allclose(one, energy(problem), rtol=1e-5)


SCRIPT = """
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from toy_experiment import EXPERIMENT, Toy
from gapless.store import Store
from gapless.sweep import plan, run_on_workers
store = Store.open(Path("s"), {{}}, {{}})
run_on_workers(plan(EXPERIMENT, [Toy(number=1)], store).tasks(), 2, print)
"""


@pytest.mark.parametrize(
    "read", ["as a file", pytest.param("from standard input", marks=pytest.mark.slow)]
)
def test_a_script_without_a_guard_is_told_so_once(tmp_path, read):
    text = SCRIPT.format(tests=str(TESTS))
    (tmp_path / "script.py").write_text(text)
    script = ["script.py"] if read == "as a file" else ["-"]
    done = subprocess.run(
        [sys.executable, *script], cwd=tmp_path, input=text, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.count("Traceback") == 1
    remedy = 'if __name__ == "__main__":' if read == "as a file" else "save it as a file"
    assert remedy in done.stderr.splitlines()[-1]
