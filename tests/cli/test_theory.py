"""The contract of `gapless theory`: one JSON object, or one line on stderr."""

import pytest

from commands import answer
from gapless.cli import main

STATE_KEYS = {
    *("alpha", "chi", "z", "energy", "free_energy", "complexity", "mu", "bulk_edge", "outlier"),
    *("outlier_overlap", "moments", "flags", "error"),
}


def test_state_prints_every_value_with_its_error(capsys):
    state = answer(capsys, "theory", "state", "--alpha", "10")
    assert set(state) == STATE_KEYS
    assert set(state["error"]) == STATE_KEYS - {"alpha", "flags", "error"}
    assert set(state["moments"]) == set(state["error"]["moments"]) == {"abs", "2", "3", "4"}
    assert state["outlier"] is state["outlier_overlap"] is state["error"]["outlier"] is None
    assert set(state["flags"]) == {
        *("negative_complexity", "below_ground_state", "kink_mass", "multiplier_mismatch"),
        "other_branches",
    }


def test_threshold_names_its_readings(capsys):
    threshold = answer(capsys, "theory", "threshold", "--loss", "normalised:a=1")
    assert set(threshold) == {"alpha_bbp", "error"}
    assert set(threshold["alpha_bbp"]) == set(threshold["error"])
    assert set(threshold["error"]) == {"edge", "multiplier", "unstable"}


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
