"""The contract of `gapless theory ground`: one JSON object, a picture, or one line on stderr."""

import json

import pytest

from gapless.cli import main
from gapless.theory.full_rsb import state as states
from gapless.theory.full_rsb.mesh import Resolution

COARSE = {
    "SKETCH": Resolution(2, 1, 0.2, 40, 4),
    "COARSE_STEPS": Resolution(2, 1, 0.05, 44, 5),
    "WIDE_LAST_STEP": Resolution(4, 2, 0.1, 44, 5),
    "FINEST": Resolution(4, 2, 0.05, 50, 5),
}


KEYS = {
    *("alpha", "energy", "chi", "q", "z", "mu", "bulk_edge", "outlier", "outlier_overlap"),
    *("margin", "moments", "flags", "error"),
}


@pytest.fixture
def coarse(monkeypatch):
    for name, resolution in COARSE.items():
        monkeypatch.setattr(states, name, resolution)


def kept(compute):
    """Return a function of the values that another one computes when it is first called."""
    found = []

    def once(*arguments):
        found.extend([] if found else [compute(*arguments)])
        return found[0]

    return once


@pytest.mark.usefixtures("coarse")
def test_ground_prints_every_value_with_its_error_and_draws(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("gapless.theory.full_rsb_state", kept(states.full_rsb_state))
    picture = tmp_path / "z.png"
    arguments = ["theory", "ground", "--alpha", "10", "--json", "--plot", str(picture)]
    assert main(arguments) == 0
    state = json.loads(capsys.readouterr().out)
    assert set(state) == KEYS
    assert set(state["error"]) == KEYS - {"alpha", "q", "flags", "error"}
    assert len(state["q"]) == len(state["z"])
    assert state["q"][0] == 0
    assert picture.stat().st_size > 0
    assert main(arguments[:4]) == 0
    assert "energy" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--alpha", "1"], ["--alpha", "raise it"]),
        (["--alpha", "nan"], ["--alpha", "positive number"]),
        (["--alpha", "4", "--loss", "none"], ["--loss", "quartic"]),
        (["--alpha", "4", "--plot", "x.txt"], ["--plot", ".png"]),
    ],
)
def test_a_mistake_is_one_line_that_names_the_option(capsys, arguments, words):
    assert main(["theory", "ground", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    for word in words:
        assert word in err
