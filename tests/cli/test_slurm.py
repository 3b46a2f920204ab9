"""Scripts for SLURM."""

import re
import subprocess
import sys

from commands import answer
from gapless.cli.running import Engine
from gapless.cli.slurm import job_array
from gapless.sweep import Calibration


def test_the_slurm_script_shares_the_points_out(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    here = Calibration(start=1.0, compilation=1.0, speed=1e7, bytes=1.5e9)
    monkeypatch.setattr("gapless.sweep.calibrate", lambda plan: here)
    arguments = ["fig5", "--workers", "3", "--out", "a b", "--print-slurm", "8"]
    script = answer(capsys, "reproduce", *arguments)["script"]
    assert "#SBATCH --array=1-8\n" in script
    assert "#SBATCH --job-name=gapless-fig5\n" in script
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


def test_a_job_is_named_by_its_figures(tmp_path):
    command = ["reproduce", "reach", "bbp", "--scale", "smoke"]
    script = job_array(command, tmp_path, Engine(), 2, [(1.0, 1.0)])
    assert "#SBATCH --job-name=gapless-reach-bbp\n" in script
