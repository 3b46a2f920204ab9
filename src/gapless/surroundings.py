"""What a process of the command line finds around it, put in order before anything is loaded.

Notebooks, clusters and shell profiles set variables for programs of their own. None of them may
stop a run or change a number, so those that could are forgotten here, by this process and by the
workers that it starts. Imports nothing that takes time.
"""

import io
import os
import sys
import warnings
from typing import TextIO

FORGOTTEN = (
    *("JAX_", "XLA_FLAGS", "NPY_", "NUMPY_", "SCIPY_"),
    *("MPLBACKEND", "MATPLOTLIBRC", "PYTHONWARNINGS"),
)
"""How the names of variables begin that change what libraries compute, or whether they start.
Those that tell a library which processor it runs on (OPENBLAS_CORETYPE) describe the machine."""
KEPT_FLAGS = (
    "--xla_backend_optimization_level=",
    "--xla_cpu_max_isa=",
    "--xla_dump_to=",
    "--xla_gpu_cuda_data_dir=",
)
"""What is heeded in XLA_FLAGS: how fast to compile and for which processor, and folders."""

NARROWEST = 20
"""Columns below which help is not wrapped to a terminal: of some widths rich never comes back."""


class Stream(io.TextIOWrapper):
    """Standard output or error: what it cannot encode is escaped, a lost reader ends nothing."""

    forgiven: type[OSError] = BrokenPipeError
    """`… | head` has read enough; that is no failure."""

    def write(self, text: str) -> int:
        """Write, or lose the text if that is forgiven."""
        try:
            super().write(text)
        except self.forgiven:
            self.lose()
        return len(text)

    def flush(self) -> None:
        """Flush, or lose the text if that is forgiven."""
        try:
            super().flush()
        except self.forgiven:
            self.lose()

    def lose(self) -> None:
        """Send what is buffered, and what follows, nowhere: or Python tries again at its end."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)
        super().flush()


class Progress(Stream):
    """Standard error: nothing that happens to it may end a computation."""

    forgiven = OSError


def put_in_order() -> None:
    """Give this process streams that can be written to, and no settings of others."""
    for number in (0, 1, 2):
        _open_descriptor(number)
    if sys.stdout is sys.__stdout__:
        sys.stdout = _stream(Stream, 1, sys.stdout)
    if sys.stderr is sys.__stderr__:
        sys.stderr = _stream(Progress, 2, sys.stderr)
    forget_settings()


def finish(code: int) -> int:
    """Return the exit code, once what was printed has been taken; 1 if the disk would not."""
    try:
        sys.stdout.flush()
    except OSError as error:
        if code == 0:
            sys.stderr.write(f"gapless: failed: the answer cannot be written: {error.strerror}\n")
            code = 1
        if isinstance(sys.stdout, Stream):
            sys.stdout.lose()
    return code


def forget_settings() -> None:
    """Drop the variables that are `FORGOTTEN`, and the filters of warnings set from outside."""
    platforms = os.environ.get("JAX_PLATFORMS")
    flags = [f for f in os.environ.get("XLA_FLAGS", "").split() if f.startswith(KEPT_FLAGS)]
    for name in [name for name in os.environ if name.startswith(FORGOTTEN)]:
        del os.environ[name]
    if platforms == "cpu":  # of the other platforms JAX takes by itself which there is
        os.environ["JAX_PLATFORMS"] = platforms
    if flags:
        os.environ["XLA_FLAGS"] = " ".join(flags)
    columns = os.environ.get("COLUMNS", "")
    if not (columns.isascii() and columns.isdecimal() and int(columns) >= NARROWEST):
        os.environ.pop("COLUMNS", None)
    if sys.warnoptions:
        sys.warnoptions.clear()
        warnings.resetwarnings()
        for category in (DeprecationWarning, PendingDeprecationWarning, ImportWarning):
            warnings.simplefilter("ignore", category)


def _open_descriptor(number: int) -> None:
    """Open a descriptor that is closed: otherwise a file gets it, and messages end up in there."""
    try:
        os.fstat(number)
    except OSError:
        opened = os.open(os.devnull, os.O_RDWR)
        if opened != number:
            os.dup2(opened, number)
            os.close(opened)
        os.set_inheritable(number, True)


def _stream(kind: type[Stream], number: int, former: TextIO | None) -> Stream:
    encoding = former.encoding if former else "utf-8"
    buffer = io.BufferedWriter(io.FileIO(number, "w", closefd=False))
    line_buffering = number == 2 or os.isatty(number)
    return kind(buffer, encoding, "backslashreplace", line_buffering=line_buffering)
