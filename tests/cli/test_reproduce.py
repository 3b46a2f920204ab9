"""`gapless reproduce`: plans."""

from commands import answer
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
