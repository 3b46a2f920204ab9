"""The report: made from the store alone, self-contained, honest about what is missing."""

import re

import pytest

from gapless.figures.fig5 import EXPERIMENT
from gapless.measure.simulation import Simulation
from gapless.report import write_report
from gapless.store import Store
from gapless.sweep import plan, run_in_process


def test_a_half_finished_sweep_has_a_report(tmp_path):
    store = Store.open(tmp_path / "fig5", {"experiment": "fig5"}, {"version": "0"})
    points = [Simulation(n=32, alpha=8.0, seed=0, index=i, runs=8) for i in range(2)]
    run_in_process(plan(EXPERIMENT, points, store).tasks(), store.path, lambda receipt: None)
    text = write_report(tmp_path).read_text()
    assert "<svg" in text
    assert "16 records" in text
    # nothing leaves the machine (what scripts do is seen in tests/test_browser.py)
    markup = re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)
    assert not re.search(r'(?:src|href)="(?:https?:)?//', markup)
    assert (tmp_path / "fig5.png").stat().st_size > 0
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))


def test_a_store_without_records_says_so(tmp_path):
    Store.open(tmp_path / "fig1", {"experiment": "fig1"}, {})
    assert "No records yet" in write_report(tmp_path).read_text()


def test_a_folder_without_stores_is_refused(tmp_path):
    with pytest.raises(ValueError, match="holds no records"):
        write_report(tmp_path)
