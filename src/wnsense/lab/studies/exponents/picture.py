"""Pictures of the study of exponents: the powers, the sweeps that they are fitted to, and the law of escape."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wnsense.lab.studies.exponents.table import MEASURED, ExponentTable, SweepTable
from wnsense.lab.studies.frame.typed_table import titled
from wnsense.lab.studies.theorem_cases import Varied
from wnsense.pages.style import FAINT, INK, METHODS, TEXT, dress, legend, legend_below, logarithmic, new_figure
from wnsense.theory.convergence import Quantity

_THEOREM = "#000000"
_STATED = "#777777"
_LAW = "#0072B2"
_NAMES = {Quantity.BURN_IN: "burn-in", Quantity.CONTRACTION: "part by which the error falls a step"}
_AXES = {Quantity.BURN_IN: "burn-in, steps", Quantity.CONTRACTION: "fall of the error a step"}
_ROW_HEIGHT = 0.34


def pictures(study: ExponentTable) -> Mapping[str, Figure]:
    """Draw the exponents, the sweeps, and the burn-in of each start beside the law of escape."""
    return {"": _exponents(study), "-sweeps": _sweeps(study), "-starts": _starts(study)}


def _exponents(study: ExponentTable) -> Figure:
    """Draw a row for each sweep: the measured power with its interval, and those of theorem and law."""
    figure = new_figure(11.0, 2.0 + _ROW_HEIGHT * len(study.entries))
    panels = figure.subplots(1, len(MEASURED), sharey=True)
    for axes, quantity in zip(panels, MEASURED, strict=True):
        for row, sweep in enumerate(study.entries):
            _draw_row(axes, len(study.entries) - 1 - row, sweep, quantity)
        axes.axvline(0.0, color=FAINT, linewidth=1.0, zorder=1)
        dress(axes, title=_NAMES[quantity], x="power of what varies")
    labels = [f"{sweep.facts.varied}: {sweep.where}" for sweep in study.entries]
    panels[0].set_yticks(range(len(labels) - 1, -1, -1), labels)
    figure.suptitle(study.head.scaled_title, fontsize=TEXT + 3, color=INK, x=0.01, ha="left")
    legend_below(figure, panels[0], 4)
    return figure


def _draw_row(axes: Axes, height: int, sweep: SweepTable, quantity: Quantity) -> None:
    law, label = sweep.measured(quantity), height == 0
    look = METHODS["wn"]
    sides = [[law.exponent - law.low], [law.high - law.exponent]]
    axes.errorbar(
        [law.exponent],
        [height],
        xerr=sides,
        color=look.color,
        marker=look.marker,
        markersize=7,
        capsize=4,
        linestyle="none",
        zorder=4,
        label="measured, 95%" if label else None,
    )
    marks = (
        (sweep.bound_exponent(quantity), "|", _THEOREM, 16, "Theorem 3.2, at the eta used"),
        (sweep.stated_exponent(quantity), "x", _STATED, 7, "Theorem 3.2 as stated, at its own eta"),
        (sweep.law_exponent(quantity), "D", _LAW, 9, "law of escape"),
    )
    for exponent, marker, color, size, words in marks:
        axes.plot(
            [exponent],
            [height],
            marker=marker,
            color=color,
            markersize=size,
            markerfacecolor="none",
            markeredgewidth=1.6,
            linestyle="none",
            zorder=3,
            label=words if label else None,
        )


def _sweeps(study: ExponentTable) -> Figure:
    """Draw the data of the fits in the population: a column for each sweep, `eta` held above and following below."""
    rows: list[tuple[Quantity, Sequence[SweepTable]]] = [
        (quantity, study.group(follows=follows, sampled=False)) for follows in (False, True) for quantity in MEASURED
    ]
    rows = [(quantity, sweeps) for quantity, sweeps in rows if sweeps]
    columns = max(len(sweeps) for _, sweeps in rows)
    figure = new_figure(2.7 * columns + 0.6, 2.6 * len(rows) + 0.8)
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for panels, (quantity, sweeps) in zip(grid, rows, strict=True):
        for place, axes in enumerate(panels):
            if place >= len(sweeps):
                axes.set_axis_off()
                continue
            sweep = sweeps[place]
            _draw_sweep(axes, sweep, quantity)
            varies = sweep.facts.varied is Varied.STEP_SIZE
            held = "eta follows" if sweep.facts.follows else "eta varies" if varies else "eta held"
            dress(axes, title=held, x=sweep.facts.varied, y=_AXES[quantity] if place == 0 else "")
    title = "In the population: medians, 10% to 90% of starts; theorem and law set to the first point"
    titled(figure, study.head, title)
    legend_below(figure, grid[0][0], 3)
    return figure


def _draw_sweep(axes: Axes, sweep: SweepTable, quantity: Quantity) -> None:
    look, x, y = METHODS["wn"], sweep.values, sweep.column(quantity)
    low, median, high = np.nanquantile(y, [0.1, 0.5, 0.9], axis=1)
    axes.fill_between(x, low, high, color=look.color, alpha=0.25, linewidth=0)
    axes.plot(x, median, color=look.color, marker=look.marker, linewidth=1.8, label="measured", zorder=3)
    bound = sweep.bound(quantity)
    # Drawn above the measurements: where the bound is attained, the curves coincide.
    axes.plot(
        x, bound * median[0] / bound[0], color=_THEOREM, linestyle="--", zorder=4, label="Theorem 3.2, at the eta used"
    )
    law = np.nanmedian(sweep.law, axis=1) if quantity is Quantity.BURN_IN else bound
    if quantity is Quantity.BURN_IN:
        axes.plot(x, law * median[0] / law[0], color=_LAW, linestyle=":", linewidth=2.2, label="law of escape")
    axes.set_xscale("log")
    axes.set_xticks(x, [f"{value:g}" for value in x])
    axes.minorticks_off()
    margin = 1.6
    logarithmic(axes, float(np.nanmin(low)) / margin, float(np.nanmax(high)) * margin)


def _starts(study: ExponentTable) -> Figure:
    """Draw the measured burn-in of each start of the population against the one that its angles predict."""
    law, burn_in = study.with_law()
    figure = new_figure(6.4, 5.6)
    axes = figure.subplots()
    look = METHODS["wn"]
    axes.plot(law, burn_in, marker=".", linestyle="none", color=look.color, alpha=0.45, label="one start", zorder=3)
    ends = np.array([law.min(), law.max()])
    axes.plot(ends, ends, color=_LAW, linestyle=":", linewidth=2.0, label="as foretold", zorder=4)
    axes.set_xscale("log")
    axes.set_yscale("log")
    dress(axes, x="burn-in by the law of escape from the start's angles, steps", y="burn-in measured, steps")
    titled(figure, study.head, "Burn-in, start by start")
    legend(axes)
    return figure
