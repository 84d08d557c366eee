"""Errors under noise: `sparse_recover` beside the LASSO and OMP, both cross-validated.

`python benchmarks/sparse_noise.py [--seeds 20] [--quick] [--write]`. Minutes. Gaussian maps of N = 200 unknowns; the
noise is Gaussian with a given norm relative to `A z`. Entries are Gaussian, or signs for an odd seed. The LASSO shrinks
its entries; "refitted" is least squares on its support, if that is at most half of the measurements. Errors are over
those of the oracle on the same problem, least squares on the true support.
"""

import time

import numpy as np
import torch
from common import arguments, show

from wnsense import sparse

_CASES = ((100, 6), (100, 15))
_LEVELS = (0.01, 0.1, 0.3)
_N = 200
METHODS = ("sparse_recover", "LASSO", "LASSO, refitted", "OMP")


def problem(M: int, sparsity: int, level: float, seed: int) -> tuple[sparse.LinearMap, torch.Tensor, torch.Tensor]:
    """Draw the map, the vector, and measurements with noise."""
    rng = torch.Generator().manual_seed(seed)
    A = sparse.gaussian_map(M, _N, rng)
    z = torch.zeros(_N, dtype=torch.float64)
    values = torch.randn(sparsity, generator=rng, dtype=torch.float64)
    z[torch.randperm(_N, generator=rng)[:sparsity]] = values.sign() if seed % 2 else values
    clean = A.times(z)
    noise = torch.randn(M, generator=rng, dtype=torch.float64)
    return A, z, clean + level * clean.norm() / noise.norm() * noise


def answers(A: sparse.LinearMap, y: torch.Tensor) -> list[tuple[torch.Tensor, float]]:
    """Return the answer of each method and its processor time."""
    begun = time.process_time()
    own = sparse.sparse_recover(A, y)
    out = [(own.solution, time.process_time() - begun)]
    begun = time.process_time()
    shrunk = sparse.lasso(A, y).solution
    out.append((shrunk, time.process_time() - begun))
    support = shrunk.nonzero().flatten()
    refitted = sparse.oracle_least_squares(A, y, support) if len(support) <= len(y) // 2 else shrunk
    out.append((refitted, time.process_time() - begun))
    begun = time.process_time()
    out.append((sparse.orthogonal_matching_pursuit(A, y).solution, time.process_time() - begun))
    return out


def main() -> None:
    """Run every case and print medians over its problems."""
    options = arguments(__doc__ or "", ("least", 20), quick={"least": 1})
    torch.set_num_threads(1)
    count = max(options.least, options.seeds)
    rows: list[list[object]] = [
        [
            "M",
            "s",
            "noise",
            "method",
            "error over the oracle's: median",
            "90 %",
            "entries found",
            "false entries",
            "processor s",
        ]
    ]
    for M, sparsity in _CASES:
        for level in _LEVELS:
            errors, recovered, false, spent = (np.zeros((len(METHODS), count)) for _ in range(4))
            for seed in range(count):
                A, z, y = problem(M, sparsity, level, seed)
                support = z.nonzero().flatten()
                oracle = float((sparse.oracle_least_squares(A, y, support) - z).norm())
                for k, (answer, seconds) in enumerate(answers(A, y)):
                    errors[k, seed] = float((answer - z).norm()) / oracle
                    recovered[k, seed] = int((answer[support] != 0).sum())
                    false[k, seed] = int((answer != 0).sum()) - recovered[k, seed]
                    spent[k, seed] = seconds
            for k, method in enumerate(METHODS):
                middle, high = np.quantile(errors[k], (0.5, 0.9))
                figures = [f"{middle:.2f}", f"{high:.2f}", f"{recovered[k].mean():.1f}", f"{false[k].mean():.1f}"]
                rows.append([M, sparsity, f"{level:.0%}", method, *figures, f"{spent[k].mean():.2f}"])
    title = f"Sparse recovery under noise, N = {_N}, {count} problems a row; the LASSO and OMP by scikit-learn's cross-validation"
    show("sparse_noise", title, rows, write=options.write)


if __name__ == "__main__":
    main()
