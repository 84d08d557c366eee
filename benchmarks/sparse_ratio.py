"""Rule for the learning-rate ratio against the best fixed ratio in hindsight.

`python benchmarks/sparse_ratio.py [--seeds 100] [--quick] [--write]`. Each problem has N = 100, M = 40 and 2 to 8
nonzeros, Gaussian or signs. The network descends at each fixed ratio of a grid over four decades, and by the rule. The
ratios of the rule are 3, 1, 0.3, 0.1, 0.03 times `Q / log(2N)`, where `Q` is the lower bound of the dual vector. There
are no fits during the descent. The cost is the number of products until the error is at most 1e-3 of the truth. For a fixed ratio this stop
needs the truth.
"""

import math

import numpy as np
import torch
from common import arguments, show

from wnsense import sparse
from wnsense.sparse.potential import Memory, Potential, descend
from wnsense.sparse.support_search import RATIOS, first_bound
from wnsense.sparse.support import ScaledProblem

_GRID = (30.0, 10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003)
_GOAL, _BUDGET, _DONE = 1e-3, 1500, 1e-4


def problem(seed: int) -> tuple[ScaledProblem, torch.Tensor]:
    """Draw a Gaussian map and a sparse vector, scaled so that `y` has length 1."""
    rng = torch.Generator().manual_seed(seed)
    A = sparse.gaussian_map(40, 100, rng)
    sparsity = 2 + seed % 7
    z = torch.zeros(100, dtype=torch.float64)
    values = torch.randn(sparsity, generator=rng, dtype=torch.float64)
    z[torch.randperm(100, generator=rng)[:sparsity]] = values.sign() if seed % 2 else values
    size = A.times(z).norm()
    y = A.times(z) / size
    return ScaledProblem(A, y, torch.ones_like(y), torch.ones(100, dtype=torch.float64)), z / size


def products_until(problem: ScaledProblem, z: torch.Tensor, excesses: tuple[float, ...]) -> float:
    """Return the products until the error is at most the goal, at decreasing ratios; infinite beyond the budget."""
    bound = first_bound(problem)
    start = 0.1 * bound
    M, N = problem.A.shape
    products, place, memory, before = 1, None, Memory(), 0.0
    for excess in excesses:
        ratio = excess * bound / math.log(2 * N)
        potential = Potential(problem, ratio, start)
        if place is None:
            place = potential.at(torch.zeros(M, dtype=torch.float64), torch.zeros(N, dtype=torch.float64))
        else:
            place = potential.at(place.dual * before / ratio, place.logits * before / ratio)
            memory = memory.rescaled(before / ratio)
        before, products = ratio, products + 1
        for next_place, next_memory in descend(potential, place, memory):
            place, memory, products = next_place, next_memory, products + 2
            bound = max(bound, place.bound(problem.y))
            if float((place.z - z).norm()) <= _GOAL * float(z.norm()):
                return products
            if products > _BUDGET:
                return math.inf
            # The rule leaves a ratio when its descent is nearly done; the last ratio, or a fixed one, goes to the end.
            if float(place.misfit.norm()) < (1e-3 if excess != excesses[-1] else _DONE * 1e-3):
                break
    return math.inf


def main() -> None:
    """Run every problem at every ratio and by the rule, and print the table."""
    options = arguments(__doc__ or "", ("_least", 100), quick={"least": 2})
    torch.set_num_threads(1)
    count = max(options.least, options.seeds)
    rule, fixed = np.zeros(count), np.zeros((count, len(_GRID)))
    for seed in range(count):
        scaled, z = problem(seed)
        rule[seed] = products_until(scaled, z, RATIOS)
        fixed[seed] = [products_until(scaled, z, (excess,)) for excess in _GRID]
    best = fixed.min(1)
    reached = np.isfinite(best)
    both = np.isfinite(rule) & reached
    rows: list[list[object]] = [["excess allowed, eta log(2N) / Q", "reach 1e-3", "median products", "best for"]]
    for k, excess in enumerate(_GRID):
        column = fixed[:, k]
        there = np.isfinite(column)
        median = f"{np.median(column[there]):.0f}" if there.any() else "-"
        rows.append([f"{excess:g}", f"{there.sum()} of {count}", median, int((column[reached] == best[reached]).sum())])
    median = np.median(rule[np.isfinite(rule)])
    rows.append(["the rule", f"{np.isfinite(rule).sum()} of {count}", f"{median:.0f}", "-"])
    rows.append(["best in hindsight", f"{reached.sum()} of {count}", f"{np.median(best[reached]):.0f}", "-"])
    ratios = rule[both] / best[both]
    quantiles = ", ".join(f"{q:.0%}: {np.quantile(ratios, q):.2f}" for q in (0.1, 0.5, 0.9, 1.0))
    title = f"The rule's products over those of the best fixed ratio, {both.sum()} problems; quantiles {quantiles}"
    show("sparse_ratio", title, rows, write=options.write)


if __name__ == "__main__":
    main()
