"""The report: per figure the picture, the paper's claims judged, the data and their origin."""

import html
import io
import json
from importlib.resources import files
from pathlib import Path
from string import Template

from gapless.experiments import NAMES, Claim, Experiment, load
from gapless.store import Store

_PAGE = Template(files("gapless.report").joinpath("page.html").read_text("utf-8"))


def figure_stores(folder: Path) -> dict[str, Store]:
    """Return the stores of figures in a folder, in the paper's order."""
    stores = {name: Store(Path(folder) / name) for name in NAMES}
    return {name: store for name, store in stores.items() if store.spec_file.exists()}


def write_report(folder: Path) -> Path:
    """Draw every figure whose store has records and write ``report.html``; return its path.

    Each picture is also saved as ``figN.png`` and ``figN.svg``. Works half-way through a sweep.

    Raises
    ------
    ValueError
        If the folder holds no store.
    """
    folder = Path(folder)
    stores = figure_stores(folder)
    if not stores:
        raise ValueError(f"dir: {folder} holds no records; run `gapless reproduce --out {folder}`")
    sections = [_section(load(name), store, folder) for name, store in stores.items()]
    page = folder / "report.html"
    page.write_text(_PAGE.substitute(sections="\n".join(sections)), encoding="utf-8")
    return page


def _section(experiment: Experiment, store: Store, folder: Path) -> str:
    title = f"<h2>{html.escape(experiment.title)}</h2>"
    records = store.read()
    if records.num_rows == 0:
        return f"<section>{title}<p>No records yet.</p></section>"
    table = records.to_pandas()
    figure = experiment.draw(table)
    figure.savefig(folder / f"{experiment.name}.png", dpi=150)
    figure.savefig(folder / f"{experiment.name}.svg", metadata={"Date": None})
    drawing = io.StringIO()
    figure.savefig(drawing, format="svg", metadata={"Date": None})
    picture = drawing.getvalue()
    picture = picture[picture.index("<svg") :].replace(
        "<svg", f'<svg role="img" aria-label="{html.escape(experiment.title)}"', 1
    )
    # ids of several inline pictures must not meet
    picture = picture.replace('id="', f'id="{experiment.name}-')
    picture = picture.replace('"#', f'"#{experiment.name}-').replace("(#", f"(#{experiment.name}-")
    return (
        f"<section>{title}<figure>{picture}</figure>{_claims(experiment.claims(table))}"
        f'<p class="origin">{html.escape(_origin(store, records.num_rows))}</p></section>'
    )


def _claims(claims: list[Claim]) -> str:
    rows = "".join(
        f"<tr><td>{html.escape(claim.statement)}</td><td>{html.escape(claim.ours)}</td>"
        f'<td class="{claim.verdict.replace(" ", "-")}">{claim.verdict}</td></tr>'
        for claim in claims
    )
    return f"<table><tr><th>The paper</th><th>Here</th><th>Verdict</th></tr>{rows}</table>"


def _origin(store: Store, rows: int) -> str:
    origin = json.loads((store.path / "provenance.json").read_text())
    spec = {key: value for key, value in store.spec().items() if key != "schema_version"}
    damaged = store.damaged()
    return (
        f"{rows} records in {store.path.name}/parts/*.parquet; "
        + ", ".join(f"{key} {value}" for key, value in (spec | origin).items())
        + (f"; {len(damaged)} unreadable parts left out" if damaged else "")
    )
