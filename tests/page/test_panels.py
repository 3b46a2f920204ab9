"""What a picture shows is plain numbers."""

import subprocess
import sys

import numpy as np
import pytest

from gapless.page.panels import Axis, Series


def test_symlog_axes_say_zero_and_powers_of_ten():
    ticks = Axis("t", "symlog", linear=0.05).ticks
    assert ticks is not None
    assert {-1, -0.1, 0, 0.1, 1, 10} <= set(np.round(ticks, 12))
    assert min(np.abs(ticks)[np.abs(ticks) > 0]) >= 0.05
    assert Axis("t", "symlog", ticks=(0, 3)).ticks == (0, 3)


def test_a_curve_has_columns_of_one_length():
    with pytest.raises(ValueError, match="columns of"):
        Series("a", [1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match="one end"):
        Series("a", [1, 2], [1, 2], low=[0, 1])


def test_pictures_are_plain_numbers_and_figures_load_no_drawing_library():
    code = (
        "import sys, gapless.page.panels\n"
        "assert not {'pandas', 'matplotlib', 'jax'} & set(sys.modules)\n"
        "from gapless.figures import NAMES, load\n"
        "assert all(load(name) for name in NAMES)\n"
        "assert 'matplotlib' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
