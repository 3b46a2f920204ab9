"""`python -m gapless`: the command line."""

import sys

from gapless.cli import main

# spawned workers import this module under another name
if __name__ == "__main__":
    sys.exit(main())
