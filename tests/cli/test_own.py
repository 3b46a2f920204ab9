"""Measurements of the user's own at the command line: recovered, continued, or refused."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.io
import scipy.sparse

import examples
from commands import answer
from gapless.cli import main
from places import ROOT

M, N = 60, 10
RNG = np.random.default_rng(11)
X = RNG.standard_normal((M, N))
SIGNAL = RNG.standard_normal(N)
Y2 = (X @ SIGNAL) ** 2
GOOD = {"X": X, "y2": Y2}
END = ("--save-at", "0,0.1")
PAGE = ROOT / "docs" / "howto" / "own-data.md"


def changed(array: np.ndarray, value: Any, *place: int) -> np.ndarray:
    """Return a copy with one entry changed."""
    copy = array.copy()
    copy[place] = value
    return copy


def npz(**arrays: Any) -> Callable[[Path], str]:
    """Return a writer of a file with the good arrays, some replaced, or left out by None."""

    def write(folder: Path) -> str:
        given: Any = {name: one for name, one in (GOOD | arrays).items() if one is not None}
        np.savez(folder / "d.npz", **given)
        return "d.npz"

    return write


def written(name: str, content: bytes) -> Callable[[Path], str]:
    def write(folder: Path) -> str:
        (folder / name).write_bytes(content)
        return name

    return write


def cut_off(folder: Path) -> str:
    name = npz()(folder)
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])
    return name


def flipped(folder: Path) -> str:
    """Flip one byte of X's numbers: the archive's checksum no longer fits."""
    name = npz()(folder)
    content = bytearray((folder / name).read_bytes())
    content[1000] ^= 0xFF
    (folder / name).write_bytes(content)
    return name


def mat(arrays: dict[str, Any]) -> Callable[[Path], str]:
    def write(folder: Path) -> str:
        scipy.io.savemat(folder / "d.mat", arrays)
        return "d.mat"

    return write


def parquet(columns: dict[str, Any]) -> Callable[[Path], str]:
    def write(folder: Path) -> str:
        pq.write_table(pa.table(columns), folder / "d.parquet")
        return "d.parquet"

    return write


def npy(beside: dict[str, Any]) -> Callable[[Path], str]:
    def write(folder: Path) -> str:
        np.save(folder / "X.npy", X)
        for name, array in beside.items():
            np.save(folder / f"{name}.npy", array, allow_pickle=True)
        return "X.npy"

    return write


def folder_of_arrays(folder: Path) -> str:
    npy({"y2": Y2})(folder)
    return "."


def member(content: bytes):
    """Return the writer of a file whose y2 is no array."""

    def write(folder: Path) -> str:
        npz(y2=None)(folder)
        with zipfile.ZipFile(folder / "d.npz", "a") as file:
            file.writestr("y2", content)
        return "d.npz"

    return write


def beside(content: bytes):
    """Return the writer of a folder with an X and a file y2.npy of this content."""

    def write(folder: Path) -> str:
        np.save(folder / "X.npy", X)
        (folder / "y2.npy").write_bytes(content)
        return "X.npy"

    return write


OBJECTS = np.array([1.0, None] * (M // 2), object)
V73 = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(128) + b"\x89HDF\r\n\x1a\n" + bytes(64)
WRONG: dict[str, tuple[Callable[[Path], str], str]] = {
    "no X": (npz(X=None), "no array X"),
    "no labels": (npz(y2=None), "neither is there"),
    "both kinds of labels": (npz(y=np.sqrt(Y2)), "both are there"),
    "NaN in X": (npz(X=changed(X, np.nan, 3, 4)), "X: entry [3, 4] is not finite"),
    "infinity in X": (npz(X=changed(X, np.inf, 59, 9)), "X: entry [59, 9] is not finite"),
    "NaN in y2": (npz(y2=changed(Y2, np.nan, 5)), "y2: entry [5] is not finite"),
    "negative y2": (npz(y2=changed(Y2, -1.0, 7)), "y2: entry [7] is negative"),
    "labels vanish": (npz(y2=0 * Y2), "vanish"),
    "one label too few": (npz(y2=Y2[1:]), "must be (M,) = (60,)"),
    "X transposed": (npz(X=X.T), "transpose it"),
    "labels of rank 3": (npz(y2=Y2[None, None]), "y2: the shape must be"),
    "no sample": (npz(X=X[:0], y2=Y2[:0]), "X: the shape must be (M, N)"),
    "X of rank 1": (npz(X=X[:, 0]), "X: the shape must be (M, N)"),
    "one dimension": (npz(X=X[:, :1]), "X: N must be at least 2"),
    "fewer samples than dimensions": (npz(X=X[:9], y2=Y2[:9]), "fewer than N = 10"),
    "a column vanishes": (npz(X=X * (np.arange(N) != 6)), "column 6 vanishes"),
    "a column twice": (npz(X=X[:, [*range(9), 0]]), "has rank 9"),
    "rank lost to rounding": (
        npz(X=np.c_[X[:, :9], X[:, :9].sum(axis=1)].astype("f")),
        "has rank 9",
    ),
    "X vanishes": (npz(X=0 * X), "X: all entries vanish"),
    "X too large": (npz(X=1e200 * X), "rescale X"),
    "X too small": (npz(X=1e-30 * X), "rescale X"),
    "integers": (npz(X=(X > 0).astype(np.int8)), "X.astype('float32')"),
    "truth values": (npz(X=X > 0), "X: must be an array of numbers"),
    "complex X": (npz(X=X + 1j * X), "give --field complex"),
    "complex labels": (npz(y2=Y2 + 0j), "y2: is complex"),
    "text": (npz(y2=np.full(M, "one")), "y2: must be an array of numbers"),
    "Python objects": (npz(y2=OBJECTS), "holds Python objects in y2"),
    "teacher too short": (npz(teacher=SIGNAL[1:]), "teacher: the shape must be"),
    "two teachers of one y": (npz(teacher=np.stack([SIGNAL] * 2)), "teacher: has 2 rows"),
    "teacher vanishes": (npz(teacher=0 * SIGNAL), "teacher: a row vanishes"),
    "start not finite": (npz(start=np.full((1, N), np.nan)), "start: entry [0, 0]"),
    "start of another shape": (npz(start=X), "runs"),
    "labels too large": (npz(y2=1e220 * Y2), "y2: has labels of up to"),
    "norm of another unit": (npz(norm=1e-300), "norm: the labels are"),
    "teacher of another unit": (npz(teacher=1e200 * SIGNAL), "teacher: has entries of up to"),
    "start too long": (npz(start=np.full((1, N), 1e200)), "start: has entries of up to"),
    "X of rank 0": (npz(X=np.float64(1)), "X: the shape must be (M, N)"),
    "no array": (member(b"text"), "holds no array in y2"),
    "a header cut off": (
        written("X.npy", b"\x93NUMPY\x01\x00\x10\x00" + b"{'descr': (".ljust(16)),
        "cannot be read",
    ),
    "y2 damaged beside X": (beside(b""), "y2.npy, which is damaged"),
    "norm negative": (npz(norm=-1.0), "norm: must be one positive number"),
    "no file": (lambda folder: "none.npz", "No such file"),
    "folder": (folder_of_arrays, "is of no known kind"),
    "folder by name": (lambda folder: ((folder / "d.npz").mkdir(), "d.npz")[1], "is a folder"),
    "unknown kind": (written("d.csv", b"1,2\n"), "is of no known kind"),
    "empty file": (written("d.npz", b""), "cut off"),
    "cut off": (cut_off, "cut off"),
    "damaged": (flipped, "cannot be read"),
    "no .npy": (written("X.npy", b"nothing"), "is no .npy file"),
    "objects beside X": (npy({"y2": OBJECTS}), "holds Python objects in y2"),
    "X alone": (npy({}), "neither is there"),
    "version 7.3": (written("d.mat", V73), "-v7"),
    "damaged .mat": (written("d.mat", b"\x00" * 200), "is damaged"),
    "cells": (mat({"X": X, "y2": np.array([1.0, "a"], object)}), "full matrix"),
    "sparse": (mat({"X": scipy.sparse.csc_matrix(X), "y2": Y2}), "full(X)"),
    "no Parquet": (written("d.parquet", b"PAR1"), "cannot be read"),
    "null": (parquet({"X": list(X), "y2": [None, *Y2[1:]]}), "has null in y2"),
    "ragged": (parquet({"X": [X[0, 1:], *X[1:]], "y2": Y2}), "rows of several lengths"),
    "columns of text": (parquet({"X": ["a"] * M, "y2": Y2}), "holds string in X"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_file_is_one_line_that_names_the_array(what, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write, named = WRONG[what]
    runs = ("--runs", "3") if what == "start of another shape" else ()
    assert main(["flow", "--data", write(tmp_path), *runs]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("gapless flow: --data: ")
    assert named in err


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ("flow --n 8", "--n: goes with drawn problems"),
        ("flow --alpha 3", "--alpha: goes with drawn problems"),
        ("flow --dtype float64", "--dtype: goes with drawn problems"),
        ("flow --sensing fast", "--sensing: goes with drawn problems"),
        ("flow --labels gaussian", "--labels: 'gaussian' is not one of teacher"),
        ("flow --start overlap:0.5", "--start: the data have no teacher"),
        ("flow --start none.npz", "--start: none.npz cannot be opened"),
        ("flow --start d.npz", "--start: d.npz has no array w"),
        ("flow --save-state out.mat", "--save-state: out.mat must end in .npz"),
        ("flow --save-state none/out.npz", "--save-state: the folder none does not exist"),
        ("spectrum --runs-per-design 2", "--runs-per-design: goes with drawn problems"),
        ("spectrum --lowest 11", "--lowest: must lie between 1 and n=10"),
        ("border --alpha 3", "--alpha: goes with drawn problems"),
        ("border --runs-per-design 3", "--runs-per-design: goes with drawn problems"),
        ("border --workers 2", "--workers: goes with drawn problems"),
    ],
)
def test_what_does_not_go_with_a_file_is_one_line(arguments, named, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    verb, *options = arguments.split()
    assert main([verb, "--data", npz()(tmp_path), *options]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert named in err


@pytest.mark.parametrize("verb", ["flow", "spectrum", "border"])
def test_without_a_file_the_sizes_are_asked_for(verb, capsys):
    assert main([verb]) == 2
    assert "--n, --alpha: must be given; or give --data FILE" in capsys.readouterr().err


@pytest.fixture(scope="module")
def patterns(tmp_path_factory) -> Path:
    """Return the folder of the files that the script of the page writes, without gapless."""
    folder = tmp_path_factory.mktemp("patterns")
    script = next(block for block in examples.blocks(PAGE) if block.mark == "file")
    assert script.word is not None
    assert "gapless" not in script.text
    with pytest.MonkeyPatch.context() as here:
        here.chdir(folder)
        exec(compile(script.text, script.word, "exec"), {"__name__": "__main__"})
    return folder


def test_an_image_behind_coded_patterns_is_recovered(patterns, tmp_path, capsys):
    """With the image in the file by its overlap, without it by what is written."""
    state = tmp_path / "state.npz"
    ask = ("--runs", "2", "--t-max", "20", "--save-state", str(state), "--save-at", "0")
    known = np.load(patterns / "known.npz")
    image = known["teacher"]
    for name, outcome in (("known", "recovered"), ("patterns", "interpolated")):
        found = answer(capsys, "flow", "--data", str(patterns / f"{name}.npz"), *ask)
        there = [run for run in range(2) if found["outcome"][run] == outcome]
        assert there
        assert (found["overlap"] is None) == (name == "patterns")
        w, y_hat = (np.load(state)[part] for part in ("w", "y_hat"))
        for run in there:
            assert found["misfit"][run] < 1e-5
            # e ≤ 1e-8 at λ₁ > 1 of the Hessian: |W − W*|²/N ≤ 2e-8
            off = w[run] * np.sign(w[run] @ image) - image
            assert np.linalg.norm(off) < 2e-4 * np.linalg.norm(image)
            np.testing.assert_allclose(y_hat[run], known["X"] @ w[run], atol=1e-9 * y_hat.max())


def test_a_complex_image_behind_random_phases_is_recovered_and_has_a_spectrum(tmp_path, capsys):
    rng = np.random.default_rng(4)
    image = rng.random(16) * np.exp(2j * np.pi * rng.random(16))
    masks = np.exp(2j * np.pi * rng.random((10, 16)))
    matrix = np.concatenate([np.fft.fft(np.eye(16)) * mask for mask in masks])
    data, state = str(tmp_path / "phases.npz"), str(tmp_path / "state.npz")
    np.savez(data, X=matrix, y2=np.abs(matrix @ image) ** 2, teacher=image)
    ask = ("--data", data, "--field", "complex")
    run = ("--runs", "4", "--t-max", "30", "--save-at", "0", "--save-state", state)
    found = answer(capsys, "flow", *ask, *run)
    there = [i for i in range(4) if found["outcome"][i] == "recovered"]
    assert there
    w, y_hat = (np.load(state)[part] for part in ("w", "y_hat"))
    for i in there:
        phase = np.vdot(w[i], image) / abs(np.vdot(w[i], image))
        assert np.linalg.norm(phase * w[i] - image) < 2e-4 * np.linalg.norm(image)
        np.testing.assert_allclose(y_hat[i], np.abs(matrix @ w[i]), atol=1e-9 * y_hat.max())
    spectra = answer(capsys, "spectrum", *ask, "--start", state, "--at", "random")
    for i in there:
        # a minimum: the phase, of eigenvalue zero, is projected out
        assert spectra["runs"][i]["eigenvalues"][0] > 0
    assert main(["flow", "--data", data]) == 2
    assert "X: is complex, and the signals would be real" in capsys.readouterr().err
    assert main(["border", "--data", data]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_saved_state_is_where_the_next_command_starts(patterns, tmp_path, capsys):
    data, state = str(patterns / "patterns.npz"), str(tmp_path / "state.npz")
    ask = ("flow", "--data", data, "--t-max", "0.1", *END)
    first = answer(capsys, *ask, "--runs", "3", "--save-state", state)
    then = answer(capsys, *ask, "--start", state)
    w = np.load(state)["w"]
    # its norm is the estimate of the first command, so e goes on from where it was
    np.testing.assert_allclose([e[0] for e in then["energy"]], [e[-1] for e in first["energy"]])
    np.testing.assert_allclose(np.linalg.norm(w, axis=1), first["norm"], rtol=1e-12)
    pairs = str(tmp_path / "pairs.npz")
    ask = ("spectrum", "--data", data, "--start", state, "--at", "random")
    spectrum = answer(capsys, *ask, "--save-state", pairs)
    assert len(spectrum["runs"]) == 3
    assert spectrum["sha256"] == first["sha256"]
    found = np.load(pairs)
    values, vectors = found["eigenvalues"], found["eigenvectors"]
    assert values.tolist() == [run["eigenvalues"] for run in spectrum["runs"]]
    assert all(run["overlap"] == [None] * 3 for run in spectrum["runs"])
    assert all(run["hessian_edge"] is not None for run in spectrum["runs"])
    gram = np.einsum("kin,kjn->kij", vectors, vectors)
    np.testing.assert_allclose(gram, np.broadcast_to(np.eye(3), (3, 3, 3)), atol=1e-9)
    law = spectrum["label_law"][0]
    y2 = np.load(data)["y2"]
    ratio = float((y2**2).mean() / y2.mean() ** 2)
    assert law["data"]["4"] / law["data"]["2"] ** 2 == pytest.approx(ratio)


def test_the_energy_of_a_drawn_run_goes_on_from_its_file_too(tmp_path, capsys):
    state = str(tmp_path / "state.npz")
    ask = ("flow", "--n", "16", "--alpha", "4", "--t-max", "0.1", "--save-at", "0,0.1")
    first = answer(capsys, *ask, "--runs", "5", "--runs-per-design", "5", "--save-state", state)
    then = answer(capsys, *ask, "--runs-per-design", "5", "--start", state)
    before, after = ([e[at] for e in run["energy"]] for run, at in ((first, 1), (then, 0)))
    np.testing.assert_allclose(after, before, rtol=1e-4)
    for n, more in (("16", ("--runs", "3")), ("16", ("--runs-per-design", "2")), ("17", ())):
        assert main(["flow", "--n", n, "--alpha", "4", "--start", state, *more]) == 2
        err = capsys.readouterr().err
        assert err.count("\n") == 1
        assert "states" in err


@pytest.mark.slow
def test_minima_on_data_have_a_border_and_an_address(patterns, tmp_path, capsys):
    data, out = str(patterns / "patterns.npz"), str(tmp_path / "out")
    first = answer(capsys, "border", "--data", data, "--runs", "2", "--out", out)
    again = answer(capsys, "border", "--data", data, "--runs", "2", "--out", out)
    assert first == again
    for run in first["runs"]:
        assert (run["unstable"] is not None) == (run["outcome"] == "minimum")
        assert run["lambda_1"] is None or run["lambda_1"] > 0 or run["outcome"] == "saddle"


@pytest.mark.slow
def test_pictures_and_tables_state_the_units(patterns, tmp_path, capsys):
    picture = tmp_path / "spectrum.svg"
    ask = ["spectrum", "--data", str(patterns / "patterns.npz"), "--runs", "1", "--at", "random"]
    assert main([*ask, "--plot", str(picture)]) == 0
    assert "quartic loss, N = 144" in picture.read_text("utf-8")
    assert "scaled: X by 1/1.0" in capsys.readouterr().out


def test_json_of_data_is_one_object(patterns, capsys):
    assert (
        main(["flow", "--data", str(patterns / "known.npz"), "--t-max", "0.1", *END, "--json"]) == 0
    )
    found = json.loads(capsys.readouterr().out)
    assert found["norm_from"] == "teacher"
    assert found["sensing"] is None
    assert len(found["sha256"]) == 64


def test_one_start_in_a_file_is_one_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    npz(start=np.ones(N))(tmp_path)
    assert main(["spectrum", "--data", "d.npz", "--at", "random", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["runs"]) == 1


def test_states_of_a_mat_file_may_be_of_one_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    scipy.io.savemat("w.mat", {"w": np.ones((1, 16))})
    drawn = ["flow", "--n", "16", "--alpha", "6", "--start", "w.mat"]
    assert main([*drawn, "--t-max", "0.01"]) == 0
    np.savez("w.npz", w=np.ones((1, 16)) + 1j)
    capsys.readouterr()
    assert main([*drawn[:-1], "w.npz"]) == 2
    assert "has complex states" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--plot", "--save-state"])
def test_a_file_that_cannot_be_written_costs_no_number(option, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("gapless.page.image.write_durably", full)
    monkeypatch.setattr("gapless.measure.own.write_durably", full)
    name = "a.png" if option == "--plot" else "a.npz"
    assert main(["flow", "--n", "8", "--alpha", "3", option, name, "--json"]) == 2
    out, err = capsys.readouterr()
    assert len(json.loads(out)["energy"]) == 1
    assert f"{option}: cannot write {name} (No space left on device)" in err
