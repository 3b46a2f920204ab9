"""Sentences of a report say what its pictures and records hold."""

import shlex
from html import unescape

from gapless.analyse.verdict import Claim
from gapless.figures import NAMES, load
from gapless.figures.experiment import OWN, THE_PAPER
from gapless.page.panels import Axis, Panel, Picture, Series
from gapless.report.words import bars, caption, commands, verdict_counts
from gapless.store import Store


def test_every_figure_has_a_caption_of_two_sentences_with_its_sizes():
    picture = Picture("", (), "quartic loss, N = 64, seed 0")
    for name in NAMES:
        experiment = load(name)
        text = caption(picture, experiment)
        assert text.count(". ") == 1, name
        first, _ = text.split(". ")
        assert first.count(" (quartic loss, N = 64, seed 0)") == 1, name
        assert text.count("seed 0") == 1, name


def test_each_kind_of_bar_is_named_once():
    curves = [Series("a", [1], [1], [0], [2], kind) for kind in ("95 %", "± std", "95 %")]
    picture = Picture("", [[Panel("", Axis("x"), Axis("y"), curves)]])
    assert bars(picture) == " Error bars and bands: 95 % interval; ± std."
    assert bars(Picture("", ())) == ""


def test_statements_are_counted_by_whose_they_are():
    agrees, differs = Claim("a", "b", "agrees"), Claim("a", "b", "differs")
    found = [(THE_PAPER, [agrees, differs]), (OWN, [agrees]), (THE_PAPER, [agrees])]
    text = verdict_counts(found)
    assert "Statements of the paper: 3 (agrees: 2, differs: 1)" in text
    assert "Statements of our own: 1 (agrees: 1)" in text
    assert verdict_counts([(OWN, [])]) == ""


def test_commands_measure_what_the_stores_hold(tmp_path):
    spec = {"scale": "smoke", "seed": 3}
    stores = {name: Store.open(tmp_path / name, spec, {}) for name in ("fig1", "fig4")}
    stores["success"] = Store.open(tmp_path / "success", {"experiment": "success"}, {})
    assert commands(stores).count("<pre>") == 1
    assert "gapless reproduce fig1 fig4 --scale smoke --seed 3" in commands(stores)


def test_commands_are_one_command_each_for_a_shell(tmp_path):
    spec = {"scale": "smoke; reboot", "seed": 3, "loss": "$(reboot):a"}
    text = commands({"a b": Store.open(tmp_path / "a b", spec, {})})
    given = unescape(text.removeprefix("<pre><code>").removesuffix("</code></pre>"))
    words = ["a b", "--scale", "smoke; reboot", "--seed", "3", "--loss", "$(reboot):a"]
    assert shlex.split(given) == ["gapless", "reproduce", *words]
