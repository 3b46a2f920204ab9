"""The figure of `docs/contributing/new-figure.md`: measured, cut, resumed, drawn, from one file."""

import importlib
import json
import sys

import pytest

import examples
from gapless.cli import main
from gapless.page.image import render
from gapless.store import Store
from gapless.store.records import PROVENANCE
from places import ROOT

PAGE = ROOT / "docs" / "contributing" / "new-figure.md"


@pytest.fixture
def figure(tmp_path, monkeypatch):
    """The module of the page, where a user would have saved it."""
    (block,) = (block for block in examples.blocks(PAGE) if block.mark == "file")
    assert 100 <= len(block.text.splitlines()) <= 200
    assert not {"Store", "Pool", "html", "workers"} & set(block.text.replace(".", " ").split())
    (tmp_path / "first_energy.py").write_text(block.text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    sys.modules.pop("first_energy", None)
    yield importlib.import_module("first_energy")
    sys.modules.pop("first_energy", None)


@pytest.mark.usefixtures("unprinted")
def test_a_figure_of_one_file_is_resumed_and_drawn(figure, tmp_path, capsys, monkeypatch):
    reproduce = ["reproduce", "first_energy:EXPERIMENT", "--json", "--out"]
    measure = figure.Start.measure

    def broken(point):
        if (point.alpha, point.index) == (8.0, 1):
            raise ArithmeticError("no energy today")
        return measure(point)

    with monkeypatch.context() as patch:
        patch.setattr(figure.Start, "measure", broken)
        assert main([*reproduce, "cut"]) == 0
    told = capsys.readouterr()
    reason = {"reason": "ArithmeticError: no energy today", "points": 1, "passing": False}
    assert json.loads(told.out)["failures"] == {"first-energy": [reason]}
    page = (tmp_path / "cut" / "report.html").read_text()
    assert "no energy today" in page
    assert "The energy of a random state is 2α" in page
    # the point that failed is left out of the numbers
    reduced = figure.reduce(Store(tmp_path / "cut/first-energy").read().to_pandas())
    assert [one.size for one in reduced.mean.values()] == [128, 112, 128]

    assert main([*reproduce, "cut", "--retry-failed"]) == 0
    assert "23 of 24 points are there already" in capsys.readouterr().err
    assert main([*reproduce, "whole"]) == 0
    tables = [
        Store(tmp_path / folder / "first-energy").read().drop_columns([*PROVENANCE])
        for folder in ("cut", "whole")
    ]
    assert tables[0].equals(tables[1])
    reduced = figure.reduce(tables[1].to_pandas())
    (claim,) = figure.claims(reduced)
    assert claim.verdict != "differs"  # true as it is, so few runs may not tell
    assert render(figure.picture(reduced)).axes
    assert (tmp_path / "whole" / "first-energy.svg").exists()
