"""Notebooks from their Markdown pages: `make notebooks` writes docs/notebooks/*.ipynb.

The page is the source, and is what the documentation site shows; the notebook is to download.
"""

import json
import re
from pathlib import Path

from places import ROOT

FOLDER = ROOT / "docs" / "notebooks"
CODE = re.compile(r"^```python\n(.*?)^```$", re.M | re.S)


def pages() -> list[Path]:
    """Return the pages that are notebooks."""
    return sorted(page for page in FOLDER.glob("*.md") if page.name != "index.md")


def notebook_of(page: Path) -> str:
    """Return the text of the notebook of a page, without outputs."""
    cells = []
    for i, part in enumerate(CODE.split(page.read_text())):
        if not part.strip():
            continue
        kind = "code" if i % 2 else "markdown"
        cell: dict = {"cell_type": kind, "id": f"cell-{len(cells)}", "metadata": {}}
        cell["source"] = part.strip().splitlines(keepends=True)
        if kind == "code":
            cell |= {"execution_count": None, "outputs": []}
        cells.append(cell)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook = {"cells": cells, "metadata": {"kernelspec": kernel}}
    return json.dumps(notebook | {"nbformat": 4, "nbformat_minor": 5}, indent=1) + "\n"


if __name__ == "__main__":
    for page in pages():
        page.with_suffix(".ipynb").write_text(notebook_of(page))
