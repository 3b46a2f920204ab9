"""Entry point: parse and run a command, and report every mistake in one line on stderr.

Exit codes: 0 done; 1 a computation failed; 2 a mistake in the input; 130 interrupted.
"""

import re
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from itertools import pairwise
from types import ModuleType
from typing import Any

from cyclopts import App, CycloptsError, Parameter, UnusedCliTokensError

from gapless import interrupts
from gapless.cli import (
    baseline,
    border,
    cache,
    dmft,
    docstrings,
    explore,
    flow,
    ground,
    reproduce,
    running,
    spectrum,
    stores,
    success,
    theory,
)
from gapless.cli.answer import answers_alone
from gapless.files import shown
from gapless.page import panels
from gapless.threads import pin_threads

VERBS: dict[ModuleType, tuple[Any, ...]] = {
    flow: (flow.flow,),
    success: (success.success,),
    spectrum: (spectrum.spectrum,),
    border: (border.border,),
    baseline: (baseline.app,),
    reproduce: (reproduce.reproduce, reproduce.report),
    explore: (explore.explore,),
    stores: (stores.status, stores.compact, stores.export),
    theory: (theory.app,),
    dmft: (dmft.dmft,),
    cache: (cache.cache,),
    ground: (),
    running: (),
    panels: (),
}
"""The verbs by their module; of `running` and `panels` only the options are used, and `ground`
belongs to theory."""

POSITIONAL = ("arguments", "figures", "dir", "file")

app = App(
    name="gapless",
    help="Gradient flow in phase retrieval: dynamics, Hessians, replica theory and BBP.",
    # no `--empty-loss` beside an option that may be repeated
    default_parameter=Parameter(negative_iterable=()),
    suppress_keyboard_interrupt=False,
    print_error=False,
    exit_on_error=False,
    parse_mode="strict",
    result_action="return_value",
)
for module, verbs in VERBS.items():
    if sys.flags.optimize > 1:
        # -OO strips docstrings, which are the text of the help
        docstrings.restore(module)
    for verb in verbs:
        app.command(verb)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    tokens = list(sys.argv[1:] if arguments is None else arguments)
    try:
        pin_threads()
        _refuse_empty(tokens)
        verb, given, _ = app.parse_args(tokens)
        # help and the version are printed by the parser itself
        with answers_alone() if verb.__module__.startswith("gapless.") else nullcontext():
            verb(*given.args, **given.kwargs)
    except UnusedCliTokensError as error:
        extra = " ".join(error.unused_tokens or ())
        remedy = "lists have commas (--alpha 6,7,8), and a folder or file stands alone"
        return _complain(f"{extra!r} is one word too many; {remedy}", tokens)
    except CycloptsError as error:
        return _complain(str(error), tokens)
    except ValueError as error:
        return _complain(_said(error), tokens)
    except KeyboardInterrupt:
        sys.stderr.write(interrupts.last_words())
        return interrupts.EXIT_CODE
    except Exception as error:
        line = shown(" ".join(str(error).split()))
        sys.stderr.write(f"gapless: failed: {type(error).__name__}: {line}\n")
        return 1
    return 0


def _refuse_empty(tokens: list[str]) -> None:
    """Raise ``ValueError`` for an empty word, which a shell makes of a variable that is not set.

    As a path it would be the current folder.
    """
    for before, token in pairwise(["", *tokens]):
        if not token or re.fullmatch("--[a-z-]+=", token):
            option = (token or before).strip("-=").replace("-", "_")
            name = option if (token or before).startswith("--") else "arguments"
            raise ValueError(f"{name}: a value is empty; give one, or leave it out")


def _complain(message: str, tokens: list[str]) -> int:
    """Print one line that names the option and the remedy."""
    verb = next((token for token in tokens if token in {n for n in app if n.isalpha()}), "")
    line = shown(" ".join(message.split()))
    # the library says `alpha: must be …`; here the name is that of the option
    if names := re.match(r"([a-z]\w*(?:, [a-z]\w*)*):", line):
        options = ", ".join(map(_option, names[1].split(", ")))
        line = options + line[names.end(1) :]
    command = f"gapless {verb}".strip()
    sys.stderr.write(f"{command}: {line} (see {command} --help)\n")
    return 2


def _option(name: str) -> str:
    return name if name in POSITIONAL else "--" + name.replace("_", "-")


def _said(error: ValueError) -> str:
    from pydantic import ValidationError  # commands without points do not load it

    if not isinstance(error, ValidationError):
        return str(error)
    return "; ".join(_validation_line(item) for item in error.errors())


def _validation_line(item) -> str:
    message = item["msg"].removeprefix("Value error, ")
    name = ".".join(str(part) for part in item["loc"])
    return f"{name}: {message}" if name else message
