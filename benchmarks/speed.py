"""Success sweeps against a textbook script, and gradients of one large X against a plain read.

    python benchmarks/speed.py                 minutes: the table of docs/benchmarks.md
    python benchmarks/speed.py --fractions     and the success fractions of both (an hour)
    python benchmarks/speed.py --late          and gradients to rest of shuffled labels (N = 4096)
    python benchmarks/speed.py --late-error --late-n 1024    e(t) of those against short steps

One process, one thread, CPU seconds: a busy machine moves the ratios little. Compilation is left
out (a first design of each shape is thrown away); drawing X, the starts and the labels, stopping
and shrinking batches are in. The textbook script is benchmarks/textbook.py.
"""

import argparse
import time
from collections.abc import Callable

from gapless.threads import pin_threads

pin_threads()

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array
from textbook import textbook_run

from gapless.analyse.statistics import wilson
from gapless.design import Design
from gapless.flow import ACCURATE, FLOW, GradientFlow, State, Stop, integrate
from gapless.flow.control import power_iteration
from gapless.flow.loop import initial_state
from gapless.measure.design_point import sweep_points
from gapless.measure.simulation import Simulation
from gapless.precision import Dtype, precision
from gapless.problem import Problem, draw_problem
from gapless.sphere import normalise

ALPHA = 8.0
TEXTBOOK_RUNS = {64: 40, 256: 6, 1024: 1}
OUR_RUNS = {64: 2560, 256: 1024, 1024: 256}
DESCENT_STEPS = 30_000
LATE = {"FLOW": FLOW, "ACCURATE": ACCURATE}
FRACTION_RUNS = {64: 4000, 256: 1000}


def seconds(function: Callable[[], object], repeats: int) -> float:
    """Return the median CPU seconds of a call."""
    taken = []
    for _ in range(repeats):
        begun = time.process_time()
        function()
        taken.append(time.process_time() - begun)
    return float(np.median(taken))


def write(*cells: object) -> None:
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def peak() -> float:
    """Return the best rate of a float32 matrix product on this thread, in operations a second."""
    product = jax.jit(lambda a: a @ a)
    rates = []
    for n in (512, 1024, 2048):
        a = jnp.ones((n, n)) + 0.1
        product(a).block_until_ready()
        rates.append(2 * n**3 / seconds(lambda a=a: product(a).block_until_ready(), 7))
    return max(rates)


def sweeps() -> None:
    best = peak()
    write(f"best matrix product: {best / 1e9:.0f} GFLOP/s on one thread")
    write("N", "textbook s/run", "ours ms/run", "ratio", "gradients a run", "GFLOP/s", "of peak")
    write(*["---"] * 7)
    for n, runs in OUR_RUNS.items():
        points = sweep(n, runs)
        points[0].measure()  # compiles
        rng = np.random.default_rng(0)
        begun = time.process_time()
        for _ in range(TEXTBOOK_RUNS[n]):
            textbook_run(n, ALPHA, rng)
        textbook = (time.process_time() - begun) / TEXTBOOK_RUNS[n]
        found = []
        begun = time.process_time()
        for point in points:
            found += point.measure().to_pylist()
        spent = time.process_time() - begun
        gradients = sum(row["gradients"] for row in found)
        rate = 4 * points[0].design.m * n * gradients / spent
        write(
            n,
            f"{textbook:.3f}",
            f"{1e3 * spent / len(found):.3f}",
            f"{textbook * len(found) / spent:.0f}",
            f"{gradients / len(found):.0f}",
            f"{rate / 1e9:.0f}",
            f"{rate / best:.0%}",
        )


def sweep(n: int, runs: int) -> list[Simulation]:
    """Return the designs of a sweep with the program's defaults."""
    return sweep_points(Simulation(n=n, alpha=ALPHA, seed=1), [ALPHA], runs)


def fractions() -> None:
    write("N", "runs", "textbook", "95 %", "ours", "95 %")
    write(*["---"] * 6)
    for n, runs in FRACTION_RUNS.items():
        rng = np.random.default_rng(1)
        theirs = sum(textbook_run(n, ALPHA, rng)[0] for _ in range(runs))
        measured = [point.measure()["t_1e-8"] for point in sweep(n, runs)]
        ours = [time is not None for column in measured for time in column.to_pylist()]
        cells = []
        for successes in (theirs, sum(ours[:runs])):
            low, high = wilson(successes / runs, runs)
            cells += [f"{successes / runs:.4f}", f"{low:.4f} to {high:.4f}"]
        write(n, runs, *cells)


def large(n: int = 4096, alpha: float = 12, runs: tuple[int, ...] = (1, 4, 8, 32)) -> None:
    write(f"one X, N = {n}, α = {alpha:g}")
    write("runs", "passes a second", "GB/s", "of a plain read", "GFLOP/s")
    write(*["---"] * 5)
    evaluate = jax.jit(lambda problem, w: problem.evaluate(w).velocity)
    for k in runs:
        design = Design(n=n, alpha=alpha, seed=0, runs=k)
        problem, start = draw_problem(design), design.start()
        x = np.asarray(problem.sensing)
        plain = seconds(lambda x=x: x.view(np.int32).max(), 3)
        evaluate(problem, start).block_until_ready()
        pass_ = seconds(lambda p=problem, w=start: evaluate(p, w).block_until_ready(), 3)
        write(
            k,
            f"{1 / pass_:.2f}",
            f"{x.nbytes / pass_ / 1e9:.1f}",
            f"{plain / pass_:.0%}",
            f"{4 * k * x.size / pass_ / 1e9:.0f}",
        )


def late(n: int, dtype: Dtype, alpha: float = 10.0, runs: int = 4) -> None:
    """Gradients until |∇L − μW|²/N < 1e-10 with shuffled labels, against descent at 1.9/λ.

    Descent and the flow end in different minima, after different times: so also by unit of time.
    """
    design = Design(n=n, alpha=alpha, seed=0, runs=runs)
    problem, start = draw_problem(design, "shuffled", dtype=dtype), design.start()
    write(f"N = {n}, {dtype}", *(f"run {k + 1}" for k in range(runs)), "all", "fewer", "by t", "s")
    write(*["---"] * (runs + 5))
    begun = time.process_time()
    with precision(problem.dtype):
        total, rate = _late_rows("descent", *_stable_descent(problem, start))
    write("seconds", *[""] * (runs + 3), f"{time.process_time() - begun:.0f}")
    for name, solver in LATE.items():
        begun = time.process_time()
        ours = integrate(problem, start, 1000.0, solver=solver)
        spent = time.process_time() - begun
        with precision(problem.dtype):
            speed2 = np.asarray(problem.evaluate(ours.state.w).speed2)
        found = ours.gradients, ours.end.energy, speed2, ours.stopped_at
        our_total, our_rate = _late_rows(name, *found)
        fewer = f"{total / our_total:.1f}", f"{rate / our_rate:.1f}"
        write("ratio", *[""] * (runs + 1), *fewer, f"{spent:.0f}")


def _late_rows(
    name: str, gradients: np.ndarray, energy: np.ndarray, speed2: np.ndarray, t: np.ndarray
) -> tuple[float, float]:
    """Print what runs took to rest; return their gradients, and gradients by unit of time."""
    total, rate = gradients.sum(), gradients.sum() / t.sum()
    write(name, *gradients, total, "", f"{rate:.1f}", "")
    write("until t", *(f"{x:.1f}" for x in t), f"{t.sum():.1f}", "", "", "")
    write("e", *(f"{e:.6f}" for e in energy), f"|V|²/N ≤ {speed2.max():.0e}", "", "", "")
    return total, rate


def late_error(n: int, dtype: Dtype, alpha: float = 10.0, runs: int = 4) -> None:
    """Error of e(t) at 46 times, against steps at tolerance 5e-5."""
    design = Design(n=n, alpha=alpha, seed=0, runs=runs)
    problem, start = draw_problem(design, "shuffled", dtype=dtype), design.start()
    times = np.geomspace(0.05, 150, 46)
    exact = integrate(problem, start, 150.0, solver=GradientFlow(5e-5), save_at=times)
    write(f"N = {n}, {dtype}: largest error", *(f"run {k + 1}" for k in range(runs)), "their mean")
    write(*["---"] * (runs + 2))
    write("gradients, exact", *exact.gradients, exact.gradients.sum())
    for name, solver in LATE.items():
        ours = integrate(problem, start, 150.0, solver=solver, save_at=times)
        off = ours.energy / exact.energy - 1
        mean = np.abs(ours.energy.mean(axis=0) / exact.energy.mean(axis=0) - 1).max()
        write(name, *(f"{e:.3%}" for e in np.abs(off).max(axis=1)), f"{mean:.3%}")


def _stable_descent(problem: Problem, start: Array) -> tuple[np.ndarray, ...]:
    """Return gradients to rest of descent at h = 1.9/λ, energies, |V|²/N and times.

    Finding λ at every step is not counted.
    """
    state = initial_state(problem, start.astype(problem.dtype), GradientFlow())
    limit = Stop().speed2

    @jax.jit
    def many(problem: Problem, state: State) -> State:
        problem = problem.for_loops()

        def step(_: Array, state: State) -> State:
            direction, stiffness = power_iteration(problem, state)
            going = state.speed2 >= limit
            h = jnp.where(going, 1.9 / (1.02 * stiffness), 0)
            w = normalise(state.w + h[:, None] * state.velocity)
            moved = state.moved(w, problem.evaluate(w))
            return moved._replace(
                direction=direction,
                stiffness=stiffness,
                gradients=state.gradients + going,
                t=state.t + h,
            )

        return jax.lax.fori_loop(0, 100, step, state)

    for _ in range(DESCENT_STEPS // 100):
        state = many(problem, state)
        if not (np.asarray(state.speed2) >= limit).any():
            break
    return tuple(np.asarray(x) for x in (state.gradients, state.energy, state.speed2, state.t))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--fractions", action="store_true")
    parser.add_argument("--late", action="store_true")
    parser.add_argument("--late-n", type=int, default=4096)
    parser.add_argument("--late-dtype", choices=("float32", "float64"), default="float32")
    parser.add_argument("--only-late", action="store_true")
    parser.add_argument("--late-error", action="store_true")
    options = parser.parse_args()
    if options.late_error:
        return late_error(options.late_n, options.late_dtype)
    if not options.only_late:
        sweeps()
        large()
    if options.fractions:
        fractions()
    if options.late or options.only_late:
        late(options.late_n, options.late_dtype)
    return None


if __name__ == "__main__":
    main()
