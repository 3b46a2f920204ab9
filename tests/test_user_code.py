"""A user's loss is computed by the text that its name's hash names, whatever the session did."""

import importlib
import sys

import pytest

from gapless import user_code
from gapless.losses import parse_loss

VALUE = (
    "from gapless.losses import Loss, normalised\n"
    "value = Loss('own', *normalised({a}).functions, -4)\n"
)
HELPED = "from {helper} import A\n" + VALUE.replace("{a}", "A")
"""Of three functions, so that nothing is compiled: ℓ = (ŷ² − y²)²/(a + y²)."""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder of the user's; modules imported in it are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*sys.path])
    before = dict(sys.modules)
    yield tmp_path
    for name in [name for name in sys.modules if name not in before]:
        if name.partition(".")[0].startswith("own_"):
            del sys.modules[name]


def offset(text):
    """Return (a, digest) of ℓ = (ŷ² − y²)²/(a + y²), from its value at (1, 0)."""
    loss = parse_loss(text)
    return 1 / float(loss.value(1.0, 0.0)), loss.name.partition("@")[2]


def test_an_edit_of_the_same_length_is_seen_at_once(folder):
    file = folder / "own_edited.py"
    file.write_text(VALUE.format(a=1))
    first = offset("own_edited:value")
    file.write_text(VALUE.format(a=2))
    second = offset("own_edited:value")
    file.write_text(VALUE.format(a=1))
    assert (first[0], second[0]) == (1, 2)
    assert first[1] != second[1]
    assert offset("own_edited:value") == first


def test_a_name_with_a_hash_is_the_text_of_that_hash_while_the_session_has_it(folder):
    file = folder / "own_kept.py"
    file.write_text(VALUE.format(a=1))
    name = parse_loss("own_kept:value").name
    file.write_text(VALUE.format(a=3))
    assert offset(name)[0] == 1
    assert offset("own_kept:value")[0] == 3


def test_a_module_that_the_session_imported_before_its_edit_is_not_what_runs(folder):
    (folder / "own_session.py").write_text(VALUE.format(a=1))
    sys.path.append(str(folder))
    importlib.invalidate_caches()
    session = importlib.import_module("own_session")
    (folder / "own_session.py").write_text(VALUE.format(a=5))
    assert offset("own_session:value")[0] == 5
    assert sys.modules["own_session"] is session  # the session keeps what it imported


@pytest.mark.parametrize(
    "form", ["from {h} import A", "import {h}\nA = {h}.A", "from {h} import *"]
)
def test_an_edit_of_a_module_that_it_imports_gives_another_name_and_other_numbers(folder, form):
    helper, main = f"own_helper_{len(form)}", f"own_main_{len(form)}"
    text = HELPED.format(helper="X").replace("from X import A", form.format(h=helper))
    (folder / f"{main}.py").write_text(text)
    (folder / f"{helper}.py").write_text("A = 1\n")
    first = offset(f"{main}:value")
    (folder / f"{helper}.py").write_text("A = 2\n")
    second = offset(f"{main}:value")
    assert (first[0], second[0]) == (1, 2)
    assert first[1] != second[1]


def test_imports_are_followed_through_packages_and_relative_ones(folder):
    package = folder / "own_package"
    (package / "inner").mkdir(parents=True)
    (package / "__init__.py").write_text("SCALE = 1\n")
    (package / "inner" / "__init__.py").write_text("")
    (package / "inner" / "constants.py").write_text("from .. import SCALE\nA = SCALE\n")
    (package / "losses.py").write_text(HELPED.format(helper=".inner.constants"))
    first = offset("own_package.losses:value")
    (package / "__init__.py").write_text("SCALE = 4\n")
    assert (first[0], offset("own_package.losses:value")[0]) == (1, 4)
    found = user_code.read_program("own_package.losses").sources
    assert set(found) == {
        "own_package",
        "own_package.losses",
        "own_package.inner",
        "own_package.inner.constants",
    }


def test_libraries_are_not_part_of_the_hash_and_a_lone_module_keeps_its_own(folder):
    (folder / "own_lone.py").write_text(
        "import jax.numpy as jnp\nimport math\n" + VALUE.format(a=1)
    )
    program = user_code.read_program("own_lone")
    assert list(program.sources) == ["own_lone"]
    assert program.digest == program.sources["own_lone"].digest[:12]


def test_the_hash_does_not_depend_on_line_ends_or_on_what_was_imported(folder):
    text = HELPED.format(helper="own_other")
    (folder / "own_ends.py").write_bytes(text.encode())
    (folder / "own_other.py").write_text("A = 1\n")
    first = user_code.read_program("own_ends").digest
    parse_loss("own_ends:value")
    (folder / "own_ends.py").write_bytes(text.replace("\n", "\r\n").encode())
    assert user_code.read_program("own_ends").digest == first


@pytest.mark.parametrize("name", ["code", "statistics", "test"])
def test_a_file_here_comes_before_a_module_of_pythons_own(folder, name):
    theirs = importlib.import_module(name)
    (folder / f"{name}.py").write_text(VALUE.format(a=7))
    assert offset(f"{name}:value")[0] == 7
    assert sys.modules[name] is theirs


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def value(yhat, y:\n", "cannot import"),
        ("raise RuntimeError('no')\n", "cannot import own_bad.*no"),
        ("import sys\nsys.exit(3)\n", "cannot import"),
        ("import own_absent\n", "cannot import"),
        ("value = 3\n", "neither a Loss nor a function"),
        ("", "has no value"),
        ("def value(yhat, y):\n    return (yhat**2 - y**2) ** 2 + 0j\n", "complex"),
        ("def value(yhat, y):\n    return (yhat**2 - y**2) ** 2 / yhat.size\n", "elementwise"),
    ],
)
def test_a_module_that_holds_no_loss_is_refused_with_the_reason(folder, text, words):
    (folder / "own_bad.py").write_text(text)
    with pytest.raises(ValueError, match=f"(?s)^loss: .*{words}"):
        parse_loss("own_bad:value")


def test_a_main_module_is_not_run_again():
    with pytest.raises(ValueError, match="__main__"):
        parse_loss("__main__:value")


OWN = """from gapless.losses import Loss, quartic, amplitude
right = Loss("right", quartic.value, quartic.d1, quartic.d2, quartic.curvature_infimum)
small = Loss("small", *(lambda h, y, f=f: 1e-9 * f(h, y) for f in quartic.functions), -float("inf"))
wrong_d1 = Loss("w", quartic.value, lambda h, y: quartic.d1(h, y) / 2, quartic.d2, 0.0)
wrong_d2 = Loss("w", quartic.value, quartic.d1, lambda h, y: quartic.d2(h, y) + 1, 0.0)
odd = Loss("w", lambda h, y: (h - y) ** 2, lambda h, y: 2 * (h - y), lambda h, y: 2 + 0 * h, 2.0)
lifted = Loss("w", lambda h, y: quartic.value(h, y) + 0.1, quartic.d1, quartic.d2, 0.0)
"""


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("right", None),
        ("small", None),
        ("wrong_d1", "d1 = .* not the derivative"),
        ("wrong_d2", "d2 = .* not the derivative"),
        ("odd", "even in"),
        ("lifted", "vanish at"),
    ],
)
def test_a_loss_of_three_functions_is_checked_like_any_other(folder, name, words):
    (folder / "own_three.py").write_text(OWN)
    if words is None:
        assert parse_loss(f"own_three:{name}").name.startswith(f"own_three:{name}@")
    else:
        with pytest.raises(ValueError, match=f"^loss: .*{words}"):
            parse_loss(f"own_three:{name}")
