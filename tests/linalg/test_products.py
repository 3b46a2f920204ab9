"""Products with X by blocks of rows are the plain ones."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gapless.linalg import (
    WeightedGram,
    through_rows,
    times,
    times_transpose,
)
from matrices import EPSILON, KEY


@pytest.mark.parametrize("tall_until", [0, 1000])
@pytest.mark.parametrize("m", [3, 700])
def test_the_product_by_blocks_of_rows_is_the_plain_one(m, tall_until, monkeypatch) -> None:
    """In both layouts: labels as (M, K), and as (K, M)."""
    monkeypatch.setattr("gapless.linalg.products.TALL_UNTIL", tall_until)
    monkeypatch.setattr("gapless.linalg.products.ENTRIES_PER_BLOCK", 256 * 32)
    keys = jax.random.split(KEY, 4)
    x, d = jax.random.normal(keys[0], (m, 32)), jax.random.normal(keys[1], (2, m))
    s, v = jax.random.normal(keys[2], (2,)), jax.random.normal(keys[3], (2, 3, 32))
    found = jax.jit(WeightedGram.__call__)(WeightedGram(x, d, s), v)
    dense = np.einsum("mi,km,mj->kij", *(np.asarray(a, float) for a in (x, d, x)))
    exact = np.einsum("kij,kpj->kpi", dense, np.asarray(v, float))
    exact += np.asarray(s, float)[:, None, None] * np.asarray(v, float)
    np.testing.assert_allclose(found, exact, atol=64 * EPSILON * m**0.5 * np.abs(exact).max())


@pytest.mark.parametrize("stored", ["float32", "float16"])
@pytest.mark.parametrize("vectors", [1, 3])
def test_half_a_gradient_by_blocks_of_rows_is_the_plain_one(stored, vectors, monkeypatch) -> None:
    """M = 701 is no multiple of a block: the last one reaches back over rows that are done."""
    monkeypatch.setattr("gapless.linalg.products.ENTRIES_PER_BLOCK", 64 * 31)
    keys = jax.random.split(KEY, 3)
    x = (jax.random.normal(keys[0], (701, 31)) / 31**0.5).astype(stored)
    v, r = jax.random.normal(keys[1], (vectors, 31)), jax.random.normal(keys[2], (vectors, 701))
    exact = np.asarray(x, float)
    for found, plain in (
        (times_transpose(v, x), np.asarray(v, float) @ exact.T),
        (times(r, x), np.asarray(r, float) @ exact),
    ):
        assert found.dtype == jnp.float32
        np.testing.assert_allclose(found, plain, atol=64 * EPSILON * np.abs(plain).max())


@pytest.mark.parametrize("n", [100, 130, 1030])
@pytest.mark.parametrize(("k", "p"), [(1, 1), (2, 1), (5, 2), (12, 1), (20, 1)])
def test_the_pass_in_numpy_is_the_plain_sum_for_few_vectors_and_many(k, p, n):
    """By pieces of a block, by whole blocks, and with rows left over."""
    draw = np.random.default_rng(3)
    m = 2 * n + 7
    x = (draw.standard_normal((m, n)) / n**0.5).astype(np.float32)
    samples = draw.standard_normal((k, m)).astype(np.float32)
    v = draw.standard_normal((k, p, n)).astype(np.float32)
    sums, totals = through_rows(lambda a, y: (a * y, a - y), x, samples, v)
    images, exact = v.astype(float) @ x.astype(float).T, samples[:, None].astype(float)
    bound = 64 * EPSILON * m**0.5
    plain = (images - exact) @ x.astype(float)
    np.testing.assert_allclose(totals, plain, atol=bound * np.abs(plain).max())
    largest = np.abs(images * exact).sum(axis=2)
    assert (np.abs(sums - (images * exact).sum(axis=2)) <= bound * largest).all()
