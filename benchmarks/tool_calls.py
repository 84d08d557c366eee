"""Problems of the three large runs at any size, and the calls of public tools on them; `public_tools.py` runs them."""

from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
import scipy.sparse
import torch

import wnsense as wn
from wnsense.linalg import haar_frame, orthonormal_factor
from wnsense.lab.bench.peers import nuclear_norm_minimization, riemannian_trust_region
from wnsense.sensing.combining.compression import packed_rows
from wnsense.lab.demos.large.distances import DistanceStudy, distance_problem
from wnsense.lab.demos.large.photograph import diffraction_problem, photograph
from wnsense.lab.demos.large.quantum_state import StateStudy, state_problem
from wnsense.sensing.point_sets import squared_distances

try:
    from cmfrec import CMF
except ImportError:
    CMF = None
MOST_SECONDS = 240.0
SAMPLES_PER_POINT = 60


@dataclass(frozen=True)
class Answer:
    """Matrix that a tool returned, with its cost and ending."""

    matrix: wn.LowRank
    applications: int | None
    ending: str


# -- the data, those of the stored runs at their full sizes --------------------------------------------------------------


def photograph_of(side: int) -> wn.Problem:
    """Return the problem of eight coded diffraction patterns of the middle of the photograph."""
    return diffraction_problem(photograph(side=side))


def distances_of(points: int) -> wn.Problem:
    """Return the problem of 60 distances for each point, at most half of all, with 1% noise of unknown level."""
    return distance_problem(DistanceStudy(points, min(SAMPLES_PER_POINT * points, points * (points + 1) // 4)))[0]


def state_of(qubits: int) -> wn.Problem:
    """Return the problem of `4 r d` Pauli values, of a million shots each, of a state of rank 4."""
    return state_problem(StateStudy(qubits))


# -- the tools -----------------------------------------------------------------------------------------------------------


def recovered(problem: wn.Problem) -> Answer:
    """Run this library as in the stored large runs: with the noise level of states, without any other setting."""
    level = problem.noise_level if problem.operator.kind is wn.Kind.HERMITIAN else None
    recovery = wn.recover(problem.operator, problem.measurements, noise_level=level)
    return Answer(recovery.matrix, recovery.applications, f"{recovery.status}, rank {recovery.rank}")


def least_nuclear_norm(problem: wn.Problem) -> Answer:
    """Run CVXPY with SCS; its interior-point solver CLARABEL is slower from sides of about 40 on. States are positive."""
    positive = problem.operator.kind is wn.Kind.HERMITIAN
    result = nuclear_norm_minimization(problem, positive=positive, solver="SCS")
    return Answer(result.matrix, None, result.ending)


def trust_region(problem: wn.Problem, rank: int, tolerance: float) -> Answer:
    """Run a trust region of pymanopt on positive semidefinite matrices."""
    result = riemannian_trust_region(problem, rank, tolerance=tolerance, max_seconds=MOST_SECONDS)
    return Answer(result.matrix, result.applications, _steps(result.ending))


def _steps(ending: str) -> str:
    """Return the ending of pymanopt without the seconds, which have their own column."""
    return ending.removeprefix("Terminated - ").partition(" iterations")[0].rstrip(".") + " steps"


def trust_region_embedded(problem: wn.Problem) -> Answer:
    """Run a trust region on rectangular matrices of rank 5; each entry off the diagonal is given twice."""
    i, j, y = _both_triangles(problem)
    entries = wn.EntrySensing.from_places(i, j, problem.operator.shape, wn.Kind.RECTANGULAR)
    result = riemannian_trust_region(wn.Problem(entries, y), 5, tolerance=1e-6, max_seconds=MOST_SECONDS)
    return Answer(result.matrix, result.applications, _steps(result.ending))


def trust_region_gram(problem: wn.Problem) -> Answer:
    """Run a trust region on the Gram matrices of points in space, from the classical scaling of the samples."""
    sampled = _entries(problem)
    start = _classical_scaling(sampled, problem.measurements)
    gram = wn.Problem(DistancesOfGram(sampled), problem.measurements)
    result = riemannian_trust_region(gram, 3, start=start, tolerance=1e-6, max_seconds=MOST_SECONDS)
    P = result.matrix.X * torch.diagonal(result.matrix.Theta).sqrt()
    applications = (result.applications or 0) + SCALING_STEPS
    return Answer(squared_distances(P), applications, _steps(result.ending))


def alternating_least_squares(problem: wn.Problem) -> Answer:
    """Run the alternating ridge regressions of cmfrec at rank 5, without means and biases; lambda is from small sizes."""
    i, j, y = (part.numpy() for part in _both_triangles(problem))
    model = CMF(
        k=5, lambda_=1.0, niter=30, user_bias=False, item_bias=False, center=False, use_cg=False, use_float=False,
        precompute_for_predictions=False, verbose=False, nthreads=torch.get_num_threads(), random_state=1,
    )  # fmt: skip
    model.fit(scipy.sparse.coo_array((y, (i, j)), shape=problem.operator.shape))
    A, B = (torch.from_numpy(np.ascontiguousarray(factor)).double() for factor in (model.A_, model.B_))
    matrix = wn.LowRank(A, torch.eye(5, dtype=A.dtype), B)
    return Answer(matrix, None, f"30 rounds, cmfrec {version('cmfrec')}")


def linear_inversion(problem: wn.Problem) -> Answer:
    """Run NumPy's `lstsq` on all rows, which returns the smallest of the matrices that fit best."""
    operator = problem.operator
    rows = packed_rows(operator, 0, operator.count).numpy()
    z = np.linalg.lstsq(rows, problem.measurements.numpy())[0]
    Z = operator.kind.unpack(torch.from_numpy(z), operator.shape, is_complex=operator.is_complex)
    matrix = wn.LowRank(torch.eye(len(Z), dtype=Z.dtype), Z)
    return Answer(matrix, None, "solved")


@dataclass(frozen=True)
class DistancesOfGram(wn.Operator):
    """Sampled entries of the squared distances `G_ii + G_jj - 2 G_ij`, as measurements of the Gram matrix `G`.

    With `W = M*(v)` of the entries, the adjoint is `2 (diag(W 1) - W)`.

    Attributes:
        entries: Sampled entries; their places are those of the distances.
    """

    entries: wn.EntrySensing
    second_moment: tuple[float, float] | None = None

    @property
    def space(self) -> wn.Space:
        """Space of the Gram matrix."""
        return wn.Space.from_size(self.entries.shape, wn.Kind.PSD, self.entries.dtype, self.entries.device)

    @property
    def count(self) -> int:
        """Number of measurements."""
        return self.entries.count

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
    """Return the leading directions of `-J M*(y) J / 2`; the mean of `M*(y)` is the matrix of squared distances."""
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
    """Return rows, columns and values of the samples and of their mirror images across the diagonal."""
    sampled = _entries(problem)
    y = problem.measurements if sampled.weights is None else problem.measurements / sampled.weights
    i, j, off = sampled.rows, sampled.columns, sampled.rows != sampled.columns
    return torch.cat([i, j[off]]), torch.cat([j, i[off]]), torch.cat([y, y[off]])
