"""`gapless success`: an experiment of its own, whose folder is drawn whatever it is called."""

import json

import pytest

from gapless.cli import main
from gapless.figures import success
from gapless.store import Store


@pytest.mark.usefixtures("unprinted")
def test_a_folder_of_success_is_resumed_and_drawn(tmp_path, capsys):
    folder = tmp_path / "seven"
    # both have M = 40, and so the same programs
    arguments = ["success", "--n", "8", "--alpha", "5,5.05", "--runs", "6"]
    arguments += ["--runs-per-design", "4", "--t-max", "0.2", "--out", str(folder), "--json"]
    answers, told = [], None
    for _ in range(2):
        assert main(arguments) == 0
        told = capsys.readouterr()
        answers.append(json.loads(told.out))
    assert told is not None
    assert "4 of 4" not in told.err  # nothing was left to measure
    assert answers[0] == answers[1]
    store = Store(folder)
    assert store.spec()["experiment"] == "success"
    reduced = success.reduce(store.read().to_pandas(), runs=6)
    assert json.loads(json.dumps(reduced.rows())) == answers[0]["rows"]
    assert [row["runs"] for row in reduced.rows()] == [6, 6]
    assert main(["report", str(folder)]) == 0
    page = (folder / "report.html").read_text()
    assert success.EXPERIMENT.title in page
    assert '<svg role="img"' in page
    assert (folder / "seven.png").exists()


def test_an_alpha_of_which_every_run_failed_has_a_row_of_none():
    point, other = (success.points("smoke", 0)[i] for i in (0, -1))
    rows = [{**point.identity(), "run": 0, "outcome": "time_out", "steps": 1, "gradients": 1}]
    rows[0] |= {"t_1e-8": None, "overlap": 0.1}
    import pandas as pd

    table = pd.concat([pd.DataFrame(rows), other.failed("why").to_pandas()], ignore_index=True)
    first, last = success.reduce(table).rows()
    assert (first["alpha"], first["runs"], first["failed"]) == (point.alpha, 1, 0)
    assert (last["alpha"], last["runs"], last["failed"]) == (other.alpha, 0, other.rows)
    assert last["fraction"] is None
