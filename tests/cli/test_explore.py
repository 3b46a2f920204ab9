"""`gapless explore`: its mistakes."""

from pathlib import Path

import pyarrow as pa
import pytest

from gapless.cli import main
from gapless.cli.explore import grid_cache
from gapless.store import Store
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
    with monkeypatch.context() as off:
        off.setenv("GAPLESS_CACHE", "off")
        assert grid_cache() is None
    for nowhere in (NOWHERE, "/dev/null/below"):
        monkeypatch.setenv("XDG_CACHE_HOME", nowhere)
        assert grid_cache() is None
    monkeypatch.delenv("XDG_CACHE_HOME")
    with monkeypatch.context() as relative:
        relative.setenv("HOME", "somewhere")
        assert grid_cache() is None

    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    assert grid_cache() is None


def test_failed_points_of_the_figure_that_is_replayed_are_told(tmp_path, capsys, monkeypatch):
    store = Store.open(tmp_path / "fig2", {"experiment": "fig2"}, {})
    store.append(pa.table({"address": ["a"], "run": [0], "reason": ["ArithmeticError: no luck"]}))
    store.note_plan(["a"])
    monkeypatch.setattr("gapless.explore.theory_grid", lambda *arguments: {})
    monkeypatch.setattr("gapless.explore.runs_along_alpha", lambda *arguments: {"runs": []})
    monkeypatch.setattr("gapless.explore.replay", lambda folder: None)
    assert main(["explore", str(tmp_path), "--export", str(tmp_path / "page")]) == 0
    told = capsys.readouterr().err
    assert "fig2: 1 of 1 points failed" in told
    assert "no luck" in told
