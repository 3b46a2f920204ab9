"""`gapless theory ground`: the floor of the landscape by full replica symmetry breaking."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gapless.cli.answer import print_json, print_text
from gapless.cli.meter import meter
from gapless.cli.options import Json, PrintSize
from gapless.cli.saved import check_writable, save_picture
from gapless.cli.tables import table_text, value_table
from gapless.page.panels import PLAIN

if TYPE_CHECKING:
    from gapless.page.panels import Picture


def ground(
    *,
    alpha: float,
    loss: str = "quartic",
    plot: Path | None = None,
    size: PrintSize = PLAIN,
    as_json: Json = False,
) -> None:
    """Print the ground state of full replica symmetry breaking at one α: the deepest minima.

    bulk_edge and outlier are eigenvalues of ½ Σ ℓ″ x xᵀ, before μ is subtracted; margin is
    ψ(γ̄) − φ(γ̄), positive where the outlier exists. The computation takes half a minute.

    Example: gapless theory ground --alpha 10 --json

    Parameters
    ----------
    alpha
        Samples per dimension M/N, above 1 (at 1 and below the energy is 0), up to 1e5. The search
        converges for the quartic, amplitude and normalised losses at every α tried from 1.2 on.
    loss
        quartic, amplitude, normalised:a=1, or module:name of your own (a function value(yhat, y)).
    plot
        Draw z(q) to this .png, .pdf or .svg.
    as_json
        Print one JSON object; `z` is constant from each `q` to the next, and the last to q = 1.
    """
    from gapless.losses import parse_loss
    from gapless.theory import full_rsb_state

    if plot is not None:
        check_writable(plot, "plot")
    chosen = parse_loss(loss)
    with meter("theory", 1.0) as progress:
        record = full_rsb_state(chosen, alpha, progress.advance).record()
    if as_json:
        print_json(record)
    else:
        _print_state(record)
    save_picture(plot, size, _picture, record, chosen.name)


def _print_state(record: dict[str, Any]) -> None:
    rows: list[tuple[str, Any, float | None]] = [("alpha", record["alpha"], None)]
    for name, error in record["error"].items():
        if name == "moments":
            rows += [(f"moment {k}", record[name][k], error[k]) for k in error]
        elif name != "z":
            rows.append((name, record[name], error))
    rows += [(name, value, None) for name, value in record["flags"].items()]
    print_text(value_table(rows))
    steps = list(zip(record["q"], record["z"], strict=True))
    print_text("\n" + table_text(("q from", "z"), steps))


def _picture(record: dict[str, Any], name: str) -> "Picture":
    """Return z(q) against q, and against 1 − q on logarithmic axes."""
    from gapless.page.panels import Axis, Panel, Picture, Series

    q, z = np.array([*record["q"], 1.0]), np.array(record["z"])
    held = np.append(z, z[-1])
    before_one, rising = 1 - (q[1:] + q[:-1]) / 2, Axis("z(q)", scale="log")
    near_zero = Series("z", q, held, style="lines", steps=True)
    near_one = Series("z", before_one, z, legend="")
    panels = (
        Panel("Order parameter", Axis("overlap q"), rising, (near_zero,)),
        Panel("Near q = 1", Axis("1 − q", scale="log"), rising, (near_one,)),
    )
    return Picture(f"Full RSB, α = {record['alpha']:g}", (panels,), f"{name} loss, N = ∞")
