"""The runs of the time slider are the library's, from one X, and are kept on disk."""

import json

import numpy as np
import pytest

from gapless.design import Design
from gapless.explore import dozen, runs_along_alpha
from gapless.explore.runs import MOST_ALPHAS, RUNS, SEED, runs_at
from gapless.flow import integrate
from gapless.hessian import spectrum
from gapless.losses import normalised, quartic
from gapless.problem import draw_problem

N, ALPHA = 32, 6.0


@pytest.fixture(scope="module")
def pair():
    return runs_at("quartic", N, ALPHA)


def test_both_kinds_start_alike_and_their_energies_fall(pair):
    teacher, shuffled = pair
    assert [run["labels"] for run in pair] == ["teacher", "shuffled"]
    # the starts are the same states; their overlaps are kept with three digits
    start = [[row[0] for row in run["overlap"]] for run in pair]
    np.testing.assert_allclose(start[0], start[1], rtol=1e-3)
    for run in pair:
        energy = np.array(run["energy"])
        assert energy.shape == (RUNS, len(run["t"]))
        # four digits: a fall may be lost in rounding, and no rise beyond it is seen
        assert (np.diff(energy) <= 1e-3 * energy[:, :-1] + 1e-9).all()
    assert teacher["t"] == shuffled["t"]


def test_frames_have_the_spectrum_of_the_first_run(pair):
    design = Design(n=N, alpha=ALPHA, seed=SEED, runs=RUNS, in_numpy=True)
    for run in pair:
        problem = draw_problem(design, run["labels"], quartic)
        values = spectrum(problem, design.start(), 0)
        np.testing.assert_allclose(run["lambda_1"][0], values[0], rtol=2e-3)
        assert run["negative"][0] == (values < 0).sum()
        end = integrate(problem, design.start(), run["t"][-1])
        # the batch of both kinds shares stages: energies agree to the tolerance of the steps
        energy = np.array(run["energy"])[:, -1]
        scale = np.array(run["energy"])[:, 0]
        assert (abs(energy - end.end.energy) < 0.02 * scale).all()
        width = np.diff(run["bins"])
        mass = np.array(run["density"]) @ width
        assert (mass <= 1 + 1e-2).all()
        assert (mass > 0.9).all()


def test_runs_are_kept_on_disk_and_the_same_when_found_there(tmp_path, monkeypatch):
    monkeypatch.setattr("gapless.explore.runs.SIZES", (16,))
    told: list[float] = []
    made = runs_along_alpha(normalised(1.0), (4.0,), told.append, tmp_path)
    assert sum(told) == 1
    again = runs_along_alpha(normalised(1.0), (4.0,), cache=tmp_path)
    assert again == json.loads(json.dumps(made))
    (file,) = tmp_path.iterdir()
    # a damaged file costs its own content alone
    file.write_bytes(file.read_bytes()[:-1])
    assert runs_along_alpha(normalised(1.0), (4.0,), cache=tmp_path) == made


def test_a_dozen_has_both_ends_and_no_more():
    alphas = np.arange(4.0, 20.25, 0.5).tolist()
    chosen = dozen(alphas)
    assert (chosen[0], chosen[-1], len(chosen)) == (4.0, 20.0, MOST_ALPHAS)
    assert dozen([6.0]) == [6.0]
    assert set(dozen(alphas[:13])) <= set(alphas)
