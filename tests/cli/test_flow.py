"""`gapless flow`: lists of runs by times."""

import json

import numpy as np

from commands import FLOW, answer
from gapless.cli import main


def test_flow_answers_in_lists_of_runs_by_times(capsys, tmp_path):
    picture = tmp_path / "flow.png"
    flow = answer(capsys, *FLOW, "--runs", "5", "--save-at", "0.01,0.1,1.2", "--plot", str(picture))
    assert flow["t"] == [0.01, 0.1, 1.2]
    for name in ("energy", "overlap", "signed_overlap", "mu"):
        assert np.array(flow[name]).shape == (5, 3)
    np.testing.assert_array_equal(np.abs(flow["signed_overlap"]), flow["overlap"])
    assert (np.diff(flow["energy"], axis=1) <= 0).all()
    assert set(flow["outcome"]) <= {"recovered", "trapped", "time_out"}
    assert (flow["m"], flow["alpha"], len(flow["stopped_at"])) == (192, 6.0, 5)
    assert picture.stat().st_size > 0
    more = answer(capsys, *FLOW, "--runs", "70", "--save-at", "0.01,0.1", "--t-max", "0.1")
    # the same draws; at another K runs share other steps, whose errors are 2e-2 at most (not on the
    # last decades, where e falls so fast that a small error of the clock is a large one of e)
    early, expected = (np.array(run["energy"])[:5, :2] for run in (more, flow))
    np.testing.assert_allclose(early, expected, rtol=2e-2)
    same = answer(
        capsys, *FLOW, "--runs", "9", "--runs-per-design", "5", "--save-at", "0.01,0.1,1.2"
    )
    assert same["energy"][:5] == flow["energy"]
    assert more["design"] == [0] * 64 + [1] * 6


def test_an_accurate_flow_takes_more_gradients_and_starts_alike(capsys):
    usual, accurate = (
        answer(capsys, *FLOW, "--runs", "16", "--save-at", "0,0.05", "--t-max", "0.05", *more)
        for more in ([], ["--accurate"])
    )
    assert (usual["accurate"], accurate["accurate"]) == (False, True)
    assert sum(accurate["gradients"]) > sum(usual["gradients"])
    one, other = (np.array(found["energy"]) for found in (usual, accurate))
    assert (one[:, 0] == other[:, 0]).all()
    # the tolerance of the usual steps is 2e-2; single runs of N = 32 err by more
    assert np.sqrt(np.mean((one[:, 1] / other[:, 1] - 1) ** 2)) < 2e-2


def test_flow_starts_where_it_is_told(capsys):
    arguments = (*FLOW, "--runs", "5", "--save-at", "0,1.2")
    warm = answer(capsys, *arguments, "--start", "overlap:0.5")
    np.testing.assert_allclose(warm["overlap"], [[0.5, q] for _, q in warm["overlap"]], atol=1e-6)
    assert (warm["start"], warm["noise"]) == ("overlap:0.5", 0.0)


def test_gaussian_labels_have_no_overlap(capsys):
    flow = answer(capsys, *FLOW, "--labels", "gaussian", "--runs", "2", "--save-at", "0.1")
    assert flow["overlap"] is None


def test_the_overlaps_of_table_and_json_are_one_number(capsys):
    arguments = ["flow", "--n", "16", "--alpha", "4", "--runs", "8", "--save-at", "0,0.05"]
    arguments += ["--t-max", "0.05"]
    assert main([*arguments, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert min(answer["signed_overlap"])[-1] < 0  # or nothing is tested
    assert main(arguments) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    column = lines[0].index("overlap")
    shown = [float(line[column]) for line in lines[1:9]]
    assert shown == [float(f"{overlap[-1]:.6g}") for overlap in answer["overlap"]]


def test_an_ensemble_of_sensing_matrices_shares_the_starts(capsys):
    found = {
        name: answer(
            capsys, *FLOW, "--runs", "4", "--save-at", "0", "--t-max", "0.01", "--sensing", name
        )
        for name in ("gaussian", "fast", "signs")
    }
    assert [run["sensing"] for run in found.values()] == list(found)
    overlaps = {str(run["signed_overlap"][0][0]) for run in found.values()}
    energies = {str(run["energy"][0][0]) for run in found.values()}
    assert (len(overlaps), len(energies)) == (1, 3)


def test_transforms_are_refused_the_precisions_that_store_entries(capsys):
    assert main([*FLOW, "--sensing", "fast", "--dtype", "float16"]) == 2
    told = capsys.readouterr().err
    assert "--sensing, --dtype: a fast X has no entries to store in float16" in told
    assert told.count("\n") == 1


def test_complex_signals_flow_without_a_threshold_energy(capsys, tmp_path):
    picture = tmp_path / "flow.png"
    options = ["--n", "24", "--alpha", "12", "--field", "complex", "--runs", "6", "--t-max", "6"]
    flow = answer(capsys, "flow", *options, "--save-at", "0,3,6", "--plot", str(picture))
    assert flow["field"] == "complex"
    assert flow["m"] == 288
    assert "recovered" in flow["outcome"]
    assert (np.diff(flow["energy"], axis=1) <= 0).all()
    # a phase is not observed: the overlap has no sign
    assert flow["overlap"] == flow["signed_overlap"]
    assert picture.stat().st_size > 0


def test_a_field_that_is_none_and_a_sensing_matrix_without_entries_are_refused(capsys):
    for more, words in (
        (["--field", "quaternion"], "--field"),
        (["--field", "complex", "--sensing", "fast"], "--field, --sensing: a complex X"),
    ):
        assert main(["flow", "--n", "16", "--alpha", "4", *more]) == 2
        assert words in capsys.readouterr().err


def test_without_the_sphere_the_norm_is_answered_in_place_of_mu(capsys):
    arguments = [*FLOW, "--runs", "2", "--t-max", "0.05", "--save-at", "0,0.05", "--no-sphere"]
    found = answer(capsys, *arguments)
    assert found["sphere"] is False
    np.testing.assert_allclose(np.array(found["rho"])[:, 0], 1, rtol=1e-6)
    assert (np.array(found["rho"])[:, 1] < 1).all()
    assert not np.array(found["mu"]).any()
    assert main(arguments) == 0
    assert capsys.readouterr().out.split()[:4] == ["run", "energy", "overlap", "rho"]
