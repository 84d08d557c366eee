"""Contribution of each part of `sparse_recover`: the descent, fits with exchanged entries, and weights.

`python benchmarks/sparse_parts.py [--seeds 4] [--quick] [--write]`. A minute or two. All rows are fitted, without
hold-out; N = 200, in cells of (M/N, s/M) near the transition. Half of the vectors have Gaussian entries, half signs. The
parts are:

- descent alone: ratios down to the last, then least squares on the M/2 largest entries;
- with fits: least squares during the descent, with exchanged entries, until a fit explains all measurements;
- and weights: up to five more descents with columns weighted by the last answer;
- fits alone: the same fits and exchanges from `A^T y`, without a descent.
"""

from dataclasses import replace

import numpy as np
import torch
from common import arguments, show

from sparse_transition import problem
from wnsense.sparse.support_search import SearchLog, SearchPlan, search_support, search_weighted_support
from wnsense.sparse.support import ScaledProblem, exact_fit, least_squares

_N = 200
_CELLS = ((0.2, 0.1), (0.2, 0.2), (0.35, 0.2), (0.35, 0.3), (0.5, 0.3), (0.5, 0.4), (0.7, 0.4), (0.7, 0.5))
_TOLERANCE, _STEPS = 1e-11, 250
PARTS = ("descent alone", "with fits", "and weights", "fits alone")


def silent(_words: str, _products: int, _misfit: float) -> None:
    """Tell nobody."""


def attempts(scaled: ScaledProblem) -> list[tuple[torch.Tensor | None, float]]:
    """Return the answer of each part, None if it has none, and its products."""
    N = scaled.A.shape[1]
    plan = SearchPlan(_TOLERANCE, _STEPS, watch=False)
    log = SearchLog(silent)
    place = search_support(scaled, replace(plan, fits=False), log).points[-1]
    support = place.z.abs().topk(len(scaled.y) // 2).indices
    rounded = least_squares(scaled, support, place.z[support], tolerance=_TOLERANCE, orthogonal=1e-6)
    out: list[tuple[torch.Tensor | None, float]] = [(rounded.answer(N), log.products + rounded.products)]
    log = SearchLog(silent)
    outcome = search_support(scaled, plan, log)
    exact = outcome.exact.answer(N) if outcome.exact else None
    out.append((exact, log.products))
    if exact is None:
        weighted = search_weighted_support(scaled, outcome.points[-1].z, replace(plan, steps=200), log)
        exact = weighted.exact.answer(N) if weighted.exact else None
    out.append((exact, log.products))
    start = scaled.A.transpose_times(scaled.y)
    fit = exact_fit(scaled, start, tolerance=_TOLERANCE)
    products = fit.products
    if float(fit.misfit.norm()) > _TOLERANCE:
        fit = exact_fit(scaled, start, tolerance=_TOLERANCE, thorough=True)
        products += fit.products
    out.append((fit.answer(N), products + 1))
    return out


def main() -> None:
    """Run every cell, and print the table."""
    options = arguments(__doc__ or "")
    torch.set_num_threads(1)
    rows: list[list[object]] = [["M/N", "s/M", *(f"{p}: found" for p in PARTS), *(f"{p}: products" for p in PARTS)]]
    totals = np.zeros((2, len(PARTS)))
    for c, (measured, filled) in enumerate(_CELLS):
        M = round(measured * _N)
        recovered, spent = np.zeros((len(PARTS), options.seeds)), np.zeros((len(PARTS), options.seeds))
        for seed in range(options.seeds):
            A, z = problem(_N, M, round(filled * M), 70_000 + 100 * c + seed)
            size = A.times(z).norm()
            scaled = ScaledProblem(
                A, A.times(z) / size, torch.ones(M, dtype=torch.float64), torch.ones(_N, dtype=torch.float64)
            )
            for k, (answer, products) in enumerate(attempts(scaled)):
                recovered[k, seed] = answer is not None and float((answer * size - z).norm() / z.norm()) < 1e-5
                spent[k, seed] = products
        totals += np.stack([recovered.mean(1), spent.mean(1)]) / len(_CELLS)
        rows.append([measured, filled, *(f"{v:.0%}" for v in recovered.mean(1)), *(f"{v:.0f}" for v in spent.mean(1))])
    rows.append(["all", "", *(f"{v:.0%}" for v in totals[0]), *(f"{v:.0f}" for v in totals[1])])
    title = (
        f"What each part finds and costs, N = {_N}, {options.seeds} problems a cell, products with A or its transpose"
    )
    show("sparse_parts", title, rows, write=options.write)


if __name__ == "__main__":
    main()
