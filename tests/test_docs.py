"""Everything shown is run: the examples of README and docs print what the text says."""

import re
from importlib import import_module

import jax
import pytest

import examples
from gapless.figures import NAMES
from places import ROOT
from settings import setting

PAGES = examples.PAGES
NOTEBOOKS = ROOT / "docs" / "notebooks"


def shown_on(pages):
    return [
        pytest.param(
            page,
            id=str(page.relative_to(ROOT)),
            marks=[pytest.mark.slow] if examples.is_slow(page) else [],
        )
        for page in pages
        if examples.blocks(page) and page.parent != NOTEBOOKS
    ]


@pytest.mark.parametrize("page", shown_on(PAGES))
def test_examples_print_what_is_shown(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    wide = setting("jax_enable_x64")
    try:
        examples.run(page)
    finally:
        jax.config.update("jax_enable_x64", wide)  # a page may compute in float64 throughout


def test_an_example_that_prints_something_else_is_noticed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = tmp_path / "page.md"
    for shown, right in (("3", True), ("2", False), ("...", True)):
        blocks = f"```python\nprint(x)\n```\n\n```text\n{shown}\n```\n"
        page.write_text("```python\nx = 1 + 2\n```\n\n" + blocks)
        if right:
            examples.run(page)
        else:
            with pytest.raises(AssertionError, match="block 1 shows"):
                examples.run(page)
    for code in ("```rust\nfn\n```\n", "```sh\nrm x\n```\n", "```sh\ngapless theory state\n```\n"):
        page.write_text(code)
        with pytest.raises(AssertionError, match=r"not run|failed"):
            examples.run(page)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_inside_the_project_resolve(page):
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_pages_name_commands_that_exist(page):
    from gapless.cli.main import app

    verbs = set(re.findall(r"(?:^|`)gapless ([a-z]+)", page.read_text(), re.M))
    assert verbs <= set(app)


def test_every_module_has_a_place_in_the_reference():
    reference = "".join(page.read_text() for page in (ROOT / "docs" / "api").glob("*.md"))
    documented = set(re.findall(r"automodule:: (\S+)", reference))
    source = ROOT / "src"
    modules = {
        ".".join(path.relative_to(source).with_suffix("").parts)
        for path in source.rglob("*.py")
        if not path.name.startswith("_") and "cli" not in path.parts
    }
    assert modules - documented == set()


def test_every_public_name_and_verb_has_a_place_in_the_reference():
    from cyclopts import App

    import gapless
    from gapless.cli.main import VERBS

    names = (ROOT / "docs" / "api" / "gapless.md").read_text()
    assert set(re.findall(r"^\| `(\w+)` \|", names, re.M)) == set(gapless.__all__)
    for home, name in re.findall(r"`(gapless\.[\w.]+)\.(\w+)`", names):
        assert hasattr(import_module(home), name), f"{home}.{name}"
    verbs = [verb for verbs in VERBS.values() for verb in verbs]
    functions = [verb for verb in verbs if not isinstance(verb, App)]
    for app in (verb for verb in verbs if isinstance(verb, App)):
        functions += [app[verb].default_command for verb in app if not verb.startswith("-")]
    shown = re.findall(r"autofunction:: (\S+)\(\)", (ROOT / "docs" / "api" / "cli.md").read_text())
    assert sorted(shown) == sorted(f"{verb.__module__}.{verb.__name__}" for verb in functions)


NUMBER = re.compile(r"\\text\{\((Eq\. \d+|[A-Z]\d+)\)\}")


def displayed(page):
    """Return the displayed formulas of a page."""
    prose = re.sub(r"```.*?```", "", page.read_text(), flags=re.S)
    return re.findall(r"\$\$(.*?)\$\$", prose, re.S)


def test_every_displayed_formula_of_the_derivations_has_a_number_of_its_own():
    numbers = []
    for page in sorted((ROOT / "docs" / "derivations").glob("*.md")):
        for formula in displayed(page):
            found = NUMBER.findall(formula)
            assert found, f"{page.name}: no number in {formula.strip()[:60]}"
            numbers += [number for number in found if not number.startswith("Eq")]
    assert len(numbers) == len(set(numbers)) > 80


def test_every_number_that_the_source_cites_is_displayed():
    shown = {n for page in PAGES for formula in displayed(page) for n in NUMBER.findall(formula)}
    letters = {number[0] for number in shown if not number.startswith("Eq")}
    cited = {}
    for path in (ROOT / "src").rglob("*.py"):
        text = path.read_text()
        found = re.findall(r"\(([A-Z]\d{1,2})\)", text)
        numbers = {number for number in found if number[0] in letters}
        numbers |= {f"Eq. {number}" for number in re.findall(r"Eqs?\. (\d+)", text)}
        cited |= dict.fromkeys(numbers, path)
    assert cited.keys() - shown == set()
    # every page with numbers is cited: by the functions that compute them
    assert {number[0] for number in cited} >= letters


def test_a_paragraph_after_the_sections_of_a_docstring_is_no_parameter(monkeypatch):
    pytest.importorskip("sphinx")  # it is not among the tools of the tests
    monkeypatch.syspath_prepend(ROOT / "docs" / "_ext")
    ordered = import_module("plain_docstrings")._ahead_of_sections
    section = ["Parameters", "----------", "x", "    A number.", "", "    Positive."]
    last = ["Raises ``ValueError`` for others.", "It names x."]
    assert ordered(["Return x.", "", *section, "", *last]) == ["Return x.", "", *last, "", *section]
    for alone in (["Return x."], ["Return x.", "", *last], ["Return x.", "", *section]):
        assert ordered(alone) == alone


def test_notebooks_are_what_their_pages_say():
    from make_notebooks import notebook_of, pages

    assert {page.stem for page in pages()} == {*NAMES, "own-data"}
    index = (NOTEBOOKS / "index.md").read_text()
    for page in pages():
        assert index.count(f"]({page.name})") == index.count(f"\n{page.stem}\n") == 1
        kept = page.with_suffix(".ipynb").read_text()
        assert kept == notebook_of(page), f"{page.name} changed: run `make notebooks`"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the kernel's event loop, not of the project
@pytest.mark.parametrize("name", [*NAMES, "own-data"])
def test_notebooks_run(name, tmp_path, monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_backend_optimization_level=0")  # they mostly compile
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": tmp_path}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any("image/png" in output.get("data", {}) for output in outputs), "nothing is drawn"


@pytest.mark.parametrize("package", ["theory", "sweep", "measure", "analyse", "flow"])
def test_every_file_of_a_package_has_its_line_in_the_architecture(package):
    """And no line is of a file that is gone."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    after = re.split(rf"(?:files|Those) of `{package}`", text)[1]
    rows = re.match(r"[^|]*((?:\|.*\n)+)", after)
    assert rows is not None
    named = {
        name
        for row in rows[1].splitlines()[2:]
        for name in re.findall(r"`([^`]*)`", row.split("|")[1])
    }
    folder = ROOT / "src" / "gapless" / package
    files = {str(path.relative_to(folder).with_suffix("")) for path in folder.rglob("*.py")}
    assert named == {name for name in files if not name.endswith("__init__")}
