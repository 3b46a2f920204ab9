"""Shapes are checked at every call under test; silent promotion of rank is an error."""

from jaxtyping import install_import_hook

with install_import_hook("gapless", "beartype.beartype"):
    import gapless  # noqa: F401

import hypothesis
import jax

hypothesis.settings.register_profile("gapless", deadline=None, derandomize=True, max_examples=50)
hypothesis.settings.load_profile("gapless")
jax.config.update("jax_numpy_rank_promotion", "raise")
