"""Tables of the report: every column once, in words, with digits that mean something."""

import re
from html import unescape
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapless.report.tables import MOST_COLUMNS, cell, html_table

RESULTS = Path(__file__).parents[2] / "docs" / "results"
KEPT = [
    RESULTS / f"{name}.csv"
    for name in (
        *("band_desk", "border_desk", "border_desk_crossings", "calibration_desk_bias"),
        *("calibration_desk_models", "calibration_desk_readings", "escape_desk_crossings"),
        *("escape_desk_shares", "fig3_desk", "fig4_desk", "fig4_desk_limits", "fig5_desk"),
        *("fig5_desk_crossings", "fig5_desk_drift", "late_desk_energies", "late_desk_growth"),
        *("late_desk_readings", "reach_large", "reach_large_times"),
    )
]
"""Tables of figures, as the report had them."""


def _rows(text: str) -> list[list[list[str]]]:
    """Return the cells of all rows of all blocks, their heads first."""
    return [
        [
            [unescape(one) for one in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)]
            for row in re.findall(r"<tr>(.*?)</tr>", block, re.DOTALL)
        ]
        for block in re.findall(r"<table.*?</table>", text, re.DOTALL)
    ]


def _named(text: str) -> list[str]:
    """Return the names in the CSV of the columns of all blocks."""
    found = [name for names in re.findall(r' title="(.*?)"', text) for name in names.split(", ")]
    return list(dict.fromkeys(found))


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_kept_tables_are_in_words_and_fit_a_page(path):
    table = pd.read_csv(path)
    text = html_table(table, "a table")
    blocks = _rows(text)
    for block in blocks:
        assert len({len(row) for row in block}) == 1
        assert len(block[0]) <= MOST_COLUMNS
        assert not [head for head in block[0] if "_" in head.replace("α_BBP", "")]
    # fractions without an error have at most four digits: no residues of rounding
    digits = [number.replace(".", "").lstrip("0") for number in re.findall(r">−?(\d+\.\d+)<", text)]
    assert max(map(len, digits), default=0) <= 4
    alike = [name for name in table if table[name].head(60).nunique(dropna=False) == 1]
    assert set(_named(text)) | set(alike) >= set(table.columns)


@given(
    st.floats(-1e4, 1e4),
    st.floats(-4, 2).map(lambda power: 10**power),
)
def test_a_value_has_the_digits_of_its_error(value, error):
    shown, half = (float(part.replace("−", "-")) for part in cell(value, error).split(" ± "))
    # two digits of the error: it is off by 5 % at most, and by what a whole number leaves out
    step = max(0.05 * error, 0.5) if error >= 1 else 0.051 * error
    if error > 1e-6 * abs(value):
        assert abs(half - error) <= step
        assert abs(shown - value) <= step * (1 + 1e-9)


def test_cells_are_digits_or_words():
    assert cell(0.1 + 0.2) == "0.3"
    assert cell(0.1 + 0.2 - 0.3) == "0"
    assert cell(np.float32(0.1)) == "0.1"
    assert cell(np.int64(1048576)) == "1048576"
    assert cell(-0.001, 0.01) == "−0.001 ± 0.010"
    assert cell(0.5, ends=(0.4, 0.6)) == "0.50 (0.40 to 0.60)"
    assert cell(float("nan")) == cell(None) == "–"
    assert cell("hessian_edge") == "bulk edge of H"


def test_what_is_the_same_in_all_rows_is_said_once():
    columns = {"n": [64] * 3, "alpha": [1.0, 2, 3], "x": [0.1, 0.2, 0.3], "e": [None] * 3}
    table = pd.DataFrame(columns)
    text = html_table(table, "a table")
    assert "In all rows: N: 64. Without a value in any row: e." in text
    assert _rows(text)[0][0] == ["α = M/N", "x"]


def test_the_rest_of_a_long_table_is_in_the_csv():
    table = pd.DataFrame({"alpha": np.arange(70.0), "x": np.arange(70.0)})
    text = html_table(table, "a table")
    assert len(_rows(text)[0]) == 61
    assert "10 more rows are in the CSV." in text
