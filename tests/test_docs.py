"""Everything shown is run: Python examples of README and docs print what the text says."""

import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
EXAMPLE = re.compile(r"```python\n(.*?)```\s*(?:```text\n(.*?)```)?", re.S)
EXAMPLES = [
    pytest.param(code, shown, id=f"{page.name}-{number}")
    for page in PAGES
    for number, (code, shown) in enumerate(EXAMPLE.findall(page.read_text()))
]


@pytest.mark.parametrize(("code", "shown"), EXAMPLES)
def test_examples_print_what_is_shown(code, shown, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with redirect_stdout(StringIO()) as out:
        exec(compile(code, "example", "exec"), {"__name__": "__main__"})
    assert out.getvalue() == shown


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_inside_the_project_resolve(page):
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_readme_names_commands_that_exist():
    from gapless.cli.main import app

    text = (ROOT / "README.md").read_text()
    verbs = set(re.findall(r"(?:^|`)gapless ([a-z]+)", text, re.M))
    assert verbs and verbs <= set(app)
