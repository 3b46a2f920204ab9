"""Formulas as MathML, which browsers draw by themselves: no script, no fonts, no network."""

import re
import unicodedata

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx

VARIANT = re.compile(r'<m([in]) mathvariant="(double-struck|bold|script|sans-serif)">(\w)</m[in]>')
"""A letter or digit with a variant, an attribute that browsers do not draw."""


def _letter(match: re.Match[str]) -> str:
    kind = "DIGIT" if match[3].isdigit() else "CAPITAL" if match[3].isupper() else "SMALL"
    name = unicodedata.name(match[3]).rsplit(" ", 1)[-1]
    try:
        letter = unicodedata.lookup(f"MATHEMATICAL {match[2].upper()} {kind} {name}")
    except KeyError:  # R of the real numbers and some others, which Unicode has elsewhere
        return match[0]
    return f"<m{match[1]}>{letter}</m{match[1]}>"


def mathml(formula: str, display: str) -> str:
    """Return a formula as MathML, its letters of other alphabets as the characters they are."""
    return VARIANT.sub(_letter, convert(formula, display=display))


def inline(self, node: nodes.math) -> None:
    """Write a formula within a line."""
    self.body.append(mathml(node.astext(), "inline"))
    raise nodes.SkipNode


def block(self, node: nodes.math_block) -> None:
    """Write a formula on lines of its own, with its number where it has one."""
    number = f'<span class="eqno">({node["number"]})</span>' if node.get("number") else ""
    formula = mathml(node.astext(), "block")
    # a theme may wrap a formula in a container that has its anchors already
    anchors = [anchor for anchor in node["ids"] if anchor not in node.parent["ids"]]
    targets = "".join(f'<span id="{anchor}"></span>' for anchor in anchors)
    self.body.append(
        f'<div class="math" role="group" tabindex="0">{targets}{number}{formula}</div>'
    )
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the renderer under the name ``mathml``."""
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
