"""Spectra of runs, and what theory says of their labels."""

import numpy as np
import pytest

from gapless.design import Design
from gapless.hessian import spectrum
from gapless.labels import LabelLaw
from gapless.losses import quartic
from gapless.measure.spectra import density_columns, theory_of, without_one
from gapless.problem import draw_problem


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


def test_a_density_counts_all_eigenvalues_and_theory_is_beside_it() -> None:
    """Up to the quantile the histogram has 0.99 of the weight, and theory's bulk at most that."""
    design = Design(192, 8.0, seed=1, runs=2, in_numpy=True)
    problem = draw_problem(design, "shuffled", quartic)
    w = design.start()
    found = density_columns(problem, w, 1, key=design.key("density"))
    edges, density = np.array(found["bin_edges"]), np.array(found["density"])
    eigenvalues = spectrum(problem, w, 1)
    assert edges[0] <= eigenvalues[0]
    share = np.mean(eigenvalues <= edges[-1])
    assert (density * np.diff(edges)).sum() == pytest.approx(share)
    assert share == pytest.approx(0.99, abs=2 / design.n)
    theory = np.trapezoid(found["density_theory"], found["grid"])
    # one eigenvalue is 1/N; the counts of a matrix are rigid
    assert theory == pytest.approx(share, abs=0.03)
