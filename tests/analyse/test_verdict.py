"""Verdicts follow from bounds, estimate, interval and size, and from nothing else."""

import ast
from itertools import pairwise
from math import inf, nan
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import gapless
from gapless.analyse.statistics import share, wilson
from gapless.analyse.verdict import (
    RARELY,
    VERDICTS,
    Sample,
    Statement,
    judged,
    together,
    verdict,
)
from gapless.figures import bbp, fig1, fig5

HALF, SOME = Statement(low=0.5), Statement(low=0, high=1)
EIGHT = Sample(64, 8)


@pytest.mark.parametrize(
    ("statement", "estimate", "interval", "size", "expected"),
    [
        (HALF, 0.9, (0.6, 1.0), EIGHT, "agrees"),
        (HALF, 0.2, (0.1, 0.4), EIGHT, "differs"),
        (HALF, 0.6, (0.4, 0.8), EIGHT, "cannot tell"),
        (HALF, 0.5, (0.5, 0.5), EIGHT, "cannot tell"),  # on the bound itself
        (HALF, 0.6, (0.5, 0.7), EIGHT, "cannot tell"),
        (HALF, 0.4, (0.3, 0.5), EIGHT, "cannot tell"),
        (SOME, 1.0, (0.61, 1.0), EIGHT, "cannot tell"),  # six of six
        (SOME, 0.5, (0.19, 0.81), EIGHT, "agrees"),
        (Statement(high=RARELY), 0.38, (0.14, 0.69), EIGHT, "differs"),  # three of eight
        (Statement(), 3.0, (-inf, inf), EIGHT, "agrees"),
        (HALF, 0.9, (-inf, inf), EIGHT, "cannot tell"),
        (HALF, None, None, EIGHT, "cannot tell"),
        (HALF, nan, (nan, nan), EIGHT, "cannot tell"),
        (HALF, 0.9, (nan, nan), EIGHT, "cannot tell"),
        (HALF, 0.9, (0.6, 1.0), Sample(64, 0), "cannot tell"),
        (Statement(low=0.5, least_n=64), 0.9, (0.6, 1.0), EIGHT, "agrees"),
        (Statement(low=0.5, least_n=65), 0.9, (0.6, 1.0), EIGHT, "cannot tell at this size"),
        (Statement(low=0.5, largest_n=63), 0.2, (0.1, 0.4), EIGHT, "cannot tell at this size"),
        (Statement(low=0.5, least_runs=8), 0.9, (0.6, 1.0), EIGHT, "agrees"),
        (Statement(low=0.5, least_runs=9), 0.9, (0.6, 1.0), EIGHT, "cannot tell at this size"),
    ],
)
def test_a_verdict_is_that_of_the_table(statement, estimate, interval, size, expected):
    assert verdict(statement, estimate, interval, size) == expected


def test_a_narrower_interval_never_contradicts_a_wider_one():
    rng = np.random.default_rng(0)
    for _ in range(2000):
        bounds = np.sort(rng.normal(size=2))
        wide = np.sort(rng.normal(size=2))
        narrow = np.sort(rng.uniform(wide[0], wide[1], 2))
        estimate = rng.uniform(*narrow)
        statement = Statement(*bounds)
        first = verdict(statement, estimate, tuple(wide), EIGHT)
        second = verdict(statement, estimate, tuple(narrow), EIGHT)
        assert first in ("cannot tell", second)
        # and of a point it is the statement itself
        point = verdict(statement, estimate, (estimate, estimate), EIGHT)
        assert point == ("agrees" if bounds[0] < estimate < bounds[1] else "differs")


def test_an_interval_that_straddles_a_bound_is_never_definite():
    rng = np.random.default_rng(1)
    for _ in range(1000):
        low, bound, high = np.sort(rng.normal(size=3))
        estimate = rng.uniform(low, high)
        for statement in (Statement(low=bound), Statement(high=bound)):
            assert verdict(statement, estimate, (low, high), EIGHT) == "cannot tell"


def test_a_statement_and_its_opposite_never_both_agree():
    rng = np.random.default_rng(2)
    for _ in range(1000):
        bound, *ends = rng.normal(size=3)
        low, high = sorted(ends)
        pair = [
            verdict(statement, (low + high) / 2, (low, high), EIGHT)
            for statement in (Statement(low=bound), Statement(high=bound))
        ]
        assert pair in (["agrees", "differs"], ["differs", "agrees"], 2 * ["cannot tell"])


def test_an_interval_without_its_estimate_is_refused():
    with pytest.raises(ValueError, match="interval"):
        verdict(HALF, 0.9, (0.1, 0.2), EIGHT)


def test_all_parts_of_a_statement_must_hold():
    for one in VERDICTS:
        assert together(one) == one
        assert together(one, "agrees") == one
        assert together("differs", one) == "differs"
    assert together() == "cannot tell"
    assert judged("a", "b", "agrees", "cannot tell").verdict == "cannot tell"


@pytest.mark.parametrize(("n", "words"), [(4096, "N = 4096"), (1048576, "N = 1,048,576")])
def test_a_size_is_told_with_all_its_digits(n, words):
    stated = Statement(low=0, least_n=n)
    claim = judged("anything", "", size=Sample(n, 12), of=stated)
    assert claim.size == f"{words}, 12 runs; stated of {words.replace('=', '≥')}"


def test_no_interval_of_a_fraction_ends_within_it():
    for count in range(1, 40):
        for hits in range(count + 1):
            low, high = wilson(hits / count, count)
            assert low <= hits / count <= high
            assert (low == 0) == (hits == 0)
            assert (high == 1) == (hits == count)
    for hits in range(1, 40):  # more of the same raises both ends
        for a, b in pairwise(wilson(h / 40, 40) for h in (hits - 1, hits)):
            assert a[0] < b[0]
            assert a[1] < b[1]


def test_a_share_without_runs_is_no_number():
    nothing = share(np.zeros(0, bool), np.zeros(0))
    assert nothing.runs == 0
    assert np.isnan(nothing.fraction)
    assert verdict(HALF, nothing.fraction, nothing.interval, Sample(64, 0)) == "cannot tell"


FOLDER = Path(gapless.__file__).parent
ROOMS = [
    path for room in ("measure", "analyse", "figures") for path in (FOLDER / room).glob("*.py")
]


@pytest.mark.parametrize("path", sorted(ROOMS), ids=lambda path: path.stem)
def test_no_figure_makes_a_verdict_of_its_own(path):
    if path.stem == "verdict":
        return
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Constant):
            assert node.value not in VERDICTS, f"{path.name}:{node.lineno} says {node.value!r}"
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            assert name != "Claim", f"{path.name}:{node.lineno}"


def first_figure(n, alpha, hits, runs):
    """Records of Figure 1 with a teacher: `hits` runs are solved in the paper's budget."""
    passages = [1.0] * hits + [None] * (runs - hits)
    row = {"n": n, "alpha": alpha, "design": 0, "labels": "teacher", "loss": "quartic"}
    row |= {"energy": 0.0, "t_max": 8.0}
    ended = ("recovered", 1.0), ("time_out", 0.1)
    return pd.DataFrame(
        row | {"t_1e-8": t, "outcome": ended[t is None][0], "overlap": ended[t is None][1]}
        for t in passages
    )


@pytest.mark.parametrize(
    ("alpha", "hits", "expected"),
    [
        (6.0, 0, "agrees"),
        (6.0, 6, "differs"),
        (6.0, 3, "cannot tell"),
        (12.0, 6, "cannot tell"),
        (12.0, 3, "agrees"),
        (12.0, 0, "cannot tell"),
        (18.0, 6, "agrees"),
        (18.0, 0, "differs"),
        (24.0, 6, "agrees"),
        (24.0, 3, "cannot tell"),
    ],
)
def test_figure_1_is_judged_at_the_papers_size_alone(alpha, hits, expected):
    (claim,) = fig1.claims(fig1.reduce(first_figure(16384, alpha, hits, 6)))
    assert claim.verdict == expected
    (claim,) = fig1.claims(fig1.reduce(first_figure(768, alpha, hits, 6)))
    assert claim.verdict == "cannot tell at this size"
    assert f"{hits} of 6" in claim.ours
    assert claim.size == "N = 768, 6 runs; stated of N = 16384"
    assert f"{hits} have found the signal" in claim.ours
    (claim,) = fig1.claims(fig1.reduce(first_figure(16384, alpha, 1, 3)))
    assert claim.verdict == "cannot tell at this size"  # three runs are too few


@pytest.mark.parametrize(
    ("hits", "runs", "expected"),
    [(3, 8, "differs"), (0, 8, "cannot tell"), (0, 100, "agrees"), (8, 8, "differs")],
)
def test_an_outlier_in_a_third_of_the_runs_is_not_never(hits, runs, expected):
    frames = {"loss": bbp.LOSS.name, "t": [0.0], "overlap_t": [0.0], "vector_overlap_1_t": [0.1]}
    table = pd.DataFrame(
        {"n": 512, "alpha": 0.8, "design": run % 4, "outcome": "followed"}
        | frames
        | {"hessian_outlier_t": [-1.0 if run < hits else nan]}
        for run in range(runs)
    )
    (claim,) = bbp.claims(bbp.reduce(table))
    assert claim.verdict == expected


@pytest.mark.parametrize(
    ("failures", "runs", "expected"),
    [(0, 100_000, "agrees"), (100, 100_000, "differs"), (0, 1_000, "cannot tell")],
)
def test_that_no_run_fails_is_judged_by_what_so_many_runs_can_show(failures, runs, expected):
    fractions = pd.DataFrame(
        [
            {"n": 128, "alpha": 14.0, "runs": runs, "designs": runs // 100, "recovered": runs}
            | {"successes": runs - failures, "intraclass_correlation": 0.0}
        ]
    )
    assert fig5.failures_above(fractions).verdict == expected
