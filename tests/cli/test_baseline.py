"""`gapless baseline`: its answers and its mistakes."""

import numpy as np
import pytest

from commands import answer
from gapless.cli import main

SMALL = ["--n", "24", "--alpha", "6", "--runs", "3"]
AMP, SGD, LANGEVIN = (["baseline", name, *SMALL] for name in ("amp", "sgd", "langevin"))
SHORT = ["--t-max", "0.02"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([*AMP, "--start", "spectral"], ["--start", "overlap:0.1"]),
        ([*AMP, "--start", "overlap:0"], ["--start", "fixed points"]),
        ([*AMP, "--start", "hot"], ["--start", "overlap"]),
        ([*AMP, "--iterations", "0"], ["--iterations", "at least 1"]),
        ([*AMP, "--sensing", "orthogonal"], ["--sensing", "Onsager"]),
        ([*AMP, "--noise", "-1"], ["--noise", "variance"]),
        ([*AMP, "--dtype", "float16"], ["--dtype", "float32"]),
        ([*AMP, "--loss", "quartic"], ["--loss"]),
        ([*SGD, "--batch", "0"], ["--batch", "144"]),
        ([*SGD, "--batch", "145"], ["--batch", "144"]),
        ([*SGD, "--rate", "0"], ["--rate", "positive"]),
        ([*SGD, "--rate", "9"], ["--rate", "budget"]),
        ([*SGD, "--rate", "1e-12"], ["--rate", "too many"]),
        ([*SGD, "--sensing", "fast"], ["--sensing", "rows"]),
        ([*SGD, "--t-max", "0"], ["--t-max", "positive"]),
        ([*SGD, "--loss", "cubic"], ["--loss", "quartic"]),
        ([*SGD, "--plot", "x.txt"], ["--plot", ".png"]),
        ([*SGD, "--labels", "gaussian", "--start", "overlap:0.1"], ["--start", "random"]),
        ([*SGD[:3], "1000000", "--alpha", "6"], ["--n", "iB", "lower"]),
        ([*LANGEVIN, "--temperature", "-1"], ["--temperature", "at least 0"]),
        ([*LANGEVIN, "--dtype", "float16"], ["--dtype", "float32"]),
        ([*LANGEVIN[:-1], "0"], ["--runs", "from 1"]),
        (["baseline", "adam", *SMALL], ["adam", "sgd"]),
    ],
)
def test_mistakes_are_one_line(arguments, words, capsys):
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert all(word in err for word in words)


@pytest.mark.parametrize("verb", ["amp", "sgd", "langevin"])
def test_help_shows_an_example(capsys, verb):
    assert main(["baseline", verb, "--help"]) == 0
    assert f"Example: gapless baseline {verb}" in capsys.readouterr().out


def test_message_passing_answers_beside_state_evolution(capsys, tmp_path):
    picture = tmp_path / "amp.svg"
    found = answer(capsys, *AMP, "--iterations", "6", "--plot", str(picture))
    assert np.array(found["overlap"]).shape == np.array(found["variance"]).shape == (3, 7)
    assert len(found["state_evolution"]) == 7
    np.testing.assert_allclose(np.array(found["overlap"])[:, 0], 0.1, atol=1e-6)
    np.testing.assert_allclose(np.array(found["variance"])[:, 0], 0.99, rtol=1e-6)
    assert found["state_evolution"][0] == pytest.approx(0.1)
    assert set(found["outcome"]) <= {"recovered", "time_out"}
    assert "state evolution" in picture.read_text("utf-8")


def test_sgd_answers_like_a_flow_and_begins_where_it_does(capsys, tmp_path):
    picture = tmp_path / "sgd.png"
    found = answer(capsys, *SGD, *SHORT, "--plot", str(picture), "--no-sphere")
    flow = answer(
        capsys, *("flow", *SMALL, "--t-max", "0.02", "--save-at", "0,0.02", "--no-sphere")
    )
    for name in ("energy", "overlap", "mu", "rho"):
        assert np.array(found[name]).shape == (3, len(found["t"]))
    begun, first = (np.array(one["energy"])[:, 0] for one in (found, flow))
    np.testing.assert_allclose(begun, first, rtol=1e-5)
    assert found["t"][-1] == pytest.approx(0.02)
    assert (found["batch"], found["rate"], found["steps"], found["m"]) == (18, 1e-3, 20, 144)
    assert found["rho"][0][-1] < found["rho"][0][0]
    assert picture.stat().st_size > 0


def test_the_table_of_langevin_dynamics_has_a_row_for_each_run(capsys):
    assert main([*LANGEVIN, *SHORT]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["run", "energy", "overlap", "mu", "steps", "outcome"]
    assert [line.split()[0] for line in lines[1:4]] == ["0", "1", "2"]
