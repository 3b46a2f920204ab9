"""`gapless dmft`: its answers and its mistakes."""

import json

import pytest

from gapless.cli import main

DMFT = ["dmft", "--alpha", "4", "--t-max", "0.1", "--step", "0.01", "--paths", "128"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([*DMFT[:-1], "3"], ["--paths", "from 64"]),
        ([*DMFT[:5], "--step", "0"], ["--step", "positive"]),
        ([*DMFT[:5], "--step", "1e-9"], ["--step", "raise --step"]),
        ([*DMFT[:5], "--accuracy", "0"], ["--accuracy", "between"]),
        ([*DMFT, "--waiting", "0.5"], ["--waiting", "below 0.1"]),
        ([*DMFT, "--waiting", "x"], ["--waiting", "list"]),
        ([*DMFT, "--waiting", "0.004,0.0041"], ["--waiting", "0.01 apart"]),
        ([*DMFT[:5], "--waiting", "1e-320"], ["--waiting", "1e-07 apart"]),
        ([*DMFT[:5], "--waiting", "0,0.1"], ["--waiting", "below 0.1"]),
        (["dmft", "--alpha", "64", "--paths", "64"], ["--paths", "1 dimensions", "640"]),
        (["dmft", "--alpha", "1e300"], ["--paths", "lower --alpha"]),
        (["dmft", "--alpha", "1e-300"], ["--alpha", "at least"]),
        ([*DMFT, "--sampling", "x"], ["--sampling", "sobol"]),
        ([*DMFT[:3], "--t-max", "nan"], ["--t-max", "finite"]),
        ([*DMFT, "--labels", "teacher"], ["--overlap", "0.3"]),
        ([*DMFT, "--sets", "0"], ["--sets"]),
        ([*DMFT, "--seed", "-1"], ["--seed", "2**32"]),
        ([*DMFT, "--plot", "x.txt"], ["--plot", ".png"]),
        ([*DMFT[:-1], "1000000000"], ["--paths", "iB", "lower"]),
    ],
)
def test_mistakes_on_the_command_line_are_one_line(arguments, words, capsys):
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert all(word in err for word in words)


def test_the_verb_answers_in_json(capsys, tmp_path):
    picture = tmp_path / "dmft.png"
    assert main([*DMFT, "--json", "--plot", str(picture), "--checkpoint", str(tmp_path)]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert len(answer["t"]) == len(answer["energy"]) == len(answer["growth_rate"][0]) == 11
    assert answer["waiting"] == [0]
    assert answer["response"][0][0] == 1
    assert set(answer["error"]["energy"]) == {"paths", "steps"}
    assert answer["spectrum"]["t"][-1] == pytest.approx(0.1)
    assert answer["dimension"] == 32
    assert answer["bias"] == 1 / 32
    assert picture.stat().st_size > 0


def test_without_a_step_the_verb_follows_the_flow(capsys):
    arguments = ["dmft", "--alpha", "4", "--t-max", "0.1", "--paths", "128", "--json"]
    assert main([*arguments, "--waiting", "none"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["step"] is None
    assert "growth" not in answer
    # e falls from 2α with slope −48α
    assert answer["energy"][0] > answer["energy"][-1] > 0
    assert answer["t"][1] == pytest.approx(1e-4)


def test_a_step_far_from_the_flow_is_told_beside_the_numbers(capsys):
    assert main([*DMFT[:5], "--step", "0.08", "--paths", "128", "--json"]) == 0
    out, err = capsys.readouterr()
    assert "leave --step out" in err
    assert "leave --step out" in json.loads(out)["notes"][0]
