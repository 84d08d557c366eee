"""Compression: m=10, n=60,000 (arXiv 2510.01175, section 5) against the same problem in 55 rows, application by application.

`python benchmarks/compression.py [--quick] [--write]`. Under a minute on one thread. Runs of both problems alternate.
"""

import statistics
import time
from collections.abc import Callable

import torch
from common import arguments, show

import wnsense as wn
from wnsense.sensing.combining.compression import Compression, compress
from wnsense.sensing.operator import RowDual

M, RANK, WIDTH, CONDITION = 10, 3, 5, 5.0
# One call on the compressed problem is too short for the clock.
CALLS = {"given": 1, "compressed": 100}


def problem(n: int) -> wn.Problem:
    """Draw the problem of the paper's figure 1 with `n` measurements."""
    generator = torch.Generator().manual_seed(0)
    truth = wn.low_rank(M, RANK, CONDITION, generator=generator)
    return wn.Problem.measure(wn.GaussianSensing.draw(n, M, generator=generator), truth)


def tasks(given: wn.Problem) -> dict[str, Callable[[], object]]:
    """Return the calls that are timed on a problem, by their names."""
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
    """Return the seconds of one call, the mean of several."""
    start = time.perf_counter()
    for _ in range(calls):
        task()
    return (time.perf_counter() - start) / calls


def time_both(given: wn.Problem, compressed: Compression, rounds: int) -> list[list[object]]:
    """Return the medians of interleaved runs on both problems, and their ratios."""
    both = {"given": tasks(given), "compressed": tasks(compressed.problem)}
    rows: list[list[object]] = [
        ["work", f"n = {given.operator.count:,}", f"compressed to {compressed.problem.operator.count} rows", "ratio"]
    ]
    for name in both["given"]:
        runs: dict[str, list[float]] = {which: [] for which in both}
        for _ in range(rounds):
            for which, named in both.items():
                runs[which].append(seconds(named[name], CALLS[which]))
        before, after = (statistics.median(runs[which]) for which in both)
        rows.append([name, f"{before * 1e6:,.0f} us", f"{after * 1e6:,.1f} us", f"{before / after:.0f}"])
    return rows


def solve_exactly(given: wn.Problem) -> tuple[float, float, int]:
    """Run Algorithm 1 to a relative residual of 1e-10, and return seconds, error and steps."""
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
    return spent, float(result.answer.distance(given.truth) / given.truth.norm()), result.steps


def main() -> None:
    """Print the table."""
    options = arguments(__doc__ or "", ("_n", 60_000), ("_rounds", 60), quick={"n": 2_000, "rounds": 2})
    torch.set_num_threads(1)
    given = problem(options.n)
    spent = statistics.median(seconds(lambda: compress(given), 1) for _ in range(5))
    compressed = compress(given)
    rows = time_both(given, compressed, options.rounds)
    (long, error, steps), (short, other_error, other_steps) = (solve_exactly(p) for p in (given, compressed.problem))
    name = f"Algorithm 1 to residual 1e-10: {steps} and {other_steps} steps, errors {error:.0e} and {other_error:.0e}"
    rows.append([name, f"{long:.2f} s", f"{short:.3f} s", f"{long / short:.0f}"])
    rows.append([f"compress() itself, by {compressed.factorization}, once", "", f"{spent * 1e3:.0f} ms", ""])
    title = f"compress(): m={M}, r={WIDTH}, r_A={RANK}, n={options.n:,}, kappa={CONDITION:g}, float64, one thread"
    show("compression", title, rows, write=options.write)


if __name__ == "__main__":
    main()
