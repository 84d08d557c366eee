"""The ratio of learning rates in pictures and words: which steps are stable, and what steps and errors come of it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, LogNorm
from matplotlib.figure import Figure

from wnsense.files.tables import Table
from wnsense.lab.studies.diagonal.table import Measured, grid, outer_labels, parts_of
from wnsense.lab.studies.frame.findings import Finding, Paragraph
from wnsense.lab.studies.frame.part_tables import titled
from wnsense.pages.style import INK, METHODS, TEXT, dress, legend_below

_WORDS = {
    "constant": "eta_r = eta",
    "squared": "eta_r = eta r^2",
    "scheduled": "eta_r = eta s_t, growing",
}
_COLORS = {"constant": "#0072B2", "squared": "#009E73", "scheduled": "#CC79A7"}
_LINES = {"constant": "-", "squared": "--", "scheduled": "-."}
_MARKERS = {"constant": "o", "squared": "s", "scheduled": "D"}
_STEPS = "cividis_r"
_FEWEST = 100
_SLOW, _RISES = "#e4e4e4", "#8a8a8a"
# A relative residual at which what is large has been learned: lambda is near that of the limit.
_CLOSE = 0.1
# Runs that stopped at the same residual: their errors are the same within this.
_SAME = 0.05


@dataclass(frozen=True)
class Family:
    """All problems of one depth and one way to set the magnitude's rate.

    Attributes:
        name: Of the way.
        depth: L.
        ratios: eta, ascending.
        lengths: h, ascending.
        tolerance: The residual at which a run arrives.
        parts: One a problem.
    """

    name: str
    depth: int
    ratios: Float[np.ndarray, " ratios"]
    lengths: Float[np.ndarray, " lengths"]
    tolerance: float
    parts: Sequence[Measured]

    def arrived(self, part: Measured) -> Bool[np.ndarray, "ratios lengths"]:
        """Which runs came to the residual."""
        # A comparison with NaN is false.
        return np.asarray(part.arrays["residual"] <= self.tolerance)

    def stable(self, part: Measured) -> Bool[np.ndarray, "ratios lengths"]:
        """In which runs the loss fell at every step."""
        return np.asarray(part.arrays["rises"] == 0)

    def steps(self) -> Float[np.ndarray, "ratios lengths"]:
        """Steps of the slower problems, the upper median; infinite where they are not stable or do not arrive."""
        good = [np.where(self.arrived(part) & self.stable(part), part.arrays["counts"], np.inf) for part in self.parts]
        ordered = np.sort(np.stack(good), axis=0)
        return np.asarray(ordered[len(ordered) // 2])

    def largest_stable(self, part: Measured) -> Float[np.ndarray, " ratios"]:
        """The h below the first that raises the loss; NaN where the least of the grid does."""
        stable = self.stable(part)
        count = np.where(stable.all(axis=1), stable.shape[1], (~stable).argmax(axis=1))
        found = np.full(len(self.ratios), np.nan)
        found[count > 0] = self.lengths[count[count > 0] - 1]
        return found

    def foretold(self, part: Measured) -> Float[np.ndarray, " ratios"]:
        """The limit of stability 2 / lambda, where the stable run that came closest ended; NaN if none came close."""
        residual = np.where(self.stable(part), part.arrays["residual"], np.inf)
        closest = residual.argmin(axis=1)
        rows = np.arange(len(self.ratios))
        close = residual[rows, closest] <= _CLOSE
        return np.asarray(np.where(close, 2 / part.arrays["stiffness"][rows, closest], np.nan))

    def at_least_step(self, part: Measured, ratio: float) -> float:
        """The error with the least stable h that arrives, which follows the flow best; NaN where none does."""
        row = int(np.flatnonzero(self.ratios == ratio)[0])
        good = np.flatnonzero((self.arrived(part) & self.stable(part))[row])
        return float(part.arrays["error"][row, good[0]]) if len(good) else math.nan

    def best(self) -> tuple[Float[np.ndarray, " ratios"], Float[np.ndarray, " ratios"]]:
        """Fewest steps over stable h at each ratio, and the median error there; infinite and NaN where none arrives."""
        steps = self.steps()
        places = steps.argmin(axis=1)
        rows = np.arange(len(self.ratios))
        errors = np.median(np.stack([part.arrays["error"] for part in self.parts]), axis=0)[rows, places]
        fewest = steps[rows, places]
        return fewest, np.where(np.isfinite(fewest), errors, np.nan)

    def at_budget(self) -> Float[np.ndarray, " ratios"]:
        """The median error at each ratio with the stable h of least median residual, wherever it got; NaN without."""
        stable = np.asarray(np.stack([self.stable(part) for part in self.parts]).all(axis=0))
        residual = np.median(np.stack([part.arrays["residual"] for part in self.parts]), axis=0)
        errors = np.median(np.stack([part.arrays["error"] for part in self.parts]), axis=0)
        places = np.where(stable, residual, np.inf).argmin(axis=1)
        return np.asarray(np.where(stable.any(axis=1), errors[np.arange(len(places)), places], np.nan))


def families_of(table: Table) -> list[Family]:
    """The families of a table, plain descent among them, by depth.

    Raises:
        InputError: When it is no table of such a study.
    """
    parts = parts_of(table, "GridPart", "stiffness")
    keys = list(dict.fromkeys((part.depth, str(part.facts["family"])) for part in parts))
    found = []
    for depth, name in keys:
        of = [part for part in parts if (part.depth, str(part.facts["family"])) == (depth, name)]
        first = of[0]
        ratios, lengths = first.numbers("ratios"), first.numbers("lengths")
        found.append(Family(name, depth, ratios, lengths, first.number("residual"), of))
    return found


def pictures(table: Table) -> Mapping[str, Figure]:
    """The grid of steps, and steps and errors at the best step.

    Raises:
        InputError: When it is no table of such a study.
    """
    families = families_of(table)
    return {"": _regions(table, families), "-error": _errors(table, families)}


def _depths(families: Sequence[Family]) -> list[int]:
    return sorted({of.depth for of in families})


def _edges(values: Float[np.ndarray, " k"]) -> Float[np.ndarray, " k1"]:
    """Between points in equal ratios, and as far beyond the first and the last."""
    root = math.sqrt(float(values[1] / values[0]))
    return np.concatenate([[values[0] / root], values * root])


def _regions(table: Table, families: Sequence[Family]) -> Figure:
    """The first problem: colours where it arrives, two greys where it does not, and above the stable region."""
    depths = _depths(families)
    names = [name for name in _WORDS if any(of.name == name for of in families)]
    figure, panels = grid(len(depths), len(names), 3.0, 2.9)
    budget = max(float(of.parts[0].number("steps")) for of in families)
    shades = LogNorm(_FEWEST, budget)
    for of in families:
        if of.name not in names:
            continue
        axes: Axes = panels[depths.index(of.depth), names.index(of.name)]
        _draw_region(axes, of, shades)
        dress(axes, x="ratio of learning rates eta", y="step size h")
        axes.set_title(f"L = {of.depth}: {_WORDS[of.name]}", fontsize=TEXT, color=INK, loc="left")
        axes.grid(visible=False)
    outer_labels(panels)
    bar = figure.colorbar(ScalarMappable(shades, _STEPS), ax=panels, shrink=0.8, pad=0.01)
    bar.set_label("steps to the residual", fontsize=TEXT, color=INK)
    titled(figure, table, "Stable steps, first problem")
    legend_below(figure, panels[0, 0], 2)
    return figure


def _draw_region(axes: Axes, of: Family, shades: LogNorm) -> None:
    first = of.parts[0]
    stable, arrived = of.stable(first), of.arrived(first)
    x, y = _edges(of.ratios), _edges(of.lengths)
    axes.set_facecolor(_RISES)
    greys = ListedColormap([_SLOW])
    axes.pcolormesh(x, y, np.where(stable & ~arrived, 0.0, np.nan).T, cmap=greys, rasterized=True)
    steps = np.where(arrived, first.arrays["counts"], np.nan)
    axes.pcolormesh(x, y, np.where(stable, steps, np.nan).T, norm=shades, cmap=_STEPS, rasterized=True)
    # Those that arrive although their loss has risen.
    rows, columns = np.nonzero(arrived & ~stable)
    axes.plot(
        of.ratios[rows],
        of.lengths[columns],
        color=INK,
        marker="x",
        markersize=4,
        linestyle="none",
        label="arrives, though the loss has risen",
    )
    axes.plot(of.ratios, of.foretold(first), color="#D55E00", linewidth=2.2, label="2 / lambda where runs end")
    axes.plot([], [], color=_SLOW, linewidth=8, label="loss falls at every step, not there in the budget")
    axes.plot([], [], color=_RISES, linewidth=8, label="loss rises at some step")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(y[0], y[-1])


def _errors(table: Table, families: Sequence[Family]) -> Figure:
    depths = _depths(families)
    figure, panels = grid(2, len(depths), 4.2, 2.8)
    for of in families:
        upper, lower = panels[:, depths.index(of.depth)]
        steps, errors = of.best()
        if of.name == "plain":
            look = METHODS["gd"]
            for axes, value in ((upper, steps[0]), (lower, errors[0])):
                if np.isfinite(value):
                    axes.axhline(value, color=look.color, linestyle=look.line, linewidth=1.6, label=look.label)
            continue
        for axes, values in ((upper, np.where(np.isfinite(steps), steps, np.nan)), (lower, errors)):
            axes.plot(
                of.ratios,
                values,
                color=_COLORS[of.name],
                linestyle=_LINES[of.name],
                marker=_MARKERS[of.name],
                markersize=5,
                linewidth=1.6,
                label=_WORDS[of.name],
            )
        for axes in (upper, lower):
            axes.set_xscale("log")
            axes.set_yscale("log")
            axes.set_xlim(_edges(of.ratios)[0], _edges(of.ratios)[-1])
        dress(upper, title=f"L = {of.depth}", y="steps, best h")
        dress(lower, x="ratio of learning rates eta", y="relative error there")
    outer_labels(panels)
    titled(figure, table, "Fewest steps to the residual, and the error there, against the ratio")
    legend_below(figure, panels[0, 0], 4)
    return figure


def findings(table: Table) -> list[Finding]:
    """Whether (r^2, 1) is gradient descent's limit, what the ratio does, and how far steps go.

    Raises:
        InputError: When it is no table of such a study.
    """
    families = families_of(table)
    found = [_without_magnification(families, depth) for depth in _depths(families)]
    found += [_traded(of) for of in families if of.name != "plain"]
    found += [_edge(of) for of in families if of.name != "plain"]
    return found


def _without_magnification(families: Sequence[Family], depth: int) -> Finding:
    """Rates (r^2, 1) end where gradient descent does, as the source says of the flow: at steps as small as arrive."""
    of = {family.name: family for family in families if family.depth == depth}
    if not {"plain", "squared"} <= set(of) or not (of["squared"].ratios == 1).any():
        return Finding(f"L = {depth}: gradient descent or rates (r^2, 1) were not run", None)
    parts = zip(of["squared"].parts, of["plain"].parts, strict=True)
    pairs = [(of["squared"].at_least_step(a, 1.0), of["plain"].at_least_step(b, 1.0)) for a, b in parts]
    known = [(ours, plain) for ours, plain in pairs if math.isfinite(ours) and math.isfinite(plain)]
    if not known:
        return Finding(f"L = {depth}: on no problem do both rates (r^2, 1) and gradient descent arrive", None)
    told = "; ".join(f"{ours:.3g} and {plain:.3g}" for ours, plain in known)
    text = (
        f"L = {depth}: the errors that rates (r^2, 1) and gradient descent end with, at the least step that arrives: "
        f"{told} (problem by problem, where both arrive)"
    )
    return Finding(text, all(abs(ours / plain - 1) <= _SAME for ours, plain in known))


def _traded(of: Family) -> Finding:
    steps, errors = of.best()
    known = np.isfinite(steps)
    if not known.any():
        return Finding(f"L = {of.depth}, {_WORDS[of.name]}: no ratio arrives", None)
    fast = int(steps.argmin())
    exact = int(np.nanargmin(np.where(known, errors, np.nan)))
    text = (
        f"L = {of.depth}, {_WORDS[of.name]}: {int(known.sum())} of {len(known)} ratios arrive, eta = "
        f"{of.ratios[known].min():g} to {of.ratios[known].max():g}; fewest steps {steps[fast]:,.0f} at eta = "
        f"{of.ratios[fast]:g} with an error of {errors[fast]:.2g}, least error {errors[exact]:.2g} at eta = "
        f"{of.ratios[exact]:g} in {steps[exact]:,.0f} steps"
    )
    return Finding(text, None)


def _edge(of: Family) -> Finding:
    """The largest stable step over the limit that linearization gives."""
    quotients = np.concatenate([of.largest_stable(part) / of.foretold(part) for part in of.parts])
    known = quotients[np.isfinite(quotients)]
    if not known.size:
        return Finding(f"L = {of.depth}, {_WORDS[of.name]}: no step of the grid is stable", None)
    spacing = float(of.lengths[1] / of.lengths[0])
    near = int(((known <= 1) & (known >= 1 / spacing)).sum())
    stable = [of.largest_stable(part) for part in of.parts]
    least, most = np.nanmin(stable), np.nanmax(stable)
    text = (
        f"L = {of.depth}, {_WORDS[of.name]}: the largest stable h goes from {least:.2g} to {most:.2g}, and is "
        f"{known.min():.2g} to {known.max():.2g} times 2 / lambda where runs end; within one step of the grid (factor "
        f"{spacing:.2g}) below in {near} of {known.size} cases"
    )
    return Finding(text, None)


def paragraphs(table: Table) -> list[Paragraph]:
    """Where nothing arrives.

    Raises:
        InputError: When it is no table of such a study.
    """
    lines = []
    for of in families_of(table):
        steps, _ = of.best()
        missing = ", ".join(f"{ratio:g}" for ratio in of.ratios[~np.isfinite(steps)])
        if missing:
            name = "gradient descent" if of.name == "plain" else f"{_WORDS[of.name]}, eta = {missing}"
            lines.append(f"L = {of.depth}: {name}")
    return [Paragraph("Not at the residual within the budget, at any stable step of the grid:", tuple(lines))]
