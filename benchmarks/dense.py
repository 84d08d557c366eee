"""Gradient of dense measurements beside a plain sum over the same array; both must read every entry once.

`python benchmarks/dense.py [--threads 2] [--quick] [--write]`. About two minutes and 3 GB. `--large` takes the size of
figure 2b of arXiv 2510.01175 instead (m=300, n=50,000: 9 GB of float32 rows), and prints the memory that it needs.
"""

import resource
import statistics
import time
from collections.abc import Callable

import torch
from common import arguments, show

import wnsense as wn
from wnsense.sensing.operator import RowDual

_REPEATS = 5


def seconds(*functions: Callable[[], object]) -> list[float]:
    """Return the medians of interleaved runs, after one run of each for warming up."""
    for function in functions:
        function()
    times: list[list[float]] = [[] for _ in functions]
    for _ in range(_REPEATS):
        for function, durations in zip(functions, times, strict=True):
            began = time.perf_counter()
            function()
            durations.append(time.perf_counter() - began)
    return [statistics.median(durations) for durations in times]


def points(operator: wn.Operator, count: int) -> wn.LowRank:
    """Draw a batch of random points of rank 3."""
    generator = torch.Generator().manual_seed(1)
    batch = (count,) if count > 1 else ()
    X = torch.randn((*batch, operator.shape[0], 3), generator=generator, dtype=torch.float64).to(operator.dtype)
    return wn.LowRank(X, torch.eye(3, dtype=operator.dtype).expand(*batch, 3, 3).contiguous())


def row(name: str, operator: wn.DenseSensing | wn.operators.RademacherSensing) -> list[object]:
    """Measure one operator and return its row."""
    stored = operator.rows if isinstance(operator, wn.DenseSensing) else operator.bits
    size = stored.numel() * stored.element_size()
    dual = RowDual(torch.ones(operator.count, dtype=operator.real_dtype))
    one, six = points(operator, 1), points(operator, 6)
    flat = stored.view(torch.uint8).view(-1)
    # A sum of bytes is limited by the processor; memory is summed as float32, whatever it holds.
    numbers = flat[: len(flat) // 4 * 4].view(torch.float32) if stored.dtype != torch.float64 else stored
    plain, single, several, twice = seconds(
        numbers.sum,
        lambda: operator.pull_back(one, dual),
        lambda: operator.pull_back(six, dual),
        lambda: operator.adjoint_times(operator.measure(one), one.X),
    )
    return [
        name,
        operator.shape[0],
        operator.count,
        f"{size / 1e9:.2f}",
        f"{size / plain / 1e9:.1f}",
        f"{plain / single:.2f}",
        f"{several / single:.2f}",
        f"{twice / single:.2f}",
        f"{operator.count * operator.dimension / single / 1e9:.2f}",
    ]


def rows(megabytes: int, largest: int) -> list[list[object]]:
    """Measure each form of storage with about the given size, for sides up to the largest."""
    table: list[list[object]] = [
        [
            "stored, summed in",
            "m",
            "n",
            "GB",
            "plain sum, GB/s",
            "gradient / sum: bandwidth",
            "six points / one: time",
            "M then M* / gradient: time",
            "10^9 entries a second",
        ]
    ]
    generator = torch.Generator().manual_seed(0)
    for m in (side for side in (50, 100, 300) if side <= largest):
        length = m * (m + 1) // 2
        for name, precision, storage, width in (
            ("float64, float64", torch.float64, torch.float64, 8.0),
            ("float32, float32", torch.float32, torch.float32, 4.0),
            ("float32, float64", torch.float64, torch.float32, 4.0),
            ("bfloat16, float32", torch.float32, torch.bfloat16, 2.0),
            ("bits, float32", torch.float32, None, 0.125),
        ):
            n = int(megabytes * 2**20 / length / max(width, 0.5))
            operator = (
                wn.operators.RademacherSensing.draw(n, m, generator=generator, dtype=precision)
                if storage is None
                else wn.GaussianSensing.draw(n, m, generator=generator, dtype=precision, storage=storage)
            )
            table.append(row(name, operator))
    return table


def large() -> list[list[object]]:
    """Recover a matrix at the size of the paper's figure 2b in float32, and return its figures."""
    began = time.perf_counter()
    generator = torch.Generator().manual_seed(0)
    operator = wn.GaussianSensing.draw(50_000, 300, generator=generator, dtype=torch.float32)
    drawn = time.perf_counter() - began
    truth = wn.low_rank(300, 3, generator=generator, dtype=torch.float32)
    objective = wn.solvers.SensingObjective(wn.Problem.measure(operator, truth))
    start = wn.solvers.haar_start(objective, rank=9, generator=generator)
    result = wn.running.solve(
        objective,
        wn.solvers.PreconditionedWN(),
        start,
        stop=wn.running.Stop(residual=1e-5, max_steps=60),
        trace=wn.running.Trace(every=1, error=wn.solvers.relative_error),
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    return [
        ["m", "n", "rows, GB", "peak memory, GB", "drawing, s", "steps", "s a step", "status", "relative error"],
        [
            300,
            50_000,
            f"{operator.rows.numel() * 4 / 1e9:.2f}",
            f"{peak:.2f}",
            f"{drawn:.0f}",
            result.steps,
            f"{result.snapshot.seconds / max(result.steps, 1):.2f}",
            str(result.status),
            f"{float(result.trace['error'][-1]):.1e}",
        ],
    ]


def main() -> None:
    """Print the tables."""
    extra = (("threads", 2), ("large", False), ("_megabytes", 1024), ("_side", 300))
    options = arguments(__doc__ or "", *extra, quick={"megabytes": 4, "side": 50, "threads": 1})
    torch.set_num_threads(options.threads)
    if options.large:
        show("dense_large", "The size of figure 2b in float32", large(), write=options.write)
    else:
        show(
            "dense",
            f"Gradients of dense measurements, {options.threads} threads",
            rows(options.megabytes, options.side),
            write=options.write,
        )


if __name__ == "__main__":
    main()
