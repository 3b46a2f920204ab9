"""`gapless explore`: a page with sliders for α and time, served locally or written to a file."""

import os
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from signal import default_int_handler

from gapless.cli.answer import print_json, print_text
from gapless.cli.failing import tell_failures_in
from gapless.cli.meter import meter
from gapless.cli.numbers import numbers
from gapless.cli.options import Json, Whole
from gapless.files import reason, shown, write_durably
from gapless.interrupts import answering

MOST_WORKERS = 8
"""Largest number of processes: beyond it their start takes longer than their share of the work."""


def explore(
    dir: Path | None = None,
    /,
    *,
    loss: tuple[str, ...] = ("quartic", "normalised:a=1"),
    alpha: str = "5:17:0.5",
    port: Whole = 8765,
    export: Path | None = None,
    browser: bool = True,
    as_json: Json = False,
) -> None:
    """Show threshold states against α, and runs and their spectra against time, with sliders.

    The page is served on this machine only, until Ctrl-C, or written with --export. States and runs
    are computed at the first start, in some fifteen seconds on two cores, and cached.

    Example: gapless explore --export results/explorer

    Parameters
    ----------
    dir
        Folder whose fig2 holds a run that is shown too.
    loss
        quartic, amplitude, normalised:a=1, or module:name of your own; repeat the option for more.
    alpha
        Steps of the slider: a list 4,6,10 or a range 2:30:0.5. Runs are at a dozen of them.
    port
        Port on 127.0.0.1; 0 selects a free one.
    export
        Write index.html to this folder instead of serving it.
    browser
        Open the page in the browser, where there is a display.
    as_json
        Print one JSON object.
    """
    from gapless.design import Design
    from gapless.explore import (
        PARTS_BESIDE,
        SIZES,
        Workers,
        dozen,
        explorer_page,
        replay,
        runs_along_alpha,
        server,
        theory_grid,
    )
    from gapless.losses import parse_loss

    losses, alphas = [parse_loss(name) for name in loss], numbers(alpha, "alpha")
    # before the workers start: an α without a sample would cost all that they compute
    for one in alphas:
        Design(n=min(SIZES), alpha=one, seed=0)
    if dir is not None and not dir.is_dir():
        raise ValueError(f"dir: {dir} is no folder; give one that reproduce made, or none")
    if not 0 <= port < 65536:
        raise ValueError(f"port: must be from 0 to 65535, not {port}")
    if export is not None:
        _make_folder(export)
    cache, few = grid_cache(), dozen(alphas)
    parts = len(alphas) + PARTS_BESIDE + len(SIZES) * len(few)
    with (
        meter("explore", len(losses) * parts) as progress,
        Workers(_cores()) as each,
    ):
        grids = [theory_grid(here, alphas, progress.advance, cache, each) for here in losses]
        runs = [
            run
            for here in losses
            for run in runs_along_alpha(here, few, progress.advance, cache, each)["runs"]
        ]
    if dir is not None and (stored := replay(dir)) is not None:
        runs.append(stored)
    if dir is not None:
        tell_failures_in(dir, only="fig2")  # the figure whose run is replayed
    page = explorer_page(grids, runs)
    if export is not None:
        file = export / "index.html"
        try:
            write_durably(file, page.encode())
        except OSError as error:
            raise ValueError(f"export: cannot write {shown(file)}: {reason(error)}") from None
        print_json({"page": str(file)}) if as_json else print_text(f"{shown(file)}\n")
        return
    with server(page, port) as served:
        address = f"http://127.0.0.1:{served.server_address[1]}/"
        print_json({"page": address}) if as_json else print_text(f"{address}\n")
        print_text("", flush=True)
        if browser and _has_display():
            import webbrowser

            webbrowser.open(address)
        # how it is meant to end
        with suppress(KeyboardInterrupt), answering(default_int_handler):
            served.serve_forever()


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"export: cannot make {folder}: {error.strerror}") from None
    if not os.access(folder, os.W_OK):
        raise ValueError(f"export: cannot write to {folder}; give another folder")


def _cores() -> int:
    """Return the number of processes that compute: the cores that this process may use."""
    allowed = getattr(os, "sched_getaffinity", None)
    return min(MOST_WORKERS, len(allowed(0)) if allowed else os.cpu_count() or 1)


def _has_display() -> bool:
    """Return whether a browser could show a window; one in a terminal would take the terminal."""
    if sys.platform in ("win32", "darwin"):
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def grid_cache() -> Path | None:
    """Return the folder of cached grids, None without a cache."""
    from gapless.program_cache import CacheUnusableError, is_off, user_cache

    if is_off():
        return None
    try:
        folder = user_cache()
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except (OSError, CacheUnusableError):
        return None
