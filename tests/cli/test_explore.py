"""`gapless explore`: its mistakes."""

from pathlib import Path

import pytest

from gapless.cli import main
from gapless.cli.explore import grid_cache
from hostile import NOWHERE


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--loss", "nothing"], "--loss"),
        (["--alpha", "a:b"], "--alpha"),
        (["--port", "70000"], "--port"),
        (["/no/such/folder"], "dir"),
        (["--export", "/proc/no"], "--export"),
    ],
)
def test_mistakes_are_one_line(capsys, arguments, named):
    assert main(["explore", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert named in error


def test_no_cache_costs_nothing(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert grid_cache() == tmp_path / "gapless"
    for nowhere in (NOWHERE, "/dev/null/below"):
        monkeypatch.setenv("XDG_CACHE_HOME", nowhere)
        assert grid_cache() is None
    monkeypatch.delenv("XDG_CACHE_HOME")

    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    assert grid_cache() is None
