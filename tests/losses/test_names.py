"""Names of losses read back, and name the source of a user's."""

import sys

import pytest

from gapless.losses import amplitude, normalised, parse_loss, quartic
from gapless.measure.simulation import Simulation


@pytest.mark.parametrize(
    "loss", [quartic, amplitude, *map(normalised, (0.01, 1.0, 5.0, 0.123456789))], ids=repr
)
def test_name_reads_back(loss):
    again = parse_loss(loss.name)
    assert again.name == loss.name
    assert again.value(1.3, 0.4) == loss.value(1.3, 0.4)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "cubic",
        "normalised:b=1",
        "normalised:a=0",
        "normalised:a",
        "quartic:a=1",
        "normalised:a=1,a=2",
    ],
)
def test_unknown_losses_are_named(text):
    with pytest.raises(ValueError, match=r"^loss: "):
        parse_loss(text)


OWN = "def value(yhat, y):\n    return (yhat**2 - y**2) ** 2 / ({a} + y**2)\n\nnothing = 3\n"


def test_a_loss_of_ones_own_module_is_named_by_its_source(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*sys.path])
    (tmp_path / "my_first_losses.py").write_text(OWN.format(a=1))
    (tmp_path / "my_other_losses.py").write_text(OWN.format(a=2))
    own = parse_loss("my_first_losses:value")
    assert own.name.startswith("my_first_losses:value@")
    assert parse_loss(own.name) is parse_loss("my_first_losses:value") is own
    other = parse_loss("my_other_losses:value")
    assert other.name.partition("@")[2] != own.name.partition("@")[2]
    point = Simulation(n=16, alpha=4, seed=0, loss="my_first_losses:value")
    assert point.loss == own.name
    with pytest.raises(ValueError, match="not the one"):
        parse_loss("my_first_losses:value@0123456789ab")
    for text, words in (
        ("my_first_losses:nothing", "neither"),
        ("my_first_losses:missing", "has no missing"),
        ("no_such_module:value", "cannot import"),
    ):
        with pytest.raises(ValueError, match=f"^loss: .*{words}"):
            parse_loss(text)
