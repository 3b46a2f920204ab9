"""Variables that somebody else set are forgotten."""

import os
import sys
import warnings

from gapless.surroundings import forget_settings
from hostile import HOSTILE


def test_settings_of_others_are_forgotten(monkeypatch):
    for name, values in HOSTILE.items():
        monkeypatch.setenv(name, values[0] or "")
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_max_isa=AVX2 --xla_none --xla_dump_to=dumps")
    monkeypatch.setattr("sys.warnoptions", ["error"])
    with warnings.catch_warnings():
        forget_settings()
        warnings.warn("not an error", DeprecationWarning, stacklevel=1)
    left = {name for name in os.environ if name.startswith(("JAX_", "NPY_", "MPLB"))}
    assert left == {"JAX_PLATFORMS"}
    assert sys.warnoptions == []
    assert os.environ["XLA_FLAGS"] == "--xla_cpu_max_isa=AVX2 --xla_dump_to=dumps"
    assert os.environ["TZ"] == HOSTILE["TZ"][0]
