"""The mesh of overlaps and fields."""

import numpy as np
import pytest

from gapless.theory.full_rsb.mesh import Mesh, Resolution


@pytest.mark.parametrize("q", [[0.1, 1.0], [0.0, 0.5], [0.0, 0.7, 0.6, 1.0], [0.0]])
def test_overlaps_rise_from_zero_to_one(q):
    with pytest.raises(ValueError, match="q:"):
        Mesh(np.array(q), 100)


def test_steps_of_a_finer_mesh_divide_those_of_a_coarse_one():
    coarse, fine = Resolution(3, 1, 1e-3, 60, 5), Resolution(6, 2, 1e-3, 60, 5)
    assert np.isin(coarse.overlaps().round(12), fine.overlaps().round(12)).all()


def test_even_functions_are_interpolated_and_integrated():
    mesh = Mesh(np.array([0.0, 0.5, 0.99, 1.0]), 160)
    field = np.linspace(-6, 6, 101)
    # six nodes: the error falls like the sixth power of their spacing, 0.1 at h = 2
    found = mesh.at(np.exp(-(mesh.h**2) / 2), field)
    assert found == pytest.approx(np.exp(-(field**2) / 2), abs=1e-6)
    assert mesh.rule @ np.exp(-(mesh.h**2) / 2) == pytest.approx(np.sqrt(2 * np.pi), rel=1e-9)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        *(({"uniform": bad}, "uniform") for bad in (0, 2.5)),
        *(({"per_halving": bad}, "per_halving") for bad in (0, True)),
        *(({"last": bad}, "last") for bad in (0.0, 0.4, float("nan"))),
    ],
)
def test_a_resolution_without_overlaps_is_refused(changed, named):
    given = dict(uniform=3, per_halving=1, last=0.1, fields=30, order=3) | changed
    with pytest.raises(ValueError, match=rf"^{named}:"):
        Resolution(**given)
