"""The study of Table 1 in pictures and words: what each analysis states, beside steps that were counted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wnsense.checks import InputError, require
from wnsense.files.tables import Table
from wnsense.lab.studies.frame.findings import Finding, Paragraph
from wnsense.pages.style import FAINT, INK, METHODS, TEXT, dress, legend_below, new_figure
from wnsense.theory.published_rates import TABLE_1, Decay, Rate

_MARKERS = ("o", "s", "^", "D")
_ROUNDING = 1e-10
_FEWEST_POINTS = 5


@dataclass(frozen=True)
class Counted:
    """A row of Table 1 as it was run in a setting.

    Attributes:
        rate: What is stated.
        row: Its place in the table.
        method: What was run, as the pictures' styles name it.
        step_size: eta.
        applications: Of a step.
        noise: Of the measurements.
        steps_to: To each level, (levels, starts); NaN where it was not reached.
        step: The steps of the curve.
        error: The relative error, (points, starts).
    """

    rate: Rate
    row: int
    method: str
    step_size: float
    applications: int
    noise: float
    steps_to: Float[np.ndarray, "levels starts"]
    step: Int[np.ndarray, " points"]
    error: Float[np.ndarray, "points starts"]

    @property
    def final(self) -> float:
        """The median error at the last step."""
        return float(np.median(self.error[-1]))

    def reached(self, level: int) -> float | None:
        """The median over starts of the steps to a level; None where at least half never got there."""
        steps = float(np.median(np.nan_to_num(self.steps_to[level], nan=np.inf)))
        return steps if np.isfinite(steps) else None

    def is_linear(self) -> bool | None:
        """Whether the second half of the median curve above rounding is a line in steps, and no power law."""
        median = np.median(self.error, axis=1)
        below = self.step[median <= _ROUNDING]
        last = int(below[0]) if len(below) else int(self.step[-1])
        inside = (self.step >= last / 2) & (self.step <= last) & (self.step > 0) & (median > 0)
        if inside.sum() < _FEWEST_POINTS:
            return None
        x, y = self.step[inside].astype(float), np.log(median[inside])
        return _misfit(x, y) < _misfit(np.log(x), y)


@dataclass(frozen=True)
class RateTable:
    """The study's table.

    Attributes:
        header: Its head.
        conditions: kappa of each setting.
        levels: Relative errors.
        counted: Of each setting, row by row of Table 1 as far as it was run.
        reasons: Why a row was not run.
    """

    header: Mapping[str, object]
    conditions: tuple[float, ...]
    levels: tuple[float, ...]
    counted: tuple[tuple[Counted, ...], ...]
    reasons: Mapping[int, str]

    @classmethod
    def of(cls, table: Table) -> "RateTable":
        """Read a table.

        Raises:
            InputError: When it is none of such a study.
        """
        rows = table.header.get("rows")
        require(isinstance(rows, list) and rows, "the table of a study of rates", "one without rows")
        head = table.header
        try:
            settings = cast("list[Mapping[str, float]]", head["settings"])
            analyses = cast("list[Mapping[str, object]]", head["analyses"])
            noises = {int(str(of["row"])): float(str(of["noise"])) for of in analyses}
            known = [_counted(of, noises, table.arrays) for of in cast("list[Mapping[str, object]]", rows)]
            levels = tuple(cast("list[float]", head["levels"]))
        except KeyError as error:
            raise InputError(f"needed the table of a study of rates, got one without {error}") from error
        counted = tuple(tuple(of for place, of in known if place == k) for k in range(len(settings)))
        reasons = {int(str(of["row"])): str(of["reason"]) for of in analyses if of["reason"]}
        return cls(head, tuple(of["condition"] for of in settings), levels, counted, reasons)


def pictures(table: Table) -> Mapping[str, Figure]:
    """The table, and the curves that its steps were counted on.

    Raises:
        InputError: When it is no table of such a study.
    """
    study = RateTable.of(table)
    return {"": _rows(study), "-curves": _curves(study)}


def row_name(rate: Rate) -> str:
    """What is analysed, in a line."""
    surplus = "r > r_A" if rate.overparameterized else "r = r_A"
    return f"{rate.method}, {rate.model}, {surplus}"


def stated(rate: Rate) -> str:
    """What is stated, in a line."""
    decay = "not certain here" if rate.decay is None else str(rate.decay)
    kind = " at best" if rate.is_lower_bound else ""
    return f"{decay}{kind}" if rate.rate is None else f"{decay}{kind}: {rate.rate}"


def _source(rate: Rate) -> str:
    return rate.source if rate.arxiv is None else f"{rate.source}, arXiv {rate.arxiv}"


def _title(study: RateTable) -> str:
    return str(study.header["title"]) + (
        "" if study.header["scale"] == "paper" else f" ({study.header['scale']} scale)"
    )


def _rows(study: RateTable) -> Figure:
    figure = new_figure(7.4 + 3.6 * len(study.counted), 2.2 + 0.62 * len(TABLE_1))
    panels = figure.subplots(1, len(study.counted), sharey=True, squeeze=False)[0]
    for axes, rows, kappa in zip(panels, study.counted, study.conditions, strict=True):
        for of in rows:
            _draw_row(axes, len(TABLE_1) - 1 - of.row, of, study)
        for row in study.reasons:
            axes.text(1.2, len(TABLE_1) - 1 - row, "not run", fontsize=TEXT - 1, color=FAINT, va="center")
        axes.set_xscale("log")
        axes.set_xlim(1.0, 12.0 * float(str(study.header["steps"])))
        axes.set_ylim(-0.7, len(TABLE_1) - 0.3)
        dress(axes, title=f"kappa = {kappa:g}", x="steps, median over starts")
    names = [f"{row_name(rate)}\n{stated(rate)}" for rate in TABLE_1]
    panels[0].set_yticks(range(len(TABLE_1) - 1, -1, -1), names)
    for place, level in enumerate(study.levels):
        panels[0].plot([], [], marker=_MARKERS[place], linestyle="none", color=INK, label=f"relative error {level:g}")
    figure.suptitle(_title(study), fontsize=TEXT + 3, color=INK, x=0.01, ha="left")
    legend_below(figure, panels[0], len(study.levels))
    return figure


def _draw_row(axes: Axes, height: int, of: Counted, study: RateTable) -> None:
    look = METHODS[of.method]
    reached = [of.reached(level) for level in range(len(study.levels))]
    known = [(place, steps) for place, steps in enumerate(reached) if steps is not None]
    axes.plot([max(s, 1.0) for _, s in known], [height] * len(known), color=look.color, linewidth=1.2, zorder=2)
    for place, steps in known:
        axes.plot([max(steps, 1.0)], [height], marker=_MARKERS[place], color=look.color, markersize=7, zorder=3)
    if len(known) < len(reached):
        end = float(of.step[-1])
        axes.text(1.15 * end, height, f"> {end:,.0f}: {of.final:.0e}", fontsize=TEXT - 1, color=look.color, va="center")


def _curves(study: RateTable) -> Figure:
    figure = new_figure(5.4 * len(study.counted), 5.6)
    panels = figure.subplots(1, len(study.counted), sharey=True, squeeze=False)[0]
    for axes, rows, kappa in zip(panels, study.counted, study.conditions, strict=True):
        for of in rows:
            look = METHODS[of.method]
            label = f"{of.row + 1}: {row_name(of.rate)}" + (f", noise {of.noise:g}" if of.noise else "")
            line = ("-", "--", "-.", ":")[of.row % 4]
            axes.plot(of.step + 1, np.median(of.error, axis=1), color=look.color, linestyle=line, label=label)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_ylim(1e-12, 10)
        dress(axes, title=f"kappa = {kappa:g}", x="steps + 1", y="relative error, median over starts")
    figure.suptitle(_title(study), fontsize=TEXT + 2, color=INK, x=0.01, ha="left")
    legend_below(figure, panels[0], 2)
    return figure


def findings(table: Table) -> list[Finding]:
    """Row by row: whether the decay that is stated is the one seen.

    Raises:
        InputError: When it is no table of such a study.
    """
    study = RateTable.of(table)
    return [_decay(of, kappa) for rows, kappa in zip(study.counted, study.conditions, strict=True) for of in rows]


def _decay(of: Counted, kappa: float) -> Finding:
    linear = of.is_linear()
    seen = "too fast for a fit" if linear is None else "linear" if linear else "sublinear"
    text = f"row {of.row + 1}, {row_name(of.rate)}, kappa = {kappa:g}: stated {stated(of.rate)}; seen {seen}"
    # Under noise every curve ends flat, and a decay that is not certain here is not held against anything.
    if of.rate.decay is None or of.noise:
        return Finding(f"{text}, down to {of.final:.1e}", None)
    holds = linear is not False if of.rate.decay is Decay.LINEAR else linear is False
    return Finding(text, holds)


def paragraphs(table: Table) -> list[Paragraph]:
    """The table in words.

    Raises:
        InputError: When it is no table of such a study.
    """
    study = RateTable.of(table)
    lists = []
    for rows, kappa in zip(study.counted, study.conditions, strict=True):
        lines = [_line(of, study) for of in rows]
        levels = ", ".join(f"{level:g}" for level in study.levels)
        lists.append(Paragraph(f"Steps to relative errors of {levels} at kappa = {kappa:g}:", tuple(lines)))
    left = tuple(f"row {row + 1}, {row_name(TABLE_1[row])}: {reason}" for row, reason in study.reasons.items())
    notes = tuple(f"row {k + 1}: {_source(rate)}. {rate.note}" for k, rate in enumerate(TABLE_1))
    return [*lists, Paragraph("Not run:", left), Paragraph("Sources:", notes)]


def _line(of: Counted, study: RateTable) -> str:
    steps = [of.reached(level) for level in range(len(study.levels))]
    told = ", ".join("-" if count is None else f"{count:,.0f}" for count in steps)
    end = f"; {of.final:.1e} after {int(of.step[-1]):,}" if None in steps else ""
    noise = f", noise {of.noise:g}" if of.noise else ""
    how = f"eta {of.step_size:g}, {of.applications} applications a step"
    return f"row {of.row + 1}, {row_name(of.rate)}{noise} ({how}): {told}{end}"


def _misfit(x: np.ndarray, y: np.ndarray) -> float:
    slope, height = np.polyfit(x, y, 1)
    return float(np.sqrt(np.mean((y - slope * x - height) ** 2)))


def _counted(
    facts: Mapping[str, object], noises: Mapping[int, float], arrays: Mapping[str, np.ndarray]
) -> tuple[int, Counted]:
    """A row and the place of its setting."""
    setting, row = int(str(facts["setting"])), int(str(facts["row"]))
    name = f"{setting}_{row}"
    return setting, Counted(
        TABLE_1[row],
        row,
        str(facts["method"]),
        float(str(facts["step_size"])),
        int(str(facts["applications"])),
        noises[row],
        arrays[f"{name}_steps_to"],
        arrays[f"{name}_step"],
        arrays[f"{name}_error"],
    )
