"""Minima on labels independent of X, and their stability toward a signal with these labels.

A run on labels that are independent of X has the law of a run with a teacher at overlap 0. The
signal can therefore be added afterwards, as dimension N + 1 (docs/derivations/border.md): the
border of the Hessian determines whether the signal is a descent direction.
"""

from typing import Any

import numpy as np
import pyarrow as pa
import scipy.linalg

from gapless.arrays import Array
from gapless.flow import Trajectory, integrate, loss_scale
from gapless.hessian import hessian_matrix
from gapless.inputs import real_array
from gapless.losses import Loss, name_for_runs, parse_loss
from gapless.measure.design_point import DESIGN_COLUMNS, DesignPoint, gradient_operations
from gapless.measure.point import Cost, finite
from gapless.measure.threshold import at_rest
from gapless.problem import Problem, check_real, draw_problem
from gapless.sensing import unscaled
from gapless.shapes import Float
from gapless.theory.bbp import bulk_edge, curvatures

SIGNS = 16
"""Draws of the labels' signs at each minimum; each costs one solve with the factorised matrix."""
LONGEST = 1500.0
"""Largest time of a run to rest, in units of 1/s of the loss (`loss_scale`; 1 for the quartic one).
In these units the median time of rest is 21 for the quartic loss (α = 12, N = 256) and 200 for the
normalised one, a = 1 (α = 5, N = 1024), whose slowest of 9,520 runs needs 890."""
GRADIENTS = 48.0
"""Gradients of a run to rest per √N: 500, 770 and 1,100 at N = 128, 256 and 512 for the quartic
loss at α = 10 and 14, and 1,100 for the normalised one, a = 1, at N = 512, α = 5."""

RECORDS = pa.schema(
    DESIGN_COLUMNS
    | {name: pa.string() for name in ("loss", "outcome", "reason")}
    | {
        name: pa.float64()
        for name in ("time", "energy", "mu", "speed2", "lambda_1", "diagonal", "limit")
    }
    | {"edge_from_one_atom": pa.bool_(), "schur": pa.list_(pa.float64())}
)
"""Columns of a run at rest.

The point's parameters; `outcome`: ``minimum``, ``saddle`` (at rest with λ₁ ≤ 0), that of a run that
did not come to rest, ``failed`` with its `reason`; time, energy, μ and |∇L − μW|²/N at the end; λ₁
of the Hessian on the tangent space; the border's `diagonal` c − μ; its Schur complements s, one per
draw of signs (`planted_border`); the `limit` of s as N → ∞ for the run's own labels, φ(γ̄) − μ, and
whether one sample sets γ̄. The columns of the border are null for a run that is at no minimum.
"""


def planted_border(
    problem: Problem, w: Float[Array, "K N"], run: int, signs: Float[Array, "S M"]
) -> dict[str, Any]:
    """Return the Schur complements of a signal planted beside one run at a minimum.

    The state (W, 0) in N + 1 dimensions, with a signal along the last one whose labels are those
    of the run, has the Hessian with the border (b, c − μ), where d = ½ℓ″ and

        c = Σ d y²/N,   b = P Σ d ε y x/√N,   P = 1 − ŴŴᵀ,   ε = ±1 at random,
        s = c − μ − bᵀ[P(M − μ)P]⁻¹b,   M = Σ d x xᵀ,

    which are (P1) and (P2). At a minimum s < 0 if and only if there is a descent direction with a
    component along the signal. As N → ∞, s → φ(γ̄) − μ (P3). The component of x along the signal is
    ε y/√N with an unknown sign ε, since losses are even in y.

    Parameters
    ----------
    w
        States on the sphere; that of `run` is at rest.
    signs
        ε = ±1 of S draws.

    Returns
    -------
    record
        ``lambda_1`` of P(M − μ)P on the tangent space, ``diagonal`` c − μ, and ``schur``: s of each
        draw, (S,), or None where λ₁ ≤ 0 and the state is no minimum.

    Raises ``ValueError`` for the arguments that `hessian_matrix` rejects, and for signs of another
    shape.
    """
    # refused before the matrix is made, which takes N² numbers
    check_real(problem, "a planted border is")
    signs, run = real_array("signs", signs, (None, problem.m)), problem.run_index(run)
    # the radial direction is lifted into the bulk: b has no component along it
    # float64: s divides by eigenvalues as small as λ₁, N^(−2/3) of the bulk at a marginal minimum
    matrix = np.asarray(hessian_matrix(problem, w, run, deflate_radial=True), float)
    lowest = float(scipy.linalg.eigh(matrix, eigvals_only=True, subset_by_index=[0, 0])[0])
    # X stays as it is stored: in float64 it would be twice as large
    stored, factor = unscaled(problem.sensing)
    state, sensing = np.asarray(w[run], float), np.asarray(stored)
    curvature, multiplier = problem.of_runs(np.array([run])).curvature(w[run : run + 1])
    d, mu = np.asarray(curvature[0], float), float(multiplier[0])
    y = np.asarray(problem.labels[run], float)
    # c by its sum over this run's samples, not by its mean αE[dy²]: s is compared at finite N
    diagonal = float((d * y**2).sum()) / problem.n - mu
    found = {"lambda_1": lowest, "diagonal": diagonal, "schur": None}
    # P(M − μ)P then has no Cholesky factor, and s would not decide on a direction of descent
    if lowest <= 0:
        return found
    weights = np.asarray(signs, float) * (d * y / problem.n**0.5)
    # in the precision of X: widened, a large X would be copied
    border = factor * np.asarray(weights.astype(sensing.dtype) @ sensing, float)
    radial = state / np.linalg.norm(state)
    # b is tangent to the sphere: moving along W is no direction of the problem
    border -= np.outer(border @ radial, radial)
    # one factor for all draws of signs: only b depends on them
    solved = scipy.linalg.cho_solve(scipy.linalg.cho_factor(matrix), border.T)
    return found | {"schur": diagonal - np.einsum("sn,ns->s", border, solved)}


def longest(loss: Loss) -> float:
    """Return the largest time of a run to rest on a loss ℓ: `LONGEST`/s, in units of Eq. 2."""
    return LONGEST / loss_scale(loss)


class BorderPoint(DesignPoint):
    """Parameters of K runs to rest on shuffled labels, with signals planted at their minima."""

    SCHEMA = RECORDS
    LIKE_GAUSSIAN_ONLY = "the limit of a planted signal's curvature"
    loss: str = "quartic"

    def model_post_init(self, context: Any) -> None:
        """Raise ``ValueError`` for parameters that no design or loss has."""
        super().model_post_init(context)
        # the full name, with the hash of a user's source: the record's address depends on it
        object.__setattr__(self, "loss", name_for_runs(self.loss, "float32"))

    def followed(self) -> tuple[Problem, Trajectory]:
        """Return the problem and its runs to rest."""
        # shuffled, not gaussian: the labels that a run with a teacher has, but with no signal in X
        problem = draw_problem(self.design, "shuffled", parse_loss(self.loss))
        return problem, integrate(problem, self.design.start(), longest(problem.loss))

    def measure(self) -> pa.Table:
        """Return the records of `RECORDS`, one per run."""
        design, loss = self.design, parse_loss(self.loss)
        problem, run = self.followed()
        # a run that fits its labels (M < N) is at rest too, in no trap that a signal could open
        rest = [at_rest(one) for one in run.outcome]
        outcome = [str(one) for one in run.outcome]
        columns: dict[str, list[Any]] = {
            # null, not NaN: a run that is at no minimum has no spectrum there
            name: [None] * self.rows
            for name in ("lambda_1", "diagonal", "schur", "limit", "edge_from_one_atom")
        }
        for index in np.flatnonzero(rest):
            # keyed by the run, so that K or another run's failure changes no draw
            signs = design.signs(int(index), SIGNS)
            found = planted_border(problem, run.state.w, int(index), signs)
            outcome[index] = "saddle" if found["schur"] is None else "minimum"
            law = problem.label_law(run.state.w, int(index))
            # γ̄ of the run's own labels, so that s and its limit differ by finite N alone
            edge = bulk_edge(law, loss, problem.alpha)
            # φ at γ̄: only as N → ∞ is it the γ of ψ(γ) = μ (border.md §2)
            limit = curvatures(law, loss, problem.alpha).phi(edge.gamma)
            found |= {
                "limit": limit - law.multiplier(loss, problem.alpha),
                "edge_from_one_atom": edge.edge_from_one_atom,
            }
            for name, value in found.items():
                columns[name][index] = value
        return self.table(
            outcome=outcome,
            time=finite(run.stopped_at),
            energy=finite(run.end.energy),
            mu=finite(run.end.mu),
            speed2=finite(run.end.speed2),
            **columns,
        )

    def cost(self) -> Cost:
        """Return the expected cost of the point: its flow to rest and a dense matrix per run."""
        design = self.design
        way = gradient_operations(design) * GRADIENTS * self.n**0.5
        # λ₁ by 4/3 N³ operations, at a third of a product's speed
        matrix = design.k * (design.m * self.n**2 + 5.0 * self.n**3)
        memory = 4.0 * (2.0 * design.m * design.n + 6.0 * design.k * design.m) + 32.0 * self.n**2
        return self.priced(way + matrix, memory, (design.m, design.n, design.k, self.loss))
