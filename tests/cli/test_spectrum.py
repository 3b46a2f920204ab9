"""`gapless spectrum`: its answer and its mistakes."""

import json

import pytest

from commands import answer
from gapless.cli import main
from gapless.measure.threshold import rest_sentence


def test_the_command_answers_with_one_json_object(capsys) -> None:
    arguments = "spectrum --n 32 --alpha 8 --at energy:9 --runs 3 --runs-per-design 4 --json"
    assert main(arguments.split()) == 0
    answer = json.loads(capsys.readouterr().out)
    assert len(answer["runs"]) == 3
    assert answer["at"] == "energy:9"
    for run in answer["runs"]:
        assert run["reached"] == (run["time"] is not None)
        if run["reached"]:
            assert abs(run["energy"] - 9) <= 1e-3 + 1e-5
            assert run["eigenvalues"] == sorted(run["eigenvalues"])
            assert all(0 <= overlap <= 1 for overlap in run["overlap"])


@pytest.mark.parametrize("labels", [pytest.param("teacher", marks=pytest.mark.slow), "shuffled"])
def test_the_threshold_says_how_many_are_at_rest(labels: str, capsys) -> None:
    """What was followed to rest says whether it came to rest: below 1e-10, or at t = 20."""
    arguments = f"spectrum --n 32 --alpha 8 --runs 4 --runs-per-design 4 --labels {labels}"
    assert main([*arguments.split(), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    for run in answer["runs"]:
        assert run["at_rest"] == (run["outcome"] == "trapped") == (run["speed2"] < 1e-10)
        assert run["at_rest"] or labels == "teacher" or run["time"] == pytest.approx(20)
    count = sum(run["at_rest"] for run in answer["runs"])
    assert answer["at_rest"] == count
    text = rest_sentence([run["outcome"] for run in answer["runs"]], "runs")
    assert text.startswith(f"{count} of 4 runs at rest (|∇L − μW|²/N < 1e-10)")
    assert ("read off at t = 20" in text) == (count < 4)


def test_where_nothing_is_followed_nothing_is_at_rest(capsys) -> None:
    arguments = "spectrum --n 32 --alpha 8 --at random --runs 2 --runs-per-design 4 --json"
    assert main(arguments.split()) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["at_rest"] is None
    assert all(run["at_rest"] is run["outcome"] is None for run in answer["runs"])
    assert all(run["converged"] for run in answer["runs"])


def test_a_picture_changes_nothing_of_the_answer(tmp_path, capsys) -> None:
    arguments = ["spectrum", "--n", "32", "--alpha", "8", "--at", "random", "--runs", "2", "--json"]
    assert main(arguments) == 0
    answer = capsys.readouterr().out
    plot = tmp_path / "spectrum.svg"
    assert main([*arguments, "--plot", str(plot), "--width", "5", "--font-size", "8"]) == 0
    assert capsys.readouterr().out == answer
    assert "quartic loss, N = 32, seed 0" in plot.read_text("utf-8")


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        ("--at nonsense", "--at"),
        ("--lowest 0", "--lowest"),
        ("--runs 0", "--runs"),
        ("--labels none", "--labels"),
        ("--at random --threshold-energy 7", "--threshold-energy"),
        ("--width 1", "--width"),
        ("--plot spectrum.gif", "--plot"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_option(arguments, option, capsys) -> None:
    assert main(["spectrum", "--n", "32", "--alpha", "8", *arguments.split()]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert option in captured.err


def test_without_the_sphere_the_spectrum_is_the_same_before_mu(capsys) -> None:
    arguments = ["spectrum", "--n", "32", "--alpha", "8", "--at", "random", "--runs", "2", "--json"]
    found = []
    for more in ([], ["--no-sphere"]):
        assert main([*arguments, *more]) == 0
        found.append(json.loads(capsys.readouterr().out)["runs"])
    for on, off in zip(*found, strict=True):
        assert off["mu"] == 0
        # float32: rounding relative to a width of some hundreds
        shift = pytest.approx(on["mu"], abs=1e-3)
        assert [b - a for a, b in zip(on["eigenvalues"], off["eigenvalues"], strict=True)] == [
            shift
        ] * 3
        assert off["hessian_edge"] - on["hessian_edge"] == shift


@pytest.mark.parametrize("energy", ["nan", "inf", "-1"])
def test_a_threshold_energy_is_a_number(energy, capsys):
    given = ["spectrum", "--n", "16", "--alpha", "6", f"--threshold-energy={energy}"]
    assert main(given) == 2
    assert "--threshold-energy: must be" in capsys.readouterr().err


def test_an_x_of_another_limit_has_eigenvalues_and_no_theory(capsys, tmp_path):
    command = ["spectrum", "--n", "24", "--alpha", "3", "--at", "random", "--sensing", "orthogonal"]
    run = answer(capsys, *command)["runs"][0]
    assert all(run["eigenvalues"])
    theory = ("hessian_edge", "edge_without_one", "edge_from_one_atom", "hessian_outlier")
    assert [run[name] for name in theory] == [None] * 4
    assert main([*command, "--plot", str(tmp_path / "spectrum.png")]) == 0
    assert "theory does not hold for an orthogonal X" in capsys.readouterr().out
