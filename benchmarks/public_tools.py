"""What public tools need for the problems of the three large runs: a ladder of sizes, beside `recover()` on the same data.

`OMP_NUM_THREADS=1 python benchmarks/public_tools.py [--quick] [--write]`, with `pip install 'wnsense[peers,studies]'`.
About twelve minutes and 6 GB; `--quick` takes the small sizes only. A ladder ends where a size takes longer than a minute
or 6 GB, or would take more than four minutes by the growth so far. Tools are given the true rank; `recover()` is not.

Each row is a process of its own with one thread, which makes the data anew from the seed. Seconds are of its processor,
so that a busy machine changes them little; its peak memory is the operating system's figure. Where the package cmfrec is
installed (it is in no extra of this one, and is compiled on installation) it has rows too.
"""

import argparse
import math
import multiprocessing
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import scipy.sparse
import torch
from common import show

import wnsense as wn
from wnsense.linalg import haar_frame, orthonormal_factor
from wnsense.lab.bench.peers import nuclear_norm_minimization, riemannian_trust_region
from wnsense.sensing.combining.compression import packed_rows
from wnsense.lab.demos.large.distances import DistanceStudy, distance_problem
from wnsense.lab.demos.large.photograph import diffraction_problem, photograph
from wnsense.lab.demos.large.quantum_state import StateStudy, state_problem
from wnsense.sensing.point_sets import squared_distances
from wnsense.sensing.quantum_states import fidelity, nearest_state

try:
    from cmfrec import CMF
except ImportError:
    CMF = None

LONG_SECONDS, MOST_SECONDS, MOST_GB = 60.0, 240.0, 6.0
SAMPLES_PER_POINT = 60


@dataclass(frozen=True)
class Found:
    """What a tool returned, however it is called."""

    matrix: wn.LowRank
    applications: int | None
    ending: str


@dataclass(frozen=True)
class Row:
    """What a process reports: the size m of the unknown, what was found, and the peak of its memory.

    Attributes:
        fidelity: Of states; None elsewhere.
        before: GB that the process had held before the data were made.
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


# -- the data, those of the stored runs at their full sizes --------------------------------------------------------------


def photograph_of(side: int) -> wn.Problem:
    """Eight coded diffraction patterns of the middle of the photograph."""
    return diffraction_problem(photograph(side=side))


def distances_of(points: int) -> wn.Problem:
    """60 distances for each point, at most half of all, with 1% of noise, whose level nobody tells."""
    return distance_problem(DistanceStudy(points, min(SAMPLES_PER_POINT * points, points * (points + 1) // 4)))[0]


def state_of(qubits: int) -> wn.Problem:
    """4 r d Pauli values, of a million shots each, of a state of rank 4."""
    return state_problem(StateStudy(qubits))


# -- the tools -----------------------------------------------------------------------------------------------------------


def recovered(problem: wn.Problem) -> Found:
    """This library, told what the stored runs tell it: a noise level for states, nothing else."""
    level = problem.noise_level if problem.operator.kind is wn.Kind.HERMITIAN else None
    found = wn.recover(problem.operator, problem.measurements, noise_level=level)
    return Found(found.matrix, found.applications, f"{found.status}, rank {found.rank}")


def least_nuclear_norm(problem: wn.Problem) -> Found:
    """CVXPY with SCS; its interior-point solver, Clarabel, is slower from sides of about 40 on. States: Tr, positive."""
    positive = problem.operator.kind is wn.Kind.HERMITIAN
    found = nuclear_norm_minimization(problem, positive=positive, solver="SCS")
    return Found(found.matrix, None, found.ending)


def trust_region(problem: wn.Problem, rank: int, tolerance: float) -> Found:
    """A trust region of pymanopt on positive semidefinite matrices."""
    found = riemannian_trust_region(problem, rank, tolerance=tolerance, max_seconds=MOST_SECONDS)
    return Found(found.matrix, found.applications, _steps(found.ending))


def _steps(ending: str) -> str:
    """The ending that pymanopt tells, without the seconds, which have a column."""
    return ending.removeprefix("Terminated - ").partition(" iterations")[0].rstrip(".") + " steps"


def trust_region_embedded(problem: wn.Problem) -> Found:
    """The same on rectangular matrices of rank 5: each entry off the diagonal is told twice."""
    i, j, y = _both_triangles(problem)
    entries = wn.EntrySensing(i, j, problem.operator.shape, wn.Kind.RECTANGULAR)
    found = riemannian_trust_region(wn.Problem(entries, y), 5, tolerance=1e-6, max_seconds=MOST_SECONDS)
    return Found(found.matrix, found.applications, _steps(found.ending))


def trust_region_gram(problem: wn.Problem) -> Found:
    """The same on the Gram matrices of points in space, from where classical scaling of the samples puts the points."""
    sampled = _entries(problem)
    start = _classical_scaling(sampled, problem.measurements)
    gram = wn.Problem(DistancesOfGram(sampled), problem.measurements)
    found = riemannian_trust_region(gram, 3, start=start, tolerance=1e-6, max_seconds=MOST_SECONDS)
    P = found.matrix.X * torch.diagonal(found.matrix.Theta).sqrt()
    applications = (found.applications or 0) + SCALING_STEPS
    return Found(squared_distances(P), applications, _steps(found.ending))


def alternating_least_squares(problem: wn.Problem) -> Found:
    """By cmfrec: ridge regressions of rank 5 in turns, without means and biases, its lambda chosen on small sizes."""
    i, j, y = (part.numpy() for part in _both_triangles(problem))
    model = CMF(
        k=5, lambda_=1.0, niter=30, user_bias=False, item_bias=False, center=False, use_cg=False, use_float=False,
        precompute_for_predictions=False, verbose=False, nthreads=torch.get_num_threads(), random_state=1,
    )  # fmt: skip
    model.fit(scipy.sparse.coo_array((y, (i, j)), shape=problem.operator.shape))
    A, B = (torch.from_numpy(np.ascontiguousarray(factor)).double() for factor in (model.A_, model.B_))
    matrix = wn.LowRank(A, torch.eye(5, dtype=A.dtype), B)
    return Found(matrix, None, f"30 rounds, cmfrec {version('cmfrec')}")


def linear_inversion(problem: wn.Problem) -> Found:
    """NumPy's `lstsq` on all rows: of the matrices that fit best the smallest."""
    operator = problem.operator
    rows = packed_rows(operator, 0, operator.count).numpy()
    z = np.linalg.lstsq(rows, problem.measurements.numpy())[0]
    Z = operator.kind.unpack(torch.from_numpy(z), operator.shape, is_complex=operator.is_complex)
    matrix = wn.LowRank(torch.eye(len(Z), dtype=Z.dtype), Z)
    return Found(matrix, None, "solved")


class DistancesOfGram(wn.Operator):
    """Sampled entries of the squared distances G_ii + G_jj - 2 G_ij, as measurements of the Gram matrix G.

    With W = M*(v) of the entries, the adjoint is 2 (diag(W 1) - W).
    """

    def __init__(self, entries: wn.EntrySensing) -> None:
        """Of the same places."""
        self.entries = entries
        self.kind = wn.Kind.PSD
        self.shape, self.count = entries.shape, entries.count
        self.dtype, self.device = entries.dtype, entries.device
        self.second_moment = None

    def _measure(self, point: wn.LowRank) -> torch.Tensor:
        lengths = ((point.X @ point.Theta) * point.X).sum(1, keepdim=True)
        k = point.width
        core = point.Theta.new_zeros((k + 2, k + 2))
        core[:k, :k] = -2 * point.Theta
        core[k, k + 1] = core[k + 1, k] = 1
        factor = torch.cat([point.X, lengths, torch.ones_like(lengths)], dim=1)
        return self.entries.measure(wn.LowRank(factor, core))

    def _adjoint_times(self, v: torch.Tensor, V: torch.Tensor) -> torch.Tensor:
        both = self.entries.adjoint_times(v, torch.cat([V, torch.ones_like(V[:, :1])], dim=1))
        return 2 * (both[:, -1:] * V - both[:, :-1])


SCALING_STEPS = 20


def _classical_scaling(sampled: wn.EntrySensing, y: torch.Tensor) -> wn.LowRank:
    """The three leading directions of -J M*(y) J / 2, where M*(y) is on the average the matrix of distances."""
    X = haar_frame(sampled.shape[0], 3, generator=torch.Generator().manual_seed(0))
    image = X
    for _ in range(SCALING_STEPS):
        X = orthonormal_factor(image)
        image = sampled.adjoint_times(y, X - X.mean(0)) / -2
        image = image - image.mean(0)
    core = X.mT @ image
    return wn.LowRank(X, (core + core.mT) / 2)


def _entries(problem: wn.Problem) -> wn.EntrySensing:
    if not isinstance(problem.operator, wn.EntrySensing):
        raise TypeError("distances are sampled entries")
    return problem.operator


def _both_triangles(problem: wn.Problem) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Rows, columns and values of the samples, and of the same again across the diagonal."""
    sampled = _entries(problem)
    y = problem.measurements if sampled.weights is None else problem.measurements / sampled.weights
    i, j, off = sampled.rows, sampled.columns, sampled.rows != sampled.columns
    return torch.cat([i, j[off]]), torch.cat([j, i[off]]), torch.cat([y, y[off]])


# -- the ladders ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ladder:
    """A tool, what it is told that `recover()` is not, and the sizes at which it is tried."""

    tool: str
    told: str
    call: Callable[[wn.Problem], Found]
    sizes: tuple[int, ...]


@dataclass(frozen=True)
class Study:
    """One of the large runs: its data at a size, and the side of the unknown at its full size."""

    name: str
    data: Callable[[int], wn.Problem]
    full: int
    ladders: tuple[Ladder, ...]


def _photograph_trust_region(problem: wn.Problem) -> Found:
    return trust_region(problem, rank=1, tolerance=1e-10)


def _state_trust_region(problem: wn.Problem) -> Found:
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
QUICK_SIZES = {"photograph": 64, "distances": 1000, "state": 5}


def measure(data: Callable[[int], wn.Problem], call: Callable[[wn.Problem], Found], size: int, out: Connection) -> None:
    """What a process does: make the data, call the tool, send the row."""
    torch.set_num_threads(1)
    for library in ("cvxpy", "pymanopt"):
        import_module(library)  # before the clock runs
    before = peak_gb()
    problem = data(size)
    began = time.process_time()
    found = call(problem)
    seconds = time.process_time() - began
    peak = peak_gb()
    truth = problem.truth
    if truth is None:
        raise TypeError("the data come with the truth")
    state = problem.operator.kind is wn.Kind.HERMITIAN
    out.send(
        Row(
            size=problem.operator.shape[0],
            measurements=problem.operator.count,
            error=float(found.matrix.distance(truth) / truth.norm()),
            fidelity=fidelity(nearest_state(found.matrix), truth) if state else None,
            seconds=seconds,
            peak=peak,
            before=before,
            applications=found.applications,
            ending=found.ending,
        )
    )


def peak_gb() -> float:
    """Of this process, so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def in_a_process(study: Study, call: Callable[[wn.Problem], Found], size: int) -> Row | str:
    """The row, or why there is none."""
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
    """What a process holds now; 0 where the operating system does not tell it this way."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * resource.getpagesize() / 1e9


def slope(rows: list[Row], value: Callable[[Row], float]) -> tuple[float, float] | None:
    """Exponent and logarithm of the factor of value = factor m^exponent by least squares; None below two rows."""
    points = [(math.log(row.size), math.log(value(row))) for row in rows if value(row) > 0]
    if len(points) < 2:
        return None
    exponent, intercept = np.polyfit(*np.array(points).T, 1)
    return float(exponent), float(intercept)


def predicted(rows: list[Row], size: int) -> float:
    """Seconds at a size by the growth from the last row but one to the last."""
    law = slope(rows[-2:], lambda row: row.seconds)
    return 0.0 if law is None else math.exp(law[1]) * size ** law[0]


def grown(row: Row) -> float:
    """GB beyond what the libraries themselves hold; less than 0.03 counts as nothing."""
    added = row.peak - row.before
    return added if added >= 0.03 else 0.0


def told(row: Row) -> list[object]:
    """The figures of a row."""
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
    """The figures of a size without any."""
    return [f"{size:,}", *[""] * 6, why]


def growth(rows: list[Row], full: int) -> list[object]:
    """The exponents, and what they say of the full size where that was not reached."""
    kept = [row for row in rows if row.seconds > 0.05][-3:]
    cells: dict[str, str] = {}
    for name, value, unit in (("seconds", lambda row: row.seconds, "s"), ("peak", grown, "GB")):
        law = slope(kept, value)
        if law is None:
            cells[name] = ""
            continue
        cells[name] = f"m^{law[0]:.1f}"
        if rows[-1].size < full:
            cells[name] += f", EXTRAPOLATED {math.exp(law[1]) * full ** law[0]:.0e} {unit}"
    return [f"growth to {full:,}", "", "", "", cells["seconds"], cells["peak"], "", f"from the last {len(kept)} sizes"]


def climb(study: Study, ladder: Ladder, *, quick: bool) -> list[list[object]]:
    """A ladder's rows, up to where it takes too long."""
    rows: list[Row] = []
    lines: list[list[object]] = []
    for size in ladder.sizes:
        if quick and size > QUICK_SIZES[study.name]:
            break
        side = _side(study.name, size)
        expected = predicted(rows, side)
        if rows and (rows[-1].seconds > LONG_SECONDS or expected > MOST_SECONDS):
            lines.append([study.name, ladder.tool, ladder.told, *missing(side, f"not tried: about {expected:.0f} s")])
            break
        row = in_a_process(study, ladder.call, size)
        if isinstance(row, str):
            lines.append([study.name, ladder.tool, ladder.told, *missing(side, row)])
            break
        rows.append(row)
        lines.append([study.name, ladder.tool, ladder.told, *told(row)])
        sys.stderr.write(f"{lines[-1]}\n")
    if rows:
        lines.append([study.name, ladder.tool, ladder.told, *growth(rows, study.full)])
    return lines


def _side(study: str, size: int) -> int:
    return {"photograph": size**2, "distances": size, "state": 2**size}[study]


def main() -> None:
    """Climb every ladder, ours on all sizes of the others."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
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
