"""A picture is drawn as it is said: every number of every curve, on paper as on the page."""

import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.axes._secondary_axes import SecondaryAxis
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.text import Text

from gapless.page.image import (
    INKS,
    PAGE_WIDTH,
    PALETTE,
    SMALL,
    TEXT_HEIGHT,
    inline_svg,
    render,
    save,
)
from gapless.page.panels import DARKEST, Axis, Heat, Mark, Panel, Picture, Print, Series
from pictures import pictures

TEXT = "{http://www.w3.org/2000/svg}text"


def axes_with(figure: Figure, picture: Picture) -> list[tuple[Panel, Axes]]:
    """Return panels with their axes: an inset's are those inside its predecessor's."""
    free, found = iter(figure.axes), []
    for panel in picture.panels:
        axes = next(free) if panel.inset is None else found[-1][1].child_axes[0]
        found.append((panel, axes))
    return found


def same(line, x, y) -> bool:
    return np.array_equal(line.get_xdata(), x) and np.array_equal(
        np.asarray(line.get_ydata(), float), y, equal_nan=True
    )


def stretches(known: np.ndarray) -> int:
    """Count the runs of neighbours that are known."""
    return int((np.diff(known.astype(int), prepend=0) == 1).sum())


@settings(max_examples=10)
@given(pictures)
def test_every_number_of_every_curve_is_drawn(picture):
    figure = render(picture)
    for panel, axes in axes_with(figure, picture):
        lines = iter(axes.get_lines())
        bands = iter(c for c in axes.collections if isinstance(c, PolyCollection))
        for series, record in zip(panel.series, panel.record()["series"], strict=True):
            x, y = np.asarray(series.x, float), np.asarray(series.y, float)
            assert same(next(lines), x, y)  # with its gaps
            np.testing.assert_allclose(np.array(record["y"], float), y, rtol=1e-5)
            if series.fill:
                next(bands)
            if series.low is None:
                continue
            low, high = np.asarray(series.low, float), np.asarray(series.high, float)
            np.testing.assert_allclose(np.array(record["low"], float), low, rtol=1e-5)
            np.testing.assert_allclose(np.array(record["high"], float), high, rtol=1e-5)
            known = np.isfinite(low + high + y)
            if series.band:
                assert len(next(bands).get_paths()) == stretches(known)
            else:
                bars = next(lines)
                ends = np.asarray(bars.get_ydata()).reshape(-1, 3)
                np.testing.assert_array_equal(ends[:, :2], np.stack([low, high], 1)[known])
        straight = [mark for mark in panel.marks if mark.until is None]
        assert len(list(lines)) == len(straight)
        names = {text.get_text() for text in axes.texts}
        assert names == {mark.name for mark in panel.marks if mark.name}
        for which, axis in (("x", panel.x), ("y", panel.y)):
            ends = getattr(axes, f"get_{which}lim")()
            assert getattr(axes, f"get_{which}scale")() == axis.scale
            for end, given_end in zip(ends, axis.range, strict=True):
                assert given_end in (None, end)
            assert ends[0] < ends[1]


@settings(max_examples=10)
@given(pictures)
def test_a_legend_says_every_name_of_a_colour_once(picture):
    found = [
        text.get_text()
        for axes in render(picture).axes
        if (legend := axes.get_legend()) is not None
        for text in legend.get_texts()
    ]
    entries = {
        (series.name if series.legend is None else series.legend, series.colour)
        for panel in picture.panels
        for series in panel.series
    }
    assert sorted(found) == sorted(legend for legend, _ in entries if legend)


def test_an_inset_lies_in_the_panel_before_it():
    whole = Panel("whole", Axis("x"), Axis("y"), [Series("a", [1, 2], [3, 4])])
    close = Panel("close", Axis("x"), Axis("y"), whole.series, inset=(0.5, 0.1, 0.4, 0.4))
    picture = Picture("", [[whole, close, whole]])
    figure = render(picture)
    assert len(figure.axes) == 2
    assert len(figure.axes[0].child_axes) == 1
    assert [axes.get_title() for _, axes in axes_with(figure, picture)] == [
        "whole",
        "close",
        "whole",
    ]
    assert [record["title"] for record in picture.record()] == ["whole", "close", "whole"]


def test_shades_are_the_values_between_their_limits():
    values = np.array([[0.0, 1.0, 2.0], [3.0, np.nan, 9.0]])
    heat = Heat("density", (0, 3), (-1, 1), values, (1.0, 3.0))
    panel = Panel("", Axis("x"), Axis("y"), [], heat=heat)
    expected = 0.9 * np.array([[0, 0, 0.5], [1, 0, 1]])
    np.testing.assert_allclose(heat.shades, expected)
    np.testing.assert_allclose(panel.record()["heat"]["values"], expected)
    (axes,) = render(Picture("", [[panel]])).axes
    (image,) = axes.get_images()
    np.testing.assert_allclose(np.asarray(image.get_array()), expected)
    assert image.get_extent() == [0, 3, -1, 1]
    # beside it the colour bar: from the lower limit's shade to the upper one's, under its name
    (bar,) = axes.child_axes
    (scale,) = bar.get_images()
    assert (bar.get_ylabel(), bar.get_ylim()) == ("density", heat.range)
    assert scale.get_cmap() == image.get_cmap()
    assert scale.get_clim() == image.get_clim()
    ramp = np.asarray(scale.get_array())[:, 0]
    np.testing.assert_allclose(ramp, np.linspace(0, DARKEST, len(ramp)))
    with pytest.raises(ValueError, match="not linear"):
        Panel("", Axis("x", "log"), Axis("y"), [], heat=heat)


def test_a_panel_with_marks_alone_is_drawn(tmp_path):
    panel = Panel("", Axis("t", "log"), Axis("e"), [], [Mark("x", 100.0, "budget")])
    save(Picture("", [[panel]]), tmp_path / "marks.png")
    save(Picture("nothing", ()), tmp_path / "nothing.png")


def test_the_same_picture_is_the_same_file(tmp_path):
    name = "⟨v₁, W*⟩, E|ŷ|⁴, λ₂ − μ ≤ ½ log₂ N, N = ∞ …"  # every sign has its glyph
    price = "$\\frac$, 5 $ or 6 $"  # no formula
    curve = Series(name, [1, 2], [1, 2], [0, 1], [2, 3])
    other = Series(price, [1, 2], [2, 3], colour=1)
    marks = [Mark("y", 1.5, price)]
    panel = Panel(price, Axis(name), Axis(price), [curve, other], marks)
    pairs = [[tmp_path / f"{i}.{ending}" for i in range(2)] for ending in ("png", "svg", "pdf")]
    for files in zip(*pairs, strict=True):
        save(Picture(price, [[panel]]), *files)
    for one, other in pairs:
        assert b"CreationDate" not in one.read_bytes()
        assert b"dc:date" not in one.read_bytes()
        assert one.read_bytes() == other.read_bytes()


def labelled() -> Picture:
    """A picture with a text in every place that can have one."""
    curve = Series("α = 6", [1, 10], [1, 2], [0, 1], [2, 3])
    panels = [
        Panel(title, Axis("time t", "log"), Axis("energy e"), [curve], [Mark("x", 3.0, "budget")])
        for title in ("teacher", "shuffled")
    ]
    return Picture("two kinds", [panels], "quartic loss, N = 64, seed 0")


def test_files_written_together_are_those_written_alone_up_to_the_place_of_panels(tmp_path):
    """Sizes of type and pictures agree; panels are placed once, for the first file."""
    together = [tmp_path / f"a.{ending}" for ending in ("png", "svg")]
    save(labelled(), *together)
    alone = [tmp_path / f"b.{ending}" for ending in ("png", "svg")]
    for file in alone:
        save(labelled(), file)
    assert together[0].read_bytes() == alone[0].read_bytes()
    first, second = (ElementTree.parse(svg).getroot() for svg in (together[1], alone[1]))
    assert {key: first.get(key) for key in ("width", "height")} == {
        key: second.get(key) for key in ("width", "height")
    }
    said = [["".join(one.itertext()) for one in svg.iter(TEXT)] for svg in (first, second)]
    assert said[0] == said[1]


def test_a_file_of_another_kind_is_refused_and_a_name_is_a_path(tmp_path):
    drawn = Picture("nothing", ())
    save(drawn, str(tmp_path / "curve.SVG"))
    assert [each.name for each in tmp_path.iterdir()] == ["curve.SVG"]
    with pytest.raises(ValueError, match=r"curve\.bmp must end in \.png, \.pdf or \.svg"):
        save(drawn, tmp_path / "curve.png", tmp_path / "curve.bmp")
    assert len(list(tmp_path.iterdir())) == 1


def test_text_of_a_file_is_text(tmp_path):
    """A PDF has TrueType letters (journals refuse Type 3), and an SVG has text elements."""
    save(labelled(), tmp_path / "text.pdf", tmp_path / "text.svg")
    pdf = (tmp_path / "text.pdf").read_bytes()
    assert not re.search(rb"/Subtype\s*/Type3", pdf)
    assert re.search(rb"/Subtype\s*/(CIDFontType2|TrueType)", pdf)
    assert b"/FontFile2" in pdf
    svg = ElementTree.parse(tmp_path / "text.svg").getroot()
    texts = {"".join(one.itertext()) for one in svg.iter(TEXT)}
    said = {"two kinds", "quartic loss, N = 64, seed 0", "teacher", "shuffled", "time t"}
    assert said | {"energy e", "α = 6", "budget"} <= texts


def test_text_that_leaves_no_room_for_panels_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"^width, font_size: .* raise --width"):
        save(labelled(), tmp_path / "small.png", size=Print(2, 30))
    assert not any(tmp_path.iterdir())


@given(st.floats(2, 40), st.floats(4, 30))
@settings(max_examples=5)
def test_a_picture_has_the_width_and_the_type_that_are_asked_for(width, font_size):
    figure, plain = render(labelled(), Print(width, font_size)), render(labelled())
    assert figure.get_figwidth() == pytest.approx(width)
    # text needs its height at any width; the axes keep their proportions
    axes = figure.get_figheight() - TEXT_HEIGHT * font_size / Print().font_size
    ratio = (plain.get_figheight() - TEXT_HEIGHT) / plain.get_figwidth()
    assert axes == pytest.approx(width * ratio)
    sizes = {text.get_fontsize() for text in figure.findobj(Text) if text.get_text()}
    assert {round(size / font_size, 9) for size in sizes} == {1, SMALL}


def test_type_has_one_size_on_a_page():
    """What a page shows at a share of its column is drawn at the same share of its width."""
    one = labelled().rows[0][0]
    for count in (1, 3):
        svg = inline_svg(Picture("", [[one] * count]), "a", "a")
        points, share = re.search(r'width="([\d.]+)pt"', svg), re.search(r"--share: ([\d.]+)", svg)
        assert points is not None
        assert share is not None
        assert float(points[1]) / 72 == pytest.approx(float(share[1]) * PAGE_WIDTH, rel=1e-3)
        assert float(share[1]) <= 1


def test_an_upper_scale_is_the_lower_one_times_its_factor():
    panel = replace(labelled().rows[0][0], upper=("iterations", 5000.0))
    figure = render(Picture("", [[panel]]))
    figure.draw_without_rendering()
    (axes,) = figure.axes
    (upper,) = axes.child_axes
    assert isinstance(upper, SecondaryAxis)
    np.testing.assert_allclose(upper.get_xlim(), 5000 * np.array(axes.get_xlim()))
    assert upper.get_xlabel() == "iterations"
    with pytest.raises(ValueError, match="upper scale"):
        replace(panel, x=Axis("t", "symlog"))


def test_a_legend_above_its_panel_covers_neither_curves_nor_title():
    panel = replace(labelled().rows[0][0], legend="above")
    figure = render(Picture("", [[panel]]))
    figure.draw_without_rendering()
    (axes,) = figure.axes
    legend = axes.get_legend()
    assert legend is not None
    assert legend.get_window_extent().y0 >= axes.get_window_extent().y1
    assert axes.title.get_window_extent().y0 >= legend.get_window_extent().y1 - 1


def test_a_panel_may_have_a_legend_of_its_own():
    again = [replace(panel, own_legend=True) for panel in labelled().rows[0]]
    legends = [axes.get_legend() for axes in render(Picture("", [again])).axes]
    assert all(legend is not None for legend in legends)


@pytest.mark.filterwarnings("error:Glyph")
def test_text_of_a_foreign_folder_is_text_of_a_picture(tmp_path):
    name = "loss\x1b[2J\x07\u202e"
    panel = Panel(
        name, Axis(name), Axis(name), [Series(name, [1, 2], [1, 2])], [Mark("x", 1, name)]
    )
    picture = Picture(f"one\n{name}", [[panel]], source=name)
    save(picture, tmp_path / "x.svg", tmp_path / "x.png")
    drawn = (tmp_path / "x.svg").read_text()
    inline = inline_svg(picture, "x", name)
    for svg in (drawn, inline):
        ElementTree.fromstring(svg)
        assert all(c.isprintable() or c == "\n" for c in svg)
    assert "loss\\x1b[2J" in drawn


def test_a_picture_on_the_page_has_the_ink_of_the_page():
    series = [Series(f"{i}", [1, 2], [1, i], colour=i) for i in range(len(PALETTE))]
    picture = Picture("", [[Panel("", Axis("α"), Axis("e"), series)]])
    svg = inline_svg(picture, "fig9", "nine")
    assert not [colour for colour in PALETTE if colour in svg]
    assert all(ink in svg for ink in INKS.values())
    assert all(name.startswith("fig9-") for name in re.findall(r'\bid="([^"]+)"', svg))
    pointed_at = re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', svg)
    assert pointed_at
    assert all(any(pair) and "".join(pair).startswith("fig9-") for pair in pointed_at)
