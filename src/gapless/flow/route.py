"""Choice between NumPy and a compiled program, by the shorter time of a computation."""

from importlib.util import find_spec

from gapless.arrays import on_cpu
from gapless.losses import Loss, is_built_in
from gapless.precision import Dtype
from gapless.sensing import OF_TRANSFORMS, Ensemble

COMPILING_S = 3.0
"""Seconds to compile the loop and the draws; a later command, with programs on disk, still takes
1.5 s to import JAX and trace them."""
STEP_S = 3e-4
"""Additional seconds that NumPy takes for the fifty small operations of a step."""
LABEL_S = 5e-9
"""Additional seconds that NumPy takes for the loss of one label; XLA makes fewer passes."""


def numpy_is_sooner(loss: Loss, dtype: Dtype, k: int, m: int, gradients: float) -> bool:
    """Return whether NumPy computes the gradients of K runs faster than their program compiles.

    The choice is a function of the arguments alone, and not of the programs on disk, so that the
    same command gives the same numbers. Losses of the user's are compiled, since their derivatives
    are.
    """
    # float16 is widened block by block, which only the compiled products do
    if not is_built_in(loss) or dtype == "float16":
        return False
    # memory and what is on disk do not enter: the same question always has the same answer
    return gradients * (STEP_S + LABEL_S * k * m) < COMPILING_S


def transforms_in_numpy(ensemble: Ensemble, loss: Loss) -> bool:
    """Return whether X is made of transforms and the loss computes in NumPy: runs then do, too.

    On a CPU SciPy's transforms of a batch in float32 take a seventh of the time of XLA's
    (M = 40,960 and 655,360). On a GPU the runs are a compiled program.
    """
    return ensemble in OF_TRANSFORMS and is_built_in(loss) and not _on_an_accelerator()


def _on_an_accelerator() -> bool:
    # JAX takes a second to load; without a plugin all that it has is the CPU
    return find_spec("jax_plugins") is not None and not on_cpu()
