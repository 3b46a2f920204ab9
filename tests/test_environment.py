"""The surroundings of others change nothing: variables, flags, streams, modules, repositories."""

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import jax
import matplotlib as mpl
import numpy as np
import pytest

import gapless as gl
from gapless.cli import main
from gapless.cli.saved import save_picture
from gapless.page.panels import PLAIN, Axis, Panel, Picture, Series
from gapless.store import Store
from hostile import HOSTILE
from places import OLD_STORE
from settings import setting

GAPLESS = [sys.executable, "-m", "gapless"]

STATE = ["theory", "state", "--alpha", "10", "--json"]


def surroundings(**changes):
    changed = {key: value for key, value in {**os.environ, **changes}.items() if value is not None}
    changed["PYTHONPATH"] = str(Path(gl.__file__).parents[1])
    return changed


def run(*arguments, cwd=None, shell=None, **changes):
    """Run the command line; `shell` is what redirects it."""
    command = [*GAPLESS, *map(str, arguments)]
    if shell is not None:
        command = ["bash", "-c", f'set -o pipefail; "$@" {shell}', "bash", *command]
    return subprocess.run(
        command, capture_output=True, cwd=cwd, env=surroundings(**changes), timeout=300
    )


def computed(spectra):
    design = gl.Design(n=32, alpha=6, seed=3, runs=2)
    problem = gl.draw_problem(design, labels="shuffled", noise=0.1)
    run = gl.integrate(problem, design.start(), t_max=0.05)
    alone = gl.draw_problem(design, labels="gaussian")
    state = gl.threshold_state(gl.quartic, alpha=6)
    found = [problem.sensing, problem.labels, run.energy, run.overlap, run.passage]
    if spectra:
        key = design.key("lanczos")
        found += gl.lowest_eigenpairs(problem, run.state.w, 1, key=key, method="lanczos")
    found += [alone.labels, alone.overlap(run.state.w), [state.energy, state.bulk_edge]]
    return [np.asarray(array) for array in found]


@pytest.mark.parametrize("spectra", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_flags_of_a_session_change_no_number_and_stop_nothing(spectra):
    usual = computed(spectra)
    with ExitStack() as stack:
        stack.callback(jax.config.update, "jax_random_seed_offset", 0)
        jax.config.update("jax_random_seed_offset", 3)
        for flag in (
            jax.default_prng_impl("rbg"),
            jax.threefry_partitionable(False),
            jax.debug_nans(True),
            jax.debug_infs(True),
            jax.debug_key_reuse(True),
            jax.check_tracer_leaks(True),
            jax.numpy_dtype_promotion("strict"),
            jax.default_matmul_precision("bfloat16"),
            np.errstate(all="raise"),
        ):
            stack.enter_context(flag)
        for here, there in zip(computed(spectra), usual, strict=True):
            np.testing.assert_array_equal(here, there)
        assert setting("jax_debug_nans")
        assert np.geterr()["over"] == "raise"


def test_a_process_that_finds_all_of_it_answers_the_same(capsys, tmp_path):
    for name in ("numpy", "jax", "code", "random", "select", "statistics"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the file of somebody else')")
    (tmp_path / "matplotlibrc").write_text("figure.figsize: 1, 1\n")
    # a processor or a language that is not there has no part in this
    usual = {"XLA_FLAGS", "PYTHONPATH", "GIT_WORK_TREE"}
    all_of_it = {name: values[0] for name, values in HOSTILE.items() if name not in usual}
    flags = f"--xla_no_such_flag=1 {os.environ.get('XLA_FLAGS', '')}"
    found = run(*STATE, cwd=tmp_path, XLA_FLAGS=flags, **all_of_it)
    assert found.returncode == 0, found.stderr.decode()
    assert main(STATE) == 0
    assert found.stdout.decode() == capsys.readouterr().out


@pytest.mark.slow
def test_all_of_it_leaves_records_and_their_origin_as_they_are(tmp_path):
    command = ["success", "--n", "8", "--alpha", "4", "--runs", "4", "--workers", "1"]

    def records(name, **changes):
        folder = tmp_path / name
        done = run(*command, "--out", folder, cwd=tmp_path, **changes)
        assert done.returncode == 0, (name, done.stderr.decode())
        table = Store.at(folder).read().to_pandas()
        origin = json.loads((folder / "provenance.json").read_text())
        return table.drop(columns=["wall_s", "written_at"]), origin | {"created_at": 0}

    usual, origin = records("usual")
    for turn in range(max(map(len, HOSTILE.values()))):
        found = {
            name: with_flags(name, values[turn % len(values)]) for name, values in HOSTILE.items()
        }
        here, there = records(f"turn {turn}", **found)
        assert here.to_json() == usual.to_json()
        assert there == origin


def with_flags(name, value):
    """Return the value, with the flags that the reference is compiled by."""
    return f"{value} {os.environ.get('XLA_FLAGS', '')}" if name == "XLA_FLAGS" else value


STREAMS = [
    # (arguments, what redirects them, exit code, a word of stdout, a word of stderr)
    (["status", OLD_STORE, "--json"], "<&- 2>&-", 0, '"points": 2', None),
    (["status", OLD_STORE, "--json"], "| head -c 0", 0, None, None),
    (["status", OLD_STORE, "--json"], "> /dev/full", 1, None, "written"),
    (["folw"], "2>&-", 2, None, None),
]
MORE_STREAMS = [
    (["flow", "--help"], ">&- 2>&- <&-", 0, None, None),
    (["flow", "--help"], "2> /dev/full", 0, "Usage", None),
    (["flow", "--help"], ">&-", 0, None, None),
    (["flow", "--help"], "| head -c 10", 0, "Usage", None),
    (["flow", "--help"], "> /dev/full", 1, None, "o space"),
    (["folw"], "2> >(true)", 2, None, None),
]
SLOW = [pytest.param(*one, marks=pytest.mark.slow) for one in MORE_STREAMS]


@pytest.mark.parametrize(("arguments", "shell", "code", "out", "err"), [*STREAMS, *SLOW])
def test_a_stream_that_nobody_reads_is_no_failure_and_a_full_disk_is(
    arguments, shell, code, out, err
):
    done = run(*arguments, shell=shell)
    assert done.returncode == code, done.stderr.decode()
    assert (out or "") in done.stdout.decode()
    if err is None:
        assert done.stderr == b""
    else:
        assert err in done.stderr.decode()
        assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("encoding", ["ascii", pytest.param("latin-1", marks=pytest.mark.slow)])
def test_what_a_stream_cannot_encode_is_escaped(encoding):
    done = run("theory", "curve", "--help", PYTHONIOENCODING=encoding)
    assert done.returncode == 0
    assert "along \\u03b1" in done.stdout.decode(encoding)


@pytest.mark.parametrize(
    "columns",
    ["1", *(pytest.param(c, marks=pytest.mark.slow) for c in ("nonsense", "20", "0", "-5", "٣"))],
)
def test_help_is_printed_at_any_width(columns):
    done = run("success", "--help", COLUMNS=columns)
    assert done.returncode == 0
    assert b"--runs" in done.stdout


def test_help_has_its_text_where_docstrings_are_left_out(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "90")
    without = run("success", "--help", PYTHONOPTIMIZE="2").stdout.decode()
    assert main(["success", "--help"]) == 0
    assert without == capsys.readouterr().out
    assert "Samples per dimension" in without
    assert "Number of worker processes" in without


@pytest.mark.parametrize(
    ("backend", "chosen"),
    [("svg", "svg"), pytest.param("nonsense", None, marks=pytest.mark.slow)],
)
def test_a_notebook_s_backend_is_heeded_once_figures_can_be_drawn(backend, chosen):
    code = (
        "from gapless.page.image import render; from gapless.page.panels import Picture;"
        "render(Picture('', ())); import matplotlib, os;"
        "print(matplotlib.get_backend(), os.environ['MPLBACKEND'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, env=surroundings(MPLBACKEND=backend)
    )
    assert done.returncode == 0, done.stderr.decode()
    found, named = done.stdout.decode().split()
    assert named == backend
    assert chosen in (None, found)


def test_pictures_take_no_style_from_the_user(tmp_path):
    def picture():
        curve = Series("a curve", [0, 1], [0, 1])
        return Picture("a picture", [[Panel("a panel", Axis("x"), Axis("y"), [curve])]])

    save_picture(tmp_path / "usual.png", PLAIN, picture)
    style: dict[Any, Any] = {
        "figure.facecolor": "red",
        "lines.linewidth": 9,
        "savefig.bbox": "tight",
    }
    with mpl.rc_context({**style, "font.family": "monospace", "text.color": "green"}):
        save_picture(tmp_path / "styled.png", PLAIN, picture)
        assert mpl.rcParams["lines.linewidth"] == 9
    assert (tmp_path / "usual.png").read_bytes() == (tmp_path / "styled.png").read_bytes()
