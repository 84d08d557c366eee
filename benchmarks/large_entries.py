"""recover() on 2,000,000 entries of a matrix of side 100,000 and rank 3; the rank is not given.

`python benchmarks/large_entries.py [--quick] [--write]`. Half a minute, one thread, 1.2 GB.
"""

import time

import torch
from common import arguments, show

import wnsense as wn


def main() -> None:
    """Recover the matrix and print what it took."""
    options = arguments(__doc__.split("\n")[0])
    torch.set_num_threads(1)
    side, count = (2_000, 40_000) if options.quick else (100_000, 2_000_000)
    generator = torch.Generator().manual_seed(0)
    truth = wn.low_rank((side, side), 3, condition=10.0, kind="rectangular", generator=generator)
    operator = wn.EntrySensing.draw(count, (side, side), kind="rectangular", generator=generator)
    began = time.process_time()
    recovery = wn.recover(operator, operator.measure(truth), truth=truth)
    seconds = time.process_time() - began
    rows: list[list[object]] = [
        ["side", "entries", "status", "rank", "relative error", "applications", "CPU s"],
        [
            side,
            count,
            recovery.status,
            recovery.rank,
            f"{recovery.relative_error or 0.0:.1e}",
            recovery.applications,
            f"{seconds:.1f}",
        ],
    ]
    show("large_entries", "Many entries of a large matrix", rows, write=options.write)


if __name__ == "__main__":
    main()
