"""The command line's contract: JSON alone on stdout, one line for a mistake, exit codes."""

import pytest

from commands import FLOW, SUCCESS
from gapless.cli import main

REPRODUCE = ["reproduce", "fig5"]

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
    (["flow", "--n", "1000000", "--alpha", "10"], ["--n", "--alpha", "iB", "lower"]),
    (["flow", "--n", "32", "--alpha", "1e12"], ["--n", "--alpha", "iB", "lower"]),
    ([*FLOW, "--seed", "word"], ["--seed", "int"]),
    (["status", "a", "b"], ["'b'", "one word too many", "6,7,8"]),
    ([*SUCCESS, "7"], ["'7'", "one word too many", "6,7,8"]),
    ([*FLOW, "--seed", "-1"], ["--seed", "2**32"]),
    ([*FLOW, "--seed", "4294967296"], ["--seed", "2**32"]),
    ([*FLOW, "--seed", "0.5"], ["--seed", "int"]),
    ([*FLOW, "--runs", "0"], ["--runs", "from 1"]),
    ([*FLOW, "--runs", "-3"], ["--runs", "from 1"]),
    ([*FLOW, "--runs", "1000000000000"], ["--runs", "10000000"]),
    ([*FLOW, "--runs-per-design", "0"], ["--runs", "at least 1"]),
    ([*FLOW, "--labels", "random"], ["--labels", "'shuffled'"]),
    ([*FLOW, "--labels", ""], ["--labels", "is empty"]),
    ([*FLOW, "--labels="], ["--labels", "is empty"]),
    ([*SUCCESS, "--runs", "4", "--out", ""], ["--out", "is empty"]),
    (["status", ""], ["arguments", "is empty"]),
    ([*FLOW, "--noise", "1e16"], ["--noise", "variance"]),
    ([*FLOW, "--loss", "cubic"], ["--loss", "quartic"]),
    ([*FLOW, "--loss", "normalised:b=1"], ["--loss", "parameter"]),
    ([*FLOW, "--loss", "normalised:a=-1"], ["--loss", "positive"]),
    ([*FLOW, "--loss", "normalised:a"], ["--loss", "a=1"]),
    ([*FLOW, "--loss", ""], ["--loss", "is empty"]),
    ([*FLOW, "--loss", "no_such_module:value"], ["--loss", "cannot import"]),
    ([*FLOW, "--start", "hot"], ["--start", "spectral"]),
    ([*FLOW, "--start", "overlap:2"], ["--start", "between"]),
    ([*FLOW, "--start", "overlap:0.1", "--labels", "gaussian"], ["--start", "random"]),
    ([*FLOW, "--noise", "-1"], ["--noise", "variance"]),
    ([*FLOW, "--noise", "nan"], ["--noise", "variance"]),
    (["theory", "start", "--loss", "quartic"], ["--loss", "normalised:a=1"]),
    (["theory", "inference", "--alpha", "0"], ["--alpha", "positive"]),
    ([*FLOW, "--protocol", "sgd"], ["--protocol", "'paper'"]),
    ([*FLOW, "--protocol", "heavy-ball:momentum=1"], ["--protocol", "momentum", "below 1"]),
    ([*FLOW, "--protocol", "heavy-ball:mass=1"], ["--protocol", "rate=0.0002,momentum=0.9"]),
    ([*FLOW, "--protocol", "normalised-descent:rate=0"], ["--protocol", "rate", "positive"]),
    ([*FLOW, "--protocol", "heavy-ball", "--accurate"], ["--accurate", "--protocol flow"]),
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
    (["success", "--n", "1000000", "--alpha", "6"], ["--n", "iB"]),
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


@pytest.mark.parametrize(
    "verb", ["flow", "success", "reproduce", "report", "status", "compact", "export"]
)
def test_help_shows_an_example(capsys, verb):
    assert main([verb, "--help"]) == 0
    assert f"Example: gapless {verb}" in capsys.readouterr().out


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
