"""Charts of figure 1 of arXiv 2510.01175, and a slider through spectrum and alignment."""

from collections.abc import Mapping, Sequence

import numpy as np

from wnsense.lab.studies.learning.table import LearningRun, LearningTable
from wnsense.pages.style import Look
from wnsense.pages.view import APPLICATIONS, SECONDS, STEPS, Chart, Line, Moments, Panel, View
from wnsense.pages.words import number

_X_TITLES = {STEPS: "steps", APPLICATIONS: "applications of M and M*, one start", SECONDS: "seconds, all starts"}
# Okabe and Ito's, without the yellow, which is too light on white.
_COLORS = ("#000000", "#E69F00", "#56B4E9", "#009E73", "#D55E00", "#CC79A7", "#0072B2")
_LINES = ("-", "--", "-.", ":")
_MARKERS = ("o", "s", "^", "D", "v", "P")
_GRADIENTS = ("in X, on the manifold", "in Theta, as Algorithm 1 takes it", "in Theta, at X itself")


def learning_view(study: LearningTable) -> View:
    """Return for each setting the charts of its first start (distances, gradients, alignment), and a slider."""
    runs = study.entries
    charts = [chart for place, run in enumerate(runs) for chart in _charts(place, run)]
    return View(tuple(charts), tuple(_moments(run) for run in runs))


def _x(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: arrays[name] for name in (STEPS, APPLICATIONS, SECONDS)}


def _charts(place: int, run: LearningRun) -> list[Chart]:
    arrays = run.arrays
    distances, cosines = arrays["saddle_distances"], arrays["squared_cosines"]
    levels, rank = range(distances.shape[1]), cosines.shape[1]
    last = f"l = {levels[-1]}: the squared error"
    parts = (
        (
            "errors",
            "Squared distances to the saddles A_l, the best rank-l approximations",
            "squared distance, for a truth of norm 1",
            [*(f"l = {level}" for level in levels[:-1]), last],
            distances,
            True,
        ),
        ("gradients", "Gradient norms", "Frobenius norm", list(_GRADIENTS), arrays["gradient_norms"], True),
        (
            "cosines",
            "Alignment with the eigenvectors of A",
            "squared cosine of the principal angle",
            [f"angle {place + 1}" for place in range(rank)],
            cosines,
            False,
        ),
        (
            "trace",
            "Alignment in all, which only grows",
            "Tr(U^T X X^T U)",
            ["first start"],
            arrays["alignment_trace"][:, None],
            False,
        ),
    )
    return [
        Chart(
            f"{key}{place}",
            f"{title} ({run.label})",
            _X_TITLES,
            y_title,
            _lines(names, _x(arrays), columns),
            f"{title}, against steps. {_ends(names, columns)}.",
            log_x=True,
            log_y=log_y,
            run=place,
        )
        for key, title, y_title, names, columns, log_y in parts
    ]


def _lines(names: Sequence[str], x: Mapping[str, np.ndarray], columns: np.ndarray) -> tuple[Line, ...]:
    return tuple(
        Line(
            name,
            name,
            Look(name, _COLORS[k % len(_COLORS)], _LINES[k % len(_LINES)], _MARKERS[k % len(_MARKERS)]),
            x,
            columns[:, k],
        )
        for k, name in enumerate(names)
    )


def _ends(names: Sequence[str], columns: np.ndarray) -> str:
    ends = (
        f"{name}: from {number(float(columns[0, k]))} to {number(float(columns[-1, k]))}"
        for k, name in enumerate(names)
    )
    return "; ".join(ends)


def _moments(run: LearningRun) -> Moments:
    arrays = run.arrays
    panels = (
        Panel(
            "Spectrum",
            arrays["magnitudes"],
            "eigenvalues of Theta",
            "index, the largest first",
            "All r eigenvalues of Theta at this step; hollow: negative. Grey: at the last step.",
        ),
        Panel(
            "Alignment matrix",
            arrays["squared_overlaps"],
            "eigenvector of A",
            "eigenvector of Theta",
            "Squared cosines of the angles between each eigenvector of A and each of X Theta X^T. When all is learned "
            "the left square is the identity and the rest is 0.",
        ),
    )
    return Moments(f"{run.label}, first start", _x(arrays), ("",) * len(arrays[STEPS]), panels)
