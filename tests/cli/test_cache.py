"""The verb `cache`: where compiled programs lie, how many there are, and their end."""

import json

import pytest

from gapless import program_cache
from gapless.cli import main


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    here = program_cache.machine_programs()
    here.mkdir(parents=True)
    for name in ("jit_a-cache", "jit_b-cache"):
        (here / name).write_bytes(bytes(1000))
    return here


def test_the_folder_is_printed_alone(folder, capsys):
    assert main(["cache", "--where"]) == 0
    assert capsys.readouterr().out == f"{folder}\n"


def test_programs_are_counted_and_deleted(folder, capsys):
    for options, cleared, left in (([], False, 2), (["--clear"], True, 0)):
        assert main(["cache", "--json", *options]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found == {"folder": str(folder), "programs": 2, "bytes": 2000, "cleared": cleared}
        assert program_cache.programs()[0] == left


def test_programs_that_stay_are_not_said_to_be_deleted(folder, capsys, monkeypatch):
    def refuse(path, **options):
        raise PermissionError(13, "Permission denied", path)

    with monkeypatch.context() as patch:  # what a folder that is read-only answers, unless to root
        patch.setattr("os.unlink", refuse)
        assert main(["cache", "--clear"]) == 2
    out, told = capsys.readouterr()
    assert out == ""
    assert "--clear: 2 programs cannot be deleted" in told
    assert "Permission denied" in told


@pytest.mark.parametrize("option", ["--where", "--clear", "--json"])
def test_a_folder_that_cannot_be_named_costs_one_line(option, capsys, monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    for home, why in (("", "HOME is empty"), ("rel", "no absolute path"), ("/\udcff", "UTF-8")):
        monkeypatch.setenv("HOME", home)
        assert main(["cache", option]) == 2
        told = capsys.readouterr().err
        assert why in told
        assert told.count("\n") == 1
