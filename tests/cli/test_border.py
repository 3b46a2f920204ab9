"""`gapless border`: rows of the answer, and what it refuses."""

import json

import pytest

from gapless.cli.main import main

# both have M = 264, and so the same programs
ASK = ["border", "--n", "24", "--alpha", "11,11.01", "--runs", "8", "--runs-per-design", "4"]


def test_rows_have_the_names_that_are_promised(capfd):
    assert main([*ASK, "--json"]) == 0
    answer = json.loads(capfd.readouterr().out)
    assert [row["alpha"] for row in answer["rows"]] == [11, 11.01]
    names = ["n", "alpha", "minima", "designs", "unstable", "low", "high", "median_s", "energy"]
    for row in answer["rows"]:
        assert list(row)[: len(names)] == names
        assert row["minima"] <= 8
        assert row["designs"] <= 2
        assert row["low"] <= row["unstable"] <= row["high"]


@pytest.mark.parametrize(
    ("more", "named"),
    [
        (["--runs", "0"], "--runs"),
        (["--alpha", "10,10"], "--alpha"),
        (["--n", "1"], "--n"),
        (["--loss", "none"], "--loss"),
        (["--shard", "1/2"], "--out"),
    ],
)
def test_bad_input_is_one_line_that_names_the_option(capfd, more, named):
    assert main([*ASK, *more]) == 2
    line = capfd.readouterr().err
    assert named in line
    assert line.count("\n") == 1
