"""JAX's settings, whose names its types do not list."""

from typing import Any

import jax


def setting(name: str) -> Any:
    """Return the value in force here, of a ``with`` block too."""
    return getattr(jax.config, name)
