"""Losses that runs in a precision can compute."""

from functools import lru_cache

from gapless import loss_checks
from gapless.losses.loss import Loss, amplitude, check_consistent, quartic
from gapless.losses.names import is_built_in, parse_loss


def check_for_runs(loss: Loss, dtype: str) -> None:
    """Raise ``ValueError`` unless runs in `dtype` can compute a loss.

    Beyond `check_consistent`: JAX can compile the loss, and float32 (in which float16 runs compute)
    neither overflows nor loses more than a twentieth of ℓ down to 1e-10
    (`gapless.loss_checks.check_float32`).
    """
    if loss is quartic or loss is amplitude:
        return  # tested, and of order one
    check_consistent(loss)
    _check_precision(loss, dtype)


@lru_cache(maxsize=256)
def _check_precision(loss: Loss, dtype: str) -> None:
    # float16 is how X is stored; such runs compute in float32
    narrow = dtype != "float64"
    if not is_built_in(loss):
        loss_checks.check_traced(loss.name, loss.functions, "float32" if narrow else "float64")
    if narrow:
        # |∇L|² goes like ℓ², which float32 must hold as well
        loss_checks.check_range(loss.name, loss.value)
        # differences of nearly equal numbers near ŷ = ±y lose their digits before e is 1e-8
        if not is_built_in(loss):
            loss_checks.check_float32(loss.name, loss.functions)


def name_for_runs(text: str, dtype: str) -> str:
    """Return the full name of a loss that runs in `dtype` can compute; else ``ValueError``.

    The full name holds a hash of a user's source text: it belongs to a record's address.
    """
    loss = parse_loss(text)
    check_for_runs(loss, dtype)
    return loss.name
