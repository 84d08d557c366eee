"""The l1 bounds in pictures and words: every cell beside its bound, and the reference table."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wnsense.files.tables import Table
from wnsense.lab.studies.diagonal.table import DEPTH_MARKERS, Measured, parts_of
from wnsense.lab.studies.frame.findings import Finding, Paragraph
from wnsense.lab.studies.frame.part_tables import titled
from wnsense.pages.style import FAINT, INK, METHODS, TEXT, dress, legend, legend_below, new_figure
from wnsense.theory.diagonal import l1_excess_bound, log_magnification

# Excesses carry the rounding of a linear program's vertex and of the limit.
_ROUNDING = 1e-9
_SHOWN = 1e-8
_DEPTH_COLORS = {2: "#0072B2", 3: "#E69F00", 4: "#009E73"}


@dataclass(frozen=True)
class Reported:
    """An entry of the reference table: N = 30 signed, M = 15, s = 2, Q = 1.7.

    Attributes:
        depth: L.
        scale: alpha.
        ratio: eta; None is plain flow.
        excess: The relative excess of the l1 norm.
        bound: epsilon, as it was printed.
        magnification: rho, as it was printed.
    """

    depth: int
    scale: float
    ratio: float | None
    excess: float
    bound: str
    magnification: str


REPORTED = (
    Reported(2, 0.05, 0.1, 1.7e-5, "0.26", "690"),
    Reported(2, 0.05, 0.3, 1.9e-2, "0.78", "4.1"),
    Reported(2, 0.05, 1.0, 2.5e-1, "2.3", "0.71"),
    Reported(2, 0.05, None, 1.5e-1, "1.7", "1"),
    Reported(3, 0.12, 0.1, 3.2e-7, "0.006", "71"),
    Reported(3, 0.12, 0.3, 1.5e-3, "0.14", "3.6"),
    Reported(3, 0.12, 1.0, 3.2e-2, "0.50", "1.3"),
    Reported(3, 0.12, None, 6.6e-2, "0.73", "1"),
)
_LEAST_NORM, _WEIGHTS = 1.7, 60
_VERDICTS = {True: "every digit follows", False: "NOT every digit follows"}


@dataclass(frozen=True)
class Cells:
    """Cells of one kind, from all parts: columns as they are measured, with depth and signs."""

    depth: np.ndarray
    signed: Bool[np.ndarray, " cells"]
    columns: Mapping[str, np.ndarray]

    @classmethod
    def of(cls, parts: Sequence[Measured]) -> "Cells":
        """All cells of some parts."""
        names = [name for name in parts[0].arrays if name != "missing"]
        sizes = [len(part.arrays["excess"]) for part in parts]
        depth = np.repeat([part.depth for part in parts], sizes)
        signed = np.repeat([part.facts["signed"] is True for part in parts], sizes)
        columns = {name: np.concatenate([part.arrays[name] for part in parts]) for name in names}
        return cls(depth, signed, columns)

    def ratio(self, excess: str, bound: str) -> Float[np.ndarray, " cells"]:
        """The excess over its bound, where that is finite; NaN elsewhere."""
        finite = np.isfinite(self.columns[bound])
        quotient = np.full(len(finite), np.nan)
        quotient[finite] = (self.columns[excess][finite] - _ROUNDING) / self.columns[bound][finite]
        return quotient


def pictures(table: Table) -> Mapping[str, Figure]:
    """Every cell beside its bound; the reference table beside ours.

    Raises:
        InputError: When it is no table of such a study.
    """
    return {"": _cells(table), "-reference": _reference(table)}


def _parts(table: Table) -> list[Measured]:
    return parts_of(table, "BoundPart", "excess")


def _groups(table: Table) -> dict[str, Cells]:
    """The cells whose assumptions differ."""
    parts = _parts(table)
    equal = [part for part in parts if part.number("spread") == 0]
    unequal = [part for part in parts if part.number("spread") > 0]
    groups = {
        "L = 2, any start": [part for part in parts if part.depth == 2],
        "L > 2, equal entries": [part for part in equal if part.depth > 2],
        "L > 2, unequal entries": [part for part in unequal if part.depth > 2],
    }
    return {name: Cells.of(chosen) for name, chosen in groups.items() if chosen}


def _cells(table: Table) -> Figure:
    figure = new_figure(9.0, 8.2)
    panels = figure.subplots(2, 2).ravel()
    groups = _groups(table)
    plans = (
        ("L = 2, any start", "excess", "bound", "l1 norm, L = 2, any start"),
        ("L > 2, equal entries", "excess", "bound", "l1 norm, L > 2, equal entries"),
        ("L > 2, unequal entries", "weighted_excess", "weighted_bound", "weighted norm, L > 2, unequal entries"),
        ("L > 2, unequal entries", "excess", "bound", "l1 norm, L > 2, unequal: no bound"),
    )
    for axes, (name, excess, bound, title) in zip(panels, plans, strict=True):
        if name in groups:
            _scatter(axes, groups[name], excess, bound)
        dress(axes, title=title, x="bound on the excess", y="excess over the least, relative")
        legend(axes)
    titled(figure, table, "Every cell beside its bound: below the line it holds (less than 1e-8 drawn there)")
    return figure


def _scatter(axes: Axes, cells: Cells, excess: str, bound: str) -> None:
    x, y = cells.columns[bound], np.maximum(cells.columns[excess], _SHOWN)
    finite = np.isfinite(x)
    for depth in np.unique(cells.depth):
        chosen = finite & (cells.depth == depth)
        axes.plot(
            np.maximum(x[chosen], _SHOWN),
            y[chosen],
            linestyle="none",
            marker=DEPTH_MARKERS[int(depth)],
            markersize=4,
            alpha=0.6,
            color=_DEPTH_COLORS[int(depth)],
            label=f"L = {depth}",
        )
    ends = np.array([_SHOWN, max(float(x[finite].max(initial=1.0)), 1.0) * 2])
    axes.plot(ends, ends, color=INK, linewidth=1.2, label="excess = bound")
    axes.set_xscale("log")
    axes.set_yscale("log")


def _ours(table: Table) -> dict[Reported, Cells]:
    """Our cells for each entry of the reference table, those that were drawn for it."""
    parts = [part for part in _parts(table) if part.facts["signed"] is True and part.number("spread") == 0]
    parts = [part for part in parts if _has_reference_size(part)]
    found = {}
    for entry in REPORTED:
        of = [part for part in parts if part.depth == entry.depth and list(part.numbers("scales")) == [entry.scale]]
        if of:
            cells = Cells.of(of)
            wanted = cells.columns["ratio"] == entry.ratio if entry.ratio else np.isnan(cells.columns["ratio"])
            columns = {name: column[wanted] for name, column in cells.columns.items()}
            found[entry] = Cells(cells.depth[wanted], cells.signed[wanted], columns)
    return found


def _has_reference_size(part: Measured) -> bool:
    drawing = part.facts["drawing"]
    return isinstance(drawing, Mapping) and drawing.get("least_norm") == _LEAST_NORM


def _reference(table: Table) -> Figure:
    ours = _ours(table)
    figure = new_figure(9.0, 3.9)
    panels = figure.subplots(1, 3)
    names = ("relative l1 excess", "bound epsilon", "magnification rho")
    for axes, name in zip(panels, names, strict=True):
        for place, (entry, cells) in enumerate(ours.items()):
            values = _column(cells, name)
            low, median, high = np.quantile(values, [0.0, 0.5, 1.0])
            look = METHODS["wn" if entry.ratio else "gd"]
            sides = [[median - low], [high - median]]
            axes.errorbar(
                [place],
                [median],
                yerr=sides,
                color=look.color,
                marker=look.marker,
                markersize=6,
                capsize=3,
                label="ours: median, range" if place == 0 else None,
            )
            reported = (entry.excess, float(entry.bound), float(entry.magnification))[names.index(name)]
            axes.plot(
                [place],
                [reported],
                marker="x",
                color=INK,
                markersize=8,
                markeredgewidth=1.6,
                linestyle="none",
                zorder=4,
                label="reported" if place == 0 else None,
            )
        axes.set_yscale("log")
        dress(axes, title=name)
        labels = [f"L={of.depth}, " + (f"eta {of.ratio:g}" if of.ratio else "plain") for of in ours]
        axes.set_xticks(range(len(labels)), labels, rotation=60, ha="right", fontsize=TEXT - 1)
        axes.axhline(1.0, color=FAINT, linewidth=0.8)
    legend_below(figure, panels[0], 2)
    titled(figure, table, "The reference table beside problems of its size")
    return figure


def _column(cells: Cells, name: str) -> np.ndarray:
    if name == "magnification rho":
        return np.asarray(np.exp(cells.columns["log_rho"]))
    return cells.columns["excess" if name == "relative l1 excess" else "bound"]


def findings(table: Table) -> list[Finding]:
    """Whether the bounds hold in every cell, and what of the reference table is seen.

    Raises:
        InputError: When it is no table of such a study.
    """
    groups = _groups(table)
    found = []
    for name, cells in groups.items():
        weighted = name == "L > 2, unequal entries"
        names = ("weighted_excess", "weighted_bound") if weighted else ("excess", "bound")
        found.append(_holds(name, cells, *names))
        if weighted:
            found.append(_false_form(cells))
    missing = sum(int(part.arrays["missing"][0]) for part in _parts(table))
    total = missing + sum(len(part.arrays["excess"]) for part in _parts(table))
    found.append(Finding(f"limits that were not found, and are in no count: {missing} of {total}", None))
    ours = _ours(table)
    if ours:
        found += [_closed_forms(), _plain_bounds(ours), _ranges(ours)]
    return found


def _holds(name: str, cells: Cells, excess: str, bound: str) -> Finding:
    quotient = cells.ratio(excess, bound)
    known = ~np.isnan(quotient)
    which = "weighted norm" if excess.startswith("weighted") else "l1 norm"
    if not known.any():
        return Finding(f"{name}: the bound on the {which} is infinite in all {len(known)} cells", None)
    broken = int((quotient[known] > 1).sum())
    text = (
        f"{name}: the excess of the {which} is within its bound in {int(known.sum()) - broken} of {int(known.sum())} "
        f"cells, at worst {np.nanmax(quotient):.2g} of it (the bound is infinite in {int((~known).sum())} more)"
    )
    return Finding(text, broken == 0)


def _false_form(cells: Cells) -> Finding:
    quotient = cells.ratio("excess", "bound")
    known = ~np.isnan(quotient)
    broken = int((quotient[known] > 1).sum())
    text = (
        f"L > 2, unequal entries: the form for equal ones, with beta_1 and beta_min of such a start, is exceeded in "
        f"{broken} of {int(known.sum())} cells, by up to {np.nanmax(quotient):.3g} times: it is no bound there"
    )
    return Finding(text, None)


def _agree(value: float, printed: str) -> bool:
    """Whether a number gives what was printed, in as many digits as that has."""
    digits = len(printed.lstrip("0.").replace(".", ""))
    return math.isclose(float(f"{value:.{max(digits, 1)}g}"), float(printed), rel_tol=1e-9)


def _closed_forms() -> Finding:
    """For L = 2, r_inf^2 is the l1 norm of the limit: rho and epsilon follow from the excess, whatever the map was."""
    told, holds = [], []
    for entry in REPORTED:
        if entry.depth != 2 or entry.ratio is None:
            continue
        start = np.full(_WEIGHTS, entry.scale**2)
        ends = math.sqrt(float(start.sum())), math.sqrt(_LEAST_NORM * (1 + entry.excess))
        log_rho = log_magnification(*ends, entry.ratio)
        bound = l1_excess_bound(start, _LEAST_NORM, 2, log_rho)
        told.append(f"eta = {entry.ratio:g}: epsilon {bound:.2g}, rho {math.exp(log_rho):.3g}")
        holds.append(_agree(bound, entry.bound) and _agree(float(f"{math.exp(log_rho):.2g}"), entry.magnification))
    verdict = _VERDICTS[all(holds)]
    return Finding(f"reference table, L = 2 with WN, from its excess alone: {'; '.join(told)}: {verdict}", None)


def _plain_bounds(ours: Mapping[Reported, Cells]) -> Finding:
    """Of plain flow epsilon does not depend on the map."""
    told, holds = [], []
    for entry, cells in ours.items():
        if entry.ratio is None:
            bound = float(np.median(cells.columns["bound"]))
            told.append(f"L = {entry.depth}: {bound:.5g} where {entry.bound} was reported")
            holds.append(_agree(bound, entry.bound))
    verdict = _VERDICTS[all(holds)]
    return Finding(
        f"reference table, epsilon of plain flow, the same for every map: {'; '.join(told)}: {verdict}", None
    )


def _ranges(ours: Mapping[Reported, Cells]) -> Finding:
    outside = []
    for entry, cells in ours.items():
        pairs = (
            ("excess", entry.excess, cells.columns["excess"]),
            ("epsilon", float(entry.bound), cells.columns["bound"]),
            ("rho", float(entry.magnification), np.exp(cells.columns["log_rho"])),
        )
        where = f"L = {entry.depth}, " + (f"eta = {entry.ratio:g}" if entry.ratio else "plain")
        # Printed to two digits: half a unit of the second on either side.
        outside += [
            f"{name} at {where}: {value:g} reported, {column.min():.2g} to {column.max():.2g} here"
            for name, value, column in pairs
            if not 0.95 * column.min() <= value <= 1.05 * column.max()
        ]
    count = 3 * len(ours)
    problems = min(len(cells.depth) for cells in ours.values())
    text = (
        f"reference table, its map not given: {count - len(outside)} of {count} numbers lie in the range of the "
        f"{problems} problems drawn here{': not ' if outside else ''}{'; '.join(outside)}"
    )
    return Finding(text, None)


def paragraphs(table: Table) -> list[Paragraph]:
    """The reference table in numbers.

    Raises:
        InputError: When it is no table of such a study.
    """
    lines = []
    for entry, cells in _ours(table).items():
        excess, bound, log_rho = (np.median(cells.columns[name]) for name in ("excess", "bound", "log_rho"))
        where = f"L = {entry.depth}, alpha = {entry.scale:g}, " + (f"eta = {entry.ratio:g}" if entry.ratio else "plain")
        lines.append(
            f"{where}: {entry.excess:.2g} | {entry.bound} | {entry.magnification} reported; "
            f"{excess:.2g} | {bound:.2g} | {math.exp(log_rho):.3g} here, medians"
        )
    return [Paragraph("Relative l1 excess | epsilon | rho:", tuple(lines))]
