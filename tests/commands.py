"""Commands of `gapless`, and their answers."""

import json

from gapless.cli import main

FLOW = ["flow", "--n", "32", "--alpha", "6"]

SUCCESS = ["success", "--n", "32", "--alpha", "6"]


def answer(capsys, *arguments):
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)
