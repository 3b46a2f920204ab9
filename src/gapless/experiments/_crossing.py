"""Runs followed to their own threshold energy, and their Hessians there."""



from gapless.design import Design
from gapless.experiments._spectra import Row, number, spectral_rows
from gapless.experiments._threshold import T_TWIN, twin_threshold
from gapless.flow.crossing import cross_energy
from gapless.losses import Loss, quartic
from gapless.problem import draw_problem


def rows_at_threshold(design: Design, loss: Loss = quartic, lowest: int = 3) -> list[Row]:
    """Return one row a run: where it crosses its own twin's energy, and its spectrum there.

    Keys: ``threshold_energy``, ``twin_speed2``, ``twin_settled``, ``overlap_start``, ``crossed``,
    ``time``, and those of `spectral_rows`, None for a run that did not cross by t = 20.
    """
    twin = twin_threshold(design, loss)
    problem = draw_problem(design, "teacher", loss)
    crossing = cross_energy(problem, design.start(), twin.energy, T_TWIN)
    key = design.key("lanczos")
    spectra = spectral_rows(problem, crossing.state, "teacher", key=key, lowest=lowest)
    start = problem.overlap(design.start())
    return [
        {
            "threshold_energy": number(twin.energy[run]),
            "twin_speed2": number(twin.speed2[run]),
            "twin_settled": bool(twin.settled[run]),
            "overlap_start": number(float(start[run])),
            "crossed": bool(crossing.crossed[run]),
            "time": number(crossing.time[run]),
            **(spectra[run] if crossing.crossed[run] else dict.fromkeys(spectra[run])),
        }
        for run in range(design.k)
    ]
