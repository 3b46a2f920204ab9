"""Seconds from a command to its answer: first call with an empty cache, second call, peak memory.

Beside each verb stands a plain NumPy script that gives the same answer to the same accuracy.
Programs to compare are given by hand; each row is measured with all of them in turn.

    python benchmarks/first_look.py --program now='gapless' \
        --program before='env PYTHONPATH=/old/src python -m gapless' --repeats 3
"""

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

PLAIN = Path(__file__).parent / "plain"
FLOW, SPECTRUM = f"{PLAIN}/plain_flow.py", f"{PLAIN}/plain_spectrum.py"
TEXTBOOK = f"{Path(__file__).parent}/textbook.py"


class Row(NamedTuple):
    """A command, a script with the same answer, and how many times more work the command does."""

    command: str
    script: str = ""
    times: float = 1


ROWS = (
    Row("--help"),
    Row("theory state --alpha 10"),
    Row("theory threshold"),
    Row("flow --n 64 --alpha 10 --runs 8", f"{FLOW} --n 64 --alpha 10 --runs 8"),
    Row(
        "flow --n 512 --alpha 3 --start spectral --noise 0.01 --runs 8",
        f"{FLOW} --n 512 --alpha 3 --spectral --noise 0.01 --runs 8",
    ),
    Row(
        "flow --n 512 --alpha 10 --labels shuffled --runs 8 --t-max 4 --plot f.png",
        f"{FLOW} --n 512 --alpha 10 --labels shuffled --runs 8 --t-max 4",
    ),
    Row(
        "success --n 64 --alpha 6,7,8 --runs 4000 --workers 2",
        f"{TEXTBOOK} --n 64 --alpha 7 --runs 20",
        600,
    ),
    Row(
        "spectrum --n 512 --alpha 10 --at threshold --runs 4",
        f"{SPECTRUM} --n 512 --alpha 10 --runs 4",
    ),
    Row(
        "dmft --alpha 10 --t-max 2 --step 0.01 --paths 20000",
        f"{FLOW} --n 2000 --alpha 10 --labels shuffled --runs 1 --designs 4 --t-max 2 --step 0.01",
    ),
)


class Taken(NamedTuple):
    """What one call took."""

    wall: float
    cpu: float
    mib: float


def call(command: list[str], cache: str) -> Taken:
    """Return what a command took, its workers' CPU seconds included; it must succeed."""
    environment = os.environ | {"XDG_CACHE_HOME": cache}
    begun = time.perf_counter()
    process = subprocess.Popen(
        command, env=environment, cwd=cache, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"failed: {shlex.join(command)}")
    wall = time.perf_counter() - begun
    return Taken(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def measured(row: Row, programs: dict[str, str], repeats: int) -> dict[str, list[Taken]]:
    """Return first and second calls by program, and the script's; programs take turns."""
    found: dict[str, list[Taken]] = {}
    for _ in range(repeats):
        for name, program in programs.items():
            with tempfile.TemporaryDirectory() as cache:
                for turn in ("first", "second"):
                    taken = call([*shlex.split(program), *row.command.split()], cache)
                    found.setdefault(f"{name}, {turn}", []).append(taken)
        if row.script:
            with tempfile.TemporaryDirectory() as cache:
                taken = call([sys.executable, *row.script.split()], cache)
                scaled = Taken(taken.wall * row.times, taken.cpu * row.times, taken.mib)
                found.setdefault("script", []).append(scaled)
    return found


def main() -> None:
    """Print one row a command: medians of wall and CPU seconds and of MiB, as JSON lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", action="append", help="NAME=COMMAND", default=[])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", default="", help="rows whose command contains this")
    options = parser.parse_args()
    given = options.program or ["now=gapless"]
    programs = dict(one.split("=", 1) for one in given)
    for row in (row for row in ROWS if options.only in row.command):
        medians = {
            name: {
                field: round(statistics.median(getattr(one, field) for one in taken), 2)
                for field in Taken._fields
            }
            for name, taken in measured(row, programs, options.repeats).items()
        }
        print(json.dumps({"command": row.command, **medians}), flush=True)


if __name__ == "__main__":
    main()
