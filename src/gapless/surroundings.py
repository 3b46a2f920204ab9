"""Environment of a process of the command line, cleaned before any library is loaded.

Notebooks, clusters and shell profiles set variables for other programs. None of them may stop a run
or change a number, so those that could are removed here, for this process and for the workers that
it starts. The module imports only small modules of the standard library.
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
"""Prefixes of variables that change the results of libraries or prevent their import. Variables
that name the processor of the machine (OPENBLAS_CORETYPE) are kept."""
KEPT_FLAGS = (
    "--xla_backend_optimization_level=",
    "--xla_cpu_max_isa=",
    "--xla_dump_to=",
    "--xla_gpu_cuda_data_dir=",
)
"""Flags of XLA_FLAGS that are kept: speed of compilation, processor, and folders."""

NARROWEST = 20
"""Smallest number of columns to which help is wrapped; rich does not return at some widths."""


class Stream(io.TextIOWrapper):
    """Standard output or error that escapes other characters and survives a closed pipe."""

    forgiven: type[OSError] = BrokenPipeError
    """Error that is ignored, as after `… | head`."""

    def write(self, text: str) -> int:
        """Write the text, or drop it at an error of type `forgiven`."""
        try:
            super().write(text)
        except self.forgiven:
            self.lose()
        return len(text)

    def flush(self) -> None:
        """Flush the stream, or drop the text at an error of type `forgiven`."""
        try:
            super().flush()
        except self.forgiven:
            self.lose()

    def lose(self) -> None:
        """Redirect buffered and later text to the null device, else Python flushes it at exit."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)
        super().flush()


class Progress(Stream):
    """Standard error, whose errors never end a computation."""

    forgiven = OSError


def put_in_order() -> None:
    """Open the standard streams of this process and remove the settings of other programs."""
    for number in (0, 1, 2):
        _open_descriptor(number)
    if sys.stdout is sys.__stdout__:
        sys.stdout = _stream(Stream, 1, sys.stdout)
    if sys.stderr is sys.__stderr__:
        sys.stderr = _stream(Progress, 2, sys.stderr)
    forget_settings()


def finish(code: int) -> int:
    """Return the exit code after a flush of standard output; 1 if the flush fails."""
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
    """Remove the variables of `FORGOTTEN` and the filters of warnings set from outside."""
    platforms = os.environ.get("JAX_PLATFORMS")
    flags = [f for f in os.environ.get("XLA_FLAGS", "").split() if f.startswith(KEPT_FLAGS)]
    for name in [name for name in os.environ if name.startswith(FORGOTTEN)]:
        del os.environ[name]
    if platforms == "cpu":  # of the other platforms JAX takes by itself which there is
        os.environ["JAX_PLATFORMS"] = platforms
    if flags:
        os.environ["XLA_FLAGS"] = " ".join(flags)
    # the first process on a GPU takes three quarters of its memory by default, and workers share it
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    # plugins of pydantic run code of other packages, and looking for them takes time
    os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"
    columns = os.environ.get("COLUMNS", "")
    if not (columns.isascii() and columns.isdecimal() and int(columns) >= NARROWEST):
        os.environ.pop("COLUMNS", None)
    if sys.warnoptions:
        sys.warnoptions.clear()
        warnings.resetwarnings()
        for category in (DeprecationWarning, PendingDeprecationWarning, ImportWarning):
            warnings.simplefilter("ignore", category)


def _open_descriptor(number: int) -> None:
    """Open a descriptor that is closed; otherwise a later file has it and receives messages."""
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
