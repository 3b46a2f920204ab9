"""Docstrings are prose for readers of the source: a bar there is a modulus, no markup."""

import re
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

CODE = re.compile(r"(`+[^`]+`+)")
ESCAPED = re.compile(r"(?P<emphasis>(?<!\w)\*\w[^*]*\w\*)|[*|]")
"""What reStructuredText would read as markup: bars, and stars that emphasise nothing, as in W*."""
EXAMPLE = re.compile(r"^(\s*Example: )(gapless .*)$")
OPTION = re.compile(r"(?<![\w-])--[a-z][\w-]*(?: [A-Z]\w*)?")
"""Commands and options in help, whose two dashes would be printed as one."""
COLON = "\ue000"
"""Stands for a colon while napoleon looks, which would take what is before it for a type."""


def _literal(match: re.Match[str]) -> str:
    return match["emphasis"] or f"\\{match[0]}"


def _ahead_of_sections(lines: list[str]) -> list[str]:
    """Return a docstring with the paragraphs that follow its sections put before them.

    A section of numpy's convention ends where the next begins, so that a paragraph after
    ``Parameters`` would be taken for one more parameter.
    """
    starts = [i for i in range(len(lines) - 1) if re.fullmatch(r"-{3,}", lines[i + 1].strip())]
    if not starts:
        return lines
    first = starts[0]
    body, found = [], []
    for block in "\n".join(lines[first:]).split("\n\n"):
        rows = block.split("\n")
        is_prose = not any(row.startswith(" ") or re.fullmatch(r"-{3,}", row) for row in rows)
        (found if is_prose and block.strip() else body).append(block)
    text = "\n\n".join([*found, "\n\n".join(body)])
    return [*lines[:first], *text.split("\n")]


def protect(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Escape bars and stars outside of code, show commands as code, hide colons of attributes."""
    if what in {"function", "method", "class", "exception", "property"}:
        lines[:] = _ahead_of_sections(lines)
    for i, line in enumerate(lines):
        line = EXAMPLE.sub(r"\1``\2``", line)
        parts = CODE.split(line)
        parts[::2] = [OPTION.sub(r"``\g<0>``", ESCAPED.sub(_literal, p)) for p in parts[::2]]
        lines[i] = "".join(parts)
        if what in {"data", "attribute"}:
            lines[i] = lines[i].replace(":", COLON)


def restore(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Show the colons again."""
    lines[:] = [line.replace(COLON, ":") for line in lines]


def short_arrays(app: Sphinx, tree: nodes.document) -> None:
    """Write ``Float[Array, 'K N']`` without the module that JAX keeps its arrays in."""
    for signature in tree.findall(addnodes.desc_signature):
        for text in list(signature.findall(nodes.Text)):
            short = re.sub(r"jaxlib\._jax\.|jax\._src\.\w+\.", "", text.astext())
            if short != text.astext():
                text.parent.replace(text, nodes.Text(short))


def setup(app: Sphinx) -> dict[str, bool]:
    """Run before napoleon (priority 500) and after."""
    app.connect("autodoc-process-docstring", protect, priority=400)
    app.connect("autodoc-process-docstring", restore, priority=600)
    app.connect("doctree-read", short_arrays)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
