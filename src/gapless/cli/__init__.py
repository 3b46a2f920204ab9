"""The command line: verbs, each a few lines over a library call."""

from gapless.cli.main import main

__all__ = ["main"]
