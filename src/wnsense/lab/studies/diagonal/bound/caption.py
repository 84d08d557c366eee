"""Findings of the study: the bounds in every cell, and the reference table."""

import math
from collections.abc import Mapping

import numpy as np

from wnsense.lab.studies.diagonal.bound.table import (
    REFERENCE_NORM,
    REPORTED,
    BoundCells,
    BoundTable,
    Reported,
    cell_groups,
    reference_cells,
)
from wnsense.lab.studies.diagonal.sparse_drawing import rate_name
from wnsense.lab.studies.frame.findings import Finding, Paragraph
from wnsense.theory.diagonal import l1_excess_bound, log_magnification

# Number of weights of the reference table's signed networks.
_WEIGHTS = 60
_VERDICTS = {True: "every digit follows", False: "NOT every digit follows"}


def findings(study: BoundTable) -> list[Finding]:
    """Return the findings on the bounds in every cell, and on the reference table."""
    parts = study.entries
    missing = sum(int(part.arrays["missing"][0]) for part in parts)
    total = missing + sum(len(part.arrays["excess"]) for part in parts)
    ours = reference_cells(study.entries)
    return [
        *(finding for name, cells in cell_groups(parts).items() for finding in _group_findings(name, cells)),
        Finding(f"limits that were not found and are not counted: {missing} of {total}", None),
        *([_closed_forms(), _plain_bounds(ours), _ranges(ours)] if ours else []),
    ]


def _group_findings(name: str, cells: BoundCells) -> list[Finding]:
    if name == "L > 2, unequal entries":
        return [_holds(name, cells, "weighted_excess", "weighted_bound"), _false_form(cells)]
    return [_holds(name, cells, "excess", "bound")]


def _holds(name: str, cells: BoundCells, excess: str, bound: str) -> Finding:
    quotient = cells.ratio(excess, bound)
    finite = ~np.isnan(quotient)
    which = "weighted norm" if excess.startswith("weighted") else "l1 norm"
    if not finite.any():
        return Finding(f"{name}: the bound on the {which} is infinite in all {len(finite)} cells", None)
    broken = int((quotient[finite] > 1).sum())
    text = (
        f"{name}: the excess of the {which} is within its bound in {int(finite.sum()) - broken} of {int(finite.sum())} "
        f"cells, at worst {np.nanmax(quotient):.2g} of it (the bound is infinite in {int((~finite).sum())} more)"
    )
    return Finding(text, broken == 0)


def _false_form(cells: BoundCells) -> Finding:
    quotient = cells.ratio("excess", "bound")
    finite = ~np.isnan(quotient)
    broken = int((quotient[finite] > 1).sum())
    text = (
        f"L > 2, unequal entries: the form for equal ones, with beta_1 and beta_min of such a start, is exceeded in "
        f"{broken} of {int(finite.sum())} cells, by up to {np.nanmax(quotient):.3g} times: it is no bound there"
    )
    return Finding(text, None)


def _agree(value: float, printed: str) -> bool:
    """Return True if a number agrees with a printed one in all digits of the latter."""
    digits = len(printed.lstrip("0.").replace(".", ""))
    return math.isclose(float(f"{value:.{max(digits, 1)}g}"), float(printed), rel_tol=1e-9)


def _closed_forms() -> Finding:
    """Return the comparison for `L = 2`, where `rho` and `epsilon` follow from the excess: `r_inf^2` is the l1 norm."""
    words, holds = [], []
    for entry in REPORTED:
        if entry.depth != 2 or entry.ratio is None:
            continue
        start = np.full(_WEIGHTS, entry.scale**2)
        ends = math.sqrt(float(start.sum())), math.sqrt(REFERENCE_NORM * (1 + entry.excess))
        log_rho = log_magnification(*ends, entry.ratio)
        bound = l1_excess_bound(start, REFERENCE_NORM, 2, log_rho)
        words.append(f"eta = {entry.ratio:g}: epsilon {bound:.2g}, rho {math.exp(log_rho):.3g}")
        holds.append(_agree(bound, entry.bound) and _agree(float(f"{math.exp(log_rho):.2g}"), entry.magnification))
    verdict = _VERDICTS[all(holds)]
    return Finding(f"reference table, L = 2 with WN, from its excess alone: {'; '.join(words)}: {verdict}", None)


def _plain_bounds(ours: Mapping[Reported, BoundCells]) -> Finding:
    """Return the comparison of `epsilon` for plain flow, which does not depend on the map."""
    words, holds = [], []
    for entry, cells in ours.items():
        if entry.ratio is None:
            bound = float(np.median(cells.columns["bound"]))
            words.append(f"L = {entry.depth}: {bound:.5g} where {entry.bound} was reported")
            holds.append(_agree(bound, entry.bound))
    verdict = _VERDICTS[all(holds)]
    return Finding(
        f"reference table, epsilon of plain flow, the same for every map: {'; '.join(words)}: {verdict}", None
    )


def _ranges(ours: Mapping[Reported, BoundCells]) -> Finding:
    outside = []
    for entry, cells in ours.items():
        pairs = (
            ("excess", entry.excess, cells.columns["excess"]),
            ("epsilon", float(entry.bound), cells.columns["bound"]),
            ("rho", float(entry.magnification), np.exp(cells.columns["log_rho"])),
        )
        where = f"L = {entry.depth}, {rate_name(entry.ratio)}"
        # Numbers are printed to two digits: 5% covers half a unit of the second one.
        outside += [
            f"{name} at {where}: {value:g} reported, {column.min():.2g} to {column.max():.2g} here"
            for name, value, column in pairs
            if not 0.95 * column.min() <= value <= 1.05 * column.max()
        ]
    count = 3 * len(ours)
    problems = min(len(cells.depth) for cells in ours.values())
    text = (
        f"reference table, whose map is not published: {count - len(outside)} of {count} numbers lie in the range of "
        f"the {problems} problems drawn here{': not ' if outside else ''}{'; '.join(outside)}"
    )
    return Finding(text, None)


def paragraphs(study: BoundTable) -> list[Paragraph]:
    """Return the reference table in numbers."""
    lines = []
    for entry, cells in reference_cells(study.entries).items():
        excess, bound, log_rho = (np.median(cells.columns[name]) for name in ("excess", "bound", "log_rho"))
        where = f"L = {entry.depth}, alpha = {entry.scale:g}, {rate_name(entry.ratio)}"
        lines.append(
            f"{where}: {entry.excess:.2g} | {entry.bound} | {entry.magnification} reported; "
            f"{excess:.2g} | {bound:.2g} | {math.exp(log_rho):.3g} here, medians"
        )
    return [Paragraph("Relative l1 excess | epsilon | rho:", tuple(lines))]
