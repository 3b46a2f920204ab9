"""Interrupts: the first asks for an orderly end, the second ends the process at once."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

EXIT_CODE = 130


@contextmanager
def orderly_interrupt() -> Iterator[Callable[[], bool]]:
    """Yield the question whether the user has asked to stop.

    Within the block a second interrupt kills the workers and ends the process: nothing on disk
    needs tidying.
    """
    asked = threading.Event()

    def handle(number: int, frame: object) -> None:
        del number, frame
        if asked.is_set():
            for child in multiprocessing.active_children():
                child.kill()
            os._exit(EXIT_CODE)
        asked.set()
        # not sys.stderr: it may be in the middle of a write
        os.write(2, b"finishing the tasks in hand; interrupt again to stop at once\n")

    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    before = signal.signal(signal.SIGINT, handle)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, before)
