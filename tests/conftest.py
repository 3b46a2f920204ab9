"""Shapes are checked at every call under test; silent promotion of rank is an error."""

import gc
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from places import ROOT, TESTS

if TYPE_CHECKING:
    from gapless.page.panels import Picture

ARRAYS = [
    "design",
    "sensing",
    "problem",
    "flow",
    "linalg",
    "hessian",
    "theory",
    "algorithms",
    "measure",
]

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # a shell that starts the tests in the background has them, and their children, hear nothing
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config: pytest.Config) -> None:
    """Prepare a process that runs tests; one that hands them to workers loads no arrays."""
    if hasattr(config, "workerinput") or config.getoption("dist", "no") == "no":
        prepare()


def prepare() -> None:
    """Check shapes, keep programs, move seeds; before anything imports `gapless`."""
    import hypothesis
    import jax
    from jaxtyping import install_import_hook

    from typechecker import check_shapes_alone

    check_shapes_alone()
    install_import_hook([f"gapless.{name}" for name in ARRAYS], "typechecker.checked")

    from gapless import program_cache
    from gapless.threads import pin_threads
    from seeds import SHIFT, move_seeds

    pin_threads()
    program_cache.use()
    move_seeds()
    jax.config.update("jax_numpy_rank_promotion", "raise")
    hypothesis.settings.register_profile(
        "gapless", deadline=None, derandomize=not SHIFT, max_examples=50
    )
    hypothesis.settings.load_profile("gapless")


@pytest.fixture
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let processes that a test starts import the tests and what these share."""
    for folder in (str(ROOT), str(TESTS)):
        monkeypatch.syspath_prepend(folder)
        monkeypatch.setenv("PYTHONPATH", folder, prepend=os.pathsep)


@pytest.fixture
def unprinted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the files of a report's pictures empty: they take longer than the rest of a page."""

    def touch(picture: "Picture", *paths: Path, **how: Any) -> None:
        for path in paths:
            path.touch()

    monkeypatch.setattr("gapless.page.image.save", touch)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Reverse the order where seeds are moved: no test may depend on either. Keep what is there."""
    from seeds import SHIFT

    if SHIFT:
        items.reverse()
    # modules and tests stay to the end: a full collection of garbage need not walk through them;
    # at each of any generation JAX and Hypothesis are called, by default every 700 objects
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 10, 10)
