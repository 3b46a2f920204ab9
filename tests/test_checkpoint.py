"""Checkpoints: a simulation that was cut goes on from its last save time, to the same numbers."""

import pytest

from gapless.experiments import checkpoint, simulation
from gapless.experiments.checkpoint import Checkpoint, checkpoints_in
from gapless.experiments.simulation import Simulation, rows
from gapless.flow import integrate

POINT = Simulation(n=32, alpha=6, seed=1, runs=2, t_max=0.6, save_at=(0.1, 0.2, 0.4, 0.6))


class Cut(Exception):
    pass


def test_a_cut_simulation_goes_on_to_the_same_numbers(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "EVERY_S", 0.0)
    whole = rows(POINT)
    seen = []

    def cut_at_the_third(share: float) -> None:
        seen.append(share)
        if len(seen) == 3:
            raise Cut

    with checkpoints_in(tmp_path):
        with pytest.raises(Cut):
            rows(POINT, cut_at_the_third)
        assert len(list(tmp_path.glob("*.checkpoint"))) == 1
        left = []
        assert rows(POINT, left.append) == whole
        assert len(left) == 1
        Checkpoint(POINT).discard()
        assert not list(tmp_path.glob("*"))


def test_a_damaged_or_foreign_checkpoint_is_ignored(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "EVERY_S", 0.0)
    with checkpoints_in(tmp_path):
        whole = rows(POINT)
        (file,) = tmp_path.glob("*.checkpoint")
        content = file.read_bytes()
        for damaged in (content[: len(content) // 2], b"", content[:2000] + b"x" + content[2001:]):
            file.write_bytes(damaged)
            assert rows(POINT) == whole
        assert Checkpoint(POINT.model_copy(update={"seed": 2})).read() is None


def test_short_simulations_write_nothing_and_none_does_without_a_folder(tmp_path):
    with checkpoints_in(tmp_path):
        rows(POINT)
    rows(POINT)
    assert not list(tmp_path.iterdir())
    assert simulation.integrate is integrate
