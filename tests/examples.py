"""What a page shows: its blocks, in order, and how each is run.

- ``python`` blocks run in one namespace a page; what they print is the ``text`` block below.
- ``sh`` blocks run line by line: each is a command of `gapless`.
- A comment above a block says otherwise: ``<!-- not run: reason -->``, ``<!-- file: name -->``, or
  ``<!-- typed: … -->`` for what `test_readme` types at a shell instead.
- ``<!-- examples: slow -->`` anywhere on a page moves its examples to the slow suite.
"""

import re
from contextlib import redirect_stdout
from dataclasses import dataclass
from doctest import ELLIPSIS, OutputChecker
from io import StringIO
from itertools import zip_longest
from pathlib import Path

from places import ROOT

PAGES = [
    ROOT / "README.md",
    *sorted(page for page in (ROOT / "docs").rglob("*.md") if "_build" not in page.parts),
]
BLOCK = re.compile(
    r"(?:<!-- (?P<mark>not run|typed|file): (?P<word>[^\n]+?) -->\n)?"
    r"^```(?P<language>[\w{}-]*)\n(?P<text>.*?)^```$",
    re.M | re.S,
)
SILENT = {"text", "", "{toctree}", "{eval-rst}"}
"""What is read and not run."""


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, the mark above it, and what it should print."""

    language: str
    text: str
    mark: str | None
    word: str | None
    shown: str


def blocks(page: Path) -> list[Block]:
    """Return the blocks of a page that show code."""
    found = list(BLOCK.finditer(page.read_text()))
    result = []
    for match, after in zip_longest(found, found[1:]):
        if match["language"] in SILENT:
            continue
        output = after if after and after["language"] == "text" else None
        # an output block follows its code with nothing in between
        between = page.read_text()[match.end() : output.start()] if output else "x"
        shown = output["text"] if output and not between.strip() else ""
        result.append(Block(match["language"], match["text"], match["mark"], match["word"], shown))
    return result


def is_slow(page: Path) -> bool:
    """Return whether the page asks for the slow suite."""
    return "<!-- examples: slow -->" in page.read_text()


def run(page: Path) -> None:
    """Run the blocks of a page in the current folder; raise ``AssertionError`` that names one."""
    namespace: dict = {"__name__": "__main__"}
    for number, block in enumerate(blocks(page)):
        if block.mark in ("not run", "typed"):
            continue
        if block.mark == "file":
            assert block.word is not None
            Path(block.word).write_text(block.text)
            continue
        with redirect_stdout(StringIO()) as out:
            _run_block(block, namespace, f"{page.name}, block {number}")
        printed = out.getvalue()
        assert OutputChecker().check_output(block.shown, printed, ELLIPSIS), (
            f"{page.name}, block {number} shows\n{block.shown}\nand prints\n{printed}"
        )


def _run_block(block: Block, namespace: dict, name: str) -> None:
    if block.language == "python":
        exec(compile(block.text, name, "exec"), namespace)
        return
    assert block.language == "sh", f"{name}: nothing runs {block.language!r}; mark it `not run`"
    from gapless.cli import main

    for line in block.text.replace("\\\n", " ").splitlines():
        words = line.split("#")[0].split()
        if words:
            assert words[0] == "gapless", f"{name}: {words[0]} is not run here; mark it `not run`"
            assert main(words[1:]) == 0, f"{name}: `{line}` failed"
