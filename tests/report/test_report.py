"""The report: made from the store alone, self-contained, honest about what is missing."""

import re

import pyarrow as pa
import pytest

from gapless.cli import main
from gapless.figures.fig5 import EXPERIMENT
from gapless.figures.success import EXPERIMENT as SUCCESS
from gapless.measure.simulation import Simulation
from gapless.report import write_report
from gapless.store import Store
from gapless.sweep import plan, run_in_process


def test_a_half_finished_sweep_has_a_report(tmp_path):
    store = Store.open(tmp_path / "fig5", {"experiment": "fig5"}, {"version": "0"})
    points = [Simulation(n=16, alpha=6.0, seed=0, index=i, runs=2) for i in range(2)]
    run_in_process(plan(EXPERIMENT, points, store).tasks(), lambda receipt: None)
    text = write_report(tmp_path).read_text()
    assert "<svg" in text
    assert "4 records" in text
    # nothing leaves the machine (what scripts do is seen in tests/test_browser.py)
    markup = re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)
    assert not re.search(r'(?:src|href)="(?:https?:)?//', markup)
    assert (tmp_path / "fig5.png").stat().st_size > 0
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))


def test_names_of_foreign_folders_are_text_of_the_page(tmp_path):
    """Also in identifiers, where links of the contents find them."""
    for name in ("my sweep (2)", '"><img src=x onerror=alert(1)>'):
        store = Store.open(tmp_path / name, {"experiment": "success"}, {"version": "0"})
        point = Simulation(n=16, alpha=6.0, seed=0, runs=2)
        run_in_process(plan(SUCCESS, [point], store).tasks(), lambda receipt: None)
    text = write_report(tmp_path).read_text()
    text = re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)
    assert "<img" not in text
    ids = re.findall(r'\bid="([^"]*)"', text)
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch(r"[\w.-]+", one, re.ASCII) for one in ids)
    links = re.findall(r'href="#([^"]*)"|url\(#([^)]*)\)', text)
    assert {link or picture for link, picture in links} <= set(ids)


def test_a_store_is_drawn_by_what_made_it_under_any_folder_name(tmp_path):
    """Also beside another of the same figure, and under the name of another figure."""
    folders = ("fig1", "fig5", "last week")
    for seed, name in enumerate(folders):
        spec = {"experiment": "fig5", "scale": "smoke", "seed": seed}
        store = Store.open(tmp_path / name, spec, {"version": "0"})
        point = Simulation(n=16, alpha=6.0, seed=seed, runs=2)
        run_in_process(plan(EXPERIMENT, [point], store).tasks(), lambda receipt: None)
    text = write_report(tmp_path).read_text()
    drawn = re.findall(r"<h2 id=[^>]*>([^<]*)</h2>", text)
    title = EXPERIMENT.title.replace("&", "&amp;")
    assert [one for one in drawn if one.startswith(title)] == [
        title,
        f"{title} (fig1)",
        f"{title} (last week)",
    ]
    assert all((tmp_path / f"{name}.png").stat().st_size > 0 for name in folders)
    assert "gapless reproduce fig5 --scale smoke --seed 2" in text


@pytest.mark.usefixtures("unprinted")
def test_statements_are_not_judged_of_runs_of_another_loss(tmp_path):
    spec = {"experiment": "fig5", "scale": "smoke", "seed": 0}
    store = Store.open(tmp_path / "fig5", spec | {"loss": "normalised:a=0.5"}, {"version": "0"})
    point = Simulation(n=16, alpha=6.0, seed=0, runs=2, loss="normalised:a=0.5")
    run_in_process(plan(EXPERIMENT, [point], store).tasks(), lambda receipt: None)
    text = write_report(tmp_path).read_text()
    assert "are about another loss and are not judged" in text
    assert "<h3>Claims" not in text
    assert "gapless reproduce fig5 --scale smoke --seed 0 --loss normalised:a=0.5" in text


@pytest.mark.usefixtures("unprinted")
def test_a_figure_without_statements_does_not_say_that_they_are_not_judged(tmp_path):
    """`gapless success` names the loss of its runs, whichever it is."""
    spec = {"experiment": "success", "loss": "quartic"}
    store = Store.open(tmp_path / "success", spec, {"version": "0"})
    point = Simulation(n=16, alpha=6.0, seed=0, runs=2)
    run_in_process(plan(SUCCESS, [point], store).tasks(), lambda receipt: None)
    assert "are not judged" not in write_report(tmp_path).read_text()


def test_a_store_without_records_says_so(tmp_path):
    Store.open(tmp_path / "fig1", {"experiment": "fig1"}, {})
    assert "No records yet" in write_report(tmp_path).read_text()


@pytest.mark.slow
def test_a_page_does_not_depend_on_the_number_of_workers(tmp_path):
    """Of figures drawn on workers, faults included."""
    for name in ("fig1", "fig5"):
        Store.open(tmp_path / name, {"experiment": name}, {})
    (tmp_path / "fig5" / "spec.toml").write_text("no spec")
    pages = [write_report(tmp_path, workers=n).read_text() for n in (1, 2)]
    # the date of the page is that of its making
    alone, shared = (re.sub(r"\d\d:\d\d UTC", "", page) for page in pages)
    assert alone == shared
    assert "fig5 cannot be drawn" in shared
    assert "No records yet" in shared


def test_a_folder_without_stores_is_refused(tmp_path):
    with pytest.raises(ValueError, match="holds no records"):
        write_report(tmp_path)


@pytest.fixture
def fig5(tmp_path):
    """A store of Figure 5 with one design, which failed."""
    store = Store.open(tmp_path / "fig5", {"experiment": "fig5"}, {"version": "0"})
    failed = Simulation(n=32, alpha=8.0, seed=0, runs=2).failed("no luck")
    store.append(failed.append_column("address", pa.array(["a"] * 2)))
    return store


@pytest.mark.usefixtures("unprinted")
def test_a_report_without_a_figure_is_a_mistake_of_the_folder(fig5, capsys):
    folder = fig5.path.parent
    assert main(["report", str(folder)]) == 0
    fig5.spec_file.write_text("no spec")
    assert main(["report", str(folder)]) == 2
    out, told = capsys.readouterr()
    assert out.count("report.html") == 1  # of the first
    assert "no figure could be drawn" in told.splitlines()[-1]
    assert "fig5 cannot be drawn" in (folder / "report.html").read_text()


def test_a_report_of_nothing_but_damaged_parts_is_one_too(fig5, capsys):
    (part,) = fig5.part_files()
    part.write_bytes(b"not Parquet")
    assert main(["report", str(fig5.path.parent)]) == 2
    assert "can be read" in capsys.readouterr().err.splitlines()[-1]


def test_a_drawing_that_fails_is_a_failed_computation(fig5, capsys, monkeypatch):
    def fail(*arguments, **options):
        raise ArithmeticError("no ink")

    monkeypatch.setattr("gapless.page.image.save", fail)
    assert main(["report", str(fig5.path.parent)]) == 1
    assert "no figure could be drawn (no ink)" in capsys.readouterr().err.splitlines()[-1]
