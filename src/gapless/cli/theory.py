"""`gapless theory`: threshold states, counted minima, α_BBP, inference and full RSB."""

from pathlib import Path
from typing import Annotated, Any, cast

from cyclopts import App, Parameter

from gapless.cli.answer import print_json, print_text
from gapless.cli.ground import ground
from gapless.cli.meter import meter
from gapless.cli.numbers import numbers
from gapless.cli.options import Json, PrintSize
from gapless.cli.saved import check_writable, save_picture
from gapless.cli.tables import measured, table_text, value_table
from gapless.inputs import Field, check_field
from gapless.page.panels import PLAIN

app = App(
    name="theory",
    help="Threshold states (1RSB), minima (Kac–Rice), bulk edge, outlier, α_BBP as N → ∞.",
)


app.command(ground)

NO_REPLICAS = (
    "field: 1RSB has no complex states, because Eq. 13 diverges: V has a cone at field zero, and "
    "its curvature across the phase is V′/r; use gapless theory minima --field complex"
)


def _real_only(field: str) -> None:
    """Raise ``ValueError`` with the reason for a field other than ``real``."""
    check_field(field)
    if field != "real":
        raise ValueError(NO_REPLICAS)


@app.command
def state(
    *, alpha: float, loss: str = "quartic", field: str = "real", as_json: Json = False
) -> None:
    """Print the marginal 1RSB state (Eqs. 12 and 13) at one α.

    bulk_edge and outlier are eigenvalues of ½ Σ ℓ″ x xᵀ, before μ is subtracted. The flags mark
    states that the scheme does not describe.

    Example: gapless theory state --alpha 10

    Parameters
    ----------
    alpha
        Samples per dimension M/N.
    loss
        quartic, amplitude, normalised:a=1, or module:name of your own (a function value(yhat, y)).
    field
        real; complex signals have no 1RSB state.
    as_json
        Print one JSON object.
    """
    from gapless.losses import parse_loss
    from gapless.theory import threshold_state

    _real_only(field)
    record = threshold_state(parse_loss(loss), alpha).record()
    if as_json:
        print_json(record)
        return
    _print_state(record)


@app.command
def minima(
    *,
    alpha: float,
    loss: str = "quartic",
    kappa: float | None = None,
    energy: float | None = None,
    deepest: Annotated[bool, Parameter(negative="")] = False,
    overlap: float = 0.0,
    labels: str = "quenched",
    field: str = "real",
    as_json: Json = False,
) -> None:
    """Print the minima of one energy and overlap, counted by the formula of Kac and Rice.

    Without --kappa, --energy or --deepest they are the most numerous ones. complexity is Σ, where
    their number is e^(NΣ); bulk_edge and outlier are eigenvalues of ½ Σ ℓ″ x xᵀ, before μ is
    subtracted. The flag unstable marks minima at which a signal with these labels opens a direction
    of descent.

    Examples: gapless theory minima --alpha 10 --energy 7.4;
    gapless theory minima --alpha 10 --field complex

    Parameters
    ----------
    alpha
        Samples per dimension M/N.
    loss
        quartic, normalised:a=1, or module:name of your own (a function value(yhat, y)).
    kappa
        dΣ/de: positive below the most numerous minima.
    energy
        e = L/N.
    deepest
        Count the minima with Σ = 0.
    overlap
        With the teacher, from 0 to 1.
    labels
        quenched (labels of a typical X) or annealed (the number is averaged over labels too).
    field
        real, or complex signals, whose minima are circles e^(iφ)W, at overlap 0.
    as_json
        Print one JSON object.
    """
    from gapless.losses import parse_loss
    from gapless.theory.minima import minima as counted

    record = counted(
        parse_loss(loss),
        alpha,
        kappa=kappa,
        energy=energy,
        deepest=deepest,
        overlap=overlap,
        labels=labels,
        field=_checked(field),
    ).record()
    if as_json:
        print_json(record)
        return
    _print_state(record)


@app.command
def threshold(*, loss: str = "quartic", field: str = "real", as_json: Json = False) -> None:
    """Print α_BBP, above which the Hessian of the threshold states has an outlier.

    For the 1RSB states α_BBP has three readings. edge: the outlier leaves the bulk. multiplier:
    Eq. 7 as printed. unstable: the outlier's eigenvalue of the Hessian becomes negative. They
    coincide if the inner minimisation has no kink. For counted minima, where they coincide too, it
    is given for the most numerous ones and the deepest (Σ = 0). Complex signals have the latter
    alone.

    Example: gapless theory threshold --loss normalised:a=1

    Parameters
    ----------
    loss
        quartic, amplitude, normalised:a=1, or module:name of your own (a function value(yhat, y)).
    field
        real, or complex signals.
    as_json
        Print one JSON object.
    """
    from gapless.losses import parse_loss
    from gapless.theory import bbp_threshold
    from gapless.theory.minima import minima_threshold

    chosen, field = parse_loss(loss), _checked(field)
    record: dict[str, Any] = {"alpha_bbp": {}, "error": {}, "reason": NO_REPLICAS}
    if field == "real":
        record = bbp_threshold(chosen).record()
    try:
        record["minima"] = minima_threshold(chosen, field=field).record()
        if not any(record["minima"].values()):
            record["minima"]["reason"] = "no transition down to their smallest α"
    except ValueError as reason:
        record["minima"] = {"most_numerous": None, "deepest": None, "reason": str(reason)}
    if as_json:
        print_json(record)
        return
    rows = [
        [f"1RSB, {name}", *measured(value, record["error"][name]), None]
        for name, value in record["alpha_bbp"].items()
    ]
    for name in ("most_numerous", "deepest"):
        found = record["minima"][name] or {}
        error = found.get("error", {}).get("alpha_bbp")
        title = f"minima, {name.replace('_', ' ')}"
        rows.append([title, *measured(found.get("alpha_bbp"), error), found.get("energy")])
    headings = ("reading", "alpha_bbp", "error", "energy")
    print_text(table_text(headings, rows))
    if "reason" in record["minima"]:
        print_text(f"minima: {record['minima']['reason']}\n")
    if "reason" in record:
        print_text(f"{record['reason'].removeprefix('field: ')}\n")


@app.command
def start(*, loss: str = "normalised:a=1", field: str = "real", as_json: Json = False) -> None:
    """Print the α above which the Hessian at a random start has an outlier along the signal.

    The loss must have a curvature that is bounded below.

    Example: gapless theory start --loss normalised:a=0.1

    Parameters
    ----------
    loss
        amplitude, normalised:a=1, or module:name of your own (a function value(yhat, y)).
    field
        real, or complex signals.
    as_json
        Print one JSON object.
    """
    from gapless.losses import parse_loss
    from gapless.theory import bbp_at_random_start

    chosen = parse_loss(loss)
    record: dict[str, Any] = {"loss": chosen.name}
    record |= vars(bbp_at_random_start(chosen, _checked(field)))
    if as_json:
        print_json(record)
        return
    print_text(value_table([("alpha_bbp", record["alpha"], record["error"])]))


@app.command
def inference(*, alpha: float, field: str = "real", as_json: Json = False) -> None:
    """Print the overlaps of spectral estimators and message passing at one α, and their thresholds.

    Labels are noiseless, and overlaps q lie between 0 and 1. uninformed is message passing from
    q → 0.

    Examples: gapless theory inference --alpha 1.1;
    gapless theory inference --alpha 1.5 --field complex

    Parameters
    ----------
    alpha
        Samples per dimension M/N.
    field
        real, or complex signals.
    as_json
        Print one JSON object.
    """
    from gapless.channels import best, trimmed, weak_optimal
    from gapless.theory.spectral import spectral_overlap
    from gapless.theory.state_evolution import thresholds, uninformed_overlap

    chosen = _checked(field)
    uninformed = uninformed_overlap(alpha, chosen)
    spectral = {
        t.name: spectral_overlap(t, alpha, chosen)[0]
        for t in (weak_optimal(alpha, chosen), best, trimmed())
    }
    known = vars(thresholds(chosen))
    if as_json:
        record = {"alpha": alpha, "uninformed": uninformed, "spectral": spectral}
        print_json(record | {"thresholds": known})
        return
    overlaps = {"message passing, uninformed": uninformed}
    overlaps |= {f"spectral, {name}": overlap for name, overlap in spectral.items()}
    for heading, found in (("overlap", overlaps), ("alpha", known)):
        rows = [[name.replace("_", " "), measured(value)[0]] for name, value in found.items()]
        print_text(table_text(("", heading), rows))


@app.command
def curve(
    *,
    alpha: str,
    loss: str = "quartic",
    plot: Path | None = None,
    size: PrintSize = PLAIN,
    as_json: Json = False,
) -> None:
    """Print threshold states along α: a table, and a picture with --plot.

    Example: gapless theory curve --alpha 2:30:1 --plot curve.png

    Parameters
    ----------
    alpha
        Samples per dimension: a list 4,6,10 or a range 2:30:1.
    loss
        quartic, amplitude, normalised:a=1, or module:name of your own (a function value(yhat, y)).
    plot
        Draw energies, spectrum and moments to this .png, .pdf or .svg.
    as_json
        Print one JSON object with `rows`, each as printed by `theory state`.
    """
    from gapless.figures.theory_curve import curve_rows, picture
    from gapless.losses import parse_loss

    if plot is not None:
        check_writable(plot, "plot")
    chosen, alphas = parse_loss(loss), numbers(alpha, "alpha")
    with meter("theory", len(alphas)) as progress:
        rows = curve_rows(chosen, alphas, progress.advance)
    if as_json:
        print_json({"loss": chosen.name, "rows": rows})
    else:
        names = ("alpha", "energy", "ground_energy", "complexity", "chi", "z", "mu", "bulk_edge")
        names = (*names, "outlier", "outlier_overlap")
        print_text(table_text(names, [[row[name] for name in names] for row in rows]))
    save_picture(plot, size, picture, rows, chosen)


def _checked(field: str) -> Field:
    check_field(field)
    return cast(Field, field)


def _print_state(record: dict[str, Any]) -> None:
    """Print the values of a state with their errors, then the flags."""
    rows: list[tuple[str, Any, float | None]] = []
    for name, value in record.items():
        error = record["error"].get(name)
        if name == "moments":
            rows += [(f"moment {k}", value[k], error[k]) for k in value]
        elif name not in ("flags", "error"):
            rows.append((name, value, error))
    rows += [(name, value, None) for name, value in record["flags"].items()]
    print_text(value_table(rows))
