"""Laws of the N = ∞ dynamics: exact cases, short times, order of the step, errors, bad input."""

import json
from dataclasses import replace

import numpy as np
import pytest

from gapless.cli import main
from gapless.design import Design
from gapless.losses import Loss, amplitude, quartic
from gapless.measure import mean_field as experiment
from gapless.measure.checkpoint import checkpoints_in
from gapless.theory.dmft import (
    TOLERANCE,
    Descent,
    Draws,
    Dynamics,
    Flow,
    Unstable,
    combine,
    settle,
    solve,
)
from gapless.theory.dmft.sensing import Motion, Sensing
from gapless.theory.dmft.span import Span
from gapless.theory.measure import evaluate

square = Loss("square", lambda h, y: h**2, lambda h, y: 2 * h, lambda h, y: 2 + 0 * h, 2.0)
"""ℓ = ŷ²: descent is power iteration on a Wishart matrix."""


bounded = Loss(
    "bounded",
    lambda h, y: np.cos(h) * np.sin(y) + h**2 / 4,
    lambda h, y: -np.sin(h) * np.sin(y) + h / 2,
    lambda h, y: -np.cos(h) * np.sin(y) + 0.5,
    2.0,
)
"""Not quadratic, of bounded curvature: any step that is short enough is stable."""


def weighted(y):
    return -np.exp(-(y**2))


bowl = Loss(
    "bowl",
    lambda h, y: weighted(y) * h**2,
    lambda h, y: 2 * h * weighted(y),
    lambda h, y: 2 * weighted(y) + 0 * h,
    -2.0,
)
"""ℓ = −exp(−y²) ŷ²: a linear flow that sees the teacher."""


def descent(alpha, step, steps, paths=2048, replica=0, loss=quartic, **more):
    dynamics = Dynamics(loss, alpha, **more)
    return solve(dynamics, Draws(paths, 0, replica), Descent(np.full(steps, step)))


def exact(alpha, step, steps, tolerance=0.0, **more):
    """A quadratic loss with all second moments matched: only rounding is left."""
    stepping = Descent(np.full(steps, step))
    draws = Draws(2048, 0, sampling="matched")
    return solve(Dynamics(square, alpha, **more), draws, stepping, tolerance)


def test_a_quadratic_loss_is_power_iteration_on_a_wishart_matrix():
    """w_{k+1} ∝ (1 + δμ_k − δA) w_k with A = XᵀX, whose spectrum is Marchenko and Pastur's."""
    alpha, step, steps = 3.0, 0.05, 25
    low, high = (np.sqrt(alpha) - 1) ** 2, (np.sqrt(alpha) + 1) ** 2
    # Gauss–Chebyshev rule of the second kind: weight √((λ − low)(high − λ)) over λ
    angle = np.arange(1, 400) * np.pi / 400
    lam = (low + high) / 2 + (high - low) / 2 * np.cos(angle)
    weight = np.sin(angle) ** 2 / lam
    weight /= weight.sum()
    p = np.ones_like(lam)
    found = exact(alpha, step, steps, waiting=(0.0,))
    for k in range(steps + 1):
        p /= np.sqrt(weight @ p**2)
        mu = weight @ (lam * p**2)
        # second moments are matched exactly, so only float32 rounding is left, once a step
        rounding = 8 * (k + 1) * float(np.finfo(np.float32).eps)
        assert found.energy[k] == pytest.approx(mu / 2, rel=rounding)
        assert found.mu[k] == pytest.approx(mu, rel=rounding)
        assert found.correlation_0[k] == pytest.approx(weight @ p, rel=rounding)
        # the flow is linear: a push along any direction does what the start does
        assert found.response[0, k] == pytest.approx(weight @ p, rel=rounding)
        p = (1 + step * mu - step * lam) * p


def test_the_tolerance_bounds_what_is_left_out():
    """Rests shorter than ε lack their ξ: fields are off by a part ε of themselves at most.

    So is e, which is linear in what is left out only where that has a component along the rest.
    """
    whole = exact(3.0, 0.05, 25)
    for tolerance in (1e-2, 1e-3):
        found = exact(3.0, 0.05, 25, tolerance)
        assert abs(found.energy / whole.energy - 1).max() < tolerance
        assert len(found.rows[-1]) < len(whole.rows[-1])


def test_revealed_fields_have_exact_moments():
    """ξ_j is orthogonal to y, to every ξ before it and to q_0 … q_j; images are ξ_j + √(P/α) q_j.

    The forces are odd functions of the fields, so the q_j do lie along the ξ before them.
    """
    alpha, paths = 4.0, 1024
    draws = Draws(paths, 0, sampling="matched")
    found = solve(Dynamics(quartic, alpha), draws, Descent(np.full(12, 0.02)), 0)
    packed = found.state.views[0].packed()
    images, basis = packed["images"].astype(float), packed["basis"].astype(float)
    fields = images - np.sqrt(paths / alpha) * basis
    rounding = 20 * float(np.finfo(np.float32).eps)
    assert fields @ fields.T / paths == pytest.approx(np.eye(len(fields)), abs=rounding)
    assert abs(fields @ found.state.y.astype(float)).max() / paths < rounding
    assert basis[1:] @ basis[1:].T == pytest.approx(np.eye(len(basis) - 1), abs=rounding)
    along = fields @ basis.T / np.sqrt(paths)
    assert abs(np.tril(along)).max() < rounding  # ξ_j q_i with i ≤ j
    assert abs(np.triu(along, 1)).max() > 0.1


def test_fields_and_answers_are_adjoint_when_all_is_revealed():
    """⟨F, X w⟩ = N⟨XᵀF/N, w⟩ for a force that was answered."""
    paths, alpha = 512, 2.0
    view = Sensing(Draws(paths, 3), 1, alpha, np.zeros((0, paths), np.float32), 0)
    view.reveal()
    rng = np.random.default_rng(0)
    forces = rng.standard_normal((5, paths)).astype(np.float32)
    for one in forces:
        view.opened(view.answer(one))
    w = Motion(rng.standard_normal(view.count), np.zeros(paths, np.float32))
    left = float(forces[-1] @ view.image(w))
    assert left == pytest.approx(paths / alpha * (view.answer(forces[-1]) @ w), rel=1e-4)
    # what was answered has no part that is still to be revealed
    answer = view.answer(forces[-1])
    assert float(np.linalg.norm(answer.rest)) < 1e-5 * answer.length


@pytest.mark.parametrize("loss", [bounded, amplitude], ids=["smooth", "with a jump"])
def test_revealing_is_descent_in_finite_dimension(loss):
    """Plain sampling has the law of gradient descent on a drawn X at any N: here N = 24, α = 3.

    Means of e, μ and C over 500 sets and 500 matrices, until directions have run out.
    """
    n, alpha, step, sets = 24, 3.0, 0.03, 500
    paths, saved = round(alpha * n), np.array([2, 6, 12, 40])
    stepping = Descent(np.full(40, step), np.append(0, saved))
    theory = []
    for replica in range(sets):
        draws = Draws(paths, 0, replica, "random")
        one = solve(Dynamics(loss, alpha), draws, stepping, 0)
        theory.append([one.energy[1:], one.mu[1:], one.correlation_0[1:]])
    rng = np.random.default_rng(1)
    x = rng.standard_normal((sets, paths, n))
    y = rng.standard_normal((sets, paths))
    w = rng.standard_normal((sets, n))
    w /= np.linalg.norm(w, axis=1, keepdims=True)
    start, runs = w, []
    for k in range(41):
        h = np.einsum("smn,sn->sm", x, w)
        force = -evaluate(loss.d1, h, y) / 2
        push = np.einsum("smn,sm->sn", x, force) / n
        mu = -(push * w).sum(axis=1)
        if k in saved:
            energy = alpha / 2 * evaluate(loss.value, h, y).mean(axis=1)
            runs.append([energy, mu, (w * start).sum(axis=1)])
        w = w + step * (push + mu[:, None] * w)
        w /= np.linalg.norm(w, axis=1, keepdims=True)
    ours, theirs = np.array(theory), np.array(runs).transpose(2, 1, 0)
    error = np.sqrt((ours.var(axis=0) + theirs.var(axis=0)) / sets)
    # twelve differences: 4.5 errors are one in ten thousand
    assert (abs(ours.mean(axis=0) - theirs.mean(axis=0)) < 4.5 * error).all()
    assert (error < 0.05 * abs(theirs.mean(axis=0)).max(axis=1, keepdims=True)).all()


def test_a_span_projects_and_leaves_out_what_depends():
    rng = np.random.default_rng(2)
    vectors = rng.standard_normal((5, 40))
    vectors[3] = vectors[0] - 2 * vectors[1]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    span = Span()
    for k, one in enumerate(vectors):
        span.add(vectors[:k] @ one)
    assert len(span) == 4 and span.seen == 5
    v = rng.standard_normal(40)
    projected = span.coefficients(vectors @ v) @ vectors
    expected = vectors.T @ np.linalg.lstsq(vectors.T, v)[0]
    assert projected == pytest.approx(expected, abs=1e-12)


def test_a_small_overlap_grows_as_on_one_large_matrix():
    """Of a linear flow the overlap is W*ᵀ Π c(1 + δμ − δA) W*: here on one matrix, N = 1500."""
    n, alpha, step, steps = 1500, 3.0, 0.05, 20
    rng = np.random.default_rng(0)
    x = rng.standard_normal((int(alpha * n), n), np.float32) / np.sqrt(n)
    teacher = np.zeros(n)
    teacher[0] = 1.0
    d = weighted(x[:, 0] * np.sqrt(n))
    w = rng.standard_normal((8, n))
    w /= np.linalg.norm(w, axis=1, keepdims=True)
    m, logs = teacher.copy(), [0.0]
    for _ in range(steps):
        push = -(d * (np.vstack([w, m]) @ x.T)) @ x
        mu = -(push[:-1] * w).sum(axis=1).mean()
        w = w + step * (push[:-1] + mu * w)
        c = 1 / np.linalg.norm(w, axis=1, keepdims=True).mean()
        w, m = c * w, c * (m + step * (push[-1] + mu * m))
        logs.append(np.log(m[0]))
    found = descent(alpha, step, steps, loss=bowl, waiting=(0.0,)).growth[0]
    # y² has relative spread √2 over M samples, P paths: the force on m is known to that
    error = 3 * np.sqrt(2) * (1 / np.sqrt(alpha * n) + 1 / np.sqrt(2048))
    assert abs(found[-1] - logs[-1]) < error * abs(logs[-1])
    assert abs(logs[-1]) > 1  # there is something to compare


def test_the_start_has_gaussian_moments():
    """e, μ and −de/dt = |g|² of the quartic loss at t = 0: 2α, 4α, 48α (dmft.md §6)."""
    alpha, step = 5.0, 1e-3
    found = [descent(alpha, step, 2, paths=2**14, replica=replica) for replica in range(4)]

    def mean(name):
        values = np.array([getattr(one, name) for one in found])
        return values.mean(axis=0), values.std(axis=0, ddof=1) / 2

    for name, exact in (("energy", 2 * alpha), ("mu", 4 * alpha), ("speed2", 48 * alpha)):
        value, error = mean(name)
        # t distribution with three degrees of freedom: 12.9 errors are one in a thousand
        assert abs(value[0] - exact) < 12.9 * error[0]
        assert 12.9 * error[0] < 0.2 * exact


def test_first_two_derivatives_of_the_energy_at_the_start():
    """de/dt = −48α and d²e/dt² = 3840α for the quartic loss (dmft.md §6)."""
    alpha, sets = 6.0, 8
    first, second = np.zeros((2, sets)), np.zeros((2, sets))
    for row, step in enumerate((1e-4, 2e-4)):
        for replica in range(sets):
            e = descent(alpha, step, 2, paths=2**14, replica=replica).energy
            first[row, replica] = (-3 * e[0] + 4 * e[1] - e[2]) / (2 * step)
            second[row, replica] = (e[0] - 2 * e[1] + e[2]) / step**2
    for found, exact in ((first, -48 * alpha), (second, 3840 * alpha)):
        limit = 2 * found[0] - found[1]  # descent is first order in the step
        error = limit.std(ddof=1) / np.sqrt(sets)
        # 5.4 errors of seven degrees of freedom are one in a thousand
        assert abs(limit.mean() - exact) < 5.4 * error, (limit.mean(), error, exact)
        assert error < 0.05 * abs(exact)


def test_refining_the_step_converges_to_first_order():
    """Means over sets: the same random numbers go to slightly different directions."""
    t, energies = 0.1, []
    for steps in (5, 10, 20):
        sets = [descent(4.0, t / steps, steps, 2**15, r).energy[-1] for r in range(6)]
        energies.append(np.array(sets))
    differences = np.array([energies[0] - energies[1], energies[1] - energies[2]])
    mean, error = differences.mean(axis=1), differences.std(axis=1, ddof=1) / np.sqrt(6)
    slope = np.log2(mean[0] / mean[1])
    # δα = 0.08: the next order is a third of the first
    noise = np.hypot(*(error / mean)) / np.log(2)
    assert noise < 0.15
    assert slope == pytest.approx(1, abs=0.35 + 3 * noise)


def test_the_flow_is_the_limit_of_descent_and_keeps_to_its_accuracy():
    """Quadratic loss, no sampling error: C(t, 0) of the flow from the Marchenko–Pastur law."""
    alpha, t = 3.0, np.array([0.0, 0.1, 0.4, 1.0, 3.0])
    low, high = (np.sqrt(alpha) - 1) ** 2, (np.sqrt(alpha) + 1) ** 2
    angle = np.arange(1, 400) * np.pi / 400
    lam = (low + high) / 2 + (high - low) / 2 * np.cos(angle)
    weight = np.sin(angle) ** 2 / lam
    weight /= weight.sum()
    p = np.exp(-lam * t[:, None])
    exact = p @ weight / np.sqrt(p**2 @ weight)
    errors = []
    for accuracy in (1e-2, 1e-3, 1e-4):
        draws = Draws(1024, 0, sampling="matched")
        found = solve(Dynamics(square, alpha), draws, Flow(t, accuracy), 0)
        errors.append(abs(found.correlation_0 - exact).max())
        # each step may err by the accuracy
        assert errors[-1] < accuracy * found.state.steps
    assert errors[2] < errors[1] < errors[0]


def test_the_correlation_is_a_gram_matrix_with_unit_diagonal():
    found = descent(10.0, 0.01, 40, paths=512)
    rounding = 10 * float(np.finfo(np.float32).eps)
    assert (np.diag(found.correlation) <= 1 + rounding).all()
    assert (np.diag(found.correlation) >= 1 - TOLERANCE**2 - rounding).all()
    assert np.linalg.eigvalsh(found.correlation)[0] > -1e-12
    assert found.correlation[:, 0] == pytest.approx(found.correlation_0, abs=1e-12)


def test_a_probe_is_the_derivative_of_the_dynamics():
    """With a teacher at ±m₀ on the same paths, (m(t) of + less that of −)/2m₀ is the growth.

    Both see fields along directions of their own, hence the sampling error: that of the overlap is
    σ(F y)/(m₀ √P) a unit of time at most, which both signs halve.
    """
    m0, steps = 0.02, 15
    sets = range(4)
    linear = [descent(6.0, 0.01, steps, 2**14, r, waiting=(0.0,)).growth[0, -1] for r in sets]
    pairs = [
        [
            descent(6.0, 0.01, steps, 2**14, r, labels="teacher", overlap=m).signed_overlap[-1]
            for m in (m0, -m0)
        ]
        for r in sets
    ]
    grown = np.array([(up - down) / (2 * m0) for up, down in pairs])
    ratio = grown / np.exp(np.mean(linear))
    error = ratio.std(ddof=1) / 2
    assert error < 0.05
    # 5.8 errors of three degrees of freedom are one in a hundred; order m² is (m0 e^g)² = 0.01
    assert abs(ratio.mean() - 1) < 5.8 * error + 0.02


def test_a_later_probe_is_a_probe():
    """R(t, t_w) falls from one, and of a quadratic loss depends on the past by μ alone."""
    alpha, step, steps, start = 3.0, 0.05, 20, 8
    found = exact(alpha, step, steps, waiting=(start * step,))
    assert np.isnan(found.response[0, :start]).all() and found.response[0, start] == 1
    low, high = (np.sqrt(alpha) - 1) ** 2, (np.sqrt(alpha) + 1) ** 2
    angle = np.arange(1, 400) * np.pi / 400
    lam = (low + high) / 2 + (high - low) / 2 * np.cos(angle)
    weight = np.sin(angle) ** 2 / lam
    weight /= weight.sum()
    p, expected = np.ones_like(lam), 1.0
    for k in range(start, steps):
        mu, speed2 = found.mu[k], found.speed2[k]
        p = (1 + step * mu - step * lam) * p / np.sqrt(1 + step**2 * speed2)
    expected = weight @ p
    assert found.response[0, -1] == pytest.approx(expected, rel=1e-4)
    assert found.growth[0, -1] == pytest.approx(np.log(expected), abs=1e-4)


def test_more_paths_fluctuate_less_like_their_root():
    """24 sets each of P and 16 P pseudo-random paths: the spreads are 4 apart."""
    spreads = []
    for paths in (256, 4096):
        energies = [
            solve(
                Dynamics(quartic, 4.0), Draws(paths, 0, r, "random"), Descent(np.full(8, 0.02))
            ).energy[-1]
            for r in range(24)
        ]
        spreads.append(np.std(energies, ddof=1))
    # a ratio of two spreads of 23 degrees of freedom: 99.8 % lie within a factor of 2
    assert 2 < spreads[0] / spreads[1] < 8


@pytest.mark.parametrize("step", [0.01, None])
def test_a_checkpoint_continues_to_the_same_bits(step, tmp_path, monkeypatch):
    point = experiment.MeanField(alpha=6, t_max=0.2, step=step, paths=256, seed=3, waiting=(0, 0.1))
    whole = experiment.solve(point)
    monkeypatch.setattr("gapless.measure.checkpoint.EVERY_S", 0.0)

    class Killed(Exception):
        pass

    def kill(_done=[0]):  # noqa: B006
        _done[0] += 1
        if _done[0] == 18:
            raise Killed

    with checkpoints_in(tmp_path), pytest.raises(Killed):
        experiment.solve(point, lambda _: kill())
    assert list(tmp_path.iterdir())
    with checkpoints_in(tmp_path):
        again = experiment.solve(point)
    np.testing.assert_array_equal(again.energy, whole.energy)
    np.testing.assert_array_equal(again.growth, whole.growth)
    np.testing.assert_array_equal(again.correlation, whole.correlation)


def test_a_power_law_settles_where_it_was_made_to():
    t = np.linspace(0, 20, 401)
    e = 7.3 + 0.4 * (t + 1e-9) ** -0.8
    value, error = settle(t, e)
    assert value == pytest.approx(7.3, abs=1e-2) and error < 1e-2


def test_errors_come_from_sets_and_from_twice_the_step():
    fine = [descent(4.0, 0.01, 12, paths=512, replica=r) for r in range(3)]
    coarse = [descent(4.0, 0.02, 6, paths=512, replica=r) for r in range(3)]
    found = combine(fine, coarse)
    assert (found.paths["energy"] > 0).all()
    assert 0 < found.steps["energy"][-1] < 0.2 * found.value["energy"][-1]
    assert np.isnan(combine(fine[:1]).paths["energy"]).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (dict(alpha=0.0), ["alpha", "positive"]),
        (dict(loss=amplitude, waiting=(0.0,)), ["waiting", "jumps"]),
        (dict(overlap=0.1), ["overlap", "teacher"]),
        (dict(labels="teacher", overlap=1.5), ["overlap", "between"]),
        (dict(labels="none"), ["labels"]),
        (dict(waiting=(1.0, 0.5)), ["waiting", "ascend"]),
    ],
)
def test_wrong_dynamics_are_refused(change, words):
    with pytest.raises(ValueError) as caught:
        Dynamics(**(dict(loss=quartic, alpha=4.0) | change))
    assert all(word in str(caught.value) for word in words)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Descent(np.array([])), ["step", "positive"]),
        (lambda: Descent(np.ones(3), np.array([0, 5])), ["saved", "at most 3"]),
        (lambda: Flow(np.array([1.0, 2.0])), ["t: times", "begin with 0"]),
        (lambda: Flow(np.array([0.0, 2.0]), 0), ["accuracy", "between"]),
    ],
)
def test_wrong_steps_are_refused(make, words):
    with pytest.raises(ValueError) as caught:
        make()
    assert all(word in str(caught.value) for word in words)


def test_waiting_times_must_be_saved():
    stepping = Flow(np.array([0.0, 0.1]))
    for waiting, words in (((0.05,), "not among"), ((0.1,), "before the end")):
        with pytest.raises(ValueError, match=f"waiting.*{words}"):
            solve(Dynamics(quartic, 4.0, waiting=waiting), Draws(64, 0), stepping)


def test_a_step_beyond_stability_is_told():
    with pytest.raises(Unstable, match=r"step: 0\.2 .* halve it"):
        descent(10.0, 0.2, 30, paths=512)


DMFT = ["dmft", "--alpha", "4", "--t-max", "0.1", "--step", "0.01", "--paths", "256"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([*DMFT[:-1], "3"], ["--paths", "from 64"]),
        ([*DMFT[:5], "--step", "0"], ["--step", "positive"]),
        ([*DMFT[:5], "--step", "1e-9"], ["--step", "raise --step"]),
        ([*DMFT[:5], "--accuracy", "0"], ["--accuracy", "between"]),
        ([*DMFT, "--waiting", "0.5"], ["--waiting", "below 0.1"]),
        ([*DMFT, "--waiting", "x"], ["--waiting", "list"]),
        ([*DMFT, "--sampling", "x"], ["--sampling", "matched"]),
        ([*DMFT[:3], "--t-max", "nan"], ["--t-max", "finite"]),
        ([*DMFT, "--labels", "teacher"], ["--overlap", "0.3"]),
        ([*DMFT, "--replicas", "0"], ["--replicas"]),
        ([*DMFT, "--seed", "-1"], ["--seed", "2**32"]),
        ([*DMFT, "--plot", "x.txt"], ["--plot", ".png"]),
        ([*DMFT[:-1], "1000000000"], ["--paths", "bytes", "lower"]),
    ],
)
def test_mistakes_on_the_command_line_are_one_line(arguments, words, capsys):
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and all(word in err for word in words)


def test_the_verb_answers_in_json(capsys, tmp_path):
    picture = tmp_path / "dmft.png"
    assert main([*DMFT, "--json", "--plot", str(picture), "--checkpoint", str(tmp_path)]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert len(answer["t"]) == len(answer["energy"]) == len(answer["growth_rate"][0]) == 11
    assert answer["waiting"] == [0] and answer["response"][0][0] == 1
    assert set(answer["error"]["energy"]) == {"paths", "steps"}
    assert answer["spectrum"]["t"][-1] == pytest.approx(0.1)
    assert picture.stat().st_size > 0


def test_without_a_step_the_verb_follows_the_flow(capsys):
    arguments = ["dmft", "--alpha", "4", "--t-max", "0.1", "--paths", "256", "--json"]
    assert main([*arguments, "--waiting", "none"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["step"] is None and "growth" not in answer
    # e falls from 2α with slope −48α
    assert answer["energy"][0] > answer["energy"][-1] > 0
    assert answer["t"][1] == pytest.approx(1e-4)


def test_a_step_far_from_the_flow_is_told_beside_the_numbers(capsys):
    assert main([*DMFT[:5], "--step", "0.08", "--paths", "256", "--json"]) == 0
    out, err = capsys.readouterr()
    assert "leave --step out" in err and "leave --step out" in json.loads(out)["notes"][0]


@pytest.mark.slow
def test_descent_at_finite_n_follows():
    """Sixteen runs on each of eight matrices, N = 512, α = 10, the same step, until t = 0.3."""
    import jax.numpy as jnp

    from gapless.flow import GradientDescent, integrate
    from gapless.problem import draw_problem

    step, steps = 0.01, 30
    energy, mu = [], []
    for index in range(8):
        design = Design(512, 10.0, seed=5, index=index, runs=16)
        problem = draw_problem(design, "shuffled")
        w = jnp.asarray(design.start())
        run = integrate(problem, w, steps * step, solver=GradientDescent(step), save_at=(0.1, 0.3))
        energy.append(run.saved.energy.mean(axis=0))
        mu.append(run.saved.mu.mean(axis=0))
    found = [descent(10.0, step, steps, 2**16, r) for r in range(8)]
    for runs, name in ((np.array(energy), "energy"), (np.array(mu), "mu")):
        theory = np.array([getattr(one, name)[[10, 30]] for one in found])
        error = np.hypot(runs.std(0, ddof=1) / np.sqrt(8), theory.std(0, ddof=1) / np.sqrt(8))
        # four errors, and a finite-size shift of 2.5/N relative (docs/derivations/dmft.md §6)
        allowed = 4 * error + 2.5 / 512 * abs(theory.mean(0))
        assert (abs(runs.mean(0) - theory.mean(0)) < allowed).all(), name


def test_replicas_and_streams_do_not_share_numbers():
    one = Draws(128, 0, 0)
    for other in (one.normal(1, 3), replace(one, replica=1).normal(0, 3)):
        assert not np.array_equal(one.normal(0, 3), other)
    np.testing.assert_array_equal(one.normal(0, 3), Draws(128, 0, 0).normal(0, 3))
