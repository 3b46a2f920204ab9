"""Whether runs are done sooner in NumPy, at once, or by a program that is compiled first."""

from gapless.losses import Loss, is_built_in
from gapless.problem import Dtype
from gapless.sensing import OF_TRANSFORMS, Ensemble

COMPILING_S = 3.0
"""What the loop and the draws take to compile; a second command, which finds them on disk, still
loads JAX and traces them for 1.5 s."""
STEP_S = 3e-4
"""What NumPy takes longer for the fifty small operations of a step."""
LABEL_S = 5e-9
"""What NumPy takes longer for the loss of a label, which XLA computes in fewer passes."""


def numpy_is_sooner(loss: Loss, dtype: Dtype, k: int, m: int, gradients: float) -> bool:
    """Return whether K runs of M labels and so many gradients are done before they are compiled.

    A fixed function of what is asked for, whatever is on disk: the same command gives the same
    numbers. Losses of the user's are compiled, since their derivatives are.
    """
    # float16 is widened block by block, which only the compiled products do
    if not is_built_in(loss) or dtype == "float16":
        return False
    # memory and what is on disk do not enter: the same question always has the same answer
    return gradients * (STEP_S + LABEL_S * k * m) < COMPILING_S


def transforms_in_numpy(ensemble: Ensemble, loss: Loss) -> bool:
    """Return whether X is made of transforms and the loss computes in NumPy: runs then do, too.

    On a CPU SciPy's transforms of a batch in float32 take a seventh of the time of XLA's
    (M = 40,960 and 655,360).
    """
    return ensemble in OF_TRANSFORMS and is_built_in(loss)
