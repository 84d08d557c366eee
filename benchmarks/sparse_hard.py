"""Sparse recovery with ill-conditioned and correlated maps.

`python benchmarks/sparse_hard.py [--seeds 10] [--quick] [--write]`. A minute or two. N = 200 unknowns, M = 100 exact
measurements. The nonzeros are Gaussian, or signs for an odd seed. Maps: Gaussian; singular values from 1 to 1e-3 in
equal ratios between random orthonormal bases; columns of a Gaussian process of first order, with a correlation of 0.9
between neighbours; and others. OMP is given `s`; the penalty of the LASSO is cross-validated. A vector is found if the
error is below 1e-5 of the truth, for the LASSO if its `s` largest entries are the support.
"""

import math
import time

import numpy as np
import torch
from common import arguments, show

from wnsense import sparse

_N, _M = 200, 100
_SPARSITIES = (5, 15)
_FOUND = 1e-5
METHODS = ("sparse_recover", "basis pursuit", "OMP, told s", "LASSO, s largest")


def gaussian(rng: torch.Generator) -> torch.Tensor:
    """Draw entries `N(0, 1/M)`."""
    return torch.randn((_M, _N), generator=rng, dtype=torch.float64) / math.sqrt(_M)


def ill_conditioned(rng: torch.Generator) -> torch.Tensor:
    """Draw a map of condition number 1e3."""
    left = torch.linalg.qr(torch.randn((_M, _M), generator=rng, dtype=torch.float64)).Q
    right = torch.linalg.qr(torch.randn((_N, _M), generator=rng, dtype=torch.float64)).Q
    return (left * torch.logspace(0, -3, _M, dtype=torch.float64)) @ right.mT


def correlated(rng: torch.Generator) -> torch.Tensor:
    """Draw columns `a_n = 0.9 a_{n-1} + sqrt(1 - 0.81) g_n`."""
    A = gaussian(rng)
    for n in range(1, _N):
        A[:, n] = 0.9 * A[:, n - 1] + math.sqrt(1 - 0.81) * A[:, n]
    return A


def offset(rng: torch.Generator) -> torch.Tensor:
    """Draw entries of mean 3 and variance 1: one direction has nine tenths of the squared norm."""
    return gaussian(rng) + 3 / math.sqrt(_M)


def factors(rng: torch.Generator) -> torch.Tensor:
    """Draw columns that share five factors, which have more than four fifths of their squared lengths."""
    common = torch.randn((_M, 5), generator=rng, dtype=torch.float64)
    loadings = torch.randn((5, _N), generator=rng, dtype=torch.float64)
    return gaussian(rng) + 2 / math.sqrt(_M) * common @ loadings


def binary(rng: torch.Generator) -> torch.Tensor:
    """Draw entries 0 and 1."""
    return torch.randint(2, (_M, _N), generator=rng).double()


MAPS = {
    "Gaussian": gaussian,
    "condition 1e3": ill_conditioned,
    "AR(0.9) columns": correlated,
    "entries + 3": offset,
    "five common factors": factors,
    "zeros and ones": binary,
}


def answers(A: torch.Tensor, y: torch.Tensor, z: torch.Tensor) -> list[tuple[bool, float, bool]]:
    """Run each method, and return if it recovered `z`, the processor time, and if its status is converged."""
    sparsity, out = int((z != 0).sum()), []
    truth = set(z.nonzero().flatten().tolist())
    for method in METHODS:
        begun, said = time.process_time(), False
        if method == METHODS[0]:
            own = sparse.sparse_recover(A, y)
            answer, said = own.solution, str(own.status) == "converged"
        elif method == METHODS[1]:
            answer = sparse.basis_pursuit(A, y).solution
        elif method == METHODS[2]:
            answer = sparse.orthogonal_matching_pursuit(A, y, sparsity=sparsity).solution
        else:
            answer = sparse.lasso(A, y).solution
        spent = time.process_time() - begun
        exact = float((answer - z).norm() / z.norm()) < _FOUND
        right = set(answer.abs().topk(sparsity).indices.tolist()) == truth if method == METHODS[3] else exact
        out.append((right, spent, said))
    return out


def main() -> None:
    """Run every map at every sparsity, and print the table."""
    options = arguments(__doc__ or "")
    torch.set_num_threads(1)
    rows: list[list[object]] = [["A", "s", *(f"{m}: found" for m in METHODS), *(f"{m}: s" for m in METHODS)]]
    false_claims = 0
    for name, draw in MAPS.items():
        for sparsity in _SPARSITIES:
            recovered, spent = np.zeros((len(METHODS), options.seeds)), np.zeros((len(METHODS), options.seeds))
            for seed in range(options.seeds):
                rng = torch.Generator().manual_seed(seed)
                A, z = draw(rng), torch.zeros(_N, dtype=torch.float64)
                values = torch.randn(sparsity, generator=rng, dtype=torch.float64)
                z[torch.randperm(_N, generator=rng)[:sparsity]] = values.sign() if seed % 2 else values
                for k, (right, seconds, said) in enumerate(answers(A, A @ z, z)):
                    recovered[k, seed], spent[k, seed] = right, seconds
                    false_claims += said and not right
            rows.append(
                [name, sparsity, *(f"{v:.0%}" for v in recovered.mean(1)), *(f"{v:.3f}" for v in spent.mean(1))]
            )
    title = (
        f"Exact measurements by maps that are hard, N = {_N}, M = {_M}, {options.seeds} problems a row, mean processor "
        f"seconds; {false_claims} answers of sparse_recover were called converged and were wrong"
    )
    show("sparse_hard", title, rows, write=options.write)


if __name__ == "__main__":
    main()
