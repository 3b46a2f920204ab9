"""The flow beside diffrax and pymanopt, gradient descent beside deepinv: to e = 1e-8."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from peer_tables import Timing, heading, milliseconds, peer, spread, timed, write

from gapless.design import Design
from gapless.flow import (
    ACCURATE,
    FLOW,
    SWEEP,
    GradientDescent,
    GradientFlow,
    Stop,
    integrate,
    paper_budget,
)
from gapless.flow.solvers import Solver
from gapless.problem import Problem, draw_problem

ALPHA = 12.0
"""α = M/N: nearly every run recovers."""
SOLVED = 1e-8
LEVEL = 2
"""Which of the recorded levels of first passages SOLVED is."""
REFERENCE = GradientFlow(2e-6)
"""In float64: what times of first passage are compared with. Its error is below 2e-4."""
TSIT5 = ((3e-5, 1e-6), (1e-5, 1e-6))
"""rtol and atol of diffrax. With looser ones runs come to e = 1e-8 late or never: the error of
every step keeps stiff components alive that hold more energy."""
KVAERNO5 = (1e-3, 1e-5)
"""In float32 few runs pass, with tighter ones none: Newton's method stops at rounding."""
MOST_STEPS = 400
"""Of diffrax: several times what runs take that get there at all."""
ONE_BY_ONE = {64: 16, 256: 8, 1024: 4}
"""How many runs pymanopt gets: it takes one at a time."""
MANOPT_SECONDS = 120.0
RATE = 5e-3
"""Learning rate of both descents: a quarter of what stability allows near the signal."""
CHECK_EVERY = 10
"""Steps of deepinv between two looks at the energy."""


class Runs(NamedTuple):
    """The work: K runs on one X, from their starts to e = 1e-8 or to a time."""

    problem: Problem
    start: Any
    t_max: float

    @property
    def x(self) -> np.ndarray:
        return np.array(self.problem.sensing)

    @property
    def y2(self) -> np.ndarray:
        return np.array(self.problem.labels) ** 2


class Reached(NamedTuple):
    """Which runs came to e = 1e-8, and what each cost on average."""

    passage: np.ndarray
    """t of the first passage, NaN where there was none."""
    cost: float
    unit: str = "gradients"
    on_clock: bool = True
    """Whether passages are times of the flow: an optimiser has none."""


def drawn(n: int, runs: int, dtype: Any = "float32") -> Runs:
    """Return the work at one N."""
    design = Design(n, ALPHA, seed=0, runs=runs)
    return Runs(draw_problem(design, dtype=dtype), design.start(), paper_budget(n))


def flow(n: int, runs: int, repeats: int, limit: float) -> None:
    """Print time for each solved run, and the error of first passages, of every route."""
    work, few = drawn(n, runs), min(runs, ONE_BY_ONE.get(n, 4))
    exact = gapless(drawn(n, runs, "float64"), REFERENCE).passage
    print(
        f"\nN = {n}, {runs} runs on one X, t to {work.t_max:g}; solved by the reference: "
        f"{np.isfinite(exact).sum()}, median t = {np.nanmedian(exact):.3f}"
    )
    heading(
        *("route", "solved", "CPU ms a solved run", "wall ms", "compiling, CPU s", "cost of a run"),
        *("error of t, median", "90 %", "largest"),
    )

    def row(name: str, route: Callable[[], Reached], count: int = repeats) -> None:
        reached, timing = timed(route, count)
        errors = np.abs(reached.passage / exact[: len(reached.passage)] - 1)
        errors = errors[np.isfinite(errors)]
        shown = reached.on_clock and len(errors) > 0
        quantiles = [f"{np.quantile(errors, q):.1e}" for q in (0.5, 0.9, 1)] if shown else [""] * 3
        write(name, *cells(reached, timing), *quantiles)

    for name, solver in (("FLOW", FLOW), ("SWEEP", SWEEP), ("ACCURATE", ACCURATE)):
        row(f"gapless {name}, {runs} at once", lambda solver=solver: gapless(work, solver))
    singles = [work.problem.of_runs(jnp.array([run])) for run in range(few)]
    row("gapless FLOW, one by one", lambda: one_by_one(singles, work), 1)
    if (modules := peer("diffrax", "optimistix")) is not None:
        tsit5, kvaerno5 = modules[0].Tsit5(), modules[0].Kvaerno5()
        for rtol, atol in TSIT5:
            solve = diffrax_solve(modules, work, tsit5, rtol, atol)
            name = f"diffrax Tsit5, rtol {rtol:g}, atol {atol:g}"
            row(name, lambda solve=solve: diffrax_runs(solve, work, 6, "gradients"))
        rtol, atol = KVAERNO5
        name = f"diffrax Kvaerno5, rtol {rtol:g}, atol {atol:g}"
        # a Jacobian is N products of every run's tangents with X and back
        predicted = MOST_STEPS * 4 * runs * work.problem.m * n**2 / 1e10
        if predicted <= limit:
            solve = diffrax_solve(modules, work, kvaerno5, rtol, atol)
            count = repeats if predicted < limit / 60 else 1
            row(name, lambda: diffrax_runs(solve, work, 1, "steps"), count)
        else:
            print(
                f"not run: {name}: {MOST_STEPS} Jacobians of {runs} runs take {predicted:.0f} s at "
                f"10 GFLOP/s, and {4 * runs * work.problem.m * n / 2**30:.1f} GiB for tangents"
            )
    if (modules := peer("pymanopt")) is not None:
        for name in ("SteepestDescent", "ConjugateGradient", "TrustRegions"):
            # nothing is compiled
            title = f"pymanopt {name}, one by one"
            row(title, lambda name=name: manopt_runs(modules[0], name, work, few), 0)


def cells(reached: Reached, timing: Timing) -> tuple[str, ...]:
    """Return the cells that all tables of runs share."""
    solved = int(np.isfinite(reached.passage).sum())
    return (
        f"{solved} of {len(reached.passage)}",
        *(milliseconds(values, solved) for values in (timing.cpu, timing.wall)),
        f"{timing.compiling:.1f}",
        f"{reached.cost:.0f} {reached.unit}",
    )


def gapless(work: Runs, solver: Solver) -> Reached:
    """Return what our own runs do."""
    run = integrate(work.problem, work.start, work.t_max, solver=solver, stop=Stop(SOLVED))
    return Reached(run.passage[:, LEVEL], run.gradients.mean())


def one_by_one(singles: list[Problem], work: Runs) -> Reached:
    """Return what our own runs do in batches of one."""
    found = [
        gapless(Runs(single, work.start[run : run + 1], work.t_max), FLOW)
        for run, single in enumerate(singles)
    ]
    passage = np.concatenate([run.passage for run in found])
    return Reached(passage, float(np.mean([run.cost for run in found])))


def diffrax_solve(
    modules: Any, work: Runs, solver: Any, rtol: float, atol: float
) -> Callable[..., tuple[Any, ...]]:
    """Return a compiled solve of all runs: a PI controller, a root found at e = 1e-8."""
    diffrax, optimistix = modules
    loss, n, t_max = work.problem.loss, work.problem.n, work.t_max

    def state(w: Any, x: Any) -> tuple[Any, Any]:
        # where w has drifted off the sphere by the solver's error, its direction counts
        u = w * (n**0.5 / jnp.linalg.norm(w))
        return u, x @ u

    def field(t: Any, w: Any, args: Any) -> Any:
        x, y = args
        u, yhat = state(w, x)
        gradient = loss.d1(yhat, y) / 2 @ x
        return (gradient @ u) / n * u - gradient

    def above(t: Any, y: Any, args: Any, **_: Any) -> Any:
        x, labels = args
        energy = loss.value(state(y, x)[1], labels).sum() / (2 * n)
        # e is known to 1 % here in float32: the root is good enough within that
        return 1e-2 * jnp.log(jnp.maximum(energy, 1e-30) / SOLVED)

    def one(w: Any, x: Any, y: Any) -> tuple[Any, ...]:
        solution = diffrax.diffeqsolve(
            *(diffrax.ODETerm(field), solver, 0.0, t_max, None, w),
            args=(x, y),
            stepsize_controller=diffrax.PIDController(rtol, atol, pcoeff=0.3, icoeff=0.4),
            event=diffrax.Event(above, optimistix.Bisection(1e-4, 1e-4, flip=True)),
            saveat=diffrax.SaveAt(t1=True),
            adjoint=diffrax.ForwardMode(),
            max_steps=MOST_STEPS,
            throw=False,
        )
        found = diffrax.is_event(solution.result)
        return jnp.where(found, solution.ts[0], jnp.nan), solution.stats["num_steps"]

    return jax.jit(jax.vmap(one, in_axes=(0, None, 0)))


def diffrax_runs(
    solve: Callable[..., tuple[Any, ...]], work: Runs, each: int, unit: str
) -> Reached:
    """Return what diffrax's runs do, of which a step costs `each` units."""
    columns = solve(work.start, work.problem.sensing, work.problem.labels)
    passage, steps = (np.asarray(column, float) for column in columns)
    return Reached(passage, each * steps.mean(), unit)


class SolvedError(Exception):
    """Raised from within a cost: pymanopt has no stop at one."""


def manopt_runs(pymanopt: Any, name: str, work: Runs, count: int) -> Reached:
    """Return what an optimiser of pymanopt does with the first runs, one after the other."""
    x, y2, unit = work.x, work.y2, np.array(work.start) / np.float32(work.problem.n**0.5)
    found = [manopt_run(pymanopt, name, x, y2[run], unit[run]) for run in range(count)]
    solved, passes = (np.array(column, float) for column in zip(*found, strict=True))
    return Reached(np.where(solved, 0, np.nan), passes.mean(), "passes over X and back", False)


def manopt_run(
    pymanopt: Any, name: str, x: np.ndarray, y2: np.ndarray, start: np.ndarray
) -> tuple[bool, float]:
    """Return whether a run came to e = 1e-8, and how often both products with X were made.

    Analytic gradient and Hessian product of e on the unit sphere, in NumPy and float32; ŷ of the
    last point is kept, since cost and gradient are asked for one after the other.
    """
    n, root = x.shape[1], np.float32(x.shape[1] ** 0.5)
    known: dict[str, Any] = {"point": None, "yhat": None, "products": 0}

    class Sphere(pymanopt.manifolds.Sphere):
        def zero_vector(self, point: np.ndarray) -> np.ndarray:
            return np.zeros_like(point)  # pymanopt's is float64, and all that follows with it

    manifold = Sphere(n)

    def labels(point: np.ndarray) -> np.ndarray:
        if known["point"] is not point:
            known.update(point=point, yhat=root * (x @ point), products=known["products"] + 1)
        return known["yhat"]

    @pymanopt.function.numpy(manifold)
    def cost(point: np.ndarray) -> np.floating:
        difference = labels(point) ** 2 - y2
        energy = difference @ difference / (2 * n)
        if energy <= SOLVED:
            raise SolvedError
        return energy

    @pymanopt.function.numpy(manifold)
    def gradient(point: np.ndarray) -> np.ndarray:
        yhat = labels(point)
        known["products"] += 1
        return (2 * (yhat**2 - y2) * yhat / root) @ x

    @pymanopt.function.numpy(manifold)
    def hessian(point: np.ndarray, v: np.ndarray) -> np.ndarray:
        yhat = labels(point)
        known["products"] += 2
        return (2 * (3 * yhat**2 - y2) * (x @ v)) @ x

    problem = pymanopt.Problem(
        manifold, cost, euclidean_gradient=gradient, euclidean_hessian=hessian
    )
    optimizer = getattr(pymanopt.optimizers, name)(
        verbosity=0, max_time=MANOPT_SECONDS, max_iterations=20_000, max_cost_evaluations=10**6
    )
    try:
        optimizer.run(problem, initial_point=start)
    except SolvedError:
        return True, known["products"] / 2
    return False, known["products"] / 2


def descent(n: int, runs: int, repeats: int) -> None:
    """Print time for each solved run of gradient descent at one rate, on and off the sphere."""
    work = drawn(n, runs)
    print(f"\nN = {n}, {runs} runs on one X, rate {RATE:g}, {work.t_max / RATE:.0f} steps at most")
    heading(
        *("route", "solved", "CPU ms a solved run", "wall ms", "compiling, CPU s", "cost of a run"),
        "CPU µs a step of a run",
    )

    def row(name: str, route: Callable[[], Reached]) -> None:
        reached, timing = timed(route, repeats)
        steps = reached.cost * runs
        write(name, *cells(reached, timing), spread([1e6 * cpu / steps for cpu in timing.cpu]))

    row("gapless GradientDescent", lambda: gapless(work, GradientDescent(RATE)))
    row("gapless FLOW", lambda: gapless(work, FLOW))
    if (modules := peer("torch")) is not None:
        (torch,) = modules
        declare(torch)
        torch.set_num_threads(1)
        if (modules := peer("deepinv")) is not None:
            row("deepinv, L2().grad", lambda: deepinv_runs(torch, modules[0], work))


DECLARED: list[Any] = []


def declare(torch: Any) -> None:
    """Declare operations of torchvision, whose wheel on PyPI is made for the torch with CUDA.

    deepinv imports torchvision, and phase retrieval calls none of it.
    """
    for name in ("nms", "qnms"):
        library = torch.library.Library("torchvision", "FRAGMENT")
        DECLARED.append(library)  # what it declares is gone when it is
        try:
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        except RuntimeError:
            return  # there already


def deepinv_runs(torch: Any, deepinv: Any, work: Runs) -> Reached:
    """Descend the L2 data fidelity of real phase retrieval, all runs as one batch of images."""
    runs, n = work.start.shape
    x = torch.from_numpy(work.x)
    linear = deepinv.physics.LinearPhysics(
        A=lambda w, **_: w.reshape(len(w), n) @ x.T,
        A_adjoint=lambda y, **_: (y @ x).reshape(len(y), 1, 1, n),
    )
    physics = deepinv.physics.PhaseRetrieval(linear)
    fidelity = deepinv.optim.data_fidelity.L2()
    w, y = torch.from_numpy(np.array(work.start)), torch.from_numpy(work.y2)
    w = w.reshape(runs, 1, 1, n)
    passage, steps = np.full(runs, np.nan), 0
    with torch.no_grad():
        while steps < round(work.t_max / RATE) and np.isnan(passage).any():
            for _ in range(CHECK_EVERY):
                w = w - RATE * fidelity.grad(w, y, physics)
            steps += CHECK_EVERY
            energy = fidelity(w, y, physics).reshape(runs).numpy() / n
            passage[np.isnan(passage) & (energy <= SOLVED)] = steps * RATE
    return Reached(passage, steps, "steps of the batch")
