"""A first look waits for no compiler: NumPy and compiled routes agree, and programs are few."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from commands import FLOW
from gapless.design import Design
from gapless.flow import FLOW as STEPS
from gapless.flow import AtEnergy, GradientFlow, Stop, integrate, numpy_is_sooner
from gapless.losses import amplitude, loss_from_value, normalised, quartic
from gapless.measure.design_point import points_of_few
from gapless.measure.moment_spectra import design_spectra, parse_moment
from gapless.measure.point import arrow, words
from gapless.measure.simulation import Simulation
from gapless.problem import draw_problem

# 2³³ > 700² counters are never needed here, and blocks of rows end within one
SHAPES = [(24, 7.3, 5), (300, 4.0, 2)]
# float32 keeps 24 bits; logarithm, polynomial and square root of the two routes differ by a few
ROUNDING = 2e-6


@pytest.mark.parametrize(("n", "alpha", "runs"), SHAPES)
def test_draws_in_numpy_are_the_compiled_ones(n: int, alpha: float, runs: int) -> None:
    design = Design(n, alpha, seed=3, index=1, runs=runs)
    in_numpy = Design(n, alpha, seed=3, index=1, runs=runs, in_numpy=True)
    for name in ("sensing_matrix", "teacher", "start", "gaussian_labels", "label_noise"):
        found, expected = getattr(in_numpy, name)(), np.asarray(getattr(design, name)())
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        np.testing.assert_allclose(found, expected, rtol=ROUNDING, atol=1e-7, err_msg=name)
    labels = np.asarray(design.gaussian_labels())
    np.testing.assert_array_equal(in_numpy.shuffle(labels), np.asarray(design.shuffle(labels)))


def test_a_block_that_reaches_past_the_end_leaves_the_rows_before_it() -> None:
    design = Design(8, 129.5, seed=0)  # M = 1036: two blocks of 512 rows and 12 more
    blocks = np.concatenate([np.asarray(block) for block in design.sensing_blocks()])
    np.testing.assert_array_equal(np.asarray(design.sensing_matrix()), blocks[: design.m])


REST, ENERGY = Stop(), AtEnergy(1.0)


@pytest.mark.parametrize(
    ("loss", "stop"),
    [
        (quartic, REST),
        (amplitude, ENERGY),
        *(
            pytest.param(*one, marks=pytest.mark.slow)
            for one in (
                (quartic, ENERGY),
                (amplitude, REST),
                (normalised(1.0), REST),
                (normalised(1.0), ENERGY),
            )
        ),
    ],
)
def test_the_flow_in_numpy_is_the_compiled_one(loss, stop) -> None:
    design = Design(24, 6.0, seed=1, runs=3)
    problem = draw_problem(design, "shuffled", loss, "float64")
    solver, times = GradientFlow(tolerance=1e-3), [0.05, 0.1, 0.2]
    expected, found = (
        integrate(one, design.start(), 0.2, solver=solver, stop=stop, save_at=times)
        for one in (problem, problem.to_numpy())
    )
    assert found.outcome == expected.outcome
    np.testing.assert_array_equal(found.gradients, expected.gradients)
    # float64: 1e-16 grows along a flow of a few e-folds, and the error of a step decides its length
    np.testing.assert_allclose(found.energy, expected.energy, rtol=1e-7)
    np.testing.assert_allclose(found.state.w, np.asarray(expected.state.w), rtol=0, atol=1e-6)


def test_spectra_in_numpy_are_the_compiled_ones() -> None:
    moment = parse_moment("time:0.01")
    found, expected = (
        design_spectra(Design(32, 6.0, seed=2, runs=3, in_numpy=in_numpy), moment).table.to_pydict()
        for in_numpy in (True, False)
    )
    for name in ("energy", "eigenvalues", "hessian_edge"):
        # of the spectral width, of order ten: float32 and the steps of the flow
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-3, atol=1e-2, err_msg=name)


def test_who_asks_for_eight_runs_gets_a_design_of_eight() -> None:
    template = Simulation(n=32, alpha=4.0, seed=0)
    assert [point.runs for point in points_of_few(template, 8)] == [8]
    assert [point.runs for point in points_of_few(template, 130)] == [64, 64, 2]
    assert [point.index for point in points_of_few(template, 130)] == [0, 1, 2]
    told = template.model_copy(update={"runs": 5})
    assert [point.runs for point in points_of_few(told, 8)] == [5, 5]


def test_runs_do_not_depend_on_how_many_share_their_design() -> None:
    few, many = (Simulation(n=32, alpha=6.0, seed=4, runs=k, save_at=(0.05,)) for k in (3, 7))
    found, expected = few.measure(), many.measure().slice(0, 3)
    assert found["runs"].to_pylist() == [3] * 3
    for name, tolerance in (("overlap_start", 1e-6), ("energy_t", STEPS.tolerance)):
        values = (np.array(table[name].to_pylist()) for table in (found, expected))
        np.testing.assert_allclose(*values, rtol=tolerance, atol=1e-6, err_msg=name)


def test_long_computations_and_losses_of_ones_own_are_compiled() -> None:
    assert numpy_is_sooner(quartic, "float32", 8, 640, 300)
    assert not numpy_is_sooner(quartic, "float32", 8, 640, 1e6)
    assert not numpy_is_sooner(quartic, "float32", 64, 10**6, 300)
    assert not numpy_is_sooner(quartic, "float16", 8, 640, 300)
    own = loss_from_value(lambda yhat, y: (yhat**2 - y**2) ** 2, "own")
    assert not numpy_is_sooner(own, "float32", 8, 640, 300)


@pytest.mark.parametrize("kind", [float, np.float32, int, np.int32, bool])
def test_columns_are_those_of_arrow(kind: type) -> None:
    values = (np.arange(19) % 3).astype(kind)
    absent = np.arange(19) % 4 == 0
    assert arrow(values).equals(pa.array(values))
    assert arrow(values, absent).equals(pa.array(values, mask=absent))
    assert words(["", "é", "trapped"]).equals(pa.array(["", "é", "trapped"]))


LADDER = {
    "from gapless.cli import main; main(['--help'])": "jax matplotlib pydantic scipy",
    "import gapless.page.panels": "pandas matplotlib jax",
    "import gapless.store, gapless.sweep": "jax pandas matplotlib scipy distributed",
    f"main({FLOW})": "jax pandas scipy gapless.theory gapless.hessian",
    "from gapless.figures import NAMES, load; [load(name) for name in NAMES]": "matplotlib",
}
"""What is asked for, one after the other, and what is not loaded by then."""


def test_what_is_asked_for_loads_nothing_that_it_does_without() -> None:
    lines = ["import sys"]
    for code, heavy in LADDER.items():
        lines += [code, f"found = set({heavy.split()}) & set(sys.modules)"]
        lines += [f"assert not found, ({code!r}, found)"]
    run = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")


COUNT = """
import json, sys
import gapless.program_cache
gapless.program_cache.use()
from gapless.cli import main
counted = {}
for command in json.loads(sys.argv[1]):
    before, compiled = "jax" in sys.modules, 0
    if before:
        from jax import monitoring
        monitoring.clear_event_listeners()
        events = []
        monitoring.register_event_duration_secs_listener(lambda name, *_, **__: events.append(name))
    assert main(command.split()) == 0, command
    made = events.count("/jax/core/compile/backend_compile_duration") if before else 0
    counted[command] = made if before else -("jax" in sys.modules)
    if command == "cache":
        import jax
json.dump(counted, sys.stderr)
"""
WITHOUT_JAX = (
    "--help",
    "theory state --alpha 10",
    "flow --n 32 --alpha 6 --runs 8",
    "flow --n 32 --alpha 6 --runs 4 --labels shuffled --start spectral --noise 0.01",
    "spectrum --n 32 --alpha 6 --runs 4",
    "dmft --alpha 4 --t-max 0.2 --step 0.02 --paths 500 --sets 2",
)
THEORY = ("theory threshold", "theory minima --alpha 10")
COMPILED = {
    # draw: X by block, its place, directions, labels; then begin, loop, overlap; and a probe
    "flow --n 32 --alpha 6 --runs 2 --dtype float16": 10,
    "flow --n 32 --alpha 6 --runs 3 --dtype float16 --labels shuffled --noise 0.1": 12,
    # the same, no batch smaller and no linear flow
    "success --n 33 --alpha 6 --runs 200": 10,
    # what does not depend on N is there; a smaller batch, and the linear flow: where, two of
    # Lanczos, Ritz vectors, arrival
    "success --n 128 --alpha 6 --runs 200": 16,
    # nothing is compiled for a second time
    "success --n 33 --alpha 6 --runs 201": 0,
}


def test_a_first_look_loads_no_compiler(tmp_path: Path) -> None:
    assert programs_of(WITHOUT_JAX, tmp_path) == dict.fromkeys(WITHOUT_JAX, 0)


LOADED = """
import sys
from gapless.cli import main
assert main(sys.argv[1].split()) == 0
print("loaded:", *(name for name in sys.argv[2:] if name in sys.modules), file=sys.stderr)
"""
# each takes as long as the runs of a first look; SciPy finds the roots of the threshold energy
SLOW_TO_LOAD = ("jaxtyping", "asyncio", "pandas", "pyarrow.compute", "jax")


def test_a_picture_of_runs_loads_matplotlib_alone(tmp_path: Path) -> None:
    command = f"flow --n 16 --alpha 6 --runs 2 --plot {tmp_path}/f.png"
    run = subprocess.run(
        [sys.executable, "-c", LOADED, command, "matplotlib", *SLOW_TO_LOAD],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stderr.splitlines()[-1].split() == ["loaded:", "matplotlib"]


@pytest.mark.slow
def test_a_verb_compiles_a_program_for_each_thing_that_it_does(tmp_path: Path) -> None:
    counted = programs_of([*THEORY, "cache", *COMPILED], tmp_path)
    assert {command: counted[command] for command in THEORY} == dict.fromkeys(THEORY, 0)
    for command, most in COMPILED.items():
        assert counted[command] <= most, command


def programs_of(commands: Sequence[str], cache: Path) -> dict[str, int]:
    """Return the number of programs that each command compiles; −1 where JAX is loaded for none."""
    run = subprocess.run(
        [sys.executable, "-c", COUNT, json.dumps([*commands])],
        env=os.environ | {"XDG_CACHE_HOME": str(cache)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stderr[run.stderr.rindex("{") :])
