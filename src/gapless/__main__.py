"""`gapless` and `python -m gapless`: the command line as a process of its own.

Nothing is imported here that takes time: interrupts are answered from the start.
"""

import os
import sys

from gapless import interrupts


def main() -> int:
    """Run the command line of this process; return its exit code."""
    interrupts.watch()
    from gapless.cli import main as run

    code = run()
    if code == interrupts.EXIT_CODE:
        # a computation may still run in threads: the interpreter cannot be taken down around it
        os._exit(code)
    interrupts.unwatch()
    return code


# spawned workers import this module under another name
if __name__ == "__main__":
    sys.exit(main())
