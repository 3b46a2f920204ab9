"""Interrupts (SIGINT): an interrupted command ends within seconds, with exit code 130.

SIGTERM and SIGHUP, the end of a job or of a terminal, end it at once, and as ever by that signal:
only its temporary folders and workers do not stay behind.

Python runs the handler of a signal between two of its own instructions, so a compiled loop delays
it until the loop returns, and an exception raised by a handler is lost in the callbacks of
libraries or interrupts their code. A command therefore raises no exception: a separate thread reads
the signal from a pipe (`signal.set_wakeup_fd`) and ends the process in any state of the others.
That is safe because files of records are complete or absent at any moment.
"""

import os
import select
import shutil
import signal
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

EXIT_CODE = 130
ENDINGS = signal.SIGTERM, signal.SIGHUP
"""Signals that end a command at once."""
GRACE = 3.0
"""Seconds in which running tasks may end and be stored."""


class _Ending:
    """State for the end of this process: grace, temporary folders and the work kept."""

    def __init__(self) -> None:
        self.grace = 0.0
        self.scratch: set[Path] = set()
        self.kept: dict[str, str] = {}


_ending = _Ending()


def note_kept(what: str, text: str | None) -> None:
    """Set the description of work that an interrupt would keep; None removes it."""
    if text is not None:
        _ending.kept[what] = text
    else:
        _ending.kept.pop(what, None)


def last_words() -> str:
    """Return the last line of an interrupted command, with the work that is kept."""
    kept = ", ".join(dict.fromkeys(list(_ending.kept.values())))
    if not kept:
        return "interrupted\n"
    return f"interrupted; {kept}; the same command goes on from there\n"


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Yield a temporary folder, removed at the end of the block or of the process."""
    with tempfile.TemporaryDirectory(prefix="gapless-") as name:
        _ending.scratch.add(Path(name))
        try:
            yield Path(name)
        finally:
            _ending.scratch.discard(Path(name))


def watch() -> None:
    """End this process at an interrupt, or at one of `ENDINGS`, from now on.

    A process that was started with some of them ignored, as by `nohup` or in the background, goes
    on ignoring them.
    """
    untouched = signal.default_int_handler, signal.SIG_DFL
    heard = [one for one in (signal.SIGINT, *ENDINGS) if signal.getsignal(one) in untouched]
    if not heard:
        return
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for one in heard:
        signal.signal(one, _left_to_the_thread)
    threading.Thread(target=_listen, args=(reading,), name="interrupts", daemon=True).start()


def unwatch() -> None:
    """Ignore interrupts after a finished command, so that its exit code is kept."""
    for one in (signal.SIGINT, *ENDINGS):
        if signal.getsignal(one) is _left_to_the_thread:
            # the thread ends with the interpreter
            signal.signal(one, signal.SIG_IGN if one == signal.SIGINT else signal.SIG_DFL)


def _left_to_the_thread(number: int, frame: object) -> None:
    """Do nothing; only signals with a handler are written to the pipe."""


def _listen(reading: int) -> None:
    """End the process at the first interrupt or `grace` seconds after it, or at an ending."""
    number = _heard(reading, None)
    if number == signal.SIGINT:
        number = _heard(reading, _ending.grace)
    end(number)


def _heard(reading: int, seconds: float | None) -> int:
    """Block until a signal, or for at most ``seconds``; return its number, else SIGINT."""
    while select.select([reading], [], [], seconds)[0]:
        (number,) = os.read(reading, 1)
        if number in (signal.SIGINT, *ENDINGS):
            return number
    return signal.SIGINT


def end(number: int = signal.SIGINT) -> NoReturn:
    """End this process and its workers at once, for a signal."""
    try:
        # multiprocessing, in the main thread, warns of its process that is killed here
        warnings.simplefilter("ignore")
        _kill_workers()
        for folder in _ending.scratch:
            shutil.rmtree(folder, ignore_errors=True)
        # the bar of a progress hides the cursor
        say(("\x1b[?25h\n" if os.isatty(2) else "") + last_words())
        _kill_workers()  # one that a pool has started for one that was killed
    finally:
        if number != signal.SIGINT:
            _end_by(number)
        os._exit(EXIT_CODE)


def _end_by(number: int) -> None:
    """End this process by a signal, as its parent expects, from any thread."""
    import ctypes

    # Python sets handlers in the main thread alone, which may be in a compiled loop
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).signal(number, None)  # SIG_DFL is the null pointer
        os.kill(os.getpid(), number)
    os._exit(128 + number)


def _kill_workers() -> None:
    """Kill all children, also a worker that has just been started and is not yet listed.

    Without its driver such a worker would end with a traceback.
    """
    for listing in Path("/proc/self/task").glob("*/children"):  # Linux
        with suppress(OSError):
            for number in listing.read_text().split():
                os.kill(int(number), signal.SIGKILL)
    multiprocessing = sys.modules.get("multiprocessing")  # if it is not loaded, there are none
    for child in getattr(multiprocessing, "active_children", list)():
        child.kill()


def say(text: str) -> None:
    """Write to stderr if it does not block; `sys.stderr` is not used, as it may be in a write."""
    try:
        if select.select([], [2], [], 0)[1]:
            os.write(2, text.encode())
    except (OSError, ValueError):
        pass  # a closed stderr hears nothing


@contextmanager
def answering(handler: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    """Handle interrupts in the block by `handler`, and end the process `GRACE` s after the first.

    Outside a command (see `watch`) only the handler ends the process. Where interrupts are ignored
    they stay so.
    """
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    if ignored or threading.current_thread() is not threading.main_thread():
        yield
        return
    grace, _ending.grace = _ending.grace, GRACE
    before = signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        _ending.grace = grace


@contextmanager
def orderly_interrupt() -> Iterator[Callable[[], bool]]:
    """Yield a function that returns whether the user has interrupted the block.

    A second interrupt in the block kills the workers and ends the process. In a command (see
    `watch`) the process also ends `GRACE` seconds after the first one.
    """
    asked = threading.Event()

    def handle(number: int, frame: object) -> None:
        del number, frame
        if asked.is_set():
            end()
        asked.set()
        say("finishing the tasks in hand, interrupt again to stop at once\n")

    with answering(handle):
        yield asked.is_set


@contextmanager
def deaf_children() -> Iterator[None]:
    """Block interrupts for processes started in the block, from their first instruction on.

    An interrupt of this process is delivered at the end of the block.
    """
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # it unblocks the signal when it starts
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
