"""Figures 2 and 3 and `gapless spectrum`: reductions, claims and the command's answer."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from gapless.analyse.statistics import clustered_mean, clustered_std
from gapless.cli import main
from gapless.figures import load
from gapless.figures.fig3 import crossing_table
from gapless.labels import LabelLaw
from gapless.losses import quartic
from gapless.measure.spectra import theory_of, without_one
from gapless.measure.spectrum import Moment, parse_moment
from gapless.measure.threshold import rest_sentence
from gapless.page.image import render


def test_repeating_every_value_within_its_cluster_adds_no_precision() -> None:
    values = np.random.default_rng(1).standard_normal(20)
    once = clustered_mean(values, np.arange(20))
    again = clustered_mean(np.repeat(values, 7), np.repeat(np.arange(20), 7))
    assert once.standard_error == pytest.approx(values.std(ddof=1) / 20**0.5, rel=1e-12)
    assert (again.mean, again.standard_error) == pytest.approx((once.mean, once.standard_error))


def test_one_cluster_has_no_error_bar() -> None:
    assert np.isnan(clustered_mean(np.ones(5), np.zeros(5)).standard_error)
    assert np.isnan(clustered_std(np.arange(5.0), np.zeros(5))[1])


def test_the_error_of_a_standard_deviation_is_that_of_gaussian_samples() -> None:
    # sd of s is σ/√(2n); the jackknife's own scatter at n = 400 is about 7 %: five of these
    values = np.random.default_rng(2).standard_normal(400)
    deviation, error = clustered_std(values, np.arange(400))
    assert error == pytest.approx(deviation / 800**0.5, rel=0.35)


def test_runs_that_never_cross_are_counted_and_not_averaged() -> None:
    row = {"n": 64, "alpha": 5.0, "run": 0, "outcome": "crossed", "time": 0.1, "overlap": 0.3}
    row |= {"eigenvalues": [-3.0, -2.0, -1.5], "vector_overlap": [0.5, 0.1, 0.0]}
    row |= {"top_sample_share": [0.2, 0.1, 0.1]}
    lost = dict.fromkeys(row) | {"n": 64, "alpha": 5.0, "outcome": "not_crossed"}
    rows = [row | {"design": 0}, row | {"design": 1}, lost | {"design": 1}]
    table = crossing_table(pd.DataFrame(rows)).iloc[0]
    assert (table.runs, table.crossed, table.designs) == (3, 2, 2)
    assert (table.gap_12, table.gap_23, table.overlap_1) == (1.0, 0.5, 0.5)
    assert table.fluctuation == 0


def test_leaving_out_the_most_negative_sample_raises_the_edge() -> None:
    rng = np.random.default_rng(3)
    student, teacher = rng.standard_normal((2, 4000))
    teacher[7] = 12.0
    law = LabelLaw.from_run(student, teacher)
    theory = theory_of(law, quartic, 8.0, "teacher")
    assert theory["edge_from_one_atom"] is True
    assert theory["edge_without_one"] > theory["hessian_edge"]
    assert without_one(law, quartic).student.size == 3999
    assert np.isnan(theory_of(law, quartic, 8.0, "shuffled")["hessian_outlier"])


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("random", Moment("random")),
        ("threshold", Moment("threshold")),
        ("time:0.5", Moment("time", 0.5)),
        ("energy:7", Moment("energy", 7.0)),
    ],
)
def test_a_moment_is_what_its_name_says(text: str, moment: Moment) -> None:
    assert parse_moment(text) == moment
    assert str(moment) == text


@pytest.mark.parametrize("text", ["", "now", "time", "time:x", "energy:-1", "random:3", "time:nan"])
def test_other_moments_are_refused_with_the_list(text: str) -> None:
    with pytest.raises(ValueError, match="at:"):
        parse_moment(text)


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


@pytest.mark.parametrize("labels", ["teacher", "shuffled"])
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


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        ("--at nonsense", "--at"),
        ("--lowest 0", "--lowest"),
        ("--runs 0", "--runs"),
        ("--labels none", "--labels"),
        ("--at random --threshold-energy 7", "--threshold-energy"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_option(arguments, option, capsys) -> None:
    assert main(["spectrum", "--n", "32", "--alpha", "8", *arguments.split()]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert option in captured.err


@pytest.mark.slow
@pytest.mark.parametrize("name", ["fig2", "fig3"])
def test_the_smoke_scale_runs_through_table_drawing_and_claims(name: str) -> None:
    experiment = load(name)
    points = experiment.points("smoke", 0)
    reduced = experiment.reduce(pa.concat_tables([p.measure() for p in points]).to_pandas())
    render(experiment.picture(reduced)).canvas.draw()
    assert experiment.claims(reduced)
    nothing = experiment.reduce(points[0].failed("reason").to_pandas())
    assert experiment.picture(nothing).panels == []
