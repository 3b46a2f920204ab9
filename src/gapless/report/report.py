"""The report: per figure picture, interactive twin, claims judged, numbers, origin and cost."""

import html
import time
from contextlib import suppress
from importlib.metadata import version
from importlib.resources import files
from os.path import lexists
from pathlib import Path

import pandas as pd
import pyarrow as pa

from gapless.experiments import NAMES, Claim, Experiment, load
from gapless.experiments.verdict import VERDICTS
from gapless.files import reason, shown, tell, write_durably
from gapless.losses import recorded_loss
from gapless.page.html import as_json, assemble, csv_download, html_table, points_table
from gapless.page.image import inline_svg, save
from gapless.page.panels import Picture
from gapless.store import Store, StoreError

COST = ("gradients", "wall_s")
"""Columns that say what records took."""


def figure_stores(folder: Path) -> dict[str, Store]:
    """Return the stores of figures in a folder, in the paper's order."""
    stores = {name: Store(Path(folder) / name) for name in NAMES}
    return {name: store for name, store in stores.items() if lexists(store.spec_file)}


def write_report(folder: Path) -> Path:
    """Draw every figure whose store has records and write ``report.html``; return its path.

    Each picture is also saved as ``figN.png`` and ``figN.svg``. Works half-way through a sweep.
    Records are data: of a loss that they name but that is not ours nothing is computed, unless
    `parse_loss` was asked for it in this process. A figure that cannot be drawn from what is there
    says so in its place and on stderr.

    Raises
    ------
    ValueError
        If the folder holds no store, or the page cannot be written.
    """
    folder = Path(folder)
    stores = figure_stores(folder)
    if not stores:
        raise ValueError(f"dir: {shown(folder)} holds no records; run gapless reproduce --out")
    found = {name: _section_or_why(load(name), store, folder) for name, store in stores.items()}
    judged = [claim.verdict for _, claims in found.values() for claim in claims]
    summary = ", ".join(f"{judged.count(verdict)} {verdict}" for verdict in VERDICTS)
    page = folder / "report.html"
    template = files("gapless.report").joinpath("page.html").read_text("utf-8")
    text = assemble(
        template,
        summary=f"Of {len(judged)} statements: {summary}." if judged else "",
        contents="".join(
            f'<li><a href="#{name}">{html.escape(load(name).title)}</a></li>' for name in found
        ),
        sections="\n".join(section for section, _ in found.values()),
        version=version("gapless"),
        date=time.strftime("%d %B %Y, %H:%M UTC", time.gmtime()),
    )
    try:
        write_durably(page, text.encode())
    except OSError as error:
        raise ValueError(f"dir: cannot write {shown(page)}: {reason(error)}") from None
    return page


def _section_or_why(experiment: Experiment, store: Store, folder: Path) -> tuple[str, list[Claim]]:
    """Return a figure's part of the page, and its claims; in place of them why there are none."""
    try:
        return _section(experiment, store, folder)
    except Exception as error:  # one bad folder costs itself, and what it raises is beyond listing
        why = f"{experiment.name} cannot be drawn from {shown(store.path)}: {reason(error)}"
        tell(why)
        return f'{_head(experiment)}<p class="fault">{html.escape(why)}</p></section>', []


def _head(experiment: Experiment) -> str:
    name, title = experiment.name, html.escape(experiment.title)
    return f'<section id="{name}" aria-labelledby="{name}-title"><h2 id="{name}-title">{title}</h2>'


def _section(experiment: Experiment, store: Store, folder: Path) -> tuple[str, list[Claim]]:
    head, title, reads = _head(experiment), html.escape(experiment.title), experiment.reads
    store.spec()  # of a later version nothing can be read
    records = store.read(None if reads is None else [*reads, "loss", "seed", *COST])
    if records.num_rows == 0:
        return f"{head}{_faults(store)}<p>No records yet.</p></section>", []
    unread = () if reads is None or "loss" in reads else ("loss",)
    hidden = [c for c in ("address", "written_at", *unread) if c in records.column_names]
    table = records.drop_columns(hidden).to_pandas()
    claims, picture = experiment.claims(table), experiment.picture(table)
    parts = [
        head,
        _faults(store),
        _foreign_losses(records),
        _printed(picture, experiment, folder),
        "<h3>Claims</h3>" + _claims(claims, title),
        _interactive(picture, experiment),
        _tables(experiment, table),
        _origin(store, records, table),
        "</section>",
    ]
    return "\n".join(parts), claims


def _faults(store: Store) -> str:
    """Return what of the store is left out, and why."""
    faults = [*store.faults(), *store.damaged_notes()]
    tell(str(fault) for fault in store.damaged_notes())  # of parts `read` has told
    lines = "".join(f"<li>{html.escape(str(fault))}</li>" for fault in faults)
    return f'<p class="fault">Left out:</p><ul class="fault">{lines}</ul>' if faults else ""


def _foreign_losses(records: pa.Table) -> str:
    """Return which losses of the records were not computed with, being code that they chose."""
    if "loss" not in records.column_names:
        return ""
    names = {str(name) for name in records["loss"].unique().to_pylist() if name is not None}
    lines = [
        f"Records of the loss {shown(name)}: its code is not run, so there are no theory lines; if "
        f"you trust it and have that source, give --trust {shown(name.partition('@')[0])}"
        for name in sorted(names)
        if recorded_loss(name) is None
    ]
    tell(lines)
    return "".join(f'<p class="fault">{html.escape(line)}</p>' for line in lines)


def _printed(picture: Picture, experiment: Experiment, folder: Path) -> str:
    """Save a picture as PNG and SVG; return it inline."""
    for ending in ("png", "svg"):
        save(picture, folder / f"{experiment.name}.{ending}")
    title = html.escape(experiment.title)
    return (
        f'<figure><div class="scroll" tabindex="0" role="region" aria-label="Picture: {title}">'
        f"{inline_svg(picture, experiment.name, experiment.title)}</div></figure>"
    )


def _claims(claims: list[Claim], title: str) -> str:
    rows = "".join(
        f"<tr><td>{html.escape(claim.statement)}</td><td>{html.escape(claim.ours)}</td>"
        f'<td class="verdict {claim.verdict.replace(" ", "-")}">{claim.verdict}</td></tr>'
        for claim in claims
    )
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="Claims: {title}">'
        '<table class="claims"><thead><tr><th scope="col">The paper</th><th scope="col">Here</th>'
        f'<th scope="col">Verdict</th></tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _interactive(picture: Picture, experiment: Experiment) -> str:
    if not picture.panels:
        return ""
    download = csv_download(f"{experiment.name}-picture.csv", points_table(picture))
    return (
        f'<div class="interactive"><h3>Interactive</h3><p>{html.escape(picture.title)}</p>'
        '<p class="hint">Drag to zoom, double-click to reset, point at a curve for its numbers; or '
        'focus a panel and use the arrow keys.</p><div class="charts"></div>'
        f'<script type="application/json" class="panels">{as_json(picture.record())}</script></div>'
        f"<p>{download.link('Points of the picture (CSV)')}</p>"
    )


def _tables(experiment: Experiment, table: pd.DataFrame) -> str:
    found = [] if experiment.tables is None else experiment.tables(table)
    return "".join(
        f"<details><summary>{html.escape(title)}</summary>{html_table(numbers, title)}"
        f"<p>{csv_download(f'{experiment.name}-{i}.csv', numbers).link('This table (CSV)')}</p>"
        "</details>"
        for i, (title, numbers) in enumerate(found, start=1)
    )


def _origin(store: Store, records: pa.Table, table: pd.DataFrame) -> str:
    """Return where the records come from and what they took."""
    try:
        origin = store.provenance()
    except StoreError:  # told with the other faults
        origin = {"provenance": "cannot be read"}
    spec = {key: value for key, value in store.spec().items() if key != "schema_version"}
    with suppress(TypeError, ValueError, OverflowError, OSError):  # no time that there can be
        if "created_at" in origin:
            created = time.gmtime(float(origin["created_at"]))
            origin["created"] = time.strftime("%d %B %Y, %H:%M UTC", created)
            del origin["created_at"]
    # of the measurement and of the package: two versions
    if "version" in origin:
        origin["gapless"] = origin.pop("version")
    known = {"records": f"{len(table)} records in {store.path.name}/parts/*.parquet"}
    planned, points = store.planned(), len(records["address"].unique())
    if planned is not None:
        known["points"] = f"{points} of {planned} planned"
    known |= {key: str(value) for key, value in (spec | origin).items()}
    if "wall_s" in table:
        known["computing time"] = f"{table.wall_s.sum():,.4g} s"
    if "gradients" in table and table.gradients.notna().any():
        total = float(table.gradients.sum())
        known["gradients"] = f"{total:.4g}, {total / len(table):.4g} a run"
    if "outcome" in table:
        failed = int((table.outcome == "failed").sum())
        if failed:
            known["failed"] = f"{failed} records"
    items = "".join(
        f"<dt>{html.escape(key)}</dt><dd>{html.escape(value)}</dd>" for key, value in known.items()
    )
    return f"<details open><summary>Origin and cost</summary><dl>{items}</dl></details>"
