"""The rules of the project's prose that a program can check, for pages and for docstrings.

``python tests/prose.py`` prints one line a fault, and ends with 1 if there is one; `make lint` runs
it. Sentences are found by their punctuation, so a rule here is a pattern, and a page that obeys
them all may still read badly.
"""

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from places import ROOT

COLUMNS = 100
"""The longest line of a page, and the longest cell of a table, whose rows cannot be broken."""

QUESTION = r"(what|who|whom|whoever|whose|how|where|which|why|when)\b"
FIRST_LINE = {
    rf"^{QUESTION}": "name the object instead of asking for it",
    rf"^(return|print|show|yield|judge|say|tell|note|decide|keep)s? {QUESTION}": (
        "name what is returned or done in the field's terms"
    ),
    r"\b(what|who|whoever)\b": "a first line names objects: no clause with what or who",
}
"""Patterns that no first line of a docstring has."""

THING = (
    r"(runs?|steps?|clocks?|errors?|failures?|stores?|parts?|pages?|tables?|figures?|matri(x|ces)|"
    r"loss(es)?|energ(y|ies)|theor(y|ies)|loops?|programs?|machines?|computations?|sweeps?|files?|"
    r"records?|points?|plans?|seeds?|tests?|paths?|minima|states?|functions?|methods?|cod(e|es))"
)
CALQUES = {
    r"\b(whoever|whosoever)\b": "name the person or the program",
    r"(?<!not )\bso many\b(?! that)": "say the number, or `a number of`",
    r"\bas is\b(?=[.,;:)\"]|$)": "`unchanged`",
    r"\bha(s|ve|d) (its|their) way\b": "an estimate has no will",
    r"\bf(ind|inds|ound) (its|their) way\b": "a thing finds no way",
    r"\bis no opinion\b": "say what the failure means",
    r"\bbe (what|who) (it|they) (is|are)\b": "name it",
    r"\b(have|has|had) something to say\b": "a thing does not speak",
    r"\bby the thousand\b": "say the number",
    r"\bof (anybody|somebody|nobody)('s)?\b": "name the owner",
    rf"\b{THING} (want|know|tell|bear|believe|forget|remember|learn|hear|feel|wish)s?\b": (
        "a thing is not a person"
    ),
    rf"\b{THING} (waits?|is waiting|are waiting)\b": "a thing is not a person",
    r"\bmeans? well\b": "a thing is not a person",
}
"""Patterns that no prose has: calques, and things made persons."""

DIARY = {
    r"\b(this|that) (morning|afternoon|evening)\b": "no diary",
    r"\b(yesterday|today|nowadays|tonight)\b": "no diary: a page states what holds",
    r"\bthe day before\b": "no diary",
    r"\bthe (code|version|commit) (of )?before\b": "no diary: history is in git",
    r"\btried and (left|dropped)\b": "no diary: history is in git",
    r"\b(is|are) gone\b": "no diary: history is in git",
    r"\bbefore all this\b": "no diary",
    r"\bat the time of writing\b": "no diary",
}
"""Patterns of a development diary, which no page holds."""

PARTICIPLE = (
    r"Measured|Checked|Tried|Stated|Told|Noted|Found|Compared|Computed|Killed|Seen|Refused|"
    r"Bounded|Unchanged|Tested|Written|Kept|Drawn|Left|Held|Said|Done"
)
FINITE = re.compile(
    r"\b(is|are|was|were|has|have|had|do|does|did|can|could|may|might|must|will|would|should|"
    r"gives?|shows?|takes?|holds?|falls?|fell|rises?|rose|agrees?|differs?|lies?|lay|needs?|"
    r"grows?|grew|makes?|reads?|stands?|begins?|ends?|comes?|came|goes|contains?|costs?)\b"
)
ABBREVIATION = re.compile(
    r"(?:\b(?:Eqs?|Figs?|Refs?|Sec|App|Tab|e\.g|i\.e|i\.i\.d|cf|vs|al|approx|resp|Dr|Commun|Math|Phys|Soc|Proc|Appl|Anal|pp?)"
    r"|(?:^|[,(:] |\band |\b[A-Z]\. )[A-Z])\.$"
)
BOUNDARY = re.compile(r"[.!?][)\"'”*_]*(?=\s+[\"“'(\[*_`]*[A-ZÀ-ÞΑ-Ω`α-ω∂Σℓ|])")
"""The end of a sentence, where another begins."""


@dataclass(frozen=True)
class Fault:
    """A line of a file, the text in question and the rule that it breaks."""

    path: Path
    line: int
    text: str
    rule: str

    def __str__(self) -> str:
        """Return the fault as one line that an editor can follow."""
        shown = self.path.relative_to(ROOT) if self.path.is_relative_to(ROOT) else self.path
        return f"{shown}:{self.line}: {self.rule}: {self.text[:80]}"


def sentences(text: str) -> list[str]:
    """Return the sentences of one paragraph, without splitting at ``Eq.`` or an initial."""
    found, start = [], 0
    for match in BOUNDARY.finditer(text):
        if not ABBREVIATION.search(text[start : match.start() + 1]):
            found.append(text[start : match.end()].strip())
            start = match.end()
    return [*found, text[start:].strip()]


def without_code(text: str) -> str:
    """Return prose with its code and the targets of its links blanked."""
    text = re.sub(r"`[^`]*`", "`x`", text)
    return re.sub(r"\]\([^)]*\)", "]", text)


def matches(text: str, rules: dict[str, str]) -> Iterator[str]:
    """Yield the remedies of the patterns that a text has."""
    for pattern, remedy in rules.items():
        found = re.search(pattern, text, re.I)
        if found is not None:
            yield f"“{found[0].strip()}”, {remedy}"


def has_subject(sentence: str) -> bool:
    """Return whether a sentence that begins with a participle has a subject, as it seems."""
    begun = re.match(rf"(?:{PARTICIPLE})\b", sentence)
    return begun is None or bool(FINITE.search(sentence[begun.end() :]))


def prose_faults(paragraph: str) -> Iterator[tuple[str, str]]:
    """Yield the sentences of a paragraph that break a rule, each with the rule."""
    for sentence in sentences(without_code(paragraph)):
        for rule in matches(sentence, CALQUES):
            yield sentence, rule
        if not has_subject(sentence):
            yield sentence, "a sentence needs a subject and a verb"


# ---------------------------------------------------------------- pages


def paragraphs(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the prose of a page, paragraph by paragraph, each with its first line's number.

    Left out: fenced blocks, formulas and code (indented by four), tables, comments, link targets.
    """
    code = formula = False
    block: list[str] = []
    first = 0
    for number, line in enumerate([*text.splitlines(), ""], 1):
        fence = bool(re.match(r"\s*(```|~~~)", line))
        opens = not code and line.count("$$") % 2 == 1
        inside = code or formula or fence or opens or line.lstrip().startswith("$$")
        is_prose = not (inside or re.match(r"(    (?! *[-*\d])|\||<!--|#|\s*$)", line))
        starts_item = re.match(r"\s*([-*]|\d+\.) ", line)
        if block and (not is_prose or starts_item):
            yield first, block
            block = []
        if is_prose:
            first = first if block else number
            block.append(line)
        code, formula = code ^ fence, formula ^ opens


def page_faults(path: Path, text: str) -> Iterator[Fault]:
    """Yield the faults of one Markdown page."""
    for number, line in enumerate(text.splitlines(), 1):
        cells = re.split(r"(?<!\\)\|", line) if line.startswith("|") else [line]
        if max(len(cell) for cell in cells) > COLUMNS and " " in line.strip():
            yield Fault(path, number, line, f"more than {COLUMNS} columns")
    for first, block in paragraphs(text):
        for offset, line in enumerate(block):
            if len(sentences(without_code(re.sub(r"^\s*([-*]|\d+\.) ", "", line)))) > 1:
                yield Fault(path, first + offset, line, "more than one sentence a line")
        whole = re.sub(r"^\s*([-*]|\d+\.) ", "", " ".join(line.strip() for line in block))
        for sentence, rule in prose_faults(whole):
            yield Fault(path, first, sentence, rule)
        for rule in matches(without_code(whole), DIARY):
            yield Fault(path, first, whole, rule)


# ---------------------------------------------------------------- docstrings and help


def docstring_paragraphs(text: str) -> list[str]:
    """Return the prose of a docstring: its paragraphs, without formulas and headings."""
    parts = re.split(r"\n\s*\n", text)
    blocks = []
    for part in parts:
        lines = [
            line for line in part.splitlines() if not re.match(r"(\s*-{3,}\s*$|\s{4,}\S)", line)
        ]
        blocks.append(" ".join(line.strip() for line in lines))
    return blocks


def docstring_faults(path: Path, line: int, text: str) -> Iterator[Fault]:
    """Yield the faults of one docstring, given without its indentation."""
    first = text.splitlines()[0] if text else ""
    for rule in matches(re.sub(r"`[^`]*`", "`x`", first), FIRST_LINE):
        yield Fault(path, line, first, rule)
        break
    for paragraph in docstring_paragraphs(text):
        for sentence, rule in prose_faults(paragraph):
            yield Fault(path, line, sentence, rule)


def text_faults(path: Path, value: ast.expr) -> Iterator[Fault]:
    """Yield the faults of a text that documents an attribute or an option."""
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        yield from docstring_faults(path, value.lineno, value.value)


def source_faults(path: Path, text: str) -> Iterator[Fault]:
    """Yield the faults of the docstrings of one module, and of the help that it gives."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = ast.get_docstring(node)
            if docstring is not None:
                yield from docstring_faults(path, getattr(node, "lineno", 1), docstring)
        if isinstance(node, ast.Module | ast.ClassDef):
            for named, after in pairwise(node.body):
                if isinstance(named, ast.Assign | ast.AnnAssign) and isinstance(after, ast.Expr):
                    yield from text_faults(path, after.value)
        if isinstance(node, ast.keyword) and node.arg == "help":
            yield from text_faults(path, node.value)


# ---------------------------------------------------------------- the project


def pages() -> list[Path]:
    """Return README, CONTRIBUTING and the pages of the documentation."""
    found = (path for path in (ROOT / "docs").rglob("*.md") if "_build" not in path.parts)
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(found)]


def sources() -> list[Path]:
    """Return the modules of the package."""
    return sorted((ROOT / "src" / "gapless").rglob("*.py"))


def faults_of(path: Path) -> list[Fault]:
    """Return the faults of a page or a module."""
    faults = page_faults if path.suffix == ".md" else source_faults
    return list(faults(path, path.read_text()))


def main() -> int:
    """Print the faults of pages and modules; return the exit code."""
    lines = [fault for path in [*pages(), *sources()] for fault in faults_of(path)]
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
