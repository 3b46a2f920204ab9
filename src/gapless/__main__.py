"""`gapless` and `python -m gapless`: the command line as a process of its own.

Nothing is imported here that takes time: interrupts are answered from the start.
"""

import os
import sys

ASKS_ONLY = frozenset({"--help", "-h", "--version"})
"""Arguments with which nothing is computed, hence nothing compiled."""


def main() -> int:
    """Run the command line of this process; return its exit code."""
    _look_here_last()
    from gapless import interrupts, surroundings

    surroundings.put_in_order()  # opens what is closed, or the pipe of interrupts were stderr
    interrupts.watch()
    if ASKS_ONLY.isdisjoint(sys.argv):
        from gapless import program_cache

        program_cache.use()
    from gapless.cli import main as run

    code = surroundings.finish(run())
    if code == interrupts.EXIT_CODE:
        # a computation may still run in threads: the interpreter cannot be taken down around it
        os._exit(code)
    interrupts.unwatch()
    return code


def _look_here_last() -> None:
    """Find modules of the current folder after installed ones, in this process and its workers.

    `python -m` looks in the current folder first, where somebody's `code.py` or `numpy.py` may lie.
    """
    if not sys.flags.safe_path and sys.path and sys.path[0] in ("", os.getcwd()):
        sys.path.append(sys.path.pop(0))
    os.environ["PYTHONSAFEPATH"] = "1"


# spawned workers import this module under another name
if __name__ == "__main__":
    sys.exit(main())
