"""The source distribution holds what its tests need."""

import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
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
