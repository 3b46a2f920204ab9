"""The picture of `gapless flow --plot`."""

import numpy as np
import pytest

from gapless.analyse.plateaus import prediction
from gapless.figures.trajectories import picture
from gapless.measure.simulation import Simulation


@pytest.fixture(scope="module")
def records():
    point = Simulation(n=32, alpha=8.0, seed=0, runs=3, save_at=(0.0, 0.5, 1.0), in_numpy=True)
    return point.measure().to_pylist()


def test_the_threshold_energy_is_that_of_1rsb_at_the_ratio_of_the_run(records) -> None:
    energy = picture(records).panels[0]
    (mark,) = energy.marks
    assert mark.axis == "y"
    assert mark.value == prediction("quartic", records[0]["m"] / 32).energy
    stranger = [record | {"loss": "mine:own@0123abcd"} for record in records]
    assert picture(stranger).panels[0].marks == ()


def test_the_picture_says_what_it_is_of_and_what_colours_mean(records) -> None:
    shown = picture(records)
    assert shown.source == "quartic loss, N = 32, seed 0"
    assert "coloured by how they ended" in shown.title
    legends = {series.legend for series in shown.panels[0].series}
    assert sum(int(str(legend).split()[0]) for legend in legends) == 3


def test_without_the_sphere_the_norm_stands_beside_the_energy(records) -> None:
    free = [record | {"sphere": False} for record in records]
    energy, norm, overlap = picture(free).panels
    # the threshold energy is of the sphere
    assert (energy.marks, overlap.marks) == ((), ())
    assert [mark.value for mark in norm.marks] == [1.0]
    assert [np.asarray(series.y).tolist() for series in norm.series] == [[1.0, 1.0, 1.0]] * 3
