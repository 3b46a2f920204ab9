"""Checkpoints: a simulation that was cut goes on from its last save time, to the same numbers."""

import json
import pickle
from hashlib import sha256

import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import array_shapes, arrays

import faults
from gapless.flow import Observables, integrate
from gapless.measure import checkpoint, simulation
from gapless.measure.checkpoint import Checkpoint, checkpoints_in
from gapless.measure.mean_field import MeanField, solution_of
from gapless.measure.simulation import Simulation

POINT = Simulation(n=32, alpha=6, seed=1, runs=2, t_max=0.6, save_at=(0.1, 0.2, 0.4, 0.6))


class Cut(Exception):
    pass


def test_a_cut_simulation_goes_on_to_the_same_numbers(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "EVERY_S", 0.0)
    whole = POINT.measure()
    seen = []

    def cut_at_the_third(share: float) -> None:
        seen.append(share)
        if len(seen) == 3:
            raise Cut

    with checkpoints_in(tmp_path):
        with pytest.raises(Cut):
            POINT.measure(cut_at_the_third)
        assert len(list(tmp_path.glob("*.checkpoint"))) == 1
        left = []
        assert POINT.measure(left.append).equals(whole)
        assert len(left) == 1
        Checkpoint(POINT).discard()
        assert not list(tmp_path.glob("*"))


@pytest.fixture(scope="module")
def whole():
    """What the undisturbed simulation gives."""
    return POINT.measure()


@pytest.fixture
def file(tmp_path, monkeypatch):
    """The checkpoint of a simulation that was cut half-way."""
    monkeypatch.setattr(checkpoint, "EVERY_S", 0.0)
    folder = tmp_path / "checkpoints"

    def cut_at_the_second(share: float, seen=[0]) -> None:  # noqa: B006
        seen[0] += 1
        if seen[0] == 2:
            raise Cut

    with checkpoints_in(folder), pytest.raises(Cut):
        POINT.measure(cut_at_the_second)
    (file,) = folder.iterdir()
    with checkpoints_in(folder):
        yield file


def left_of(point: Simulation, whole: pa.Table) -> int:
    """Return how many save times a simulation had left; its numbers are those of `whole`."""
    left: list[float] = []
    assert point.measure(left.append).equals(whole)
    return len(left)


def test_a_checkpoint_is_the_users_alone(file):
    assert file.stat().st_mode & 0o77 == 0
    assert file.parent.stat().st_mode & 0o77 == 0


def test_a_simulation_in_float64_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "EVERY_S", 0.0)
    point = Simulation(n=8, alpha=6, seed=1, runs=2, protocol="paper", save_at=(0.1, 0.2))
    whole = point.measure()
    with checkpoints_in(tmp_path):
        point.measure()  # its last checkpoint stays, the point's records are not stored
        assert left_of(point, whole) == 0


@pytest.mark.parametrize("share", [0.0, 0.5, 0.999])
def test_a_checkpoint_cut_short_is_told_and_ignored(file, share, capsys):
    content = file.read_bytes()
    file.write_bytes(content[: int(share * len(content))])
    assert Checkpoint(POINT).read() is None
    told = capsys.readouterr().err
    assert str(file) in told
    assert told.count("\n") == 1


def flips(file, bits) -> int:
    """Return how many of these single flipped bits are noticed."""
    content, noticed = file.read_bytes(), 0
    for bit in bits:
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << (bit % 8)
        file.write_bytes(flipped)
        noticed += Checkpoint(POINT).read() is None
    file.write_bytes(content)
    return noticed


def test_any_flipped_bit_of_a_checkpoint_is_noticed(file, whole):
    size = 8 * file.stat().st_size
    header = range(0, 8 * 512, 31)
    anywhere = np.random.default_rng(0).integers(size, size=200).tolist()
    assert flips(file, [*header, *anywhere]) == len(header) + len(anywhere)
    assert left_of(POINT, whole) == 2


@pytest.mark.slow
@pytest.mark.campaign
def test_every_flip_and_every_truncation_of_a_checkpoint_is_noticed(file):
    content = file.read_bytes()
    assert 8 * len(content) > 9_120
    assert flips(file, range(8 * len(content))) == 8 * len(content)
    for size in range(len(content)):
        file.write_bytes(content[:size])
        assert Checkpoint(POINT).read() is None


def test_a_checkpoint_of_something_else_is_told_and_ignored(file, capsys):
    others = [
        POINT.model_copy(update={"seed": 2}),
        MeanField(alpha=6, t_max=0.2, step=0.1, paths=64, seed=1),
    ]
    for other in others:
        found = Checkpoint(other)
        found.write({"averages": np.zeros(3)})
        assert found.path is not None
        found.path.replace(file)
        assert Checkpoint(POINT).read() is None
        assert "other parameters" in capsys.readouterr().err


def test_other_arrays_are_told_and_ignored(file, whole, capsys):
    good = Checkpoint(POINT).read()
    assert good is not None
    some = ["state.w", "state.passage", "state.running", "start.energy", "saved.mu", "times"]
    worse = [good | {name: good[name][:1]} for name in some]
    worse += [good | {name: good[name].astype(np.float16)} for name in some]
    worse += [good | {name: good[name][..., None]} for name in some]
    worse += [good | {"start.energy": good["start.energy"] + 1}]
    worse += [{n: a for n, a in good.items() if n != name} for name in some]
    worse += [{}, good | {f"saved.{n}": np.zeros((2, 9)) for n in Observables._fields}]
    for bad in worse:
        Checkpoint(POINT).write(bad)
        assert left_of(POINT, whole) == 4
        told = capsys.readouterr().err
        assert str(file) in told
        assert told.count("\n") == 1
    Checkpoint(POINT).write(good)
    assert left_of(POINT, whole) == 2


def test_other_arrays_of_a_mean_field_are_told_and_ignored(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(checkpoint, "EVERY_S", 0.0)
    point = MeanField(alpha=6, t_max=0.2, step=0.05, paths=64, seed=1, waiting=(0.05,))
    whole = solution_of(point)

    seen = []

    def cut_at_the_fourth(share: float) -> None:
        seen.append(share)
        if len(seen) == 4:
            raise Cut

    with checkpoints_in(tmp_path):
        with pytest.raises(Cut):
            solution_of(point, cut_at_the_fourth)
        good = Checkpoint(point).read()
        assert good is not None
        some = ["scalars", "labels", "components", "probe_counts", "clock", "log_norms"]
        some += ["components_1", "images_0", "residual_1"]
        worse = [good | {name: good[name][:-1]} for name in some]
        worse += [good | {name: good[name].astype(np.float16)} for name in some]
        worse += [{n: a for n, a in good.items() if n != name} for name in some]
        for bad in [*worse, {}, good | {"more": np.zeros(3)}]:
            Checkpoint(point).write(bad)
            np.testing.assert_array_equal(solution_of(point).energy, whole.energy)
            told = capsys.readouterr().err
            assert "ignored" in told
            assert told.count("\n") == 1
        Checkpoint(point).write(good)
        left: list[float] = []
        np.testing.assert_array_equal(solution_of(point, left.append).energy, whole.energy)
        assert capsys.readouterr().err == ""


@pytest.mark.parametrize("kind", faults.NO_FILES)
def test_what_is_no_checkpoint_neither_hangs_nor_is_followed(file, kind, tmp_path, capsys):
    file.unlink()
    faults.NO_FILES[kind](file)
    assert Checkpoint(POINT).read() is None
    assert str(file) in capsys.readouterr().err
    Checkpoint(POINT).write({"x": np.zeros(2)})  # takes its place, or is told
    assert file.is_file() or str(file) in capsys.readouterr().err
    Checkpoint(POINT).discard()
    assert file.is_dir() or (not file.is_symlink() and not file.exists())


def test_links_are_not_followed(file, whole, tmp_path, capsys):
    precious = tmp_path / "precious"
    file.rename(precious)
    content = precious.read_bytes()
    file.symlink_to(precious)  # even to a whole checkpoint
    assert Checkpoint(POINT).read() is None
    assert "is a link" in capsys.readouterr().err
    Checkpoint(POINT).write({"x": np.zeros(2)})
    assert precious.read_bytes() == content
    # nor a folder that is a link
    elsewhere = tmp_path / "elsewhere"
    file.parent.rename(elsewhere)
    file.parent.symlink_to(elsewhere)
    before = sorted(elsewhere.iterdir())
    Checkpoint(POINT).write({"x": np.zeros(2)})
    Checkpoint(POINT).discard()
    assert "not followed" in capsys.readouterr().err
    assert sorted(elsewhere.iterdir()) == before


def test_a_checkpoint_holds_no_code(file):
    start = Checkpoint(POINT).start
    header = json.dumps([["state.w", "|O", [1]]]).encode() + b"\n"
    body = header + bytes(-len(header) % checkpoint.ALIGNMENT) + pickle.dumps(print)
    file.write_bytes(start + sha256(body).digest() + body)
    assert Checkpoint(POINT).read() is None


@settings(max_examples=20)  # up to four arrays each
@given(
    st.dictionaries(
        st.text(max_size=5),
        arrays(
            st.sampled_from(["f8", "f4", "f2", "i8", "i4", "b1"]),
            array_shapes(min_dims=0, min_side=0),
        ),
        max_size=4,
    )
)
def test_arrays_come_back_bit_by_bit(columns):
    content = bytearray(b"".join(map(bytes, checkpoint.packed(columns))))
    found = checkpoint.unpacked(content)
    assert list(found) == list(columns)
    for name, array in columns.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        assert found[name].tobytes() == array.tobytes()
        assert found[name].flags.writeable


def test_short_simulations_write_nothing_and_none_does_without_a_folder(tmp_path):
    with checkpoints_in(tmp_path):
        POINT.measure()
    POINT.measure()
    assert not list(tmp_path.iterdir())
    assert vars(simulation)["integrate"] is integrate
