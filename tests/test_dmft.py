"""Laws of the N = ∞ dynamics: exact cases, short times, order of the step, errors, bad input."""

import json
from dataclasses import replace

import numpy as np
import pytest

from gapless.cli import main
from gapless.design import Design
from gapless.experiments import dmft as experiment
from gapless.experiments.checkpoint import checkpoints_in
from gapless.losses import Loss, amplitude, quartic
from gapless.theory.dmft import Draws, Dynamics, Unstable, combine, settle, solve, sweep
from gapless.theory.dmft.response import mean_response

square = Loss("square", lambda h, y: h**2, lambda h, y: 2 * h, lambda h, y: 2 + 0 * h, 2.0)
"""ℓ = ŷ²: descent is power iteration on a Wishart matrix."""


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
    dynamics = Dynamics(loss, alpha, np.full(steps, step), **more)
    return solve(dynamics, Draws(paths, 0, replica))


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
    found = descent(alpha, step, steps, loss=square)
    for k in range(steps + 1):
        p /= np.sqrt(weight @ p**2)
        mu = weight @ (lam * p**2)
        # second moments are matched exactly, so only float32 rounding is left, once a step
        rounding = 4 * (k + 1) * float(np.finfo(np.float32).eps)
        assert found.energy[k] == pytest.approx(mu / 2, rel=rounding)
        assert found.mu[k] == pytest.approx(mu, rel=rounding)
        assert found.correlation_0[k] == pytest.approx(weight @ p, rel=rounding)
        p = (1 + step * mu - step * lam) * p


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
    found = descent(alpha, step, steps, loss=bowl).growth
    # y² has relative spread √2 over M samples, P paths: the force on m is known to that
    error = 3 * np.sqrt(2) * (1 / np.sqrt(alpha * n) + 1 / np.sqrt(2048))
    assert abs(found[-1] - logs[-1]) < error * abs(logs[-1])
    assert abs(logs[-1]) > 1  # there is something to compare


def test_the_start_has_gaussian_moments():
    """e, μ and −de/dt = |g|² of the quartic loss at t = 0: 2α, 4α, 48α (dmft.md §6)."""
    alpha, step = 5.0, 1e-3
    dynamics = Dynamics(quartic, alpha, np.full(2, step))
    found = [solve(dynamics, Draws(2**14, 0, replica)) for replica in range(4)]

    def mean(name):
        values = np.array([one.observed(name) for one in found])
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
    t, energies = 0.2, []
    for steps in (10, 20, 40):
        energies.append(descent(4.0, t / steps, steps, paths=4096).energy[-1])
    slope = np.log2((energies[0] - energies[1]) / (energies[1] - energies[2]))
    assert slope == pytest.approx(1, abs=0.35)  # δα = 0.08: the next order is a third of the first


def test_the_correlation_is_a_gram_matrix_with_unit_diagonal():
    found = descent(10.0, 0.01, 40, paths=512)
    rounding = 1e-12
    assert np.diag(found.correlation) == pytest.approx(1, abs=rounding)
    assert np.linalg.eigvalsh(found.correlation)[0] > -rounding
    assert found.correlation[:, 0] == pytest.approx(found.correlation_0, abs=rounding)


def test_the_response_by_halving_is_the_plain_recursion():
    rng = np.random.default_rng(1)
    times, paths = 21, 5
    slope = rng.standard_normal((times, paths)).astype(np.float32)
    kernel = np.tril(rng.standard_normal((times, times)), -1).astype(np.float32)
    step = np.full(times, 0.1, np.float32)
    forward = np.zeros((times, times, paths))
    for s in range(times):
        forward[s, s] = 1
        for k in range(s + 1, times):
            for r in range(s, k):
                forward[k, s] += 0.1 * kernel[k, r] * slope[r] * forward[r, s]
    expected = (slope[-1] * forward[-1]).mean(axis=1)
    none = np.zeros((0, paths), np.float32)
    found = mean_response(
        slope, kernel, step, np.ones((1, paths), np.float32), none, none[:, :0].reshape(times, 0)
    )
    assert found[0] == pytest.approx(expected, rel=1e-4, abs=1e-5 * abs(expected).max())


def test_stein_and_the_teacher_agree():
    """A finite small overlap grows like the linearised equations say."""
    m0, steps = 0.02, 15
    linear = descent(6.0, 0.01, steps, paths=8192)
    full = descent(6.0, 0.01, steps, paths=8192, labels="teacher", overlap=m0)
    ratio = full.signed_overlap[-1] / m0 / np.exp(linear.growth[-1])
    # ⟨F y⟩ has relative sampling error of order σ(F y)/(m √P), both signs of m cancel it
    other = descent(6.0, 0.01, steps, paths=8192, labels="teacher", overlap=-m0)
    mean = (full.signed_overlap[-1] - other.signed_overlap[-1]) / (2 * m0)
    assert mean / np.exp(linear.growth[-1]) == pytest.approx(1, abs=0.1)
    assert np.isfinite(ratio)


def test_more_paths_fluctuate_less_like_their_root():
    """24 sets each of P and 16 P pseudo-random paths: the spreads are 4 apart."""
    spreads = []
    for paths in (256, 4096):
        energies = [
            sweep(Dynamics(quartic, 4.0, np.full(8, 0.02)), Draws(paths, 0, r, "random")).observed[
                -1, 0
            ]
            for r in range(24)
        ]
        spreads.append(np.std(energies, ddof=1))
    # a ratio of two spreads of 23 degrees of freedom: 99.8 % lie within a factor of 2
    assert 2 < spreads[0] / spreads[1] < 8


def test_a_checkpoint_continues_to_the_same_bits(tmp_path, monkeypatch):
    point = experiment.MeanField(alpha=6, t_max=0.2, step=0.01, paths=256, seed=3)
    whole = experiment.solve(point)
    monkeypatch.setattr("gapless.experiments.checkpoint.EVERY_S", 0.0)

    class Killed(Exception):
        pass

    def kill(_done=[0]):  # noqa: B006
        _done[0] += 1
        if _done[0] == 12:
            raise Killed

    with checkpoints_in(tmp_path), pytest.raises(Killed):
        experiment.solve(point, lambda _: kill())
    assert list(tmp_path.iterdir())
    with checkpoints_in(tmp_path):
        again = experiment.solve(point)
    np.testing.assert_array_equal(again.energy, whole.energy)
    np.testing.assert_array_equal(again.growth, whole.growth)


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
        (dict(loss=amplitude), ["loss", "jumps"]),
        (dict(overlap=0.1), ["overlap", "teacher"]),
        (dict(labels="teacher", overlap=1.5), ["overlap", "between"]),
        (dict(labels="none"), ["labels"]),
        (dict(steps=np.array([])), ["step"]),
    ],
)
def test_wrong_dynamics_are_refused(change, words):
    with pytest.raises(ValueError) as caught:
        Dynamics(**(dict(loss=quartic, alpha=4.0, steps=np.ones(2)) | change))
    assert all(word in str(caught.value) for word in words)


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
    assert len(answer["t"]) == len(answer["energy"]) == len(answer["growth_rate"]) == 11
    assert set(answer["error"]["energy"]) == {"paths", "steps"}
    assert answer["spectrum"]["t"][-1] == pytest.approx(0.1)
    assert picture.stat().st_size > 0


def test_a_step_far_from_the_flow_is_told_beside_the_numbers(capsys):
    assert main([*DMFT[:5], "--step", "0.08", "--paths", "256", "--json"]) == 0
    out, err = capsys.readouterr()
    assert "give --step 0.0" in err and "give --step" in json.loads(out)["notes"][0]


@pytest.mark.slow
def test_descent_at_finite_n_follows():
    """Sixteen runs on each of eight matrices, N = 512, α = 10, the same step, until t = 0.3."""
    import jax.numpy as jnp

    from gapless.flow import FixedStep, integrate
    from gapless.problem import draw_problem

    step, steps = 0.01, 30
    energy, mu = [], []
    for index in range(8):
        design = Design(512, 10.0, seed=5, index=index, runs=16)
        problem = draw_problem(design, "shuffled")
        w = jnp.asarray(design.start())
        run = integrate(problem, w, steps * step, stepping=FixedStep(step), save_at=(0.1, 0.3))
        energy.append(run.saved.energy.mean(axis=0))
        mu.append(run.saved.mu.mean(axis=0))
    dynamics = Dynamics(quartic, 10.0, np.full(steps, step))
    found = [solve(dynamics, Draws(2**15, 0, r)) for r in range(4)]
    for runs, name in ((np.array(energy), "energy"), (np.array(mu), "mu")):
        theory = np.array([one.observed(name)[[10, 30]] for one in found])
        error = np.hypot(runs.std(0, ddof=1) / np.sqrt(8), theory.std(0, ddof=1) / 2)
        # four errors, and a finite-size shift of 2.5/N relative (docs/derivations/dmft.md §6)
        allowed = 4 * error + 2.5 / 512 * abs(theory.mean(0))
        assert (abs(runs.mean(0) - theory.mean(0)) < allowed).all(), name


def test_replicas_do_not_share_numbers():
    one = Draws(128, 0, 0)
    assert not np.array_equal(one.first(), replace(one, replica=1).first())
    np.testing.assert_array_equal(one.first(), Draws(128, 0, 0).first())
