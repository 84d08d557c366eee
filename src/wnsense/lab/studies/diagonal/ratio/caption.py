"""Findings of the study: limits without magnification, the effect of the ratio, stable steps."""

import math
from collections.abc import Sequence

import numpy as np

from wnsense.lab.studies.diagonal.ratio.table import RATE_RULES, RatioTable, depths_of, family_words
from wnsense.lab.studies.diagonal.step_grid import RateFamily
from wnsense.lab.studies.diagonal.step_grid_table import GridFamily
from wnsense.lab.studies.frame.findings import Finding, Paragraph

# Errors of runs that ended at the same residual agree within this.
_SAME = 0.05


def findings(study: RatioTable) -> list[Finding]:
    """Return the findings on rates `(r^2, 1)`, on the effect of the ratio, and on the largest stable steps."""
    families = study.entries
    normalized = [family for family in families if family.first.family is not RateFamily.PLAIN]
    return [
        *(_without_magnification(families, depth) for depth in depths_of(families)),
        *(_traded(family) for family in normalized),
        *(_edge(family) for family in normalized),
    ]


def _without_magnification(families: Sequence[GridFamily], depth: int) -> Finding:
    """Return the comparison of rates `(r^2, 1)` with gradient descent, whose limit they share by the source.

    The steps are the least ones that arrive, since the statement is about the flow.
    """
    by_rule = {family.first.family: family for family in families if family.first.depth == depth}
    plain, squared = by_rule.get(RateFamily.PLAIN), by_rule.get(RateFamily.SQUARED)
    if plain is None or squared is None or 1 not in squared.first.ratios:
        return Finding(f"L = {depth}: gradient descent or rates (r^2, 1) were not run", None)
    pairs = [
        (squared.at_least_step(ours, 1.0), plain.at_least_step(theirs, 1.0))
        for ours, theirs in zip(squared.parts, plain.parts, strict=True)
    ]
    arrived = [pair for pair in pairs if all(math.isfinite(error) for error in pair)]
    if not arrived:
        text = f"L = {depth}: there is no problem on which both rates (r^2, 1) and gradient descent arrive"
        return Finding(text, None)
    words = "; ".join(f"{ours:.3g} and {theirs:.3g}" for ours, theirs in arrived)
    text = (
        f"L = {depth}: final errors of rates (r^2, 1) and of gradient descent, at the least step size that arrives: "
        f"{words} (problem by problem, where both arrive)"
    )
    return Finding(text, all(abs(ours / theirs - 1) <= _SAME for ours, theirs in arrived))


def _traded(family: GridFamily) -> Finding:
    ratios, (steps, errors) = family.ratios, family.best()
    arrived = np.isfinite(steps)
    if not arrived.any():
        return Finding(f"{family_words(family)}: no ratio arrives", None)
    fast = int(steps.argmin())
    exact = int(np.nanargmin(np.where(arrived, errors, np.nan)))
    text = (
        f"{family_words(family)}: {int(arrived.sum())} of {len(arrived)} ratios arrive, "
        f"eta = {ratios[arrived].min():g} to {ratios[arrived].max():g}; fewest steps {steps[fast]:,.0f} at eta = "
        f"{ratios[fast]:g} with an error of {errors[fast]:.2g}, least error {errors[exact]:.2g} at eta = "
        f"{ratios[exact]:g} in {steps[exact]:,.0f} steps"
    )
    return Finding(text, None)


def _edge(family: GridFamily) -> Finding:
    """Return the largest stable step over the limit from the linearized flow."""
    quotients = np.concatenate([family.largest_stable(part) / family.predicted_limit(part) for part in family.parts])
    finite = quotients[np.isfinite(quotients)]
    if not finite.size:
        return Finding(f"{family_words(family)}: no step of the grid is stable", None)
    spacing = float(family.lengths[1] / family.lengths[0])
    near = int(((finite <= 1) & (finite >= 1 / spacing)).sum())
    stable = [family.largest_stable(part) for part in family.parts]
    least, most = np.nanmin(stable), np.nanmax(stable)
    text = (
        f"{family_words(family)}: the largest stable h goes from {least:.2g} to {most:.2g}, "
        f"and is {finite.min():.2g} to {finite.max():.2g} times 2 / lambda where runs end; within one step of the grid "
        f"(factor {spacing:.2g}) below in {near} of {finite.size} cases"
    )
    return Finding(text, None)


def paragraphs(study: RatioTable) -> list[Paragraph]:
    """Return the ratios at which no run arrives."""
    lines = []
    for family in study.entries:
        steps, _ = family.best()
        missing = ", ".join(f"{ratio:g}" for ratio in family.ratios[~np.isfinite(steps)])
        if missing:
            plain = family.first.family is RateFamily.PLAIN
            name = "gradient descent" if plain else f"{RATE_RULES[family.first.family]}, eta = {missing}"
            lines.append(f"L = {family.first.depth}: {name}")
    return [Paragraph("No run reaches the residual within the budget, at any stable step of the grid:", tuple(lines))]
