"""Points on measurements: addresses by content, starts, memory."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from gapless.algorithms.starts import parse_start
from gapless.measure.own import OwnSimulation, states_from
from gapless.problem import OwnProblem, problem_from_arrays

M, N = 64, 8
RNG = np.random.default_rng(4)
X = RNG.standard_normal((M, N))
SIGNAL = RNG.standard_normal(N)


def own_with(seed: int = 0, runs: int = 2, factor: float = 1.0, **options) -> OwnProblem:
    x = X.copy()
    x[0, 0] *= factor
    return problem_from_arrays(x, (X @ SIGNAL) ** 2, runs=runs, seed=seed, **options)


def test_the_address_depends_on_every_number_of_the_data():
    parameters = [
        OwnSimulation.of(own).model_dump_json()
        for own in (own_with(), own_with(factor=1 + 2**-50), own_with(seed=1), own_with(runs=3))
    ]
    assert len(set(parameters)) == 4
    assert OwnSimulation.of(own_with()).model_dump_json() == parameters[0]
    assert json.loads(parameters[0])["digest"] == own_with().digest


def test_records_are_those_of_a_simulation_and_of_the_units():
    table = OwnSimulation.of(own_with(teacher=SIGNAL), t_max=0.5).measure().to_pylist()
    assert [one["run"] for one in table] == [0, 1]
    for one in table:
        assert one["norm"] == pytest.approx(np.linalg.norm(SIGNAL))
        assert (one["n"], one["m"], one["dtype"]) == (N, M, "float64")
        assert one["overlap"] is not None


def test_starts_are_random_spectral_or_at_an_overlap():
    own = own_with(teacher=SIGNAL)
    warm = states_from(own, parse_start("overlap:0.5"))
    np.testing.assert_allclose(own.problem.signed_overlap(warm), 0.5)
    assert states_from(own, parse_start("random")) is own.start
    spectral = states_from(own, parse_start("spectral"))
    assert np.asarray(own.problem.overlap(spectral)).min() > 0.3
    with pytest.raises(ValueError, match="no teacher"):
        states_from(own_with(), parse_start("overlap:0.5"))


PEAK = """
import resource, sys
import numpy as np
from gapless.cli import main
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
# whatever is imported or compiled is so before
main(["flow", "--data", "small.npz", "--t-max", "0.02", "--json", *sys.argv[2:]])
before = peak()
main(["flow", "--data", sys.argv[1], "--t-max", "0.02", "--save-at", "0.02", *sys.argv[2:]])
print((peak() - before) / 2**28)
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["X.npy", "d.npz"])
def test_memory_holds_x_once(name, tmp_path):
    """Peak memory beyond that of the program is at most 1.3 times an X of 256 MiB."""
    n, m = 2048, 2**15
    x = RNG.standard_normal((m, n), np.float32)
    y2 = (x @ np.ones(n, np.float32)) ** 2
    np.savez(tmp_path / "small.npz", X=x[:300, :100], y2=y2[:300])
    if name == "X.npy":
        np.save(tmp_path / "X.npy", x)
        np.save(tmp_path / "y2.npy", y2)
    else:
        np.savez(tmp_path / name, X=x, y2=y2)
    del x
    shown = subprocess.run(
        [sys.executable, "-c", PEAK, name],
        cwd=tmp_path,
        env=os.environ,
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(shown.stdout.splitlines()[-1]) < 1.3
