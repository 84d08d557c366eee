"""Compression: m=10, n=60,000 (arXiv 2510.01175, section 5) against the same problem in 55 rows, application by application.

`python benchmarks/compression.py [--write]`. Under a minute. One thread; both problems take turns.
"""

import statistics
import time
from collections.abc import Callable

import torch
from common import arguments, show

import wnsense as wn
from wnsense.sensing.combining.compression import Compression, compress
from wnsense.sensing.operator import RowDual

M, N, RANK, WIDTH, CONDITION = 10, 60_000, 3, 5, 5.0
ROUNDS = 60
# The compressed problem's calls are too short for the clock one by one.
CALLS = {"given": 1, "compressed": 100}


def problem() -> wn.Problem:
    """The problem of the paper's figure 1."""
    generator = torch.Generator().manual_seed(0)
    truth = wn.low_rank(M, RANK, CONDITION, generator=generator)
    return wn.Problem.measure(wn.GaussianSensing.draw(N, M, generator=generator), truth)


def tasks(given: wn.Problem) -> dict[str, Callable[[], object]]:
    """What is timed on one of the two problems."""
    generator = torch.Generator().manual_seed(1)
    operator = given.operator
    objective = wn.solvers.SensingObjective(given)
    start = wn.solvers.haar_start(objective, rank=WIDTH, magnitude=1.0, generator=generator)
    v = torch.randn(operator.count, dtype=torch.float64, generator=generator)
    dual = RowDual(torch.ones_like(v), given.measurements)
    normalized, preconditioned = wn.solvers.WeightNormalizedGD(), wn.solvers.PreconditionedWN()
    first, other = normalized.start(objective, start), preconditioned.start(objective, start)
    return {
        "M(Z)": lambda: operator.measure(start),
        "M*(v) X": lambda: operator.adjoint_times(v, start.X),
        "gradient: both in one pass": lambda: operator.pull_back(start, dual),
        "a step of WeightNormalizedGD": lambda: normalized.step(objective, first),
        "a step of PreconditionedWN": lambda: preconditioned.step(objective, other),
    }


def seconds(task: Callable[[], object], calls: int) -> float:
    """Of one call."""
    start = time.perf_counter()
    for _ in range(calls):
        task()
    return (time.perf_counter() - start) / calls


def timed(given: wn.Problem, compressed: Compression) -> list[list[object]]:
    """Medians of interleaved runs, and their ratios."""
    both = {"given": tasks(given), "compressed": tasks(compressed.problem)}
    rows: list[list[object]] = [
        ["work", f"n = {N:,}", f"compressed to {compressed.problem.operator.count} rows", "ratio"]
    ]
    for name in both["given"]:
        runs: dict[str, list[float]] = {which: [] for which in both}
        for _ in range(ROUNDS):
            for which, named in both.items():
                runs[which].append(seconds(named[name], CALLS[which]))
        before, after = (statistics.median(runs[which]) for which in both)
        rows.append([name, f"{before * 1e6:,.0f} us", f"{after * 1e6:,.1f} us", f"{before / after:.0f}"])
    return rows


def to_the_truth(given: wn.Problem) -> tuple[float, float, int]:
    """Algorithm 1 to a relative residual of 1e-10: seconds, the error, steps."""
    objective = wn.solvers.SensingObjective(given)
    generator = torch.Generator().manual_seed(2)
    start = wn.solvers.haar_start(objective, rank=WIDTH, magnitude=1.0, generator=generator)
    begin = time.perf_counter()
    result = wn.running.solve(
        objective, wn.solvers.WeightNormalizedGD(), start, stop=wn.running.Stop(residual=1e-10, max_steps=2000)
    )
    spent = time.perf_counter() - begin
    if given.truth is None:
        raise ValueError("the problem was drawn with its truth")
    return spent, float(result.matrix.distance(given.truth) / given.truth.norm()), result.steps


def main() -> None:
    """Print the table."""
    options = arguments(__doc__ or "")
    torch.set_num_threads(1)
    given = problem()
    spent = statistics.median(seconds(lambda: compress(given), 1) for _ in range(5))
    compressed = compress(given)
    rows = timed(given, compressed)
    (long, error, steps), (short, other_error, other_steps) = (to_the_truth(p) for p in (given, compressed.problem))
    told = f"Algorithm 1 to residual 1e-10: {steps} and {other_steps} steps, errors {error:.0e} and {other_error:.0e}"
    rows.append([told, f"{long:.2f} s", f"{short:.3f} s", f"{long / short:.0f}"])
    rows.append([f"compress() itself, by {compressed.factorization}, once", "", f"{spent * 1e3:.0f} ms", ""])
    title = f"compress(): m={M}, r={WIDTH}, r_A={RANK}, n={N:,}, kappa={CONDITION:g}, float64, one thread"
    show("compression", title, rows, write=options.write)


if __name__ == "__main__":
    main()
