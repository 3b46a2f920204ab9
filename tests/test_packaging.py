"""What the package asks for: lower bounds are what `make test-lowest` installs."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
TOOLS = {"dev", "docs"}
"""Extras whose versions are pinned only."""


def bounds(requirements):
    """Return name → lower bound."""
    found = {}
    for text in requirements:
        name, bound = re.fullmatch(r"([\w-]+)(?:\[\w+\])?>=([\d.]+)", text).groups()
        assert found.setdefault(name, bound) == bound, f"{name} has two bounds"
    return found


def test_every_lower_bound_is_tested():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    asked = list(project["dependencies"])
    asked += [text for name in extras.keys() - TOOLS for text in extras[name]]
    lines = (ROOT / "requirements" / "lowest.txt").read_text().splitlines()
    tested = dict(line.split("==") for line in lines if not line.startswith("#"))
    assert tested | bounds(asked) == tested
    assert tested.keys() - bounds(asked).keys() == {"pyparsing"}


def test_pins_lie_within_the_bounds():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = (ROOT / "requirements" / "run.txt").read_text().splitlines()
    pins = dict(re.findall(r"^([\w.-]+)==([\w.]+)$", "\n".join(lines), re.M))
    pins = {name.lower().replace("_", "-"): pin for name, pin in pins.items()}

    def number(text):
        return [int(part) for part in re.findall(r"\d+", text)]

    for name, bound in bounds(project["dependencies"]).items():
        assert number(pins[name]) >= number(bound), name
