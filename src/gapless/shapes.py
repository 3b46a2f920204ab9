"""Kinds and shapes of arrays in annotations: jaxtyping's names where jaxtyping is loaded.

The tests load jaxtyping first, and it checks the shapes at every call. A command does not load
it, since it takes as long as NumPy: there an annotation is the type of the array alone.
"""

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Bool as Bool
    from jaxtyping import Complex as Complex
    from jaxtyping import Float as Float
    from jaxtyping import Float32 as Float32
    from jaxtyping import Float64 as Float64
    from jaxtyping import Int as Int
    from jaxtyping import UInt32 as UInt32
else:

    class _Kind:
        """Stand-in of a kind: with an array's type and a shape, the type."""

        def __class_getitem__(cls, of: tuple[Any, str]) -> Any:
            return of[0]

    Bool = Complex = Float = Float32 = Float64 = Int = UInt32 = _Kind
