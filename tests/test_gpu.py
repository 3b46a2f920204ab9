"""The same code on a GPU; skipped where there is none."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gapless.design import Design
from gapless.flow import FLOW, SWEEP, integrate
from gapless.precision import precision
from gapless.problem import draw_problem
from settings import setting


def _gpus():
    try:
        return jax.devices("gpu")
    except RuntimeError:
        return []


on_gpu = pytest.mark.skipif(
    not _gpus(), reason="no GPU: install gapless[cuda] on a machine with one"
)
DESIGN = Design(n=256, alpha=8, seed=5, runs=16)


def test_off_the_cpu_products_are_made_in_full_float32(monkeypatch):
    """TF32, the default of float32 products on recent GPUs, keeps ten bits."""
    monkeypatch.setattr("gapless.precision.on_cpu", lambda: True)
    with precision("float32"):
        assert setting("jax_default_matmul_precision") is None
    monkeypatch.setattr("gapless.precision.on_cpu", lambda: False)
    with precision("float32"):
        assert setting("jax_default_matmul_precision") == "highest"
    assert setting("jax_default_matmul_precision") is None


@on_gpu
def test_a_gradient_has_the_precision_of_float32():
    exact = draw_problem(DESIGN, dtype="float64")
    with precision("float64"), jax.default_device(jax.devices("cpu")[0]):
        w = jnp.asarray(np.asarray(DESIGN.start()), jnp.float64)
        expected = np.asarray(exact.evaluate(w).velocity)
    problem = draw_problem(DESIGN)
    with precision("float32"):
        found = np.asarray(problem.evaluate(DESIGN.start()).velocity, float)
    # sums of N and of M terms, each rounded: 2⁻²⁴ √N; ten bits would be off by 1e-3
    assert np.abs(found - expected).max() < 2e-5 * np.abs(expected).max()


@on_gpu
@pytest.mark.parametrize("solver", [FLOW, SWEEP])
def test_runs_are_those_of_the_cpu_while_rounding_does_not_tell(solver):
    def energy(device):
        with jax.default_device(device):
            problem = draw_problem(DESIGN)
            return integrate(problem, DESIGN.start(), 0.2, solver=solver).end.energy

    np.testing.assert_allclose(energy(_gpus()[0]), energy(jax.devices("cpu")[0]), rtol=1e-3)
