"""Shapes are checked at every call under test; silent promotion of rank is an error."""

import hypothesis
import jax
from jaxtyping import install_import_hook

ARRAYS = ["design", "problem", "flow", "linalg", "hessian"]
install_import_hook([f"gapless.{name}" for name in ARRAYS], "typechecker.checked")

from gapless import program_cache  # noqa: E402
from gapless.threads import pin_threads  # noqa: E402

pin_threads()
program_cache.use()
jax.config.update("jax_numpy_rank_promotion", "raise")
hypothesis.settings.register_profile("gapless", deadline=None, derandomize=True, max_examples=50)
hypothesis.settings.load_profile("gapless")
