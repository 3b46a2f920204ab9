"""The SLURM script of a sweep: a job array over the parts of `--shard`."""

import math
import re
import shlex
import sys
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path

from gapless.cli.running import Engine
from gapless.files import shown

MARGIN = 2.0
"""Factor on estimated time and memory: the nodes may be slower than this machine."""
LEAST_MINUTES = 10
LEAST_MEGABYTES = 2000


def check_shares(shares: int, engine: Engine, command: Sequence[str], folder: Path) -> None:
    """Raise ``ValueError`` if no safe script can be written.

    It is raised unless 1 ≤ shares ≤ 1000 and `engine` has no shard, and if a word of the script
    holds a line break or another unprintable character: comments and options of a script end there,
    and the rest would be run.
    """
    if not 1 <= shares <= 1000:
        raise ValueError(f"print_slurm: must be from 1 to 1000 tasks, not {shares}")
    if engine.shard is not None or engine.scheduler is not None:
        raise ValueError("print_slurm: leave out --shard and --scheduler, the script has its own")
    for word in (sys.executable, *command, str(folder.resolve())):
        if not word.isprintable():
            raise ValueError(
                f"print_slurm: {shown(word)} cannot stand in a script: it has a line break or "
                "another character that cannot be printed; give a folder of another name"
            )


def job_array(
    command: Sequence[str],
    folder: Path,
    engine: Engine,
    shares: int,
    estimates: Sequence[tuple[float, float]],
) -> str:
    """Return an sbatch script that runs `command` in `shares` tasks.

    `estimates` are the (seconds, bytes) of each figure in one task. Each task runs on
    `engine.workers` processes. A task that SLURM requeues resumes.
    """
    minutes = math.ceil(MARGIN * sum(seconds for seconds, _ in estimates) / 60) + LEAST_MINUTES
    megabytes = math.ceil(MARGIN * max(size for _, size in estimates) / 2**20)
    words = [sys.executable, "-m", "gapless", *command, "--out", str(folder.resolve())]
    if engine.task_timeout is not None:
        words += ["--task-timeout", f"{engine.task_timeout:g}"]
    if engine.retry_failed:
        words.append("--retry-failed")
    # the figures stand between the verb and the options
    names = takewhile(lambda word: not word.startswith("-"), command[1:])
    figures = "-".join(re.sub(r"\W", "_", word) for word in names)
    line = shlex.join([*words, "--workers", str(engine.processes)])
    report = shlex.join([sys.executable, "-m", "gapless", "report", str(folder.resolve())])
    return f"""#!/bin/sh
#SBATCH --job-name=gapless-{figures}
#SBATCH --array=1-{shares}
#SBATCH --cpus-per-task={engine.processes}
#SBATCH --mem={max(megabytes, LEAST_MEGABYTES)}M
#SBATCH --time={minutes}
#SBATCH --requeue
# Every task may be killed and started again. When all are done:
#   {report}
exec {line} --shard "$SLURM_ARRAY_TASK_ID/{shares}"
"""
