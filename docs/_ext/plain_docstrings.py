"""Docstrings are prose for readers of the source: a bar there is a modulus, no markup."""

import re
from typing import Any

from sphinx.application import Sphinx

CODE = re.compile(r"(`+[^`]+`+)")


def bars_and_stars(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]):
    """Escape ``|`` and the star of W* outside of code."""
    for i, line in enumerate(lines):
        parts = CODE.split(line)
        parts[::2] = [re.sub(r"(?<!\*)\*(?!\*)|\|", r"\\\g<0>", part) for part in parts[::2]]
        lines[i] = "".join(parts)


def setup(app: Sphinx) -> dict[str, bool]:
    """Run after napoleon, whose field lists have stars of their own."""
    app.connect("autodoc-process-docstring", bars_and_stars, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
