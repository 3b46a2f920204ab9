"""`gapless status`, `compact` and `export`."""

import shutil

from commands import answer
from gapless.cli import main
from places import OLD_STORE


def test_status_compact_and_export_tell_what_a_folder_holds(capsys, tmp_path):
    folder = tmp_path / "s"
    shutil.copytree(OLD_STORE, folder)
    (row,) = answer(capsys, "status", str(folder))["stores"]
    assert (row["store"], row["points"], row["records"], row["damaged"]) == ("s", 2, 4, [])
    assert answer(capsys, "status", str(tmp_path))["stores"] == [row]
    (row,) = answer(capsys, "compact", str(folder))["stores"]
    assert (row["merged"], row["parts"]) == (0, 1)
    assert answer(capsys, "export", str(folder), str(tmp_path / "x.csv"))["records"] == 4
    assert main(["export", str(folder), str(tmp_path / "x.doc")]) == 2
    assert ".parquet or .csv" in capsys.readouterr().err
