"""A recovery from saddle to saddle, beside Algorithm 1 of arXiv 2510.01175 (its figure 1), on the same measurements.

`python benchmarks/saddles.py [--quick] [--write]`. A minute. The truth has m = 50, rank 5 and eigenvalues from 1 to
0.01 in equal ratios; there are n = 5,000 Gaussian measurements. Algorithm 1 has r = 15, eta = 1, mu = 2 and a random
start. `recover()` is not told the rank. `--write` stores the table under benchmarks/results and the picture under
docs/images.
"""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from common import arguments, show
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import wnsense as wn
from wnsense.pages.picture_file import save
from wnsense.pages.style import FAINT, INK, SHADE, TEXT, dress, new_figure
from wnsense.recovery.spectrum_columns import SPECTRUM, recorded_spectrum
from wnsense.running.loop import solve
from wnsense.running.stop import Stop
from wnsense.running.trace import Trace
from wnsense.sensing.ensembles.triangular import TriangularSensing
from wnsense.sensing.problem import Problem, low_rank, require_truth
from wnsense.solvers.calibration import Calibration
from wnsense.solvers.objective import SensingObjective, relative_error
from wnsense.solvers.starts import haar_start
from wnsense.solvers.weight_norm import WeightNormalizedGD

_IMAGES = Path(__file__).parents[1] / "docs" / "images"
_SIZE, _RANK, _WIDTH, _CONDITION, _COUNT = 50, 5, 15, 100.0, 5_000
_STEPS, _QUICK_STEPS = 20_000, 300
# Values below this are not drawn.
_LOWEST = 1e-9


@dataclass(frozen=True)
class Course:
    """Course of one method.

    Attributes:
        applications: Applications of `M` and `M*` so far, (rows,).
        error: Relative error, (rows,).
        values: Magnitudes of the present matrix, the largest first, (rows, k).
        ranks: Width of the point, (rows,).
    """

    applications: np.ndarray
    error: np.ndarray
    values: np.ndarray
    ranks: np.ndarray


def problem() -> Problem:
    """Return the problem, drawn as the `m(m+1)/2` numbers that the measurements come down to."""
    generator = torch.Generator().manual_seed(0)
    truth = low_rank(_SIZE, _RANK, _CONDITION, spectrum="geometric", generator=generator)
    return Problem.measure(TriangularSensing.draw(_COUNT, _SIZE, generator=generator), truth)


def of_algorithm(sensed: Problem, steps: int) -> Course:
    """Return the course of Algorithm 1 from a random start."""
    objective = SensingObjective(sensed, given=Calibration(torch.ones_like(sensed.measurements), None, 1.0, 1.0, 0))
    start = haar_start(objective, _WIDTH, generator=torch.Generator().manual_seed(0))
    seen = frozenset(int(step) for step in np.unique(np.geomspace(1, steps, 400).round()))
    result = solve(
        objective,
        WeightNormalizedGD(step_size=1.0, magnitude_step_size=2.0),
        start,
        stop=Stop(residual=0.0, max_steps=steps),
        trace=Trace(error=relative_error, metrics={SPECTRUM: recorded_spectrum}, at=seen),
    )
    rows = result.trace
    widths = np.full(len(rows["step"]), _WIDTH)
    return Course(rows["applications"], rows["error"], np.abs(rows[SPECTRUM]), widths)


def of_recovery(sensed: Problem) -> Course:
    """Return the course of `recover()`."""
    rows = wn.recover(sensed).trace
    names = sorted((name for name in rows if name.startswith(f"{SPECTRUM}_")), key=lambda name: int(name.split("_")[1]))
    return Course(
        rows["applications"], rows["error"], np.stack([np.abs(rows[name]) for name in names], 1), rows["rank"]
    )


def picture(sensed: Problem, courses: dict[str, Course]) -> Figure:
    """Return magnitudes and error of both methods against the applications."""
    figure = new_figure(9.0, 5.6)
    panels = figure.subplots(2, 2, sharex="col", sharey="row")
    truth = require_truth(sensed).singular_values().numpy()
    levels = [1.0, *(np.sqrt(np.cumsum(truth[::-1] ** 2)[::-1]) / np.linalg.norm(truth))[1:]]
    for column, (title, course) in enumerate(courses.items()):
        upper, lower = panels[0][column], panels[1][column]
        for place in range(course.values.shape[1] - 1, -1, -1):
            color = _color(place) if place < _RANK else FAINT
            _line(upper, course, course.values[:, place], color, 1.8 if place < _RANK else 0.7)
        for place, value in enumerate(truth):
            upper.axhline(float(value), color=_color(place), linewidth=0.9, linestyle=":", zorder=1)
        upper.set_yscale("log")
        upper.set_ylim(1e-4, 6)
        dress(upper, title=title, y="magnitude of each direction" if column == 0 else "")
        _line(lower, course, course.error, INK, 1.8)
        for place, level in enumerate(levels):
            lower.axhline(float(level), color=_color(place), linewidth=0.9, linestyle=":", zorder=1)
        lower.set_yscale("log")
        lower.set_ylim(_LOWEST, 2)
        dress(lower, x="applications of M and M*", y="relative error" if column == 0 else "")
    panels[0][0].set_xscale("log")
    _stays(panels[0][1], panels[1][1], courses["recover(), rank unknown"])
    figure.suptitle(
        "The rank climbs from saddle to saddle (dotted: eigenvalues, and errors of the saddles; numbers: rank)",
        fontsize=TEXT + 1,
        color=INK,
        x=0.01,
        ha="left",
    )
    return figure


def _color(place: int) -> tuple[float, float, float, float]:
    r, g, b, a = colormaps["viridis"](0.92 * place / _RANK)
    return r, g, b, a


def _line(axes: Axes, course: Course, values: np.ndarray, color: object, width: float) -> None:
    axes.plot(course.applications, np.where(values > 0, values, np.nan), color=color, linewidth=width, zorder=3)


def _stays(upper: Axes, lower: Axes, course: Course) -> None:
    """Shade every second rank, with its number above."""
    changes = np.flatnonzero(np.diff(course.ranks)) + 1
    ends = [0, *changes, len(course.ranks) - 1]
    for place, (first, last) in enumerate(pairwise(ends)):
        left, right = float(course.applications[first]), float(course.applications[last])
        if place % 2 == 0:
            for axes in (upper, lower):
                axes.axvspan(left, right, color=SHADE, linewidth=0, zorder=0)
        upper.annotate(
            f"{int(course.ranks[first])}",
            ((left + right) / 2, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, -11),
            textcoords="offset points",
            ha="center",
            fontsize=TEXT - 1,
            color=INK,
        )


def _reached(course: Course, place: int, value: float) -> int | str:
    """Return the applications from which on a magnitude stays within a tenth of an eigenvalue."""
    values = np.nan_to_num(course.values[:, place])
    outside = np.flatnonzero(np.abs(values / value - 1) > 0.1)
    first = int(outside[-1]) + 1 if len(outside) else 0
    return int(course.applications[first]) if first < len(values) else "not reached"


def main() -> None:
    """Run both methods, print where each rank is reached, and draw the picture."""
    options = arguments(__doc__.split("\n")[0])
    sensed = problem()
    courses = {
        "Algorithm 1, 15 directions from a random start": of_algorithm(
            sensed, _QUICK_STEPS if options.quick else _STEPS
        ),
        "recover(), rank unknown": of_recovery(sensed),
    }
    truth = require_truth(sensed).singular_values().numpy()
    rows: list[list[object]] = [["number", "eigenvalue", *(f"applications, {name}" for name in courses)]]
    for place, value in enumerate(truth):
        reached = (_reached(course, place, float(value)) for course in courses.values())
        rows.append([place + 1, f"{value:.3g}", *reached])
    show("saddles", "Applications until an eigenvalue is known to a tenth", rows, write=options.write)
    if options.write:
        save(picture(sensed, courses), _IMAGES / "saddles.png")


if __name__ == "__main__":
    main()
