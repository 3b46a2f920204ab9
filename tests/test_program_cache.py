"""Compiled programs on disk: found again, never by another machine, and never in the way."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import jax
import pytest

from gapless import program_cache

COMPUTE = """
from gapless import program_cache
program_cache.use()
import jax
print(float(jax.jit(lambda x: x * x + 2)(3.0)))
"""


def start(cache: Path, before: str = "", **environment: str) -> subprocess.Popen:
    """Start a process that compiles a few programs, with its cache in a folder."""
    changed = {"XDG_CACHE_HOME": str(cache), "GAPLESS_CACHE": "", **environment}
    return subprocess.Popen(
        [sys.executable, "-c", before + COMPUTE],
        env=os.environ | changed,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def computed(process: subprocess.Popen) -> str:
    """Return what the process said on stderr; its answer must be right."""
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (0, "11.0\n"), err
    return err


def entries(cache: Path) -> Mapping[Path, int]:
    """Return the files of a cache and when each was written."""
    return {path: path.stat().st_mtime_ns for path in cache.glob("gapless/programs/*/*")}


def test_programs_are_found_again_and_a_full_disk_or_damage_costs_one_line(tmp_path: Path) -> None:
    # no file may grow beyond a kilobyte, which a program exceeds
    full = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))"
    assert computed(start(tmp_path, full)).count("\n") == 1
    # what was written of an entry is deleted when there is room again
    assert computed(start(tmp_path)).count("\n") <= 1
    assert entries(tmp_path)
    for path in entries(tmp_path):
        path.write_bytes(path.read_bytes()[:100])
    # also where the user's shell turns warnings into errors
    assert computed(start(tmp_path, PYTHONWARNINGS="error")).count("\n") == 1
    first = entries(tmp_path)
    assert {path.stat().st_size > 100 for path in first} == {True}
    assert computed(start(tmp_path)) == ""
    assert entries(tmp_path) == first  # nothing was compiled anew


def test_entries_that_are_no_files_are_replaced(tmp_path: Path) -> None:
    computed(start(tmp_path))
    for index, path in enumerate(entries(tmp_path)):
        path.unlink()
        os.mkfifo(path) if index % 2 else path.mkdir()
    assert computed(start(tmp_path)) == ""
    assert all(path.is_file() for path in entries(tmp_path))


def test_an_entry_that_can_be_neither_read_nor_deleted_costs_one_line(tmp_path: Path) -> None:
    computed(start(tmp_path))
    for path in entries(tmp_path):
        path.write_bytes(b"damaged")
    stuck = (
        "from pathlib import Path\n"
        "def refuse(*_, **__): raise PermissionError(1, 'Operation not permitted')\n"
        "Path.unlink = refuse\n"
    )
    assert computed(start(tmp_path, stuck)).count("\n") == 1


@pytest.mark.slow
def test_two_processes_may_fill_a_cache_at_once(tmp_path: Path) -> None:
    both = [start(tmp_path) for _ in range(2)]
    for process in both:
        assert computed(process).count("\n") <= 1  # an entry may be read half-written
    assert computed(start(tmp_path)).count("\n") <= 1
    assert entries(tmp_path)


def test_machines_that_compile_otherwise_have_folders_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = program_cache.machine_programs()
    assert program_cache.machine_programs() == here
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_max_isa=SSE4_2")
    flags = program_cache.machine_programs()
    monkeypatch.setattr("platform.machine", lambda: "another")
    assert len({here, flags, program_cache.machine_programs()}) == 3


@pytest.fixture
def other_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The cache of this process in another folder, for the length of a test."""
    with monkeypatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        yield tmp_path / "cache"
    program_cache.use()


@pytest.mark.parametrize("fault", ["no folder", "writable by others", "off"])
def test_a_cache_that_cannot_be_used_is_done_without(
    other_cache: Path, fault: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    if fault == "no folder":
        other_cache.write_text("a file stands where the folder should")
    elif fault == "writable by others":
        (other_cache / "gapless" / "programs").mkdir(parents=True)
        (other_cache / "gapless" / "programs").chmod(0o777)
    with monkeypatch.context() as patch:
        patch.setenv("GAPLESS_CACHE", "off" if fault == "off" else "")
        assert program_cache.use() is None
    assert float(jax.jit(lambda x: x * x + 2)(3.0)) == 11
    assert capsys.readouterr().err.count("\n") == (0 if fault == "off" else 1)
    assert fault == "no folder" or not entries(other_cache)


def test_the_oldest_programs_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(program_cache, "LARGEST", 1000)
    folder = program_cache.all_programs() / "some-machine"
    folder.mkdir(parents=True, mode=0o700)
    for age in range(12):
        path = folder / f"jit_{age}-cache"
        path.write_bytes(bytes(100))
        os.utime(path, (1e9 - age, 1e9 - age))
    program_cache.make_room()
    assert sorted(path.name for path in folder.iterdir()) == [f"jit_{k}-cache" for k in range(5)]
    assert program_cache.clear() == (5, 500)
    assert program_cache.programs() == (0, 0)
