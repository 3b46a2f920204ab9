"""`gapless reproduce`: plans."""

import re

from commands import answer
from gapless.cli import main
from gapless.sweep import Calibration


def test_dry_run_plans_without_writing(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    here = Calibration(start=1.0, compilation=1.0, speed=1e10, bytes=1e8)
    monkeypatch.setattr("gapless.sweep.calibrate", lambda plan: here)
    plans = answer(capsys, "reproduce", "all", "--dry-run")["plans"]
    for row in plans:
        assert row["points"] == row["missing"] > 0
        assert row["seconds"] > 2
        assert row["bytes"] > 1e8
    assert list(tmp_path.iterdir()) == []


def test_a_sweep_that_does_not_fit_into_memory_says_so_and_names_the_remedy(
    capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("gapless.machine.memory_limit", lambda: 2**32)
    here = Calibration(start=1.0, compilation=1.0, speed=1e10, bytes=1.5e9)
    monkeypatch.setattr("gapless.sweep.calibrate", lambda plan: here)
    (row,) = answer(capsys, "reproduce", "fig5", "--dry-run", "--workers", "2")["plans"]
    assert row["fits"]
    assert main(["reproduce", "fig5", "--dry-run", "--workers", "3"]) == 0
    told = capsys.readouterr()
    assert re.search(r"fig5 on 3 processes needs 4\.\d GiB", told.err)
    assert re.search(r"this machine has 4\.0 GiB; give --workers 2 \(2\.\d GiB\)", told.err)
    assert re.search(r"time +memory\n *fig5 .* \d+ (s|min).* 4\.\d GiB\n", told.out)
    # what cannot be is not begun
    monkeypatch.setattr("gapless.machine.memory_limit", lambda: 2**20)
    assert main(["reproduce", "fig1", "--workers", "2"]) == 2
    assert "--scale, --workers: fig1 on 2 processes needs" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_figure_without_a_scale_is_named(capsys):
    assert main(["reproduce", "fig2", "--scale", "large", "--dry-run"]) == 2
    assert "fig2 has no points at this scale" in capsys.readouterr().err
