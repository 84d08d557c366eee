"""Interactive view of a recovery (`Recovery.table()`): charts of its residuals and a slider through its spectrum."""

from itertools import pairwise

import numpy as np

from wnsense.files.tables import Table
from wnsense.pages.recovery_picture import APPLICATIONS as APPLICATIONS_TITLE
from wnsense.pages.recovery_picture import has_convergence, has_rank_choice
from wnsense.pages.style import QUANTITIES
from wnsense.pages.view import APPLICATIONS, SECONDS, STEPS, Chart, Line, Moments, Panel, View
from wnsense.pages.words import number

_X_TITLES = {
    STEPS: "steps, all stages",
    APPLICATIONS: APPLICATIONS_TITLE,
    SECONDS: "seconds, metrics not counted",
}
_SPECTRUM = "trace_spectrum_"


def run_view(table: Table) -> View:
    """Return the view: residuals along the recovery, residuals of each rank, and spectra of all recorded steps."""
    charts, moments = [], []
    if has_convergence(table):
        x = _along(table)
        panels = _panels(table)
        if panels:
            moments.append(Moments("recovery", x, _words(table), panels))
        charts.append(_course(table, x, run=0 if panels else None))
    if has_rank_choice(table):
        charts.append(_ranks(table))
    return View(tuple(charts), tuple(moments))


def _along(table: Table) -> dict[str, np.ndarray]:
    """Return the position of each row on each axis; steps are counted through all stages."""
    arrays = table.arrays
    step = arrays["trace_step"].astype(np.int64)
    begins = np.flatnonzero(np.diff(arrays.get("trace_stage", np.zeros(len(step))))) + 1
    for stage, following in pairwise(np.split(step, begins)):
        # A stage begins where the last one ended.
        np.add(following, stage[-1], out=following)
    applications = arrays["trace_applications"].astype(np.int64)
    return {STEPS: step, APPLICATIONS: applications, SECONDS: arrays["trace_seconds"]}


def _course(table: Table, x: dict[str, np.ndarray], *, run: int | None) -> Chart:
    lines = []
    for name, look in QUANTITIES.items():
        values = table.arrays.get(f"trace_{name}", np.empty(0))
        if np.isfinite(values).any():
            lines.append(Line(look.label, look.label, look, x, values))
    ends = "; ".join(f"{line.name}: {number(float(line.y[np.isfinite(line.y)][-1]))}" for line in lines)
    return Chart(
        "course",
        "Relative residual after each step",
        _X_TITLES,
        "relative residual" + (", relative error" if len(lines) > 2 else ""),
        tuple(lines),
        f"Relative residuals along the recovery. Final values: {ends}.",
        run=run,
    )


def _words(table: Table) -> tuple[str, ...]:
    """Return the stage and the working rank of each row, in words."""
    arrays = table.arrays
    stages = arrays.get("trace_stage", np.zeros(len(arrays["trace_step"])))
    ranks = arrays.get("trace_rank", np.zeros(len(stages)))
    return tuple(f"stage {int(k) + 1}, working rank {int(r)}" for k, r in zip(stages, ranks, strict=True))


def _panels(table: Table) -> tuple[Panel, ...]:
    arrays = table.arrays
    names = sorted(
        (name for name in arrays if name.startswith(_SPECTRUM)), key=lambda name: int(name[len(_SPECTRUM) :])
    )
    if not names:
        return ()
    name = "eigenvalues" if "eigenvalues" in arrays else "singular values"
    panel = Panel(
        "Spectrum",
        np.stack([arrays[name] for name in names], axis=1),
        f"{name} [units of the matrix]",
        "index, the largest first",
        f"The leading {name} at this step; hollow: negative. Grey: at the last step.",
    )
    return (panel,)


def _ranks(table: Table) -> Chart:
    arrays = table.arrays
    x = {"rank": arrays["candidate_rank"]}
    lines = tuple(
        Line(look.label, look.label, look, x, values)
        for look, values in (
            (QUANTITIES["residual"], arrays["candidate_residual"]),
            (QUANTITIES["holdout_residual"], arrays["candidate_holdout_residual"]),
        )
    )
    residuals = ", ".join(
        f"rank {int(k)}: {number(float(v))}" for k, v in zip(x["rank"], lines[1].y, strict=True) if np.isfinite(v)
    )
    return Chart(
        "ranks",
        "Relative residual of each rank tried",
        {"rank": "rank tried"},
        "relative residual",
        lines,
        f"Relative residual on held-out measurements for each rank tried. {residuals}.",
    )


def matrix_image(table: Table) -> np.ndarray | None:
    """Return the recovered matrix as an image if it is real, rectangular and of a suitable size, else None."""
    arrays = table.arrays
    if "Y" not in arrays or np.iscomplexobj(arrays["Y"]):
        return None
    sides = len(arrays["X"]), len(arrays["Y"])
    if min(sides) < _LEAST_SIDE or max(sides) > _MOST_SIDE:
        return None
    image: np.ndarray = arrays["X"] @ arrays["Theta"] @ arrays["Y"].T
    return image


# Sides of an image that is shown on a page, in pixels.
_LEAST_SIDE, _MOST_SIDE = 16, 1024
