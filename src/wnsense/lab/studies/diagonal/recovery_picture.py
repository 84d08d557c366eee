"""Recovery by discrete descent in pictures and words: error and steps against the scale of the start."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wnsense.files.tables import Table
from wnsense.lab.studies.diagonal.table import FOUND, Measured, grid, outer_labels, parts_of, rate_look, rate_words
from wnsense.lab.studies.frame.findings import Finding, Paragraph
from wnsense.lab.studies.frame.part_tables import titled
from wnsense.pages.style import FAINT, INK, TEXT, dress, legend_below

Rate = float | None

# Errors at starts so far below the radius of the answer are compared with each other.
_SMALL_START = 0.2
# What changes by at most this factor over decades of the start hardly depends on it.
_HARDLY = 3.0
# Below this share of gradient descent's steps, or above its inverse, one is faster than the other.
_FASTER = 0.9


@dataclass(frozen=True)
class Setting:
    """All problems of one depth and sparsity.

    Attributes:
        depth: L.
        sparsity: s.
        scales: alpha, ascending.
        ratios: In order; None without weight normalization.
        columns: N.
        steps: The budget.
        tolerance: The relative residual at which a cell rests.
        parts: One a problem.
    """

    depth: int
    sparsity: int
    scales: np.ndarray
    ratios: Sequence[Rate]
    columns: int
    steps: int
    tolerance: float
    parts: Sequence[Measured]

    def stacked(self, name: str, ratio: Rate) -> np.ndarray:
        """Of one rate, (problems, scales)."""
        place = self.ratios.index(ratio)
        return np.stack([part.arrays[name][:, place] for part in self.parts])

    def error(self, ratio: Rate) -> np.ndarray:
        """Median errors, (scales,)."""
        return np.asarray(np.median(self.stacked("error", ratio), axis=0))

    def arrived(self, ratio: Rate) -> np.ndarray:
        """Whether at least half of the problems came to the residual, (scales,)."""
        return np.asarray(np.mean(self.stacked("residual", ratio) <= self.tolerance, axis=0) >= 0.5)

    def steps_to_found(self, ratio: Rate) -> np.ndarray:
        """Steps until the median error stays below `FOUND`, at the marks written down, (scales,); infinite without."""
        place = self.ratios.index(ratio)
        errors = np.median(np.stack([part.arrays["errors"][:, :, place] for part in self.parts]), axis=0)
        marks = self.parts[0].arrays["marks"]
        later = np.maximum.accumulate(errors[::-1], axis=0)[::-1] <= FOUND
        return np.where(later.any(axis=0), marks[later.argmax(axis=0)].astype(float), np.inf)

    @property
    def critical_scale(self) -> float:
        """The start whose radius is that of the most exact answers: alpha sqrt(2 N) = r_inf."""
        radii = []
        for part in self.parts:
            best = int(np.argmin(part.arrays["error"]))
            radii.append(float(part.arrays["radius"].ravel()[best]))
        return float(np.median(radii)) / math.sqrt(2 * self.columns)

    def largest_found(self, ratio: Rate) -> float:
        """The largest start from which vectors are found; 0 without."""
        found = self.error(ratio) <= FOUND
        return float(self.scales[found].max(initial=0.0))


def settings_of(table: Table) -> list[Setting]:
    """The settings of a table, by depth and then sparsity.

    Raises:
        InputError: When it is no table of such a study.
    """
    parts = parts_of(table, "RecoveryPart", "errors")
    keys = sorted({(part.depth, int(part.drawing("sparsity"))) for part in parts})
    settings = []
    for depth, sparsity in keys:
        chosen = [part for part in parts if (part.depth, int(part.drawing("sparsity"))) == (depth, sparsity)]
        first = chosen[0]
        N, steps = int(first.drawing("columns")), int(first.number("steps"))
        scales, tolerance = first.numbers("scales"), first.number("residual")
        settings.append(Setting(depth, sparsity, scales, first.ratios, N, steps, tolerance, chosen))
    return settings


def pictures(table: Table) -> Mapping[str, Figure]:
    """Errors and steps against the start, and errors against steps.

    Raises:
        InputError: When it is no table of such a study.
    """
    settings = settings_of(table)
    return {
        "": _panels(table, settings, "Error of the answer against the scale of the start", _draw_error),
        "-steps": _panels(table, settings, "Steps to the residual against the scale of the start", _draw_steps),
        "-curves": _curves(table, settings),
    }


def _panels(table: Table, settings: Sequence[Setting], words: str, draw: Callable[[Axes, Setting], None]) -> Figure:
    depths = sorted({of.depth for of in settings})
    sparsities = sorted({of.sparsity for of in settings})
    figure, panels = grid(len(depths), len(sparsities), 3.0, 2.5)
    by_key = {(of.depth, of.sparsity): of for of in settings}
    for (row, depth), (column, sparsity) in product(enumerate(depths), enumerate(sparsities)):
        draw(panels[row, column], by_key[depth, sparsity])
        panels[row, column].set_title(f"L = {depth}, s = {sparsity}", fontsize=TEXT, color=INK, loc="left")
    outer_labels(panels)
    titled(figure, table, words)
    legend_below(figure, panels[0, 0], 3)
    return figure


def _draw_error(axes: Axes, setting: Setting) -> None:
    for ratio in setting.ratios:
        errors, arrived = setting.stacked("error", ratio), setting.arrived(ratio)
        _draw_band(axes, setting, ratio, errors, arrived)
    axes.axhline(FOUND, color=FAINT, linestyle=":", linewidth=1.2)
    axes.set_ylim(5e-5, 3)
    dress(axes, x="alpha, scale of the start", y="relative error")


def _draw_steps(axes: Axes, setting: Setting) -> None:
    for ratio in setting.ratios:
        _draw_band(axes, setting, ratio, setting.stacked("counts", ratio), setting.arrived(ratio))
    axes.axhline(setting.steps, color=FAINT, linestyle=":", linewidth=1.2)
    axes.set_ylim(10, 2 * setting.steps)
    dress(axes, x="alpha, scale of the start", y="steps (dotted: budget)")


def _draw_band(axes: Axes, setting: Setting, ratio: Rate, values: np.ndarray, arrived: np.ndarray) -> None:
    look = rate_look(ratio, setting.ratios)
    low, median, high = np.quantile(values, [0.25, 0.5, 0.75], axis=0)
    axes.fill_between(setting.scales, low, high, color=look.color, alpha=0.15, linewidth=0)
    axes.plot(setting.scales, median, color=look.color, linestyle=look.line, linewidth=1.6, zorder=3)
    for chosen, face in ((arrived, look.color), (~arrived, "white")):
        axes.plot(
            setting.scales[chosen],
            median[chosen],
            color=look.color,
            markerfacecolor=face,
            marker=look.marker,
            markersize=5,
            linestyle="none",
            zorder=4,
        )
    # One entry of the legend for line and filled marker, whatever was drawn.
    axes.plot([], [], color=look.color, linestyle=look.line, marker=look.marker, markersize=5, label=look.label)
    axes.axvline(setting.critical_scale, color=INK, linestyle="--", linewidth=0.9)
    axes.set_xscale("log")
    axes.set_yscale("log")


def _middle(values: Sequence[int]) -> int:
    return sorted(values)[len(values) // 2]


def _curves(table: Table, settings: Sequence[Setting]) -> Figure:
    """Median errors along the runs, from a start in the middle."""
    sparsity = _middle(sorted({of.sparsity for of in settings}))
    chosen = [of for of in settings if of.sparsity == sparsity]
    figure, panels = grid(1, len(chosen), 3.2, 3.0)
    place = len(chosen[0].scales) // 3
    for axes, setting in zip(panels[0], chosen, strict=True):
        marks = setting.parts[0].arrays["marks"]
        for ratio in setting.ratios:
            look, column = rate_look(ratio, setting.ratios), setting.ratios.index(ratio)
            errors = np.stack([part.arrays["errors"][:, place, column] for part in setting.parts])
            low, median, high = np.quantile(errors, [0.25, 0.5, 0.75], axis=0)
            axes.fill_between(marks, low, high, color=look.color, alpha=0.15, linewidth=0)
            axes.plot(marks, median, color=look.color, linestyle=look.line, linewidth=1.8, label=look.label)
        axes.axhline(FOUND, color=FAINT, linestyle=":", linewidth=1.2)
        axes.set_xscale("log")
        axes.set_yscale("log")
        dress(axes, title=f"L = {setting.depth}", x="steps", y="relative error")
    outer_labels(panels)
    titled(figure, table, f"Error along the run, s = {sparsity}, alpha = {chosen[0].scales[place]:g}")
    legend_below(figure, panels[0, 0], 3)
    return figure


def findings(table: Table) -> list[Finding]:
    """What the table says to robustness and to speed.

    Raises:
        InputError: When it is no table of such a study.
    """
    settings = settings_of(table)
    depths = sorted({of.depth for of in settings})
    by_depth = [[of for of in settings if of.depth == depth] for depth in depths]
    return [
        *(_robust(of) for of in by_depth),
        *(_flat(of) for of in by_depth),
        *(_faster(of) for of in by_depth),
        *(_too_large(of) for of in by_depth),
        *(_too_small_start(of) for of in by_depth),
    ]


def _best(setting: Setting) -> tuple[float, Rate]:
    """The largest start from which weight normalization finds the vectors, over all ratios; the smaller of equals."""
    pairs = [(setting.largest_found(ratio), ratio) for ratio in setting.ratios if ratio is not None]
    return max(pairs, key=lambda pair: (pair[0], -float(pair[1])))


def _robust(group: Sequence[Setting]) -> Finding:
    told, holds = [], []
    for setting in group:
        plain, (best, ratio) = setting.largest_found(None), _best(setting)
        how = f" ({rate_words(ratio)})" if best else ""
        told.append(f"s = {setting.sparsity}: {_scale(plain)} without, {_scale(best)} with{how}")
        holds.append(best > plain)
    text = (
        f"L = {group[0].depth}: largest start of the grid at which the median error is at most {FOUND:g}, "
        f"{'; '.join(told)}"
    )
    return Finding(text, all(holds))


def _scale(scale: float) -> str:
    return f"alpha = {scale:g}" if scale else "none"


def _flat(group: Sequence[Setting]) -> Finding:
    """How much the error varies over starts well below the radius of the answer, where runs arrived or found it."""
    told, holds = [], []
    for setting in group:
        small = setting.scales <= _SMALL_START * setting.critical_scale
        spreads: dict[Rate, float] = {}
        for ratio in setting.ratios:
            known = small & (setting.arrived(ratio) | (setting.error(ratio) <= FOUND))
            errors = setting.error(ratio)[known]
            if known.sum() >= 2 and errors.size:
                spreads[ratio] = float(errors.max() / errors.min())
        with_wn = {ratio: spread for ratio, spread in spreads.items() if ratio is not None}
        plain = f"{spreads[None]:.2g} without WN" if None in spreads else "no two starts without WN"
        parts = ", ".join(f"{spread:.2g} at eta = {ratio:g}" for ratio, spread in with_wn.items()) or "no two with WN"
        told.append(f"s = {setting.sparsity}: {plain}, {parts}")
        holds += [spread <= _HARDLY for spread in with_wn.values()]
    text = (
        f"L = {group[0].depth}: factor by which the median error varies over starts below {_SMALL_START:g} r_inf "
        f"(those that arrived or found the vectors), {'; '.join(told)}"
    )
    return Finding(text, all(holds) if holds else None)


def _faster(group: Sequence[Setting]) -> Finding:
    told, holds = [], []
    for setting in group:
        steps = {ratio: setting.steps_to_found(ratio) for ratio in setting.ratios}
        plain = float(steps[None].min())
        ratio = min((of for of in steps if of is not None), key=lambda of: float(steps[of].min()))
        best = float(steps[ratio].min())
        how = f" ({rate_words(ratio)})" if math.isfinite(best) else ""
        told.append(
            f"s = {setting.sparsity}: {_count(plain, steps[None], setting)} without, "
            f"{_count(best, steps[ratio], setting)} with{how}"
        )
        holds.append(best < _FASTER * plain)
    text = (
        f"L = {group[0].depth}: fewest steps, over all starts, until the median error stays at most {FOUND:g}, "
        f"{'; '.join(told)}"
    )
    return Finding(text, all(holds))


def _count(steps: float, by_scale: np.ndarray, setting: Setting) -> str:
    if not math.isfinite(steps):
        return f"never in {setting.steps:,}"
    return f"{steps:,.0f} (alpha = {setting.scales[int(by_scale.argmin())]:g})"


def _too_large(group: Sequence[Setting]) -> Finding:
    """Beyond the radius of the answer nothing magnifies."""
    told = []
    for setting in group:
        beyond = setting.scales > setting.critical_scale
        if not beyond.any():
            continue
        place = int(np.flatnonzero(beyond)[0])
        best = min(float(setting.error(ratio)[place]) for ratio in setting.ratios if ratio is not None)
        told.append(
            f"s = {setting.sparsity}, alpha = {setting.scales[place]:g}: {setting.error(None)[place]:.2g} without, "
            f"at best {best:.2g} with"
        )
    text = (
        f"L = {group[0].depth}: at the first start whose radius is above r_inf the median error is, {'; '.join(told)}"
    )
    return Finding(text, None)


def _too_small_start(group: Sequence[Setting]) -> Finding:
    """Where gradient descent is the better: the start is small, and the ratio too large to magnify."""
    told = []
    for setting in group:
        wins = []
        for ratio in setting.ratios:
            if ratio is None:
                continue
            both = setting.arrived(ratio) | (setting.error(None) <= FOUND)
            better = both & (setting.error(None) < setting.error(ratio) / 2)
            if better.any():
                wins.append(f"{rate_words(ratio)} at {int(better.sum())} of {len(better)} starts")
        told.append(f"s = {setting.sparsity}: {', '.join(wins) or 'none'}")
    text = f"L = {group[0].depth}: half the error or less without WN beside, {'; '.join(told)}"
    return Finding(text, None)


def paragraphs(table: Table) -> list[Paragraph]:
    """How to read the pictures.

    Raises:
        InputError: When it is no table of such a study.
    """
    settings = settings_of(table)
    scales = ", ".join(f"L = {of.depth}, s = {of.sparsity}: {of.critical_scale:.2g}" for of in settings)
    return [
        Paragraph(
            "In the pictures:",
            (
                "medians over problems, bands from 25% to 75% quantiles; hollow where most runs spent the budget",
                f"dashed: the start whose radius is that of the answer, alpha sqrt(2 N) = r_inf ({scales})",
                f"dotted: an error of {FOUND:g}, or the budget",
            ),
        )
    ]
