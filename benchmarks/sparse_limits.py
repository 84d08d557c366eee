"""Limits of flows of diagonal networks beside their predicted limits, and the drift of conserved quantities.

`python benchmarks/sparse_limits.py [--seeds 18] [--quick] [--write]`. A minute. For L = 2, 3, 4 there are three problems
for each seed: plain flow, and weight normalization at eta = 1 and 0.3. Every other seed has a signed network. There are
M = 4 to 6 measurements of N = 7 to 10 entries, two of them large, the others at most a tenth. Every third start has
different entries. The flow runs to a residual of 1e-9; the predicted limit is the solution of its equations
(`mirror_limit`, `flow_limit`), without the run.
"""

import math

import numpy as np
from common import arguments, show

from wnsense.lab.diagonal import (
    FlowLimit,
    FlowRun,
    FlowStop,
    flow_limit,
    mirror_limit,
    normalized_flow,
    plain_flow,
    signed_map,
)

_RATIOS = (None, 1.0, 0.3)


def problem(seed: int, depth: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw `A`, `y` and the start."""
    rng = np.random.default_rng([seed, depth])
    M, N = 4 + seed % 3, 7 + seed % 4
    A, z = rng.standard_normal((M, N)) / math.sqrt(M), 0.1 * rng.random(N)
    z[:2] += (1.0, 0.7)
    signed = seed % 2 == 1
    y = A @ (z * rng.choice([-1.0, 1.0], N) if signed else z)
    A = signed_map(A) if signed else A
    start = np.full(A.shape[1], 0.15 if depth == 2 else 0.1 ** (2 / depth))
    return A, y, start * np.exp(0.5 * rng.standard_normal(len(start))) if seed % 3 == 2 else start


def both(A: np.ndarray, y: np.ndarray, start: np.ndarray, depth: int, ratio: float | None) -> tuple[FlowRun, FlowLimit]:
    """Return the run and the predicted limit."""
    stop = FlowStop(residual=1e-9, time=1e10)
    if ratio is None:
        return plain_flow(A, y, start, depth, stop=stop), mirror_limit(A, y, np.log(start), depth)
    run = normalized_flow(A, y, start, depth, ratio=ratio, stop=stop)
    return run, flow_limit(A, y, np.log(start), depth, ratio=ratio)


def main() -> None:
    """Run every problem, and print the table."""
    options = arguments(__doc__ or "", ("least", 18), quick={"least": 1})
    rows: list[list[object]] = [
        [
            "L",
            "eta",
            "problems",
            "largest error of z over its largest entry",
            "drift of the invariants",
            "drift of the norm of u",
            "longest time",
        ]
    ]
    for depth in (2, 3, 4):
        for ratio in _RATIOS:
            figures = []
            for seed in range(max(options.least, options.seeds)):
                run, limit = both(*problem(seed, depth), depth, ratio)
                error = float(np.abs(run.z - limit.z).max() / limit.z.max()) if run.reached else math.inf
                figures.append((error, run.drift(), run.norm_drift(), float(run.times[-1])))
            worst = np.max(figures, axis=0)
            name = "plain" if ratio is None else f"{ratio:g}"
            rows.append([depth, name, len(figures), *(f"{value:.1e}" for value in worst)])
    show("sparse_limits", "Limits of flows, predicted and reached: the worst of each row", rows, write=options.write)


if __name__ == "__main__":
    main()
