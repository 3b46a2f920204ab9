"""`gapless status`, `compact` and `export`."""

import shutil

import pyarrow as pa

from commands import answer
from gapless.cli import main
from gapless.measure.simulation import Simulation
from gapless.store import Store
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


def test_text_of_a_foreign_folder_does_not_reach_the_terminal_as_it_stands(capsys, tmp_path):
    """Escapes would clear the screen, set its title or turn the direction of writing."""
    folder = tmp_path / "s\x1b[2J\u202e"
    store = Store.open(folder, {"experiment": "fig5"}, {"version": "0"})
    failed = Simulation(n=32, alpha=8.0, seed=0, runs=2).failed("\x1b]0;title\x07 " + "long" * 1000)
    store.append(failed.append_column("address", pa.array(["a"] * 2)))
    assert main(["status", str(folder)]) == 0
    assert main(["export", str(folder), str(folder / "x.csv")]) == 0
    assert main(["report", str(folder)]) == 0
    assert main(["export", str(folder), str(folder / "x.doc\x1b")]) == 2
    assert main(["\x1b[2J"]) == 2
    said = "".join(capsys.readouterr())
    assert all(c.isprintable() or c == "\n" for c in said)
    assert max(map(len, said.splitlines())) < 1000
