"""Measurements of the user's own in `flow`, `spectrum` and `border`: files in, states out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gapless.cli.memory import check_memory
from gapless.cli.saved import written
from gapless.files import shown

if TYPE_CHECKING:
    from gapless.losses import Loss
    from gapless.measure.own import SavedState
    from gapless.problem import OwnProblem


@dataclass(frozen=True, eq=False)
class GivenStates:
    """States of a file to start from: W (K, N), in the units of the data if they are of any."""

    path: Path
    w: np.ndarray


def check_drawn(n: int | None, alpha: Any) -> None:
    """Raise ``ValueError`` unless a command without a file has N and α."""
    missing = [name for name, value in (("n", n), ("alpha", alpha)) if value is None]
    if missing:
        raise ValueError(f"{', '.join(missing)}: must be given; or give --data FILE")


def check_alone(labels: str = "teacher", **drawn: Any) -> None:
    """Raise ``ValueError`` for options of drawn problems beside a file.

    Parameters
    ----------
    labels
        Kind of labels, of which a file has two.
    drawn
        Options by their names, with the value None or False where they are at their defaults.
    """
    for name, value in drawn.items():
        if value not in (None, False):
            raise ValueError(f"{name}: goes with drawn problems, not with --data; leave it out")
    if labels not in ("teacher", "shuffled"):
        raise ValueError(f"labels: {labels!r} is not one of teacher (those of --data), shuffled")


def states_in(path: Path) -> GivenStates:
    """Return the states of a file that `--save-state` wrote, or of an array ``start``."""
    from gapless.measure.reading import read_arrays

    try:
        found = read_arrays(path, ("start", "w"))
    except ValueError as error:
        raise ValueError(f"start: {error}") from None
    w = found.get("w", found.get("start"))
    if w is None:
        raise ValueError(f"start: {shown(path)} has no array w; give what --save-state wrote")
    # a file .mat has no matrix of one row
    w = w[None] if w.ndim == 1 else w
    if w.ndim != 2 or w.dtype.kind not in "fiuc" or not np.isfinite(w).all() or not w.size:
        raise ValueError(
            f"start: w of {shown(path)} must hold finite numbers, (K, N), not {w.dtype}{w.shape}"
        )
    return GivenStates(path, w)


def check_states(states: GivenStates, runs: int, n: int, runs_per_design: int | None) -> None:
    """Raise ``ValueError`` unless states are those of `runs` runs in N dimensions."""
    if states.w.shape != (runs, n):
        raise ValueError(
            f"start: {shown(states.path)} has states of shape {states.w.shape}, and {runs} runs "
            f"need ({runs}, {n}); change --runs or --n"
        )
    if states.w.dtype.kind == "c":
        raise ValueError(
            f"start: {shown(states.path)} has complex states, which go with --data and "
            "--field complex; give real ones"
        )
    if not states.w.any(axis=1).all():
        raise ValueError(f"start: a state of {shown(states.path)} vanishes; give directions")
    if runs_per_design and runs % runs_per_design:
        raise ValueError(f"runs_per_design: {runs} given states are no multiple of it")


def start_file(start: str | Path | None) -> Path | None:
    """Return the path of a start that is a file, by its suffix; None for the name of a start."""
    if start is None:
        return None
    path = Path(start)
    return path if path.suffix.lower() in (".npz", ".npy", ".mat", ".parquet") else None


def own_problem(
    data: Path,
    loss: "Loss",
    runs: int | None,
    seed: int,
    states: GivenStates | None = None,
    *,
    default_runs: int = 1,
    compiled_from: float = np.inf,
    field: str = "real",
) -> "OwnProblem":
    """Return the problem of a file; ``ValueError`` that names the option and the array.

    Parameters
    ----------
    data, loss, seed
        File, loss, and seed of random starts.
    runs, default_runs
        K; None: the number of rows that the file gives, or else the default.
    states
        States to start from.
    compiled_from
        N from which arrays are JAX's; below, the loss decides.
    field
        Numbers that X must consist of.
    """
    from gapless.measure.reading import NAMES, read_arrays
    from gapless.problem import problem_from_arrays

    try:
        arrays = read_arrays(data)
        if "X" not in arrays:
            there = ", ".join(arrays) or "none of these"
            raise ValueError(
                f"{shown(data)} has no array X; name the arrays {', '.join(NAMES)} (it has {there})"
            )
        x = arrays.pop("X")
        _check_field(x, field)
        if states is not None:
            arrays["start"] = states.w
        rows = [one for name, one in arrays.items() if name in ("y", "y2")]
        if runs is None and "start" not in arrays and all(one.ndim < 2 for one in rows):
            runs = default_runs
        _check_fits(x, runs)
        in_numpy = False if x.shape[-1:] > (compiled_from,) else None
        own = problem_from_arrays(x, **arrays, loss=loss, runs=runs, seed=seed, in_numpy=in_numpy)
    except ValueError as error:
        raise ValueError(f"data: {error}") from None
    if states is not None and own.norm_from == "labels":
        # saved states have the length of the signal: better than an estimate from the labels
        return own.of_norm(np.linalg.norm(np.abs(states.w).astype(float), axis=1) / own.norm)
    return own


def _check_field(x: np.ndarray, field: str) -> None:
    """Raise ``ValueError`` unless X consists of the numbers that the command was told of."""
    found = "complex" if x.dtype.kind == "c" else "real"
    if found != field:
        remedy = f"give --field {found}, in flow and spectrum"
        raise ValueError(f"X: is {found}, and the signals would be {field}; {remedy}")


def _check_fits(x: np.ndarray, runs: int | None) -> None:
    """Raise ``ValueError`` if X and the labels of all runs do not fit into memory."""
    labels = 10.0 * x.itemsize * (runs or 1) * len(np.atleast_1d(x))
    # what is mapped from a file need not stay in memory
    check_memory(labels + (0 if isinstance(x, np.memmap) else x.nbytes), "runs", "--runs")


def about(own: "OwnProblem", data: Path) -> dict[str, Any]:
    """Return the origin of a problem and the factors of its units, for JSON."""
    names = {"data": str(data), "sha256": own.digest, "row_norm": own.row_norm}
    # what a drawn problem has, and measurements have not
    return {"sensing": None, "noise": None} | names | {"norm_from": own.norm_from}


def sentence(own: "OwnProblem") -> str:
    """Return the units of a table and, without a teacher, the meaning of zero energy, in lines."""
    how = {
        "labels": "estimated from the labels and fitted where a run comes to rest",
        "given": "given",
        "teacher": "that of the teacher",
    }
    factors = (
        f"scaled: X by 1/{own.row_norm:.6g}, its row norm; the signal by √N over its norm, "
        f"{how[own.norm_from]}\n"
    )
    if own.problem.teacher is not None:
        return factors
    return (
        "no teacher: interpolated is the signal, where the data determine one; of noisy data the "
        "signal is at positive energy, with a misfit of the size of the noise\n" + factors
    )


def saved(path: Path, states: "Sequence[SavedState]", runs: int) -> None:
    """Write the states of the first `runs` runs of one or more designs to one file."""
    from gapless.measure.own import SavedState

    parts = [vars(state) for state in states]
    names = [name for name in parts[0] if all(part[name] is not None for part in parts)]
    joined = {name: np.concatenate([part[name] for part in parts])[:runs] for name in names}
    with written("save_state", path):
        SavedState(**joined).save(path)
