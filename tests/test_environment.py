"""The surroundings of others change nothing: variables, flags, streams, modules, repositories."""

import json
import os
import subprocess
import sys
import warnings
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import jax
import matplotlib as mpl
import numpy as np
import pytest

import gapless as gl
from gapless.cli import main
from gapless.cli._shared import save_picture
from gapless.cli.explore import grid_cache
from gapless.page.panels import Axis, Panel, Picture, Series
from gapless.store import Store
from gapless.surroundings import forget_settings
from gapless.sweep import work
from gapless.threads import THREADS, pin_threads
from places import OLD_STORE
from settings import setting

GAPLESS = [sys.executable, "-m", "gapless"]
STATE = ["theory", "state", "--alpha", "10", "--json"]
NOWHERE = "/proc/none"
HOSTILE = {
    "MPLBACKEND": ["module://matplotlib_inline.backend_inline", "nonsense"],
    "MATPLOTLIBRC": [NOWHERE],
    "MPLCONFIGDIR": [NOWHERE],
    "JAX_DEFAULT_PRNG_IMPL": ["rbg", "nonsense"],
    "JAX_THREEFRY_PARTITIONABLE": ["0"],
    "JAX_RANDOM_SEED_OFFSET": ["3"],
    "JAX_ENABLE_CUSTOM_PRNG": ["1"],
    "JAX_DEBUG_NANS": ["1"],
    "JAX_DEBUG_INFS": ["1"],
    "JAX_DEBUG_KEY_REUSE": ["1"],
    "JAX_CHECK_TRACER_LEAKS": ["1"],
    "JAX_DISABLE_JIT": ["1"],
    "JAX_ENABLE_X64": ["1"],
    "JAX_NUMPY_DTYPE_PROMOTION": ["strict"],
    "JAX_NUMPY_RANK_PROMOTION": ["raise"],
    "JAX_DEFAULT_MATMUL_PRECISION": ["bfloat16", "nonsense"],
    "JAX_TRANSFER_GUARD": ["disallow"],
    "JAX_DISABLE_MOST_OPTIMIZATIONS": ["1"],
    "JAX_COMPILATION_CACHE_DIR": [NOWHERE],
    "JAX_PLATFORMS": ["nonsense", "cuda", "cpu"],
    "XLA_FLAGS": ["--xla_no_such_flag=1", "--xla_force_host_platform_device_count=3", NOWHERE],
    "OMP_NUM_THREADS": ["3", "0"],
    "NPROC": ["3"],
    "OPENBLAS_NUM_THREADS": ["3"],
    "NPY_DISABLE_CPU_FEATURES": ["AVX2 FMA3"],
    "SCIPY_ARRAY_API": ["1"],
    "PYTHONWARNINGS": ["error"],
    "PYTHONOPTIMIZE": ["2"],
    "PYTHONHASHSEED": ["1"],
    "PYTHONIOENCODING": ["ascii"],
    "PYTHONUTF8": ["0"],
    "LC_ALL": ["C", "de_DE.UTF-8", "nonsense"],
    "TERM": ["dumb", "nonsense"],
    "COLUMNS": ["20", "0", "nonsense"],
    "FORCE_COLOR": ["1"],
    "TZ": ["Asia/Kathmandu", "nonsense"],
    "HOME": [None, NOWHERE],
    "XDG_CACHE_HOME": [NOWHERE],
    "TMPDIR": [NOWHERE],
    "GIT_DIR": [NOWHERE],
    "GIT_WORK_TREE": ["/"],
}
"""Variable → values that somebody may have set, each harmless alone to what set it."""


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


def test_settings_of_others_are_forgotten(monkeypatch):
    for name, values in HOSTILE.items():
        monkeypatch.setenv(name, values[0] or "")
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_max_isa=AVX2 --xla_none --xla_dump_to=dumps")
    monkeypatch.setattr("sys.warnoptions", ["error"])
    with warnings.catch_warnings():
        forget_settings()
        warnings.warn("not an error", DeprecationWarning, stacklevel=1)
    left = {name for name in os.environ if name.startswith(("JAX_", "NPY_", "MPLB"))}
    assert left == {"JAX_PLATFORMS"}
    assert sys.warnoptions == []
    assert os.environ["XLA_FLAGS"] == "--xla_cpu_max_isa=AVX2 --xla_dump_to=dumps"
    assert os.environ["TZ"] == HOSTILE["TZ"][0]


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
    (["flow", "--help"], "2> /dev/full", 0, "Usage", None),
    (["flow", "--help"], ">&-", 0, None, None),
    (["flow", "--help"], ">&- 2>&- <&-", 0, None, None),
    (["flow", "--help"], "| head -c 10", 0, "Usage", None),
    (["flow", "--help"], "> /dev/full", 1, None, "o space"),
    (["folw"], "2>&-", 2, None, None),
    (["folw"], "2> >(true)", 2, None, None),
]


@pytest.mark.parametrize(("arguments", "shell", "code", "out", "err"), STREAMS)
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


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_what_a_stream_cannot_encode_is_escaped(encoding):
    done = run("theory", "curve", "--help", PYTHONIOENCODING=encoding)
    assert done.returncode == 0
    assert "along \\u03b1" in done.stdout.decode(encoding)


@pytest.mark.parametrize("columns", ["20", "1", "0", "-5", "nonsense", "٣"])
def test_help_is_printed_at_any_width(columns):
    done = run("success", "--help", COLUMNS=columns)
    assert done.returncode == 0
    assert b"--runs" in done.stdout


def test_help_has_its_text_where_docstrings_are_left_out():
    usual, without = (run("success", "--help", PYTHONOPTIMIZE=level) for level in ("0", "2"))
    assert usual.stdout == without.stdout
    assert b"Samples per dimension" in usual.stdout
    assert b"Processes to compute on" in usual.stdout


def test_a_notebook_s_backend_is_heeded_once_figures_can_be_drawn():
    code = (
        "from gapless.page.image import render; from gapless.page.panels import Picture;"
        "render(Picture('', ())); import matplotlib, os;"
        "print(matplotlib.get_backend(), os.environ['MPLBACKEND'])"
    )
    for backend, chosen in (("nonsense", None), ("svg", "svg")):
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

    save_picture(tmp_path / "usual.png", picture)
    style: dict[Any, Any] = {
        "figure.facecolor": "red",
        "lines.linewidth": 9,
        "savefig.bbox": "tight",
    }
    with mpl.rc_context({**style, "font.family": "monospace", "text.color": "green"}):
        save_picture(tmp_path / "styled.png", picture)
        assert mpl.rcParams["lines.linewidth"] == 9
    assert (tmp_path / "usual.png").read_bytes() == (tmp_path / "styled.png").read_bytes()


def test_threads_are_the_user_s_only_by_our_own_variable(monkeypatch, capsys):
    for name in THREADS:
        monkeypatch.setenv(name, "7")
    pin_threads()
    assert {os.environ[name] for name in THREADS} == {"1"}
    for wrong in ("0", "-1", "two", ""):
        monkeypatch.setenv("GAPLESS_THREADS", wrong)
        assert main(["status", str(OLD_STORE)]) == 2
        assert "GAPLESS_THREADS must be a positive integer" in capsys.readouterr().err


def test_no_cache_costs_nothing(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert grid_cache() == tmp_path / "gapless"
    for nowhere in (NOWHERE, "/dev/null/below"):
        monkeypatch.setenv("XDG_CACHE_HOME", nowhere)
        assert grid_cache() is None
    monkeypatch.delenv("XDG_CACHE_HOME")

    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    assert grid_cache() is None


def test_a_commit_is_that_of_our_own_source_or_none(monkeypatch, tmp_path):
    def git(*arguments):
        who = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.org"]
        command = ["git", "-C", str(tmp_path), *who, *arguments]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def commit_of(package, tracked):
        file = tmp_path / package / "sweep" / "work.py"
        file.parent.mkdir(parents=True)
        (tmp_path / package / "__init__.py").write_text("")
        git(*(["add", "."] if tracked else ["status"]))
        git("commit", "--allow-empty", "-m", "anything")
        monkeypatch.setattr("gapless.sweep.work.__file__", str(file))
        return work.commit()

    git("init")
    site = "lib/python3.11/site-packages/gapless"
    assert commit_of(f".venv/{site}", tracked=False) is None
    assert commit_of(f"vendored/{site}", tracked=True) is None
    assert commit_of("third/src/gapless", tracked=True) is None
    ours = commit_of("src/gapless", tracked=True)
    assert ours == git("describe", "--always", "--abbrev=12")
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.setenv(name, NOWHERE)
        assert work.commit() == ours
