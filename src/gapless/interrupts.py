"""Interrupts (SIGINT): a command that is told to stop has ended within seconds, with exit 130.

Python runs the handler of a signal between two of its own instructions, so a compiled loop is
deaf for as long as it runs, and the exception that a handler raises is lost in the callbacks of
libraries or cuts through their code. A command therefore raises nothing: a thread of its own
hears of the signal through a pipe (`signal.set_wakeup_fd`) and ends the process, whatever the
others do. That is safe because files of records are whole or absent at any moment.
"""

import os
import select
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

EXIT_CODE = 130
GRACE = 3.0
"""Seconds that tasks in hand are given to come to their end, and to be stored."""


class _Ending:
    """What the end of this process has to do, and what it has to say."""

    def __init__(self) -> None:
        self.grace = 0.0
        self.scratch: set[Path] = set()
        self.kept: dict[str, str] = {}


_ending = _Ending()


def note_kept(what: str, text: str | None) -> None:
    """Note what stays of this command's work if it is interrupted now; None takes it back."""
    if text is not None:
        _ending.kept[what] = text
    else:
        _ending.kept.pop(what, None)


def last_words() -> str:
    """Return the line that an interrupted command leaves: what is kept, if anything is."""
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
    """From now on end this process when it is interrupted.

    A process that was started deaf to interrupts, as `nohup` and background jobs are, stays so.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    signal.signal(signal.SIGINT, _left_to_the_thread)
    threading.Thread(target=_listen, args=(reading,), name="interrupts", daemon=True).start()


def unwatch() -> None:
    """Let the command, which is done, end with the exit code that it has earned."""
    if signal.getsignal(signal.SIGINT) is _left_to_the_thread:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _left_to_the_thread(number: int, frame: object) -> None:
    """Do nothing: signals without a handler do not come through the pipe."""


def _listen(reading: int) -> None:
    """End the process at the first interrupt, or a while after it if there is `GRACE`."""
    _heard(reading, None)
    _heard(reading, _ending.grace)
    end()


def _heard(reading: int, seconds: float | None) -> None:
    """Return when an interrupt has been heard, or after so many seconds."""
    while select.select([reading], [], [], seconds)[0]:
        if signal.SIGINT in os.read(reading, 1):
            return


def end() -> NoReturn:
    """End this process and its workers at once."""
    try:
        _kill_workers()
        for folder in _ending.scratch:
            shutil.rmtree(folder, ignore_errors=True)
        # the bar of a progress hides the cursor
        say(("\x1b[?25h\n" if os.isatty(2) else "") + last_words())
        _kill_workers()  # one that a pool has started for one that was killed
    finally:
        os._exit(EXIT_CODE)


def _kill_workers() -> None:
    """Kill all children: also a worker that is just being started, and is on no list of ours.

    Without its driver it would end with a traceback.
    """
    for listing in Path("/proc/self/task").glob("*/children"):  # Linux
        with suppress(OSError):
            for number in listing.read_text().split():
                os.kill(int(number), signal.SIGKILL)
    multiprocessing = sys.modules.get("multiprocessing")  # if it is not loaded, there are none
    for child in getattr(multiprocessing, "active_children", list)():
        child.kill()


def say(text: str) -> None:
    """Write to stderr if that takes no waiting; not `sys.stderr`, which may be in a write."""
    try:
        if select.select([], [2], [], 0)[1]:
            os.write(2, text.encode())
    except (OSError, ValueError):
        pass  # a closed stderr hears nothing


@contextmanager
def answering(handler: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    """Have `handler` answer interrupts in the block, and the process end `GRACE` after the first.

    Outside of a command (see `watch`) the end is left to the handler.
    """
    if threading.current_thread() is not threading.main_thread():
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
    """Yield the question whether the user has asked to stop.

    Within the block a second interrupt kills the workers and ends the process, and in a command
    (see `watch`) so does the time: tasks in hand have `GRACE` seconds.
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
    """Let processes that are started in the block hear no interrupt, from their first moment.

    An interrupt of this process waits until the block is left.
    """
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # it unblocks the signal when it starts
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
