"""Sparse recovery at large sizes: time, memory and error of `sparse_recover` beside basis pursuit and OMP.

`python benchmarks/sparse.py [--largest 200000] [--pursuit 2000] [--quick] [--write]`. Basis pursuit (HiGHS, `M x 2N`)
runs up to N = `--pursuit` unknowns, OMP (scikit-learn, given `s`) where A is a matrix that fits into memory; both get
exact data. Each case is a process of its own with its own peak memory. Seconds are those of the processor, one thread.
"""

import multiprocessing
import resource
import time
from dataclasses import dataclass
from importlib import import_module

import torch
from common import arguments, show

from wnsense import sparse


@dataclass(frozen=True)
class Case:
    """Problem that is not yet drawn.

    Attributes:
        kind: Kind of the map: gaussian, cosine or sparse.
        N: Number of unknowns.
        M: Number of measurements.
        sparsity: Number of nonzeros, which are Gaussian.
        seed: Seed of map and vector.
    """

    kind: str
    N: int
    M: int
    sparsity: int
    seed: int = 0

    def draw(self) -> tuple[sparse.LinearMap, torch.Tensor]:
        """Draw the map and the vector."""
        rng = torch.Generator().manual_seed(self.seed)
        A = {
            "gaussian": sparse.gaussian_map,
            "cosine": sparse.partial_cosine_map,
            "sparse": sparse.sparse_map,
        }[self.kind](self.M, self.N, rng)
        z = torch.zeros(self.N, dtype=torch.float64)
        values = torch.randn(self.sparsity, generator=rng, dtype=torch.float64)
        z[torch.randperm(self.N, generator=rng)[: self.sparsity]] = values
        return A, z


CASES = (
    Case("gaussian", 1_000, 250, 25),
    Case("gaussian", 2_000, 500, 50),
    Case("gaussian", 10_000, 2_000, 150),
    Case("gaussian", 10_000, 2_000, 400),
    Case("cosine", 10_000, 2_500, 250),
    Case("sparse", 10_000, 2_500, 250),
    Case("cosine", 50_000, 10_000, 1_000),
    Case("sparse", 50_000, 10_000, 1_000),
    Case("gaussian", 50_000, 2_000, 100),
    Case("cosine", 200_000, 30_000, 2_000),
    Case("sparse", 200_000, 30_000, 2_000),
)


def run(case: Case, method: str, results: "multiprocessing.Queue[tuple[float, float, float, str]]") -> None:
    """Run one method on one case; the results are processor seconds, relative error, peak memory in GiB, and words."""
    torch.set_num_threads(1)
    A, z = case.draw()
    y = A.times(z)
    begun = time.process_time()
    words = ""
    if method == "sparse_recover":
        recovery = sparse.sparse_recover(A, y)
        answer = recovery.solution
        words = f"{recovery.status}, {recovery.steps} steps, {recovery.products} products, gap {recovery.optimality_gap:.0e}"
    elif method == "basis pursuit":
        answer = sparse.basis_pursuit(A, y).solution
    else:
        answer = sparse.orthogonal_matching_pursuit(A, y, sparsity=case.sparsity).solution
    spent = time.process_time() - begun
    error = float((answer - z).norm() / z.norm())
    results.put((spent, error, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, words))


def main() -> None:
    """Run the cases one after the other."""
    quick = {"largest": 1_000, "pursuit": 1_000}
    options = arguments(__doc__ or "", ("largest", 200_000), ("pursuit", 2_000), quick=quick)
    rows: list[list[object]] = [
        ["A", "N", "M", "s", "method", "processor s", "over sparse_recover", "error", "peak GiB", "says"]
    ]
    # Imported before the processes are forked, so that the time of no method contains the import.
    import_module("sklearn.linear_model")
    context = multiprocessing.get_context("fork")
    for case in CASES:
        if options.largest < case.N:
            continue
        own = 0.0
        methods = ["sparse_recover"]
        methods += ["basis pursuit"] if options.pursuit >= case.N else []
        methods += ["OMP, told s"] if case.kind == "gaussian" and case.N <= 10_000 else []
        for method in methods:
            queue = context.Queue()
            process = context.Process(target=run, args=(case, method, queue))
            process.start()
            spent, error, memory, words = queue.get()
            process.join()
            own = own or spent
            shape = [case.kind, f"{case.N:,}", f"{case.M:,}", case.sparsity, method]
            rows.append([*shape, f"{spent:.2f}", f"{spent / own:.1f}", f"{error:.0e}", f"{memory:.2f}", words])
    show("sparse", "Sparse recovery from exact measurements, one thread", rows, write=options.write)


if __name__ == "__main__":
    main()
