"""README works when typed: its shell blocks in order, at one prompt, in a fresh clone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import examples
from places import ROOT

LONGEST = 3600
"""Seconds that all of it may take on a slow machine."""


def typed() -> str:
    """Return what README says to type, without what takes hours."""
    blocks = examples.blocks(ROOT / "README.md")
    shell = [block for block in blocks if block.language == "sh"]
    assert {block.mark for block in shell} <= {"typed", "not run"}
    return "".join(block.text for block in shell if block.mark == "typed")


def newcomer() -> dict[str, str]:
    """Return the surroundings of somebody who has not entered a virtual environment."""
    inside = Path(sys.prefix)
    path = [folder for folder in os.environ["PATH"].split(":") if Path(folder) != inside / "bin"]
    path.insert(0, str(Path(sys.base_prefix) / "bin"))
    strange = ("PYTHON", "VIRTUAL_ENV", "XLA_FLAGS", "MAKE")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(strange)}
    return kept | {"PATH": ":".join(path)}


def test_what_takes_hours_is_all_that_is_not_typed():
    commands = typed()
    for word in ("make reproduce", "make test", "activate", "flow", "success", "theory", "explore"):
        assert word in commands
    assert "--scale desk" not in commands


@pytest.mark.readme
def test_readme_works_when_typed(tmp_path):
    clone = tmp_path / "gapless"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
    done = subprocess.run(
        ["bash", "-e", "-x", "-c", typed()], cwd=clone, env=newcomer(), timeout=LONGEST
    )
    assert done.returncode == 0
    for made in ("results/smoke/report.html", "results/explorer/index.html", "flow.png"):
        assert (clone / made).stat().st_size > 10_000
