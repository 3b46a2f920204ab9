"""One bad file costs itself alone: every verb names it, ends soon, loses and changes nothing."""

import errno
import html
import json
import os
import re
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

import faults
from gapless.analyse.plateaus import Prediction
from gapless.cli import main
from gapless.explore import grid, replay
from gapless.figures import fig4, fig5
from gapless.files import shown, write_durably
from gapless.losses import quartic
from gapless.measure import Cost
from gapless.measure.simulation import Simulation
from gapless.page.html import csv_download
from gapless.store import Store, StoreError, compact
from gapless.sweep import Calibration

SPEC = {"experiment": "toy"}
SECONDS = 20


class Hangs(BaseException):
    pass


@contextmanager
def soon(seconds: int = SECONDS) -> Iterator[None]:
    """Raise in what does not end."""

    def ring(*_):
        raise Hangs

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


POINTS = [Simulation(n=16, alpha=alpha, seed=0, runs=2) for alpha in (4, 5, 6, 7, 8, 9)]


def made_up(point: Simulation) -> pa.Table:
    """Return records such as a simulation gives, without one."""
    numbers = [f.name for f in point.SCHEMA if f.type == pa.float64()]
    ended = [6.0 + run for run in range(point.rows)]
    columns = {name: 0.5 for name in numbers if name not in point.identity()}
    columns |= {"outcome": "trapped", "gradients": 9, "energy": ended}
    columns |= {"t": [[0.5, 1.0]] * point.rows, "energy_t": [[e + 0.1, e] for e in ended]}
    return point.table(**columns)


def table(addresses: str) -> pa.Table:
    size = len(addresses)
    return pa.table({"address": list(addresses), "run": [0] * size, "energy": [0.5] * size})


@pytest.fixture
def store(tmp_path):
    """A store of three parts, beside another one."""
    store = Store.open(tmp_path / "fig5", SPEC, {"version": "0"})
    for addresses in ("ab", "cd", "ef"):
        store.append(table(addresses))
    Store.open(tmp_path / "fig1", SPEC, {"version": "0"}).append(table("gh"))
    return store


def without_theory(monkeypatch) -> list[float]:
    """Have explorers hold nothing of theory; return the list of α that they ask for."""
    asked: list[float] = []

    def state(loss, alpha: float) -> dict[str, float]:
        asked.append(alpha)
        return {"alpha": alpha}

    monkeypatch.setattr(grid, "state_at", state)
    monkeypatch.setattr(grid, "band_along", lambda loss, alphas: [{} for _ in alphas])
    monkeypatch.setattr(grid, "threshold_readings", lambda loss: {})
    monkeypatch.setattr(grid, "random_start", lambda loss: None)
    return asked


@pytest.fixture
def quick(monkeypatch):
    """Figures 4 and 5 of a few records that take no time, theory and calibration that take none."""
    monkeypatch.setattr(Simulation, "measure", made_up)
    monkeypatch.setattr(Simulation, "cost", lambda point: Cost(1e11, 1e3))  # a part a point
    for figure in (fig4, fig5):
        tiny = replace(figure.EXPERIMENT, points=lambda scale, seed: POINTS)
        monkeypatch.setattr(figure, "EXPERIMENT", tiny)
    here = Calibration(start=1.0, compilation=1.0, speed=1e10, bytes=1e8)
    monkeypatch.setattr("gapless.sweep.calibrate", lambda plan: here)
    monkeypatch.setattr("gapless.store.upkeep.PAUSE_S", 0.0)
    without_theory(monkeypatch)
    monkeypatch.setattr("gapless.cli.explore.MOST_WORKERS", 1)  # others know of no patch
    monkeypatch.setattr("gapless.explore.runs.runs_at", lambda loss, n, alpha: [])


@pytest.fixture
def computed(monkeypatch):
    """Names of the losses that theory is asked for, which takes seconds: here it is made up."""
    names: set[str] = set()

    def predict(loss, alpha: float) -> Prediction:
        names.add(loss.name)
        return Prediction(5.75, 5.5, (1.0,) * 4)

    monkeypatch.setattr("gapless.analyse.plateaus.marginal_prediction", predict)
    return names


@pytest.fixture
def sent(quick, computed, tmp_path, capsys, monkeypatch):
    """A folder of Figures 4 and 5, as somebody sent it."""
    with monkeypatch.context() as patch:
        patch.setattr("gapless.report.write_report", lambda folder, own, **size: folder)
        assert main(["reproduce", "fig4", "fig5", "--out", str(tmp_path / "sent")]) == 0
    capsys.readouterr()
    return tmp_path / "sent"


def try_verb(arguments: list, planted: list[Path], capsys, seconds: int = SECONDS) -> str:
    """Run a verb that ends soon, names what was planted, each in a line, with no traceback."""
    capsys.readouterr()
    with soon(seconds):
        assert main(list(map(str, arguments))) == 0
    told = capsys.readouterr().err
    for path in planted:
        assert [line for line in told.split("\n") if shown(path) in line], told
    assert "Traceback" not in told
    return told


def verbs(folder: Path) -> dict[str, list]:
    return {
        "status": ["status", folder],
        "export": ["export", folder / "fig5", folder / "out.csv"],
        "compact": ["compact", folder],
        "reproduce --dry-run": ["reproduce", "fig5", "--out", folder, "--dry-run"],
        "reproduce": ["reproduce", "fig5", "--out", folder],
        "report": ["report", folder],
        "explore": ["explore", folder, "--export", folder, "--alpha", "4,6"],
    }


@pytest.mark.parametrize(
    "kinds", [[*faults.PARTS], *(pytest.param([k], marks=pytest.mark.slow) for k in faults.PARTS)]
)
def test_faulty_parts_are_named_and_left_alone(kinds, sent, capsys, monkeypatch):
    monkeypatch.setattr("gapless.report.write_report", lambda folder, own, **size: folder)
    store = Store(sent / "fig5")
    before = store.read()
    planted = [faults.PARTS[kind](store) for kind in kinds]
    then = [faults.state_of(path) for path in planted]
    for verb in ("status", "export", "reproduce --dry-run", "reproduce", "compact"):
        try_verb(verbs(sent)[verb], planted, capsys)
    assert set(store.damaged()) == set(planted)
    assert len(store.part_files()) == 1 + len(planted)  # ours in one, and what is not ours
    assert [faults.state_of(path) for path in planted] == then
    assert store.read().equals(before)
    assert before.num_rows == 12


def test_very_many_faults_are_counted(store, capsys):
    for index in range(60):
        (store.parts / f"{index}.parquet").touch()
    store.read()
    told = capsys.readouterr().err
    assert told.count("\n") == 51
    assert "and 10 more" in told
    assert main(["status", str(store.path)]) == 0
    assert capsys.readouterr().err.count("\n") == 60


def test_an_unreadable_part_is_named_and_left_alone(store, monkeypatch, capsys):
    planted, before = store.append(table("x")), store.read().slice(0, 6)
    make_handle = os.open

    def refuse(path, *how, **more):  # root may read everything, so modes do not do it
        if str(path) == str(planted):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return make_handle(path, *how, **more)

    monkeypatch.setattr(os, "open", refuse)
    told = try_verb(["compact", store.path], [planted], capsys)
    assert "Permission denied" in told
    assert planted.is_file()
    assert store.damaged() == [planted]
    assert store.read().equals(before)


@pytest.mark.parametrize("kind", faults.PROVENANCE | faults.PLANS)
def test_damaged_notes_cost_no_record(kind, store, tmp_path, capsys):
    plants = faults.PROVENANCE | faults.PLANS
    planted = plants[kind](store)
    try_verb(["status", tmp_path], [planted], capsys)
    with soon():
        assert Store.open(store.path, SPEC, {}).read().num_rows == 6
    if kind in faults.PLANS:  # the next run notes its plan anew, or tells that it cannot
        store.note_plan(["a", "b", "c"])
        assert store.planned() == 3 or shown(planted) in capsys.readouterr().err


@pytest.mark.parametrize("kind", faults.SPECS)
def test_a_damaged_spec_refuses_its_own_folder_alone(kind, store, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("gapless.store.store.CLAIM_S", 0.05)
    parts = store.part_files()
    planted = faults.SPECS[kind](store)
    for verb in ("status", "compact"):
        with soon():
            assert main([verb, str(tmp_path), "--json"]) == 0
        out, told = capsys.readouterr()
        assert '"store": "fig1"' in out
        assert '"store": "fig5"' not in out
        assert "fig5" in told
        assert told.count("\n") == 1
    for verb in (["status", store.path], ["export", store.path, tmp_path / "x.csv"]):
        with soon():
            assert main(list(map(str, verb))) == 2
        told = capsys.readouterr().err
        assert "fig5" in told
        assert told.count("\n") == 1
    assert store.part_files() == parts
    # moved away, as the line says, it is written anew and no record is lost
    planted.rmdir() if planted.is_dir() and not planted.is_symlink() else planted.unlink()
    assert Store.open(store.path, SPEC, {}).read().num_rows == 6


@pytest.mark.parametrize("kind", ["FIFO", "link to nowhere", "link to itself", "text"])
def test_a_folder_of_parts_that_is_none_is_named(kind, store, tmp_path, capsys):
    store.parts.rename(tmp_path / "elsewhere")
    faults.NO_FILES[kind](store.parts)
    for verb in (["status", store.path], ["export", store.path, tmp_path / "x.csv"]):
        with soon():
            assert main(list(map(str, verb))) == 2
        assert "cannot list" in capsys.readouterr().err


def test_a_foreign_table_in_a_store_of_the_first_version_is_left_alone(store):
    # in a store of the first schema version parts do not say what they are of
    text = store.spec_file.read_text().replace("schema_version = 2", "schema_version = 1")
    store.spec_file.write_text(text)
    foreign = faults.foreign_with_our_key(store)
    assert store.damaged() == [foreign]
    assert store.read().num_rows == 6
    assert compact(store) == 3
    assert foreign in store.part_files()
    assert store.read().num_rows == 6


HOSTILE = "<script>alert(1)</script>"
FORMULA = "=HYPERLINK('http://x')"


def with_column(folder: Path, **values: str) -> None:
    """Set text columns of all records, as a sender can."""
    store = Store(folder)
    records = store.read()
    for path in store.part_files():
        path.unlink()
    for name, value in values.items():
        here = records.schema.get_field_index(name)
        column = pa.array([value] * records.num_rows, pa.string())
        if here < 0:
            records = records.append_column(name, column)
        else:
            records = records.set_column(here, name, column)
    store.append(records)


def report(folder: Path, *options: str) -> str:
    with soon(120):
        assert main(["report", str(folder), *options]) == 0
    return (folder / "report.html").read_text()


def markup(page: str) -> str:
    """Return a page without the scripts and data of ours."""
    return re.sub(r"<script( type=\"application/json\" class=\"panels\")?>.*?</script>", "", page)


def test_a_report_of_a_hostile_folder_is_whole_and_names_what_it_leaves_out(sent, capsys):
    store = Store(sent / "fig5")
    planted = [plant(store) for plant in faults.PARTS.values()]
    capsys.readouterr()
    planted.append(faults.PROVENANCE["provenance: FIFO"](store))
    planted.append(faults.SPECS["spec: cut short"](Store.open(sent / "fig3", {"a": 1}, {})))
    (sent / "fig1").symlink_to("fig1")
    shutil.rmtree(sent / "fig4")
    for name in ("report.html", "fig5.png", "fig5.pdf"):
        faults.a_fifo(sent / name)
    (sent / "fig5.svg").symlink_to("/no/such/folder/x")
    page = report(sent)
    told = capsys.readouterr().err
    for path in planted:
        assert html.escape(shown(path)) in page
        assert shown(path) in told
    assert page.count('<svg role="img"') == 1
    assert page.rstrip().endswith("</html>")
    assert "Traceback" not in told
    assert "12 records" in page
    for name in ("fig5.png", "fig5.pdf", "fig5.svg"):
        assert (sent / name).is_file()
        assert not (sent / name).is_symlink()


@pytest.mark.usefixtures("unprinted")
def test_a_report_runs_no_code_that_records_name(sent, computed, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = tmp_path / "sent_along.py"
    module.write_text(
        "from pathlib import Path\n"
        f"Path({str(tmp_path / 'was_run')!r}).touch()\n"
        "from gapless.losses import normalised\nloss = normalised(2.0)\n"
    )
    digest = sha256(module.read_bytes()).hexdigest()[:12]
    shutil.rmtree(sent / "fig5")
    with_column(sent / "fig4", loss=f"sent_along:loss@{digest}")
    page = report(sent)
    assert f"sent_along:loss@{digest}" in page  # shown
    assert "--trust sent_along:loss" in capsys.readouterr().err
    assert not (tmp_path / "was_run").exists()  # not run
    assert computed == set()
    assert "sent_along" not in sys.modules
    assert "<svg" in page
    assert page.count("cannot be drawn") == 0

    page = report(sent, "--trust", "sent_along:loss")
    assert (tmp_path / "was_run").exists()
    told = capsys.readouterr().err
    assert "code is not run" not in page + told
    assert computed == {f"sent_along:loss@{digest}"}
    assert "5.75" in markup(page)
    # of other code by that name there are no lines
    with_column(sent / "fig4", loss="sent_along:loss@0123456789ab")
    assert "code is not run" in report(sent, "--trust", "sent_along:loss")
    assert main(["report", str(sent), "--trust", "no_such:loss"]) == 2
    assert "--trust: cannot import no_such" in capsys.readouterr().err


@pytest.mark.usefixtures("unprinted")
def test_text_of_records_is_text_in_a_page(sent, capsys):
    columns = ("labels", "loss", "protocol", "dtype", "outcome", "reason", "device", "commit")
    for name in ("fig4", "fig5"):
        with_column(sent / name, **dict.fromkeys(columns, HOSTILE), **{HOSTILE: HOSTILE})
        origin = {HOSTILE: HOSTILE, "created_at": HOSTILE, "version": [HOSTILE]}
        (sent / name / "provenance.json").write_text(json.dumps(origin))
    page = report(sent)
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in markup(page)


@pytest.mark.usefixtures("unprinted")
def test_nonsense_in_records_costs_its_figure_alone(sent, capsys):
    with_column(sent / "fig4", m="many", energy="low", outcome="trapped")
    page = report(sent)
    assert "fig4 cannot be drawn" in page
    assert "fig4 cannot be drawn" in capsys.readouterr().err
    assert page.count('<svg role="img"') == 1


def test_no_text_of_a_csv_is_a_formula(sent, tmp_path):
    with_column(sent / "fig5", reason=FORMULA, **{"=1+1": "-x"})
    file = tmp_path / "all.csv"
    assert main(["export", str(sent / "fig5"), str(file)]) == 0
    table = pd.read_csv(file)
    assert set(table.reason) == {f"'{FORMULA}"}
    assert set(table["'=1+1"]) == {"'-x"}
    made = csv_download("x.csv", pd.DataFrame({"@a": [FORMULA, None], "b": [-1.5, 2]})).content
    assert made.splitlines() == ["'@a,b", f"'{FORMULA},-1.5", ",2"]


@pytest.mark.parametrize("name", ["a\nrm -rf b", "a\rb", "a\x1b[1mb", "a\u2028b"])
def test_a_folder_whose_name_ends_a_comment_gets_no_script(name, tmp_path, capsys):
    folder = str(tmp_path / name)
    assert main(["reproduce", "fig5", "--out", folder, "--print-slurm", "2"]) == 2
    out, told = capsys.readouterr()
    assert out == ""
    assert "--print-slurm" in told
    assert told.count("\n") == 1
    assert name not in told


@pytest.mark.parametrize(
    "kind",
    [
        # what no one reads to its end, and what reads like a cache
        "FIFO",
        "flipped",
        *(
            pytest.param(kind, marks=pytest.mark.slow)
            for kind in [*faults.NO_FILES, "cut short"]
            if kind != "FIFO"
        ),
    ],
)
def test_a_damaged_cache_is_made_anew(kind, tmp_path, monkeypatch, capsys):
    made = without_theory(monkeypatch)
    first = grid.theory_grid(quartic, (4.0, 6.0), cache=tmp_path)
    (file,) = tmp_path.iterdir()
    content = file.read_bytes()
    assert grid.theory_grid(quartic, (4.0, 6.0), cache=tmp_path) == first
    assert len(made) == 2
    file.unlink()
    if kind in faults.NO_FILES:
        faults.NO_FILES[kind](file)
    else:
        wrong = content[:-40] if kind == "cut short" else content.replace(b"6.0", b"7.0")
        file.write_bytes(wrong)
    with soon():
        assert grid.theory_grid(quartic, (4.0, 6.0), cache=tmp_path) == first
    assert str(file) in capsys.readouterr().err
    assert len(made) == 4
    if kind != "folder":  # which stays, and is told again
        assert file.read_bytes() == content


def test_a_cache_that_cannot_be_written_costs_no_page(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("")
    without_theory(monkeypatch)
    assert grid.theory_grid(quartic, (4.0,), cache=tmp_path / "file")["alpha"] == [4.0]
    assert "cannot be kept" in capsys.readouterr().err


def test_an_explorer_of_a_user_without_a_home_is_made_all_the_same(quick, tmp_path, monkeypatch):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    assert main(["explore", "--export", str(tmp_path / "page"), "--alpha", "4,6"]) == 0
    assert (tmp_path / "page" / "index.html").exists()


def test_an_explorer_of_a_hostile_folder_is_made_without_its_run(store, tmp_path, capsys):
    Store.open(tmp_path / "fig2", SPEC, {})
    faults.SPECS["spec: FIFO"](Store(tmp_path / "fig2"))
    with soon():
        assert replay(tmp_path) is None
    assert "fig2 cannot be replayed" in capsys.readouterr().err


@pytest.mark.parametrize("mask", [0o022, 0o002, 0o077])
def test_files_have_the_permissions_that_the_user_has_set(mask, tmp_path):
    before = os.umask(mask)
    try:
        ours = write_durably(tmp_path / "a", b"")
        private = write_durably(tmp_path / "b", b"", private=True)
    finally:
        os.umask(before)
    assert ours.stat().st_mode & 0o777 == 0o666 & ~mask
    assert private.stat().st_mode & 0o777 == 0o600


def no_links(*paths, **how):
    raise PermissionError(errno.EPERM, "Operation not permitted")


def test_a_file_system_without_hard_links_holds_a_store(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "link", no_links)
    store = Store.open(tmp_path / "s", SPEC, {"version": "0"})
    store.append(table("ab"))
    assert Store.open(tmp_path / "s", SPEC, {}).read().num_rows == 2
    assert store.provenance() == {"version": "0"}
    assert sorted(os.listdir(tmp_path / "s")) == ["parts", "provenance.json", "spec.toml"]


@pytest.mark.parametrize("links", [True, False])
def test_of_two_first_writers_one_says_what_a_store_is_of(links, tmp_path, monkeypatch):
    if not links:
        monkeypatch.setattr(os, "link", no_links)
    for attempt in range(20):
        barrier, folder = threading.Barrier(4), tmp_path / str(attempt)
        refusals: list[str] = []

        def first(seed: int, folder=folder, barrier=barrier, refusals=refusals) -> int | None:
            barrier.wait()
            try:
                Store.open(folder, {"seed": seed}, {}).append(table("ab"))
            except StoreError as error:
                refusals.append(str(error))
                return None
            return seed

        with ThreadPoolExecutor(4) as pool:
            won = [seed for seed in pool.map(first, [0, 0, 1, 2]) if seed is not None]
        assert len(set(won)) == 1
        assert all("another spec (it differs in seed)" in told for told in refusals)
        store = Store.at(folder)
        assert store.spec()["seed"] == won[0]
        assert (store.damaged(), len(store.part_files())) == ([], 1)


@pytest.mark.slow
@pytest.mark.campaign
@pytest.mark.parametrize("group", ["PARTS", "PROVENANCE", "PLANS", "SPECS"])
def test_every_kind_of_fault_against_every_verb(group, sent, tmp_path, capsys, monkeypatch):
    """The table of docs/store.md: run with -s to see its numbers."""
    monkeypatch.setattr("gapless.store.store.CLAIM_S", 0.05)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    kinds, whole = getattr(faults, group), Store(sent / "fig5").read()
    counts = dict.fromkeys(["trials", "hangs", "tracebacks", "not named", "rows lost", "wrong"], 0)
    for plant in kinds.values():
        for verb in verbs(sent):
            folder = Path(shutil.copytree(sent, tmp_path / "trial"))
            store = Store(folder / "fig5")
            if verb == "explore":  # which reads Figure 2 only
                shutil.copytree(store.path, folder / "fig2")
                store = Store(folder / "fig2")
            planted = plant(store)
            name = shown(planted)
            capsys.readouterr()
            counts["trials"] += 1
            try:
                with soon(120):
                    code = main(list(map(str, verbs(folder)[verb])))
            except Hangs:
                counts["hangs"] += 1
                continue
            told = capsys.readouterr().err
            page = folder / "report.html"
            told += page.read_text() if page.is_file() else ""
            counts["tracebacks"] += "Traceback" in told or code not in (0, 2)
            # a plan says nothing but how many points there should be, which `status` tells
            silent = group == "PLANS" and verb not in ("status", "report")
            silent |= group == "PROVENANCE" and verb not in ("status", "report", "reproduce")
            counts["not named"] += not silent and name not in html.unescape(told)
            if group == "SPECS":  # moved away, as the line says, and the old one put back
                planted.rename(folder / "away")
                shutil.copy(sent / "fig5" / "spec.toml", planted)
            rows = store.read()
            counts["rows lost"] += max(0, whole.num_rows - rows.num_rows)
            counts["wrong"] += rows.num_rows >= whole.num_rows and not rows.equals(whole)
            shutil.rmtree(folder)
    with capsys.disabled():
        sys.stdout.write(f"\n{group}: {len(kinds)} kinds, {counts}\n")
    assert not any(counts[name] for name in counts if name != "trials"), counts


@pytest.mark.slow
@pytest.mark.campaign
def test_every_flip_and_every_truncation_of_a_part_is_noticed(store, capsys):
    path = store.part_files()[0]
    content, kept = path.read_bytes(), store.read()
    others = kept.num_rows - 2
    wrong = 0
    for bit in range(8 * len(content)):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << (bit % 8)
        path.write_bytes(flipped)
        wrong += (store.damaged(), store.read().num_rows) != ([path], others)
    for size in range(len(content)):
        path.write_bytes(content[:size])
        wrong += (store.damaged(), store.read().num_rows) != ([path], others)
    capsys.readouterr()
    with capsys.disabled():
        sys.stdout.write(f"\n{9 * len(content)} flips and truncations, {wrong} not noticed\n")
    path.write_bytes(content)
    assert store.read().equals(kept)
    assert wrong == 0
