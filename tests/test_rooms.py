"""Tests mirror the source: what a module promises is tested in the file of its name."""

from places import ROOT, TESTS

OF_THE_WHOLE = {
    "cli/test_fuzz.py",
    "figures/test_new_figure.py",
    "store/test_machine.py",
    "test_browser.py",
    "test_crash_campaign.py",
    "test_docs.py",
    "test_environment.py",
    "test_faults.py",
    "test_first_look.py",
    "test_gpu.py",
    "test_hostile_inputs.py",
    "test_packaging.py",
    "test_pickling.py",
    "test_prose.py",
    "test_readme.py",
    "test_rooms.py",
    "test_typechecker.py",
}
"""What tests more than one module: a whole room, a page of the docs, or the program."""


def test_a_test_of_one_module_stands_where_the_module_does():
    tests = {path.relative_to(TESTS) for path in TESTS.rglob("test_*.py")}
    modules = {path.relative_to(ROOT / "src/gapless") for path in ROOT.rglob("src/gapless/**/*.py")}
    strays = {
        path.as_posix()
        for path in tests
        if path.with_name(path.name.removeprefix("test_")) not in modules
    }
    assert strays == OF_THE_WHOLE
