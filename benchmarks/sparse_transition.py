"""Success rates of sparse recovery: `sparse_recover`, basis pursuit and OMP on the same problems.

`python benchmarks/sparse_transition.py [--size 200] [--seeds 5] [--quick] [--write]`. Minutes. `--write` stores the table
and a CSV of every cell under benchmarks/results, and the picture under docs/images. Half of the problems of each cell
have Gaussian entries, half signs. OMP is given the number of entries, which is unknown in practice; the others are not.
"""

import csv
import io
import itertools
import time
from pathlib import Path

import numpy as np
import torch
from common import RESULTS, arguments, show

from wnsense import sparse
from wnsense.atomic import write_text
from wnsense.pages.picture_file import save
from wnsense.lab.demos.sparse_picture import transition_picture
from wnsense.files.tables import Table

_MEASURED = (0.1, 0.2, 0.35, 0.5, 0.7)
_FILLED = (0.1, 0.2, 0.3, 0.4, 0.5)
_FOUND = 1e-5
_IMAGES = Path(__file__).parents[1] / "docs" / "images"
METHODS = ("sparse_recover", "basis pursuit", "OMP, told s")


def problem(N: int, M: int, sparsity: int, seed: int) -> tuple[sparse.LinearMap, torch.Tensor]:
    """Draw a Gaussian map and a vector with Gaussian entries, or signs if the seed is odd."""
    rng = torch.Generator().manual_seed(seed)
    A = sparse.gaussian_map(M, N, rng)
    z = torch.zeros(N, dtype=torch.float64)
    values = torch.randn(sparsity, generator=rng, dtype=torch.float64)
    z[torch.randperm(N, generator=rng)[:sparsity]] = values.sign() if seed % 2 else values
    return A, z


def answers(A: sparse.LinearMap, y: torch.Tensor, sparsity: int) -> list[tuple[torch.Tensor, float, str]]:
    """Return the answer of each method, its processor time and its status."""
    out = []
    for method in METHODS:
        begun = time.process_time()
        if method == METHODS[0]:
            recovery = sparse.sparse_recover(A, y)
            z, said = recovery.solution, str(recovery.status)
        elif method == METHODS[1]:
            z, said = sparse.basis_pursuit(A, y).solution, ""
        else:
            z, said = sparse.orthogonal_matching_pursuit(A, y, sparsity=sparsity).solution, ""
        out.append((z, time.process_time() - begun, said))
    return out


def main() -> None:
    """Run every cell, print the table, and with `--write` store table, CSV and picture."""
    options = arguments(__doc__ or "", ("size", 200), quick={"size": 40})
    torch.set_num_threads(1)
    N = options.size
    shape = (len(METHODS), len(_MEASURED), len(_FILLED))
    recovered, seconds = np.zeros(shape), np.zeros(shape)
    false_claims = 0
    for (i, measured), (j, filled) in itertools.product(enumerate(_MEASURED), enumerate(_FILLED)):
        M = round(measured * N)
        sparsity = max(1, round(filled * M))
        for seed in range(options.seeds):
            A, z = problem(N, M, sparsity, 10_000 * i + 100 * j + seed)
            for k, (answer, spent, said) in enumerate(answers(A, A.times(z), sparsity)):
                right = float((answer - z).norm() / z.norm()) < _FOUND
                recovered[k, i, j] += right / options.seeds
                seconds[k, i, j] += spent / options.seeds
                false_claims += said == "converged" and not right
    rows: list[list[object]] = [["M/N", "s/M", *(f"{m}: found" for m in METHODS), *(f"{m}: s" for m in METHODS)]]
    cells = [
        [measured, filled, *recovered[:, i, j], *seconds[:, i, j]]
        for (i, measured), (j, filled) in itertools.product(enumerate(_MEASURED), enumerate(_FILLED))
    ]
    rows += [[m, f, *(f"{v:.0%}" for v in rest[:3]), *(f"{v:.3f}" for v in rest[3:])] for m, f, *rest in cells]
    title = (
        f"Share of sparse vectors found, N = {N}, {options.seeds} problems a cell, mean processor seconds; "
        f"{false_claims} of {options.seeds * len(cells)} answers of sparse_recover were called converged and were wrong"
    )
    show("sparse_transition", title, rows, write=options.write)
    if options.write:
        text = io.StringIO()
        csv.writer(text).writerows([rows[0], *cells])
        write_text(RESULTS / "sparse_transition.csv", text.getvalue())
        arrays = {"found": recovered, "measured": np.array(_MEASURED), "filled": np.array(_FILLED)}
        table = Table({"methods": list(METHODS), "size": N, "problems": options.seeds}, arrays)
        save(transition_picture(table), _IMAGES / "sparse_transition.png")


if __name__ == "__main__":
    main()
