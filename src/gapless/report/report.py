"""The report: for each figure picture, interactive twin, verdicts, numbers, origin and cost."""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import version
from importlib.resources import files
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pyarrow as pa

from gapless.analyse.verdict import Claim
from gapless.figures import NAMES, Experiment, load
from gapless.figures.experiment import OWN, Source, nothing
from gapless.figures.success import EXPERIMENT as SUCCESS
from gapless.files import reason, shown, tell, write_durably
from gapless.interrupts import deaf_children
from gapless.losses import recorded_loss
from gapless.page.html import as_json, assemble, csv_download, escaped, points_table, slug
from gapless.page.panels import PLAIN, Picture, Print, source_of
from gapless.report.records import COST, faults, origin, plain_records
from gapless.report.tables import html_table
from gapless.report.words import bars, caption, commands, verdict_counts
from gapless.store import Store, StoreError, stores_in
from gapless.threads import pin_threads


class NotDrawnError(RuntimeError):
    """Error of a report in which the drawing of every figure failed, from sound records."""


class Section(NamedTuple):
    """Section of the page for one store."""

    text: str
    claims: list[Claim]
    error: Exception | None = None
    """Reason why the section has no figure."""
    source: Source = OWN
    """The publication that the claims are from."""


def write_report(
    folder: Path, own: Sequence[Experiment] = (), *, size: Print = PLAIN, workers: int = 1
) -> Path:
    """Draw every figure whose store has records and write ``report.html``; return its path.

    Each picture is also saved as ``figN.png``, ``figN.svg`` and ``figN.pdf`` at the `size` given.
    Works half-way through a sweep.
    Records are data: nothing is computed with a user's loss that they name, unless `parse_loss` was
    called with it in this process. A figure that cannot be drawn from the records is replaced by
    the reason, which is printed on stderr as well.

    Parameters
    ----------
    folder
        Folder that ``--out`` made: a store, or a folder of stores.
    own
        Experiments of the user's. Stores of experiments that are neither in the package nor among
        these are shown as tables.
    size
        Width and type size of the saved pictures; on the page both follow from the page's width.
    workers
        Number of processes that draw the package's figures; those of `own` are drawn in this one.

    Raises
    ------
    ValueError
        If the folder holds no store, the page cannot be written, or no store can be read.
    NotDrawnError
        If no figure could be drawn for another reason.

    In the last two cases the page is written with the reason of each store.
    """
    folder = Path(folder)
    stores = stores_in(folder)
    given = {experiment.name: experiment for experiment in own}
    made = {name: _made_by(name, store) for name, store in stores.items()}
    order = [*NAMES, *given]
    ranks = {name: order.index(by) if by in order else len(order) for name, by in made.items()}
    names = sorted(stores, key=lambda name: (ranks[name], name != made[name], name))
    ours = {name: stores[name] for name in names if made[name] in NAMES}
    found = _drawn_on_workers(ours, folder, size, workers)
    titles: dict[str, str] = {}
    for name in names:
        experiment = _experiment_of(name, stores[name], given)
        titles[name] = name if experiment is None else experiment.title
        if name not in found:
            found[name] = _section_or_why(name, experiment, stores[name], folder, size)
    page = folder / "report.html"
    template = files("gapless.report").joinpath("page.html").read_text("utf-8")
    text = assemble(
        template,
        summary=verdict_counts([(found[name].source, found[name].claims) for name in titles]),
        commands=commands(stores),
        contents="".join(
            f'<li><a href="#{slug(name)}">{escaped(title)}</a></li>'
            for name, title in titles.items()
        ),
        sections="\n".join(found[name].text for name in titles),
        version=version("gapless"),
        date=time.strftime("%d %B %Y, %H:%M UTC", time.gmtime()),
    )
    try:
        write_durably(page, text.encode())
    except OSError as error:
        raise ValueError(f"dir: cannot write {shown(page)}: {reason(error)}") from None
    _check_drawn([section.error for section in found.values()], page)
    return page


def _drawn_on_workers(
    stores: dict[str, Store], folder: Path, size: Print, workers: int
) -> dict[str, Section]:
    """Return the sections of the package's figures, by name; none with one worker.

    Figures are independent, and their pictures take longer than the measurement of some.
    """
    most = min(workers, len(stores))
    if most < 2:
        return {}
    try:
        with ProcessPoolExecutor(most, get_context("spawn"), pin_threads) as pool:
            # the processes start with the first tasks; interrupts are for this process
            with deaf_children():
                tasks = [pool.submit(_figure, *one, folder, size) for one in stores.items()]
            return dict(zip(stores, [task.result() for task in tasks], strict=True))
    except BrokenProcessPool:  # one was killed, for want of memory as a rule: here one by one
        return {}


def _figure(name: str, store: Store, folder: Path, size: Print) -> Section:
    """Return the section of a figure of the package, in a process of its own."""
    found = _section_or_why(name, _experiment_of(name, store, {}), store, folder, size)
    error = found.error
    if error is None or isinstance(error, StoreError):
        return found
    # of a type that every process has
    return found._replace(error=RuntimeError(reason(error)))


def _check_drawn(errors: list[Exception | None], page: Path) -> None:
    """Raise the errors of `write_report` if no section has a figure."""
    failed = [error for error in errors if error is not None]
    if len(failed) < len(errors):
        return
    drawing = [error for error in failed if not isinstance(error, StoreError)]
    # damaged files are the caller's input, anything else is a computation that failed
    why = reason((drawing or failed)[0]).removeprefix("dir: ")
    text = f"no figure could be drawn ({why}); {shown(page)} has the reason for each store"
    raise NotDrawnError(text) if drawing else ValueError(f"dir: {text}")


def _made_by(name: str, store: Store) -> str:
    """Return the name of the experiment that made a store; that of its folder if it cannot say."""
    with suppress(Exception):  # what is wrong is told where the store is read
        return str(store.spec().get("experiment", name))
    return name


def _experiment_of(name: str, store: Store, own: Mapping[str, Experiment]) -> Experiment | None:
    """Return the experiment that made a store, under its folder's name; none if it is unknown."""
    by = _made_by(name, store)
    if by in NAMES or by == SUCCESS.name:
        found = load(by) if by in NAMES else SUCCESS
    elif by in own:
        found = own[by]
    else:
        return None
    # files and anchors have the folder's name, so that two folders of a figure are told apart
    return found if name == by else replace(found, name=name, title=f"{found.title} ({name})")


def _section_or_why(
    name: str, experiment: Experiment | None, store: Store, folder: Path, size: Print
) -> Section:
    """Return the section of a store and its claims, or a section with the reason for none."""
    ref, title = slug(name), escaped(name if experiment is None else experiment.title)
    head = f'<section id="{ref}" aria-labelledby="{ref}-title"><h2 id="{ref}-title">{title}</h2>'
    try:
        if experiment is None:
            found = Section(plain_records(name, store), [])
        else:
            found = _drawn(experiment, store, folder, size)
    except Exception as error:  # one bad folder costs itself, and what it raises is beyond listing
        why = f"{shown(name)} cannot be drawn from {shown(store.path)}: {reason(error)}"
        tell(why)
        found = Section(f'<p class="fault">{escaped(why)}</p>', [], error)
    return found._replace(text=f"{head}{found.text}</section>")


def _drawn(experiment: Experiment, store: Store, folder: Path, size: Print) -> Section:
    title, reads = escaped(experiment.title), experiment.reads
    store.spec()  # of a later version nothing can be read
    records = store.read(None if reads is None else [*reads, "loss", "n", "seed", *COST])
    if records.num_rows == 0:
        parts = store.part_files()  # a sweep that has just begun has none
        error = StoreError(f"dir: no record of {shown(store.path)} can be read") if parts else None
        what = "No records yet." if error is None else "No record can be read."
        return Section(f"{faults(store)}<p>{what}</p>", [], error)
    table = _without(records, "address", "written_at").to_pandas()
    unread = [] if reads is None else [c for c in ("loss", "n") if c in table and c not in reads]
    reduced = experiment.reduce(table.drop(columns=unread))
    # statements are about the figure's own loss
    claims = [] if "loss" in store.spec() else experiment.claims(reduced)
    picture = experiment.picture(reduced)
    picture = picture if picture.source else replace(picture, source=source_of(table))
    parts = [
        faults(store),
        _foreign_losses(records),
        _other_loss(store, experiment),
        _printed(picture, experiment, folder, size),
        f"<h3>Claims{_scale(store)}</h3>" + _claims(claims, title, experiment.source)
        if claims
        else "",
        _interactive(picture, experiment),
        _tables(experiment, experiment.tables(reduced)),
        origin(store, table),
    ]
    return Section("\n".join(parts), claims, source=experiment.source)


def _without(records: pa.Table, *columns: str) -> pa.Table:
    return records.drop_columns([name for name in columns if name in records.column_names])


def _foreign_losses(records: pa.Table) -> str:
    """Return the losses that the records name and that were not loaded, being a user's code."""
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
    return "".join(f'<p class="fault">{escaped(line)}</p>' for line in lines)


def _other_loss(store: Store, experiment: Experiment) -> str:
    """Return the sentence on claims that are not judged, empty for the figure's own loss."""
    loss = store.spec().get("loss")
    # a figure's own loss has no entry, except in folders of `gapless success`, which has no claims
    if loss is None or experiment.claims is nothing:
        return ""
    line = f"Runs of the loss {loss}: statements of {experiment.source.group} are about"
    return f'<p class="hint">{escaped(line)} another loss and are not judged.</p>'


def _printed(picture: Picture, experiment: Experiment, folder: Path, size: Print) -> str:
    """Save a picture as PNG, SVG and PDF; return it inline, with its caption."""
    from gapless.page.image import inline_svg, save  # loads matplotlib: where figures are drawn

    save(picture, *(folder / f"{experiment.name}.{e}" for e in ("png", "svg", "pdf")), size=size)
    title = escaped(experiment.title)
    return (
        f'<figure><div class="scroll" tabindex="0" role="region" aria-label="Picture: {title}">'
        f"{inline_svg(picture, experiment.name, experiment.title)}</div>"
        f"{caption(picture, experiment)}</figure>"
    )


def _claims(claims: list[Claim], title: str, source: Source) -> str:
    rows = "".join(
        f"<tr><td>{escaped(claim.statement)}</td><td>{escaped(claim.ours)}</td>"
        f"<td>{escaped(claim.size)}</td>"
        f'<td class="verdict {claim.verdict.replace(" ", "-")}">{claim.verdict}</td></tr>'
        for claim in claims
    )
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="Claims: {title}">'
        '<table class="claims"><thead><tr><th scope="col">Statement</th><th scope="col">Here</th>'
        '<th scope="col">Judged at</th>'
        f'<th scope="col">Verdict</th></tr></thead><tbody>{rows}</tbody></table></div>'
        f'<p class="hint">Statements of {source.group}: {escaped(source.reference)}.</p>'
    )


def _scale(store: Store) -> str:
    """Return of which scale the records are, if `reproduce` made them."""
    scale = store.spec().get("scale")
    return "" if scale is None else f", judged at the scale {escaped(str(scale))}"


def _interactive(picture: Picture, experiment: Experiment) -> str:
    if not picture.panels:
        return ""
    download = csv_download(f"{experiment.name}-picture.csv", points_table(picture))
    return (
        f'<div class="interactive"><h3>Interactive</h3><p>{escaped(picture.title)}</p>'
        '<p class="hint">Drag to zoom, double-click to reset, point at a curve for its numbers, '
        "click its name to hide it; or focus a panel and use the arrow keys."
        f'{escaped(bars(picture))}</p><div class="charts"></div>'
        f'<script type="application/json" class="panels">{as_json(picture.record())}</script></div>'
        f"<p>{download.link('Points of the picture (CSV)')}</p>"
    )


def _tables(experiment: Experiment, found: list[tuple[str, pd.DataFrame]]) -> str:
    return "".join(
        f"<details open><summary>{escaped(title)}</summary>{html_table(numbers, title)}"
        f"<p>{csv_download(f'{experiment.name}-{i}.csv', numbers).link('This table (CSV)')}</p>"
        "</details>"
        for i, (title, numbers) in enumerate(found, start=1)
        if not numbers.empty
    )
