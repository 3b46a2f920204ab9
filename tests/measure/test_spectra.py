"""Spectra of runs, and what theory says of their labels."""

import numpy as np

from gapless.labels import LabelLaw
from gapless.losses import quartic
from gapless.measure.spectra import theory_of, without_one


def test_leaving_out_the_most_negative_sample_raises_the_edge() -> None:
    rng = np.random.default_rng(3)
    student, teacher = rng.standard_normal((2, 4000))
    teacher[7] = 12.0
    law = LabelLaw.from_run(student, teacher)
    theory = theory_of(law, quartic, 8.0, "teacher")
    assert theory["edge_from_one_atom"] is True
    assert theory["edge_without_one"] > theory["hessian_edge"]
    assert without_one(law, quartic).student.size == 3999
    assert np.isnan(theory_of(law, quartic, 8.0, "shuffled")["hessian_outlier"])
