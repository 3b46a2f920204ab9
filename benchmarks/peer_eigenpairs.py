"""Lowest three eigenpairs of the Hessian beside scipy, primme and matfree, on the same products."""

import warnings
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from peer_tables import call, heading, peer, spread, write
from scipy.sparse.linalg import LinearOperator, eigsh, lobpcg

from gapless.design import Design
from gapless.flow import AtEnergy, integrate
from gapless.hessian import hessian_operator, lowest_eigenpairs
from gapless.linalg import WeightedGram
from gapless.linalg.lanczos import BLOCK
from gapless.problem import draw_problem

ALPHA = 10.0
ENERGY = 7.0
"""About the threshold energy: where the Hessian is taken."""
RESIDUAL = 1e-6
"""On |Hv − λv|, in spectral widths."""
DEPTHS = (96, 128, 192, 256, 320, 384, 512)
"""Numbers of products that matfree is tried with: it does not stop by itself."""


class Products:
    """The Hessian as NumPy sees it: gapless' own product, which reads X once for each block."""

    def __init__(self, operator: WeightedGram) -> None:
        self.apply, self.operator = jax.jit(lambda operator, v: operator(v)), operator
        self.passes = self.vectors = 0

    def __call__(self, v: np.ndarray) -> np.ndarray:
        """Return H v for columns v, (N,) or (N, p)."""
        columns = v.reshape(v.shape[0], -1).astype(np.float32, copy=False)
        self.passes, self.vectors = self.passes + 1, self.vectors + columns.shape[1]
        image = self.apply(self.operator, jnp.asarray(columns.T[None]))
        return np.asarray(image)[0].T.reshape(v.shape)

    def linear_operator(self) -> Any:
        """Return it in the form that eigensolvers take."""
        make: Any = LinearOperator
        n = self.operator.sensing.shape[1]
        return make((n, n), matvec=self, matmat=self, dtype=np.float32)


def in_double(operator: WeightedGram, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return Rayleigh quotients and |Hv − λv| of columns in float64, by blocks of rows of X."""
    v = vectors.astype(float) / np.linalg.norm(vectors.astype(float), axis=0)
    weight, image = np.asarray(operator.weight[0], float), float(operator.shift[0]) * v
    x = np.asarray(operator.sensing)
    for first in range(0, len(x), 4096):
        rows = x[first : first + 4096].astype(float)
        image += rows.T @ (weight[first : first + 4096, None] * (rows @ v))
    values = (v * image).sum(axis=0)
    return values, np.linalg.norm(image - values * v, axis=0)


def eigenpairs(n: int, repeats: int) -> None:
    """Print time and residual of the lowest three eigenpairs by every route."""
    design = Design(n, ALPHA, seed=0, runs=1)
    problem = draw_problem(design)
    crossing = integrate(problem, design.start(), 20.0, stop=AtEnergy(ENERGY))
    w, key = crossing.state.w, jax.random.key(1)
    operator = hessian_operator(problem, w)
    assert isinstance(operator, WeightedGram)
    products = Products(operator)

    def block_lanczos(tolerance: float) -> np.ndarray:
        pairs = lowest_eigenpairs(problem, w, key=key, tolerance=tolerance, method="lanczos")
        products.vectors, products.passes = pairs.products, pairs.products // BLOCK
        return np.asarray(pairs.vectors[0]).T

    vectors, compiling, _ = call(lambda: block_lanczos(RESIDUAL))
    width = float(lowest_eigenpairs(problem, w, key=key, tolerance=1e-2, method="lanczos").width[0])
    lowest = in_double(operator, vectors)[0].min()
    first = np.asarray(jax.random.normal(key, (n, 8)))
    _, product, _ = call(lambda: [products(first[:, :columns]) for columns in range(1, 9)])
    print(
        f"\nN = {n}, α = {problem.alpha:g}, e = {float(crossing.state.energy[0]):.3f}, spectral "
        f"width {width:.1f}; first calls, CPU s: {compiling:.1f} of gapless, "
        f"{product:.1f} of products with 1 to 8 vectors"
    )
    heading(
        "route",
        "CPU s",
        "wall s",
        "passes over X",
        "products",
        "residual, widths",
        "λ₁",
        "λ₂",
        "λ₃",
    )

    def row(name: str, route: Callable[[], np.ndarray]) -> None:
        taken = []
        try:
            for _ in range(repeats):
                products.passes = products.vectors = 0
                taken.append(call(route))
        except Exception as error:  # a solver that gives up says so in ways of its own
            print(f"not run: {name}: {' '.join(str(error).split())[:120]}", flush=True)
            return
        vectors, cpu, wall = (list(column) for column in zip(*taken, strict=True))
        values, residuals = in_double(operator, vectors[0])
        order = np.argsort(values)[:3]
        write(
            name,
            *(spread(cpu), spread(wall)),
            *(products.passes, products.vectors),
            f"{residuals[order].max() / width:.1e}",
            *(f"{values[i]:.4f}" for i in order),
        )

    hessian = products.linear_operator()
    for tolerance in (1e-5, RESIDUAL):
        name = f"gapless block Lanczos, tolerance {tolerance:g}"
        row(name, lambda tolerance=tolerance: block_lanczos(tolerance))
    # ARPACK's tolerance is relative to the eigenvalue
    relative = RESIDUAL * width / abs(lowest)
    for ncv in (20, 64):
        row(
            f"scipy eigsh, ncv = {ncv}",
            lambda ncv=ncv: eigsh(hessian, 3, which="SA", v0=first[:, 0], ncv=ncv, tol=relative)[1],
        )
    # it stops when every vector of its block has converged: no more than are asked for
    row("scipy lobpcg, block of 3", lambda: blocks(hessian, first[:, :3], width))
    if (modules := peer("primme")) is not None:
        for method, block in (("MIN_TIME", 1), ("MIN_MATVECS", 1), ("MIN_MATVECS", 4)):
            how = {"method": f"PRIMME_DEFAULT_{method}", "maxBlockSize": block}
            row(
                f"primme, {method}, block of {block}",
                lambda how=how: modules[0].eigsh(
                    hessian, 3, which="SA", tol=RESIDUAL, v0=first[:, : how["maxBlockSize"]], **how
                )[1],
            )
    if (modules := peer("matfree.decomp", "matfree.eig")) is None:
        return
    for depth in DEPTHS:
        if depth > n:
            break
        run = matfree_lanczos(modules, depth)
        found = in_double(operator, np.asarray(run(operator, first[:, 0])).T)
        if found[1].max() <= RESIDUAL * width:
            row(
                f"matfree eigh_partial, {depth} products",
                lambda run=run, depth=depth: counted(products, depth, run(operator, first[:, 0])),
            )
            return
    print(f"not run: matfree: no number of products up to {DEPTHS[-1]} reaches the residual")


def blocks(hessian: Any, start: np.ndarray, width: float) -> np.ndarray:
    """Return the vectors of LOBPCG, which warns where it falls short: residuals are measured."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tolerance = RESIDUAL * width
        solve: Any = lobpcg
        return solve(hessian, start.copy(), largest=False, tol=tolerance, maxiter=500)[1]


def counted(products: Products, made: int, vectors: Any) -> np.ndarray:
    """Return vectors as columns, and note how many products made them."""
    products.passes = products.vectors = made
    return np.asarray(vectors).T


def matfree_lanczos(modules: Any, depth: int) -> Callable[[WeightedGram, Any], Any]:
    """Return a compiled function: the three lowest Ritz vectors of `depth` products."""
    decomp, eig = modules
    solve = eig.eigh_partial(decomp.tridiag_sym(depth))

    @jax.jit
    def run(operator: WeightedGram, start: Any) -> Any:
        return solve(lambda v: operator(v[None, None])[0, 0], start)[1][:3]

    return run
