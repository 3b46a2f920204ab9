"""Records of spiked models: curves on saved times, and what cannot be measured."""

import numpy as np
import pytest

from gapless.measure.spiked import SpikedPoint
from gapless.theory.spiked import small_change, spiked_flow

POINT = SpikedPoint(p=3, delta_p=1.0, delta_2=0.4, t_max=2.0, step=0.04, waiting=0.4)


def test_a_record_has_the_curves_of_its_flow():
    (row,) = POINT.measure().to_pylist()
    flow = spiked_flow(POINT.model, POINT.t_max, POINT.step)
    change = small_change(flow, POINT.waiting)
    t = np.array(row["t"])
    at = np.round(t / POINT.step).astype(int)
    assert np.array_equal(row["energy_t"], flow.energy[at])
    assert np.array_equal(row["mu_t"], flow.mu[at])
    later = t >= POINT.waiting - 1e-9
    assert np.isnan(np.array(row["alignment_t"])[~later]).all()
    assert row["growth_t"][-1] == change.growth[-1]
    assert np.isclose(row["alignment_t"][-1], change.alignment[-1], rtol=1e-12)
    assert row["outcome"] == "followed"


def test_a_model_without_a_matrix_can_be_recorded():
    tensor = POINT.model_copy(update={"delta_2": None})
    (row,) = tensor.measure().to_pylist()
    assert row["delta_2"] is None
    # an overlap of zero stays: nothing but the matrix tells the signal at first order
    assert np.nanmax(row["growth_t"]) <= 1e-12
    assert SpikedPoint.model_validate(tensor.model_dump(mode="json")) == tensor


def test_cost_is_of_third_order_in_the_number_of_steps():
    twice = POINT.model_copy(update={"step": POINT.step / 2})
    assert np.isclose(twice.cost().flops / POINT.cost().flops, 8, rtol=0.1)


@pytest.mark.parametrize(
    ("given", "named"),
    [({"waiting": 2.0}, "waiting"), ({"p": 2}, "p"), ({"delta_2": -1}, "delta_2")],
)
def test_a_point_that_means_nothing_is_refused(given, named):
    with pytest.raises(ValueError, match=f"{named}:"):
        SpikedPoint.model_validate(POINT.model_dump() | given)
