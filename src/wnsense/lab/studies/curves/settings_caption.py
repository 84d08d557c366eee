"""Findings of a study of curves over many settings; its paragraphs are those of `caption`."""

import numpy as np

from wnsense.lab.studies.curves.table import CurveTable, MeasuredCurve
from wnsense.lab.studies.frame.findings import Finding
from wnsense.pages.style import METHODS


def findings(study: CurveTable) -> list[Finding]:
    """Return for each method its cost in each setting; the paper does not treat them."""
    return [_costs(METHODS[method].label, study.of_method(method)) for method in study.methods]


def _costs(name: str, curves: list[MeasuredCurve]) -> Finding:
    reached = sum(curve.cost_to_find_all is not None for curve in curves)
    costs = "; ".join(_cost(curve) for curve in curves)
    return Finding(f"{name} finds all directions in {reached} of {len(curves)} settings: {costs}", None)


def _cost(curve: MeasuredCurve) -> str:
    cost = curve.cost_to_find_all
    if cost is not None:
        return f"{curve.label} {cost:,.0f}"
    if not np.isfinite(curve.final):
        return f"{curve.label} diverged"
    return f"{curve.label} not in {curve.spent:,.0f}, ends at {curve.final:.0e}"
