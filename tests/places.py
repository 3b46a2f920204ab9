"""Where tests find what they share, whatever folder they stand in."""

from pathlib import Path

TESTS = Path(__file__).parent
ROOT = TESTS.parent
OLD_STORE = TESTS / "data" / "store-0.1"
"""A store that version 0.1 wrote."""
