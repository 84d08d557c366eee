"""Cost of public tools on the problems of the three large runs, at increasing sizes, beside `recover()`.

`OMP_NUM_THREADS=1 python benchmarks/public_tools.py [--quick] [--write]`, with `pip install 'wnsense[peers,studies]'`.
About twelve minutes and 6 GB; `--quick` takes the smallest size of each tool. A ladder of sizes ends where a size takes longer than
a minute or 6 GB, or would take more than four minutes by the growth so far. Tools are given the true rank; `recover()`
is not.

Each row is a process of its own with one thread, which draws the data from the seed again. Seconds are those of its
processor, so that a busy machine changes them little; the peak memory is the figure of the operating system. If the
package cmfrec is installed, it has rows too; it is in no extra of this package and is compiled on installation.
"""

import math
import multiprocessing
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import torch
from common import arguments, show
from tool_calls import (
    CMF,
    MOST_SECONDS,
    Answer,
    alternating_least_squares,
    distances_of,
    least_nuclear_norm,
    linear_inversion,
    photograph_of,
    recovered,
    state_of,
    trust_region,
    trust_region_embedded,
    trust_region_gram,
)

import wnsense as wn
from wnsense.lab.costs import peak_memory
from wnsense.sensing.quantum_states import fidelity, nearest_state

LONG_SECONDS, MOST_GB = 60.0, 6.0


@dataclass(frozen=True)
class Row:
    """Report of a process: sizes, error, cost and memory.

    Attributes:
        size: Side of the unknown, `m`.
        measurements: Number of measurements, `n`.
        error: Relative error in the Frobenius norm.
        fidelity: Fidelity of a state; None for other problems.
        seconds: Seconds of the processor.
        peak: Peak memory in GB.
        before: Peak memory in GB before the data were drawn.
        applications: Number of applications of `M` and `M*`; None if the tool does not call the operator.
        ending: Reason for which the tool stopped.
    """

    size: int
    measurements: int
    error: float
    fidelity: float | None
    seconds: float
    peak: float
    before: float
    applications: int | None
    ending: str


@dataclass(frozen=True)
class Ladder:
    """Tool with its extra information and its sizes.

    Attributes:
        tool: Name of the tool.
        given: Information that it has and `recover()` has not.
        call: Function that runs it.
        sizes: Sizes, increasing.
    """

    tool: str
    given: str
    call: Callable[[wn.Problem], Answer]
    sizes: tuple[int, ...]


@dataclass(frozen=True)
class Study:
    """One of the large runs: function of its data at a size, side of the full unknown, and tools."""

    name: str
    data: Callable[[int], wn.Problem]
    full: int
    ladders: tuple[Ladder, ...]


def _photograph_trust_region(problem: wn.Problem) -> Answer:
    return trust_region(problem, rank=1, tolerance=1e-10)


def _state_trust_region(problem: wn.Problem) -> Answer:
    return trust_region(problem, rank=4, tolerance=1e-6)


STUDIES = (
    Study(
        "photograph",
        photograph_of,
        1024**2,
        (
            Ladder("CVXPY, PhaseLift", "positive", least_nuclear_norm, (4, 6, 8, 12, 16)),
            Ladder("pymanopt, PSDFixedRank", "rank", _photograph_trust_region, (64, 256, 1024)),
        ),
    ),
    Study(
        "distances",
        distances_of,
        10**5,
        (
            Ladder("CVXPY, nuclear norm", "noise level", least_nuclear_norm, (32, 64, 128, 256)),
            Ladder("pymanopt, FixedRankEmbedded", "rank", trust_region_embedded, (1000, 2000, 4000, 8000)),
            Ladder(
                "pymanopt, PSDFixedRank of the Gram matrix",
                "rank, that these are distances",
                trust_region_gram,
                (1000, 10_000, 100_000),
            ),
            Ladder(
                "cmfrec, alternating least squares",
                "rank, regularization",
                alternating_least_squares,
                (1000, 10_000, 100_000),
            ),
        ),
    ),
    Study(
        "state",
        state_of,
        2**10,
        (
            Ladder("CVXPY, least trace", "positive", least_nuclear_norm, (3, 4, 5, 6, 7)),
            Ladder("NumPy lstsq", "nothing", linear_inversion, (4, 5, 6, 7)),
            Ladder("pymanopt, PSDFixedRankComplex", "rank, positive", _state_trust_region, (4, 5, 6, 8, 10)),
        ),
    ),
)


def measure(
    data: Callable[[int], wn.Problem], call: Callable[[wn.Problem], Answer], size: int, out: Connection
) -> None:
    """Draw the data, call the tool and send the row; the work of a process."""
    torch.set_num_threads(1)
    for library in ("cvxpy", "pymanopt"):
        import_module(library)  # before the clock runs
    before = peak_memory() / 1e9
    problem = data(size)
    began = time.process_time()
    answer = call(problem)
    seconds = time.process_time() - began
    peak = peak_memory() / 1e9
    truth = problem.truth
    if truth is None:
        raise TypeError("the data come with the truth")
    state = problem.operator.kind is wn.Kind.HERMITIAN
    out.send(
        Row(
            size=problem.operator.shape[0],
            measurements=problem.operator.count,
            error=float(answer.matrix.distance(truth) / truth.norm()),
            fidelity=fidelity(nearest_state(answer.matrix), truth) if state else None,
            seconds=seconds,
            peak=peak,
            before=before,
            applications=answer.applications,
            ending=answer.ending,
        )
    )


def run_in_process(study: Study, call: Callable[[wn.Problem], Answer], size: int) -> Row | str:
    """Run a tool in a process, and return its row, or the reason for which there is none."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=measure, args=(study.data, call, size, sender))
    began = time.monotonic()
    process.start()
    sender.close()
    why = ""
    while not receiver.poll(0.2):
        if time.monotonic() - began > 1.5 * MOST_SECONDS:
            why = f"stopped after {1.5 * MOST_SECONDS:.0f} s"
        elif _held_gb(process.pid) > MOST_GB:
            why = f"stopped at {MOST_GB:.0f} GB"
        if why:
            process.kill()
            break
    try:
        row = None if why else receiver.recv()
    except EOFError:
        why = "ended without an answer"
        row = None
    process.join()
    return row if isinstance(row, Row) else why


def _held_gb(pid: int | None) -> float:
    """Return the memory of a process in GB; 0 on systems without `/proc`."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * resource.getpagesize() / 1e9


def slope(rows: list[Row], value: Callable[[Row], float]) -> tuple[float, float] | None:
    """Return the exponent and the logarithm of the factor of `value = factor m^exponent`; None for fewer than two rows."""
    points = [(math.log(row.size), math.log(value(row))) for row in rows if value(row) > 0]
    if len(points) < 2:
        return None
    exponent, intercept = np.polyfit(*np.array(points).T, 1)
    return float(exponent), float(intercept)


def predicted(rows: list[Row], size: int) -> float:
    """Return the seconds at a size that the growth between the last two rows predicts."""
    law = slope(rows[-2:], lambda row: row.seconds)
    return 0.0 if law is None else math.exp(law[1]) * size ** law[0]


def grown(row: Row) -> float:
    """Return the GB beyond those of the libraries themselves; less than 0.03 counts as 0."""
    added = row.peak - row.before
    return added if added >= 0.03 else 0.0


def figures(row: Row) -> list[object]:
    """Return the figures of a row."""
    return [
        f"{row.size:,}",
        f"{row.measurements:,}",
        f"{row.error:.1e}",
        "" if row.fidelity is None else f"{row.fidelity:.3f}",
        f"{row.seconds:.2f}",
        f"{row.peak:.2f}",
        "" if row.applications is None else row.applications,
        row.ending,
    ]


def missing(size: int, why: str) -> list[object]:
    """Return the cells of a size without a row."""
    return [f"{size:,}", *[""] * 6, why]


def growth(rows: list[Row], full: int) -> list[object]:
    """Return the exponents, and the extrapolation to the full size if that was not reached."""
    last = [row for row in rows if row.seconds > 0.05][-3:]
    cells: dict[str, str] = {}
    for name, value, unit in (("seconds", lambda row: row.seconds, "s"), ("peak", grown, "GB")):
        law = slope(last, value)
        if law is None:
            cells[name] = ""
            continue
        cells[name] = f"m^{law[0]:.1f}"
        if rows[-1].size < full:
            cells[name] += f", EXTRAPOLATED {math.exp(law[1]) * full ** law[0]:.0e} {unit}"
    return [f"growth to {full:,}", "", "", "", cells["seconds"], cells["peak"], "", f"from the last {len(last)} sizes"]


def climb(study: Study, ladder: Ladder, *, quick: bool) -> list[list[object]]:
    """Run a tool at increasing sizes until it takes too long, and return its rows."""
    rows: list[Row] = []
    lines: list[list[object]] = []
    own = (study.name, ladder.tool, ladder.given)
    for size in ladder.sizes[:1] if quick else ladder.sizes:
        side = _side(study.name, size)
        expected = predicted(rows, side)
        if rows and (rows[-1].seconds > LONG_SECONDS or expected > MOST_SECONDS):
            lines.append([*own, *missing(side, f"not tried: about {expected:.0f} s")])
            break
        row = run_in_process(study, ladder.call, size)
        if isinstance(row, str):
            lines.append([*own, *missing(side, row)])
            break
        rows.append(row)
        lines.append([*own, *figures(row)])
        sys.stderr.write(f"{lines[-1]}\n")
    if rows:
        lines.append([*own, *growth(rows, study.full)])
    return lines


def _side(study: str, size: int) -> int:
    return {"photograph": size**2, "distances": size, "state": 2**size}[study]


def main() -> None:
    """Run every tool at its sizes, and `recover()` at the sizes of all tools."""
    options = arguments(__doc__ or "")
    torch.set_num_threads(1)
    head = "problem, tool, is told, m, measurements, error, fidelity, processor seconds, peak GB, applications, ending"
    table: list[list[object]] = [[*head.split(", ")]]
    for study in STUDIES:
        sizes = sorted({size for ladder in study.ladders for size in ladder.sizes})
        ours = Ladder("recover()", "noise level" if study.name == "state" else "nothing", recovered, tuple(sizes))
        for ladder in (ours, *study.ladders):
            if ladder.call is alternating_least_squares and CMF is None:
                continue
            table += climb(study, ladder, quick=options.quick)
    show("public_tools", "What public tools need for the three large problems", table, write=options.write)


if __name__ == "__main__":
    main()
