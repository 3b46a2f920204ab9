"""Both pages in headless Chromium: drawn, moved, read aloud, saved from, and never calling out.

Each page is looked at in light, dark and at phone width; every request it makes and every line it
writes to the console is kept.
"""

import os
import threading
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from shutil import which
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from gapless.analyse.success import success_table
from gapless.explore import explorer_page, runs_along_alpha, server, theory_grid
from gapless.explore.replay import frames
from gapless.figures.fig5 import picture, reduce
from gapless.losses import normalised, quartic
from gapless.measure.median_run import SpectralPoint
from gapless.measure.simulation import Simulation
from gapless.page.html import as_json, assemble, points_table
from gapless.page.image import render
from gapless.page.panels import Axis, Heat, Mark, Panel, Picture, Series
from gapless.report import write_report
from gapless.store import Store

pytestmark = pytest.mark.browser

LOOKS = {
    "light": {"color_scheme": "light", "viewport": {"width": 1200, "height": 900}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1200, "height": 900}},
    "phone": {"color_scheme": "light", "viewport": {"width": 375, "height": 800}},
}
ALPHAS = (8.0, 10.0, 14.0, 18.0)
RUN_ALPHAS = (8.0, 18.0)
PLOTS = {"report": 3, "explorer": 11}
"""Panels of each page."""


def _records() -> pa.Table:
    """Records whose outcomes are drawn, not measured: what a page does is the same."""
    rng = np.random.default_rng(0)
    rows = [
        {"address": f"{n}-{alpha}-{design}", "n": n, "m": round(alpha * n), "alpha": alpha}
        | {"seed": 0, "design": design, "runs": 20, "run": run, "loss": "quartic", "t_max": 1.8}
        | {"t_1e-8": 1.0 if rng.random() < alpha / 14 else None, "outcome": "recovered"}
        | {"overlap": 1.0 if rng.random() < alpha / 13 else 0.3}
        | {"overlap_start": (run + 1) / (10 * n**0.5), "stopped_at": 1.8}
        | {"steps": 90, "gradients": 100, "wall_s": 0.01}
        for n in (64, 128)
        for alpha in (4.0, 8.0, 12.0)
        for design in range(4)
        for run in range(20)
    ]
    known = [field for field in Simulation.SCHEMA if field.name in rows[0]]
    return pa.Table.from_pylist(
        rows, schema=pa.schema([*known, ("address", pa.string()), ("wall_s", pa.float64())])
    )


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> tuple[Path, pd.DataFrame]:
    """A report, and its records."""
    folder = tmp_path_factory.mktemp("report")
    store = Store.open(folder / "fig5", {"experiment": "fig5"}, {"version": "0"})
    store.append(_records())
    return write_report(folder), store.read().to_pandas()


@pytest.fixture(scope="module")
def explorer():
    """What the explorer shows, and where it is served."""
    losses = (quartic, normalised(1.0))
    grids = [theory_grid(loss, ALPHAS) for loss in losses]
    runs = [run for loss in losses for run in runs_along_alpha(loss, RUN_ALPHAS)["runs"]]
    stored = frames(SpectralPoint(n=64, alpha=10.0, seed=0, runs=4, frames=9).measure().to_pandas())
    assert stored is not None
    runs.append(stored)
    with server(explorer_page(grids, runs), 0) as served:
        thread = threading.Thread(target=served.serve_forever)
        thread.start()
        yield grids, runs, f"http://127.0.0.1:{served.server_address[1]}/"
        served.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def addresses(table, explorer) -> dict[str, str]:
    """Where each page is."""
    return {"report": table[0].as_uri(), "explorer": explorer[2]}


@pytest.fixture(scope="module")
def browser():
    """Debian's Chromium, or the one that CHROMIUM names."""
    from playwright.sync_api import sync_playwright

    program = os.environ.get("CHROMIUM") or which("chromium")
    assert program, "no chromium: install Debian's package, or set CHROMIUM"
    with sync_playwright() as playwright:
        it = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield it
        it.close()


@contextmanager
def opened(browser, address: str, look: str):
    """Open a page and draw all of it; afterwards complain of what it said and asked for."""
    context = browser.new_context(**LOOKS[look])
    page = context.new_page()
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    for place in page.locator(".charts").all():
        place.scroll_into_view_if_needed()
    page.wait_for_function("document.querySelectorAll('.charts:empty').length === 0")
    yield page
    context.close()
    assert said == []
    assert asked
    for url in asked:
        parts = urlsplit(url)
        assert parts.scheme in ("file", "data", "blob") or parts.hostname == "127.0.0.1", url


@pytest.mark.parametrize("name", PLOTS)
@pytest.mark.parametrize("look", LOOKS)
def test_pages_are_drawn_and_accessible(browser, addresses, name, look):
    from axe_playwright_python.sync_playwright import Axe

    with opened(browser, addresses[name], look) as page:
        plots = page.locator(".plot").all()
        assert len(plots) == PLOTS[name]
        for plot in plots:
            paths = plot.locator(".scatterlayer .trace path").evaluate_all(
                "all => all.map(path => path.getAttribute('d') || '')"
            )
            assert max(map(len, paths)) > 10
        wide, room = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide <= room
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("name", PLOTS)
def test_nothing_runs_off_the_paper(browser, addresses, name):
    with opened(browser, addresses[name], "light") as page:
        page.emulate_media(media="print")
        # A4 within margins of a centimetre, at 96 points an inch
        page.set_viewport_size({"width": 718, "height": 1000})
        wide, room = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide <= room


def test_plots_take_the_colours_of_the_page(browser, addresses):
    with opened(browser, addresses["explorer"], "light") as page:
        ink = "getComputedStyle(document.querySelector('.xtick text')).fill"
        before = page.evaluate(ink)
        page.emulate_media(color_scheme="dark")
        page.wait_for_function(f"{ink} !== {before!r}")
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert sum(map(int, background[4:-1].split(","))) < 3 * 64


KINDS = """<!doctype html><html lang="en"><head><title>kinds</title><link rel="icon" href="data:,">
<style>$style</style></head><body><main><div class="charts" id="all"></div></main>
<script>$plotly</script><script>$charts
Charts.figure(document.getElementById("all"), $panels);</script></body></html>"""


def kinds() -> Picture:
    """A picture with all that a panel can hold, with gaps."""
    x, y = np.array([0.0, 0.02, 0.3, 4.0, 50.0]), np.array([0.5, -3.0, np.nan, 2.0, 0.04])
    ends = y - 0.3, y + 0.4
    heat = Heat("shades", (0, 3), (-1, 1), np.array([[0.0, 1.0, 2.0], [2.0, np.nan, 4.0]]), (0, 4))
    symlog = Axis("t", "symlog", linear=0.05), Axis("e", "symlog", (-5, None), linear=0.1)
    bars, band = Series("bars", x, y, *ends), Series("band", x, y, *ends, band=True, colour=3)
    steps = Series("steps", [1, 2, 4], [5, 0, 5], steps=True, fill=True, marker="x-thin-open")
    marks = [Mark("x", 0.3, "here"), Mark("y", 1.0), Mark("x", 1.0, until=20.0)]
    return Picture(
        "kinds",
        [
            [
                Panel("bent", *symlog, [bars, band], marks),
                Panel("log", Axis("t", "log"), Axis("e", "log", (0.1, 10)), [steps], marks[:1]),
                Panel("shaded", Axis("t"), Axis("e", range=(None, 2)), [steps], heat=heat),
            ]
        ],
    )


@pytest.mark.parametrize("look", LOOKS)
def test_every_kind_of_panel_is_drawn_with_its_numbers(browser, tmp_path, look):
    picture = kinds()
    file = tmp_path / "kinds.html"
    file.write_text(assemble(KINDS, panels=as_json(picture.record())), "utf-8")
    figure = render(picture)
    with opened(browser, file.as_uri(), look) as page:
        plots = page.evaluate(
            "[...document.querySelectorAll('.plot')].map(it => ({data: it.data, "
            "x: it._fullLayout.xaxis.range, y: it._fullLayout.yaxis.range, layout: it.layout}))"
        )
        # zero shows all again
        page.locator(".plot").first.press("+")
        page.locator(".plot").first.press("0")
        again = page.evaluate("document.querySelector('.plot')._fullLayout.xaxis.range")
        np.testing.assert_allclose(again, plots[0]["x"], atol=1e-3)
    for plot, axes, record in zip(plots, figure.axes, picture.record(), strict=True):
        for trace, series in zip(plot["data"], record["series"], strict=False):
            assert trace["name"] == series["name"]
            assert trace["customdata"] == [
                [*pair] for pair in zip(series["x"], series["y"], strict=True)
            ]
        # where a number stands is what matplotlib says of the same scale
        for name in "xy":
            axis, shown = getattr(axes, f"{name}axis"), plot[name]
            scale = record[name]["scale"]
            bent = axis.get_transform().transform
            given = [end for end in record[name]["range"] if end is not None]
            for end in given:
                expected = np.log10(end) if scale == "log" else bent(np.array([end]))[0]
                assert min(abs(np.array(shown) - expected)) < 1e-9
            if scale != "symlog":
                continue
            for trace, series in zip(plot["data"], record["series"], strict=False):
                values = np.array(series[name], float)
                expected = np.where(np.isnan(values), np.nan, bent(np.nan_to_num(values)))
                np.testing.assert_allclose(np.array(trace[name], float), expected, rtol=1e-9)
    bars, band, polygon = plots[0]["data"]
    assert "error_y" in bars
    assert "error_y" not in band
    assert polygon["x"].count(None) == 2  # a gap makes two stretches
    assert len(plots[0]["layout"]["shapes"]) == 3
    assert plots[2]["layout"]["images"][0]["source"].startswith("data:image/png")
    bar = plots[2]["data"][-1]["marker"]
    assert bar["colorbar"]["title"]["text"] == "shades"
    assert (bar["cmin"], bar["cmax"]) == (0, 4)


SCALES = """() => {
  const {xaxis, xaxis2, yaxis} = document.querySelector(".plot")._fullLayout;
  return {lower: xaxis.range, upper: xaxis2.range, y: yaxis.type};
}"""


def test_an_upper_scale_follows_and_y_is_switched(browser, tmp_path):
    curve = Series("a", [0.1, 1.0, 10.0], [0.0, 1.0, 50.0])
    axes = Axis("t", "log"), Axis("e", range=(0, None))
    panel = Panel("one", *axes, [curve], [Mark("y", 0.0)], upper=("steps", 100.0))
    file = tmp_path / "scales.html"
    file.write_text(assemble(KINDS, panels=as_json(Picture("", [[panel]]).record())), "utf-8")
    with opened(browser, file.as_uri(), "light") as page:
        before = page.evaluate(SCALES)
        np.testing.assert_allclose(before["upper"], np.array(before["lower"]) + 2)
        page.locator(".plot").press("+")
        zoomed = page.evaluate(SCALES)
        assert zoomed["lower"] != before["lower"]
        np.testing.assert_allclose(zoomed["upper"], np.array(zoomed["lower"]) + 2)
        button = page.get_by_role("button", name="one: logarithmic e")
        for kind in ("log", "linear"):
            button.click()
            assert page.evaluate(SCALES)["y"] == kind
            assert button.get_attribute("aria-pressed") == str(kind == "log").lower()


def _number(page, place: str, name: str) -> str:
    return (
        page.locator(f"#{place} div", has=page.locator(f"dt:text-is('{name}')"))
        .locator("dd")
        .inner_text()
    )


def _shown(page, value: float | None) -> str:
    # a difference of two equal numbers is zero, whatever rounding leaves of it
    value = 0.0 if value is not None and abs(value) < 1e-9 else value
    return page.evaluate("value => Charts.shown(value)", value)


def _set(page, slider: str, value: int) -> None:
    page.locator(f"#{slider}").evaluate(
        "(it, value) => { it.value = value; it.dispatchEvent(new Event('input')); }", value
    )


def _marks(page, place: str, panel: int) -> list[float]:
    return page.evaluate(
        "([place, k]) => document.querySelectorAll(`#${place} .plot`)[k].layout.shapes"
        ".filter(one => one.yref === 'paper').map(one => one.x0)",
        [place, panel],
    )


WORDS = {
    "bulk_edge": "bulk edge, before −μ",
    "outlier": "outlier, before −μ",
    "hessian_edge": "bulk edge of H",
    "hessian_outlier": "outlier of H",
    "energy": "energy e",
}


def test_the_alpha_slider_shows_the_theory_there(browser, explorer):
    grids, _, address = explorer
    with opened(browser, address, "light") as page:
        page.locator("#verdict").scroll_into_view_if_needed()
        for which_loss, grid in enumerate(grids):
            page.select_option("#loss", str(which_loss))
            for i in (0, len(ALPHAS) - 1):
                _set(page, "alpha", i)
                for name, words in WORDS.items():
                    assert _number(page, "theory-numbers", words) == _shown(page, grid[name][i])
                told = page.locator("#flags code").all_inner_texts()
                assert sorted(told) == sorted(
                    name for name, is_so in grid["flags"][i].items() if is_so
                )
                page.locator("#theory .plot").nth(2).scroll_into_view_if_needed()
                _caught_up(page)
                assert grid["hessian_edge"][i] in _marks(page, "theory", 2)
                assert grid["alpha"][i] in _marks(page, "theory", 3)
                page.check("#before")
                assert grid["bulk_edge"][i] in _marks(page, "theory", 2)
                page.uncheck("#before")
                drawn = page.evaluate("document.querySelectorAll('#theory .plot')[2].data[0].y")
                assert drawn == grid["density"][i]


def _caught_up(page) -> None:
    """Wait for plotly's drawing of the panels that have come into view or have moved."""
    page.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done, 50)))")
    page.wait_for_function("!Charts.waiting()")


def test_the_alpha_slider_moves_by_keyboard_and_takes_the_runs_along(browser, explorer):
    grids, _, address = explorer
    with opened(browser, address, "light") as page:
        page.focus("#alpha")
        assert page.locator("#alpha-value").inner_text() == "10"
        assert "α = 8 " in page.locator("#run-origin").inner_text()
        page.keyboard.press("ArrowRight")
        assert page.locator("#alpha-value").inner_text() == "14"
        assert _number(page, "theory-numbers", "multiplier μ") == _shown(page, grids[0]["mu"][2])
        assert "α = 18 " in page.locator("#run-origin").inner_text()


PARTS = """([slider, value, place]) => {
  const plots = [...document.querySelectorAll(`#${place} .plot`)];
  const kinds = [".scatterlayer path", ".shapelayer path", ".annotation", ".imagelayer image"];
  const parts = it => kinds.map(
    kind => [...it.querySelectorAll(kind)].filter(one => one.getAttribute("d") !== "").map(one => {
      const {left, top, right, bottom} = one.getBoundingClientRect();
      return [left, top, right, bottom, one.getTotalLength ? one.getTotalLength() : 0];
    }));
  const real = Plotly.react;
  let drawn = 0;
  Plotly.react = (...all) => { drawn += 1; return real(...all); };
  const it = document.getElementById(slider);
  it.value = value;
  it.dispatchEvent(new Event("input"));
  Plotly.react = real;
  const moved = plots.map(parts);
  plots.forEach(one => Charts.draw(one, one.panel));
  return [drawn, moved, plots.map(parts)];
}"""


@pytest.mark.parametrize(("slider", "place"), [("alpha", "theory"), ("time", "run")])
def test_what_moves_stands_where_a_panel_drawn_anew_has_it(browser, explorer, slider, place):
    with opened(browser, explorer[2], "light") as page:
        # all panels in view
        page.set_viewport_size({"width": 1200, "height": 3200})
        _caught_up(page)
        draws = []
        # at the last α an outlier has come: one more line is plotly's to draw
        for value in (1, 2, 3):
            drawn, moved, anew = page.evaluate(PARTS, [slider, value, place])
            draws.append(drawn)
            for panel, again in zip(moved, anew, strict=True):
                for parts, others in zip(panel, again, strict=True):
                    # a pixel: plotly rounds the places of names to pixels, and leaves out points of
                    # a curve that are nearer to their neighbours
                    np.testing.assert_allclose(parts, others, atol=1.0, rtol=2e-3)
        assert min(draws) == 0


def test_axes_stand_still_while_alpha_moves(browser, explorer):
    ranges = (
        "[...document.querySelectorAll('#theory .plot')].map("
        "it => [...it._fullLayout.xaxis.range, ...it._fullLayout.yaxis.range])"
    )
    with opened(browser, explorer[2], "light") as page:
        seen = []
        for i in range(len(ALPHAS)):
            _set(page, "alpha", i)
            for plot in page.locator("#theory .plot").all():
                plot.scroll_into_view_if_needed()
            _caught_up(page)
            seen.append(page.evaluate(ranges))
        for other in seen[1:]:
            np.testing.assert_allclose(other, seen[0], rtol=1e-12)


def test_the_time_slider_moves_the_chosen_run(browser, explorer):
    _, runs, address = explorer
    stored = runs[-1]
    chosen = {"figure-2": stored, "shuffled-64": None}
    chosen["shuffled-64"] = next(
        run for run in runs if (run["labels"], run["n"], run["alpha"]) == ("shuffled", 64, 8.0)
    )
    with opened(browser, address, "light") as page:
        for value, run in chosen.items():
            assert run is not None
            page.select_option("#run-choice", value)
            for f in (len(run["t"]) // 2, len(run["t"]) - 1):
                _set(page, "time", f)
                page.locator("#run .plot").first.scroll_into_view_if_needed()
                _caught_up(page)
                assert _number(page, "run-numbers", "λ₁") == _shown(page, run["lambda_1"][f])
                shown = _number(page, "run-numbers", "overlap q")
                assert shown == _shown(page, run["overlap"][0][f])
                expected = [run[name][f] for name in ("lambda_1", "lambda_2", "edge")]
                assert _marks(page, "run", 0) == expected
                drawn = page.evaluate("document.querySelectorAll('#run .plot')[0].data[0].y")
                assert drawn[:-1] == run["density"][f]
                assert run["t"][f] in _marks(page, "run", 1)
                page.locator("#run .plot").nth(4).scroll_into_view_if_needed()
                _caught_up(page)
                now = page.evaluate(
                    "(it => [it.x, it.y])(document.querySelectorAll('#run .plot')[4].data.at(-1))"
                )
                assert now == [[row[f] for row in run[name]] for name in ("overlap", "energy")]


def test_the_address_restores_the_settings_and_play_ends(browser, explorer):
    grids, _, address = explorer
    with opened(browser, address, "light") as page:
        page.select_option("#loss", "1")
        page.select_option("#run-choice", "shuffled-64")
        _set(page, "alpha", 2)
        _set(page, "time", 3)
        page.wait_for_function("location.hash.includes('frame=3')")
        there = page.evaluate("location.href")
    with opened(browser, there, "light") as page:
        assert page.locator("#loss").input_value() == "1"
        assert page.locator("#run-choice").input_value() == "shuffled-64"
        assert page.locator("#time").input_value() == "3"
        assert _number(page, "theory-numbers", "energy e") == _shown(page, grids[1]["energy"][2])
        page.click("#play-alpha")
        page.wait_for_function("document.getElementById('play-alpha').ariaPressed === 'false'")
        assert page.locator("#alpha-value").inner_text() == f"{ALPHAS[-1]:g}"


def test_a_panel_is_saved_as_it_stands(browser, explorer):
    with opened(browser, explorer[2], "light") as page:
        with page.expect_download() as caught:
            page.get_by_role("button", name="Both labels, P(ŷ, y): save as SVG").click()
        text = Path(caught.value.path()).read_text("utf-8")
    assert text.startswith("<svg")
    assert "teacher" in text
    assert "data:image/png" in text


def _saved(page, text: str) -> pd.DataFrame:
    with page.expect_download() as caught:
        page.get_by_role("link", name=text).first.click()
    return pd.read_csv(StringIO(Path(caught.value.path()).read_text("utf-8")))


def test_downloads_hold_the_tables_of_the_library(browser, table, addresses):
    with opened(browser, addresses["report"], "light") as page:
        points = _saved(page, "Points of the picture (CSV)")
        fractions = _saved(page, "This table (CSV)")
    pd.testing.assert_frame_equal(
        points, points_table(picture(reduce(table[1]))), check_dtype=False, rtol=1e-9
    )
    ours = success_table(table[1])
    for name in ("n", "alpha", "runs", "successes", "fraction", "low", "high", "recovered_low"):
        np.testing.assert_allclose(fractions[name], ours[name].astype(float), rtol=1e-9)


def test_arrow_keys_read_the_points_aloud(browser, table, addresses):
    first = success_table(table[1]).iloc[0]
    with opened(browser, addresses["report"], "light") as page:
        page.locator(".plot").first.focus()
        page.keyboard.press("ArrowRight")
        voice = page.locator(".spoken").first.inner_text()
        assert voice.startswith(f"N = {first.n:.0f}, solved: {_shown(page, first.alpha)}, ")
        assert _shown(page, first.high) in voice
