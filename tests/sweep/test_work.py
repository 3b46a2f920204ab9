"""Where records come from."""

import subprocess
import sys
from types import SimpleNamespace

from gapless.sweep import work
from hostile import NOWHERE


def test_a_commit_is_that_of_our_own_source_or_none(monkeypatch, tmp_path):
    def git(*arguments):
        who = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.org"]
        command = ["git", "-C", str(tmp_path), *who, *arguments]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def commit_of(package, tracked):
        file = tmp_path / package / "sweep" / "work.py"
        file.parent.mkdir(parents=True)
        (tmp_path / package / "__init__.py").write_text("")
        git(*(["add", "."] if tracked else ["status"]))
        git("commit", "--allow-empty", "-m", "anything")
        monkeypatch.setattr("gapless.sweep.work.__file__", str(file))
        return work.commit()

    git("init")
    site = "lib/python3.11/site-packages/gapless"
    assert commit_of(f".venv/{site}", tracked=False) is None
    assert commit_of(f"vendored/{site}", tracked=True) is None
    assert commit_of("third/src/gapless", tracked=True) is None
    ours = commit_of("src/gapless", tracked=True)
    assert ours == git("describe", "--always", "--abbrev=12")
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.setenv(name, NOWHERE)
        assert work.commit() == ours


def test_the_device_is_that_of_the_measurement(monkeypatch):
    """A sweep opens its store before the first point loads JAX."""

    def device():
        return str(work.provenance()["device"]).rpartition(" ")[0]

    monkeypatch.delitem(sys.modules, "jax", raising=False)
    assert device() == "cpu"
    gpu = SimpleNamespace(platform="gpu", device_kind="H100")
    monkeypatch.setitem(sys.modules, "jax", SimpleNamespace(devices=lambda: [gpu]))
    assert device() == "gpu H100"
