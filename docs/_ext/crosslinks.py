r"""Links between formulas and code, in both directions, from words that read well without them.

- ``\text{(B3)}`` or ``\text{(Eq. 12)}`` in a displayed formula is its number, and its anchor.
- (B3), Eq. 12 and docs/derivations/bbp.md §2, on pages and in docstrings, link to it.
- `Curvatures.psi` in code letters links to the reference wherever one public name ends so.

A number or a section that is cited and does not exist is a warning.
"""

import re
from collections import defaultdict
from collections.abc import Iterator

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.nodes import make_refnode

NUMBER = re.compile(r"\\text\{\((Eq\. \d+|[A-Z]\d+)\)\}")
LAST_NUMBER = re.compile(rf"(?:\\qquad)?\s*{NUMBER.pattern}\s*$")
PAGE = r"(?P<page>[a-z-]+)\.md(?: §(?P<section>\d+))?"
CITED = re.compile(
    r"\((?P<letter>[A-Z]\d{1,2})\)|(?P<paper>Eqs?\. (?P<number>\d+))"
    rf"|(?:docs/)?(?:derivations/)?{PAGE}"
)
SECTION = re.compile(r"(\d+)\. ")

logger = logging.getLogger(__name__)


def _known(env: BuildEnvironment, what: str) -> dict:
    """Return where equations or sections stand: page → number → anchor."""
    if not hasattr(env, "gapless_anchors"):
        env.gapless_anchors = {"equations": {}, "sections": {}}  # type: ignore[attr-defined]
    return env.gapless_anchors[what]  # type: ignore[attr-defined]


def collect(app: Sphinx, tree: nodes.document) -> None:
    """Give the displayed formulas of a page their anchors, and note those of its sections."""
    page = app.env.docname
    equations, sections = {}, {}
    for block in tree.findall(nodes.math_block):
        for number in NUMBER.findall(block.astext()):
            anchor = "eq-" + number.lower().replace("eq. ", "")
            equations[number] = anchor
            block["ids"].append(anchor)
            tree.ids[anchor] = block
        last = LAST_NUMBER.search(block.astext())
        if last is not None and len(NUMBER.findall(block.astext())) == 1:
            formula = block.astext()[: last.start()].rstrip()
            block.children = [nodes.Text(formula)]
            block["number"] = last[1]
    for section in tree.findall(nodes.section):
        numbered = SECTION.match(section[0].astext())
        if numbered is not None:
            sections[numbered[1]] = section["ids"][0]
    _known(app.env, "equations")[page] = equations
    _known(app.env, "sections")[page] = sections


def forget(app: Sphinx, env: BuildEnvironment, page: str) -> None:
    """Forget the anchors of a page that is read anew."""
    for what in ("equations", "sections"):
        _known(env, what).pop(page, None)


def names(env: BuildEnvironment) -> dict[str, str]:
    """Return the public names by their endings, from ``module.name`` down, where one is unique."""
    homes: dict[str, set[str]] = defaultdict(set)
    objects = env.get_domain("py").objects  # type: ignore[attr-defined]
    for full in objects:
        parts = full.split(".")
        for first in range(len(parts)):
            homes[".".join(parts[first:])].add(full)
    return {name: full for name, (full, *more) in homes.items() if not more or name == full}


class _Linker:
    """The links of one page."""

    def __init__(self, app: Sphinx, page: str) -> None:
        self.app, self.page, self.env = app, page, app.env
        equations = _known(app.env, "equations")
        self.equations = {n: (p, a) for p, found in equations.items() for n, a in found.items()}
        self.letters = {number[0] for number in self.equations if not number.startswith("Eq")}

    def refer(self, page: str, anchor: str, inner: nodes.Node, title: str = "") -> nodes.reference:
        return make_refnode(self.app.builder, self.page, page, anchor, inner, title or None)

    def code(self, node: nodes.literal, found: dict[str, str]) -> nodes.reference | None:
        """Return the link of a name in code letters."""
        word = node.astext().removesuffix("()")
        if word.startswith("gl."):
            word = word.removeprefix("gl.")
        full = found.get(word)
        if full is None or (word.islower() and "_" not in word and "." not in word):
            return None  # words such as `edge` name columns and options more often than functions
        entry = self.env.get_domain("py").objects[full]  # type: ignore[attr-defined]
        if entry.docname == self.page and _inside(node, entry.node_id):
            return None
        return self.refer(entry.docname, entry.node_id, node.deepcopy(), full)

    def cited(self, match: re.Match[str]) -> tuple[str, str] | None:
        """Return page and anchor of a citation; None where it is of something else."""
        if match["letter"]:
            number = match["letter"]
            if number not in self.equations and number[0] in self.letters:
                logger.warning("no equation (%s)", number, location=self.page)
            return self.equations.get(number)
        if match["paper"]:
            return self.equations.get(f"Eq. {match['number']}")
        page = f"derivations/{match['page']}"
        if page not in self.env.found_docs:
            return None
        anchor = _known(self.env, "sections")[page].get(match["section"], "")
        if match["section"] and not anchor:
            logger.warning("no section %s in %s", match["section"], page, location=self.page)
        return page, anchor

    def parts(self, text: str) -> Iterator[nodes.Node]:
        """Yield a text with its citations as links."""
        start = 0
        for match in CITED.finditer(text):
            place = self.cited(match)
            if place is None:
                continue
            yield nodes.Text(text[start : match.start()])
            yield self.refer(*place, nodes.inline("", match[0]))
            start = match.end()
        if start:
            yield nodes.Text(text[start:])


def _inside(node: nodes.Node, anchor: str) -> bool:
    """Return whether a node stands in the description of the object that has this anchor."""
    while node.parent is not None:
        node = node.parent
        if isinstance(node, addnodes.desc) and anchor in node[0]["ids"]:
            return True
    return False


SKIPPED = (nodes.reference, nodes.literal_block, nodes.title, addnodes.desc_signature)


def _is_free(node: nodes.Node) -> bool:
    """Return whether a node may become a link: it stands in no link, title or signature."""
    while node.parent is not None:
        node = node.parent
        if isinstance(node, SKIPPED):
            return False
    return True


def link(app: Sphinx, tree: nodes.document, page: str) -> None:
    """Replace names in code letters and citations of formulas by links."""
    linker, found = _Linker(app, page), names(app.env)
    for node in list(tree.findall(nodes.literal)):
        if _is_free(node):
            made = linker.code(node, found)
            if made is not None:
                node.parent.replace(node, made)
    for text in list(tree.findall(nodes.Text)):
        if isinstance(text.parent, nodes.literal | nodes.math | nodes.math_block | nodes.raw):
            continue
        if _is_free(text):
            made = list(linker.parts(text.astext()))
            if made:
                text.parent.replace(text, made)


def setup(app: Sphinx) -> dict[str, bool]:
    """Collect anchors as pages are read, and link when all are known."""
    app.connect("doctree-read", collect)
    app.connect("env-purge-doc", forget)
    app.connect("doctree-resolved", link)
    return {"parallel_read_safe": False, "parallel_write_safe": True}
