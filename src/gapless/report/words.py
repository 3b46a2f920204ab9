"""Sentences of a report: captions, error bars, counts of statements that agree, commands."""

import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress

from gapless.analyse.verdict import VERDICTS, Claim
from gapless.figures import Experiment
from gapless.figures.experiment import Source
from gapless.page.html import escaped
from gapless.page.panels import Picture
from gapless.store import Store, StoreError


def caption(picture: Picture, experiment: Experiment) -> str:
    """Return the caption of a figure: quantities, sizes, the feature to see, and error bars."""
    # records of another model have no loss, N or seed
    sizes = f" ({picture.source})" if picture.source else ""
    text = experiment.caption.replace(" ({sizes})", sizes)
    return f"<figcaption>{escaped(text + bars(picture))}</figcaption>" if text else ""


def bars(picture: Picture) -> str:
    """Return the sentence on error bars and bands, with a space before it; empty without any."""
    # "95 %" alone is what it says beside a point
    kinds = ["95 % interval" if kind == "95 %" else kind for kind in picture.intervals]
    return f" Error bars and bands: {'; '.join(kinds)}." if kinds else ""


def verdict_counts(found: Sequence[tuple[Source, Sequence[Claim]]]) -> str:
    """Return a list of how many statements have each verdict, those of each group apart."""
    groups: dict[str, list[str]] = {}
    for source, claims in found:
        groups.setdefault(source.group, []).extend(claim.verdict for claim in claims)
    lines = "".join(
        f"<li>Statements of {group}: {len(verdicts)} ("
        + ", ".join(f"{one}: {verdicts.count(one)}" for one in VERDICTS if one in verdicts)
        + ").</li>"
        for group, verdicts in groups.items()
        if verdicts
    )
    return f"<ul>{lines}</ul>" if lines else ""


def commands(stores: Mapping[str, Store]) -> str:
    """Return the commands that measure these stores again, one for each scale, seed and loss."""
    made: dict[tuple[str, ...], list[str]] = {}
    for name, store in stores.items():
        with suppress(StoreError):  # what is wrong with it stands in its section
            spec = store.spec()
            if "scale" in spec and "seed" in spec:
                options = "--scale", str(spec["scale"]), "--seed", str(spec["seed"])
                options += ("--loss", str(spec["loss"])) if "loss" in spec else ()
                figures = made.setdefault(options, [])
                if (figure := str(spec.get("experiment", name))) not in figures:
                    figures.append(figure)
    # quoted, for readers paste them into a shell, and the folder may be of unknown origin
    lines = [shlex.join(["gapless", "reproduce", *names, *given]) for given, names in made.items()]
    return "".join(f"<pre><code>{escaped(line)}</code></pre>" for line in lines)
