"""What the package asks for and holds: lower bounds are tested, and the sdist is whole."""

import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

from places import ROOT

TOOLS = {"dev", "docs"}
"""Extras whose versions are pinned only."""


def bounds(requirements):
    """Return name → lower bound."""
    found = {}
    for text in requirements:
        match = re.fullmatch(r"([\w-]+)(?:\[\w+\])?>=([\d.]+)", text)
        assert match is not None, text
        name, bound = match.groups()
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


def test_the_citation_is_that_of_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    # before `references`, which cite the paper
    text = (ROOT / "CITATION.cff").read_text().partition("references:")[0]
    cited = dict(re.findall(r'^(\S+): "?([^"\n]+)"?$', text, re.M))
    assert cited["version"] == project["version"]
    assert cited["license"] == project["license"]
    assert cited["title"].startswith(f"{project['name']}: ")
    authors = re.findall(r'- name: "([^"]+)"', text)
    assert authors == [author["name"] for author in project["authors"]]


def test_the_package_says_that_it_is_typed():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "py.typed" in settings["tool"]["setuptools"]["package-data"]["gapless"]
    assert (ROOT / "src/gapless/py.typed").is_file()
    assert "Typing :: Typed" in settings["project"]["classifiers"]


FOLDERS = ("src", "tests", "docs", "benchmarks", "requirements")
NOT_OURS = shutil.ignore_patterns("__pycache__", "*.egg-info", ".*", "_build")


def files(root: Path) -> set[Path]:
    found = (path for folder in FOLDERS for path in (root / folder).rglob("*"))
    return {path.relative_to(root) for path in found if path.is_file()}


def test_the_sdist_is_whole(tmp_path):
    tree, out = tmp_path / "tree", tmp_path / "out"
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, tree / folder, ignore=NOT_OURS)
    for path in ROOT.iterdir():
        if path.is_file() and not path.name.startswith("."):
            shutil.copy(path, tree)
    wanted = files(tree) | {Path(path.name) for path in tree.iterdir() if path.is_file()}
    code = f"from setuptools.build_meta import build_sdist; build_sdist({str(out)!r})"
    out.mkdir()
    done = subprocess.run([sys.executable, "-c", code], cwd=tree, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (archive,) = out.iterdir()
    with tarfile.open(archive) as tar:
        names = {Path(*Path(member.name).parts[1:]) for member in tar.getmembers()}
    assert wanted - names == set()
