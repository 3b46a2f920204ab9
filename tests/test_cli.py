"""The command line's contract: JSON alone on stdout, one line for a mistake, exit codes."""

import json
import re
import shutil
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest

import examples
from gapless.analyse.success import success_table
from gapless.cli import main
from gapless.cli._shared import numbers
from gapless.sweep import Calibration

FLOW = ["flow", "--n", "32", "--alpha", "6"]
SUCCESS = ["success", "--n", "32", "--alpha", "6"]
REPRODUCE = ["reproduce", "fig5"]
STATE = ["theory", "state", "--alpha", "10"]

MISTAKES = [
    # (arguments, words that the line must hold)
    ([*FLOW[:3], "--alpha", "0"], ["--alpha", "positive"]),
    ([*FLOW[:3], "--alpha", "-2"], ["--alpha", "positive"]),
    ([*FLOW[:3], "--alpha", "nan"], ["--alpha", "positive"]),
    ([*FLOW[:3], "--alpha", "inf"], ["--alpha", "positive"]),
    ([*FLOW[:3], "--alpha", "1e-6"], ["--alpha", "raise"]),
    ([*FLOW[:3], "--alpha", "ten"], ["--alpha", "float"]),
    ([*FLOW[:3], "--alpha", ""], ["--alpha"]),
    (FLOW[:3], ["--alpha"]),
    (["flow", "--alpha", "6"], ["--n"]),
    (["flow", "--n", "1", "--alpha", "6"], ["--n", "at least 2"]),
    (["flow", "--n", "0", "--alpha", "6"], ["--n", "at least 2"]),
    (["flow", "--n", "-5", "--alpha", "6"], ["--n", "at least 2"]),
    (["flow", "--n", "6.5", "--alpha", "6"], ["--n", "int"]),
    (["flow", "--n", "nan", "--alpha", "6"], ["--n", "int"]),
    (["flow", "--n", "many", "--alpha", "6"], ["--n", "int"]),
    (["flow", "--n", "1000000", "--alpha", "10"], ["--n", "--alpha", "bytes", "lower"]),
    (["flow", "--n", "32", "--alpha", "1e12"], ["--n", "--alpha", "bytes", "lower"]),
    ([*FLOW, "--seed", "word"], ["--seed", "int"]),
    ([*FLOW, "--seed", "-1"], ["--seed", "2**32"]),
    ([*FLOW, "--seed", "4294967296"], ["--seed", "2**32"]),
    ([*FLOW, "--seed", "0.5"], ["--seed", "int"]),
    ([*FLOW, "--runs", "0"], ["--runs", "from 1"]),
    ([*FLOW, "--runs", "-3"], ["--runs", "from 1"]),
    ([*FLOW, "--runs", "1000000000000"], ["--runs", "10000000"]),
    ([*FLOW, "--runs-per-design", "0"], ["--runs", "at least 1"]),
    ([*FLOW, "--labels", "random"], ["--labels", "'shuffled'"]),
    ([*FLOW, "--labels", ""], ["--labels", "'shuffled'"]),
    ([*FLOW, "--loss", "cubic"], ["--loss", "quartic"]),
    ([*FLOW, "--loss", "normalised:b=1"], ["--loss", "parameter"]),
    ([*FLOW, "--loss", "normalised:a=-1"], ["--loss", "positive"]),
    ([*FLOW, "--loss", "normalised:a"], ["--loss", "a=1"]),
    ([*FLOW, "--loss", ""], ["--loss", "quartic"]),
    ([*FLOW, "--loss", "no_such_module:value"], ["--loss", "cannot import"]),
    ([*FLOW, "--start", "hot"], ["--start", "spectral"]),
    ([*FLOW, "--start", "overlap:2"], ["--start", "between"]),
    ([*FLOW, "--start", "overlap:0.1", "--labels", "gaussian"], ["--start", "random"]),
    ([*FLOW, "--noise", "-1"], ["--noise", "variance"]),
    ([*FLOW, "--noise", "nan"], ["--noise", "variance"]),
    (["theory", "start", "--loss", "quartic"], ["--loss", "normalised:a=1"]),
    (["theory", "inference", "--alpha", "0"], ["--alpha", "positive"]),
    ([*FLOW, "--protocol", "sgd"], ["--protocol", "'paper'"]),
    ([*FLOW, "--protocol", "paper", "--t-max", "3"], ["--t-max", "--protocol flow"]),
    ([*FLOW, "--protocol", "paper", "--accurate"], ["--accurate", "--protocol flow"]),
    ([*FLOW, "--dtype", "float8"], ["--dtype", "'float64'"]),
    ([*FLOW, "--t-max", "0"], ["--t-max", "positive"]),
    ([*FLOW, "--t-max", "-1"], ["--t-max", "positive"]),
    ([*FLOW, "--t-max", "nan"], ["--t-max", "positive"]),
    ([*FLOW, "--t-max", "inf"], ["--t-max", "positive"]),
    ([*FLOW, "--t-max", "soon"], ["--t-max", "float"]),
    ([*FLOW, "--save-at", "0.2,0.1"], ["--save-at", "increase"]),
    ([*FLOW, "--save-at=-0.1,0.1"], ["--save-at", "increase"]),
    ([*FLOW, "--save-at", "0.1,99"], ["--save-at", "--t-max"]),
    ([*FLOW, "--save-at", "0.1,nan"], ["--save-at", "finite"]),
    ([*FLOW, "--save-at", "0.1,x"], ["--save-at", "list"]),
    ([*FLOW, "--plot", "no/such/folder/x.png"], ["--plot", "does not exist"]),
    ([*FLOW, "--plot", "picture.txt"], ["--plot", ".png"]),
    ([*FLOW, "--alhpa", "7"], ["--alhpa", "--alpha"]),
    ([*FLOW, "--unknown"], ["--unknown"]),
    ([*FLOW, "stray"], ["stray"]),
    (["folw"], ["folw", "flow"]),
    ([*SUCCESS[:3], "--alpha", "6,x"], ["--alpha", "list"]),
    ([*SUCCESS[:3], "--alpha", "8:6:1"], ["--alpha", "list"]),
    ([*SUCCESS[:3], "--alpha", "6:8:0"], ["--alpha", "list"]),
    ([*SUCCESS[:3], "--alpha", "6,6"], ["--alpha", "once"]),
    ([*SUCCESS[:3], "--alpha", "6,-1"], ["--alpha", "positive"]),
    ([*SUCCESS[:3], "--alpha", "0:1e9:1e-3"], ["--alpha", "at most"]),
    ([*SUCCESS, "--runs", "0"], ["--runs", "from 1"]),
    ([*SUCCESS, "--tolerance", "1e-7"], ["--tolerance", "1e-8"]),
    ([*SUCCESS, "--tolerance", "0"], ["--tolerance", "1e-8"]),
    ([*SUCCESS, "--workers", "0"], ["--workers", "at least 1"]),
    ([*SUCCESS, "--runs", "4", "--out", "/proc/none"], ["--out", "cannot write"]),
    (["success", "--n", "1000000", "--alpha", "6"], ["--n", "bytes"]),
    (["reproduce", "fig9"], ["fig9", "fig5"]),
    ([*REPRODUCE, "--scale", "huge"], ["--scale", "smoke"]),
    ([*REPRODUCE, "--workers", "-1"], ["--workers", "at least 1"]),
    ([*REPRODUCE, "--seed", "-1"], ["--seed", "2**32"]),
    ([*REPRODUCE, "--out", "/proc/none"], ["--out", "cannot write"]),
    ([*REPRODUCE, "--workers", "2", "--scheduler", "tcp://x:1"], ["--workers", "--scheduler"]),
    ([*REPRODUCE, "--scheduler", "nowhere"], ["--scheduler", "Dask"]),
    ([*REPRODUCE, "--shard", "0/3"], ["--shard", "I/N"]),
    ([*REPRODUCE, "--shard", "4/3"], ["--shard", "I/N"]),
    ([*REPRODUCE, "--shard", "half"], ["--shard", "I/N"]),
    ([*REPRODUCE, "--task-timeout", "0"], ["--task-timeout", "positive"]),
    ([*REPRODUCE, "--print-slurm", "0"], ["--print-slurm", "1000"]),
    ([*REPRODUCE, "--print-slurm", "4", "--shard", "1/2"], ["--print-slurm", "--shard"]),
    ([*SUCCESS, "--shard", "1/2"], ["--shard", "--out"]),
    (["status", "no-such-folder"], ["no-such-folder", "--out"]),
    (["compact", "no-such-folder"], ["no-such-folder", "--out"]),
    (["export", "no-such-folder", "x.csv"], ["no-such-folder", "--out"]),
    (["report", "no-such-folder"], ["no-such-folder", "reproduce"]),
    (["report"], ["dir"]),
]


@pytest.mark.parametrize(("arguments", "words"), MISTAKES, ids=lambda v: " ".join(v)[:60])
def test_a_mistake_is_one_line_that_names_the_option_and_the_remedy(
    capsys, tmp_path, monkeypatch, arguments, words
):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "Traceback" not in err
    for word in words:
        assert word.lower() in err.lower()
    assert list(tmp_path.iterdir()) == []


def answer(capsys, *arguments):
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


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
    more = answer(capsys, *FLOW, "--runs", "70", "--save-at", "0.01,0.1,1.2")
    assert more["energy"][:5] == flow["energy"]
    assert more["design"] == [0] * 64 + [1] * 6


def test_an_accurate_flow_takes_more_gradients_and_starts_alike(capsys):
    usual, accurate = (
        answer(capsys, *FLOW, "--runs", "16", "--save-at", "0,0.05", *more)
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


def test_inference_answers_thresholds_and_overlaps(capsys):
    found = answer(capsys, "theory", "inference", "--alpha", "1.1")
    assert 0 < found["spectral"]["weak"] < found["spectral"]["best"] < found["uninformed"] < 1
    assert found["thresholds"]["information_theoretic"] == 1
    start = answer(capsys, "theory", "start", "--loss", "normalised:a=0.1")
    assert abs(start["alpha"] - 2.16668085) < 1e-7


def test_gaussian_labels_have_no_overlap(capsys):
    flow = answer(capsys, *FLOW, "--labels", "gaussian", "--runs", "2", "--save-at", "0.1")
    assert flow["overlap"] is None


def test_success_answers_rows_and_keeps_its_records(capsys, tmp_path):
    arguments = (*SUCCESS[:3], "--alpha", "6,12", "--runs", "20")
    arguments += ("--runs-per-design", "10", "--out", str(tmp_path / "s"))
    first = answer(capsys, *arguments)
    assert [row["alpha"] for row in first["rows"]] == [6, 12]
    for row in first["rows"]:
        assert (row["n"], row["runs"], row["designs"]) == (32, 20, 2)
        assert row["low"] <= row["fraction"] == row["successes"] / 20 <= row["high"]
    assert first["rows"][0]["fraction"] < first["rows"][1]["fraction"]
    assert answer(capsys, *arguments) == first  # nothing is computed twice
    loose = answer(capsys, *arguments, "--tolerance", "1e-4")
    assert loose["rows"][0]["successes"] >= first["rows"][0]["successes"]
    assert main([*SUCCESS, "--seed", "9", "--out", str(tmp_path / "s")]) == 2
    assert "another spec" in capsys.readouterr().err


READING = Path(__file__).parent.parent / "docs" / "tutorials" / "reading.md"


def test_the_taught_query_gives_the_numbers_of_the_command(capsys, tmp_path, monkeypatch):
    """Both columns, solved and recovered, on one store; and they are different numbers."""
    monkeypatch.chdir(tmp_path)
    found = answer(capsys, *SUCCESS, "--runs", "128", "--seed", "0", "--out", "sweep")
    names: dict[str, Any] = {"duckdb": duckdb}
    for block in examples.blocks(READING):
        for name in ("once", "fractions"):
            if re.match(rf'{name} = f?"""', block.text):
                exec(block.text.split("for ")[0].split("print")[0], names)
    (row,), (queried,) = found["rows"], duckdb.execute(names["fractions"]).fetchall()
    columns = ("alpha", "runs", "successes", "fraction", "recovered", "recovered_fraction")
    assert queried == tuple(row[name] for name in columns)
    assert row["recovered"] == row["recovered_fraction"] * row["runs"]
    assert row["low"] < row["fraction"] < row["recovered_low"]  # 0.05 and 0.6, apart
    assert row["recovered_low"] < row["recovered_fraction"] < row["recovered_high"]


def test_a_run_may_be_solved_without_the_signal_and_find_it_unsolved():
    """M < N: the energy of every run is zero, at a state that is not the signal."""
    rows = pd.DataFrame(
        {"n": 32, "m": 16, "alpha": 0.5, "design": 0, "run": run, "t_max": 1.5, "steps": 9}
        | {"gradients": 10, "outcome": outcome, "overlap": overlap, "t_1e-8": passage}
        for run, (outcome, overlap, passage) in enumerate(
            [
                ("recovered", -1.0, None),  # the sign of the signal is not observed
                ("recovered", 0.2, 0.1),  # as an earlier measurement called an interpolation
                ("interpolated", 0.2, 0.1),
                ("trapped", 0.2, None),
                ("failed", None, None),
            ]
        )
    )
    (row,) = success_table(rows).to_dict("records")
    assert (row["runs"], row["failed"], row["trapped"]) == (4, 1, 1)
    assert (row["successes"], row["recovered"]) == (2, 1)


def test_dry_run_plans_without_writing(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    here = Calibration(start=1.0, compilation=1.0, speed=1e10, bytes=1e8)
    monkeypatch.setattr("gapless.sweep.calibrate", lambda plan: here)
    plans = answer(capsys, "reproduce", "all", "--dry-run")["plans"]
    for row in plans:
        assert row["points"] == row["missing"] > 0
        assert row["seconds"] > 2
        assert row["bytes"] > 1e8
    assert list(tmp_path.iterdir()) == []


def test_a_sweep_that_does_not_fit_into_memory_says_so_and_names_the_remedy(
    capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("gapless.machine.memory_limit", lambda: 2**32)
    here = Calibration(start=1.0, compilation=1.0, speed=1e10, bytes=1.5e9)
    monkeypatch.setattr("gapless.sweep.calibrate", lambda plan: here)
    (row,) = answer(capsys, "reproduce", "fig5", "--dry-run", "--workers", "2")["plans"]
    assert row["fits"]
    assert main(["reproduce", "fig5", "--dry-run", "--workers", "3"]) == 0
    told = capsys.readouterr()
    assert "fig5 on 3 processes needs 4.3 GiB" in told.err
    assert "this machine has 4.0 GiB; give --workers 2 (2.9 GiB)" in told.err
    assert re.search(r"time +memory\n *fig5 .* \d+ (s|min).* 4\.3 GiB\n", told.out)
    # what cannot be is not begun
    monkeypatch.setattr("gapless.machine.memory_limit", lambda: 2**20)
    assert main(["reproduce", "fig1", "--workers", "2"]) == 2
    assert "--scale, --workers: fig1 on 2 processes needs" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_slurm_script_shares_the_points_out(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    here = Calibration(start=1.0, compilation=1.0, speed=1e7, bytes=1.5e9)
    monkeypatch.setattr("gapless.sweep.calibrate", lambda plan: here)
    arguments = ["fig5", "--workers", "3", "--out", "a b", "--print-slurm", "8"]
    script = answer(capsys, "reproduce", *arguments)["script"]
    assert "#SBATCH --array=1-8\n" in script
    assert "#SBATCH --cpus-per-task=3\n" in script
    asked = dict(re.findall(r"--(mem|time)=(\d+)", script))
    memory, minutes = int(asked["mem"]), int(asked["time"])
    assert memory > 3 * 1.5e9 / 2**20
    assert minutes > 10
    done = subprocess.run(
        ["sh", "-c", script.replace("exec ", "printf '%s\\n' ")],
        env={"SLURM_ARRAY_TASK_ID": "5", "PATH": "/bin:/usr/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split("\n")[:-1] == [
        *[sys.executable, "-m", "gapless", "reproduce", "fig5", "--scale", "smoke", "--seed", "0"],
        *["--out", str(tmp_path / "a b"), "--workers", "3", "--shard", "5/8"],
    ]


def test_status_compact_and_export_tell_what_a_folder_holds(capsys, tmp_path):
    folder = tmp_path / "s"
    shutil.copytree(Path(__file__).parent / "data" / "store-0.1", folder)
    (row,) = answer(capsys, "status", str(folder))["stores"]
    assert (row["store"], row["points"], row["records"], row["damaged"]) == ("s", 2, 4, [])
    assert answer(capsys, "status", str(tmp_path))["stores"] == [row]
    (row,) = answer(capsys, "compact", str(folder))["stores"]
    assert (row["merged"], row["parts"]) == (0, 1)
    assert answer(capsys, "export", str(folder), str(tmp_path / "x.csv"))["records"] == 4
    assert main(["export", str(folder), str(tmp_path / "x.doc")]) == 2
    assert ".parquet or .csv" in capsys.readouterr().err


@pytest.mark.parametrize(
    "verb", ["flow", "success", "reproduce", "report", "status", "compact", "export"]
)
def test_help_shows_an_example(capsys, verb):
    assert main([verb, "--help"]) == 0
    assert f"Example: gapless {verb}" in capsys.readouterr().out


def test_help_loads_nothing_heavy():
    code = (
        "import sys; from gapless.cli import main; main(['--help']);"
        "sys.exit(sum(m in sys.modules for m in ('jax', 'matplotlib', 'scipy')))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


def test_a_failed_computation_exits_1(capsys, monkeypatch):
    def fail(*arguments, **options):
        raise ArithmeticError("no\nluck")

    monkeypatch.setattr("gapless.measure.simulation.simulate", fail)
    assert main(FLOW) == 1
    assert capsys.readouterr().err.endswith("ArithmeticError: no luck\n")


def test_an_interrupt_exits_130(capsys, monkeypatch):
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("gapless.measure.simulation.simulate", interrupt)
    assert main(FLOW) == 130


@pytest.mark.parametrize("step", ["0.1", "0.01", "0.3", "1e-2", "0.7"])
def test_a_range_is_the_list_of_its_numbers_as_they_are_written(step):
    decimal = Decimal(step)
    written = [str(Decimal("0.1") + i * decimal) for i in range(40)]
    found = numbers(f"0.1:{written[-1]}:{step}", "alpha")
    assert found == numbers(",".join(written), "alpha") == [float(text) for text in written]


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
