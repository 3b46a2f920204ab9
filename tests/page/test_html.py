"""Tables and styles of a page."""

import re

import numpy as np
from hypothesis import given, settings

from gapless.page.html import asset, escaped, points_table
from gapless.page.image import PALETTE
from pictures import pictures


@settings(max_examples=15)
@given(pictures)
def test_the_table_has_every_point(picture):
    table = points_table(picture)
    columns = [np.asarray(s.y, float) for p in picture.panels for s in p.series]
    np.testing.assert_array_equal(table.y, np.concatenate([*columns, []]))


def test_text_is_escaped_for_markup_and_keeps_its_lines():
    assert escaped('<a "b">\x00\x1b\nα') == "&lt;a &quot;b&quot;&gt;\\x00\\x1b\nα"


def test_every_colour_has_its_place_in_both_looks_of_a_page():
    style = asset("style.css")
    for index in range(len(PALETTE)):
        assert len(re.findall(rf"--c{index}: #", style)) == 2
    assert f"index % {len(PALETTE)}" in asset("charts.js")
