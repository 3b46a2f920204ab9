"""Interrupts at any time: the command ends within seconds, with 130, and says what is kept."""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time

import pytest

from gapless.cli import main
from gapless.store import Store
from places import TESTS
from toy_experiment import EXPERIMENT as TOY

DEAF = "flow --n 512 --alpha 10 --protocol paper --runs 4 --save-at 1"
"""One compiled loop of minutes."""
ENDLESS = "success --n 32 --alpha 6 --runs 4000000"
VERBS = {
    "flow": "flow --n 128 --alpha 8 --runs 8 --seed 1",
    "deaf": DEAF,
    "spectrum": "spectrum --n 128 --alpha 10 --runs 4",
    "success": "success --n 32 --alpha 6:9:0.5 --runs 2000",
    "workers": "success --n 32 --alpha 6:9:0.5 --runs 2000 --workers 2",
    "dmft": "dmft --alpha 4 --t-max 2 --paths 4096",
    "threshold": "theory threshold",
    "reproduce": "reproduce fig1 --out out",
    "explore": "explore --export page",
}


def begin(arguments, cwd, **environment):
    """Start a command; return when it has begun to listen."""
    process = subprocess.Popen(
        [sys.executable, "-m", "gapless", *arguments],
        cwd=cwd,
        env=os.environ | {"TMPDIR": str(cwd), "XDG_CACHE_HOME": str(cwd)} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while process.poll() is None and len(os.listdir(f"/proc/{process.pid}/task")) < 2:
        time.sleep(1e-3)
    return process


def interrupted(process, seconds=5.0, may_be_done=False):
    """Interrupt a command; return what it leaves on stderr."""
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    answer, told = process.communicate(timeout=30)
    assert time.monotonic() - begun < seconds
    assert "Traceback" not in told
    if may_be_done and process.returncode == 0:
        assert answer  # whole: there was nothing left to interrupt
        return "interrupted too late\n"
    assert process.returncode == 130
    return told


@pytest.mark.slow
def test_an_interrupt_ends_imports_and_compiled_loops_alike(tmp_path):
    for after in (0.0, 0.3, 6.0):
        process = begin(DEAF.split(), tmp_path)
        time.sleep(after)
        assert interrupted(process).splitlines()[-1] == "interrupted"


@pytest.mark.parametrize("workers", [[], pytest.param(["--workers", "1"], marks=pytest.mark.slow)])
@pytest.mark.usefixtures("unprinted")
def test_an_interrupt_says_what_is_kept_and_the_same_command_goes_on(
    tmp_path, workers, monkeypatch, capsys
):
    command = ["reproduce", TOY.name, "--out", "out", *workers]
    process = begin(command, tmp_path, PYTHONPATH=path(str(TESTS)), TOY_SLEEP="0.5")
    store = Store(tmp_path / "out" / TOY.name)
    while not store.part_files():
        time.sleep(0.01)
    told = interrupted(process)
    there = len(store.present())
    assert 0 < there < 8
    assert f"interrupted; {there} of 8 points" in told
    assert "the same command goes on from there" in told
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", path(str(TESTS)))
    assert main(command) == 0
    assert f"{there} of 8 points are there already" in capsys.readouterr().err
    assert store.read().num_rows == 16


def path(folder: str) -> str:
    return os.pathsep.join(filter(None, [folder, os.environ.get("PYTHONPATH")]))


def test_nothing_is_said_to_be_kept_where_nothing_is(tmp_path):
    process = begin(ENDLESS.split(), tmp_path)
    while not list(tmp_path.glob("gapless-*/success/plan.json")):
        time.sleep(0.02)
    told = interrupted(process)
    assert "stored" not in told
    assert "goes on" not in told
    assert not list(tmp_path.glob("gapless-*"))  # the folder that nobody asked for


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("workers", [[], ["--workers", "2"]])
def test_a_signal_of_the_end_ends_a_command_by_itself_and_leaves_no_folder(
    tmp_path, workers, number
):
    process = begin([*ENDLESS.split(), *workers], tmp_path)
    while not list(tmp_path.glob("gapless-*/success/plan.json")):
        time.sleep(0.02)
    time.sleep(1.0)  # workers start
    process.send_signal(number)
    told = process.communicate(timeout=30)[1]
    assert told.endswith("interrupted\n")
    assert "Warning" not in told
    assert process.returncode == -number
    assert not list(tmp_path.glob("gapless-*"))


def test_a_command_that_was_started_deaf_stays_so(tmp_path):
    code = (
        "import signal; from gapless import interrupts\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN); interrupts.watch()\n"
        "with interrupts.orderly_interrupt() as stopping:\n"
        "    signal.raise_signal(signal.SIGINT); assert not stopping()\n"
        "signal.raise_signal(signal.SIGINT); interrupts.unwatch(); print('heard nothing')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "heard nothing\n")


@pytest.mark.slow
@pytest.mark.campaign
def test_fifty_interrupts_at_random_times():
    chance = random.Random(15)
    took = {}
    for index in range(50):
        name = list(VERBS)[index % len(VERBS)]
        with tempfile.TemporaryDirectory() as folder:
            if name not in took:  # how long it takes if it is left alone, as far as that matters
                begun = time.monotonic()
                process = begin(VERBS[name].split(), folder)
                try:
                    process.communicate(timeout=30)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.communicate()
                took[name] = time.monotonic() - begun
        with tempfile.TemporaryDirectory() as folder:
            process = begin(VERBS[name].split(), folder)
            time.sleep(chance.uniform(0, 0.8 * took[name]))
            if process.poll() is None:
                told = interrupted(process, may_be_done=True)
                assert told.splitlines()[-1].startswith("interrupted")
            else:  # it was faster than before
                assert process.returncode == 0
                process.communicate()
