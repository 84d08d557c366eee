"""Sampled entries against a NumPy gather of the same rows, and gradients of rank-one measurements in one and two calls.

`python benchmarks/entries.py [--seeds 5] [--quick] [--write]`, where seeds are repetitions; the table has their
medians. About four minutes and 9 GB.
"""

import resource
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from common import arguments, show

import wnsense as wn
from wnsense.sensing.ensembles.entries import EntrySensing
from wnsense.sensing.operator import RowDual
from wnsense.sensing.ensembles.block_rank import BlockRankSensing
from wnsense.sensing.ensembles.rank_one import RectangularRankOneSensing

RANK = 10


def interleaved(functions: dict[str, Callable[[], object]], repetitions: int) -> dict[str, float]:
    """Return the median seconds of each function; runs alternate, so that a busy machine slows all of them equally."""
    times: dict[str, list[float]] = {name: [] for name in functions}
    for repetition in range(repetitions + 1):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            if repetition:  # the first sorts, and fills caches
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(seconds) for name, seconds in times.items()}


def random_point(shape: tuple[int, int], kind: str, dtype: torch.dtype, rank: int = RANK) -> wn.LowRank:
    """Draw normal factors with the identity between them."""
    generator = torch.Generator().manual_seed(1)
    X, Y = (torch.randn((side, rank), generator=generator, dtype=dtype) for side in shape)
    return wn.LowRank(X, torch.eye(rank, dtype=dtype), Y if kind == "rectangular" else None)


def entry_rows(kind: str, dtype: torch.dtype, side: int, count: int, repetitions: int) -> list[list[object]]:
    """Time measuring, back-projecting and a gradient, for sorted places and for the same places in random order."""
    generator = torch.Generator().manual_seed(0)
    start = time.perf_counter()
    ascending = EntrySensing.draw(count, (side, side), kind=kind, generator=generator, dtype=dtype)
    drawing = time.perf_counter() - start
    point = random_point(ascending.shape, kind, dtype)
    X, Y = point.X.numpy(), point.right.numpy()
    weight = torch.rand(count, generator=generator, dtype=dtype)
    rows: list[list[object]] = []
    for order, operator in (
        ("rows ascending", ascending),
        ("any order", ascending.select_rows(torch.randperm(count, generator=generator))),
    ):
        i, j = operator.rows.numpy(), operator.columns.numpy()
        ready = np.empty((count, RANK), dtype=X.dtype)

        def gather(i: np.ndarray = i, j: np.ndarray = j) -> None:
            np.take(X, i, axis=0)
            np.take(Y, j, axis=0)

        def gather_into(i: np.ndarray = i, j: np.ndarray = j, ready: np.ndarray = ready) -> None:
            # With mode="clip" NumPy writes without a copy in between.
            np.take(X, i, axis=0, out=ready, mode="clip")
            np.take(Y, j, axis=0, out=ready, mode="clip")

        seconds = interleaved(
            {
                "gather": gather,
                "gather_into": gather_into,
                "measure": lambda operator=operator: operator.measure(point),
                "adjoint": lambda operator=operator: operator.adjoint_times(weight, point.right),
                "gradient": lambda operator=operator: operator.pull_back(point, RowDual(weight, weight)),
            },
            repetitions,
        )
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        ratios = [f"{seconds['measure'] / seconds[name]:.2f}" for name in ("gather", "gather_into")]
        figures = [f"{value:.2f}" for value in seconds.values()]
        name = str(dtype).removeprefix("torch.")
        rows.append([kind, name, order, f"{drawing:.1f}", *figures, *ratios, f"{peak:.1f}"])
    return rows


def rank_one_rows(repetitions: int) -> list[list[object]]:
    """Time a gradient in one call, measuring and back-projecting in two calls, and a sum over the vectors."""
    rows: list[list[object]] = []
    for dtype in (torch.float32, torch.float64):
        settings = {"dtype": dtype, "generator": torch.Generator().manual_seed(0)}
        for operator in (
            wn.RankOneSensing.draw(40_000, 784, **settings),
            wn.operators.PairedRankOneSensing.draw(20_000, 784, **settings),
            BlockRankSensing.draw(20_000, 784, 2, **settings),
            RectangularRankOneSensing.draw(20_000, (784, 784), **settings),
        ):
            point = random_point(operator.shape, str(operator.kind), dtype, rank=8)
            dual = RowDual(torch.ones(operator.count, dtype=dtype))

            def in_two(operator: wn.Operator = operator, point: wn.LowRank = point, dual: RowDual = dual) -> None:
                v = dual(operator.measure(point))
                operator.adjoint_times(v, point.right)
                if point.Y is not None:
                    operator.adjoint_transpose_times(v, point.X)

            data = [value for value in vars(operator).values() if isinstance(value, torch.Tensor)]
            seconds = interleaved(
                {
                    "sum": lambda data=data: [A.sum() for A in data],
                    "two": in_two,
                    "one": lambda operator=operator, point=point, dual=dual: operator.pull_back(point, dual),
                },
                repetitions,
            )
            figures = [f"{1e3 * value:.1f}" for value in seconds.values()]
            name = type(operator).__name__
            rows.append([name, str(dtype).removeprefix("torch."), *figures, f"{seconds['two'] / seconds['one']:.2f}"])
    return rows


def main() -> None:
    """Print both tables."""
    sizes = (("_side", 10**6), ("_count", 2 * 10**7))
    options = arguments(__doc__ or "", *sizes, quick={"side": 10**4, "count": 10**5})
    rank_one: list[list[object]] = [
        ["ensemble", "dtype", "sum of the vectors", "measure, adjoint_times", "pull_back", "ratio"],
        *rank_one_rows(options.seeds),
    ]
    title = "Rank-one gradients, 40,000 vectors of 784 entries in all, r = 8; milliseconds"
    show("rank_one", title, rank_one, write=options.write)
    head = "kind, dtype, places, draw, np.take, np.take into place, measure, adjoint_times, pull_back"
    entries: list[list[object]] = [
        [*head.split(", "), "measure / np.take", "measure / np.take into place", "peak GB of the process"],
        *entry_rows("rectangular", torch.float64, options.side, options.count, options.seeds),
        *entry_rows("psd", torch.float64, options.side, options.count, options.seeds),
    ]
    title = f"Entries: m = {options.side:,}, n = {options.count:,}, r = {RANK}; seconds"
    show("entries", title, entries, write=options.write)


if __name__ == "__main__":
    main()
