"""The contract of `gapless theory`: one JSON object, or one line on stderr."""

import re

import pytest

from commands import answer
from gapless.cli import main

STATE_KEYS = {
    *("alpha", "chi", "z", "energy", "free_energy", "complexity", "mu", "bulk_edge", "outlier"),
    *("outlier_overlap", "moments", "flags", "error"),
}

MINIMA_KEYS = {
    *("alpha", "overlap", "labels", "gamma", "omega", "kappa", "energy", "complexity", "mu"),
    *("bulk_edge", "outlier", "moments", "flags", "error"),
}


def test_state_prints_every_value_with_its_error(capsys):
    state = answer(capsys, "theory", "state", "--alpha", "10")
    assert set(state) == STATE_KEYS
    assert set(state["error"]) == STATE_KEYS - {"alpha", "flags", "error"}
    assert set(state["moments"]) == set(state["error"]["moments"]) == {"abs", "2", "3", "4"}
    assert state["outlier"] is state["outlier_overlap"] is state["error"]["outlier"] is None
    assert set(state["flags"]) == {
        *("negative_complexity", "below_ground_state", "kink_mass", "multiplier_mismatch"),
        *("outer_replicon", "outer_unstable", "other_branches"),
    }


def test_threshold_names_its_readings(capsys):
    threshold = answer(capsys, "theory", "threshold", "--loss", "normalised:a=1")
    assert set(threshold) == {"alpha_bbp", "error", "minima"}
    assert set(threshold["alpha_bbp"]) == set(threshold["error"])
    assert set(threshold["error"]) == {"edge", "multiplier", "unstable"}
    assert set(threshold["minima"]) == {"most_numerous", "deepest"}
    for state in threshold["minima"].values():
        assert set(state) == {"alpha_bbp", "energy", "complexity", "error"}
        assert set(state["error"]) == set(state) - {"error"}
        assert state["alpha_bbp"] < threshold["alpha_bbp"]["edge"]


def _numbers(found, unseen):
    """Yield the floats of an answer that are no errors and no flags."""
    for name, value in found.items():
        if isinstance(value, dict) and name not in ("error", "flags"):
            yield from _numbers(value, unseen)
        elif isinstance(value, float) and name not in unseen:
            yield value


@pytest.mark.parametrize(
    ("command", "unseen"),
    [
        (["state", "--alpha", "10"], ()),
        (["minima", "--alpha", "10"], ()),
        (["threshold"], ("complexity",)),
        (["start"], ("error", "gamma")),
        (["inference", "--alpha", "1.1"], ("alpha",)),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_the_table_has_the_numbers_of_the_json(capsys, command, unseen):
    found = answer(capsys, "theory", *command)
    assert main(["theory", *command]) == 0
    cells = re.split(r"\s+", capsys.readouterr().out)
    shown = [float(cell) for cell in cells if re.fullmatch(r"-?\d[\d.]*(e[+-]\d+)?", cell)]
    for number in _numbers(found, unseen):
        # an energy beside α_BBP has six digits
        assert any(abs(number - each) <= 5e-6 * abs(number) for each in shown), number


def test_a_loss_whose_minima_are_not_counted_keeps_its_other_readings(capsys):
    minima = answer(capsys, "theory", "threshold", "--loss", "amplitude")["minima"]
    assert minima["most_numerous"] is minima["deepest"] is None
    assert "kink" in minima["reason"]


def test_a_loss_without_a_transition_is_answered_by_a_sentence(capsys, tmp_path, monkeypatch):
    (tmp_path / "straight.py").write_text(
        "def value(yhat, y):\n    return (yhat**2 - y**2) ** 2 / (1 + yhat**2 * y**2)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    command = ["theory", "threshold", "--loss", "straight:value"]
    threshold = answer(capsys, *command)
    assert set(threshold["alpha_bbp"].values()) == {None}
    assert main(command) == 0
    shown = capsys.readouterr().out
    assert threshold["reason"] in shown
    assert threshold["minima"]["reason"] in shown


@pytest.mark.parametrize(
    "which",
    [
        *([], ["--deepest"], ["--energy", "7.5", "--overlap", "0.1"]),
        pytest.param(["--kappa", "0.03"], marks=pytest.mark.slow),
    ],
)
def test_minima_print_every_value_with_its_error(capsys, which):
    state = answer(capsys, "theory", "minima", "--alpha", "10", *which)
    assert set(state) == MINIMA_KEYS
    assert set(state["error"]) == MINIMA_KEYS - {"alpha", "overlap", "labels", "flags", "error"}
    assert set(state["moments"]) == set(state["error"]["moments"]) == {"abs", "2", "3", "4"}
    if which:
        return
    assert main(["theory", "minima", "--alpha", "10"]) == 0
    table = capsys.readouterr().out
    for name in (MINIMA_KEYS | set(state["flags"])) - {"moments", "flags", "error"}:
        assert name in table


def test_curve_gives_states_in_order_and_draws(capsys, tmp_path):
    picture = tmp_path / "curve.png"
    curve = answer(capsys, "theory", "curve", "--alpha", "6:10:2", "--plot", str(picture))
    assert [row["alpha"] for row in curve["rows"]] == [6, 8, 10]
    assert STATE_KEYS | {"ground_energy"} == set(curve["rows"][0])
    assert picture.stat().st_size > 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["state", "--alpha", "1"], ["--alpha", "no marginal 1RSB state", "raise it"]),
        (["state", "--alpha", "nan"], ["--alpha", "positive number"]),
        (["state", "--alpha", "4", "--loss", "none"], ["--loss", "quartic"]),
        (["minima", "--alpha", "10", "--energy", "5"], ["--energy", "between 7.0499 and 8.6"]),
        (["minima", "--alpha", "10", "--labels", "x"], ["--labels", "quenched, annealed"]),
        (["minima", "--alpha", "10", "--kappa", "1", "--deepest"], ["--kappa", "leave"]),
        (["minima", "--alpha", "10", "--loss", "amplitude"], ["--loss", "kink"]),
        (["curve", "--alpha", "4:2:1"], ["--alpha", "list"]),
        (["curve", "--alpha", "4", "--plot", "x.txt"], ["--plot", ".png"]),
    ],
)
def test_a_mistake_is_one_line_that_names_the_option(capsys, arguments, words):
    assert main(["theory", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    for word in words:
        assert word in err


def test_inference_answers_thresholds_and_overlaps(capsys):
    found = answer(capsys, "theory", "inference", "--alpha", "1.1")
    assert 0 < found["spectral"]["weak"] < found["spectral"]["best"] < found["uninformed"] < 1
    assert found["thresholds"]["information_theoretic"] == 1
    start = answer(capsys, "theory", "start", "--loss", "normalised:a=0.1")
    assert abs(start["alpha"] - 2.16668085) < 1e-7


def test_complex_signals_have_minima_and_thresholds_but_no_1rsb_state(capsys):
    found = answer(capsys, "theory", "inference", "--alpha", "1.5", "--field", "complex")
    assert found["thresholds"]["weak_recovery"] == 1
    assert 0 < found["spectral"]["weak"] < found["spectral"]["best"] < found["uninformed"] < 1
    start = answer(capsys, "theory", "start", "--field", "complex")
    assert start["alpha"] > 2
    state = answer(capsys, "theory", "minima", "--alpha", "2000", "--field", "complex")
    assert set(state) == MINIMA_KEYS
    assert main(["theory", "state", "--alpha", "10", "--field", "complex"]) == 2
    assert "1RSB has no complex states" in capsys.readouterr().err
