"""Initial states: random, from the spectral estimator, or at a given overlap."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from gapless.algorithms.spectral import spectral_estimate
from gapless.arrays import Array, compiled, jnp, library, uncompiled
from gapless.channels import preprocessing
from gapless.design import Design
from gapless.inputs import LabelKind, number, real_array, shaped
from gapless.linalg import times_i
from gapless.precision import precision_of
from gapless.problem import Problem
from gapless.shapes import Float
from gapless.sphere import normalise, tangent

Kind = Literal["random", "spectral", "overlap"]


NO_TEACHER = "start: gaussian labels have no teacher to overlap with; use random"


@dataclass(frozen=True)
class Start:
    """Kind of the initial states, with its parameters.

    Parameters
    ----------
    kind
        ``random``: uniform on the sphere. ``spectral``: the top eigenvector of Σ T(y) x xᵀ.
        ``overlap``: at the given signed overlap with the teacher, else uniform.
    overlap
        m = ⟨W, W*⟩/N of an ``overlap`` start, exact.
    transform
        Name of the preprocessing T of a ``spectral`` start.

    Raises
    ------
    ValueError
        For another kind, or an overlap that is not between -1 and 1.
    """

    kind: Kind = "random"
    overlap: float = 0.0
    transform: str = "weak"

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ValueError(f"kind: {self.kind!r} is not one of {', '.join(get_args(Kind))}")
        number("overlap", self.overlap, -1, 1)

    def __str__(self) -> str:
        if self.kind == "overlap":
            return f"overlap:{self.overlap!r}"
        if self.kind == "spectral" and self.transform != "weak":
            return f"spectral:{self.transform}"
        return self.kind


def parse_start(text: str) -> Start:
    """Parse the name of a start: ``random``, ``spectral``, ``spectral:best`` or ``overlap:0.3``.

    Raises ``ValueError`` that lists the names.
    """
    if not isinstance(text, str):
        raise ValueError(f"start: must be text such as random or overlap:0.3, not {text!r}")
    kind, colon, argument = text.partition(":")
    if kind == "random" and not colon:
        return Start()
    if kind == "spectral":
        try:
            # α = 1 stands in for one that is not known here: only the name is looked up
            return Start("spectral", transform=preprocessing(argument or "weak", 1.0).name)
        except ValueError as error:
            raise ValueError(f"start: {error}") from None
    if kind == "overlap":
        try:
            overlap = float(argument)
        except ValueError:
            overlap = float("nan")
        # NaN fails this comparison as well
        if not -1 <= overlap <= 1:
            raise ValueError(f"start: the overlap must lie between -1 and 1, not {argument!r}")
        return Start("overlap", overlap)
    raise ValueError(
        f"start: {text!r} is not one of random, spectral, spectral:best, spectral:trimmed, "
        "overlap:0.3"
    )


def start_name(text: str, labels: LabelKind) -> str:
    """Return the one spelling of a start. ``ValueError`` if labels without a teacher lack it."""
    start = parse_start(text)
    if labels == "gaussian" and start.kind == "overlap":
        raise ValueError(NO_TEACHER)
    return str(start)


def start_states(design: Design, problem: Problem, start: Start) -> Float[Array, "K N"]:
    """Return the initial states of the runs of a design, on the sphere of radius √N.

    Raises ``ValueError`` for a start at an overlap with a teacher that the labels do not have, and
    for a problem of another design.
    """
    if not isinstance(start, Start):
        raise ValueError(f"start: must be a Start, such as parse_start('random'), not {start!r}")
    mine, other = ((one.k, one.n, one.field) for one in (design, problem))
    if mine != other:
        raise ValueError(
            f"design, problem: one has {design.k} runs in {design.n} dimensions and the other "
            f"{problem.k} in {problem.n}, {problem.field}; pass the design of the problem"
        )
    if start.kind == "random":
        # the design's own, so that a shuffled twin and other protocols start from the same states
        return design.start()
    if start.kind == "spectral":
        transform = preprocessing(start.transform, problem.alpha, problem.field)
        return spectral_estimate(problem, key=design.key("spectral"), transform=transform)[0]
    if problem.teacher is None:
        raise ValueError(NO_TEACHER)
    random = design.start()
    if problem.field == "complex":
        # |⟨W, W*⟩| is the overlap: W⊥ has no part along iW* either
        unit = times_i(design.teacher()) / design.dimension**0.5
        random = tangent(random, unit)
    return warm_states(design.teacher(), random, start.overlap)


def warm_states(
    teacher: Float[Array, "K N"], random: Float[Array, "K N"], overlap: float
) -> Float[Array, "K N"]:
    """Return W = m W* + √(1 − m²) W⊥ on the sphere, W⊥ the part of `random` orthogonal to W*.

    The overlap of every run is m up to rounding. Where only the overlap matters, the flow from
    this state is that from a random start conditioned on it.

    Raises ``ValueError`` for arrays of unequal shapes, directions that vanish or coincide, and
    |m| > 1.
    """
    teacher, random = (
        real_array(name, array, (None, None))
        for name, array in (("teacher", teacher), ("random", random))
    )
    shaped("random", random, teacher.shape)
    number("overlap", overlap, -1, 1)
    in_numpy = library(teacher) is np is library(random)
    with np.errstate(all="ignore") if in_numpy else precision_of(teacher, random):
        if in_numpy:
            found = uncompiled(_warm_states)(teacher, random, overlap)
        else:
            found = _warm_states(jnp.asarray(teacher), jnp.asarray(random), overlap)
        if not np.isfinite(np.asarray(found)).all():
            raise ValueError("teacher, random: a run's vanishes, or both have one direction")
        return found


@compiled()
def _warm_states(teacher: Array, random: Array, overlap: float | Array) -> Array:
    xp = library(teacher)
    # what comes from outside need not be of length √N
    signal = normalise(teacher)
    # W⊥ is normalised apart, so that the overlap is m exactly and not on average
    across = tangent(random, signal / teacher.shape[1] ** 0.5)
    # of a vector along the signal only rounding is left
    left, whole = (xp.linalg.norm(w, axis=1, keepdims=True) for w in (across, random))
    # NaN marks it for the caller, since a compiled function cannot raise
    across = normalise(xp.where(left > 64 * np.finfo(across.dtype).eps * whole, across, np.nan))
    # the parts are orthogonal and both of length √N, so their sum is on the sphere
    return overlap * signal + (1 - overlap**2) ** 0.5 * across
